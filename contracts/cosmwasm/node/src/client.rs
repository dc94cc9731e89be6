//! Signs, sends and asks over the node's RPC.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::proto::{Fields, Message, coin, find, find_all, find_number};
use crate::{Key, Result};

/// A transaction that is in no block by then never will be.
const LANDING_PATIENCE: Duration = Duration::from_secs(30);
/// Far above what any call here uses, and below the size of a block.
const GAS_LIMIT: u64 = 40_000_000;

/// Speaks to one node. Account numbers and sequences are read once and counted on.
#[derive(Debug)]
pub struct Client {
    url: String,
    chain_id: String,
    agent: ureq::Agent,
    accounts: BTreeMap<String, (u64, u64)>,
}

/// A transaction in a block.
#[derive(Debug, Clone)]
pub struct Landed {
    /// 0 when it was executed.
    pub code: u64,
    /// The node's text; with an error of a contract inside, when there is one.
    pub log: String,
    /// Gas that it used.
    pub gas_used: u64,
    /// Where it stands.
    pub height: u64,
    /// Type, and attributes as key and value, in order.
    pub events: Vec<(String, Vec<(String, String)>)>,
    /// The answers to its messages: protobuf of the message's response type.
    pub answers: Vec<Vec<u8>>,
}

impl Landed {
    /// The first value of an attribute of an event of this type.
    #[must_use]
    pub fn attribute(&self, event: &str, key: &str) -> Option<&str> {
        let fields = self.events.iter().filter(|(name, _)| name == event).flat_map(|(_, fields)| fields);
        fields.clone().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Of a failed call: what the contract itself said.
    #[must_use]
    pub fn contract_error(&self) -> &str {
        let text = self.log.strip_suffix(": execute wasm contract failed").unwrap_or(&self.log);
        let text = text.split_once("message index: ").map_or(text, |(_, rest)| rest);
        text.split_once(": ").map_or(text, |(_, rest)| rest)
    }

    /// The data that contracts answered, message by message, as JSON where there is any.
    #[must_use]
    pub fn data(&self) -> Vec<Option<Value>> {
        let read = |answer: &Vec<u8>| serde_json::from_slice(&find(answer, 1)?).ok();
        self.answers.iter().map(read).collect()
    }
}

impl Client {
    /// Speaks to the node at this address, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn new(url: String, chain_id: &str) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build();
        Self { url, chain_id: chain_id.to_owned(), agent: agent.into(), accounts: BTreeMap::new() }
    }

