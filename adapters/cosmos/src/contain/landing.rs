//! Where an attempt is, as the quorum says.

use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_adapter::{AdapterError, Attempt, Landing};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest, Wait, quorum};
use portcullis_verifier::{
    B256, BlockRef, FaultKind,
    cosmos::{TransactionPath, transactions_root},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    query,
    refusal::{Refusal, refusal},
    state::tip,
    tx,
};
use crate::{
    error::{DETAIL_MAX_BYTES, detail, no_quorum},
    limits,
    transport::{Network, header},
};

/// Code with which nodes answer every question that they cannot answer, an unknown hash among them.
const NOT_ANSWERED: i64 = -32_603;

/// A transaction as a node tells it.
#[derive(Debug, Deserialize)]
struct TxAnswer {
    height: String,
    tx_result: TxResult,
    tx: String,
    #[serde(default)]
    proof: Option<TxProof>,
}

#[derive(Debug, Deserialize)]
struct TxResult {
    code: u32,
    #[serde(default)]
    codespace: String,
    #[serde(default)]
    log: String,
}

#[derive(Debug, Deserialize)]
struct TxProof {
    proof: MerkleProof,
}

#[derive(Debug, Deserialize)]
struct MerkleProof {
    total: String,
    index: String,
    #[serde(default)]
    aunts: Vec<String>,
}

impl MerkleProof {
    fn path(&self) -> Option<TransactionPath> {
        let aunts = self.aunts.iter().map(|aunt| B256::try_from(STANDARD.decode(aunt).ok()?.as_slice()).ok());
        Some(TransactionPath {
            index: self.index.parse().ok()?,
            total: self.total.parse().ok()?,
            aunts: aunts.collect::<Option<_>>()?,
        })
    }
}

/// What became of a transaction, as far as landing needs it.
#[derive(Debug, Clone)]
struct Receipt {
    block: BlockRef,
    succeeded: bool,
    /// For people; nodes word it as they like.
    why: String,
}

impl PartialEq for Receipt {
    fn eq(&self, other: &Self) -> bool {
        (self.block, self.succeeded) == (other.block, other.succeeded)
    }
}

/// Asks a node for a transaction; none when it does not have it in a block.
async fn answer(client: &Client, hash: B256, prove: bool) -> Result<Option<TxAnswer>, RpcError> {
    let hash = STANDARD.encode(hash);
    let request = RpcRequest::read("tx", json!({ "hash": hash, "prove": prove }), ReplySize::Block);
    match client.ask::<TxAnswer>(request, "transaction").await {
        Ok(answer) => Ok(Some(answer)),
        // A node without an index answers the same; the dial asks for that.
        Err(RpcError::Server { code: NOT_ANSWERED, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a node has a transaction, waiting or in a block.
pub(super) async fn knows(client: &Client, hash: B256) -> bool {
    if matches!(answer(client, hash, false).await, Ok(Some(_))) {
        return true;
    }
    #[derive(Deserialize)]
    struct Waiting {
        #[serde(default)]
        txs: Option<Vec<String>>,
    }
    let params = json!({ "limit": limits::WAITING_ASKED.to_string() });
    let request = RpcRequest::read("unconfirmed_txs", params, ReplySize::Bulk);
    let Ok(Waiting { txs }) = client.ask::<Waiting>(request, "list of waiting transactions").await else {
        return false;
    };
    let decoded = txs.into_iter().flatten().filter_map(|text| STANDARD.decode(text).ok());
    decoded.into_iter().any(|bytes| tx::hash(&bytes) == hash)
}

/// The receipt of a transaction, with its place in the block checked against the block's header.
async fn receipt(client: &Client, hash: B256) -> Result<Option<Receipt>, RpcError> {
    let Some(answer) = answer(client, hash, true).await? else { return Ok(None) };
    let height: u64 = answer.height.parse().map_err(|_not_a_number| RpcError::garbage("height"))?;
    let bytes = STANDARD.decode(&answer.tx).map_err(|_not_base_64| RpcError::garbage("transaction"))?;
    if tx::hash(&bytes) != hash {
        return Err(RpcError::garbage("transaction that was asked for"));
    }
    let path = answer.proof.and_then(|proof| proof.proof.path());
    let path = path.ok_or_else(|| RpcError::garbage("proof of inclusion"))?;
    let (header, _bytes) = header(client, height).await?;
    // SECURITY: a node that merely says "it is in block 7" is not believed: the block's header must commit to it. Which
    // header that is, the quorum says; what counts in the end is the proven effect.
    let found = transactions_root(hash, &path).ok();
    if found.is_none() || found != header.data_hash() {
        return Err(RpcError::garbage("proof of inclusion in the block that is named"));
    }
    let TxResult { code, codespace, log } = answer.tx_result;
    let why = refusal(&codespace, code).map(|refusal: Refusal| refusal.describe(&codespace, code, &log));
    let succeeded = why.is_none();
    Ok(Some(Receipt { block: header.block(), succeeded, why: why.unwrap_or_default() }))
}

/// Asks every operator for the receipt; when the quorum has none, asks whether the sequence was spent otherwise.
pub(super) async fn landing(
    network: &Network,
    account: &str,
    attempt: &Attempt,
) -> Result<Landing, AdapterError> {
    if let Some(landed) = agreed_receipt(network, attempt).await? {
        return Ok(landed);
    }
    if !spent(network, account, attempt.nonce).await? {
        return Ok(Landing::Pending);
    }
    // The receipt may have come between the two questions. Asked after the sequence was seen spent some blocks ago, its
    // absence means that another transaction spent it.
    Ok(agreed_receipt(network, attempt).await?.unwrap_or(Landing::Replaced))
}

async fn agreed_receipt(network: &Network, attempt: &Attempt) -> Result<Option<Landing>, AdapterError> {
    let questions = network.operators.iter().map(|o| (o.name, receipt(&o.lanes.contain, attempt.hash)));
    let agreed = quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map_err(|split| no_quorum(network.chain, "receipt of a trip").caused_by(split))?;
    if agreed.value.is_some() {
        for (_, who) in agreed.dissenting.iter().filter(|(said, _)| said.is_some()) {
            for name in who {
                // Who has no receipt yet is slow. Who has another one contradicts.
                let what = "another receipt of a trip than the quorum";
                network.faults.bad(*name, FaultKind::DissentHead, what);
            }
        }
    }
    Ok(agreed.value.map(|receipt| match receipt {
        Receipt { block, succeeded: true, .. } => Landing::Included(block),
        Receipt { block, why, .. } => Landing::Reverted(block, detail(&why, DETAIL_MAX_BYTES)),
    }))
}

/// Whether the quorum says that a sequence was spent [`limits::INDEX_BLOCKS`] blocks ago: nodes commit a block first and
/// find its transactions by their hash a moment later, so that what was spent just now may be the attempt itself.
async fn spent(network: &Network, account: &str, sequence: u64) -> Result<bool, AdapterError> {
    let height = tip(network).await?.block.height.saturating_sub(limits::INDEX_BLOCKS).max(1);
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move {
            let numbers = query::numbers_at(&client, account, height).await.map_err(query::flat)?;
            Ok(numbers.sequence > sequence)
        })
    });
    quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map(|agreed| agreed.value)
        .map_err(|split| no_quorum(network.chain, "sequence of the containment key").caused_by(split))
}
