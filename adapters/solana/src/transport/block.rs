//! A block as a node tells it, reduced to what concerns somebody while it is read.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{B256, BlockRef, codec::digest, solana::transaction_id};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::{AT_CONFIRMED, logged};
use crate::{
    address,
    decode::{Decoder, Holding, Record, What, is_token_program},
    limits,
};

/// What one operator tells of a confirmed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) block: BlockRef,
    pub(crate) parent: BlockRef,
    /// Seconds since 1970.
    pub(crate) time: u64,
    /// Records that concern somebody, in order.
    pub(crate) records: Vec<Record>,
    /// Equal digests mean equal blocks with equal records.
    pub(crate) digest: B256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockJson {
    blockhash: String,
    previous_blockhash: String,
    parent_slot: u64,
    #[serde(default)]
    block_time: Option<i64>,
    transactions: Vec<TransactionJson>,
}

#[derive(Deserialize)]
struct TransactionJson {
    transaction: BodyJson,
    #[serde(default)]
    meta: Option<MetaJson>,
}

#[derive(Deserialize)]
struct BodyJson {
    signatures: Vec<String>,
    message: MessageJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageJson {
    account_keys: Vec<String>,
    instructions: Vec<CallJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallJson {
    program_id_index: u8,
    accounts: Vec<u8>,
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetaJson {
    /// Whatever went wrong; null where nothing did.
    #[serde(deserialize_with = "is_there")]
    err: bool,
    #[serde(default)]
    inner_instructions: Option<Vec<InnerJson>>,
    #[serde(default)]
    log_messages: Option<Vec<String>>,
    #[serde(default)]
    loaded_addresses: Option<LoadedJson>,
    #[serde(default)]
    pre_token_balances: Option<Vec<BalanceJson>>,
    #[serde(default)]
    post_token_balances: Option<Vec<BalanceJson>>,
}

#[derive(Deserialize)]
struct InnerJson {
    index: u8,
    instructions: Vec<CallJson>,
}

#[derive(Deserialize)]
struct LoadedJson {
    writable: Vec<String>,
    readonly: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BalanceJson {
    account_index: u8,
    mint: String,
    #[serde(default)]
    owner: Option<String>,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Option::<serde::de::IgnoredAny>::deserialize(deserializer)?;
    Ok(value.is_some())
}

/// Asks a node for the confirmed block of a slot, with the records that concern somebody.
pub(crate) async fn told(client: &Client, decoder: &Decoder, slot: u64) -> Result<Told, RpcError> {
    let params = json!([slot, {
        "commitment": AT_CONFIRMED,
        "encoding": "json",
        "transactionDetails": "full",
        "maxSupportedTransactionVersion": 0,
        "rewards": false,
    }]);
    let reply = client.call(RpcRequest::read("getBlock", params, ReplySize::Bulk)).await?;
    read_block(decoder, slot, reply.0.get())
        .inspect_err(|_| portcullis_rpc::stack::garbage(client.operator(), "read", "getBlock"))
}

/// What a node means that answers null for a block: it is confirmed, and not stored yet.
pub(crate) fn no_block() -> RpcError {
    RpcError::Server {
        code: -32_004,
        message: "no block".to_owned(),
        data: None,
        status: 200,
        retry_after: None,
    }
}

/// Reads a block.
pub(crate) fn read_block(decoder: &Decoder, slot: u64, text: &str) -> Result<Told, RpcError> {
    if text == "null" {
        return Err(no_block());
    }
    let block: BlockJson = serde_json::from_str(text)
        .map_err(|source| RpcError::Garbage { expected: "block", source: Some(Box::new(source)) })?;
    if block.transactions.len() > limits::TRANSACTIONS_MAX {
        return Err(RpcError::Oversize { limit_bytes: limits::TRANSACTIONS_MAX });
    }
    let hash = |text: &str| address::read(text).ok_or_else(|| RpcError::garbage("blockhash"));
    let this = BlockRef { height: slot, hash: hash(&block.blockhash)? };
    let parent = BlockRef { height: block.parent_slot, hash: hash(&block.previous_blockhash)? };
    // The first block is its own parent.
    if parent.height >= slot && slot > 0 {
        return Err(RpcError::garbage("block whose parent lies before it"));
    }
    let time = block.block_time.and_then(|time| u64::try_from(time).ok());
    let time = time.ok_or_else(|| RpcError::garbage("time of a block"))?;
    let mut records = Records { decoder, found: Vec::new(), next: 0 };
    for (at, transaction) in block.transactions.iter().enumerate() {
        records.read(u32::try_from(at).unwrap_or(u32::MAX), transaction)?;
    }
    let found = records.found;
    let places: Vec<(u32, B256, u32, B256)> =
        found.iter().map(|one| (one.transaction, one.id, one.index, one.raw())).collect();
    let digest = digest("portcullis.solana.block.v1", &(this, parent, time, places));
    Ok(Told { block: this, parent, time, records: found, digest })
}

struct Records<'a> {
    decoder: &'a Decoder,
    found: Vec<Record>,
    /// Place of the next record of the block, whether or not it concerns somebody.
    next: u32,
}

/// Keys of one transaction, decoded where they are needed.
struct Keys<'a>(Vec<&'a str>);

impl Keys<'_> {
    fn get(&self, place: u8) -> Result<B256, RpcError> {
        let text = self.0.get(usize::from(place));
        text.and_then(|text| address::read(text)).ok_or_else(|| RpcError::garbage("account of a transaction"))
    }
}

impl Records<'_> {
    fn place(&mut self) -> Result<u32, RpcError> {
        let place = self.next;
        self.next = place
            .checked_add(1)
            .filter(|next| *next <= limits::RECORDS_MAX)
            .ok_or(RpcError::Oversize { limit_bytes: 1_000_000 })?;
        Ok(place)
    }

