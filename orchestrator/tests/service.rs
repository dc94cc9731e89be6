//! The service around real engines and a real Postgres, on two chains that the test mines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::service::{self, Options};
use portcullis::store::Store;
use portcullis::telemetry::{Phase, Status};
use portcullis_core::Command;
use portcullis_core::log::{ReplayReport, replay};
use portcullis_verifier::{GroupId, IncidentId};
use sqlx::postgres::PgConnectOptions;
use support::world::{World, away, home};
use support::{Database, log_name, slug, until};
use tokio_util::sync::CancellationToken;

/// The service on a runtime of its own, so that it can be killed with everything that it started.
struct Service {
    runtime: Option<tokio::runtime::Runtime>,
    stop: CancellationToken,
    status: Arc<Status>,
    commands: tokio::sync::mpsc::Sender<(GroupId, Command)>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Service {
    fn start(world: &World, options: PgConnectOptions, data_dir: PathBuf) -> Self {
        Self::named(world, options, data_dir, "main")
    }

    fn named(world: &World, database: PgConnectOptions, data_dir: PathBuf, replica: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, status) = (CancellationToken::new(), Arc::new(Status::default()));
        let (commands, far) = service::commands();
        let (wired, replica) = (world.wired(), slug(replica));
        let options =
            Options { data_dir, replica, stop: stop.clone(), status: Arc::clone(&status), commands: far };
        let task = runtime.spawn(async move {
            let store = Store::connect(database).await.unwrap();
            service::run(wired, store, options).await.unwrap();
        });
        Self { runtime: Some(runtime), stop, status, commands, task: Some(task) }
    }

    fn phase(&self) -> Phase {
        self.status.snapshot().groups.get(&slug("g")).map(|group| group.phase).unwrap_or_default()
    }

    async fn running(&self) {
        until("the group runs", || async { self.phase() == Phase::Running }).await;
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.task.take().unwrap().await.unwrap();
        self.runtime.take().unwrap().shutdown_background();
    }

