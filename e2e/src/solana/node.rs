//! A node of this chain, asked directly, and transactions for it.

use std::path::Path;
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use eyre::{Result, WrapErr, bail, eyre};
use portcullis_solana::address::{read, shown};
use portcullis_solana::devnet::{Call, Devnet, DevnetConfig};
use portcullis_solana::signer::{LocalSigner, Signer};
use serde_json::{Value, json};
use solana_address::Address;
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_message::legacy::Message;

use super::program::{bridge_program, guard_program};
use crate::clock;
use crate::nodes::{Head, Heads};

/// From one slot to the next: 64 ticks of 6.25 ms, as on every public cluster.
pub const SLOT: Duration = Duration::from_millis(400);
/// A transaction that waits longer for its block than this will never be in one.
pub(super) const LAND_PATIENCE: Duration = Duration::from_secs(30);
/// The account in which a program finds the present slot and time.
const CLOCK: &str = "SysvarC1ock11111111111111111111111111111111";
/// The program of votes; its transactions are the validators' own.
const VOTE: &str = "Vote111111111111111111111111111111111111111";

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// The process and its client.
    pub devnet: Devnet,
}

/// Signed bytes and the names by which the chain will know them.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What is handed to the node.
    pub raw: Vec<u8>,
    /// As the play names it.
    pub hash: B256,
    /// As the node names it.
    pub signature: String,
}

/// A block as far as the play looks at it.
#[derive(Debug, Clone)]
pub struct Block {
    /// Slot.
    pub slot: u64,
    /// Hash.
    pub hash: B256,
    /// Chain time, seconds since 1970.
    pub time: u64,
    /// Its transactions but for votes, in order.
    pub transactions: Vec<Executed>,
}

/// What a transaction did.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Place in the block.
    pub index: u64,
    /// As the node names it.
    pub signature: String,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Its log.
    pub logs: Vec<String>,
}

/// Whether the binary and the programs of the play are there.
#[must_use]
pub fn available() -> bool {
    let programs = ["guard", "demo_bridge"].map(|name| crate::tools::solana_artifact(name).is_ok());
    portcullis_solana::devnet::validator().is_some() && programs == [true, true]
}

impl Node {
    /// Makes a chain of its own in `home`, with the guard's and the bridge's program from the first slot on.
    ///
    /// # Errors
    /// When there is no binary or no program, or the node confirms no block.
    pub async fn start(home: &Path) -> Result<Self> {
        let place = |address: B256, name: &str| -> Result<_> {
            Ok((shown(address), crate::tools::solana_artifact(name)?))
        };
        let config = DevnetConfig {
            programs: vec![place(guard_program(), "guard")?, place(bridge_program(), "demo_bridge")?],
            dir: Some(home.to_path_buf()),
            ..DevnetConfig::default()
        };
        Ok(Self { devnet: Devnet::start(&config).await? })
    }

    /// Where it answers, and where it pushes.
    #[must_use]
    pub fn urls(&self) -> (String, String) {
        let text = |url: &str| url.trim_end_matches('/').to_owned();
        (text(self.devnet.http().as_str()), text(self.devnet.ws().as_str()))
    }

