//! How this family's trouble becomes the error that all families share.

use portcullis_adapter::{AdapterError, Class};
use portcullis_rpc::RpcError;
use portcullis_verifier::{ChainId, OperatorId};

use crate::{config::ConfigErrors, root::RootError};

/// Why an adapter could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration has mistakes.
    #[error("the chain's configuration has mistakes")]
    Config(#[from] ConfigErrors),
    /// An HTTP client could not be made.
    #[error("no HTTP client for operator {operator}")]
    Client {
        /// Whose.
        operator: OperatorId,
        /// Why.
        #[source]
        source: RpcError,
    },
    /// The signing key could not be had.
    #[error("no signer")]
    Signer(#[from] crate::signer::SignerError),
    /// The light client's state cannot be used.
    #[error("no light client")]
    Root(#[from] RootError),
}

/// An operator's failure as an adapter error.
#[allow(dead_code, reason = "used by the containing side")]
pub(crate) fn failed(chain: ChainId, operator: OperatorId, what: &str, error: RpcError) -> AdapterError {
    AdapterError::new(chain, Some(operator), error.class(), what).caused_by(error)
}

/// No quorum: nobody in particular is to blame, and asking again may help.
pub(crate) fn no_quorum(chain: ChainId, what: impl Into<String>) -> AdapterError {
    AdapterError::new(chain, None, Class::Transient, what)
}

/// Text cut to `most` bytes at a character boundary.
pub(crate) fn detail(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most.min(text.len()));
    text.get(..end).unwrap_or_default().to_owned()
}

/// An error with all its causes, on one line.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
