//! How much of the power over a chain has moved between two sets of validators, over restarts too.
//!
//! What a change is counted from is kept in a file beside the light client's, with the block from which on it holds: power
//! that moves little by little, some of it before a restart and some of it after or meanwhile, has moved all the same. A
//! change is written before its block is delivered. Where the process ends between the two, the block comes again after
//! the start, is compared with the set that stood before it, and is told again.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{B256, ChainId};
use prost::Message;
use tendermint_proto::v0_38::types::ValidatorSet as RawValidatorSet;

use crate::{
    limits,
    root::{RootError, broken, file_name},
    state_file,
};

/// Power by address.
type Powers = BTreeMap<Vec<u8>, u64>;

/// A set that changes are counted from.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Base {
    /// The block which it signed first, as far as was seen: the one with which it was told.
    height: u64,
    powers: Powers,
}

/// What is kept.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct State {
    chain: ChainId,
    /// Oldest first.
    bases: VecDeque<Base>,
}

/// The sets that were told last, and what is needed to tell the next change.
#[derive(Debug)]
pub(crate) struct Watch {
    state: State,
    seen: Option<B256>,
    file: Option<PathBuf>,
}

impl Watch {
    /// Goes on where watching was left, of what was told up to the block `delivered`; none is before the first.
    ///
    /// # Errors
    /// [`RootError`] when kept state cannot be read or is not what was written: from which set on power is counted must not
    /// be forgotten silently.
    pub(crate) fn open(
        dir: Option<PathBuf>,
        chain: ChainId,
        delivered: Option<u64>,
    ) -> Result<Self, RootError> {
        let file = dir.map(|dir| dir.join(file_name(chain, "validators")));
        let kept = match &file {
            Some(path) => state_file::read(path, limits::BASES_BYTES_MAX)?.map(|bytes| (path, bytes)),
            None => None,
        };
        let mut state = State { chain, bases: VecDeque::new() };
        if let Some((path, bytes)) = kept {
            state = borsh::from_slice(&bytes)
                .map_err(|_not_one| broken(path, "it holds no sets of validators"))?;
            if state.chain != chain {
                return Err(broken(path, "it is of another chain"));
            }
        }
        // What was told with a block that is not delivered was told to nobody.
        state.bases.retain(|base| delivered.is_some_and(|delivered| base.height <= delivered));
        Ok(Self { state, seen: None, file })
    }

    /// Takes the set that signs the verified block at `height`; the share of the power that moved since the set that was
    /// told last, in basis points, once it reaches `least_bps`.
    ///
    /// Delegations move a little power in nearly every block, and mean nothing; what comes little by little is told
    /// when it has come to `least_bps`. The first set that is ever seen is the one to start from.
    pub(crate) fn take(&mut self, height: u64, hash: B256, set: &[u8], least_bps: u64) -> Option<u64> {
        if self.seen == Some(hash) {
            return None;
        }
        let powers = powers(set)?;
        self.seen = Some(hash);
        let moved = self.state.bases.back().map(|base| moved_bps(&base.powers, &powers));
        if moved.is_some_and(|moved| moved < least_bps) {
            return None;
        }
        self.keep(Base { height, powers });
        moved
    }

    /// What cannot be kept holds in memory all the same.
    fn keep(&mut self, base: Base) {
        self.state.bases.push_back(base);
        if self.state.bases.len() > limits::BASES_KEPT {
            self.state.bases.pop_front();
        }
        let Some(file) = &self.file else { return };
        let written = borsh::to_vec(&self.state).and_then(|bytes| state_file::write(file, &bytes));
        if let Err(error) = written {
            let chain = self.state.chain;
            tracing::error!(code = "PC-0943", %chain, %error, "the validators that were told last are not kept");
        }
    }
}

fn powers(set: &[u8]) -> Option<Powers> {
    let set = RawValidatorSet::decode(set).ok()?;
    let power = |power: i64| u64::try_from(power).unwrap_or(0);
    Some(set.validators.into_iter().map(|one| (one.address, power(one.voting_power))).collect())
}

/// The share of the new power that its holders did not have before, in basis points.
fn moved_bps(old: &Powers, new: &Powers) -> u64 {
    let total =
        |powers: &Powers| powers.values().fold(0u128, |sum, one| sum.saturating_add(u128::from(*one)));
    let (before, after) = (total(old), total(new));
    // Both sets scaled to the product of the totals, so that growth alone moves nothing.
    let gained = new.iter().fold(0u128, |sum, (address, power)| {
        let had = u128::from(old.get(address).copied().unwrap_or(0)).saturating_mul(after);
        let has = u128::from(*power).saturating_mul(before);
        sum.saturating_add(has.saturating_sub(had))
    });
    let whole = before.saturating_mul(after);
    let share = if whole == 0 { Some(10_000) } else { scaled(gained, whole) };
    share.and_then(|bps| u64::try_from(bps).ok()).unwrap_or(10_000)
}

/// `part` of `whole` in basis points, without overflow for totals of up to 2^60 each.
fn scaled(part: u128, whole: u128) -> Option<u128> {
    let (part, whole) = (part >> 14, whole >> 14);
    part.checked_mul(10_000)?.checked_div(whole.max(1))
}

#[cfg(test)]
#[path = "validators_tests.rs"]
mod tests;
