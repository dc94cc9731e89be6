//! Answers to the questions that a service asks a node.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};

use super::block::Block;
use super::chain::{Chain, Taken};
use super::guard;

/// What is said to a question: JSON, or an error as nodes word it.
pub(super) type Answer = Result<String, (i64, String)>;

/// Longest range of blocks that one question about logs may span.
const RANGE_BLOCKS: u64 = 10_000;

fn refused(code: i64, what: impl Into<String>) -> Answer {
    Err((code, what.into()))
}

fn quantity(number: u64) -> Answer {
    Ok(format!("\"{number:#x}\""))
}

fn param<T: serde::de::DeserializeOwned>(params: &Value, at: usize) -> Option<T> {
    serde_json::from_value(params.get(at)?.clone()).ok()
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The block that a parameter names: a tag, a number, a hash, or an object with one of them.
fn block(chain: &Chain, named: Option<&Value>) -> Option<Arc<Block>> {
    let text = match named {
        Some(Value::String(text)) => text.as_str(),
        Some(Value::Object(fields)) => {
            let hash = fields.get("blockHash").and_then(Value::as_str);
            return match hash {
                Some(hash) => chain.by_hash(hash.parse().ok()?),
                None => block(chain, fields.get("blockNumber")),
            };
        }
        _ => "latest",
    };
    match text {
        "latest" | "pending" | "safe" | "finalized" => Some(chain.head()),
        hash if hash.len() == 66 => chain.by_hash(hash.parse().ok()?),
        height => chain.at(number(height)?),
    }
}

fn addresses(filter: &Value) -> Vec<Address> {
    match filter.get("address") {
        Some(Value::Array(list)) => list.iter().filter_map(|one| one.as_str()?.parse().ok()).collect(),
        Some(Value::String(one)) => one.parse().into_iter().collect(),
        _ => Vec::new(),
    }
}

fn logs(chain: &Chain, params: &Value) -> Answer {
    let filter = params.get(0).unwrap_or(&Value::Null);
    let addresses = addresses(filter);
    if let Some(hash) = filter.get("blockHash").and_then(Value::as_str) {
        let found = hash.parse().ok().and_then(|hash: B256| chain.by_hash(hash));
        return found
            .map_or_else(|| refused(-32_000, "unknown block"), |block| Ok(block.logs_of(&addresses)));
    }
    let end = |name: &str| block(chain, filter.get(name)).map(|block| block.height);
    let (Some(from), Some(to)) = (end("fromBlock"), end("toBlock")) else {
        return refused(-32_000, "unknown block");
    };
    if to.saturating_sub(from) > RANGE_BLOCKS {
        return refused(-32_005, "query exceeds max block range");
    }
    let mut out = String::from("[");
    for block in (from..=to).filter_map(|height| chain.at(height)) {
        block.add_logs(&addresses, &mut out);
    }
    out.push(']');
    Ok(out)
}

fn receipt(chain: &Chain, hash: B256) -> Option<Value> {
    let landed = chain.landed(hash)?;
    Some(chain.at(landed.height)?.receipt(landed.index))
}

fn transaction(chain: &Chain, hash: B256) -> Value {
    match chain.landed(hash) {
        Some(landed) => json!({ "hash": hash, "blockNumber": format!("{:#x}", landed.height) }),
        None if chain.waits(hash) => json!({ "hash": hash, "blockNumber": null }),
        None => Value::Null,
    }
}

fn proof(chain: &Chain, params: &Value) -> Answer {
    let (Some(address), Some(block)) = (param::<Address>(params, 0), block(chain, params.get(2))) else {
        return refused(-32_000, "header not found");
    };
    let keys: Vec<B256> = param(params, 1).unwrap_or_default();
    let proof = block.state.prove(address, &keys);
    let account = block.state.accounts.get(&address);
    let slots: Vec<Value> = proof
        .slots
        .iter()
        .map(|(key, value, nodes)| json!({ "key": key, "value": value, "proof": nodes }))
        .collect();
    Ok(json!({
        "address": address,
        "balance": account.map_or(U256::ZERO, |account| account.balance),
        "nonce": format!("{:#x}", account.map_or(0, |account| account.nonce)),
        "codeHash": account.map_or(alloy_trie::KECCAK_EMPTY, |account| account.code_hash),
        "storageHash": proof.storage_root,
        "accountProof": proof.account,
        "storageProof": slots,
    })
    .to_string())
}

fn call(chain: &Chain, params: &Value) -> Answer {
    let Some(block) = block(chain, params.get(1)) else { return refused(-32_000, "header not found") };
    let asked = params.get(0).unwrap_or(&Value::Null);
    let to = asked.get("to").and_then(Value::as_str).and_then(|text| text.parse::<Address>().ok());
    let input = asked.get("data").or_else(|| asked.get("input")).and_then(Value::as_str);
    let input: Bytes = input.and_then(|text| text.parse().ok()).unwrap_or_default();
    match to.and_then(|to| guard::view(&block.state, to, &input)) {
        Some(answer) => Ok(format!("\"{answer}\"")),
        None => refused(3, "execution reverted"),
    }
}

fn submit(chain: &Chain, operator: usize, params: &Value) -> Answer {
    let Some(raw) = param::<Bytes>(params, 0) else { return refused(-32_602, "invalid argument 0") };
    match chain.submit(operator, &raw) {
        Taken::Yes(hash) => Ok(format!("\"{hash}\"")),
        Taken::No(why) => refused(-32_000, why),
    }
}

fn whole(found: Option<Arc<Block>>) -> Answer {
    Ok(found.map_or_else(|| "null".to_owned(), |block| block.block.clone()))
}

/// Answers one question that came in at an operator's endpoint.
pub(super) fn answer(chain: &Chain, operator: usize, method: &str, params: &Value) -> Answer {
    let hash = || param::<B256>(params, 0).unwrap_or_default();
    let account = || param::<Address>(params, 0).unwrap_or_default();
    match method {
        "eth_chainId" => quantity(chain.id),
        "net_version" => Ok(format!("\"{}\"", chain.id)),
        "eth_syncing" => Ok("false".to_owned()),
        "eth_blockNumber" => quantity(chain.head().height),
        "eth_getBlockByNumber" => whole(block(chain, params.get(0))),
        "eth_getBlockByHash" => whole(chain.by_hash(hash())),
        "eth_getLogs" => logs(chain, params),
        "eth_getBlockReceipts" => {
            Ok(block(chain, params.get(0)).map_or_else(|| "null".to_owned(), |b| b.receipts().to_owned()))
        }
        "eth_getTransactionReceipt" => Ok(receipt(chain, hash()).unwrap_or(Value::Null).to_string()),
        "eth_getTransactionByHash" => Ok(transaction(chain, hash()).to_string()),
        "eth_getProof" => proof(chain, params),
        "eth_call" => call(chain, params),
        "eth_estimateGas" => quantity(90_000),
        "eth_gasPrice" | "eth_maxPriorityFeePerGas" => quantity(1_500_000_000),
        "eth_sendRawTransaction" => submit(chain, operator, params),
        "eth_getTransactionCount" => {
            let (latest, pending) = chain.nonces(account());
            quantity(if params.get(1).and_then(Value::as_str) == Some("pending") { pending } else { latest })
        }
        "eth_getBalance" => {
            let head = chain.head();
            let have = head.state.accounts.get(&account()).map_or(U256::ZERO, |account| account.balance);
            Ok(json!(have).to_string())
        }
        "eth_getCode" => {
            let head = chain.head();
            let is_contract = head.state.accounts.get(&account()).is_some_and(|a| !a.storage.is_empty());
            Ok(if is_contract { "\"0x00\"" } else { "\"0x\"" }.to_owned())
        }
        "eth_getStorageAt" => {
            let key = param::<U256>(params, 1).unwrap_or_default();
            let Some(block) = block(chain, params.get(2)) else {
                return refused(-32_000, "header not found");
            };
            Ok(format!("\"{}\"", B256::from(block.state.word(account(), B256::from(key)))))
        }
        _ => refused(-32_601, format!("the method {method} does not exist/is not available")),
    }
}
