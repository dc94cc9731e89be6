//! Sending transactions to a development node, without any of the care that a service takes.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use cosmrs::{
    AccountId, Any, Coin,
    bank::MsgSend,
    proto::cosmos::auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse},
    tendermint::chain,
    tx::{Body, Fee, Msg, SignDoc, SignerInfo},
};
use portcullis_rpc::{Kind, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::B256;
use prost::Message;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Devnet, DevnetError,
    accounts::{Account, signing},
};

/// Gas that every transaction may use.
const GAS: u64 = 20_000_000;

/// A transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// Its hash.
    pub hash: B256,
    /// Height of the block.
    pub height: u64,
    /// Result code; 0 is success.
    pub code: u32,
    /// What the application says.
    pub log: String,
    /// The events as the node writes them.
    pub events: Vec<Value>,
}

/// A text of an answer; empty where there is none.
fn text<'a>(answer: &'a Value, path: &str) -> &'a str {
    answer.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A result code of an answer; nodes leave out the 0 of success.
fn code_of(answer: &Value, path: &str) -> u32 {
    let code = answer.pointer(path).and_then(Value::as_u64);
    code.and_then(|code| u32::try_from(code).ok()).unwrap_or(0)
}

fn input(error: impl core::fmt::Display) -> DevnetError {
    DevnetError::Input(error.to_string())
}

impl Devnet {
    /// Asks the node.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn ask(&self, method: &'static str, params: Value) -> Result<Value, DevnetError> {
        let kind = if method.starts_with("broadcast") { Kind::Submit } else { Kind::Read };
        let request = RpcRequest { method, params, size: ReplySize::Bulk, kind };
        let answer: Result<Value, RpcError> = self.client.ask(request, method).await;
        answer.map_err(|source| DevnetError::Rpc { method, source })
    }

    /// Asks the application by the name of a query; gives what it answers.
    ///
    /// # Errors
    /// [`DevnetError`] when the application refuses.
    pub async fn query<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        query: &Q,
    ) -> Result<A, DevnetError> {
        let hex: String = query.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = self.ask("abci_query", json!({ "path": path, "data": hex })).await?;
        let code = code_of(&answer, "/response/code");
        if code != 0 {
            let log = text(&answer, "/response/log").to_owned();
            return Err(DevnetError::Failed { code, log });
        }
        let bytes = BASE64_STANDARD.decode(text(&answer, "/response/value")).map_err(input)?;
        A::decode(bytes.as_slice()).map_err(input)
    }

    /// Number and sequence of an account.
    ///
    /// # Errors
    /// [`DevnetError`] when there is no such account.
    pub async fn sequence(&self, address: &str) -> Result<(u64, u64), DevnetError> {
        let query = QueryAccountRequest { address: address.to_owned() };
        let answer: QueryAccountResponse = self.query("/cosmos.auth.v1beta1.Query/Account", &query).await?;
        let any = answer.account.ok_or_else(|| input("an answer without account"))?;
        let account = BaseAccount::decode(any.value.as_slice()).map_err(input)?;
        Ok((account.account_number, account.sequence))
    }

    /// Signs messages as one transaction and sends it; gives its hash, without waiting for its block.
    ///
    /// # Errors
    /// [`DevnetError::Failed`] when the node refuses it.
    pub async fn send(&self, from: &Account, messages: Vec<Any>) -> Result<B256, DevnetError> {
        let (number, sequence) = self.sequence(&from.address).await?;
        self.send_at(from, messages, number, sequence).await
    }

    /// As [`Devnet::send`], for who counts the account's sequence by itself.
    ///
    /// # Errors
    /// As [`Devnet::send`].
    pub async fn send_at(
        &self,
        from: &Account,
        messages: Vec<Any>,
        number: u64,
        sequence: u64,
    ) -> Result<B256, DevnetError> {
        let key = signing(&from.key)?;
        // The node takes transactions for nothing, and a fee of no coins has no denomination.
        let fee = Fee { amount: Vec::new(), gas_limit: GAS, payer: None, granter: None };
        let auth = SignerInfo::single_direct(Some(key.public_key()), sequence).auth_info(fee);
        let chain: chain::Id = self.config.chain_id.parse().map_err(input)?;
        let body = Body::new(messages, "", 0u32);
        let signed =
            SignDoc::new(&body, &auth, &chain, number).and_then(|doc| doc.sign(&key)).map_err(input)?;
        let bytes = signed.to_bytes().map_err(input)?;
        let answer = self.ask("broadcast_tx_sync", json!({ "tx": BASE64_STANDARD.encode(bytes) })).await?;
        let code = code_of(&answer, "/code");
        if code != 0 {
            let log = text(&answer, "/log").to_owned();
            return Err(DevnetError::Failed { code, log });
        }
        text(&answer, "/hash").parse().map_err(input)
    }

    /// Waits until a block holds a transaction.
    ///
    /// # Errors
    /// [`DevnetError::Failed`] when it failed there, [`DevnetError::Lost`] when no block held it in time.
    pub async fn landed(&self, hash: B256) -> Result<Landed, DevnetError> {
        let began = Instant::now();
        let wanted = BASE64_STANDARD.encode(hash);
        while began.elapsed() < Duration::from_secs(30) {
            let Ok(answer) = self.ask("tx", json!({ "hash": wanted })).await else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let code = code_of(&answer, "/tx_result/code");
            let log = text(&answer, "/tx_result/log").to_owned();
            if code != 0 {
                return Err(DevnetError::Failed { code, log });
            }
            let height = text(&answer, "/height").parse().map_err(input)?;
            let events = answer.pointer("/tx_result/events").and_then(Value::as_array).cloned();
            let events = events.unwrap_or_default();
            return Ok(Landed { hash, height, code, log, events });
        }
        Err(DevnetError::Lost(hash))
    }

    /// A message that sends coins.
    ///
    /// # Errors
    /// [`DevnetError::Input`] when an address or denomination is none.
    pub fn coins(from: &Account, to: &str, amount: u128, denom: &str) -> Result<Any, DevnetError> {
        let parse = |text: &str| text.parse::<AccountId>().map_err(input);
        let amount = vec![Coin::new(amount, denom).map_err(input)?];
        let (from_address, to_address) = (parse(&from.address)?, parse(to)?);
        MsgSend { from_address, to_address, amount }.to_any().map_err(input)
    }
}
