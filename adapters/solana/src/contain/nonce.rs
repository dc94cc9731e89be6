//! Durable nonces: an option by which a trip does not expire, and at most one of all that were signed on one nonce lands. Pure.
//!
//! A nonce account holds a value that stands where a recent blockhash would. Whoever signs with it advances it as the first call
//! of the transaction, and the chain keeps that even where the rest of the transaction fails: every other transaction with the
//! same value is dead from then on. There is no height past which it cannot land.
//!
//! A value serves one action at a time: two actions on one value would shut each other out. Whoever finds it taken, unreadable or
//! not known to be current signs with a recent blockhash instead, at once: the option never makes a gate close later.
//!
//! SECURITY: a value is used only as long as the last reading by a quorum says that it is current. What was read before a
//! transaction with it was seen in a block, or before a reading that failed, may be consumed and is read anew.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use portcullis_verifier::{ActionId, B256};

use super::query::Account;
use crate::limits;

/// Bytes of a nonce account.
pub(crate) const NONCE_BYTES: u64 = 80;
/// The version whose values cannot be mistaken for blockhashes, and the state of an account that was initialised.
const CURRENT: u32 = 1;
const INITIALISED: u32 = 1;

/// Why an account is no nonce that a key can sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Unusable {
    /// Nothing is there.
    #[error("is not there; make it, or correct `nonce`")]
    Missing,
    /// It is something else.
    #[error("is no nonce account of the system program; correct `nonce`")]
    NoNonce,
    /// Made, and never given a value.
    #[error("is not initialised; initialise it with the key that signs as its authority")]
    NotInitialised,
    /// Of the first version, whose values validators do not take any more.
    #[error("is of the old version; upgrade it with the chain's own tools, or make another one")]
    Legacy,
    /// Somebody else advances it.
    #[error("has another authority than the key that signs; authorise the key, or make another account")]
    Authority,
}

impl Unusable {
    /// The page that explains it.
    pub(crate) fn page(self) -> &'static str {
        if self == Self::Authority { "PC-0986" } else { "PC-0985" }
    }
}

/// The value that a key signs with, from its nonce account.
///
/// # Errors
/// [`Unusable`] where the account gives the key no such value.
pub(crate) fn read(account: Option<&Account>, authority: B256) -> Result<B256, Unusable> {
    let account = account.ok_or(Unusable::Missing)?;
    let number = |at: usize| {
        let bytes = account.data.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let word = |at: usize| Some(B256::new(*account.data.get(at..)?.first_chunk::<32>()?));
    // SECURITY: what another program owns can look like a nonce and never be advanced.
    let own = account.owner == B256::ZERO && u64::try_from(account.data.len()) == Ok(NONCE_BYTES);
    let (Some(version), Some(state), Some(by), Some(value)) = (number(0), number(4), word(8), word(40))
    else {
        return Err(Unusable::NoNonce);
    };
    match (own, version, state) {
        (false, _, _) => Err(Unusable::NoNonce),
        (true, _, state) if state != INITIALISED => Err(Unusable::NotInitialised),
        (true, version, _) if version != CURRENT => Err(Unusable::Legacy),
        _ if by != authority => Err(Unusable::Authority),
        _ => Ok(value),
    }
}

/// What a quorum tells of a nonce account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// A value, and a slot from which on it was current.
    Value(B256, u64),
    /// Nothing that can be signed with.
    Unusable(Unusable),
    /// No quorum tells it alike.
    Nothing,
}

/// What a quorum of operators tells alike, from what each tells after some slot. Of two things that as many tell, the later one.
pub(crate) fn agreed(said: &[(u64, Result<B256, Unusable>)], quorum: usize, lag_slots: u64) -> Told {
    let mut votes: BTreeMap<Result<B256, Unusable>, (usize, u64)> = BTreeMap::new();
    for (slot, what) in said {
        let (count, newest) = votes.entry(*what).or_default();
        (*count, *newest) = (count.saturating_add(1), (*newest).max(*slot));
    }
    let enough = votes.into_iter().filter(|(_, (count, _))| *count >= quorum.max(1));
    let Some((what, (_, slot))) = enough.max_by_key(|(_, (_, slot))| *slot) else { return Told::Nothing };
    // SECURITY: a slot that one liar makes up must not lie where nobody gets: whether the value is gone is asked from there on.
    let mut slots: Vec<u64> = said.iter().map(|(slot, _)| *slot).collect();
    slots.sort_unstable_by(|a, b| b.cmp(a));
    let reached = slots.get(quorum.saturating_sub(1)).copied().unwrap_or(0);
    match what {
        Ok(value) => Told::Value(value, slot.min(reached.saturating_add(lag_slots))),
        Err(why) => Told::Unusable(why),
    }
}

