//! Where an attempt is, as the quorum says.

use alloy::{
    consensus::{Transaction, TxEnvelope},
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, U64},
    rpc::types::TransactionReceipt,
};
use portcullis_adapter::{AdapterError, Attempt, Landing};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest, Wait, quorum};
use portcullis_verifier::{BlockRef, FaultKind};
use serde_json::{Value, json};

use super::rehearse::refusal;
use crate::{
    error::{DETAIL_MAX_BYTES, detail, no_quorum},
    limits,
    transport::Network,
};

/// Whether a node has a transaction, waiting or in a block.
pub(super) async fn knows(client: &Client, hash: B256) -> bool {
    let request = RpcRequest::read("eth_getTransactionByHash", json!([hash]), ReplySize::Block);
    matches!(client.ask::<Value>(request, "transaction").await, Ok(found) if !found.is_null())
}

/// A receipt as far as landing needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Receipt {
    block: BlockRef,
    succeeded: bool,
}

async fn receipt(client: &Client, hash: B256) -> Result<Option<Receipt>, RpcError> {
    let request = RpcRequest::read("eth_getTransactionReceipt", json!([hash]), ReplySize::Block);
    let found: Option<TransactionReceipt> = client.ask(request, "receipt").await?;
    let Some(found) = found else { return Ok(None) };
    let (Some(height), Some(block_hash)) = (found.block_number, found.block_hash) else { return Ok(None) };
    if found.transaction_hash != hash {
        return Err(RpcError::garbage("receipt that was asked for"));
    }
    Ok(Some(Receipt { block: BlockRef { height, hash: block_hash }, succeeded: found.status() }))
}

/// Asks every operator for the receipt; when the quorum has none, asks whether the nonce was spent otherwise.
pub(super) async fn landing(
    network: &Network,
    account: Address,
    attempt: &Attempt,
) -> Result<Landing, AdapterError> {
    if let Some(landed) = agreed_receipt(network, attempt).await? {
        return Ok(explained(network, account, attempt, landed).await);
    }
    if !spent(network, account, attempt.nonce).await? {
        return Ok(Landing::Pending);
    }
    // The receipt may have come between the two questions. Asked after the nonce was seen spent, its absence
    // means that another transaction spent it.
    Ok(agreed_receipt(network, attempt).await?.unwrap_or(Landing::Replaced))
}

/// Adds why a trip failed, by running it again on the state after its block. One voice is enough: it is for people.
async fn explained(network: &Network, account: Address, attempt: &Attempt, landed: Landing) -> Landing {
    let Landing::Reverted(block, _) = landed else { return landed };
    let mut why = "the call failed in its block".to_owned();
    let call = TxEnvelope::decode_2718(&mut attempt.bytes.as_slice()).ok();
    if let Some(call) = call {
        let call = json!({ "from": account, "to": call.to(), "data": call.input() });
        let request =
            RpcRequest::read("eth_call", json!([call, { "blockHash": block.hash }]), ReplySize::Small);
        for operator in &network.operators {
            match operator.lanes.contain.call(request.clone()).await {
                Err(error @ RpcError::Server { .. }) => {
                    why = refusal(&error);
                    break;
                }
                Err(_unreachable) => {}
                Ok(_) => break,
            }
        }
    }
    Landing::Reverted(block, detail(&why, DETAIL_MAX_BYTES))
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
                network.faults.bad(
                    *name,
                    FaultKind::DissentHead,
                    "another receipt of a trip than the quorum",
                );
            }
        }
    }
    Ok(agreed.value.map(|receipt| match receipt {
        Receipt { block, succeeded: true } => Landing::Included(block),
        Receipt { block, succeeded: false } => Landing::Reverted(block, String::new()),
    }))
}

/// Whether the quorum says that a nonce is spent.
async fn spent(network: &Network, account: Address, nonce: u64) -> Result<bool, AdapterError> {
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move {
            let request =
                RpcRequest::read("eth_getTransactionCount", json!([account, "latest"]), ReplySize::Small);
            Ok(client.ask::<U64>(request, "nonce").await?.to::<u64>() > nonce)
        })
    });
    quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map(|agreed| agreed.value)
        .map_err(|split| no_quorum(network.chain, "nonce of the containment key").caused_by(split))
}
