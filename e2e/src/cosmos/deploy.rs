//! Guard and bridge on this chain, and what the bridge holds when the play begins.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{B256, keccak256};
use cosmrs::cosmwasm::{MsgExecuteContract, MsgInstantiateContract, MsgStoreCode};
use cosmrs::tx::Msg;
use cosmrs::{Any, Coin};
use eyre::{Result, WrapErr, eyre};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::keys::{Account, Signed, Wallet, shown};
use super::rpc::{Block, Landed, Rpc};
use crate::clock::Factor;
use crate::contracts::{DIRECTION_OUT, bridge_id, canary_id, scope_on};
use crate::deploy::{Crew, LIMITED_TAIL_SECS, MAX_SECS};
use crate::history::arriving;
use crate::scenario::{Actor, Domain, Kind, Scenario, Transfer};

/// Gas for storing a contract's code.
const STORE_GAS: u64 = 20_000_000;
/// Gas for a call of set-up.
const CALL_GAS: u64 = 20_000_000;
/// Coins of the channel's denomination that the bridge escrows at the start, base units.
pub const CHANNEL_HELD: u128 = 3_000_000_000;
/// Id of the message that brought them there.
const CHANNEL_ID: u64 = 1_900_000;

/// What stands on this chain.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The chain's own name.
    pub chain_id: String,
    /// Address of the guard.
    pub guard: String,
    /// Address of the bridge.
    pub bridge: String,
    /// Names of the represented tokens by their index in the scenario.
    pub tokens: BTreeMap<usize, String>,
    /// The scope that closes the whole outflow.
    pub scope: B256,
    /// Longest closure that the guard grants, in seconds.
    pub max_secs: u64,
    /// A block from which a stranger may begin to trust, with nothing of the play before it.
    pub root: Block,
}

impl Deployed {
    /// The token's name here.
    ///
    /// # Errors
    /// When the script uses a token where it does not exist.
    pub fn token(&self, index: usize) -> Result<&str> {
        let found = self.tokens.get(&index).map(String::as_str);
        found.ok_or_else(|| eyre!("token {index} does not exist on {}", Domain::Cosmos.name()))
    }

    /// A message to be consumed, as the bridge's call wants it.
    ///
    /// # Errors
    /// When the token does not exist here.
    pub fn message(&self, transfer: &Transfer) -> Result<Value> {
        Ok(json!({
            "origin": transfer.remote.number(), "message_id": transfer.message_id.to_string(),
            "token": self.token(transfer.token)?, "amount": transfer.amount.to_string(),
            "recipient": shown(transfer.recipient)?.to_string(), "nonce": transfer.nonce.to_string(),
        }))
    }

    /// The call that puts a message on its way.
    ///
    /// # Errors
    /// When the token does not exist here.
    pub fn send(&self, transfer: &Transfer) -> Result<Value> {
        Ok(json!({"send": {
            "destination": transfer.remote.number(), "token": self.token(transfer.token)?,
            "amount": transfer.amount.to_string(), "message_id": transfer.message_id.to_string(),
            "recipient": transfer.recipient.to_string(),
        }}))
    }
}

/// The denomination that came over a channel, as ICS-20 names it: the hash of its path.
#[must_use]
pub fn channel_denom() -> String {
    format!("ibc/{}", alloy::hex::encode_upper(Sha256::digest(b"transfer/channel-0/uatom")))
}

/// A false release of the channel's denomination, which everybody could claim while the gate was open.
#[must_use]
pub fn channel_claim(recipient: &Account, message_id: u64) -> Value {
    json!({"process": {
        "origin": Domain::Channel.number(), "message_id": message_id.to_string(), "token": channel_denom(),
        "amount": "1000000", "recipient": recipient.id().to_string(), "nonce": "1",
    }})
}

/// 64 hex digits, as the contracts read words.
#[must_use]
pub fn hex(word: B256) -> String {
    alloy::hex::encode(word)
}

/// A call of a contract.
///
/// # Errors
/// When an address is none.
pub fn call(wallet: &Wallet, contract: &str, what: &Value, funds: Vec<Coin>) -> Result<Any> {
    let contract = contract.parse().map_err(|error| eyre!("{contract}: {error}"))?;
    let sender = wallet.id().clone();
    let call = MsgExecuteContract { sender, contract, msg: what.to_string().into_bytes(), funds };
    call.into_any().map_err(|error| eyre!("{error}"))
}

