//! One group from lease to end: takes the lease, brings the journal in, rebuilds the engine, starts the steps.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_adapter::Class;
use portcullis_core::{Body, Command, Engine, EngineConfig};
use portcullis_verifier::{ChainId, Registry, Slug};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ChainWiring;
use super::away::Away;
use super::leases::{Asked, Leases, Patience};
use super::running::{GroupError, Running};
use super::steps::spawn;
use crate::background;
use crate::budget;
use crate::confirm::Confirm;
use crate::contain::purse::{HOUR_MS, Purse};
use crate::contain::{Lane, Shared, Signer};
use crate::correlate::rebuild::{Follower, Leftover, RebuildError, Rebuilt};
use crate::correlate::saved::{self, Keeper};
use crate::correlate::undoable::Start;
use crate::correlate::{Beginning, Correlator, Outputs};
use crate::killswitch::KillSwitches;
use crate::notify::Pager;
use crate::operate::Operate;
use crate::persist::{Dispatch, Durable, reconcile};
use crate::recover::readings::Readings;
use crate::store::{Lease, LogName, Store};
use crate::telemetry::{Background, Heads, Phase, Status, now_ms};
use crate::verify::{EvidenceQueue, Judge, Verifier};
use crate::views::Views;
use crate::writer::Writer;
use portcullis_adapter::error::chain_of;

/// One group with everything that it needs to run.
pub(super) struct Group {
    pub(super) config: EngineConfig,
    pub(super) chains: Arc<BTreeMap<ChainId, ChainWiring>>,
    pub(super) registry: Arc<Registry>,
    pub(super) heads: Heads,
    pub(super) store: Store,
    pub(super) data_dir: PathBuf,
    pub(super) replica: Slug,
    pub(super) leases: Arc<Leases>,
    pub(super) status: Arc<Status>,
    pub(super) operate: Arc<Operate>,
    pub(super) purse: Arc<Purse>,
    pub(super) pager: Pager,
    /// Ends the service, not only this configuration.
    pub(super) service_stop: CancellationToken,
}

