//! What operators tell of one block: the header with its signatures, the sets that sign, the results with their
//! events, and the transactions.

use std::sync::{Mutex, PoisonError};

use base64::{Engine, prelude::BASE64_STANDARD};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{
    B256,
    cosmos::{Fetched, SealedHeader, open_header},
};
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest, Sha256};
use tendermint_proto::v0_38::types::{
    Header as RawHeader, SignedHeader as RawSignedHeader, Validator as RawValidator,
    ValidatorSet as RawValidatorSet,
};

use super::{
    answers::{Answered, RawEvent, bounded, checked, number},
    kept::Kept,
};
use crate::limits;

/// One block with what verifies it, as one operator tells it. Nothing of it is checked yet but that it is well formed
/// and of the height that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) header: SealedHeader,
    /// The header's hash of the set that signs this block.
    pub(crate) validators_hash: B256,
    /// Whether the block carries proof of somebody's misbehaviour.
    pub(crate) has_evidence: bool,
    /// Address of the proposer.
    pub(crate) fetched: Fetched,
}

#[derive(Deserialize)]
struct CommitJson {
    signed_header: RawSignedHeader,
}

/// SHA-256 of nothing: the root of an empty list.
const EMPTY_ROOT: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

fn garbage(expected: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> RpcError {
    RpcError::Garbage { expected, source: Some(Box::new(source)) }
}

fn at(height: u64) -> Value {
    json!({ "height": height.to_string() })
}

/// A header with the signatures under it, in the chain's own encoding.
pub(crate) async fn signed_header(
    client: &Client,
    height: u64,
) -> Result<(SealedHeader, RawHeader, Vec<u8>), RpcError> {
    let request = RpcRequest::read("commit", at(height), ReplySize::Block);
    let CommitJson { signed_header } = client.ask(request, "signed header").await?;
    let raw = signed_header.header.clone().ok_or_else(|| RpcError::garbage("signed header"))?;
    let sealed = sealed(&raw, height)?;
    Ok((sealed, raw, signed_header.encode_to_vec()))
}

fn sealed(raw: &RawHeader, height: u64) -> Result<SealedHeader, RpcError> {
    let sealed = open_header(&raw.encode_to_vec()).map_err(|error| garbage("header", error))?;
    if sealed.block().height == height {
        Ok(sealed)
    } else {
        Err(RpcError::garbage("header of the height that was asked for"))
    }
}

/// A header without signatures: its encoding, and what it says.
pub(crate) async fn header(client: &Client, height: u64) -> Result<(SealedHeader, Vec<u8>), RpcError> {
    let (sealed, raw, _) = signed_header(client, height).await?;
    Ok((sealed, raw.encode_to_vec()))
}

/// Validator sets by their hash, so that a set is asked for once as long as it does not change.
#[derive(Debug, Default)]
pub(crate) struct ValidatorSets {
    inner: Mutex<Kept>,
}

impl ValidatorSets {
    fn get(&self, hash: B256) -> Option<Vec<u8>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).get(hash)
    }

    /// Remembers a set under the hash that a *verified* header gave it.
    ///
    /// SECURITY: what is remembered here is handed to the verifier, which hashes it again; a false set costs a retry
    /// and never a verdict. It is kept only after the verifier took it, so that a liar cannot make others look wrong.
    pub(crate) fn keep(&self, hash: B256, set: &[u8]) {
        let mut kept = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(hash, set, limits::VALIDATOR_SETS_KEPT);
    }

    /// The set that signs `height` and has this hash, from memory or from the node.
    pub(crate) async fn at(&self, client: &Client, height: u64, hash: B256) -> Result<Vec<u8>, RpcError> {
        match self.get(hash) {
            Some(set) => Ok(set),
            None => validators(client, height).await,
        }
    }
}

#[derive(Deserialize)]
struct ValidatorsJson {
    #[serde(deserialize_with = "number")]
    block_height: u64,
    validators: Vec<RawValidator>,
    #[serde(deserialize_with = "number")]
    total: u64,
}

/// The set that signs a height, in the chain's own encoding.
async fn validators(client: &Client, height: u64) -> Result<Vec<u8>, RpcError> {
    let mut set = RawValidatorSet::default();
    for page in 1..=limits::VALIDATOR_PAGES_MAX {
        let params = json!({
            "height": height.to_string(), "page": page.to_string(),
            "per_page": limits::VALIDATORS_PAGE.to_string(),
        });
        let request = RpcRequest::read("validators", params, ReplySize::Block);
        let answer: ValidatorsJson = client.ask(request, "validators").await?;
        if answer.block_height != height || answer.validators.is_empty() {
            return Err(RpcError::garbage("validators of the height that was asked for"));
        }
        // Priorities differ from block to block, are covered by no hash, and would make equal sets look different.
        set.validators
            .extend(answer.validators.into_iter().map(|one| RawValidator { proposer_priority: 0, ..one }));
        if u64::try_from(set.validators.len()).is_ok_and(|count| count >= answer.total) {
            return Ok(set.encode_to_vec());
        }
    }
    Err(RpcError::Oversize { limit_bytes: limits::VALIDATOR_PAGES_MAX })
}

