//! Questions to one node about accounts, blockhashes, transactions and fees, with every answer bounded and decoded.

use base64::{Engine, prelude::BASE64_STANDARD};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{B256, BlockRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{blockhashes::Recent, tx};
use crate::{
    address, limits,
    transport::{AT_CONFIRMED, AT_FINALIZED, AT_PROCESSED, Encoded, no_block},
};

#[derive(Debug, Deserialize)]
struct Context {
    slot: u64,
}

#[derive(Debug, Deserialize)]
struct InContext<T> {
    context: Context,
    value: T,
}

/// An account as a node gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) owner: B256,
    pub(crate) executable: bool,
    pub(crate) lamports: u64,
    pub(crate) data: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct AccountJson {
    owner: String,
    executable: bool,
    lamports: u64,
    data: Encoded,
}

impl AccountJson {
    fn read(self) -> Result<Account, RpcError> {
        let owner = address::read(&self.owner).ok_or_else(|| RpcError::garbage("owner of an account"))?;
        if self.data.0.len() > limits::ACCOUNT_BYTES {
            return Err(RpcError::Oversize { limit_bytes: limits::ACCOUNT_BYTES });
        }
        Ok(Account { owner, executable: self.executable, lamports: self.lamports, data: self.data.0 })
    }
}

/// Accounts after some confirmed slot from `least` on, and that slot; none where there is no such account.
pub(crate) async fn accounts(
    client: &Client,
    addresses: &[B256],
    least: u64,
) -> Result<(u64, Vec<Option<Account>>), RpcError> {
    accounts_at(client, addresses, least, AT_CONFIRMED).await
}

/// The same after a slot of some commitment.
pub(crate) async fn accounts_at(
    client: &Client,
    addresses: &[B256],
    least: u64,
    commitment: &str,
) -> Result<(u64, Vec<Option<Account>>), RpcError> {
    let named: Vec<String> = addresses.iter().map(|one| address::shown(*one)).collect();
    let params = json!([named, {
        "commitment": commitment, "encoding": "base64", "minContextSlot": least,
    }]);
    let request = RpcRequest::read("getMultipleAccounts", params, ReplySize::Block);
    let answer: InContext<Vec<Option<AccountJson>>> = client.ask(request, "accounts").await?;
    if answer.value.len() != addresses.len() || answer.context.slot < least {
        return Err(RpcError::garbage("accounts that were asked for"));
    }
    let accounts = answer.value.into_iter().map(|one| one.map(AccountJson::read).transpose());
    Ok((answer.context.slot, accounts.collect::<Result<_, _>>()?))
}

/// Accounts of a program that pass filters.
pub(crate) async fn owned(client: &Client, program: B256, filters: Value) -> Result<Vec<Account>, RpcError> {
    #[derive(Deserialize)]
    struct Keyed {
        account: AccountJson,
    }
    let params = json!([address::shown(program), {
        "commitment": AT_CONFIRMED, "encoding": "base64", "filters": filters,
    }]);
    let request = RpcRequest::read("getProgramAccounts", params, ReplySize::Block);
    let found: Vec<Keyed> = client.ask(request, "accounts of a program").await?;
    if found.len() > limits::ACCOUNTS_ASKED {
        return Err(RpcError::Oversize { limit_bytes: limits::ACCOUNTS_ASKED });
    }
    found.into_iter().map(|keyed| keyed.account.read()).collect()
}

/// The newest blockhash.
pub(crate) async fn latest_blockhash(client: &Client) -> Result<Recent, RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Latest {
        blockhash: String,
        last_valid_block_height: u64,
    }
    let params = json!([{ "commitment": AT_CONFIRMED }]);
    let request = RpcRequest::read("getLatestBlockhash", params, ReplySize::Small);
    let answer: InContext<Latest> = client.ask(request, "blockhash").await?;
    let hash = address::read(&answer.value.blockhash).ok_or_else(|| RpcError::garbage("blockhash"))?;
    Ok(Recent { hash, last_height: answer.value.last_valid_block_height })
}

/// Lamports that an account of so many bytes has to hold.
pub(crate) async fn rent(client: &Client, bytes: u64) -> Result<u64, RpcError> {
    let request = RpcRequest::read("getMinimumBalanceForRentExemption", json!([bytes]), ReplySize::Small);
    client.ask(request, "rent of an account").await
}

/// Whether a blockhash can be used now.
pub(crate) async fn is_valid(client: &Client, hash: B256) -> Result<bool, RpcError> {
    let params = json!([address::shown(hash), { "commitment": AT_PROCESSED }]);
    let request = RpcRequest::read("isBlockhashValid", params, ReplySize::Small);
    let answer: InContext<bool> = client.ask(request, "validity of a blockhash").await?;
    Ok(answer.value)
}

/// The height of the newest final block.
pub(crate) async fn final_height(client: &Client) -> Result<u64, RpcError> {
    let params = json!([{ "commitment": AT_FINALIZED }]);
    client.ask(RpcRequest::read("getBlockHeight", params, ReplySize::Small), "block height").await
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) slot: u64,
    /// What went wrong, as the node tells it; none where nothing did.
    pub(crate) failed: Option<Value>,
    /// Whether its block is confirmed.
    pub(crate) confirmed: bool,
}

