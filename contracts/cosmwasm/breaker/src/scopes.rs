//! Scopes in the store, where proofs find them: the key is two bytes of length, `scope`, and the 32 bytes of the scope's
//! id (as `cw_storage_plus::Map::new("scope")` makes it), the value the packed word.

use cosmwasm_std::storage_keys::namespace_with_key;
use cosmwasm_std::{Env, Storage};

use crate::error::BreakerError;
use crate::events::Log;
use crate::msg::ScopeParts;
use crate::scope_id::{DIRECTION_OUT, scope_of};
use crate::scope_word::ScopeWord;
use crate::state::CONFIG;
use crate::word::Word;

/// SECURITY: proofs read this key; it may never change.
const NAMESPACE: &[u8] = b"scope";

/// When a call happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Unix seconds.
    pub time: u64,
    /// Blocks since the chain's beginning.
    pub height: u64,
}

impl From<&Env> for Block {
    fn from(env: &Env) -> Self {
        Self { time: env.block.time.seconds(), height: env.block.height }
    }
}

/// A scope's state; none when it is not registered.
///
/// # Errors
/// When the stored value is broken.
pub fn load(storage: &dyn Storage, scope: Word) -> Result<Option<ScopeWord>, BreakerError> {
    storage.get(&key(scope)).map(|bytes| ScopeWord::unpack(&bytes)).transpose()
}

/// The state of a scope that must exist.
///
/// # Errors
/// [`BreakerError::ScopeUnregistered`].
pub fn known(storage: &dyn Storage, scope: Word) -> Result<ScopeWord, BreakerError> {
    load(storage, scope)?.ok_or(BreakerError::ScopeUnregistered { scope })
}

/// Writes a scope's state.
///
/// # Errors
/// When a bound does not fit.
pub fn save(storage: &mut dyn Storage, scope: Word, word: &ScopeWord) -> Result<(), BreakerError> {
    storage.set(&key(scope), &word.pack()?);
    Ok(())
}

/// Makes a scope known; open from then on.
///
/// # Errors
/// For a direction that does not exist, and for a scope that is known already.
pub fn register(
    storage: &mut dyn Storage,
    log: &mut Log,
    parts: &ScopeParts,
    kind: u8,
) -> Result<Word, BreakerError> {
    if parts.direction > DIRECTION_OUT {
        return Err(BreakerError::InvalidDirection { direction: parts.direction });
    }
    let caip2 = CONFIG.load(storage)?.caip2_hash;
    let scope = scope_of(caip2, parts.bridge, parts.direction, parts.corridor, parts.asset);
    if load(storage, scope)?.is_some() {
        return Err(BreakerError::ScopeAlreadyRegistered { scope });
    }
    save(storage, scope, &ScopeWord { kind, ..ScopeWord::default() })?;
    log.emit(
        "ScopeRegistered",
        &[
            ("scope", &scope),
            ("bridge", &parts.bridge),
            ("direction", &parts.direction),
            ("corridor", &parts.corridor),
            ("asset", &parts.asset),
        ],
    );
    Ok(scope)
}

fn key(scope: Word) -> Vec<u8> {
    namespace_with_key(&[NAMESPACE], &scope.0)
}
