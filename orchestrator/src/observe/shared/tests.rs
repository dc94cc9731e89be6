use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_adapter::Batch;
use portcullis_replay::sim::{Behaviour, SimConfig, SimNet, SimObserver};
use portcullis_verifier::{B256, Event, FaultKind, OperatorId, Slug, Status};

use super::*;

/// A simulated chain that counts how often it is watched, and can be made to give up.
struct Counted {
    sim: SimObserver,
    begun: AtomicUsize,
    running: AtomicUsize,
    give_up: tokio::sync::Notify,
}

#[async_trait]
impl Observe for Counted {
    fn chain(&self) -> ChainId {
        self.sim.chain()
    }

    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        let result = tokio::select! {
            result = self.sim.observe(from, feed, stop) => result,
            () = self.give_up.notified() => {
                Err(AdapterError::new(self.chain(), None, Class::Permanent, "it gives up"))
            }
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

/// A group's end: what is in force for it, and every promise that was broken.
struct Group {
    live: BTreeSet<(B256, u32)>,
    faults: BTreeMap<Option<OperatorId>, FaultKind>,
    tip: Option<u64>,
    cursor: Option<Cursor>,
    batches: mpsc::Receiver<Batch>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), AdapterError>>,
}

impl Group {
    fn begin(shared: &Arc<Shared>, cursor: Option<Cursor>) -> Self {
        let (feed, batches) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let (watch, from, stopped) = (Arc::clone(shared), cursor.clone(), stop.clone());
        let task = tokio::spawn(async move { watch.observe(from, feed, stopped).await });
        Self { live: BTreeSet::new(), faults: BTreeMap::new(), tip: None, cursor, batches, stop, task }
    }

    /// As after a restart: this is in force already.
    fn resume(shared: &Arc<Shared>, cursor: Option<Cursor>, live: BTreeSet<(B256, u32)>) -> Self {
        let mut group = Self::begin(shared, cursor);
        group.tip = group.cursor.as_ref().map(|cursor| cursor.recent[0].height);
        group.live = live;
        group
    }

    /// Takes one batch; false when the run is over.
    async fn take(&mut self) -> bool {
        let next = tokio::time::timeout(Duration::from_secs(20), self.batches.recv());
        let Some(batch) = next.await.expect("nothing comes any more") else { return false };
        for seen in &batch.observations {
            let place = (seen.position().block_hash, seen.position().log_index);
            match (seen.event(), seen.status()) {
                (Event::Fault(fault), _) if fault.kind == FaultKind::Recovered => {
                    self.faults.remove(&fault.operator);
                }
                (Event::Fault(fault), _) => drop(self.faults.insert(fault.operator, fault.kind)),
                (_, Status::Retracted) => assert!(self.live.remove(&place), "retracted, and was never told"),
                _ => assert!(self.live.insert(place), "told twice"),
            }
        }
        if let Some(cursor) = batch.cursor {
            self.tip = Some(cursor.recent[0].height);
            self.cursor = Some(cursor);
        }
        true
    }