impl Group {
    /// Runs the group until told to stop; starts it again from its log when it fails.
    pub(super) async fn keep_running(
        self,
        mut followed: Option<Follower>,
        mut commands: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) {
        let log = LogName { group: self.config.group, replica: self.replica };
        let mut pause = budget::RETRY.0;
        while !stop.is_cancelled() {
            let started = std::time::Instant::now();
            let follower = match followed.take() {
                Some(follower) => follower,
                None => saved::begin(log, &saved::folder(&self.data_dir)).await,
            };
            let Err(error) = self.run_once(log, follower, &mut commands, &stop).await else { return };
            let text = chain_of(&error);
            tracing::error!(group = %log.group, error = text, "the group is started again from its log");
            self.status.group(log.group, |group| {
                group.phase = Phase::Failed;
                group.error = Some(text);
            });
            if started.elapsed() > Duration::from_secs(60) {
                pause = budget::RETRY.0;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = budget::back_off(pause, budget::RETRY.1);
        }
    }

    fn phase(&self, phase: Phase) {
        self.status.group(self.config.group, |group| group.phase = phase);
    }

    async fn run_once(
        &self,
        log: LogName,
        mut follower: Follower,
        commands: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Result<(), GroupError> {
        self.phase(Phase::Starting);
        // A database that hangs must not keep the service from ending.
        let lease = tokio::select! {
            lease = self.wait_for_lease(log, &mut follower) => lease?,
            () = stop.cancelled() => return Ok(()),
        };
        // Kept from here on: reading a long log back may take longer than a lease holds.
        let lost = self.leases.keep(&lease);
        let started = tokio::select! {
            started = self.start_up(log, follower, stop) => started.map(Some),
            () = stop.cancelled() => Ok(None),
        };
        let result = match started {
            Ok(Some(running)) => {
                self.phase(Phase::Running);
                running.run(&lost, commands, stop).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        // The next configuration goes on with the lease of this one.
        if result.is_err() || self.service_stop.is_cancelled() {
            self.leases.give_back(&lease).await;
        }
        result
    }

    /// From the lease to the running steps.
    async fn start_up(
        &self,
        log: LogName,
        follower: Follower,
        stop: &CancellationToken,
    ) -> Result<Running, GroupError> {
        let left = self.open_journal(log)?;
        while left.reconcile_one().await? {}
        // What was overtaken before this start says nothing of what comes from here on.
        let durable = if left.overtaken().is_cancelled() { self.open_journal(log)? } else { left };
        let durable = Arc::new(durable);
        self.phase(Phase::Rebuilding);
        let rebuilt = follower.finish(&self.store).await?;
        let starts = rebuilt.undoable.starts(&self.store, &log, self.store.cursors(&log).await?).await?;
        let actions = self.open_actions(&rebuilt.leftover).await?;
        let hour_ago = now_ms().saturating_sub(HOUR_MS);
        self.purse.recall(self.store.spent_since(&log, hour_ago).await?);
        self.start(log, rebuilt, starts, actions, durable, stop)
    }

    fn open_journal(&self, log: LogName) -> Result<Durable, GroupError> {
        let (holder, status) = (self.leases.holder().to_owned(), Arc::clone(&self.status));
        Ok(Durable::open(self.store.clone(), log, holder, &self.data_dir, status, self.pager.clone())?)
    }

    /// What makes the first moments quicker, and can fail without harm.
    async fn warm_up(&self) {
        let both = async {
            if let Err(error) = self.store.prepare_partitions(now_ms()).await {
                tracing::warn!(code = error.code(), %error, "partitions were not made");
            }
            if let Err(error) = self.store.warm().await {
                tracing::warn!(code = error.code(), %error, "the connections of containment are cold");
            }
        };
        if tokio::time::timeout(budget::WARM_UP, both).await.is_err() {
            tracing::warn!("the connections of containment are cold: the database was slow");
        }
    }

    /// Waits for the lease, following the log meanwhile, so that little is left to be read when it comes.
    async fn wait_for_lease(&self, log: LogName, follower: &mut Follower) -> Result<Lease, GroupError> {
        // One that goes on from another configuration is warm, and must not let the chains wait.
        if follower.is_fresh() {
            self.warm_up().await;
        }
        let (mut patience, mut away) = (Patience::default(), Away::default());
        // Who lost the lease while the database was out of its reach has signed and sent: that has to be on record,
        // whoever goes on with the log.
        let mut left = Some(self.open_journal(log)?);
        loop {
            let pause = match self.leases.ask(&log, &patience).await {
                Ok(Asked::Taken(lease)) => return Ok(lease),
                Ok(Asked::Wait(left)) => left.min(budget::LEASE_ASK),
                Err(error) if error.class() == Class::Transient => {
                    patience.silence();
                    away.silent(&error, &self.status, &self.pager);
                    // Whether anybody works on the group cannot be told.
                    self.phase(Phase::Waiting);
                    tokio::time::sleep(budget::LEASE_ASK).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            away.over();
            self.phase(Phase::Standby);
            if let Some(journal) = &left {
                match journal.reconcile_one().await {
                    Ok(true) => continue,
                    Ok(false) => left = None,
                    Err(error) => {
                        tracing::debug!(code = error.code(), %error, "the journal waits for the database")
                    }
                }
            }
            // A log that cannot be read is told when it is this process's turn; it may be the other's to mend.
            match follower.page(&self.store).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = chain_of(&error), "the log cannot be followed; it is read anew");
                    *follower = Follower::new(log);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// What the last run left to be contained, with what it had signed.
    async fn open_actions(&self, leftover: &Leftover) -> Result<Vec<Dispatch>, GroupError> {
        let mut dispatches = Vec::new();
        for open in leftover.actions.values().filter(|open| leftover.is_under_way(&open.action)) {
            dispatches.push(Dispatch {
                action: open.action.clone(),
                playbook: open.playbook,
                record: open.record,
                seen: None,
                attempts: self.store.attempts(open.action.id).await?,
                effective: open.effective,
                cleared: false,
            });
        }
        Ok(dispatches)
    }

    /// Starts every step.
    fn start(
        &self,
        log: LogName,
        rebuilt: Rebuilt,
        starts: BTreeMap<ChainId, Start>,
        actions: Vec<Dispatch>,
        durable: Arc<Durable>,
        stop: &CancellationToken,
    ) -> Result<Running, GroupError> {
        let child = stop.child_token();
        let (background, rows) = Background::new(log);
        let judge = Judge::new(
            Arc::clone(&self.chains),
            Arc::clone(&self.registry),
            self.heads.clone(),
            background.clone(),
        );
        let switches = Arc::new(KillSwitches::new(&self.data_dir, self.store.clone()));
        let signer = Signer::new(Arc::clone(&self.chains), switches);
        let (engine_in, control) = mpsc::channel(budget::CONTROL_QUEUE);
        let (batch_in, batches) = mpsc::channel(budget::BATCH_QUEUE);
        let (work_in, work) = mpsc::channel(budget::WRITER_QUEUE);
        let (lane_in, dispatches) = mpsc::channel(budget::CONTROL_QUEUE.saturating_add(actions.len()));
        let (stop_in, stops) = mpsc::channel(budget::CONTROL_QUEUE);
        let (hurry, evidence) = (Arc::new(Notify::new()), EvidenceQueue::default());
        let mut steps = JoinSet::new();

        let Rebuilt { engine, config, end, leftover, .. } = rebuilt;
        let Leftover { claims, deadlines, mut sources, last_at_ms, .. } = leftover;
        let (engine, first) = self.engine(engine, config)?;
        sources.configure(&self.config.chains);
        for (claim, incident, value) in claims.into_values() {
            evidence.request(claim, incident, value);
        }
        for dispatch in actions {
            // The queue is as long as there are actions.
            let _room = lane_in.try_send(dispatch);
        }
        let readings = Arc::new(Readings::default());
        let lane = Lane {
            shared: self.shared(&signer, &durable, &judge, &engine_in, &background, &readings),
            dispatches,
            stops,
        };
        spawn(&mut steps, "contain", lane.run(child.clone()));
        let verifier = Verifier {
            judge,
            queue: evidence.clone(),
            engine: engine_in.clone(),
            status: Arc::clone(&self.status),
        };
        spawn(&mut steps, "verify", verifier.run(child.clone()));
        self.watch_chains(&mut steps, starts, &batch_in, &engine_in, &child);
        self.watch_gates(&mut steps, &engine_in, &background, &readings, &child);
        self.operate(&mut steps, log, &engine_in, &child);
        let gates = self.config.targets.clone();
        let views = Views { store: self.store.clone(), log, gates, fresh: durable.fresh() };
        spawn(&mut steps, "views", views.run(child.clone()));
        let (store, folder) = (self.store.clone(), saved::folder(&self.data_dir));
        let keeper = Keeper { store, log, folder, engine: engine_in.clone() };
        spawn(&mut steps, "snapshot", keeper.run(child.clone()));
        spawn(&mut steps, "reconcile", reconcile(Arc::clone(&durable), child.clone()));

        let (status, writer_status) = (Arc::clone(&self.status), Arc::clone(&self.status));
        let writer = Writer {
            durable: Arc::clone(&durable),
            work,
            hurry: Arc::clone(&hurry),
            lane: lane_in,
            status: writer_status,
        };
        let writer = tokio::spawn(writer.run());
        let out = Outputs { writer: work_in, hurry, evidence, signer, stops: stop_in, background, status };
        let beginning = Beginning { log, engine, end, deadlines, sources, last_at_ms };
        let correlator = Correlator::new(beginning, out);
        let correlator = tokio::spawn(correlator.run(first, control, batches, child.clone()));
        let rows = tokio::spawn(background::write(self.store.clone(), rows, child.clone()));
        Ok(Running { stop: child, steps, writer, correlator, rows, engine_in, durable })
    }

    /// The engine to go on with, and what it has to be told first: that nobody listened until now, before anything
    /// else could look like silence; and the configuration, where it is new.
    fn engine(
        &self,
        engine: Option<Engine>,
        logged: Option<EngineConfig>,
    ) -> Result<(Engine, Vec<Body>), GroupError> {
        let changed = || Body::ConfigChanged(Box::new(self.config.clone()));
        match engine {
            Some(engine) if logged.as_ref() == Some(&self.config) => Ok((engine, vec![Body::Resumed])),
            Some(engine) => Ok((engine, vec![Body::Resumed, changed()])),
            None => {
                let engine =
                    Engine::new(self.config.clone()).map_err(|e| RebuildError::Config(e.to_string()))?;
                Ok((engine, vec![changed()]))
            }
        }
    }

    fn shared(
        &self,
        signer: &Signer,
        durable: &Arc<Durable>,
        judge: &Judge,
        engine: &mpsc::Sender<Body>,
        background: &Background,
        readings: &Arc<Readings>,
    ) -> Shared {
        let confirm = Confirm {
            chains: Arc::clone(&self.chains),
            signer: signer.clone(),
            judge: judge.clone(),
            heads: self.heads.clone(),
        };
        Shared {
            signer: signer.clone(),
            purse: Arc::clone(&self.purse),
            targets: Arc::new(self.config.targets.clone()),
            durable: Arc::clone(durable),
            confirm,
            readings: Arc::clone(readings),
            heads: self.heads.clone(),
            engine: engine.clone(),
            background: background.clone(),
            status: Arc::clone(&self.status),
        }
    }
}