    /// Follows its slots as they begin.
    ///
    /// # Errors
    /// When the node does not take the subscription.
    pub async fn heads(&self) -> Result<Heads> {
        let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "slotSubscribe", "params": []});
        Heads::listen(&self.urls().1, subscribe, parse_head).await
    }

    /// Signs calls as one transaction; the first signer pays.
    ///
    /// # Errors
    /// When the node does not answer, or a key is missing.
    pub async fn sign(&self, signers: &[&LocalSigner], calls: &[Call]) -> Result<Signed> {
        let params = json!([{"commitment": "confirmed"}]);
        let said = self.devnet.ask("getLatestBlockhash", params).await?;
        let recent = word(&said, "/value/blockhash")?;
        let payer = signers.first().ok_or_else(|| eyre!("nobody pays"))?.account();
        let calls: Vec<Instruction> = calls.iter().map(instruction).collect();
        let payer = Address::new_from_array(payer.0);
        let message = Message::new_with_blockhash(&calls, Some(&payer), &Hash::new_from_array(recent.0));
        let bytes = message.serialize();
        let needed = usize::from(message.header.num_required_signatures);
        let mut raw = vec![message.header.num_required_signatures];
        for account in message.account_keys.iter().take(needed) {
            let key = signers.iter().find(|signer| signer.account().0 == account.to_bytes());
            raw.extend(key.ok_or_else(|| eyre!("no key of {account}"))?.sign(&bytes).await?);
        }
        raw.extend(&bytes);
        let signature = bs58::encode(raw.get(1..65).unwrap_or_default()).into_string();
        Ok(Signed { hash: super::keys::hash(&raw), raw, signature })
    }

    /// Hands bytes to the node.
    ///
    /// # Errors
    /// When it does not take them.
    pub async fn send(&self, signed: &Signed) -> Result<()> {
        let options = json!({"encoding": "base64", "skipPreflight": true});
        self.devnet.ask("sendTransaction", json!([BASE64.encode(&signed.raw), options])).await?;
        Ok(())
    }

    /// Sends calls and insists that they succeed.
    ///
    /// # Errors
    /// When they fail, or no block holds them.
    pub async fn settle(&self, signers: &[&LocalSigner], calls: &[Call], what: &str) -> Result<u64> {
        let signed = self.sign(signers, calls).await.wrap_err_with(|| what.to_owned())?;
        self.send(&signed).await.wrap_err_with(|| what.to_owned())?;
        self.settled(&signed.signature, what).await
    }

    /// Waits until a transaction is confirmed, and gives its slot.
    ///
    /// # Errors
    /// When it failed, or no block holds it within half a minute.
    pub async fn settled(&self, signature: &str, what: &str) -> Result<u64> {
        let deadline = Instant::now() + LAND_PATIENCE;
        loop {
            match self.status(signature).await? {
                Some((slot, None)) => return Ok(slot),
                Some((_, Some(why))) => bail!("{what} failed: {why}"),
                None if Instant::now() > deadline => bail!("{what} is in no block"),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// The slot of a confirmed transaction, and why it failed where it did; none while no confirmed block holds it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn status(&self, signature: &str) -> Result<Option<(u64, Option<String>)>> {
        let params = json!([[signature], {"searchTransactionHistory": true}]);
        let said = self.devnet.ask("getSignatureStatuses", params).await?;
        let Some(status) = said.pointer("/value/0").filter(|status| !status.is_null()) else {
            return Ok(None);
        };
        let level = status.get("confirmationStatus").and_then(Value::as_str).unwrap_or_default();
        if !matches!(level, "confirmed" | "finalized") {
            return Ok(None);
        }
        let slot = status.get("slot").and_then(Value::as_u64).ok_or_else(|| eyre!("a status has no slot"))?;
        let why = status.get("err").filter(|why| !why.is_null()).map(Value::to_string);
        Ok(Some((slot, why)))
    }

    /// Slots with a confirmed block.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn confirmed(&self, from: u64, to: u64) -> Result<Vec<u64>> {
        let params = json!([from, to, {"commitment": "confirmed"}]);
        let said = self.devnet.ask("getBlocks", params).await?;
        Ok(said.as_array().into_iter().flatten().filter_map(Value::as_u64).collect())
    }

    /// A confirmed block.
    ///
    /// # Errors
    /// When the node does not have it.
    pub async fn block(&self, slot: u64) -> Result<Block> {
        let params = json!([slot, {
            "commitment": "confirmed", "encoding": "json", "rewards": false,
            "transactionDetails": "full", "maxSupportedTransactionVersion": 0,
        }]);
        let said = self.devnet.ask("getBlock", params).await?;
        let transactions = said.get("transactions").and_then(Value::as_array).into_iter().flatten();
        Ok(Block {
            slot,
            hash: word(&said, "/blockhash")?,
            time: said.get("blockTime").and_then(Value::as_u64).unwrap_or_else(clock::now_secs),
            transactions: (0..).zip(transactions).filter_map(executed).collect(),
        })
    }

    /// What accounts hold after the newest confirmed block; none where there is no such account.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn accounts(&self, addresses: &[B256]) -> Result<Vec<Option<Vec<u8>>>> {
        let named: Vec<String> = addresses.iter().map(|address| shown(*address)).collect();
        let params = json!([named, {"commitment": "confirmed", "encoding": "base64"}]);
        let said = self.devnet.ask("getMultipleAccounts", params).await?;
        let values = said.get("value").and_then(Value::as_array).ok_or_else(|| eyre!("no accounts"))?;
        let data = |value: &Value| -> Result<Option<Vec<u8>>> {
            let Some(text) = value.pointer("/data/0").and_then(Value::as_str) else { return Ok(None) };
            Ok(Some(BASE64.decode(text)?))
        };
        values.iter().map(data).collect()
    }

    /// The present slot and time, as programs see them.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn now(&self) -> Result<(u64, u64)> {
        let clock = self.accounts(&[read(CLOCK).unwrap_or_default()]).await?;
        let clock = clock.into_iter().next().flatten().ok_or_else(|| eyre!("the chain has no clock"))?;
        Ok((little(&clock, 0)?, little(&clock, 32)?))
    }
}

