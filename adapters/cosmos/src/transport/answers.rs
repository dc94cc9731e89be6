//! What nodes answer, read strictly: only what is used, and nothing that is not what was asked for.

use base64::{Engine, prelude::BASE64_STANDARD};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::B256;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{json, value::RawValue};

use crate::limits;

/// A number that nodes write as a text.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// As [`number`], for gas, which may be negative on paper.
pub(super) fn signed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// 32 bytes as 64 digits; nothing where there is no block yet.
fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<B256, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(B256::ZERO);
    }
    text.parse().map_err(D::Error::custom)
}

/// Bytes in base 64; `null` stands for none.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    BASE64_STANDARD.decode(text).map_err(D::Error::custom)
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// The chain that it serves.
    pub(crate) chain: String,
    /// Its newest block.
    pub(crate) height: u64,
    /// The hash of that block.
    pub(crate) hash: B256,
    /// The oldest block that it still has.
    pub(crate) earliest: u64,
}

#[derive(Deserialize)]
struct StatusJson {
    node_info: NodeInfo,
    sync_info: SyncInfo,
}

#[derive(Deserialize)]
struct NodeInfo {
    network: String,
}

#[derive(Deserialize)]
struct SyncInfo {
    #[serde(deserialize_with = "number")]
    latest_block_height: u64,
    #[serde(deserialize_with = "hash")]
    latest_block_hash: B256,
    #[serde(deserialize_with = "number", default = "one")]
    earliest_block_height: u64,
}

fn one() -> u64 {
    1
}

/// Asks a node which chain it serves, how far it has come, and what it still has.
pub(crate) async fn status(client: &Client) -> Result<Status, RpcError> {
    let request = RpcRequest::read("status", json!({}), ReplySize::Small);
    let StatusJson { node_info, sync_info } = client.ask(request, "status").await?;
    Ok(Status {
        chain: node_info.network,
        height: sync_info.latest_block_height,
        hash: sync_info.latest_block_hash,
        earliest: sync_info.earliest_block_height,
    })
}

/// One attribute of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct RawAttribute {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: Option<String>,
}

/// One event as nodes write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct RawEvent {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) attributes: Vec<RawAttribute>,
}

impl RawEvent {
    /// The value of the first attribute with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|one| one.key == name)?.value.as_deref()
    }
}

/// What became of one transaction.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answered {
    #[serde(default)]
    pub(crate) code: u32,
    #[serde(default, deserialize_with = "bytes")]
    pub(crate) data: Vec<u8>,
    #[serde(default, deserialize_with = "signed")]
    pub(crate) gas_wanted: i64,
    #[serde(default, deserialize_with = "signed")]
    pub(crate) gas_used: i64,
    #[serde(default)]
    pub(crate) events: Vec<RawEvent>,
}

/// A key's value with the two proofs under a block's root of state.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The block after which it holds.
    pub(crate) height: u64,
    pub(crate) key: Vec<u8>,
    /// A `CommitmentProof` of the key, and one of the store.
    pub(crate) proofs: Option<(Vec<u8>, Vec<u8>)>,
    /// The application's own code; 0 is success.
    pub(crate) code: u32,
    /// What it says to a failure.
    pub(crate) log: String,
}

#[derive(Deserialize)]
struct QueryJson {
    response: QueryResponse,
}

#[derive(Deserialize)]
struct QueryResponse {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    log: String,
    #[serde(default, deserialize_with = "bytes")]
    key: Vec<u8>,
    #[serde(deserialize_with = "number")]
    height: u64,
    #[serde(default, rename = "proofOps")]
    proof_ops: Option<ProofOps>,
}

#[derive(Deserialize)]
struct ProofOps {
    #[serde(default)]
    ops: Vec<ProofOp>,
}

#[derive(Deserialize)]
struct ProofOp {
    #[serde(rename = "type")]
    kind: String,
    #[serde(deserialize_with = "bytes")]
    data: Vec<u8>,
}

/// Asks for a key of a store as of a block, with proof.
pub(crate) async fn stored(
    client: &Client,
    store: &str,
    key: &[u8],
    height: u64,
) -> Result<Stored, RpcError> {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let params = json!({
        "path": format!("/store/{store}/key"), "data": hex, "height": height.to_string(), "prove": true,
    });
    let request = RpcRequest::read("abci_query", params, ReplySize::Block);
    let QueryJson { response } = client.ask(request, "value of a key").await?;
    let mut ops = response.proof_ops.map(|proof| proof.ops).unwrap_or_default().into_iter();
    let proofs = match (ops.next(), ops.next(), ops.next()) {
        (Some(first), Some(second), None) if first.kind == "ics23:iavl" && second.kind == "ics23:simple" => {
            Some((first.data, second.data))
        }
        _ => None,
    };
    Ok(Stored { height: response.height, key: response.key, proofs, code: response.code, log: response.log })
}

#[derive(Deserialize)]
struct PushJson<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PushData {
    value: PushValue,
}

#[derive(Deserialize)]
struct PushValue {
    block: PushBlock,
    #[serde(default)]
    block_id: Option<PushId>,
}

#[derive(Deserialize)]
struct PushBlock {
    header: PushHeader,
}

#[derive(Deserialize)]
struct PushHeader {
    #[serde(deserialize_with = "number")]
    height: u64,
}

#[derive(Deserialize)]
struct PushId {
    #[serde(deserialize_with = "hash")]
    hash: B256,
}

/// Reads a pushed block: its height and, where it is told, its hash. None for the acknowledgement of the
/// subscription, which comes under the same id.
pub(crate) fn read_push(result: &RawValue) -> Result<Option<(u64, Option<B256>)>, RpcError> {
    let broken = |source| RpcError::Garbage { expected: "pushed block", source: Some(Box::new(source)) };
    let push: PushJson<'_> = serde_json::from_str(result.get()).map_err(broken)?;
    let Some(data) = push.data else { return Ok(None) };
    let PushData { value } = serde_json::from_str(data.get()).map_err(broken)?;
    Ok(Some((value.block.header.height, value.block_id.map(|id| id.hash))))
}

/// Refuses a list that is longer than its bound.
pub(super) fn bounded<T>(list: Vec<T>, limit: usize) -> Result<Vec<T>, RpcError> {
    if list.len() > limit { Err(RpcError::Oversize { limit_bytes: limit }) } else { Ok(list) }
}

/// Refuses events with more attributes than can be meant.
pub(super) fn checked(events: &[RawEvent]) -> Result<(), RpcError> {
    match events.iter().find(|event| event.attributes.len() > limits::ATTRIBUTES_MAX) {
        Some(_) => Err(RpcError::Oversize { limit_bytes: limits::ATTRIBUTES_MAX }),
        None => Ok(()),
    }
}
