//! Calls that change a program's code, or who may change it.

use portcullis_verifier::{AdminKind, B256};

use super::{Record, What};
use crate::address;

/// The loader behind which programs can be changed.
const UPGRADEABLE: &str = "BPFLoaderUpgradeab1e11111111111111111111111";
/// The one that follows it.
const FOURTH: &str = "LoaderV411111111111111111111111111111111111";

/// The loader behind which programs can be changed.
pub(super) fn upgradeable() -> B256 {
    address::constant(UPGRADEABLE)
}

/// Every loader whose calls are read.
pub(super) fn programs() -> [B256; 2] {
    [upgradeable(), address::constant(FOURTH)]
}

/// What a call of a loader changes about the program at `address`, whose code lies at `code`: the kind of change, and the
/// new authority or the account that the new code comes from; zero for nobody.
pub(super) fn change(record: &Record, address: B256, code: B256) -> Option<(AdminKind, B256)> {
    let What::Call { data, accounts } = &record.what else { return None };
    let tag = u32::from_le_bytes(*data.first_chunk::<4>()?);
    let account = |at: usize| accounts.get(at).copied();
    let about = |at: usize, whom: B256| account(at) == Some(whom);
    if record.program == upgradeable() {
        return match tag {
            // Upgrade: code, program, buffer, …
            3 if about(1, address) => Some((AdminKind::Upgrade, account(2).unwrap_or_default())),
            // SetAuthority: code, current, new or nobody. SetAuthorityChecked: the same, and the new one signs.
            4 | 7 if about(0, code) => Some((AdminKind::Owner, account(2).unwrap_or_default())),
            // Close: code, recipient, authority, program. What is closed runs no more.
            5 if about(0, code) => Some((AdminKind::Upgrade, B256::ZERO)),
            // Migrate to the loader that follows: code, program, authority.
            8 if about(1, address) => Some((AdminKind::Upgrade, address::constant(FOURTH))),
            // ExtendProgram only makes room: nothing is changed.
            _ => None,
        };
    }
    if record.program == address::constant(FOURTH) && about(0, address) {
        return match tag {
            // Deploy: program, authority, and where given the account that the new code comes from.
            3 => Some((AdminKind::Upgrade, account(2).unwrap_or(address))),
            // Write, Copy and SetProgramLength prepare what Deploy puts in force; Retract takes the program out of it.
            4 => Some((AdminKind::Upgrade, B256::ZERO)),
            // TransferAuthority: program, current, new. Finalize: nobody may any more.
            5 => Some((AdminKind::Owner, account(2).unwrap_or_default())),
            6 => Some((AdminKind::Owner, B256::ZERO)),
            _ => None,
        };
    }
    None
}