/// What became of a transaction; none where the node has it in no block.
pub(crate) async fn outcome(client: &Client, signature: &[u8; 64]) -> Result<Option<Outcome>, RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        slot: u64,
        err: Option<Value>,
        #[serde(default)]
        confirmation_status: Option<String>,
    }
    let named = bs58::encode(signature).into_string();
    let params = json!([[named], { "searchTransactionHistory": true }]);
    let request = RpcRequest::read("getSignatureStatuses", params, ReplySize::Small);
    let answer: InContext<Vec<Option<Status>>> = client.ask(request, "status of a transaction").await?;
    let [status] = <[Option<Status>; 1]>::try_from(answer.value)
        .map_err(|_other| RpcError::garbage("status of the transaction that was asked for"))?;
    Ok(status.map(|status| Outcome {
        slot: status.slot,
        failed: status.err,
        confirmed: matches!(status.confirmation_status.as_deref(), Some(AT_CONFIRMED | AT_FINALIZED)),
    }))
}

/// A confirmed block by its slot, with its time.
pub(crate) async fn block_at(client: &Client, slot: u64) -> Result<(BlockRef, u64), RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Block {
        blockhash: String,
        block_time: Option<u64>,
    }
    let params = json!([slot, {
        "commitment": AT_CONFIRMED, "transactionDetails": "none", "rewards": false,
        "maxSupportedTransactionVersion": 0,
    }]);
    let request = RpcRequest::read("getBlock", params, ReplySize::Small);
    let block: Option<Block> = client.ask(request, "block").await?;
    let block = block.ok_or_else(no_block)?;
    let hash = address::read(&block.blockhash).ok_or_else(|| RpcError::garbage("blockhash"))?;
    Ok((BlockRef { height: slot, hash }, block.block_time.unwrap_or(0)))
}

/// The highest price, in micro-lamports per compute unit, that was paid of late for writing to these accounts.
pub(crate) async fn recent_price(client: &Client, written: &[B256]) -> Result<u64, RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Paid {
        prioritization_fee: u64,
    }
    let named: Vec<String> = written.iter().map(|one| address::shown(*one)).collect();
    let request = RpcRequest::read("getRecentPrioritizationFees", json!([named]), ReplySize::Small);
    let paid: Vec<Paid> = client.ask(request, "list of prices").await?;
    Ok(paid.into_iter().map(|one| one.prioritization_fee).max().unwrap_or(0))
}

/// What a transaction would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Simulated {
    pub(crate) failed: Option<Value>,
    pub(crate) units: u64,
}

/// Runs a transaction without sending it, on a blockhash of the node's own unless it has a nonce.
pub(crate) async fn simulate(client: &Client, bytes: &[u8]) -> Result<Simulated, RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ran {
        err: Option<Value>,
        #[serde(default)]
        units_consumed: Option<u64>,
    }
    let params = json!([BASE64_STANDARD.encode(bytes), {
        "encoding": "base64", "commitment": AT_CONFIRMED, "sigVerify": false,
        "replaceRecentBlockhash": tx::advanced(bytes).is_none(),
    }]);
    let request = RpcRequest::read("simulateTransaction", params, ReplySize::Block);
    let answer: InContext<Ran> = client.ask(request, "simulation").await?;
    Ok(Simulated { failed: answer.value.err, units: answer.value.units_consumed.unwrap_or(0) })
}

/// Hands a transaction to a node, which passes it on again and again until it lands or expires. Its preflight is left out: it
/// would cost a round trip, and refuse what only another node has seen.
pub(crate) fn send(bytes: &[u8]) -> RpcRequest {
    let params = json!([BASE64_STANDARD.encode(bytes), { "encoding": "base64", "skipPreflight": true }]);
    RpcRequest::submit("sendTransaction", params)
}

/// How a transaction ended that a block of this slot holds: the block, and the code (0 is success, 1 is not); none where it
/// holds no such transaction.
pub(crate) async fn outcome_in(
    client: &Client,
    slot: u64,
    transaction: B256,
) -> Result<Option<(BlockRef, u32)>, RpcError> {
    #[derive(Deserialize)]
    struct Block {
        blockhash: String,
        transactions: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        transaction: Keys,
        meta: Meta,
    }
    #[derive(Deserialize)]
    struct Keys {
        signatures: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Meta {
        err: Option<serde::de::IgnoredAny>,
    }
    let params = json!([slot, {
        "commitment": AT_CONFIRMED, "transactionDetails": "accounts", "rewards": false,
        "maxSupportedTransactionVersion": 0,
    }]);
    let request = RpcRequest::read("getBlock", params, ReplySize::Bulk);
    let block: Option<Block> = client.ask(request, "block").await?;
    let block = block.ok_or_else(no_block)?;
    let hash = address::read(&block.blockhash).ok_or_else(|| RpcError::garbage("blockhash"))?;
    let named = |one: &&One| {
        let mut bytes = [0; 64];
        let first = one.transaction.signatures.first();
        let length = first.map(|text| bs58::decode(text).onto(bytes.as_mut_slice()));
        length == Some(Ok(64)) && portcullis_verifier::solana::transaction_id(&bytes) == transaction
    };
    let found = block.transactions.iter().find(named);
    Ok(found.map(|one| (BlockRef { height: slot, hash }, u32::from(one.meta.err.is_some()))))
}
