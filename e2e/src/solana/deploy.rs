//! Guard and bridge on this chain, and what the bridge holds when the play begins.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use eyre::{Result, WrapErr, eyre};
use portcullis_solana::devnet::{Call, account as devnet_account};
use portcullis_solana::signer::{LocalSigner, Signer};

use super::guard::{Guard, GuardConfig};
use super::keys::{account, address, holding, mint, short};
use super::node::{Node, SLOT};
use super::program::{Bridge, Leaving, Message, corridor, make_holding, make_mint, pay};
use crate::clock::Factor;
use crate::contracts::{DIRECTION_OUT, bridge_id, canary_id, scope_on};
use crate::deploy::{Crew, LIMITED_TAIL_SECS, MAX_SECS};
use crate::history::arriving;
use crate::keys::Key;
use crate::scenario::{Actor, Domain, Kind, Scenario, Transfer};

/// What everybody who sends has, in lamports.
const FUNDS: u64 = 1_000_000_000_000;
/// Payments of one transaction, and proofs: what it has room for.
const BATCH: usize = 8;

/// What stands on this chain.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The chain, CAIP-2.
    pub caip2: String,
    /// The bridge, and its guard.
    pub bridge: Bridge,
    /// Represented tokens by their index in the scenario.
    pub tokens: BTreeMap<usize, B256>,
    /// Where accounts hold tokens, by the short names that messages have for them.
    pub holdings: BTreeMap<Address, B256>,
    /// The scope that closes the whole outflow.
    pub scope: B256,
    /// Longest closure that the guard grants, in seconds.
    pub max_secs: u64,
    /// A slot before anything of the bridge.
    pub from_slot: u64,
}

impl Deployed {
    /// The token's address here.
    ///
    /// # Errors
    /// When the script uses a token where it does not exist.
    pub fn token(&self, index: usize) -> Result<B256> {
        let found = self.tokens.get(&index).copied();
        found.ok_or_else(|| eyre!("token {index} does not exist on {}", Domain::Solana.name()))
    }

    /// A message to be consumed.
    ///
    /// # Errors
    /// When the token or the recipient does not exist here.
    pub fn message(&self, transfer: &Transfer) -> Result<Message> {
        Ok(Message {
            origin: transfer.remote.number(),
            id: B256::from(U256::from(transfer.message_id)),
            mint: self.token(transfer.token)?,
            amount: u64::try_from(transfer.amount)?,
            to: self.holding(transfer.recipient)?,
            nonce: B256::from(U256::from(transfer.nonce)),
        })
    }

    /// A message on its way out.
    ///
    /// # Errors
    /// When the token does not exist here.
    pub fn leaving(&self, transfer: &Transfer) -> Result<Leaving> {
        Ok(Leaving {
            destination: transfer.remote.number(),
            id: B256::from(U256::from(transfer.message_id)),
            mint: self.token(transfer.token)?,
            amount: u64::try_from(transfer.amount)?,
            recipient: transfer.recipient.into_word(),
        })
    }

    /// Where somebody holds a token, by the short name.
    ///
    /// # Errors
    /// When nobody has that name.
    pub fn holding(&self, name: Address) -> Result<B256> {
        let found = self.holdings.get(&name).copied();
        found.ok_or_else(|| eyre!("nobody on {} is {name}", Domain::Solana.name()))
    }
}

/// The short name of the place where what arrives here for honest users goes.
///
/// # Errors
/// Practically never.
pub fn recipient(crew: &Crew, token: usize) -> Result<Address> {
    Ok(short(holding(&crew.float, token)?.account()))
}

/// Gives everything that arrives on this chain a recipient that exists there: a script knows no accounts of its own that could
/// hold a token.
///
/// # Errors
/// Practically never.
pub fn settle_recipients(scenario: &mut Scenario, crew: &Crew, attackers: &BTreeMap<u32, Key>) -> Result<()> {
    for transfer in scenario.history.iter_mut().chain(&mut scenario.live) {
        let arrives = match transfer.kind {
            Kind::Send => transfer.remote == Domain::Solana,
            Kind::Process => transfer.side == Domain::Solana,
        };
        if arrives {
            let thief = attackers.get(&transfer.group).filter(|_| transfer.actor != Actor::Honest);
            let owner = thief.unwrap_or(&crew.float);
            transfer.recipient = short(holding(owner, transfer.token)?.account());
        }
    }
    Ok(())
}

/// Deploys everything.
///
/// # Errors
/// When a set-up call fails; the error names it.
pub async fn deploy(
    node: &Node,
    scenario: &Scenario,
    crew: &Crew,
    attackers: &BTreeMap<u32, Key>,
    factor: Factor,
) -> Result<Deployed> {
    let caip2 = node.devnet.chain();
    let owner = account(&crew.owner)?;
    fund(node, crew.all().into_iter().chain(attackers.values())).await?;
    let bridge = Bridge::of(Guard::of(owner.account(), &caip2));
    let max_secs = factor.window(MAX_SECS);
    let mut here = Deployed {
        scope: scope_on(&caip2, bridge_id(), DIRECTION_OUT, B256::ZERO, B256::ZERO),
        caip2,
        bridge,
        tokens: BTreeMap::new(),
        holdings: BTreeMap::new(),
        max_secs,
        from_slot: 0,
    };
    for call in guard_calls(&here, crew, factor)? {
        here.from_slot = node.settle(&[&owner], &[call], "guard set-up").await?;
    }
    let begin = bridge.initialize(address(&crew.updater)?);
    here.from_slot = node.settle(&[&owner], &[begin], "the bridge").await?;
    for opening in scenario.openings.iter().filter(|opening| opening.corridor == Domain::Solana) {
        let decimals = scenario.tokens.get(opening.token).map_or(0, |token| token.decimals);
        make_token(node, &mut here, crew, (opening.token, decimals)).await?;
        for key in attackers.values() {
            hold(node, &mut here, key, opening.token).await?;
        }
    }
    routes(node, &here, &owner).await?;
    fill(node, &here, scenario, crew).await?;
    Ok(here)
}

