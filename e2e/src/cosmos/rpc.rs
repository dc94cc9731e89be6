//! A plain JSON-RPC client for the node.

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cosmrs::AccountId;
use cosmrs::proto::cosmos::auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse};
use cosmrs::proto::cosmwasm::wasm::v1::{QuerySmartContractStateRequest, QuerySmartContractStateResponse};
use cosmrs::proto::prost::Message;
use eyre::{Result, WrapErr, bail, eyre};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::keys::Signed;
use crate::client::Client;
use crate::timeline::parse_time;

/// A transaction that waits longer for its block than this will never be in one.
const LAND_PATIENCE: Duration = Duration::from_secs(30);

/// A node, asked directly.
#[derive(Debug)]
pub struct Rpc {
    client: Client,
    /// The chain's own name.
    pub chain_id: String,
}

/// A block as far as the play looks at it.
#[derive(Debug, Clone)]
pub struct Block {
    /// Height.
    pub height: u64,
    /// Hash.
    pub hash: B256,
    /// Chain time, seconds since 1970.
    pub time: u64,
    /// Its transactions, in order.
    pub transactions: Vec<Vec<u8>>,
}

/// What a transaction did.
#[derive(Debug, Clone, Deserialize)]
pub struct Executed {
    /// 0 when it succeeded.
    #[serde(default)]
    pub code: u32,
    /// Why it did not.
    #[serde(default)]
    pub log: String,
    /// What happened in it.
    #[serde(default)]
    pub events: Vec<Event>,
}

/// Something that happened in a transaction.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// What.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its fields.
    pub attributes: Vec<Attribute>,
}

/// A field of an event.
#[derive(Debug, Clone, Deserialize)]
pub struct Attribute {
    /// Name.
    pub key: String,
    /// Value.
    #[serde(default)]
    pub value: String,
}

impl Event {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.key == name).map(|found| found.value.as_str())
    }
}

/// A transaction in its block.
#[derive(Debug, Clone)]
pub struct Landed {
    /// Height of the block.
    pub height: u64,
    /// Place in it.
    pub index: u64,
    /// What it did.
    pub executed: Executed,
}