/// Sends set-up transactions and insists that each succeeds.
struct Mason<'a> {
    rpc: &'a Rpc,
}

impl Mason<'_> {
    async fn send(&self, signed: &Signed, what: &str) -> Result<Landed> {
        self.rpc.send(signed).await.wrap_err_with(|| what.to_owned())?;
        self.rpc.settled(signed.hash, what).await
    }

    async fn call(&self, from: &Wallet, contract: &str, what: &str, calls: &[Value]) -> Result<Landed> {
        let calls: Result<Vec<Any>> = calls.iter().map(|one| call(from, contract, one, Vec::new())).collect();
        self.send(&from.sign(calls?, CALL_GAS)?, what).await
    }

    /// Stores a contract's code and gives its number.
    async fn store(&self, from: &Wallet, name: &str) -> Result<u64> {
        let code = MsgStoreCode {
            sender: from.id().clone(),
            wasm_byte_code: crate::tools::wasm_artifact(name)?,
            instantiate_permission: None,
        };
        let any = code.into_any().map_err(|error| eyre!("{error}"))?;
        let landed = self.send(&from.sign([any], STORE_GAS)?, name).await?;
        attribute(&landed, "store_code", "code_id")?.parse().wrap_err("a code's number")
    }

    /// Makes a contract of stored code and gives its address.
    async fn create(&self, from: &Wallet, name: &str, code_id: u64, msg: &Value) -> Result<String> {
        let create = MsgInstantiateContract {
            sender: from.id().clone(),
            admin: None,
            code_id,
            label: Some(name.to_owned()),
            msg: msg.to_string().into_bytes(),
            funds: Vec::new(),
        };
        let any = create.into_any().map_err(|error| eyre!("{error}"))?;
        let landed = self.send(&from.sign([any], CALL_GAS)?, name).await?;
        attribute(&landed, "instantiate", "_contract_address").map(str::to_owned)
    }
}

fn attribute<'a>(landed: &'a Landed, event: &str, name: &str) -> Result<&'a str> {
    let found = landed.executed.events.iter().filter(|e| e.kind == event).find_map(|e| e.get(name));
    found.ok_or_else(|| eyre!("block {}: no {name} in any {event}", landed.height))
}

/// Deploys everything. A guard that is slower than planned only lengthens the height bound.
///
/// # Errors
/// When the node refuses, or a set-up call fails; the error names it.
pub async fn deploy(
    rpc: &Rpc,
    scenario: &Scenario,
    crew: &Crew,
    factor: Factor,
    pace: Duration,
) -> Result<Deployed> {
    let mason = Mason { rpc };
    let owner = Wallet::open(rpc, &crew.owner).await?;
    let guard_code = mason.store(&owner, "guard").await?;
    let bridge_code = mason.store(&owner, "demo_bridge").await?;
    let guard = mason.create(&owner, "guard", guard_code, &guard_config(crew, factor, pace)?).await?;
    let updater = Account::of(&crew.updater)?;
    let bridge_args = json!({
        "guard": guard, "bridge": hex(bridge_id()), "updater": updater.id().to_string(),
    });
    let bridge = mason.create(&owner, "demo_bridge", bridge_code, &bridge_args).await?;
    let tokens: BTreeMap<usize, String> = scenario
        .openings
        .iter()
        .filter(|opening| opening.corridor == Domain::Cosmos)
        .filter_map(|opening| Some((opening.token, scenario.tokens.get(opening.token)?)))
        .map(|(index, token)| (index, format!("nomad/{}", token.symbol.to_lowercase())))
        .collect();
    let max_secs = factor.window(MAX_SECS);
    let calls = guard_calls(crew, &owner, &bridge, max_secs)?;
    mason.call(&owner, &guard, "guard set-up", &calls).await?;
    let mut registered: Vec<Value> =
        tokens.values().map(|name| json!({"register_token": {"token": name, "is_home": false}})).collect();
    registered.push(json!({"register_token": {"token": channel_denom(), "is_home": true}}));
    let landed = mason.call(&owner, &bridge, "registerToken", &registered).await?;
    let caip2 = format!("cosmos:{}", rpc.chain_id);
    let deployed = Deployed {
        chain_id: rpc.chain_id.clone(),
        guard,
        bridge,
        tokens,
        scope: scope_on(&caip2, bridge_id(), DIRECTION_OUT, B256::ZERO, B256::ZERO),
        max_secs,
        root: rpc.block(landed.height).await?,
    };
    fill(&mason, &deployed, scenario, crew).await?;
    Ok(deployed)
}

