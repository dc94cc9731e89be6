//! Older blocks under a newer header, through the history contract's ring buffer (EIP-2935).

use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_primitives::{B256, U256, keccak256};

use super::{
    account::{verify_account, verify_storage},
    error::EvmProofError,
    header::SealedHeader,
    limits::HISTORY_WINDOW_BLOCKS,
};
use crate::{BlockRef, Verified};

/// Key of the slot in which the history contract keeps the hash of block `height`.
#[must_use]
pub fn history_slot(height: u64) -> B256 {
    let place = height.checked_rem(HISTORY_WINDOW_BLOCKS).unwrap_or_default();
    B256::from(U256::from(place))
}

/// Proves that `ancestor` is on the chain that ends in `header`, at most 8,191 blocks before it.
///
/// The ring buffer is indexed by number modulo its length, so a slot alone does not say which block it is of:
/// the range is checked first, and the code at the address must be that of EIP-2935, whose buffer has this
/// length (one known chain runs another code with a longer one there).
///
/// # Errors
/// [`EvmProofError::HistoryMismatch`] when the chain has another block at that height;
/// [`EvmProofError::HistoryRange`] and [`EvmProofError::HistoryCode`] when the contract cannot say; otherwise as
/// [`verify_account`] and [`verify_storage`].
pub fn verify_ancestry<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    ancestor: BlockRef,
    account_nodes: &[N],
    storage_nodes: &[N],
) -> Result<Verified<BlockRef>, EvmProofError> {
    check_range(header.value().number, ancestor.height)?;
    let contract = verify_account(header, HISTORY_STORAGE_ADDRESS, account_nodes)?;
    let expected = keccak256(&HISTORY_STORAGE_CODE);
    let found = contract.value().fields().code_hash;
    if found != expected {
        return Err(EvmProofError::HistoryCode { expected, found });
    }
    let word = verify_storage(&contract, history_slot(ancestor.height), storage_nodes)?;
    let found = B256::from(*word.value());
    if found != ancestor.hash {
        return Err(EvmProofError::HistoryMismatch {
            height: ancestor.height,
            expected: ancestor.hash,
            found,
        });
    }
    Ok(Verified::new(ancestor, *word.assurance()))
}

/// The state after block n holds the hashes of blocks n − 8191 to n − 1.
fn check_range(under: u64, height: u64) -> Result<u64, EvmProofError> {
    match under.checked_sub(height) {
        Some(distance @ 1..=HISTORY_WINDOW_BLOCKS) => Ok(distance),
        _ => Err(EvmProofError::HistoryRange { height, under, window: HISTORY_WINDOW_BLOCKS }),
    }
}
