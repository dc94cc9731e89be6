//! Small answers of nodes, read strictly.

use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::ChainId;
use serde_json::{Value, json};

use crate::limits;

/// What a node has worked through; it may still leave the chain.
pub(crate) const AT_PROCESSED: &str = "processed";
/// What two thirds of the stake have voted for.
pub(crate) const AT_CONFIRMED: &str = "confirmed";
/// What cannot leave the chain any more.
pub(crate) const AT_FINALIZED: &str = "finalized";

/// Why a node has no block for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotThere {
    /// Not yet, or there never will be one.
    NotYet,
    /// The slot was skipped, or its block is kept elsewhere.
    Skipped,
    /// It no longer has the block.
    Pruned,
}

/// Sorts the codes with which nodes refuse a block (`rpc-client-api`, `custom_error`); none for any other trouble.
pub(crate) fn not_there(error: &RpcError) -> Option<NotThere> {
    let RpcError::Server { code, .. } = error else { return None };
    match code {
        -32_004 | -32_014 | -32_016 => Some(NotThere::NotYet),
        -32_007 | -32_009 => Some(NotThere::Skipped),
        -32_001 | -32_011 => Some(NotThere::Pruned),
        _ => None,
    }
}

/// The hash of the first block, as the node writes it: it names the cluster.
pub(crate) async fn genesis(client: &Client) -> Result<String, RpcError> {
    let hash: String =
        client.ask(RpcRequest::read("getGenesisHash", json!([]), ReplySize::Small), "genesis hash").await?;
    if hash.len() < 32 || crate::address::read(&hash).is_none() {
        return Err(RpcError::garbage("genesis hash"));
    }
    Ok(hash)
}

/// Whether a genesis hash is that of a chain: its id has the first 32 characters.
pub(crate) fn is_of(genesis: &str, chain: ChainId) -> bool {
    genesis.get(..32) == Some(chain.reference())
}

/// The newest slot of a commitment.
pub(crate) async fn slot(client: &Client, commitment: &str) -> Result<u64, RpcError> {
    let params = json!([{ "commitment": commitment }]);
    client.ask(RpcRequest::read("getSlot", params, ReplySize::Small), "slot").await
}

/// The slots from `from` to `to` that have a confirmed block, ascending.
pub(crate) async fn blocks_between(client: &Client, from: u64, to: u64) -> Result<Vec<u64>, RpcError> {
    let to = to.min(from.saturating_add(limits::LIST_SLOTS));
    let params: Value = json!([from, to, { "commitment": AT_CONFIRMED }]);
    let request = RpcRequest::read("getBlocks", params, ReplySize::Small);
    let slots: Vec<u64> = client.ask(request, "list of slots").await?;
    let ascending = slots.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    let inside = slots.iter().all(|slot| (from..=to).contains(slot));
    if ascending && inside { Ok(slots) } else { Err(RpcError::garbage("list of slots that were asked for")) }
}
