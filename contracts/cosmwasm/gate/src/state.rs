//! What the gate keeps beside [`portcullis_breaker::state`]. The mark of a target, and what of a scope is enforced, are part
//! of the interface, because they are proven from outside.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::storage_keys::namespace_with_key;
use cosmwasm_std::{StdError, StdResult, Storage};
use cw_storage_plus::Map;
use portcullis_breaker::{Block, BreakerError, ScopeWord, Word};

use crate::msg::Target;

/// SECURITY: proofs read this key; it may never change.
const NAMESPACE: &[u8] = b"target";
/// SECURITY: proofs read this key; it may never change.
const ENFORCED: &[u8] = b"enforced";

/// Targets by scope, in the order of `targets_of`.
pub const TARGETS: Map<&[u8], Vec<Target>> = Map::new("targets");

/// What the gate's last attempt left of a target.
#[cw_serde]
#[derive(Copy, Eq)]
pub enum Mark {
    /// The gate has not closed it, or has opened it again.
    Open,
    /// The gate closed it, and will restore it.
    Ours,
    /// It was closed already, by others, or the gate could not tell: it stays closed until people open it.
    Found,
    /// It refused to close.
    Failed,
    /// The gate closed it, and it refused to open.
    Stuck,
    /// The gate had closed it, and when that was tried again it refused: it may be open.
    Doubtful,
}

impl Mark {
    /// Whether the gate closed it and owes its opening.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Stuck | Self::Doubtful)
    }

    /// Whether the target was closed when the gate last tried.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Ours | Self::Found | Self::Stuck)
    }

    fn number(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Ours => 2,
            Self::Found => 3,
            Self::Failed => 4,
            Self::Stuck => 5,
            Self::Doubtful => 6,
        }
    }

    fn read(number: u8) -> Option<Self> {
        [Self::Open, Self::Ours, Self::Found, Self::Failed, Self::Stuck, Self::Doubtful]
            .into_iter()
            .find(|mark| mark.number() == number)
    }
}

/// The mark of a target; none when it belongs to no scope.
///
/// # Errors
/// When the stored value is not one that was written here.
pub fn mark(storage: &dyn Storage, id: Word) -> StdResult<Option<Mark>> {
    let Some(value) = storage.get(&key(id)) else { return Ok(None) };
    let mark = value.last().copied().and_then(Mark::read);
    mark.map(Some).ok_or_else(|| StdError::generic_err("BrokenTarget"))
}

/// Writes a mark: as one big-endian number of 48 bits, least significant bits first: mark 0..8, time of the attempt in
/// Unix seconds 8..48.
pub fn set_mark(storage: &mut dyn Storage, block: Block, id: Word, mark: Mark) {
    let [_, _, _, time @ ..] = block.time.to_be_bytes();
    let mut value = time.to_vec();
    value.push(mark.number());
    storage.set(&key(id), &value);
}

/// The target belongs to no scope any more.
pub fn clear_mark(storage: &mut dyn Storage, id: Word) {
    storage.remove(&key(id));
}

/// Writes what of a scope is enforced: its word, as the scope itself has it, with nothing closed or limited that a target
/// did not follow.
///
/// # Errors
/// When a bound does not fit.
pub fn set_enforced(storage: &mut dyn Storage, scope: Word, word: &ScopeWord) -> Result<(), BreakerError> {
    storage.set(&namespace_with_key(&[ENFORCED], &scope.0), &word.pack()?);
    Ok(())
}

fn key(id: Word) -> Vec<u8> {
    namespace_with_key(&[NAMESPACE], &id.0)
}