/// What the bridge holds and what it may honestly consume.
async fn fill(mason: &Mason<'_>, here: &Deployed, scenario: &Scenario, crew: &Crew) -> Result<()> {
    let float = Wallet::open(mason.rpc, &crew.float).await?;
    let mut openings = Vec::new();
    for opening in arriving(scenario, Domain::Cosmos) {
        openings.push(json!({
            "origin": opening.origin.number(), "message_id": opening.id.to_string(), "nonce": "0",
            "token": here.token(opening.token)?, "amount": opening.amount.to_string(),
            "recipient": float.id().to_string(),
        }));
    }
    let honest =
        |t: &&Transfer| t.side == Domain::Cosmos && t.kind == Kind::Process && t.actor == Actor::Honest;
    let expected: Result<Vec<Value>> =
        scenario.live.iter().filter(honest).map(|transfer| here.message(transfer)).collect();
    let mut leaves = Vec::new();
    for message in openings.iter().chain(&expected?) {
        leaves.push(hex(leaf(mason.rpc, here, message).await?));
    }
    let updater = Wallet::open(mason.rpc, &crew.updater).await?;
    let relayer = Wallet::open(mason.rpc, &crew.relayer).await?;
    mason.call(&updater, &here.bridge, "prove", &[json!({"prove": {"leaves": leaves}})]).await?;
    let deliver = json!({"process_many": {"messages": openings}});
    mason.call(&relayer, &here.bridge, "opening deliveries", &[deliver]).await?;
    let escrow = json!({"send": {
        "destination": Domain::Channel.number(), "token": channel_denom(), "amount": CHANNEL_HELD.to_string(),
        "message_id": CHANNEL_ID.to_string(), "recipient": hex(keccak256(b"behind the channel")),
    }});
    let coins =
        Coin { denom: channel_denom().parse().map_err(|error| eyre!("{error}"))?, amount: CHANNEL_HELD };
    let escrow = call(&float, &here.bridge, &escrow, vec![coins])?;
    mason.send(&float.sign([escrow], CALL_GAS)?, "the channel's escrow").await?;
    Ok(())
}

/// The leaf of a message, as the bridge counts it.
async fn leaf(rpc: &Rpc, here: &Deployed, message: &Value) -> Result<B256> {
    let said: String = rpc.ask(&here.bridge, &json!({"leaf_of": message})).await?;
    said.parse().wrap_err("a leaf is no word")
}

fn guard_config(crew: &Crew, factor: Factor, pace: Duration) -> Result<Value> {
    let (max_secs, tail) = (factor.window(MAX_SECS), factor.window(LIMITED_TAIL_SECS));
    let blocks = |secs: u64| u128::from(secs) * 1_000 / pace.as_millis().max(1);
    let account = |key| Account::of(key).map(|account| account.id().to_string());
    Ok(json!({
        "owner": account(&crew.owner)?, "releaser": account(&crew.releaser)?, "guardian": account(&crew.guardian)?,
        "max_seconds": max_secs, "max_blocks": u32::try_from(blocks(max_secs))?,
        "limited_tail_seconds": tail, "limited_tail_blocks": u32::try_from(blocks(tail))?,
        "budget_window_hours": 168,
    }))
}

fn guard_calls(crew: &Crew, owner: &Wallet, bridge: &str, max_secs: u64) -> Result<Vec<Value>> {
    let any = hex(B256::ZERO);
    let whole = |name: B256| {
        json!({"register_scope": {
            "bridge": hex(name), "direction": DIRECTION_OUT, "corridor": any, "asset": any,
        }})
    };
    let tripper = Account::of(&crew.tripper)?;
    Ok(vec![
        json!({"register_bridge": {"bridge": hex(bridge_id()), "consumer": bridge}}),
        whole(bridge_id()),
        // A scope that nobody asks: the service closes it to see that closing works.
        json!({"register_bridge": {"bridge": hex(canary_id()), "consumer": owner.id().to_string()}}),
        whole(canary_id()),
        json!({"grant_tripper": {
            "account": tripper.id().to_string(), "budget_seconds": u32::try_from(max_secs * 8)?,
        }}),
        json!({"seal": {}}),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_has_the_denomination_that_its_path_hashes_to() {
        // As every chain that has the hub behind its first channel calls it.
        let known = "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2";
        assert_eq!(channel_denom(), known);
    }
}
