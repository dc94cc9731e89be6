//! What happened before anybody watched, laid down in blocks with their own past times.
//!
//! The escrow's opening balances come as messages of the bridge itself, so that whoever reads the chain from the start
//! finds every unit accounted for.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use eyre::Result;

use crate::chain::{Mason, Rpc};
use crate::clock::Factor;
use crate::contracts::{Bridge, Message, Send, Token, leaf};
use crate::deploy::{Crew, Deployed};
use crate::keys::Key;
use crate::scenario::{Actor, Domain, Kind, Scenario, Transfer};

/// Ids of the opening messages begin here; recorded ids are far below.
const OPENING_ID: u64 = 1_000_000;
/// Opening messages are sent so long before the first event of the script, recorded seconds.
const OPENING_LEAD_SECS: i64 = 3 * 3_600;
/// Messages per call, so that a call stays far below a block's gas.
const PER_CALL: usize = 40;
/// Gas of one such call.
const BATCH_GAS: u64 = 12_000_000;
/// Gas of a transfer.
const TRANSFER_GAS: u64 = 120_000;

/// How much of a token each account of a side sends over the whole script. The zero address stands for the account that
/// sends history and openings; others are recorded senders of the live part.
#[must_use]
pub fn needs(scenario: &Scenario, side: Domain, token: usize) -> BTreeMap<Address, U256> {
    let mut out: BTreeMap<Address, U256> = BTreeMap::new();
    let mut add = |account: Address, amount: U256| {
        let sum = out.entry(account).or_default();
        *sum = sum.saturating_add(amount);
    };
    let home = scenario.tokens.get(token).is_some_and(|t| t.home == side);
    for opening in scenario.openings.iter().filter(|o| home && o.token == token) {
        add(Address::ZERO, opening.amount);
    }
    let sends = |t: &&Transfer| t.kind == Kind::Send && t.side == side && t.token == token;
    for transfer in scenario.history.iter().filter(sends) {
        add(Address::ZERO, transfer.amount);
    }
    for transfer in scenario.live.iter().filter(sends) {
        add(transfer.sender, transfer.amount);
    }
    out
}

/// Recorded senders of the live part, on any side.
#[must_use]
pub fn live_senders(scenario: &Scenario) -> BTreeSet<Address> {
    scenario.live.iter().filter(|t| t.kind == Kind::Send).map(|t| t.sender).collect()
}

/// The first moment of the script including the opening messages, recorded seconds.
#[must_use]
pub fn begins(scenario: &Scenario) -> i64 {
    let first = scenario.history.iter().chain(&scenario.live).map(|t| t.at).min().unwrap_or(0);
    first - OPENING_LEAD_SECS
}

/// Which block a moment belongs to: its second in played time, counted from `zero` (seconds since 1970).
#[must_use]
pub fn second(zero: u64, at: i64, factor: Factor) -> u64 {
    zero.saturating_add_signed(factor.secs(at).floor() as i64)
}

/// Lays down openings, history and everything that the live part takes for granted on one chain. `zero` is the time of
/// the first false release as planned now, in seconds since 1970.
///
/// # Errors
/// When a call fails.
pub async fn lay(
    rpc: &Rpc,
    here: &Deployed,
    scenario: &Scenario,
    crew: &Crew,
    senders: &BTreeMap<Address, Key>,
    (zero, factor): (u64, Factor),
) -> Result<()> {
    let mut mason = Mason::new(rpc);
    prove_honest(&mut mason, here, scenario, crew).await?;
    let start = begins(scenario);
    let sent_at = second(zero, start, factor);
    let delivered_at = second(zero, start + OPENING_LEAD_SECS / 2, factor).max(sent_at + 1);
    open(&mut mason, here, scenario, crew, sent_at).await?;
    receive(&mut mason, here, scenario, crew, senders, delivered_at).await?;

    let mut blocks: BTreeMap<u64, Vec<&Transfer>> = BTreeMap::new();
    for transfer in scenario.history.iter().filter(|t| t.side == here.domain) {
        let time = second(zero, transfer.at, factor).max(delivered_at + 1);
        blocks.entry(time).or_default().push(transfer);
    }
    for (time, transfers) in blocks {
        push_all(&mut mason, here, crew, &transfers).await?;
        mason.mine(Some(time)).await?;
    }
    Ok(())
}

/// The updater proves every honest message to be consumed here, as it did in time.
async fn prove_honest(
    mason: &mut Mason<'_>,
    here: &Deployed,
    scenario: &Scenario,
    crew: &Crew,
) -> Result<()> {
    let mut leaves: Vec<B256> = Vec::new();
    for transfer in scenario.history.iter().chain(&scenario.live) {
        if transfer.side == here.domain && transfer.kind == Kind::Process && transfer.actor == Actor::Honest {
            leaves.push(leaf(&message(here, transfer)?));
        }
    }
    for opening in arriving(scenario, here.domain) {
        leaves.push(leaf(&opening.message(here, crew)?));
    }
    for chunk in leaves.chunks(PER_CALL * 2) {
        let call = Bridge::proveManyCall { leaves: chunk.to_vec() }.abi_encode();
        mason.push(&crew.updater, Some(here.bridge), call, BATCH_GAS, "proveMany").await?;
        mason.mine(None).await?;
    }
    Ok(())
}

/// An opening balance as a message.
pub(crate) struct OpeningMessage {
    pub(crate) id: u64,
    pub(crate) token: usize,
    pub(crate) amount: U256,
    pub(crate) origin: Domain,
    destination: Domain,
}

