//! The network of one chain: every operator's lanes, what the lanes have found out about operators, and what all
//! roles share.

mod answers;
mod block;
mod logs;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use portcullis_rpc::{Client, FaultLog, Operator, operators};
use portcullis_verifier::{B256, ChainId};

use crate::{config::Compiled, error::BuildError, stakes::PinnedStakes};

pub(crate) use answers::{
    AT_CONFIRMED, AT_FINALIZED, AT_PROCESSED, NotThere, blocks_between, genesis, is_of, not_there, slot,
};
pub(crate) use block::{Encoded, Told, no_block, read_block, told};
pub(crate) use logs::logged;

/// Every endpoint of a chain.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) chain: ChainId,
    pub(crate) quorum: usize,
    pub(crate) operators: Vec<Operator>,
    /// Where trips go.
    pub(crate) submit: Vec<Client>,
    pub(crate) faults: FaultLog,
    /// What Gates hold.
    pub(crate) mints: Mints,
    /// Who votes, where a person pinned it.
    pub(crate) stakes: Option<Arc<PinnedStakes>>,
    /// Slots that a quorum may be behind what one had reached.
    pub(crate) lag_slots: u64,
    /// The greatest slot that a quorum had reached.
    reached: AtomicU64,
}

impl Network {
    pub(crate) fn new(compiled: &Compiled) -> Result<Self, BuildError> {
        let config = &compiled.config;
        let (operators, submit) = operators(&config.endpoints, &config.submission)?;
        let stakes = config.stakes.as_ref().map(|source| PinnedStakes::open(source, config.chain));
        Ok(Self {
            chain: config.chain,
            quorum: usize::from(config.quorum),
            operators,
            submit,
            faults: FaultLog::default(),
            mints: Mints::default(),
            stakes: stakes.transpose()?.map(Arc::new),
            lag_slots: config.lag_blocks,
            reached: AtomicU64::new(0),
        })
    }

    /// A quorum is at this slot now: the greatest one that any has been at.
    pub(crate) fn has_reached(&self, slot: u64) -> u64 {
        self.reached.fetch_max(slot, Ordering::Relaxed).max(slot)
    }
}

/// Mints that Gates hold, with their scopes, as a quorum told last. Bounded by what is asked for at one time.
#[derive(Debug, Default)]
pub(crate) struct Mints {
    inner: Mutex<BTreeMap<B256, Vec<(B256, B256)>>>,
}

impl Mints {
    /// Remembers what a Gate holds: mints with their scopes.
    pub(crate) fn keep(&self, gate: B256, held: Vec<(B256, B256)>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).insert(gate, held);
    }

    /// What a Gate holds; none where that is not known.
    pub(crate) fn of(&self, gate: B256) -> Option<Vec<(B256, B256)>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).get(&gate).cloned()
    }
}
