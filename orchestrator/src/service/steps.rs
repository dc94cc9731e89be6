//! A group's steps around its engine: observers, readers of gates, people's commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::Body;
use portcullis_verifier::ChainId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::group::Group;
use crate::correlate::undoable::Start;
use crate::observe::Watcher;
use crate::operate::desk::Desk;
use crate::operate::drill::Drills;
use crate::recover::GateWatch;
use crate::recover::readings::Readings;
use crate::store::LogName;
use crate::telemetry::Background;

impl Group {
    /// An observer for each chain, from where the last run left it.
    pub(super) fn watch_chains(
        &self,
        steps: &mut JoinSet<&'static str>,
        mut starts: BTreeMap<ChainId, Start>,
        batches: &mpsc::Sender<portcullis_adapter::Batch>,
        engine: &mpsc::Sender<Body>,
        stop: &CancellationToken,
    ) {
        for chain in &self.config.chains {
            let Some(wiring) = self.chains.get(&chain.id) else { continue };
            let Start { cursor, half_told } = starts.remove(&chain.id).unwrap_or_default();
            let watcher = Watcher {
                adapter: Arc::clone(&wiring.observe),
                cursor,
                half_told,
                batches: batches.clone(),
                engine: engine.clone(),
                heads: self.heads.clone(),
                status: Arc::clone(&self.status),
            };
            spawn(steps, "observe", watcher.run(stop.clone()));
        }
    }

    /// People's commands and drills.
    pub(super) fn operate(
        &self,
        steps: &mut JoinSet<&'static str>,
        log: LogName,
        engine: &mpsc::Sender<Body>,
        stop: &CancellationToken,
    ) {
        let desk = Desk {
            store: self.store.clone(),
            log,
            engine: engine.clone(),
            operate: Arc::clone(&self.operate),
            targets: self.config.targets.clone(),
            chains: Arc::clone(&self.chains),
        };
        spawn(steps, "desk", desk.run(stop.clone()));
        let drills = Drills {
            log,
            targets: self.config.targets.clone(),
            chains: Arc::clone(&self.chains),
            engine: engine.clone(),
            store: self.store.clone(),
            operate: Arc::clone(&self.operate),
        };
        spawn(steps, "drill", drills.run(stop.clone()));
    }

    /// A reader for each gate.
    pub(super) fn watch_gates(
        &self,
        steps: &mut JoinSet<&'static str>,
        engine: &mpsc::Sender<Body>,
        background: &Background,
        readings: &Arc<Readings>,
        stop: &CancellationToken,
    ) {
        for target in &self.config.targets {
            let Some(contain) = self.chains.get(&target.chain).and_then(|wiring| wiring.contain.clone())
            else {
                continue;
            };
            let watch = GateWatch {
                target: target.clone(),
                contain,
                heads: self.heads.clone(),
                engine: engine.clone(),
                background: background.clone(),
                readings: Arc::clone(readings),
            };
            spawn(steps, "recover", watch.run(stop.clone()));
        }
    }
}

/// Starts a step that is known by its name should it end by itself.
pub(super) fn spawn(
    steps: &mut JoinSet<&'static str>,
    name: &'static str,
    step: impl Future<Output = ()> + Send + 'static,
) {
    steps.spawn(async move {
        step.await;
        name
    });
}
