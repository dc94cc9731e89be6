//! Who sends here: the relayer, users, attackers; each what the script says, when it says so, and waits for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use eyre::Result;
use portcullis_solana::devnet::Call;
use portcullis_solana::signer::{LocalSigner, Signer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::cluster::Names;
use super::deploy::Deployed;
use super::keys::{account, holding};
use super::node::Node;
use crate::actors::{Cast, Sent, UPGRADE_AT};
use crate::clock::{self, Zero};
use crate::deploy::Crew;
use crate::keys::Key;
use crate::scenario::{Actor, Domain, Kind, Scenario, Transfer};

/// Keys that sign live, by what they sign.
#[derive(Debug, Clone)]
pub struct Players {
    owner: Key,
    relayer: Key,
    float: Key,
    /// Attackers on this chain, by the transaction of the script.
    pub attackers: BTreeMap<u32, Key>,
}

impl Players {
    /// Those of a script.
    #[must_use]
    pub fn of(scenario: &Scenario, crew: &Crew, cast: &Cast) -> Self {
        let attackers = scenario
            .live
            .iter()
            .filter(|t| t.side == Domain::Solana && t.actor != Actor::Honest)
            .filter_map(|t| Some((t.group, cast.attackers.get(&t.group)?.clone())))
            .collect();
        let (owner, relayer, float) = (crew.owner.clone(), crew.relayer.clone(), crew.float.clone());
        Self { owner, relayer, float, attackers }
    }
}

/// One transaction to be.
struct Planned {
    at: i64,
    signer: LocalSigner,
    call: Call,
    actor: Actor,
    transfers: Vec<usize>,
}

/// Plays the live part of this chain until it is over or told to stop. What was sent goes to `log`, and its names to `names`.
///
/// # Errors
/// When a transfer cannot be written as a call, or the node is gone.
pub async fn play(
    (node, here, names): (Arc<Node>, Deployed, Names),
    scenario: Arc<Scenario>,
    players: Players,
    zero: Zero,
    log: mpsc::UnboundedSender<Sent>,
    stop: CancellationToken,
) -> Result<()> {
    for planned in plan(&here, &scenario, &players)? {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(zero.due(planned.at).into()) => {}
        }
        let signed = node.sign(&[&planned.signer], &[planned.call]).await?;
        names.learn(signed.hash, &signed.signature);
        let at_us = clock::now_us();
        let refused = node.send(&signed).await.err().map(|error| format!("{error:#}"));
        let Planned { actor, transfers, .. } = planned;
        // Nobody listens any more when the play was stopped.
        let _over =
            log.send(Sent { side: Domain::Solana, hash: signed.hash, transfers, actor, at_us, refused });
    }
    Ok(())
}

/// The mistake first, then the script in its order.
fn plan(here: &Deployed, scenario: &Scenario, players: &Players) -> Result<Vec<Planned>> {
    let mut out = vec![Planned {
        at: UPGRADE_AT,
        signer: account(&players.owner)?,
        call: here.bridge.upgrade(),
        actor: Actor::Honest,
        transfers: Vec::new(),
    }];
    for (index, transfer) in scenario.live.iter().enumerate().filter(|(_, t)| t.side == Domain::Solana) {
        let (signer, call) = match transfer.kind {
            Kind::Send => {
                let sender = account(&players.float)?;
                let from = holding(&players.float, transfer.token)?.account();
                let call = here.bridge.send(sender.account(), from, &here.leaving(transfer)?);
                (sender, call)
            }
            Kind::Process => {
                let payer = account(deliverer(players, transfer))?;
                let call = here.bridge.process(payer.account(), &here.message(transfer)?);
                (payer, call)
            }
        };
        out.push(Planned { at: transfer.at, signer, call, actor: transfer.actor, transfers: vec![index] });
    }
    out.sort_by_key(|planned| planned.at);
    Ok(out)
}

fn deliverer<'a>(players: &'a Players, transfer: &Transfer) -> &'a Key {
    let attacker = players.attackers.get(&transfer.group).filter(|_| transfer.actor != Actor::Honest);
    attacker.unwrap_or(&players.relayer)
}