    /// Asks the node.
    ///
    /// # Errors
    /// When it does not answer, or answers with an error.
    pub fn rpc(&self, method: &str, params: &Value) -> Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer: Value = self.agent.post(&self.url).send_json(&request)?.body_mut().read_json()?;
        if let Some(error) = answer.get("error") {
            return Err(format!("{method}: {error}").into());
        }
        Ok(answer["result"].take())
    }

    /// Height and time (Unix seconds) of the newest block.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn head(&self) -> Result<(u64, u64)> {
        let status = self.rpc("status", &json!({}))?;
        let height = number(&status["sync_info"]["latest_block_height"]);
        let text = status["sync_info"]["latest_block_time"].as_str().unwrap_or_default();
        Ok((height, seconds(text).ok_or_else(|| format!("no time: {text}"))?))
    }

    /// Asks a store by a gRPC path, at the newest height.
    ///
    /// # Errors
    /// What the module says.
    pub fn query(&self, path: &str, request: &[u8]) -> Result<Vec<u8>> {
        self.abci(path, request, false).map(|answer| bytes(&answer["value"]))
    }

    /// Reads a key of a store with its proof operations: value (empty when absent), height of the proof, operations.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn prove(&self, store: &str, key: &[u8]) -> Result<(Vec<u8>, u64, Value)> {
        let answer = self.abci(&format!("/store/{store}/key"), key, true)?;
        Ok((bytes(&answer["value"]), number(&answer["height"]), answer["proofOps"]["ops"].clone()))
    }

    fn abci(&self, path: &str, data: &[u8], prove: bool) -> Result<Value> {
        let data: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        let params = json!({"path": path, "data": data, "prove": prove});
        let mut answer = self.rpc("abci_query", &params)?;
        let response = answer["response"].take();
        if response["code"].as_u64().unwrap_or_default() != 0 {
            return Err(response["log"].as_str().unwrap_or("no log").to_owned().into());
        }
        Ok(response)
    }

    /// Asks a contract.
    ///
    /// # Errors
    /// What the contract says.
    pub fn smart(&self, contract: &str, msg: &Value) -> Result<Value> {
        let request = Fields::default().text(1, contract).text(2, &msg.to_string());
        let answer = self.query("/cosmwasm.wasm.v1.Query/SmartContractState", &request.0)?;
        Ok(serde_json::from_slice(&find(&answer, 1).ok_or("an answer without data")?)?)
    }

    /// Signs (`SIGN_MODE_DIRECT`), sends, and waits until it stands in a block.
    ///
    /// # Errors
    /// When the node does not take it, or it lands in no block in time. That it failed there is no error here.
    pub fn send(&mut self, key: &Key, messages: &[Message]) -> Result<Landed> {
        let address = key.address()?;
        let (account, sequence) = self.account(&address)?;
        let tx = self.signed(key, messages, account, sequence)?;
        let sent = self.rpc("broadcast_tx_sync", &json!({"tx": BASE64_STANDARD.encode(&tx)}))?;
        if sent["code"].as_u64() != Some(0) {
            // The sequence is read anew: what this client counted is not what the node knows.
            self.accounts.remove(&address);
            return Err(format!("not taken: {}", sent["log"]).into());
        }
        self.accounts.insert(address, (account, sequence + 1));
        let hash: Vec<u8> = (0..64)
            .step_by(2)
            .filter_map(|at| u8::from_str_radix(sent["hash"].as_str()?.get(at..at + 2)?, 16).ok())
            .collect();
        self.landed(&BASE64_STANDARD.encode(hash))
    }

    fn landed(&self, hash: &str) -> Result<Landed> {
        let since = Instant::now();
        loop {
            // The index is written a moment after the block: until then the node says that it does not know.
            match self.rpc("tx", &json!({"hash": hash})) {
                Ok(found) => return Ok(landed(&found)),
                Err(error) if since.elapsed() > LANDING_PATIENCE => {
                    return Err(format!("in no block after {LANDING_PATIENCE:?}: {error}").into());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn account(&self, address: &str) -> Result<(u64, u64)> {
        if let Some(known) = self.accounts.get(address) {
            return Ok(*known);
        }
        let request = Fields::default().text(1, address);
        let answer = self.query("/cosmos.auth.v1beta1.Query/AccountInfo", &request.0)?;
        let info = find(&answer, 1).ok_or("an account without info")?;
        Ok((find_number(&info, 3).unwrap_or_default(), find_number(&info, 4).unwrap_or_default()))
    }

    fn signed(&self, key: &Key, messages: &[Message], account: u64, sequence: u64) -> Result<Vec<u8>> {
        let body = messages.iter().fold(Fields::default(), |body, message| body.bytes(1, &message.any()));
        let public = Fields::default().bytes(1, &key.public());
        let public = Message { type_url: "/cosmos.crypto.secp256k1.PubKey".to_owned(), value: public.0 };
        // ModeInfo { single { mode: SIGN_MODE_DIRECT } }
        let mode = Fields::default().bytes(1, &Fields::default().number(1, 1).0);
        let signer = Fields::default().bytes(1, &public.any()).bytes(2, &mode.0).number(3, sequence);
        let fee = Fields::default().bytes(1, &coin(GAS_LIMIT / 100, "stake")).number(2, GAS_LIMIT);
        let auth = Fields::default().bytes(1, &signer.0).bytes(2, &fee.0);
        let document =
            Fields::default().bytes(1, &body.0).bytes(2, &auth.0).text(3, &self.chain_id).number(4, account);
        let signature = key.sign(&document.0)?;
        Ok(Fields::default().bytes(1, &body.0).bytes(2, &auth.0).bytes(3, &signature).0)
    }
}

fn landed(found: &Value) -> Landed {
    let result = &found["tx_result"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let events = list(&result["events"]).into_iter().map(|event| {
        let fields =
            list(&event["attributes"]).iter().map(|f| (text(&f["key"]), text(&f["value"]))).collect();
        (text(&event["type"]), fields)
    });
    // TxMsgData { repeated Any msg_responses = 2 }
    let answers = find_all(&bytes(&result["data"]), 2).map(|any| find(&any, 2).unwrap_or_default()).collect();
    Landed {
        code: result["code"].as_u64().unwrap_or_default(),
        log: text(&result["log"]),
        gas_used: number(&result["gas_used"]),
        height: number(&found["height"]),
        events: events.collect(),
        answers,
    }
}

/// Numbers of 64 bits come as text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()).unwrap_or_default()
}

/// Unix seconds of `2026-01-31T12:34:56.789Z`.
fn seconds(text: &str) -> Option<u64> {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    // Days since 1970 by the civil calendar, with the year beginning in March.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (y / 400, y % 400);
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + part(11..13)? * 3_600 + part(14..16)? * 60 + part(17..19)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T23:59:59.5Z"), Some(951_868_799));
        assert_eq!(seconds("2026-11-21T15:00:00.123456789Z"), Some(1_795_273_200));
        assert_eq!(seconds("soon"), None);
    }

    #[test]
    fn the_contracts_own_words_are_found_in_the_log() {
        let landed = |log: &str| landed(&json!({"tx_result": {"log": log}}));
        let log = "failed to execute message; message index: 0: NotTripper caller=wasm1x: execute wasm contract failed";
        assert_eq!(landed(log).contract_error(), "NotTripper caller=wasm1x");
        let log = "failed to execute message; message index: 12: StaleRelease generation=1 closedUntil=5: execute wasm \
                   contract failed";
        assert_eq!(landed(log).contract_error(), "StaleRelease generation=1 closedUntil=5");
    }
}
