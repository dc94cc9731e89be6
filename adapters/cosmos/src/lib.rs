//! The Cosmos family: observes by push and range, proves by light client and ICS23, contains by guard and gate.
//!
//! *Who is in the play.* [`CosmosConfig`] is compiled once and becomes a [`Cosmos`], which owns the connections of
//! one chain and its light client ([`root::LightClient`]) and hands out the roles: [`CosmosObserver`] and
//! [`CosmosProver`]. The observer verifies every header before it counts, and moves the light client on; the prover
//! starts from where the light client stands. What one lane learns about an operator's honesty reaches the others.

pub mod config;
pub mod contain;
pub mod decode;
pub mod devnet;
mod dial;
pub mod error;
mod finality;
pub mod limits;
mod merkle;
pub mod observe;
pub mod prove;
pub mod root;
pub mod signer;
mod state_file;
mod transport;

use std::sync::Arc;

pub use config::{Compiled, ConfigError, ConfigErrors, ConfigProblem, CosmosConfig};
pub use contain::CosmosContainer;
pub use error::BuildError;
pub use observe::CosmosObserver;
pub use prove::CosmosProver;

/// One chain with its connections. The roles share it.
#[derive(Debug, Clone)]
pub struct Cosmos {
    compiled: Arc<Compiled>,
    network: Arc<transport::Network>,
}

impl Cosmos {
    /// Checks the configuration, reads where the light client was left, and prepares connections; opens none yet.
    ///
    /// # Errors
    /// [`BuildError`] with every mistake of the configuration, when the light client's state cannot be read, or when
    /// an HTTP client cannot be made.
    pub fn new(config: CosmosConfig) -> Result<Self, BuildError> {
        let compiled = Arc::new(config.compile()?);
        let network = Arc::new(transport::Network::new(&compiled)?);
        Ok(Self { compiled, network })
    }

    /// The checked configuration.
    #[must_use]
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The chain's light client, which all roles share.
    #[must_use]
    pub fn root(&self) -> &root::LightClient {
        &self.network.root
    }

    /// Who watches.
    #[must_use]
    pub fn observer(&self) -> CosmosObserver {
        CosmosObserver::new(Arc::clone(&self.compiled), Arc::clone(&self.network))
    }

    /// Who gathers evidence.
    #[must_use]
    pub fn prover(&self) -> CosmosProver {
        CosmosProver::new(Arc::clone(&self.compiled), Arc::clone(&self.network))
    }

    /// Who closes gates, with a key of the caller; none where the key is of a kind that has no account here.
    #[must_use]
    pub fn container(&self, signer: Arc<dyn signer::Signer>) -> Option<CosmosContainer> {
        CosmosContainer::new(Arc::clone(&self.compiled), Arc::clone(&self.network), signer)
    }

    /// Who closes gates, with the configured key; none when no key is configured. Decrypting a keystore blocks for about
    /// a second.
    ///
    /// # Errors
    /// [`BuildError::Signer`] when the key does not open.
    pub fn configured_container(&self) -> Result<Option<CosmosContainer>, BuildError> {
        let Some(source) = &self.compiled.config.signer else { return Ok(None) };
        let container = self.container(Arc::new(signer::LocalSigner::open(source)?));
        let Some(source) = &self.compiled.config.carrier else { return Ok(container) };
        let carrier = Arc::new(signer::LocalSigner::open(source)?);
        Ok(container.map(|container| container.carried_by(carrier)))
    }
}
