//! Asking one operator for the next of its blocks.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use portcullis_rpc::{Client, RpcError};

use super::chain::Ask;
use crate::{
    config::Compiled,
    limits,
    transport::{Network, NotThere, Told, blocks_between, not_there, told},
};

/// What an operator told.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Its blocks, ascending.
    pub(crate) blocks: Vec<Told>,
    /// It has no other blocks up to this slot; none where only one was asked for.
    pub(crate) covered: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Missing {
    /// The node has not come so far, or only just.
    NotYet,
    /// The node no longer has the block of this slot.
    Pruned(u64),
    /// No answer, or none that can be used.
    Rpc(RpcError),
}

impl From<RpcError> for Missing {
    fn from(error: RpcError) -> Self {
        match not_there(&error) {
            Some(NotThere::NotYet | NotThere::Skipped) => Self::NotYet,
            Some(NotThere::Pruned) => Self::Pruned(0),
            None => Self::Rpc(error),
        }
    }
}

/// Asks one operator for its next blocks; `head` is its newest slot. Who `failed` last is asked for one block at a time: an
/// operator whose answers are too large costs the bound of one of them, and not of eight.
pub(crate) async fn fetch(
    network: Arc<Network>,
    compiled: Arc<Compiled>,
    operator: usize,
    ask: Ask,
    head: u64,
    failed: bool,
) -> Result<Fetched, Missing> {
    let Some(operator) = network.operators.get(operator) else { return Err(Missing::NotYet) };
    let client = &operator.lanes.read;
    let bound = Duration::from_millis(limits::BLOCK_HANG_MS);
    let asked = async {
        match ask {
            Ask::One(slot) => {
                let block = one(client, &compiled, slot).await?;
                Ok(Fetched { blocks: vec![block], covered: None })
            }
            Ask::From(from) => {
                let in_flight = if failed { 1 } else { limits::BLOCKS_IN_FLIGHT };
                next(client, &compiled, from, head, in_flight).await
            }
        }
    };
    let timed_out = Err(Missing::Rpc(RpcError::Timeout(bound)));
    tokio::time::timeout(bound, asked).await.unwrap_or(timed_out)
}

async fn one(client: &Client, compiled: &Compiled, slot: u64) -> Result<Told, Missing> {
    told(client, &compiled.decoder, slot).await.map_err(|error| match Missing::from(error) {
        Missing::Pruned(_) => Missing::Pruned(slot),
        other => other,
    })
}

async fn next(
    client: &Client,
    compiled: &Compiled,
    from: u64,
    head: u64,
    in_flight: usize,
) -> Result<Fetched, Missing> {
    let to = head.min(from.saturating_add(limits::LIST_SLOTS));
    if from == to {
        // At the tip there is one slot to ask about, and its operator calls it confirmed: the block says more than a list of one,
        // and a node that does not list it yet is asked again in a moment.
        let block = one(client, compiled, to).await?;
        return Ok(Fetched { blocks: vec![block], covered: Some(to) });
    }
    let list = blocks_between(client, from, to).await?;
    let slots: Vec<u64> = list.iter().copied().take(in_flight).collect();
    let covered = if slots.len() < list.len() { slots.last().copied().unwrap_or(to) } else { to };
    let blocks: Vec<Result<Told, Missing>> =
        stream::iter(slots).map(|slot| one(client, compiled, slot)).buffered(in_flight).collect().await;
    let mut out = Vec::with_capacity(blocks.len());
    for block in blocks {
        match block {
            Ok(block) => out.push(block),
            // What came before the first failure counts; the rest is asked for again.
            Err(why) if out.is_empty() => return Err(why),
            Err(_later) => {
                let covered = out.last().map(|told: &Told| told.block.height);
                return Ok(Fetched { blocks: out, covered });
            }
        }
    }
    // A slot without a block in front of the head may yet get one that is confirmed late: only what a later block passes over
    // is known to be skipped.
    let covered = out.last().map_or(from.saturating_sub(1), |told| told.block.height.min(covered));
    Ok(Fetched { blocks: out, covered: Some(covered) })
}
