//! The Solana family: observes by slot and block, reports by quorum and stake, contains by guard and gate.
//!
//! *Who is in the play.* [`SolanaConfig`] is compiled once and becomes a [`Solana`], which owns the connections of one
//! cluster and hands out the roles: [`SolanaObserver`] follows the chain of confirmed blocks as a quorum tells them,
//! [`SolanaProver`] gathers what operators report and which stake signed, [`SolanaContainer`] closes gates. What one lane
//! learns about an operator's honesty reaches the others.
//!
//! Blocks of this family commit to the bytes of their transactions and to nothing that they did: no state, no logs, no
//! success. Everything of that kind is reported by k of n operators, and is called so.

pub mod address;
pub mod config;
pub mod contain;
pub mod decode;
pub mod devnet;
mod dial;
pub mod error;
mod finality;
#[cfg(test)]
mod fixture;
pub mod limits;
pub mod observe;
pub mod prove;
pub mod signer;
pub mod stakes;
mod transport;
mod votes;

use std::sync::Arc;

pub use config::{Compiled, ConfigError, ConfigErrors, ConfigProblem, SolanaConfig};
pub use contain::SolanaContainer;
pub use error::BuildError;
pub use observe::SolanaObserver;
pub use prove::SolanaProver;
pub use stakes::PinnedStakes;

/// One cluster with its connections. The roles share it.
#[derive(Debug, Clone)]
pub struct Solana {
    compiled: Arc<Compiled>,
    network: Arc<transport::Network>,
}

impl Solana {
    /// Checks the configuration and prepares connections; opens none yet.
    ///
    /// # Errors
    /// [`BuildError`] with every mistake of the configuration, when the pinned table of stakes cannot be used, or when an
    /// HTTP client cannot be made.
    pub fn new(config: SolanaConfig) -> Result<Self, BuildError> {
        let compiled = Arc::new(config.compile()?);
        let network = Arc::new(transport::Network::new(&compiled)?);
        Ok(Self { compiled, network })
    }

    /// The checked configuration.
    #[must_use]
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The table of stakes that is pinned; none where none is configured.
    #[must_use]
    pub fn stakes(&self) -> Option<Arc<PinnedStakes>> {
        self.network.stakes.clone()
    }

    /// Who watches.
    #[must_use]
    pub fn observer(&self) -> SolanaObserver {
        SolanaObserver::new(Arc::clone(&self.compiled), Arc::clone(&self.network))
    }

    /// Who gathers evidence.
    #[must_use]
    pub fn prover(&self) -> SolanaProver {
        SolanaProver::new(Arc::clone(&self.compiled), Arc::clone(&self.network))
    }

    /// Who closes gates, with a key of the caller.
    #[must_use]
    pub fn container(&self, signer: Arc<dyn signer::Signer>) -> SolanaContainer {
        SolanaContainer::new(Arc::clone(&self.compiled), Arc::clone(&self.network), signer)
    }

    /// Who closes gates, with the configured key; none when no key is configured. Decrypting a keystore blocks for about
    /// a second.
    ///
    /// # Errors
    /// [`BuildError::Signer`] when the key does not open.
    pub fn configured_container(&self) -> Result<Option<SolanaContainer>, BuildError> {
        let Some(source) = &self.compiled.config.signer else { return Ok(None) };
        let container = self.container(Arc::new(signer::LocalSigner::open(source)?));
        let Some(source) = &self.compiled.config.carrier else { return Ok(Some(container)) };
        let carrier = Arc::new(signer::LocalSigner::open(source)?);
        Ok(Some(container.carried_by(carrier)))
    }
}