impl Rpc {
    /// A client for a node at `url`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(url: String, chain_id: String) -> Result<Self> {
        Ok(Self { client: Client::new(url)?, chain_id })
    }

    /// Where the node listens.
    #[must_use]
    pub fn url(&self) -> &str {
        self.client.url()
    }

    /// One call.
    ///
    /// # Errors
    /// When nobody answers, the answer is an error, or it has another shape.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        self.client.call(method, params).await
    }

    /// Height of the newest block; zero before the first.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn height(&self) -> Result<u64> {
        let status: Value = self.call("status", json!({})).await?;
        text(&status, "/sync_info/latest_block_height")?.parse().wrap_err("a height is no number")
    }

    /// A block.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn block(&self, height: u64) -> Result<Block> {
        let said: Value = self.call("block", json!({"height": height.to_string()})).await?;
        let time = text(&said, "/block/header/time")?;
        let transactions = said.pointer("/block/data/txs").and_then(Value::as_array);
        Ok(Block {
            height: text(&said, "/block/header/height")?.parse()?,
            hash: text(&said, "/block_id/hash")?.parse().wrap_err("a hash is none")?,
            time: seconds(time)?,
            transactions: transactions
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|raw| BASE64.decode(raw).wrap_err("a transaction is no base64"))
                .collect::<Result<_>>()?,
        })
    }

    /// What the transactions of a block did, in order.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn results(&self, height: u64) -> Result<Vec<Executed>> {
        #[derive(Deserialize)]
        struct Results {
            txs_results: Option<Vec<Executed>>,
        }
        let said: Results = self.call("block_results", json!({"height": height.to_string()})).await?;
        Ok(said.txs_results.unwrap_or_default())
    }

    /// Hands signed bytes to the node.
    ///
    /// # Errors
    /// As [`Rpc::call`], and when the node refuses them.
    pub async fn send(&self, signed: &Signed) -> Result<()> {
        let said: Value = self.call("broadcast_tx_sync", json!({"tx": BASE64.encode(&signed.raw)})).await?;
        match said.get("code").and_then(Value::as_u64) {
            Some(0) => Ok(()),
            _refused => bail!("refused: {said}"),
        }
    }

    /// A transaction in its block; none while no block holds it.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn landed(&self, hash: B256) -> Result<Option<Landed>> {
        let asked: Result<Value> = self.call("tx", json!({"hash": BASE64.encode(hash)})).await;
        let said = match asked {
            Ok(said) => said,
            // The node has no other word for it.
            Err(error) if format!("{error:#}").contains("not found") => return Ok(None),
            Err(error) => return Err(error),
        };
        let executed = said.get("tx_result").cloned().unwrap_or_default();
        Ok(Some(Landed {
            height: text(&said, "/height")?.parse()?,
            index: said.get("index").and_then(Value::as_u64).unwrap_or(0),
            executed: serde_json::from_value(executed)?,
        }))
    }

    /// Waits until a transaction is in a block, and insists that it succeeded.
    ///
    /// # Errors
    /// When it failed or no block held it; the error says what it was for.
    pub async fn settled(&self, hash: B256, what: &str) -> Result<Landed> {
        let deadline = Instant::now() + LAND_PATIENCE;
        loop {
            match self.landed(hash).await? {
                Some(landed) if landed.executed.code == 0 => return Ok(landed),
                Some(landed) => bail!("{what}: failed in block {}: {}", landed.height, landed.executed.log),
                None if Instant::now() > deadline => bail!("{what}: in no block"),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Number of an account, and of its next transaction.
    ///
    /// # Errors
    /// As [`Rpc::call`], and when the chain does not know the account.
    pub async fn account(&self, id: &AccountId) -> Result<(u64, u64)> {
        let request = QueryAccountRequest { address: id.to_string() };
        let value = self.query("/cosmos.auth.v1beta1.Query/Account", request.encode_to_vec()).await?;
        let any = QueryAccountResponse::decode(value.as_slice())?.account;
        let any = any.ok_or_else(|| eyre!("the chain has no account {id}"))?;
        let account = BaseAccount::decode(any.value.as_slice())?;
        Ok((account.account_number, account.sequence))
    }

    /// Asks a contract.
    ///
    /// # Errors
    /// As [`Rpc::call`], and when the contract does not answer.
    pub async fn ask<T: DeserializeOwned>(&self, contract: &str, question: &Value) -> Result<T> {
        let request = QuerySmartContractStateRequest {
            address: contract.to_owned(),
            query_data: question.to_string().into_bytes(),
        };
        let path = "/cosmwasm.wasm.v1.Query/SmartContractState";
        let value = self.query(path, request.encode_to_vec()).await?;
        let said = QuerySmartContractStateResponse::decode(value.as_slice())?;
        serde_json::from_slice(&said.data).wrap_err_with(|| format!("{contract} answers in another shape"))
    }

    async fn query(&self, path: &str, data: Vec<u8>) -> Result<Vec<u8>> {
        let params = json!({"path": path, "data": alloy::hex::encode(data)});
        let said: Value = self.call("abci_query", params).await?;
        let response = said.get("response").cloned().unwrap_or_default();
        if response.get("code").and_then(Value::as_u64).unwrap_or(0) != 0 {
            bail!("{path}: {}", response.get("log").and_then(Value::as_str).unwrap_or_default());
        }
        let value = response.get("value").and_then(Value::as_str).unwrap_or_default();
        BASE64.decode(value).wrap_err_with(|| format!("{path}: not base64"))
    }

    /// Waits until the node has a block of a height.
    ///
    /// # Errors
    /// When it has none for half a minute.
    pub async fn reach(&self, height: u64) -> Result<()> {
        self.ready(height, LAND_PATIENCE).await
    }

    /// Waits until the node has a block of a height.
    ///
    /// # Errors
    /// When it has none within `patience`.
    pub async fn ready(&self, wanted: u64, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            match self.height().await {
                Ok(height) if height >= wanted => return Ok(()),
                Ok(height) if Instant::now() > deadline => {
                    bail!("the node at {} stays at block {height}", self.url())
                }
                Err(error) if Instant::now() > deadline => {
                    return Err(error.wrap_err(format!("the node at {} does not get ready", self.url())));
                }
                _not_yet => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// Chain time in seconds since 1970.
///
/// # Errors
/// For a text that is no time.
pub fn seconds(time: &str) -> Result<u64> {
    let micros = parse_time(time).ok_or_else(|| eyre!("'{time}' is no time"))?;
    Ok(u64::try_from(micros / 1_000_000)?)
}

/// A text at a place of an answer.
///
/// # Errors
/// When there is none.
pub fn text<'a>(value: &'a Value, place: &str) -> Result<&'a str> {
    value.pointer(place).and_then(Value::as_str).ok_or_else(|| eyre!("the answer has nothing at {place}"))
}
