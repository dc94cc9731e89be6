//! Receipts of a block, from what nodes tell to the bytes that the block commits to.

use alloy::{
    consensus::{ReceiptEnvelope, ReceiptWithBloom, TxType},
    eips::eip2718::Encodable2718,
    network::AnyTransactionReceipt,
    primitives::U64,
    rpc::types::TransactionReceipt,
};
use futures::{StreamExt, stream};
use portcullis_adapter::Class;
use portcullis_rpc::{Client, Reply, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{
    B256, BlockRef,
    evm::{DEPOSIT_TYPE, DepositReceipt},
};
use serde_json::{Value, json};

use crate::limits;

/// All receipts of a block as EIP-2718 bytes, in order.
pub(super) async fn receipts(client: &Client, block: BlockRef) -> Result<Vec<Vec<u8>>, RpcError> {
    let request = RpcRequest::read("eth_getBlockReceipts", json!([block.hash]), ReplySize::Bulk);
    match client.call(request).await {
        Err(error @ RpcError::Server { .. }) if error.class() == Class::Permanent => {
            one_by_one(client, block).await
        }
        other => committed(&other?),
    }
}

/// The bytes of every receipt of a list.
///
/// Lists of the types that every chain of this family has are read at once. What else there is on some chains is
/// looked at one by one, which takes longer.
pub(crate) fn committed(reply: &Reply) -> Result<Vec<Vec<u8>>, RpcError> {
    // A block without receipts is an empty list; null means that the node does not know the block.
    let unknown = || RpcError::garbage("list of receipts of a known block");
    if let Ok(listed) = reply.decode::<Option<Vec<TransactionReceipt>>>("list of receipts") {
        let listed = listed.ok_or_else(unknown)?;
        return Ok(listed
            .into_iter()
            .map(|receipt| receipt.inner.into_primitives_receipt().encoded_2718())
            .collect());
    }
    let listed: Option<Vec<AnyTransactionReceipt>> = reply.decode("list of receipts")?;
    listed.ok_or_else(unknown)?.into_iter().map(any_bytes).collect()
}

fn any_bytes(receipt: AnyTransactionReceipt) -> Result<Vec<u8>, RpcError> {
    let (receipt, more) = (receipt.0.inner, receipt.0.other);
    let kind = receipt.inner.r#type;
    let with_bloom = receipt.inner.inner;
    let common = ReceiptWithBloom {
        receipt: alloy::consensus::Receipt {
            status: with_bloom.receipt.status,
            cumulative_gas_used: with_bloom.receipt.cumulative_gas_used,
            logs: with_bloom.receipt.logs.into_iter().map(|log| log.inner).collect(),
        },
        logs_bloom: with_bloom.logs_bloom,
    };
    if let Ok(kind) = TxType::try_from(kind) {
        return Ok(ReceiptEnvelope::from_typed(kind, common).encoded_2718());
    }
    if kind != DEPOSIT_TYPE {
        return Err(RpcError::Unsupported(format!("receipt of type {kind:#04x}")));
    }
    let number = |name: &str| -> Result<Option<u64>, RpcError> {
        let field = more.get(name).filter(|value| !value.is_null());
        let read = field.map(|value| serde_json::from_value::<U64>(value.clone())).transpose();
        read.map(|number| number.map(|number| number.to())).map_err(|source| RpcError::Garbage {
            expected: "number of a deposit",
            source: Some(Box::new(source)),
        })
    };
    // Only the form that has a version commits to the nonce that nodes tell of either.
    let canyon = match (number("depositNonce")?, number("depositReceiptVersion")?) {
        (Some(nonce), Some(version)) => Some((nonce, version)),
        (None, Some(_)) => return Err(RpcError::garbage("deposit with its nonce")),
        (_, None) => None,
    };
    let deposit = DepositReceipt::of(common, canyon);
    deposit.map(|deposit| deposit.encoded()).ok_or_else(|| RpcError::garbage("deposit with its status"))
}

/// For nodes without `eth_getBlockReceipts`.
async fn one_by_one(client: &Client, block: BlockRef) -> Result<Vec<Vec<u8>>, RpcError> {
    let request = RpcRequest::read("eth_getBlockByHash", json!([block.hash, false]), ReplySize::Block);
    let known: Value = client.ask(request, "block").await?;
    let hashes: Vec<B256> = known
        .get("transactions")
        .cloned()
        .and_then(|list| serde_json::from_value(list).ok())
        .ok_or_else(|| RpcError::garbage("block with its transactions"))?;
    let questions = hashes.into_iter().map(|hash| async move {
        let request = RpcRequest::read("eth_getTransactionReceipt", json!([hash]), ReplySize::Block);
        let receipt: Option<AnyTransactionReceipt> = client.ask(request, "receipt").await?;
        any_bytes(receipt.ok_or_else(|| RpcError::garbage("receipt of a known transaction"))?)
    });
    stream::iter(questions)
        .buffered(limits::RECEIPTS_IN_FLIGHT)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn listed(receipts: &Value) -> Result<Vec<Vec<u8>>, RpcError> {
        committed(&Reply(RawValue::from_string(receipts.to_string()).unwrap()))
    }

    fn receipt(kind: &str) -> Value {
        json!({
            "type": kind, "status": "0x1", "cumulativeGasUsed": "0xb741", "gasUsed": "0xb741",
            "effectiveGasPrice": "0x0", "logsBloom": format!("0x{}", "00".repeat(256)),
            "transactionHash": B256::repeat_byte(1), "transactionIndex": "0x0",
            "blockHash": B256::repeat_byte(2), "blockNumber": "0x1",
            "from": "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001", "to": null, "contractAddress": null,
            "logs": [{
                "address": "0x4200000000000000000000000000000000000007", "topics": [B256::repeat_byte(3)],
                "data": "0x01", "blockHash": B256::repeat_byte(2), "blockNumber": "0x1",
                "transactionHash": B256::repeat_byte(1), "transactionIndex": "0x0", "logIndex": "0x0",
                "removed": false,
            }],
        })
    }

    #[test]
    fn a_deposit_beside_others_becomes_the_bytes_that_its_block_commits_to() {
        let mut canyon = receipt("0x7e");
        canyon["depositNonce"] = json!("0x3d3bff");
        canyon["depositReceiptVersion"] = json!("0x1");
        let mut regolith = receipt("0x7e");
        regolith["depositNonce"] = json!("0x3d3bff");
        let bytes = listed(&json!([canyon, regolith, receipt("0x2")])).unwrap();
        let read = |at: usize| DepositReceipt::decode(&bytes[at]).unwrap();
        assert_eq!((read(0).canyon, read(0).logs.len()), (Some((4_013_055, 1)), 1));
        assert_eq!((read(1).canyon, read(1).status), (None, true), "not committed to before Canyon");
        assert_eq!((read(1).cumulative_gas_used, bytes[2][0]), (46_913, 2));
        assert_eq!(listed(&json!([receipt("0x2")])).unwrap(), [bytes[2].clone()], "the same either way");
    }

    #[test]
    fn what_cannot_be_read_is_told_apart_from_what_is_wrong() {
        let error = listed(&json!([receipt("0x64")])).unwrap_err();
        assert!(matches!(&error, RpcError::Unsupported(what) if what.contains("0x64")), "{error}");
        assert_eq!(error.class(), Class::Permanent);
        let mut odd = receipt("0x7e");
        odd["depositReceiptVersion"] = json!("0x1");
        assert_eq!(listed(&json!([odd])).unwrap_err().class(), Class::Untrusted, "a version without a nonce");
        assert_eq!(listed(&json!([{ "type": "0x2" }])).unwrap_err().class(), Class::Untrusted);
        assert_eq!(listed(&Value::Null).unwrap_err().class(), Class::Untrusted);
        assert!(listed(&json!([])).unwrap().is_empty());
    }
}
