//! Contain: the lane that closes gates.
//!
//! *Who is in the play.* A [`Signer`] signs an action on each chain, unless a kill switch forbids it. The writer makes
//! decision and attempts durable and dispatches; the [`Lane`] starts one [`task::ActionTask`] per action, all at once, on all
//! chains. A task broadcasts to every endpoint, raises the fee when nothing lands, signs anew when a nonce was taken,
//! sends again what a reorganisation removed, and ends only when the effect is proven and final, when the action's time has
//! run out, or when a person says stop. Nothing here undoes anything.

pub mod purse;
pub mod task;

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_adapter::{Attempt, Contain};
use portcullis_core::Body;
use portcullis_core::config::Target;
use portcullis_verifier::{Action, ActionId, B256, ChainId, Slug};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::confirm::Confirm;
use crate::killswitch::{Forbidden, KillSwitches};
use crate::persist::{Dispatch, Durable, describe};
use crate::service::ChainWiring;
use crate::telemetry::{Background, Heads, Status};
use purse::Purse;
use task::ActionTask;

/// What signing gave.
#[derive(Debug)]
pub enum Signing {
    /// One candidate per distinct nonce that operators report.
    Signed(Vec<Attempt>),
    /// A kill switch is set.
    Forbidden(Forbidden),
    /// The chain has no signer: people have to close this gate.
    NoSigner,
    /// The signer or the chain refuses.
    Failed(String),
}

/// Signs actions.
#[derive(Clone)]
pub struct Signer {
    chains: Arc<BTreeMap<ChainId, ChainWiring>>,
    switches: Arc<KillSwitches>,
}

impl Signer {
    /// Signs with the adapters of these chains, under these switches.
    #[must_use]
    pub fn new(chains: Arc<BTreeMap<ChainId, ChainWiring>>, switches: Arc<KillSwitches>) -> Self {
        Self { chains, switches }
    }

    /// The containing side of a chain.
    #[must_use]
    pub fn container(&self, chain: ChainId) -> Option<&Arc<dyn Contain>> {
        self.chains.get(&chain).and_then(|wiring| wiring.contain.as_ref())
    }

    /// The kill switch that forbids an action, if one does.
    pub async fn forbids(&self, chain: ChainId, playbook: Slug) -> Option<Forbidden> {
        self.switches.forbids(chain, playbook).await
    }

    /// Signs an action at a step of the fee schedule.
    ///
    /// The switches are read at the same time, because asking first would cost what an attacker gains; what was signed
    /// under a switch is thrown away unseen.
    pub async fn sign(&self, action: &Action, playbook: Slug, record: B256, bump: u16) -> Signing {
        let Some(contain) = self.container(action.chain) else { return Signing::NoSigner };
        let (forbidden, signed) =
            tokio::join!(self.forbids(action.chain, playbook), contain.sign(action, record, bump));
        if let Some(forbidden) = forbidden {
            return Signing::Forbidden(forbidden);
        }
        match signed {
            Ok(attempts) if attempts.is_empty() => {
                Signing::Failed("the signer gave nothing to send".to_owned())
            }
            Ok(attempts) => Signing::Signed(attempts),
            Err(error) => Signing::Failed(describe(&error)),
        }
    }
}

impl Signer {
    /// Signs an action for another account to carry, beside what was signed under the same switches a moment ago.
    /// Empty where no such account is configured.
    pub async fn carry(&self, action: &Action, record: B256, bump: u16) -> Vec<Attempt> {
        let Some(contain) = self.container(action.chain) else { return Vec::new() };
        match contain.carry(action, record, bump).await {
            Ok(attempts) => attempts,
            Err(error) => {
                tracing::warn!(
                    code = "PC-0607",
                    error = describe(&error),
                    "no other account can carry the trip"
                );
                Vec::new()
            }
        }
    }
}

/// What all tasks of a lane share.
#[derive(Clone)]
pub struct Shared {
    /// Signs.
    pub signer: Signer,
    /// What may be spent.
    pub purse: Arc<Purse>,
    /// Gates of the group, for their names.
    pub targets: Arc<Vec<Target>>,
    /// Makes attempts durable.
    pub durable: Arc<Durable>,
    /// Says what landed and what is in effect.
    pub confirm: Confirm,
    /// Wakes at heads.
    pub heads: Heads,
    /// To the engine's loop.
    pub engine: mpsc::Sender<Body>,
    /// Rows for people.
    pub background: Background,
    /// For the health of the service.
    pub status: Arc<Status>,
}

/// Starts a task per action, and ends them when people say so.
pub struct Lane {
    /// What tasks share.
    pub shared: Shared,
    /// Durable actions, from the writer.
    pub dispatches: mpsc::Receiver<Dispatch>,
    /// Actions that a person stopped, with who and why.
    pub stops: mpsc::Receiver<(ActionId, String)>,
}

impl Lane {
    /// Runs until told to stop. Tasks end with it; the next start takes their actions up again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut running: BTreeMap<ActionId, CancellationToken> = BTreeMap::new();
        loop {
            let group = self.shared.background.log().group;
            self.shared.status.group(group, |status| status.actions_open = running.len());
            tokio::select! {
                () = stop.cancelled() => return,
                Some(dispatch) = self.dispatches.recv() => {
                    let id = dispatch.action.id;
                    // Asked again while it is under way, it is the same action.
                    if running.contains_key(&id) {
                        continue;
                    }
                    let person = CancellationToken::new();
                    running.insert(id, person.clone());
                    let task = ActionTask::new(self.shared.clone(), dispatch, person);
                    tasks.spawn(async move { (id, task.run().await) });
                }
                Some((action, why)) = self.stops.recv() => {
                    if let Some(person) = running.get(&action) {
                        tracing::warn!(%action, why, "a person stopped an action");
                        person.cancel();
                    }
                }
                Some(ended) = tasks.join_next() => {
                    match ended {
                        Ok((id, ())) => drop(running.remove(&id)),
                        Err(error) => {
                            // A bug ended it. The group is started again, and takes the action up from the log.
                            tracing::error!(code = "PC-0241", %error, "a containment task ended by itself");
                            return;
                        }
                    }
                }
            }
        }
    }
}
