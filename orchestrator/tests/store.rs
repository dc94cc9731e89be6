//! The record on a real Postgres: what commits, what is refused, what is read back.
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

use std::sync::Arc;
use std::time::Duration;

use portcullis::journal::Journal;
use portcullis::persist::Durable;
use portcullis::store::people::KillSwitchRow;
use portcullis::store::{
    Committed, LeaseState, LogEnd, LogName, LogRecord, Pool, Signed, Step, Store, StoreError, WriteSet,
    verify_chain,
};
use portcullis::telemetry::Status;
use portcullis_adapter::{Attempt, Class, Cursor};
use portcullis_core::log::{chain_head, encode_effects, encode_input};
use portcullis_core::{Body, ENGINE_VERSION, Effects, Engine, Input};
use portcullis_verifier::{ActionId, B256, BlockRef};
use sqlx::{Connection, PgConnection, Row};
use support::world::{config, home};
use support::{Database, log_name};

/// Steps of a fresh engine, as the loop makes them.
fn steps(from: LogEnd, bodies: Vec<Body>) -> Vec<Step> {
    let mut engine = Engine::new(config()).unwrap();
    let mut end = from;
    let mut steps = Vec::new();
    for body in bodies {
        let input = Input { at_ms: portcullis::telemetry::now_ms(), body };
        let effects: Effects = engine.step(&input);
        let encoded = encode_input(&input);
        let head = chain_head(end.head, end.next_seq, &encoded);
        let record = LogRecord {
            seq: end.next_seq,
            at_ms: input.at_ms,
            encoded,
            head,
            engine_version: ENGINE_VERSION,
            effects: encode_effects(&effects),
        };
        end = LogEnd { next_seq: end.next_seq + 1, head };
        steps.push(Step { record, input, effects });
    }
    steps
}

fn first_set() -> WriteSet {
    let mut set = WriteSet::new(log_name(), LogEnd::EMPTY);
    set.steps = steps(LogEnd::EMPTY, vec![Body::ConfigChanged(Box::new(config())), Body::Tick, Body::Tick]);
    set
}

fn cursor(height: u64) -> Cursor {
    let block = BlockRef { height, hash: B256::repeat_byte(9) };
    Cursor { chain: home(), recent: vec![block], undoable: Vec::new() }
}

fn attempt(nonce: u64) -> Signed {
    let attempt = Attempt {
        action: ActionId(B256::repeat_byte(1)),
        chain: home(),
        hash: B256::repeat_byte(u8::try_from(nonce + 10).unwrap()),
        bytes: vec![4, 5],
        sender: B256::repeat_byte(2),
        nonce,
        bump: 3,
        fee: u128::MAX,
    };
    Signed { attempt, at_ms: 77 }
}

async fn count(store: &Store, database: &Database, table: &str) -> i64 {
    drop(store.ping().await);
    let mut connection =
        <sqlx::PgConnection as sqlx::Connection>::connect_with(&database.cluster().connect_options())
            .await
            .unwrap();
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap().get(0)
}

async fn execute(database: &Database, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection =
        <sqlx::PgConnection as sqlx::Connection>::connect_with(&database.cluster().connect_options()).await?;
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.map(|_| ())
}

