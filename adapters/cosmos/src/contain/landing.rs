//! Where an attempt is, as the quorum says.

use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_adapter::{AdapterError, Attempt, Landing};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest, Wait, quorum};
use portcullis_verifier::{
    B256, BlockRef, FaultKind, OperatorId,
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
    limits, merkle,
    transport::{Network, header, results, transactions},
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
    // absence means that another transaction spent it, or that nodes are slow to find transactions by their hash: the
    // block in which it was spent tells which.
    if let Some(landed) = agreed_receipt(network, attempt).await? {
        return Ok(landed);
    }
    spender(network, account, attempt).await
}

async fn agreed_receipt(network: &Network, attempt: &Attempt) -> Result<Option<Landing>, AdapterError> {
    let questions = network.operators.iter().map(|o| (o.name, receipt(&o.lanes.contain, attempt.hash)));
    agreed_landing(network, questions).await
}

/// What became of an attempt whose sequence is spent, from the block in which it was spent.
async fn spender(network: &Network, account: &str, attempt: &Attempt) -> Result<Landing, AdapterError> {
    let newest = settled_height(network).await?;
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move { spent_in(&client, account, attempt, newest).await })
    });
    Ok(agreed_landing(network, questions).await?.unwrap_or(Landing::Replaced))
}

/// The receipt of an attempt from the block in which its sequence was spent; none where that holds another transaction,
/// or where the node keeps too little state to name the block: by then its index has it, if the block does.
async fn spent_in(
    client: &Client,
    account: &str,
    attempt: &Attempt,
    newest: u64,
) -> Result<Option<Receipt>, RpcError> {
    let Some(height) = spending_height(client, account, attempt.nonce, newest).await? else {
        return Ok(None);
    };
    let body = transactions(client, height).await?;
    let leaves: Vec<B256> = body.transactions.iter().map(|one| merkle::leaf(one.as_slice())).collect();
    if body.header.data_hash() != Some(merkle::root(&leaves)) {
        return Err(RpcError::garbage("transactions that the header commits to"));
    }
    let Some(place) = body.transactions.iter().position(|one| *one == attempt.hash) else { return Ok(None) };
    let results = results(client, height).await?;
    let code = results.transactions.get(place).map(|one| one.code);
    let code = code.ok_or_else(|| RpcError::garbage("as many results as the block has transactions"))?;
    // Results tell no space of the code: its number alone says nothing but that it failed.
    let why = if code == 0 { String::new() } else { format!("it failed with code {code}") };
    Ok(Some(Receipt { block: body.header.block(), succeeded: code == 0, why }))
}

/// The block that spent a sequence which is spent after the block `newest`: looked for backwards in growing steps, then
/// between the last two. None where the node does not have the state of a block that far back.
async fn spending_height(
    client: &Client,
    account: &str,
    sequence: u64,
    newest: u64,
) -> Result<Option<u64>, RpcError> {
    let is_spent = |height: u64| async move {
        let numbers = query::numbers_at(client, account, height).await.map_err(query::flat)?;
        Ok::<_, RpcError>(numbers.sequence > sequence)
    };
    let (mut spent, mut step) = (newest, 1u64);
    let mut open = loop {
        let height = newest.saturating_sub(step);
        // Zero would be taken for the newest state.
        if height == 0 || step > limits::SPENT_SEARCH_BLOCKS {
            return Ok(None);
        }
        match is_spent(height).await {
            Ok(false) => break height,
            Ok(true) => spent = height,
            Err(RpcError::Server { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        step = step.saturating_mul(2);
    };
    while spent.saturating_sub(open) > 1 {
        let middle = open.midpoint(spent);
        if is_spent(middle).await? {
            spent = middle;
        } else {
            open = middle;
        }
    }
    Ok(Some(spent))
}

/// What a quorum says of a receipt; none where it says that there is none.
async fn agreed_landing<F>(
    network: &Network,
    questions: impl Iterator<Item = (OperatorId, F)>,
) -> Result<Option<Landing>, AdapterError>
where
    F: Future<Output = Result<Option<Receipt>, RpcError>> + Send,
{
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
    let height = settled_height(network).await?;
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

/// The newest block of which nodes have had the time to work everything through.
async fn settled_height(network: &Network) -> Result<u64, AdapterError> {
    Ok(tip(network).await?.block.height.saturating_sub(limits::INDEX_BLOCKS).max(1))
}
