//! The chain's light client: from the root that a person pinned to the newest header that was verified from it.

use std::sync::{Arc, Mutex, PoisonError};

use portcullis_verifier::{
    ChainId, Verified,
    cosmos::{Checkpoint, Rules, SealedHeader},
};

use crate::config::{Compiled, TrustRoot};

/// Why the light client cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The state that was kept cannot be read.
    #[error("the light client's state cannot be read")]
    Read(#[source] std::io::Error),
}

/// One light client, shared by all roles. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LightClient {
    chain: ChainId,
    name: String,
    root: TrustRoot,
    at: Arc<Mutex<Option<Checkpoint>>>,
}

impl LightClient {
    /// Opens the client of a chain.
    ///
    /// # Errors
    /// [`RootError`] when kept state cannot be read.
    pub fn open(compiled: &Compiled) -> Result<Self, RootError> {
        let config = &compiled.config;
        Ok(Self {
            chain: config.chain,
            name: compiled.name.clone(),
            root: config.trust.clone(),
            at: Arc::default(),
        })
    }

    /// Where the client stands; none before the pinned header was seen.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts at the pinned header; false when `header` is another one, or when the client stands somewhere already.
    ///
    /// SECURITY: the header is untrusted; what makes it the root is that its hash is the configured one.
    pub fn begin(&self, header: &SealedHeader) -> bool {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.is_some() || header.block() != self.root.block() {
            return false;
        }
        *at = Some(Checkpoint {
            chain: self.chain,
            name: self.name.clone(),
            block: header.block(),
            time_secs: header.time(),
            time_nanos: header.nanos(),
            next_validators: header.next_validators_hash(),
            signed_bps: None,
            rules: Rules {
                trusting_period_secs: self.root.trusting_period_secs,
                clock_drift_secs: self.root.clock_drift_secs,
                ..Rules::default()
            },
            frozen: None,
        });
        true
    }

    /// Moves on to a later verified header; one that is not later changes nothing.
    pub fn advance(&self, to: &Verified<SealedHeader>) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = at.as_mut()
            && client.block.height < to.value().block().height
        {
            *client = client.advanced(to);
        }
    }

    /// The chain has signed two truths at this height: from now on nothing is proven.
    pub fn freeze(&self, height: u64) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = at.as_mut() {
            *client = client.frozen_at(height);
        }
    }
}