/// A number of eight bytes at a place of an account, the least significant first.
///
/// # Errors
/// When the account ends before it.
pub fn little(data: &[u8], at: usize) -> Result<u64> {
    let bytes = data.get(at..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map(|bytes| u64::from_le_bytes(*bytes)).ok_or_else(|| eyre!("an account ends before byte {at}"))
}

fn word(said: &Value, place: &str) -> Result<B256> {
    let text = said.pointer(place).and_then(Value::as_str).unwrap_or_default();
    read(text).ok_or_else(|| eyre!("the answer has no word at {place}"))
}

fn instruction(call: &Call) -> Instruction {
    let meta = |(address, signs, writes): &(B256, bool, bool)| AccountMeta {
        pubkey: Address::new_from_array(address.0),
        is_signer: *signs,
        is_writable: *writes,
    };
    Instruction {
        program_id: Address::new_from_array(call.program.0),
        accounts: call.accounts.iter().map(meta).collect(),
        data: call.data.clone(),
    }
}

/// A transaction of a block; none for a vote.
fn executed((index, one): (u64, &Value)) -> Option<Executed> {
    let keys = one.pointer("/transaction/message/accountKeys")?.as_array()?;
    if keys.iter().any(|key| key == VOTE) {
        return None;
    }
    let logs = one.pointer("/meta/logMessages").and_then(Value::as_array).into_iter().flatten();
    Some(Executed {
        index,
        signature: one.pointer("/transaction/signatures/0")?.as_str()?.to_owned(),
        succeeded: one.pointer("/meta/err")?.is_null(),
        logs: logs.filter_map(|line| Some(line.as_str()?.to_owned())).collect(),
    })
}

/// A slot that has begun; its block is not there yet, and so has no hash.
fn parse_head(said: &str) -> Option<Head> {
    let value: Value = serde_json::from_str(said).ok()?;
    Some(Head {
        height: value.pointer("/params/result/slot")?.as_u64()?,
        hash: B256::ZERO,
        time: clock::now_secs(),
        base_fee: 0,
        seen_us: clock::now_us(),
        seen: Instant::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pushed_slot_is_a_head_and_the_answer_to_the_subscription_is_none() {
        let push = r#"{"jsonrpc":"2.0","method":"slotNotification","params":{"result":{"parent":75,"root":44,"slot":76},"subscription":0}}"#;
        assert_eq!(parse_head(push).unwrap().height, 76);
        assert!(parse_head(r#"{"jsonrpc":"2.0","result":0,"id":1}"#).is_none());
    }

    #[test]
    fn votes_are_left_out_and_keep_their_place() {
        let one = |key: &str, err: Value| {
            json!({"transaction": {"signatures": ["s"], "message": {"accountKeys": ["a", key]}},
                   "meta": {"err": err, "logMessages": ["x"]}})
        };
        assert!(executed((0, &one(VOTE, Value::Null))).is_none());
        let failed = executed((3, &one("b", json!({"InstructionError": [0, {"Custom": 7030}]})))).unwrap();
        assert_eq!((failed.index, failed.succeeded, failed.logs.len()), (3, false, 1));
    }
}