    fn read(&mut self, transaction: u32, one: &TransactionJson) -> Result<(), RpcError> {
        let broken = || RpcError::garbage("outcome of a transaction");
        let meta = one.meta.as_ref().ok_or_else(broken)?;
        let keys = keys(one, meta)?;
        let mut id = None;
        let mut called = BTreeSet::new();
        for (at, call) in one.transaction.message.instructions.iter().enumerate() {
            called.extend(self.call((transaction, one, &mut id), meta, &keys, call)?);
            let inner = meta.inner_instructions.iter().flatten();
            for group in inner.filter(|group| usize::from(group.index) == at) {
                for call in &group.instructions {
                    called.extend(self.call((transaction, one, &mut id), meta, &keys, call)?);
                }
            }
        }
        if !called.is_empty() {
            self.logs((transaction, one, &mut id), meta, &called)?;
        }
        Ok(())
    }

    /// Reads one call; its program, where that is a watched one.
    fn call(
        &mut self,
        (transaction, one, id): (u32, &TransactionJson, &mut Option<B256>),
        meta: &MetaJson,
        keys: &Keys<'_>,
        call: &CallJson,
    ) -> Result<Option<B256>, RpcError> {
        let index = self.place()?;
        let program = keys.get(call.program_id_index)?;
        // What a failed transaction did has not happened.
        if meta.err || !self.decoder.reads(&program) {
            return Ok(None);
        }
        let data = bs58::decode(&call.data).into_vec();
        let data = data.map_err(|_not_base_58| RpcError::garbage("data of a call"))?;
        let accounts: Vec<B256> =
            call.accounts.iter().map(|place| keys.get(*place)).collect::<Result<_, _>>()?;
        let holdings = if is_token_program(&program) { holdings(meta, keys, &accounts)? } else { Vec::new() };
        let what = What::Call { data, accounts };
        let record = Record { transaction, id: known(id, one)?, index, program, what, holdings };
        if self.decoder.concerns(&record) {
            self.found.push(record);
        }
        Ok(self.decoder.watches(&program).then_some(program))
    }

    /// Reads what watched programs logged, in a transaction that called one of them.
    fn logs(
        &mut self,
        (transaction, one, id): (u32, &TransactionJson, &mut Option<B256>),
        meta: &MetaJson,
        called: &BTreeSet<B256>,
    ) -> Result<(), RpcError> {
        let lines = meta.log_messages.as_ref().ok_or_else(|| RpcError::garbage("log of a transaction"))?;
        let (said, whole) = logged(lines.iter().map(String::as_str));
        let id = known(id, one)?;
        for one in said {
            let index = self.place()?;
            if !self.decoder.watches(&one.program) {
                continue;
            }
            let (program, what) = (one.program, What::Data(one.parts));
            self.keep(Record { transaction, id, index, program, what, holdings: Vec::new() });
        }
        if !whole {
            let index = self.place()?;
            for program in called.iter().copied() {
                let what = What::CutOff;
                self.keep(Record { transaction, id, index, program, what, holdings: Vec::new() });
            }
        }
        Ok(())
    }

    fn keep(&mut self, record: Record) {
        if self.decoder.concerns(&record) {
            self.found.push(record);
        }
    }
}

fn keys<'a>(one: &'a TransactionJson, meta: &'a MetaJson) -> Result<Keys<'a>, RpcError> {
    let loaded = meta.loaded_addresses.iter();
    let loaded = loaded.flat_map(|loaded| loaded.writable.iter().chain(&loaded.readonly));
    let keys: Vec<&str> =
        one.transaction.message.account_keys.iter().chain(loaded).map(String::as_str).collect();
    if keys.len() > limits::ACCOUNTS_MAX {
        return Err(RpcError::garbage("transaction with at most 256 accounts"));
    }
    Ok(Keys(keys))
}

/// The name of a transaction, derived once.
fn known(id: &mut Option<B256>, one: &TransactionJson) -> Result<B256, RpcError> {
    if let Some(id) = id {
        return Ok(*id);
    }
    let mut bytes = [0; 64];
    let length = one.transaction.signatures.first().map(|text| bs58::decode(text).onto(bytes.as_mut_slice()));
    if !matches!(length, Some(Ok(64))) {
        return Err(RpcError::garbage("signature of a transaction"));
    }
    Ok(*id.insert(transaction_id(&bytes)))
}

/// What is known of the token accounts of a call: what the transaction found, and what it left.
fn holdings(meta: &MetaJson, keys: &Keys<'_>, accounts: &[B256]) -> Result<Vec<Holding>, RpcError> {
    let balances = meta.pre_token_balances.iter().chain(&meta.post_token_balances).flatten();
    let mut out: Vec<Holding> = Vec::new();
    for balance in balances {
        let account = keys.get(balance.account_index)?;
        if !accounts.contains(&account) || out.iter().any(|known| known.account == account) {
            continue;
        }
        let mint = address::read(&balance.mint).ok_or_else(|| RpcError::garbage("mint of a balance"))?;
        let owner = balance.owner.as_deref().and_then(address::read);
        out.push(Holding { account, mint, owner });
    }
    out.sort_by_key(|holding| holding.account);
    Ok(out)
}

/// Bytes in base 64, as `["…", "base64"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, encoding): (String, String) = Deserialize::deserialize(deserializer)?;
        if encoding != "base64" {
            return Err(serde::de::Error::custom("another encoding than base64"));
        }
        BASE64_STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
