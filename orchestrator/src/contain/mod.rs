//! Contain: the lane that closes gates.
//!
//! *Who is in the play.* A [`Signer`] signs an action on each chain, unless a kill switch forbids it. The writer makes
//! decision and attempts durable and dispatches; the [`Lane`] starts one [`task::ActionTask`] per action, all at once, on all
//! chains. A task broadcasts to every endpoint, raises the fee when nothing lands, signs anew when a nonce was taken,
//! sends again what a reorganisation removed, and ends only when the effect is proven and final, when the action's time has
//! run out, or when a person says stop. From then on a vigil looks at the effect for as long as it is meant to last: should
//! a reorganisation deeper than finality remove it, the action is taken up again. Nothing here undoes anything.

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

use crate::confirm::{Confirm, Kept};
use crate::killswitch::{Forbidden, KillSwitches};
use crate::persist::{Dispatch, Durable};
use crate::recover::readings::Readings;
use crate::service::ChainWiring;
use crate::telemetry::{Background, Heads, Note, Status, Verb};
use portcullis_adapter::error::chain_of;
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
            Err(error) => Signing::Failed(chain_of(&error)),
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
                    error = chain_of(&error),
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
    /// What is known of gates without asking them.
    pub readings: Arc<Readings>,
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

/// What is under way.
#[derive(Default)]
struct UnderWay {
    /// Actions that are not proven and final yet.
    tasks: JoinSet<(ActionId, Option<Dispatch>)>,
    /// Those, and how a person ends them.
    running: BTreeMap<ActionId, CancellationToken>,
    /// Effects that are final, until their time has run out.
    vigils: JoinSet<(Dispatch, Kept)>,
    /// Those, and how they end early.
    watched: BTreeMap<ActionId, CancellationToken>,
}

impl UnderWay {
    /// Takes an action up; `lost` when its effect was final and is gone.
    fn start(&mut self, shared: &Shared, dispatch: Dispatch, lost: bool) {
        let id = dispatch.action.id;
        // Asked again while it is under way, it is the same action.
        if self.running.contains_key(&id) {
            return;
        }
        if let Some(vigil) = self.watched.remove(&id) {
            vigil.cancel();
        }
        let person = CancellationToken::new();
        self.running.insert(id, person.clone());
        let task = ActionTask::new(shared.clone(), dispatch, person);
        self.tasks.spawn(async move { (id, if lost { task.resume().await } else { task.run().await }) });
    }

    /// Looks after an effect that is final.
    fn watch(&mut self, confirm: &Confirm, dispatch: Dispatch) {
        let (confirm, ended) = (confirm.clone(), CancellationToken::new());
        self.watched.insert(dispatch.action.id, ended.clone());
        self.vigils.spawn(async move {
            let kept = tokio::select! {
                kept = confirm.vigil(&dispatch.action) => kept,
                () = ended.cancelled() => Kept::Held,
            };
            (dispatch, kept)
        });
    }

    /// A person ends an action, or the watch over what it did.
    fn stop(&mut self, action: ActionId, why: &str) {
        if let Some(person) = self.running.get(&action).or_else(|| self.watched.get(&action)) {
            tracing::warn!(%action, why, "a person stopped an action");
            person.cancel();
        }
    }
}

impl Lane {
    /// Runs until told to stop. Tasks end with it; the next start takes their actions up again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut under_way = UnderWay::default();
        loop {
            let group = self.shared.background.log().group;
            self.shared.status.group(group, |status| status.actions_open = under_way.running.len());
            tokio::select! {
                () = stop.cancelled() => return,
                Some(dispatch) = self.dispatches.recv() => under_way.start(&self.shared, dispatch, false),
                Some((action, why)) = self.stops.recv() => under_way.stop(action, &why),
                Some(ended) = under_way.tasks.join_next() => match ended {
                    Ok((id, effective)) => {
                        under_way.running.remove(&id);
                        if let Some(dispatch) = effective {
                            under_way.watch(&self.shared.confirm, dispatch);
                        }
                    }
                    Err(error) => return broke_down(&error),
                },
                Some(ended) = under_way.vigils.join_next() => match ended {
                    Ok((dispatch, kept)) => self.after_vigil(&mut under_way, dispatch, kept),
                    Err(error) => return broke_down(&error),
                },
            }
        }
    }

    fn after_vigil(&self, under_way: &mut UnderWay, dispatch: Dispatch, kept: Kept) {
        let action = &dispatch.action;
        match kept {
            Kept::Held => {}
            Kept::Lost => return under_way.start(&self.shared, dispatch, true),
            Kept::Released => {
                let note = Note::new(Verb::Recover, task::RELEASED.to_owned()).incident(action.incident);
                self.shared.background.note(note.chain(action.chain).action(action.id));
            }
        }
        under_way.watched.remove(&action.id);
    }
}

/// A bug ended a task. The group is started again, and takes its actions up from the log.
fn broke_down(error: &tokio::task::JoinError) {
    tracing::error!(code = "PC-0241", %error, "a containment task ended by itself");
}
