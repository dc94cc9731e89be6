//! What is asked, how large the answer may be, and whether asking twice is harmless.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{RpcError, limits};

/// Whether asking twice is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Changes nothing: may be retried and hedged.
    Read,
    /// Changes something: sent once; who asked decides what follows.
    Submit,
}

/// How large an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplySize {
    /// A number, a hash, an acknowledgement.
    Small,
    /// One header, one proof, one receipt.
    Block,
    /// All receipts of a block, a range of logs.
    Bulk,
}

impl ReplySize {
    /// The bound in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Small => limits::SMALL_REPLY_BYTES,
            Self::Block => limits::BLOCK_REPLY_BYTES,
            Self::Bulk => limits::BULK_REPLY_BYTES,
        }
    }
}

/// A JSON-RPC request without its id, which the transport gives.
#[derive(Debug, Clone)]
pub struct RpcRequest {
    /// Method name; also the label of its metrics, hence never a text from outside.
    pub method: &'static str,
    /// Parameters: an array or an object.
    pub params: serde_json::Value,
    /// How large the answer may be.
    pub size: ReplySize,
    /// Whether asking twice is harmless.
    pub kind: Kind,
}

impl RpcRequest {
    /// A question.
    #[must_use]
    pub fn read(method: &'static str, params: serde_json::Value, size: ReplySize) -> Self {
        Self { method, params, size, kind: Kind::Read }
    }

    /// A submission.
    #[must_use]
    pub fn submit(method: &'static str, params: serde_json::Value) -> Self {
        Self { method, params, size: ReplySize::Small, kind: Kind::Submit }
    }
}

/// The `result` of an answer, not yet decoded.
#[derive(Debug, Clone)]
pub struct Reply(pub Box<RawValue>);

impl Reply {
    /// Decodes the result. Nesting is bounded by the decoder (128 levels).
    ///
    /// # Errors
    /// [`RpcError::Garbage`] when it is no `T`.
    pub fn decode<T: DeserializeOwned>(&self, expected: &'static str) -> Result<T, RpcError> {
        serde_json::from_str(self.0.get())
            .map_err(|source| RpcError::Garbage { expected, source: Some(Box::new(source)) })
    }
}