/// Asks for a block with everything that verifies it.
pub(crate) async fn told(client: &Client, sets: &ValidatorSets, height: u64) -> Result<Told, RpcError> {
    let (header, raw, signed_header) = signed_header(client, height).await?;
    let hash = |bytes: &[u8]| B256::try_from(bytes).map_err(|_length| RpcError::garbage("hash of a set"));
    let own = hash(&raw.validators_hash)?;
    let next = hash(&raw.next_validators_hash)?;
    let above = height.checked_add(1).ok_or_else(|| RpcError::garbage("height of a block"))?;
    let validators = sets.at(client, height, own).await?;
    let next_validators = if own == next { validators.clone() } else { sets.at(client, above, next).await? };
    let has_evidence = !raw.evidence_hash.is_empty() && raw.evidence_hash != EMPTY_ROOT;
    let fetched = Fetched { signed_header, validators, next_validators };
    Ok(Told { header, validators_hash: own, has_evidence, fetched })
}

/// What became of a block's transactions, with the events of each and of the block itself.
#[derive(Debug, Clone)]
pub(crate) struct Results {
    pub(crate) transactions: Vec<Answered>,
    /// Events that no transaction made.
    pub(crate) block: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct ResultsJson {
    #[serde(deserialize_with = "number")]
    height: u64,
    #[serde(default)]
    txs_results: Option<Vec<Answered>>,
    #[serde(default)]
    finalize_block_events: Option<Vec<RawEvent>>,
    /// Nodes before ABCI 2.0.
    #[serde(default)]
    begin_block_events: Option<Vec<RawEvent>>,
    #[serde(default)]
    end_block_events: Option<Vec<RawEvent>>,
}

/// Asks for a block's results.
pub(crate) async fn results(client: &Client, height: u64) -> Result<Results, RpcError> {
    let request = RpcRequest::read("block_results", at(height), ReplySize::Bulk);
    let answer: ResultsJson = client.ask(request, "results of a block").await?;
    if answer.height != height {
        return Err(RpcError::garbage("results of the height that was asked for"));
    }
    let transactions = bounded(answer.txs_results.unwrap_or_default(), limits::TRANSACTIONS_MAX)?;
    let mut block = answer.begin_block_events.unwrap_or_default();
    block.extend(answer.finalize_block_events.unwrap_or_default());
    block.extend(answer.end_block_events.unwrap_or_default());
    let total = transactions.iter().map(|one| one.events.len()).fold(block.len(), usize::saturating_add);
    if total > limits::EVENTS_PER_BLOCK_MAX {
        return Err(RpcError::Oversize { limit_bytes: limits::EVENTS_PER_BLOCK_MAX });
    }
    checked(&block)?;
    transactions.iter().try_for_each(|one| checked(&one.events))?;
    Ok(Results { transactions, block })
}

#[derive(Deserialize)]
struct BlockJson {
    block: BlockBody,
}

#[derive(Deserialize)]
struct BlockBody {
    header: RawHeader,
    data: BlockData,
    #[serde(default)]
    evidence: BlockEvidence,
}

#[derive(Deserialize)]
struct BlockData {
    #[serde(default)]
    txs: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct BlockEvidence {
    #[serde(default)]
    evidence: Option<Vec<Value>>,
}

/// A block's transactions by their hashes, and how many proofs of misbehaviour it carries.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) header: SealedHeader,
    /// SHA-256 of each transaction's bytes.
    pub(crate) transactions: Vec<B256>,
    /// Proofs of misbehaviour, as the node writes them.
    pub(crate) evidence: Vec<Value>,
}

/// Asks for a block's body. The caller checks the list against the verified header.
pub(crate) async fn transactions(client: &Client, height: u64) -> Result<Body, RpcError> {
    let request = RpcRequest::read("block", at(height), ReplySize::Bulk);
    let BlockJson { block } = client.ask(request, "block").await?;
    body(block, height)
}

#[derive(Deserialize)]
struct PushedJson<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct PushedData {
    value: BlockJson,
}

/// The body of a block as a node has pushed it. The caller checks the list against the verified header.
pub(crate) fn pushed_body(pushed: &RawValue, height: u64) -> Result<Body, RpcError> {
    let broken = |error| garbage("pushed block", error);
    let PushedJson { data } = serde_json::from_str(pushed.get()).map_err(broken)?;
    let PushedData { value } = serde_json::from_str(data.get()).map_err(broken)?;
    body(value.block, height)
}

fn body(block: BlockBody, height: u64) -> Result<Body, RpcError> {
    let header = sealed(&block.header, height)?;
    let texts = bounded(block.data.txs.unwrap_or_default(), limits::TRANSACTIONS_MAX)?;
    let digest = |text: &String| {
        let bytes = BASE64_STANDARD.decode(text).map_err(|error| garbage("transaction", error))?;
        Ok(B256::from(<[u8; 32]>::from(Sha256::digest(bytes))))
    };
    let transactions = texts.iter().map(digest).collect::<Result<_, RpcError>>()?;
    Ok(Body { header, transactions, evidence: block.evidence.evidence.unwrap_or_default() })
}
