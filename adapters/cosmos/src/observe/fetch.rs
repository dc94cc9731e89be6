//! Asking one operator for all that it tells of a block.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use borsh::BorshSerialize;
use portcullis_adapter::Class;
use portcullis_rpc::{Client, RpcError};
use portcullis_verifier::{B256, codec::digest};
use serde_json::{Value, value::RawValue};

use crate::{
    config::Compiled,
    decode::{Decoder, Placed},
    limits, merkle,
    transport::{Body, Network, Results, Told, pushed_body, results, status, told, transactions},
};

/// What one operator tells of a block. The header is not verified yet; everything that it commits to is compared with
/// it, and the rest, which is the events, with what others tell.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) told: Told,
    /// Events of watched contracts, modules and channels, in order.
    pub(crate) events: Vec<Placed>,
    /// Hashes of the transactions that made them, by their place.
    pub(crate) transactions: BTreeMap<u32, B256>,
    /// Proofs of misbehaviour that the block carries.
    pub(crate) double_signs: Vec<DoubleSign>,
    /// Equal digests mean equal events in equal places.
    pub(crate) digest: B256,
}

/// A validator's misbehaviour, as a block carries it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub(crate) struct DoubleSign {
    /// Whether whole headers were forged, and not one vote.
    pub(crate) attack: bool,
    /// Where it happened.
    pub(crate) height: u64,
    /// Whose it was, or the hash of the forged block, as the node writes it.
    pub(crate) who: String,
    /// Its share of the power, basis points.
    pub(crate) share_bps: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Missing {
    /// The node has not come so far, or only just.
    NotYet,
    /// The node no longer has the block.
    Pruned {
        /// The oldest block that it has.
        earliest: u64,
    },
    /// No answer, or none that can be used.
    Rpc(RpcError),
}

/// Asks one operator for a block. `pushed` is the block as it has pushed it, where it has: what stands in it need not be
/// asked for again.
pub(crate) async fn answer(
    network: Arc<Network>,
    compiled: Arc<Compiled>,
    (operator, height): (usize, u64),
    pushed: Option<Arc<RawValue>>,
) -> Result<Answer, Missing> {
    let Some(operator) = network.operators.get(operator) else { return Err(Missing::NotYet) };
    let client = &operator.lanes.read;
    let bound = Duration::from_millis(limits::BLOCK_HANG_MS);
    let whole = whole(client, &network, &compiled.decoder, height, pushed.as_deref());
    let asked = tokio::time::timeout(bound, whole).await;
    match asked.unwrap_or(Err(RpcError::Timeout(bound))) {
        Ok(answer) => Ok(answer),
        // Nodes refuse what they do not have with a code that says nothing else; they say what they have when asked.
        Err(error) if error.class() != Class::Untrusted => match status(client).await {
            // Of its newest block a node may not have the results yet, though it tells the block.
            Ok(status) if status.height <= height => Err(Missing::NotYet),
            Ok(status) if status.earliest > height => Err(Missing::Pruned { earliest: status.earliest }),
            _ => Err(Missing::Rpc(error)),
        },
        Err(error) => Err(Missing::Rpc(error)),
    }
}

async fn whole(
    client: &Client,
    network: &Network,
    decoder: &Decoder,
    height: u64,
    pushed: Option<&RawValue>,
) -> Result<Answer, RpcError> {
    let (told, results) = tokio::try_join!(told(client, &network.sets, height), results(client, height))?;
    let count = results.transactions.len();
    if told.header.data_hash().is_none_or(|root| root == merkle::root(&[])) != (count == 0) {
        return Err(RpcError::garbage("as many results as the block has transactions"));
    }
    let events = concerning(decoder, results)?;
    let made: Vec<u32> = events.iter().filter_map(|placed| placed.transaction).collect();
    let mut hashes = BTreeMap::new();
    let mut double_signs = Vec::new();
    if !made.is_empty() || told.has_evidence {
        let body = match pushed.and_then(|pushed| fits(pushed_body(pushed, height), &told, count).ok()) {
            Some(body) => body,
            // Nothing was pushed, or not what the header commits to: what the node answers is what it is judged by.
            None => fits(transactions(client, height).await, &told, count)?,
        };
        for place in made {
            let at = usize::try_from(place).ok().and_then(|at| body.transactions.get(at));
            hashes.extend(at.map(|hash| (place, *hash)));
        }
        double_signs = body.evidence.iter().map(double_sign).collect();
    }
    let places: Vec<(Option<u32>, u32, B256)> =
        events.iter().map(|placed| (placed.transaction, placed.index, placed.raw())).collect();
    let digest = digest("portcullis.cosmos.block.v1", &(places, &double_signs));
    Ok(Answer { told, events, transactions: hashes, double_signs, digest })
}

/// The body of a block, which the header commits to.
fn fits(body: Result<Body, RpcError>, told: &Told, count: usize) -> Result<Body, RpcError> {
    let body = body?;
    if body.header.block() != told.header.block() {
        return Err(RpcError::garbage("body of the block that was told before"));
    }
    let leaves: Vec<B256> = body.transactions.iter().map(|one| merkle::leaf(one.as_slice())).collect();
    let right = told.header.data_hash().unwrap_or_else(|| merkle::root(&[])) == merkle::root(&leaves);
    if right && leaves.len() == count {
        Ok(body)
    } else {
        Err(RpcError::garbage("transactions that the header commits to"))
    }
}

/// The events that concern somebody. What a failed transaction says did not happen.
pub(crate) fn concerning(decoder: &Decoder, results: Results) -> Result<Vec<Placed>, RpcError> {
    let mut out = Vec::new();
    let mut index = 0u32;
    let too_many = || RpcError::Oversize { limit_bytes: limits::EVENTS_PER_BLOCK_MAX };
    let made = results.transactions.into_iter().enumerate().flat_map(|(at, mut one)| {
        let happened = one.code == 0;
        decoder.join(&mut one.events);
        one.events.into_iter().map(move |event| (u32::try_from(at).ok(), happened, event))
    });
    let own = results.block.into_iter().map(|event| (None, true, event));
    for (transaction, happened, event) in made.chain(own) {
        if happened && decoder.concerns(&event) {
            out.push(Placed { transaction, index, event });
        }
        index = index.checked_add(1).ok_or_else(too_many)?;
    }
    Ok(out)
}

/// Reads a proof of misbehaviour as nodes write it. What cannot be read counts as the worst.
fn double_sign(evidence: &Value) -> DoubleSign {
    let value = evidence.get("value");
    let number = |name: &str| value?.get(name)?.as_str()?.parse::<u64>().ok();
    let text =
        |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("?").chars().take(64).collect();
    let vote = value.and_then(|value| value.get("vote_a"));
    match vote {
        Some(vote) => {
            let (power, total) = (number("ValidatorPower"), number("TotalVotingPower"));
            let share =
                power.zip(total).and_then(|(power, total)| power.checked_mul(10_000)?.checked_div(total));
            let height = vote.get("height").and_then(Value::as_str).and_then(|text| text.parse().ok());
            DoubleSign {
                attack: false,
                height: height.unwrap_or(0),
                who: text(vote.get("validator_address")),
                share_bps: share.unwrap_or(10_000),
            }
        }
        None => DoubleSign {
            attack: true,
            height: number("CommonHeight").unwrap_or(0),
            who: text(evidence.get("type")),
            share_bps: 10_000,
        },
    }
}