    /// Takes batches until exactly what the chain holds is in force.
    async fn settle(&mut self, net: &SimNet) {
        loop {
            let truth: BTreeSet<(B256, u32)> =
                net.truth().into_iter().map(|(block, log)| (block.hash, log.index)).collect();
            if self.tip == Some(net.head().height) && self.live == truth {
                return;
            }
            assert!(self.take().await, "the run is over");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn world() -> (SimNet, Arc<Counted>, Arc<Shared>) {
    let net = SimNet::new(SimConfig {
        chain: ChainId::new("sim:shared").unwrap(),
        operators: ["ann", "ben", "cleo"].map(|name| Slug::new(name).unwrap()).to_vec(),
        quorum: 2,
        genesis_secs: 1_700_000_000,
        block_secs: 12,
        start_height: 1,
        reorg_bound_blocks: 12,
        safe_depth_blocks: 2,
        final_depth_blocks: 5,
    });
    net.produce(1, 1);
    let counted = Arc::new(Counted {
        sim: SimObserver::new(net.clone()),
        begun: AtomicUsize::new(0),
        running: AtomicUsize::new(0),
        give_up: tokio::sync::Notify::new(),
    });
    let adapter: Arc<dyn Observe> = counted.clone();
    let shared = Arc::new(Shared::new(adapter));
    (net, counted, shared)
}

/// Waits until so many runs of the adapter are under way.
async fn running(counted: &Counted, count: usize) {
    let wait = async {
        while counted.running.load(Ordering::SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let runs = || counted.running.load(Ordering::SeqCst);
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "{} runs", runs());
}

#[tokio::test]
async fn groups_share_one_run_through_reorganisations_and_it_ends_with_the_last_of_them() {
    let (net, counted, shared) = world();
    let mut groups = [Group::begin(&shared, None), Group::begin(&shared, None), Group::begin(&shared, None)];
    for depth in [0, 1, 3, 7, 2] {
        net.produce(9, 2);
        for group in &mut groups {
            group.settle(&net).await;
        }
        if depth > 0 {
            assert!(net.reorg(depth, 2));
        }
        for group in &mut groups {
            group.settle(&net).await;
        }
    }
    assert_eq!(counted.begun.load(Ordering::SeqCst), 1, "watched once");
    running(&counted, 1).await;
    drop(groups);
    running(&counted, 0).await;
}

#[tokio::test]
async fn who_comes_later_catches_up_alone_and_then_joins() {
    let (net, counted, shared) = world();
    let mut first = Group::begin(&shared, None);
    // More than is kept for who joins.
    for _ in 0..budget::SHARED_PASSED + 5 {
        net.produce(1, 1);
        first.settle(&net).await;
    }
    let mut later = Group::begin(&shared, None);
    later.settle(&net).await;
    running(&counted, 1).await;
    assert_eq!(counted.begun.load(Ordering::SeqCst), 2);
    assert!(net.reorg(4, 1));
    first.settle(&net).await;
    later.settle(&net).await;
    // One that was stopped a moment ago goes on without a run of its own.
    let cursor = later.cursor.clone();
    let live = std::mem::take(&mut later.live);
    drop(later);
    for _ in 0..5 {
        net.produce(1, 1);
        first.settle(&net).await;
    }
    let mut again = Group::resume(&shared, cursor, live);
    again.settle(&net).await;
    assert_eq!(counted.begun.load(Ordering::SeqCst), 2);
    // Nor does one whose newest block left the chain meanwhile: what undoes it was passed on a moment ago.
    let (cursor, live) = (again.cursor.clone(), std::mem::take(&mut again.live));
    drop(again);
    assert!(net.reorg(3, 2));
    first.settle(&net).await;
    let mut orphan = Group::resume(&shared, cursor, live);
    orphan.settle(&net).await;
    assert_eq!(counted.begun.load(Ordering::SeqCst), 2);
    // Longer ago, it is undone by a run of its own.
    let (cursor, live) = (orphan.cursor.clone(), std::mem::take(&mut orphan.live));
    drop(orphan);
    assert!(net.reorg(3, 2));
    for _ in 0..budget::SHARED_PASSED + 5 {
        net.produce(1, 1);
        first.settle(&net).await;
    }
    let mut orphan = Group::resume(&shared, cursor, live);
    orphan.settle(&net).await;
    running(&counted, 1).await;
    assert_eq!(counted.begun.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_group_inside_a_large_batch_takes_only_what_lies_above_it() {
    let (net, counted, shared) = world();
    net.produce(10, 2);
    // A cursor in the middle of what one batch will bring.
    let mut early = Group::begin(&shared, None);
    early.settle(&net).await;
    let (middle, live) = (early.cursor.clone().unwrap(), early.live.clone());
    drop(early);
    running(&counted, 0).await;
    net.produce(10, 2);
    let mut first = Group::begin(&shared, None);
    first.settle(&net).await;
    let begun = counted.begun.load(Ordering::SeqCst);
    let mut second = Group::resume(&shared, Some(middle), live);
    second.settle(&net).await;
    assert_eq!(counted.begun.load(Ordering::SeqCst), begun, "no run of its own");
}

#[tokio::test]
async fn one_that_does_not_keep_up_holds_the_others_up_for_a_moment_and_loses_nothing() {
    let (net, counted, shared) = world();
    let (mut quick, mut slow) = (Group::begin(&shared, None), Group::begin(&shared, None));
    quick.settle(&net).await;
    slow.settle(&net).await;
    // The other is not read meanwhile: were it waited for, this would not end.
    for block in 0..60u64 {
        net.produce(1, 1);
        if block == 30 {
            assert!(net.reorg(3, 1));
        }
        quick.settle(&net).await;
    }
    slow.settle(&net).await;
    assert_eq!(counted.begun.load(Ordering::SeqCst), 2, "it goes on alone");
}

#[tokio::test]
async fn faults_are_told_to_who_joins_and_are_over_for_all() {
    let (net, counted, shared) = world();
    let mut first = Group::begin(&shared, None);
    first.settle(&net).await;
    let ben = Slug::new("ben").unwrap();
    assert!(net.behave(ben, Behaviour::LieAboutEvents));
    net.produce(1, 1);
    first.settle(&net).await;
    while !first.faults.contains_key(&Some(ben)) {
        assert!(first.take().await);
    }
    let mut second = Group::begin(&shared, first.cursor.clone());
    assert!(second.take().await);
    assert_eq!(second.faults, first.faults);
    net.heal();
    net.produce(2, 1);
    for group in [&mut first, &mut second] {
        while !group.faults.is_empty() {
            assert!(group.take().await);
        }
    }
    assert_eq!(counted.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn when_the_adapter_gives_up_all_are_told_and_can_begin_again() {
    let (net, counted, shared) = world();
    let mut groups = [Group::begin(&shared, None), Group::begin(&shared, None)];
    for group in &mut groups {
        group.settle(&net).await;
    }
    counted.give_up.notify_waiters();
    let mut cursors = Vec::new();
    for mut group in groups {
        while group.take().await {}
        let why = (&mut group.task).await.unwrap().unwrap_err().to_string();
        assert!(why.contains("it gives up"), "{why}");
        cursors.push((group.cursor.clone(), std::mem::take(&mut group.live)));
    }
    net.produce(3, 1);
    let again = cursors.into_iter().map(|(cursor, live)| Group::resume(&shared, cursor, live));
    for mut group in again.collect::<Vec<_>>() {
        group.settle(&net).await;
    }
    assert_eq!(counted.begun.load(Ordering::SeqCst), 2);
}