/// Why the option is not in use now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// As a quorum tells it.
    #[error("the account {0}")]
    Unusable(#[from] Unusable),
    /// For several readings in a row.
    #[error("no quorum of operators tells its value")]
    Silent,
    /// Not read since something used it, or since the start.
    #[error("its value is not known to be current")]
    NotRead,
    /// Signed with for another action that may still land.
    #[error("its value serves another action")]
    Taken,
    /// A closure needs more than one transaction, or one that would be too long.
    #[error("the closure does not fit into one transaction with it")]
    Room,
}

impl Trouble {
    /// The page that explains it.
    pub(crate) fn page(self) -> &'static str {
        if let Self::Unusable(why) = self { why.page() } else { "PC-0985" }
    }
}

/// A change that people should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It cannot be used from now on.
    Lost(Trouble),
    /// It can be used again.
    Back,
}

/// Whether a value is kept for who asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// What is signed may be sent.
    Keep,
    /// Only rehearsed.
    Look,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    value: B256,
    /// From which slot on it was current.
    slot: u64,
    /// For which action it was signed with, and at which slot.
    by: Option<(ActionId, u64)>,
}

/// What is known of one nonce account.
#[derive(Debug, Default)]
struct Known {
    held: Option<Held>,
    /// Whether the last reading said that the value is current, and nothing has been seen to use it since.
    current: bool,
    /// Readings in a row without a quorum.
    silent: u32,
    trouble: Option<Trouble>,
    /// Only what is told from this slot on is believed.
    least: u64,
    /// Newest slot of a reading.
    now: u64,
}

impl Known {
    fn told(&mut self, told: Told) -> Option<Change> {
        let trouble = match told {
            Told::Value(value, slot) => {
                self.keep(value, slot);
                None
            }
            Told::Unusable(why) => Some(Trouble::Unusable(why)),
            Told::Nothing => {
                self.current = false;
                self.silent = self.silent.saturating_add(1);
                // Operators come to know a new value one after the other.
                if self.silent < limits::HASH_AGE {
                    return None;
                }
                Some(Trouble::Silent)
            }
        };
        self.current = trouble.is_none();
        if self.trouble == trouble {
            return None;
        }
        self.trouble = trouble;
        Some(trouble.map_or(Change::Back, Change::Lost))
    }

    fn keep(&mut self, value: B256, slot: u64) {
        (self.silent, self.now) = (0, self.now.max(slot));
        let now = self.now;
        match &mut self.held {
            Some(held) if held.value == value => {
                held.by = held.by.filter(|(_, since)| now.saturating_sub(*since) <= limits::NONCE_HELD_SLOTS);
            }
            _ => self.held = Some(Held { value, slot, by: None }),
        }
    }

    fn take(&mut self, action: ActionId, hold: Hold) -> Result<(B256, u64), Trouble> {
        let now = self.now;
        let held = self.held.as_mut().filter(|_| self.current);
        let held = held.ok_or(self.trouble.unwrap_or(Trouble::NotRead))?;
        if held.by.is_some_and(|(by, _)| by != action) {
            return Err(Trouble::Taken);
        }
        if hold == Hold::Keep {
            held.by = Some((action, now));
        }
        Ok((held.value, held.slot))
    }

    fn handed(&mut self, action: ActionId, value: B256) {
        let now = self.now;
        if let Some(held) = self.held.as_mut().filter(|held| held.value == value) {
            held.by.get_or_insert((action, now));
        }
    }

    fn consumed(&mut self, value: B256, slot: u64) {
        if self.held.is_some_and(|held| held.value == value) {
            self.current = false;
            self.least = self.least.max(slot);
        }
    }
}

/// A nonce account of one lane, with what is known of it.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) account: B256,
    known: Mutex<Known>,
}

impl Durable {
    pub(crate) fn new(account: B256) -> Self {
        Self { account, known: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Only what operators tell from this slot on is believed.
    pub(crate) fn least(&self) -> u64 {
        self.with(|known| known.least)
    }

    /// A quorum tells this.
    pub(crate) fn told(&self, told: Told) -> Option<Change> {
        self.with(|known| known.told(told))
    }

    /// The value for an action, and the slot from which on it was current. An action that comes again gets the same one for as
    /// long as it is current.
    ///
    /// # Errors
    /// Why there is none for it.
    pub(crate) fn take(&self, action: ActionId, hold: Hold) -> Result<(B256, u64), Trouble> {
        self.with(|known| known.take(action, hold))
    }

    /// Bytes with a value are handed over, perhaps signed before this process began.
    pub(crate) fn handed(&self, action: ActionId, value: B256) {
        self.with(|known| known.handed(action, value));
    }

    /// A transaction with a value was seen in a block of a slot, or can never land: it is read anew, from that slot on.
    pub(crate) fn consumed(&self, value: B256, slot: u64) {
        self.with(|known| known.consumed(value, slot));
    }
}

#[cfg(test)]
#[path = "nonce_tests.rs"]
mod tests;
