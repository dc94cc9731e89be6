//! The network of one chain: every operator's lanes, what the lanes have found out about operators, and what all
//! roles share.

mod answers;
mod block;
mod kept;

use std::sync::{Mutex, PoisonError};

use portcullis_rpc::{Client, FaultLog, Operator, operators};
use portcullis_verifier::{B256, BlockRef, ChainId, keccak256};

use crate::{config::Compiled, error::BuildError, limits, root::LightClient};

use kept::Kept;

pub(crate) use answers::{Answered, RawAttribute, RawEvent, Status, read_push, status, stored};
pub(crate) use block::{
    Body, Results, Told, ValidatorSets, header, pushed_body, results, told, transactions,
};

/// Every endpoint of a chain.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) chain: ChainId,
    /// The chain's own name.
    pub(crate) name: String,
    pub(crate) quorum: usize,
    pub(crate) operators: Vec<Operator>,
    /// Where trips go.
    pub(crate) submit: Vec<Client>,
    pub(crate) faults: FaultLog,
    /// The chain's light client.
    pub(crate) root: LightClient,
    /// The header that it begins with.
    pub(crate) pinned: BlockRef,
    /// Keys of contracts that claims name by their digest.
    pub(crate) keys: KeyBook,
    /// Validator sets by their hash.
    pub(crate) sets: ValidatorSets,
}

impl Network {
    pub(crate) fn new(compiled: &Compiled) -> Result<Self, BuildError> {
        let config = &compiled.config;
        let (operators, submit) = operators(&config.endpoints, &config.submission)?;
        Ok(Self {
            chain: config.chain,
            name: compiled.name.clone(),
            quorum: usize::from(config.quorum),
            operators,
            submit,
            faults: FaultLog::default(),
            root: LightClient::open(compiled)?,
            pinned: config.trust.block(),
            keys: KeyBook::default(),
            sets: ValidatorSets::default(),
        })
    }

    /// Operators in the order in which they are asked for what needs no second voice: those without recent faults
    /// first.
    pub(crate) fn by_standing(&self) -> Vec<&Operator> {
        let mut all: Vec<&Operator> = self.operators.iter().collect();
        all.sort_by_key(|operator| !self.faults.is_good(operator.name));
        all
    }
}

/// Keys of contracts by their keccak256: claims name a key by its digest, the chain's stores by itself.
#[derive(Debug, Default)]
pub(crate) struct KeyBook {
    inner: Mutex<Kept>,
}

impl KeyBook {
    /// Remembers a contract's own key and gives its digest, as claims carry it. The oldest are forgotten beyond
    /// [`limits::KEYS_KEPT`].
    pub(crate) fn learn(&self, own: &[u8]) -> B256 {
        let digest = keccak256(own);
        let mut kept = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(digest, own, limits::KEYS_KEPT);
        digest
    }

    /// The key with this digest.
    pub(crate) fn get(&self, digest: B256) -> Option<Vec<u8>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).get(digest)
    }
}
