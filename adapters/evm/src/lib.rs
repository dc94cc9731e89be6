//! The EVM family: observes by push and range, proves by receipts and Merkle paths, contains by guard and gate.
//!
//! *Who is in the play.* [`EvmConfig`] is compiled once and becomes an [`Evm`], which owns the connections of
//! one chain and hands out the three roles: [`EvmObserver`], [`EvmProver`] and [`EvmContainer`]. Their lanes to
//! the nodes are separate; what one lane learns about an operator's honesty reaches the others.

pub mod config;
pub mod contain;
pub mod decode;
pub mod devnet;
mod dial;
pub mod error;
mod finality;
pub mod limits;
pub mod observe;
pub mod prove;
pub mod signer;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;
mod wire;

use std::sync::Arc;

pub use config::{Compiled, ConfigError, ConfigErrors, ConfigProblem, EvmConfig};
pub use contain::EvmContainer;
pub use error::BuildError;
pub use observe::EvmObserver;
pub use prove::EvmProver;
pub use signer::{LocalSigner, Signer};

/// One chain with its connections. The roles share it.
#[derive(Debug, Clone)]
pub struct Evm {
    compiled: Arc<Compiled>,
    network: Arc<transport::Network>,
}

impl Evm {
    /// Checks the configuration and prepares connections; opens none yet.
    ///
    /// # Errors
    /// [`BuildError`] with every mistake of the configuration, or when an HTTP client cannot be made.
    pub fn new(config: EvmConfig) -> Result<Self, BuildError> {
        let compiled = Arc::new(config.compile()?);
        let network = Arc::new(transport::Network::new(&compiled)?);
        Ok(Self { compiled, network })
    }

    /// The checked configuration.
    #[must_use]
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Who watches.
    #[must_use]
    pub fn observer(&self) -> EvmObserver {
        EvmObserver::new(Arc::clone(&self.compiled), Arc::clone(&self.network))
    }

    /// Who gathers evidence.
    #[must_use]
    pub fn prover(&self) -> EvmProver {
        EvmProver::new(Arc::clone(&self.network))
    }

    /// Who closes gates, with a key of the caller.
    #[must_use]
    pub fn container(&self, signer: Arc<dyn Signer>) -> EvmContainer {
        EvmContainer::new(Arc::clone(&self.compiled), Arc::clone(&self.network), signer)
    }

    /// Who closes gates, with the configured key; none when no key is configured. Decrypting a keystore blocks
    /// for about a second.
    ///
    /// # Errors
    /// [`BuildError::Signer`] when the key does not open.
    pub fn configured_container(&self) -> Result<Option<EvmContainer>, BuildError> {
        let Some(source) = &self.compiled.config.signer else { return Ok(None) };
        let container = self.container(Arc::new(LocalSigner::open(source)?));
        let Some(source) = &self.compiled.config.carrier else { return Ok(Some(container)) };
        Ok(Some(container.carried_by(Arc::new(LocalSigner::open(source)?))))
    }
}