/// Who receives the opening balances of a side: the same secret, at its address there.
fn holder(crew: &Crew, side: Domain, token: usize) -> Result<Address> {
    match side {
        Domain::Cosmos => Ok(crate::cosmos::keys::Account::of(&crew.float)?.bytes()),
        Domain::Solana => crate::solana::deploy::recipient(crew, token),
        _ => Ok(crew.float.address()),
    }
}

impl OpeningMessage {
    fn message(&self, here: &Deployed, crew: &Crew) -> Result<Message> {
        Ok(Message {
            origin: self.origin.number(),
            messageId: U256::from(self.id),
            token: here.token(self.token)?,
            amount: self.amount,
            recipient: crew.float.address(),
            nonce: U256::ZERO,
        })
    }
}

/// Opening balances of declared tokens, with ids of their own.
fn opening_messages(scenario: &Scenario) -> impl Iterator<Item = OpeningMessage> + '_ {
    (OPENING_ID..).zip(&scenario.openings).filter_map(|(id, opening)| {
        let token = scenario.tokens.get(opening.token).filter(|token| token.declared)?;
        Some(OpeningMessage {
            id,
            token: opening.token,
            amount: opening.amount,
            origin: token.home,
            destination: opening.corridor,
        })
    })
}

/// Opening balances that arrive at a side.
pub(crate) fn arriving(scenario: &Scenario, side: Domain) -> impl Iterator<Item = OpeningMessage> + '_ {
    opening_messages(scenario).filter(move |opening| opening.destination == side)
}

/// Sends the opening balances that are at home here.
async fn open(
    mason: &mut Mason<'_>,
    here: &Deployed,
    scenario: &Scenario,
    crew: &Crew,
    time: u64,
) -> Result<()> {
    let sends = opening_messages(scenario)
        .filter(|opening| opening.origin == here.domain)
        .map(|opening| {
            Ok(Send {
                destination: opening.destination.number(),
                token: here.token(opening.token)?,
                amount: opening.amount,
                recipient: holder(crew, opening.destination, opening.token)?,
                messageId: U256::from(opening.id),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if !sends.is_empty() {
        let call = Bridge::sendManyCall { sends }.abi_encode();
        mason.push(&crew.float, Some(here.bridge), call, BATCH_GAS, "opening balances").await?;
    }
    mason.mine(Some(time)).await?;
    Ok(())
}

/// Delivers the opening balances that come here, and hands the live senders what they will send.
async fn receive(
    mason: &mut Mason<'_>,
    here: &Deployed,
    scenario: &Scenario,
    crew: &Crew,
    senders: &BTreeMap<Address, Key>,
    time: u64,
) -> Result<()> {
    let messages = arriving(scenario, here.domain)
        .map(|opening| opening.message(here, crew))
        .collect::<Result<Vec<_>>>()?;
    if !messages.is_empty() {
        let call = Bridge::processManyCall { messages }.abi_encode();
        mason.push(&crew.relayer, Some(here.bridge), call, BATCH_GAS, "opening deliveries").await?;
    }
    mason.mine(Some(time)).await?;
    for (index, token) in &here.tokens {
        if scenario.tokens.get(*index).is_none_or(|t| t.home == here.domain) {
            continue;
        }
        for (account, value) in needs(scenario, here.domain, *index) {
            let Some(sender) = senders.get(&account) else { continue };
            let call = Token::transferCall { to: sender.address(), value }.abi_encode();
            mason.push(&crew.float, Some(*token), call, TRANSFER_GAS, "hand-out").await?;
        }
    }
    mason.mine(Some(time)).await?;
    Ok(())
}

/// Queues one block of history.
async fn push_all(
    mason: &mut Mason<'_>,
    here: &Deployed,
    crew: &Crew,
    transfers: &[&Transfer],
) -> Result<()> {
    let mut sends = Vec::new();
    let mut messages = Vec::new();
    for transfer in transfers {
        match transfer.kind {
            Kind::Send => sends.push(send(here, transfer)?),
            Kind::Process => messages.push(message(here, transfer)?),
        }
    }
    for chunk in sends.chunks(PER_CALL) {
        let call = Bridge::sendManyCall { sends: chunk.to_vec() }.abi_encode();
        mason.push(&crew.float, Some(here.bridge), call, BATCH_GAS, "history: sends").await?;
    }
    for chunk in messages.chunks(PER_CALL) {
        let call = Bridge::processManyCall { messages: chunk.to_vec() }.abi_encode();
        mason.push(&crew.relayer, Some(here.bridge), call, BATCH_GAS, "history: deliveries").await?;
    }
    Ok(())
}

/// A transfer as the bridge's call wants it.
///
/// # Errors
/// When the token does not exist on that side.
pub fn send(here: &Deployed, transfer: &Transfer) -> Result<Send> {
    Ok(Send {
        destination: transfer.remote.number(),
        token: here.token(transfer.token)?,
        amount: transfer.amount,
        recipient: transfer.recipient,
        messageId: U256::from(transfer.message_id),
    })
}

/// A transfer as the bridge's call wants it.
///
/// # Errors
/// When the token does not exist on that side.
pub fn message(here: &Deployed, transfer: &Transfer) -> Result<Message> {
    Ok(Message {
        origin: transfer.remote.number(),
        messageId: U256::from(transfer.message_id),
        token: here.token(transfer.token)?,
        amount: transfer.amount,
        recipient: transfer.recipient,
        nonce: U256::from(transfer.nonce),
    })
}