#[tokio::test]
async fn a_set_commits_whole_is_read_back_and_commits_only_once() {
    let database = Database::start().await;
    let (store, log) = (&database.store, log_name());
    store.prepare_partitions(portcullis::telemetry::now_ms()).await.unwrap();
    store.prepare_partitions(portcullis::telemetry::now_ms()).await.unwrap();
    assert_eq!(store.open_log(&log).await.unwrap(), LogEnd::EMPTY);
    let mut set = first_set();
    set.put_cursor(cursor(4));
    set.put_cursor(cursor(5));
    set.attempts.push(attempt(1));
    assert_eq!(store.commit(&set, Pool::Containment).await.unwrap(), Committed::Now);
    assert_eq!(
        store.commit(&set, Pool::General).await.unwrap(),
        Committed::Before,
        "the answer may get lost"
    );

    let records = store.log_records(&log).await.unwrap();
    assert_eq!(records, set.steps.iter().map(|step| step.record.clone()).collect::<Vec<_>>());
    assert_eq!(verify_chain(&log, LogEnd::EMPTY, &records).unwrap(), set.end());
    assert_eq!(store.open_log(&log).await.unwrap(), set.end());
    assert_eq!(store.cursors(&log).await.unwrap()[&home()], cursor(5));
    assert_eq!(store.attempts(ActionId(B256::repeat_byte(1))).await.unwrap(), vec![attempt(1).attempt]);
    assert_eq!(store.attempts(ActionId(B256::repeat_byte(8))).await.unwrap(), Vec::new());
    assert_eq!(store.logs().await.unwrap(), vec![(log, set.end())]);
    let replayed = portcullis_core::log::replay(records.into_iter().map(Into::into));
    assert!(matches!(replayed, portcullis_core::log::ReplayReport::Equal { records: 3, .. }), "{replayed:?}");
}

#[tokio::test]
async fn two_writers_can_never_both_append() {
    let database = Database::start().await;
    let (store, log) = (&database.store, log_name());
    store.open_log(&log).await.unwrap();
    let first = first_set();
    store.commit(&first, Pool::General).await.unwrap();

    let mut rival = WriteSet::new(log, LogEnd::EMPTY);
    rival.steps = steps(LogEnd::EMPTY, vec![Body::ConfigChanged(Box::new(config()))]);
    rival.steps[0].record.at_ms += 1;
    rival.steps[0].input.at_ms += 1;
    rival.steps[0].record.encoded = encode_input(&rival.steps[0].input);
    rival.steps[0].record.head = chain_head(B256::ZERO, 0, &rival.steps[0].record.encoded);
    rival.put_cursor(cursor(9));
    rival.attempts.push(attempt(9));
    let refused = store.commit(&rival, Pool::General).await.unwrap_err();
    assert!(matches!(refused, StoreError::EndMoved { expected: 0, .. }), "{refused}");
    assert_eq!(refused.class(), Class::Permanent);
    assert!(store.cursors(&log).await.unwrap().is_empty(), "nothing of the refused set is there");
    assert_eq!(count(store, &database, "attempts").await, 0);

    let mut next = WriteSet::new(log, first.end());
    next.steps = steps(first.end(), vec![Body::Tick]);
    store.commit(&next, Pool::General).await.unwrap();
    assert_eq!(store.open_log(&log).await.unwrap().next_seq, 4);
}

#[tokio::test]
async fn a_journal_that_was_overtaken_is_kept_aside_and_its_attempts_are_not_lost() {
    let database = Database::start().await;
    let (store, log) = (&database.store, log_name());
    store.open_log(&log).await.unwrap();
    // This process had written its own first records into its journal when it was cut off.
    let mut cut_off = WriteSet::new(log, LogEnd::EMPTY);
    cut_off.steps = steps(LogEnd::EMPTY, vec![Body::ConfigChanged(Box::new(config())), Body::Tick]);
    cut_off.attempts.push(attempt(3));
    let folder = database.folder.path().join("data");
    let path = folder.join("journal/g.main.journal");
    Journal::open(&path).unwrap().0.append(&cut_off.encode().unwrap()).unwrap();
    // Meanwhile another one went on.
    std::thread::sleep(Duration::from_millis(2));
    store.commit(&first_set(), Pool::General).await.unwrap();

    let status = Arc::new(Status::default());
    let durable = Durable::open(
        store.clone(),
        log,
        "me".into(),
        &folder,
        Arc::clone(&status),
        portcullis::notify::Pager::default(),
    )
    .unwrap();
    assert_eq!(durable.pending(), 1);
    assert!(durable.reconcile_one().await.unwrap());
    assert!(!durable.reconcile_one().await.unwrap());
    assert!(durable.overtaken().is_cancelled(), "the group has to start from what is there");
    assert_eq!(count(store, &database, "log_forks").await, 2);
    assert_eq!(store.attempts(ActionId(B256::repeat_byte(1))).await.unwrap(), vec![attempt(3).attempt]);
    assert_eq!(store.open_log(&log).await.unwrap().next_seq, 3, "the log is as the other left it");
    assert!(Journal::open(&path).unwrap().1.records.is_empty());
}

