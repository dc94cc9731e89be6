//! Who sends here: the relayer, users, attackers; each what the script says, when it says so, and waits for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmrs::Any;
use eyre::Result;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::deploy::{Deployed, call};
use super::keys::Wallet;
use super::rpc::Rpc;
use crate::actors::{Cast, Sent, UPGRADE_AT};
use crate::clock::{self, Zero};
use crate::deploy::Crew;
use crate::keys::Key;
use crate::scenario::{Actor, Domain, Kind, Scenario, Transfer};

/// Gas of a call of the play; unused gas costs nothing here.
const GAS: u64 = 3_000_000;

/// Keys that sign live, by what they sign.
#[derive(Debug, Clone)]
pub struct Players {
    owner: Key,
    relayer: Key,
    float: Key,
    attackers: BTreeMap<u32, Key>,
}

impl Players {
    /// Those of a script.
    #[must_use]
    pub fn of(scenario: &Scenario, crew: &Crew, cast: &Cast) -> Self {
        let attackers = scenario
            .live
            .iter()
            .filter(|t| t.side == Domain::Cosmos && t.actor != Actor::Honest)
            .filter_map(|t| Some((t.group, cast.attackers.get(&t.group)?.clone())))
            .collect();
        let (owner, relayer, float) = (crew.owner.clone(), crew.relayer.clone(), crew.float.clone());
        Self { owner, relayer, float, attackers }
    }

    /// Attackers' keys.
    pub fn attackers(&self) -> impl Iterator<Item = &Key> {
        self.attackers.values()
    }
}

/// One transaction to be.
struct Planned<'a> {
    at: i64,
    wallet: &'a Wallet,
    message: Any,
    actor: Actor,
    transfers: Vec<usize>,
}

/// The accounts, open.
struct Wallets {
    owner: Wallet,
    relayer: Wallet,
    float: Wallet,
    attackers: BTreeMap<u32, Wallet>,
}

impl Wallets {
    async fn open(rpc: &Rpc, players: &Players) -> Result<Self> {
        let mut attackers = BTreeMap::new();
        for (group, key) in &players.attackers {
            attackers.insert(*group, Wallet::open(rpc, key).await?);
        }
        Ok(Self {
            owner: Wallet::open(rpc, &players.owner).await?,
            relayer: Wallet::open(rpc, &players.relayer).await?,
            float: Wallet::open(rpc, &players.float).await?,
            attackers,
        })
    }
}

/// Plays the live part of this chain until it is over or told to stop. What was sent goes to `log`.
///
/// # Errors
/// When an account cannot be opened, or a transfer cannot be written as a call.
pub async fn play(
    rpc: Arc<Rpc>,
    here: Deployed,
    scenario: Arc<Scenario>,
    players: Players,
    zero: Zero,
    log: mpsc::UnboundedSender<Sent>,
    stop: CancellationToken,
) -> Result<()> {
    let wallets = Wallets::open(&rpc, &players).await?;
    for planned in plan(&here, &scenario, &wallets)? {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(zero.due(planned.at).into()) => {}
        }
        let signed = planned.wallet.sign([planned.message], GAS)?;
        let at_us = clock::now_us();
        // In order: one account's transactions are taken only one after the other.
        let refused = rpc.send(&signed).await.err().map(|error| format!("{error:#}"));
        let Planned { actor, transfers, .. } = planned;
        // Nobody listens any more when the play was stopped.
        let _over =
            log.send(Sent { side: Domain::Cosmos, hash: signed.hash, transfers, actor, at_us, refused });
    }
    Ok(())
}

/// The mistake first, then the script in its order.
fn plan<'a>(here: &Deployed, scenario: &Scenario, wallets: &'a Wallets) -> Result<Vec<Planned<'a>>> {
    let upgrade = call(&wallets.owner, &here.bridge, &json!({"upgrade": {}}), Vec::new())?;
    let mut out = vec![Planned {
        at: UPGRADE_AT,
        wallet: &wallets.owner,
        message: upgrade,
        actor: Actor::Honest,
        transfers: Vec::new(),
    }];
    for (index, transfer) in scenario.live.iter().enumerate().filter(|(_, t)| t.side == Domain::Cosmos) {
        let (wallet, what) = match transfer.kind {
            Kind::Send => (&wallets.float, here.send(transfer)?),
            Kind::Process => {
                let deliver = json!({"process_many": {"messages": [here.message(transfer)?]}});
                (deliverer(wallets, transfer), deliver)
            }
        };
        out.push(Planned {
            at: transfer.at,
            wallet,
            message: call(wallet, &here.bridge, &what, Vec::new())?,
            actor: transfer.actor,
            transfers: vec![index],
        });
    }
    out.sort_by_key(|planned| planned.at);
    Ok(out)
}

fn deliverer<'a>(wallets: &'a Wallets, transfer: &Transfer) -> &'a Wallet {
    let attacker = wallets.attackers.get(&transfer.group).filter(|_| transfer.actor != Actor::Honest);
    attacker.unwrap_or(&wallets.relayer)
}