async fn fund<'a>(node: &Node, keys: impl Iterator<Item = &'a Key>) -> Result<()> {
    let rich = devnet_account(0).ok_or_else(|| eyre!("the chain's coins have no owner"))?;
    let pays: Result<Vec<Call>> = keys.map(|key| Ok(pay(rich.account(), address(key)?, FUNDS))).collect();
    for some in pays?.chunks(BATCH) {
        node.settle(&[&rich], some, "funds").await?;
    }
    Ok(())
}

fn guard_calls(here: &Deployed, crew: &Crew, factor: Factor) -> Result<Vec<Call>> {
    let guard = here.bridge.guard;
    let slots = |secs: u64| u32::try_from(u128::from(secs) * 1_000 / SLOT.as_millis().max(1));
    let tail = factor.window(LIMITED_TAIL_SECS);
    let config = GuardConfig {
        releaser: address(&crew.releaser)?,
        guardian: address(&crew.guardian)?,
        max: (u32::try_from(here.max_secs)?, slots(here.max_secs)?),
        tail: (u32::try_from(tail)?, slots(tail)?),
        budget_window_hours: 168,
    };
    Ok(vec![
        guard.initialize(&config),
        guard.register_bridge(bridge_id(), here.bridge.demo),
        guard.register_outflow(bridge_id()),
        // A scope that nobody asks: the service closes it to see that closing works.
        guard.register_bridge(canary_id(), address(&crew.owner)?),
        guard.register_outflow(canary_id()),
        guard.grant_tripper(address(&crew.tripper)?, u32::try_from(here.max_secs * 8)?),
        guard.seal(),
    ])
}

/// A represented token, and where the float holds it.
async fn make_token(
    node: &Node,
    here: &mut Deployed,
    crew: &Crew,
    (index, decimals): (usize, u8),
) -> Result<()> {
    let (owner, token) = (account(&crew.owner)?, mint(&crew.owner, index)?);
    let [create, make] = make_mint(owner.account(), token.account(), decimals, here.bridge.demo);
    let known = here.bridge.register_token(token.account());
    node.settle(&[&owner, &token], &[create, make, known], "a token").await?;
    here.tokens.insert(index, token.account());
    hold(node, here, &crew.float, index).await
}

/// Where somebody holds a token.
async fn hold(node: &Node, here: &mut Deployed, key: &Key, token: usize) -> Result<()> {
    let (owner, place) = (account(key)?, holding(key, token)?);
    let calls = make_holding(owner.account(), place.account(), here.token(token)?, owner.account());
    node.settle(&[&owner, &place], &calls, "a holding").await?;
    here.holdings.insert(short(place.account()), place.account());
    Ok(())
}

/// For each token and each chain that it may come from: which scopes are asked.
async fn routes(node: &Node, here: &Deployed, payer: &LocalSigner) -> Result<()> {
    for mint in here.tokens.values() {
        for from in [Domain::Ethereum, Domain::Moonbeam] {
            let call = here.bridge.guard.route(payer.account(), corridor(from.number()), *mint);
            node.settle(&[payer], &[call], "a route").await?;
        }
    }
    Ok(())
}

/// What the bridge holds and what it may honestly consume.
async fn fill(node: &Node, here: &Deployed, scenario: &Scenario, crew: &Crew) -> Result<()> {
    let mut openings = Vec::new();
    for opening in arriving(scenario, Domain::Solana) {
        openings.push(Message {
            origin: opening.origin.number(),
            id: B256::from(U256::from(opening.id)),
            mint: here.token(opening.token)?,
            amount: u64::try_from(opening.amount).wrap_err("an opening balance")?,
            to: here.holding(recipient(crew, opening.token)?)?,
            nonce: B256::ZERO,
        });
    }
    let honest =
        |t: &&Transfer| t.side == Domain::Solana && t.kind == Kind::Process && t.actor == Actor::Honest;
    let expected: Result<Vec<Message>> =
        scenario.live.iter().filter(honest).map(|transfer| here.message(transfer)).collect();
    let updater = account(&crew.updater)?;
    let proofs: Vec<Call> = openings
        .iter()
        .chain(&expected?)
        .map(|message| here.bridge.prove(updater.account(), message))
        .collect();
    for some in proofs.chunks(BATCH) {
        node.settle(&[&updater], some, "proofs").await?;
    }
    let relayer = account(&crew.relayer)?;
    for message in &openings {
        let call = here.bridge.process(relayer.account(), message);
        node.settle(&[&relayer], &[call], "an opening delivery").await?;
    }
    Ok(())
}