#[tokio::test]
async fn a_set_survives_the_journals_encoding_and_a_changed_one_is_refused() {
    let mut set = first_set();
    set.put_cursor(cursor(4));
    set.attempts.push(attempt(1));
    let bytes = set.encode().unwrap();
    assert_eq!(WriteSet::decode(&bytes).unwrap(), set);
    assert!(matches!(WriteSet::decode(&bytes[..bytes.len() - 1]), Err(StoreError::Unreadable { .. })));
    let mut other = bytes.clone();
    other[0] = 9;
    assert!(matches!(WriteSet::decode(&other), Err(StoreError::Unreadable { .. })));
}

#[tokio::test]
async fn the_log_is_append_only_and_a_changed_byte_is_found() {
    let database = Database::start().await;
    let (store, log) = (&database.store, log_name());
    store.open_log(&log).await.unwrap();
    store.commit(&first_set(), Pool::General).await.unwrap();
    for sql in [
        "UPDATE input_log SET kind = 'x'",
        "DELETE FROM input_log WHERE seq = 1",
        "TRUNCATE input_log",
        "DELETE FROM input_log_default",
    ] {
        let refused = execute(&database, sql).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
    // Whoever owns the table can take the guard away. Then the chain of hashes tells.
    execute(&database, "ALTER TABLE input_log DISABLE TRIGGER USER").await.unwrap();
    execute(&database, "ALTER TABLE input_log_default DISABLE TRIGGER USER").await.unwrap();
    let flip = "UPDATE input_log SET encoded = set_byte(encoded, 9, get_byte(encoded, 9) # 1) WHERE seq = 1";
    execute(&database, flip).await.unwrap();
    let records = store.log_records(&log).await.unwrap();
    let broken = verify_chain(&log, LogEnd::EMPTY, &records).unwrap_err();
    assert!(matches!(broken, StoreError::Broken { seq: 1, .. }), "{broken}");
    assert_eq!(broken.class(), Class::Untrusted);
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_runs_out_or_is_given_back() {
    let database = Database::start().await;
    let (store, log) = (&database.store, log_name());
    let long = Duration::from_secs(60);
    let first = store.take_lease(&log, "one", long).await.unwrap().unwrap();
    assert_eq!(store.take_lease(&log, "two", long).await.unwrap(), None);
    assert_eq!(
        store.take_lease(&log, "one", long).await.unwrap().unwrap().epoch,
        first.epoch,
        "its own restart"
    );
    assert_eq!(store.lease_state(&log, "one").await.unwrap(), LeaseState::Free, "its own");
    assert!(matches!(store.lease_state(&log, "two").await.unwrap(), LeaseState::Held(left) if left <= long));
    let other = LogName { group: log.group, replica: support::slug("other") };
    let renewed = store.renew_leases(&[log, other], "one", Duration::ZERO).await.unwrap();
    assert_eq!(renewed, [log].into(), "what is not held is not renewed");
    assert_eq!(store.lease_state(&log, "two").await.unwrap(), LeaseState::RunOut);
    let second = store.take_lease(&log, "two", long).await.unwrap().unwrap();
    assert_eq!(second.epoch, first.epoch + 1);
    assert!(store.renew_leases(&[log], "one", long).await.unwrap().is_empty(), "the first has lost it");
    store.release_lease(&first).await.unwrap();
    assert_eq!(
        store.take_lease(&log, "one", long).await.unwrap(),
        None,
        "giving back what is not held changes nothing"
    );
    store.release_lease(&second).await.unwrap();
    assert!(store.take_lease(&log, "one", long).await.unwrap().is_some());
}

#[tokio::test]
async fn kill_switches_have_three_forms() {
    let database = Database::start().await;
    let store = &database.store;
    let row =
        |scope: &str| KillSwitchRow { scope: scope.into(), set_by: "ann".into(), reason: "drill\0".into() };
    for scope in ["all", "chain/test:1", "playbook/halt"] {
        store.set_kill_switch(&row(scope)).await.unwrap();
        store.set_kill_switch(&row(scope)).await.unwrap();
    }
    assert!(matches!(store.set_kill_switch(&row("everything")).await, Err(StoreError::Refused { .. })));
    assert_eq!(store.kill_switches().await.unwrap().len(), 3);
    assert!(store.lift_kill_switch("all").await.unwrap());
    assert!(!store.lift_kill_switch("all").await.unwrap());
}

#[tokio::test]
async fn a_database_that_is_gone_is_transient() {
    let database = Database::start().await;
    let store = database.store.clone();
    store.open_log(&log_name()).await.unwrap();
    drop(database);
    let gone = store.commit(&first_set(), Pool::General).await.unwrap_err();
    assert_eq!(gone.class(), Class::Transient, "{gone:?}");
}

#[tokio::test]
async fn a_private_server_is_taken_over_and_survives_a_stale_pid() {
    let database = Database::start().await;
    let place = database.folder.path().join("pg");
    let pid = support::postmaster_pid(&database.data()).unwrap();
    // The service was killed: its server goes on, and the next start takes it over.
    let again = portcullis::store::cluster::Cluster::start(&place).await.unwrap();
    assert_eq!(support::postmaster_pid(&database.data()).unwrap(), pid);
    assert!(Store::connect(again.connect_options()).await.unwrap().ping().await.is_ok());
    again.stop().await.unwrap();
    support::until("the keeper of the first handle starts it again", || async {
        support::postmaster_pid(&database.data()).is_some_and(|now| now != pid)
    })
    .await;
    drop(database);
}

#[tokio::test]
async fn a_pid_that_belongs_to_something_else_does_not_keep_the_server_down() {
    let database = Database::start().await;
    let place = database.folder.path().join("pg");
    let mut database = database;
    database.cluster.take().unwrap().stop().await.unwrap();
    // This very test runs under that number.
    for file in ["data/postmaster.pid", "socket/.s.PGSQL.5432.lock"] {
        std::fs::write(place.join(file), format!("{}\n", std::process::id())).unwrap();
    }
    let cluster = portcullis::store::cluster::Cluster::start(&place).await.unwrap();
    database.cluster = Some(cluster);
    assert!(Store::connect(database.cluster().connect_options()).await.unwrap().ping().await.is_ok());
}

#[tokio::test]
async fn what_is_left_of_a_killed_server_only_delays_the_next() {
    let mut database = Database::start().await;
    let place = database.folder.path().join("pg");
    let options = database.cluster().connect_options();
    let mut busy = PgConnection::connect_with(&options).await.unwrap();
    // A backend in the midst of work does not notice that its server is gone, and holds its memory.
    let work = tokio::spawn(async move {
        sqlx::query("SELECT count(*) FROM generate_series(1, 4000000)").execute(&mut busy).await
    });
    let mut other = PgConnection::connect_with(&options).await.unwrap();
    let at_work = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND state = 'active' \
                   AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(at_work).fetch_one(&mut other).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = support::postmaster_pid(&database.data()).unwrap();
    database.cluster.take().unwrap().abandon();
    let _sent = std::process::Command::new("kill").args(["-KILL", &pid]).status();
    let cluster = portcullis::store::cluster::Cluster::start(&place).await.unwrap();
    assert!(!cluster.taken_over());
    database.cluster = Some(cluster);
    assert!(Store::connect(database.cluster().connect_options()).await.unwrap().ping().await.is_ok());
    // Whether its last answer still got out does not matter.
    drop(work.await);
}
