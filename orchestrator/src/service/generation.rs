//! Everything that runs under one configuration, and the swap to the next one.
//!
//! A swap is a takeover from oneself: the log is followed up to its end while the old configuration still runs; then
//! its steps end in order, handing over what they consumed, and the new ones begin where they were left. The lease is
//! kept, the change is an input of the log, and no block goes unseen, because every chain goes on from its cursor.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_core::{Command, EngineConfig};
use portcullis_verifier::{ChainId, GroupId, Slug};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::leases::Leases;
use super::{ChainWiring, Change, Told};
use crate::budget;
use crate::contain::purse::Purse;
use crate::correlate::rebuild::Follower;
use crate::correlate::saved;
use crate::notify::Pager;
use crate::observe::shared::Shared;
use crate::store::{LogName, Store};
use crate::telemetry::{Heads, Status};
use portcullis_adapter::error::chain_of;

/// What stays while configurations come and go.
pub(super) struct Shell {
    pub(super) store: Store,
    pub(super) data_dir: PathBuf,
    pub(super) replica: Slug,
    pub(super) leases: Arc<Leases>,
    pub(super) status: Arc<Status>,
    pub(super) purse: Arc<Purse>,
    pub(super) pager: Pager,
    pub(super) stop: CancellationToken,
}

/// Everything that runs under one configuration.
pub(super) struct Generation {
    tasks: JoinSet<()>,
    routes: BTreeMap<GroupId, mpsc::Sender<Command>>,
    stop: CancellationToken,
}

impl Shell {
    /// Starts every group; those that were followed go on from there.
    pub(super) fn begin(&self, change: Change, mut followed: BTreeMap<LogName, Follower>) -> Generation {
        let Change { wired, operate } = change;
        let stop = self.stop.child_token();
        let configs = wired.groups.iter().map(|wiring| &wiring.engine_config);
        let (chains, operate) = (Arc::new(share(wired.chains, configs)), Arc::new(operate));
        let heads = Heads::new(chains.keys().copied());
        let (mut tasks, mut routes) = (JoinSet::new(), BTreeMap::new());
        let names = wired.groups.iter().map(|wiring| wiring.engine_config.group).collect();
        self.status.only(&names, &chains.keys().copied().collect());
        for wiring in wired.groups {
            let (sender, receiver) = mpsc::channel(budget::CONTROL_QUEUE);
            let log = LogName { group: wiring.engine_config.group, replica: self.replica };
            routes.insert(log.group, sender);
            let group = Group {
                config: wiring.engine_config,
                chains: Arc::clone(&chains),
                registry: Arc::clone(&wired.registry),
                heads: heads.clone(),
                store: self.store.clone(),
                data_dir: self.data_dir.clone(),
                replica: self.replica,
                leases: Arc::clone(&self.leases),
                status: Arc::clone(&self.status),
                operate: Arc::clone(&operate),
                purse: Arc::clone(&self.purse),
                pager: self.pager.clone(),
                service_stop: self.stop.clone(),
            };
            tasks.spawn(group.keep_running(followed.remove(&log), receiver, stop.clone()));
        }
        for contain in chains.values().filter_map(|wiring| wiring.contain.clone()) {
            tasks.spawn(crate::observe::keep_warm(contain, heads.clone(), stop.clone()));
        }
        Generation { tasks, routes, stop }
    }

    /// Ends what runs and begins with another configuration.
    pub(super) async fn swap(
        &self,
        running: Generation,
        changed: Change,
        commands: &mut mpsc::Receiver<Told>,
    ) -> Generation {
        let logs: Vec<LogName> = changed
            .wired
            .groups
            .iter()
            .map(|wiring| LogName { group: wiring.engine_config.group, replica: self.replica })
            .collect();
        let followed = {
            let following = self.follow(&logs);
            tokio::pin!(following);
            loop {
                tokio::select! {
                    followed = &mut following => break followed,
                    () = self.stop.cancelled() => break BTreeMap::new(),
                    Some(told) = commands.recv() => running.tell(told).await,
                }
            }
        };
        running.end().await;
        self.leases.give_back_all_but(&logs).await;
        self.begin(changed, followed)
    }

    /// Follows logs up to where they end now; one that cannot be followed is read by its group.
    async fn follow(&self, logs: &[LogName]) -> BTreeMap<LogName, Follower> {
        let mut followed = BTreeMap::new();
        for log in logs {
            let mut follower = saved::begin(*log, &saved::folder(&self.data_dir)).await;
            let caught_up = loop {
                match follower.page(&self.store).await {
                    Ok(true) => {}
                    Ok(false) => break true,
                    Err(error) => {
                        tracing::warn!(%log, error = chain_of(&error), "the log could not be followed");
                        break false;
                    }
                }
            };
            if caught_up {
                followed.insert(*log, follower);
            }
        }
        followed
    }
}

/// Lets groups that stand on the same chain watch it together. One that stands there alone keeps the adapter to itself.
fn share<'a>(
    mut chains: BTreeMap<ChainId, ChainWiring>,
    groups: impl Iterator<Item = &'a EngineConfig>,
) -> BTreeMap<ChainId, ChainWiring> {
    let mut watching: BTreeMap<ChainId, usize> = BTreeMap::new();
    for chain in groups.flat_map(|config| &config.chains) {
        let count = watching.entry(chain.id).or_default();
        *count = count.saturating_add(1);
    }
    for (chain, wiring) in &mut chains {
        if watching.get(chain).is_some_and(|count| *count > 1) {
            wiring.observe = Arc::new(Shared::new(Arc::clone(&wiring.observe)));
        }
    }
    chains
}

impl Generation {
    /// Brings commands to their groups until the configuration changes; none when the service ends.
    pub(super) async fn until_changed(
        &self,
        stop: &CancellationToken,
        commands: &mut mpsc::Receiver<Told>,
        changes: &mut mpsc::Receiver<Change>,
    ) -> Option<Change> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                Some(told) = commands.recv() => self.tell(told).await,
                Some(changed) = changes.recv() => return Some(changed),
                // Nobody can say anything any more.
                else => {
                    stop.cancelled().await;
                    return None;
                }
            }
        }
    }

    async fn tell(&self, (group, command): Told) {
        match self.routes.get(&group) {
            Some(route) => drop(route.send(command).await),
            None => tracing::warn!(%group, "a command for a group that does not exist"),
        }
    }

    /// Ends every step in order; what was consumed is durable then.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
