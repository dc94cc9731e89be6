//! The configuration changed while the service runs.
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

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use portcullis::service::Change;
use portcullis::store::Store;
use portcullis::store::schema::Schema;
use portcullis_core::Body;
use portcullis_core::config::Mode;
use portcullis_core::log::decode_input;
use support::harness::{assert_rows_cover_bytes, both_effective, incident, mine_until, over, start};
use support::world::{World, away, home};
use support::{Database, log_name, until};

async fn bodies(store: &Store) -> Vec<Body> {
    let records = store.log_records(&log_name()).await.unwrap();
    records.iter().map(|record| decode_input(&record.encoded).unwrap().1.body).collect()
}

async fn changes(store: &Store) -> usize {
    bodies(store).await.iter().filter(|body| matches!(body, Body::ConfigChanged(_))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_an_input_of_the_log_takes_effect_and_costs_no_observation() {
    let database = Database::start().await;
    let world = World::new();
    let mut wired = world.wired();
    let mut targets = wired.groups[0].engine_config.targets.clone();
    targets.iter_mut().for_each(|target| target.mode = Mode::Observe);
    wired.groups[0].engine_config.targets = targets;
    let service = start(&world, &database);
    service.running().await;
    // First to a configuration that watches only …
    service.changes.send(Change { wired, operate: world.operate() }).await.unwrap();
    until("the change is logged", || async { changes(&database.store).await == 2 }).await;
    service.running().await;
    let busy = tokio::spawn({
        let world = world.clone();
        async move {
            for n in 100..250 {
                world.burn(n, 10);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    // … then, with traffic, to one that may halt.
    let change = Change { wired: world.wired(), operate: world.operate() };
    service.changes.send(change).await.unwrap();
    until("the change is logged", || async { changes(&database.store).await == 3 }).await;
    busy.await.unwrap();
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    let wanted = world.events();
    until("every event is in the log", || async {
        let seen = |body: &Body| match body {
            Body::Observed(observation) => Some(observation.id()),
            _ => None,
        };
        let found: BTreeSet<_> = bodies(&database.store).await.iter().filter_map(seen).collect();
        wanted.is_subset(&found)
    })
    .await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_the_middle_of_a_containment_does_not_lose_it() {
    let database = Database::start().await;
    let world = World::new();
    world.refuse(away(), true);
    let service = start(&world, &database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "the home gate closes", || world.is_closed(home())).await;
    until("the other is tried", || async { world.received_on(away()) >= 1 }).await;
    let mut wired = world.wired();
    wired.groups[0].engine_config.rules.flow_hold_bps -= 1;
    service.changes.send(Change { wired, operate: world.operate() }).await.unwrap();
    until("the change is logged", || async { changes(&database.store).await == 2 }).await;
    world.refuse(away(), false);
    mine_until(&world, "the other gate closes", || world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}

/// The real program, ended with the test.
struct Program {
    child: std::process::Child,
    address: String,
}

impl Program {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        for variable in ["DATABASE_URL", "PORTCULLIS_CONFIG", "PORTCULLIS_LOG"] {
            command.env_remove(variable);
        }
        command.args(["run", "--json", "--config"]).arg(config);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { child, address: listening["listening"].as_str().unwrap().to_owned() }
    }

    /// What `/healthz` says.
    fn health(&self) -> String {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return String::new() };
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _read = stream.read_to_string(&mut answer);
        answer
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gracefully, so that its private Postgres ends with it.
        self.signal("-TERM");
        let _ended = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_followed_and_a_bad_one_changes_nothing_and_says_why() {
    let folder = support::open_folder();
    let file = folder.path().join("portcullis.toml");
    let example = include_str!("../../docs/examples/portcullis.toml");
    let good = example.replace("127.0.0.1:7420", "127.0.0.1:0");
    std::fs::write(&file, &good).unwrap();
    let program = Program::start(&file);
    let socket = folder.path().join("portcullis-data/postgres/socket");
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(5432)
        .username("portcullis")
        .database("portcullis");
    let store = Store::connect(options).await.unwrap();
    // The API answers before the record can be read.
    until("the schema is there", || async { matches!(store.schema().await, Ok(Schema::Current)) }).await;
    let log = portcullis::store::LogName { group: support::slug("example"), replica: support::slug("main") };
    let changes = || async {
        // The database answers a moment before the service has made its tables.
        let Ok(records) = store.log_records(&log).await else { return 0 };
        let body = |encoded: &[u8]| decode_input(encoded).unwrap().1.body;
        records.iter().filter(|record| matches!(body(&record.encoded), Body::ConfigChanged(_))).count()
    };
    until("it runs", || async { changes().await == 1 }).await;
    let says = |what: &'static str| {
        let program = &program;
        async move { until(what, || async { program.health().contains(what) }).await }
    };
    std::fs::write(&file, good.replace("flow_hold_bps", "flow_hold_pbs")).unwrap();
    says("PC-0262").await;
    std::fs::write(&file, good.replace("flow_hold_bps = 2_500", "flow_hold_bps = 9_000")).unwrap();
    says("PC-0264").await;
    std::fs::write(&file, good.replace("[store]", "[store]\ndatabase_url_file = \"portcullis.toml\""))
        .unwrap();
    program.signal("-HUP");
    says("PC-0263").await;
    assert_eq!(changes().await, 1, "none of them changed anything");
    std::fs::write(&file, good.replace("flow_hold_bps = 2_500", "flow_hold_bps = 2_400")).unwrap();
    until("the good one is taken", || async { changes().await == 2 }).await;
    until("and nothing is said any more", || async { !program.health().contains("PC-026") }).await;
}