    /// Every task ends where it stands, as under kill -9.
    async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        let ended = move || runtime.shutdown_timeout(Duration::from_secs(5));
        tokio::task::spawn_blocking(ended).await.unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn data_dir(database: &Database) -> PathBuf {
    database.folder.path().join("data")
}

fn start(world: &World, database: &Database) -> Service {
    Service::start(world, database.cluster().connect_options(), data_dir(database))
}

/// Lets blocks come until a condition holds.
async fn mine_until(world: &World, what: &str, condition: impl Fn() -> bool) {
    until(what, || {
        let done = condition();
        if !done {
            world.mine_both();
        }
        async move {
            tokio::time::sleep(Duration::from_millis(40)).await;
            done
        }
    })
    .await;
}

async fn incident(store: &Store) -> IncidentId {
    let halts =
        |rows: Vec<_>| rows.iter().any(|row: &portcullis::store::read::IncidentRow| row.class == "halt");
    until("an incident is on record", || async { store.incidents(None, 10).await.is_ok_and(halts) }).await;
    let mut rows = store.incidents(None, 10).await.unwrap();
    // A cause that an outsider can provoke makes an incident of its own, which only notifies.
    rows.retain(|row| row.class == "halt");
    assert_eq!(rows.len(), 1, "one attack, one incident to halt for: {rows:?}");
    IncidentId(rows[0].incident_id.as_slice().try_into().unwrap())
}

async fn states(store: &Store, incident: IncidentId) -> Vec<(String, String)> {
    store.actions(incident).await.unwrap().into_iter().map(|row| (row.chain, row.state)).collect()
}

async fn both_effective(store: &Store, world: &World, id: IncidentId) {
    until("both gates are proven closed", || async {
        let states = states(store, id).await;
        let done = [home(), away()]
            .iter()
            .all(|chain| states.iter().any(|(c, s)| c == chain.as_str() && s == "effective"));
        if !done {
            world.mine_both();
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        done
    })
    .await;
}

async fn assert_replays(store: &Store) {
    let records = store.log_records(&log_name()).await.unwrap();
    let report = replay(records.into_iter().map(Into::into));
    assert!(matches!(report, ReplayReport::Equal { .. }), "{report:?}");
}

/// Row before bytes: whatever reached an endpoint lies in the table of attempts.
async fn assert_rows_cover_bytes(store: &Store, world: &World) {
    for attempt in world.received() {
        let rows = store.attempts(attempt.action).await.unwrap();
        assert!(rows.contains(&attempt), "bytes without a row: {attempt:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_closes_both_sides_and_everything_is_on_record() {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    world.burn(1, 500);
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;

    let decisions = database.store.decisions(id).await.unwrap();
    for attempt in world.received() {
        let record = support::world::Trip::of(&attempt).record;
        assert!(
            decisions.iter().any(|d| d.record == record.as_slice()),
            "every trip carries a decision's record"
        );
    }
    until("every step stands in the timeline", || async {
        let lines = database.store.timeline(Some(id), 0, 1_000).await.unwrap();
        ["observe", "verify", "correlate", "decide", "contain", "confirm"]
            .iter()
            .all(|verb| lines.iter().any(|line| line.step == *verb))
    })
    .await;
    let evidence = database.store.incident_evidence(id).await.unwrap();
    assert!(evidence.iter().any(|row| row.outcome == "proven" && row.size == 1), "{evidence:?}");
    until("attempts are known to be in a block", || async {
        database.store.incident_attempts(id).await.unwrap().iter().any(|row| row.state == "included")
    })
    .await;
    let gates = database.store.gates().await.unwrap();
    assert_eq!(gates.len(), 2);
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_traffic_moves_nothing() {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    world.burn(1, 2_000_000);
    for _ in 0..5 {
        world.mine_both();
    }
    until("the burn is consumed", || async { service.status.snapshot().groups[&slug("g")].next_seq > 10 })
        .await;
    service.end().await;
    assert!(world.received().is_empty());
    assert!(database.store.incidents(None, 10).await.unwrap().is_empty());
    assert_replays(&database.store).await;
}

/// Kills the service when a hook fires for the n-th time, starts it again, and expects the same end.
async fn killed_at(step: &'static str, nth: usize) {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    let fired = Arc::new(AtomicUsize::new(0));
    let hook = {
        let fired = Arc::clone(&fired);
        move |_: &portcullis_adapter::Attempt| {
            if fired.fetch_add(1, Ordering::SeqCst) + 1 >= nth {
                // Holds the task where it stands until the runtime is gone.
                std::thread::sleep(Duration::from_millis(300));
            }
        }
    };
    match step {
        "sign" => world.on_sign(hook),
        _ => world.on_broadcast(hook),
    }
    world.steal(2, 2_000_000);
    until("the step is reached", || async { fired.load(Ordering::SeqCst) >= nth }).await;
    service.kill().await;
    world.on_sign(|_| {});
    world.on_broadcast(|_| {});

    let service = start(&world, &database);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_signing_it_finishes_after_the_restart() {
    killed_at("sign", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_sending_the_second_chain_it_finishes_after_the_restart() {
    killed_at("broadcast", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_effect_it_neither_sends_again_nor_forgets() {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    service.kill().await;
    let sent = world.received().len();
    let service = start(&world, &database);
    service.running().await;
    mine_until(&world, "the effect is final", || {
        service.status.snapshot().groups[&slug("g")].actions_open == 0
    })
    .await;
    assert_eq!(world.received().len(), sent, "what is in effect is not sent again");
    incident(&database.store).await;
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_dies_between_decision_and_commit_and_containment_goes_on() {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    let data = database.data();
    let once = AtomicUsize::new(0);
    world.on_sign(move |_| {
        if once.fetch_add(1, Ordering::SeqCst) == 0 {
            support::crash(&data);
        }
    });
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let journal = journal_of(&data_dir(&database));
    assert!(journal.exists());
    // The keeper starts the server again; the journal is brought in.
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    until("the journal is empty", || async { std::fs::metadata(&journal).unwrap().len() == 8 }).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    service.end().await;
    assert_replays(&database.store).await;
}

fn journal_of(data_dir: &Path) -> PathBuf {
    data_dir.join("journal/g.main.journal")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_decisions_in_the_journal_only_it_takes_them_up() {
    let mut database = Database::start().await;
    let options = database.cluster().connect_options();
    // Nobody starts this server again until the test does.
    database.cluster.take().unwrap().abandon();
    let world = World::new();
    let service = Service::start(&world, options.clone(), data_dir(&database));
    service.running().await;
    let data = database.data();
    let once = AtomicUsize::new(0);
    world.on_sign(move |_| {
        if once.fetch_add(1, Ordering::SeqCst) == 0 {
            support::crash(&data);
        }
    });
    world.steal(2, 2_000_000);
    until("the attempts are sent", || async { !world.received().is_empty() }).await;
    service.kill().await;
    let sent = world.received();
    let place = database.folder.path().join("pg");
    database.cluster = Some(portcullis::store::cluster::Cluster::start(&place).await.unwrap());
    let service = Service::start(&world, options, data_dir(&database));
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert!(world.received().len() >= sent.len());
    assert_rows_cover_bytes(&database.store, &world).await;
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_that_removes_the_pause_is_contained_again() {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    // The pause on the other chain goes; the theft stays.
    let depth = {
        let mut depth = 1;
        while world.is_closed(away()) && depth < 5 {
            world.reorg(away(), depth);
            depth += 1;
        }
        depth
    };
    assert!(!world.is_closed(away()), "gone after {depth} reorganisations");
    mine_until(&world, "the other gate closes again", || world.is_closed(away())).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_switch_holds_one_chain_back_until_it_is_lifted() {
    let database = Database::start().await;
    let world = World::new();
    let switch = data_dir(&database).join("kill").join("chain-test_2");
    std::fs::create_dir_all(switch.parent().unwrap()).unwrap();
    std::fs::write(&switch, "drill").unwrap();
    let service = start(&world, &database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "the home gate closes", || world.is_closed(home())).await;
    let id = incident(&database.store).await;
    until("the other action is stopped", || async {
        states(&database.store, id).await.contains(&("test:2".into(), "stopped".into()))
    })
    .await;
    assert_eq!(world.received_on(away()), 0, "nothing was sent under the switch");
    std::fs::remove_file(&switch).unwrap();
    mine_until(&world, "the other gate closes", || world.is_closed(away())).await;
    both_effective(&database.store, &world, id).await;
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_is_tried_again_until_a_person_says_stop() {
    let database = Database::start().await;
    let world = World::new();
    world.refuse(away(), true);
    let service = start(&world, &database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "the home gate closes", || world.is_closed(home())).await;
    until("the other is tried more than once", || async { world.received_on(away()) >= 2 }).await;
    assert!(world.is_closed(home()), "nothing undoes the one because the other failed");
    let id = incident(&database.store).await;
    let rows = database.store.actions(id).await.unwrap();
    let action = rows.iter().find(|row| row.chain == "test:2").unwrap();
    let action = portcullis_verifier::ActionId(action.action_id.as_slice().try_into().unwrap());
    let stop = Command::Stop { action, by: slug("ann"), reason: "closed by hand".into() };
    service.commands.send((slug("g"), stop)).await.unwrap();
    until("it is stopped", || async {
        states(&database.store, id).await.contains(&("test:2".into(), "stopped".into()))
    })
    .await;
    let sent = world.received_on(away());
    world.mine_both();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.received_on(away()), sent, "stopped means stopped");
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_works_and_the_other_takes_over() {
    let database = Database::start().await;
    let world = World::new();
    let first = start(&world, &database);
    first.running().await;
    let second =
        Service::start(&world, database.cluster().connect_options(), database.folder.path().join("other"));
    until("the second stands by", || async { second.phase() == Phase::Standby }).await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    first.end().await;
    second.running().await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    second.end().await;
    assert_replays(&database.store).await;
}
