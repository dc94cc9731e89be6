//! The readers of messages without a connection in front of them, for fuzzing.

use serde_json::value::RawValue;

use crate::{
    Reply, RpcError,
    wire::{Incoming, Via},
};

/// Reads bytes as the answer to request `id`, as both transports do.
///
/// # Errors
/// [`RpcError`] when they are none.
pub fn read_answer(bytes: &[u8], id: u64) -> Result<Reply, RpcError> {
    Incoming::parse(bytes)?.answer(id, Via::SOCKET)
}

/// Reads bytes as a push: the subscription that it names, and its result.
///
/// # Errors
/// [`RpcError::Garbage`] when they are none, answers included.
pub fn read_push(bytes: &[u8]) -> Result<(String, Box<RawValue>), RpcError> {
    Incoming::parse(bytes)?.push()
}
