//! How this family's trouble becomes the error that all families share.

use portcullis_rpc::NoClient;
pub(crate) use portcullis_rpc::faults::{DETAIL_MAX_BYTES, chain_of, detail, no_quorum};

use crate::config::ConfigErrors;

/// Why an adapter could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration has mistakes.
    #[error("the chain's configuration has mistakes")]
    Config(#[from] ConfigErrors),
    /// An endpoint cannot be asked.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The pinned table of stakes cannot be used.
    #[error(transparent)]
    Stakes(#[from] crate::stakes::StakesError),
    /// The signing key could not be had.
    #[error("no signer")]
    Signer(#[from] crate::signer::SignerError),
}
