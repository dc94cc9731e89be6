//! People are told, whatever the other side does: down, slow, refusing, and then there.
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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use portcullis::notify::{Heartbeat, Notifier, NotifyConfig, Pager, Severity, Webhook, signature};
use portcullis::store::Store;
use portcullis::telemetry::Status;
use serde_json::Value;
use support::harness::{Service, both_effective, data_dir, incident, mine_until, start};
use support::proxy::Door;
use support::world::{World, away, home};
use support::{Database, slug, until};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "0123456789abcdef";

/// The other side: keeps what it confirmed, by key.
#[derive(Clone, Default)]
struct Ear {
    mood: Arc<Mutex<Mood>>,
    /// Everything that arrived, confirmed or not.
    heard: Arc<AtomicUsize>,
    confirmed: Arc<Mutex<Vec<(String, Value)>>>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Good,
    Refuses,
    /// Takes longer than anybody waits.
    Slow,
    /// Takes it, and says that it did not.
    Forgets,
}

impl Ear {
    fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn listen(&self, address: &str) -> (std::net::SocketAddr, CancellationToken) {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new().route("/", post(hear)).with_state(self.clone());
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        (address, stop)
    }

    fn keys(&self) -> Vec<String> {
        self.confirmed.lock().unwrap().iter().map(|(key, _)| key.clone()).collect()
    }

    fn kinds(&self) -> BTreeSet<String> {
        let confirmed = self.confirmed.lock().unwrap();
        confirmed.iter().map(|(_, body)| body["kind"].as_str().unwrap().to_owned()).collect()
    }
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    ear.heard.fetch_add(1, Ordering::SeqCst);
    let mood = *ear.mood.lock().unwrap();
    match mood {
        Mood::Refuses => return StatusCode::INTERNAL_SERVER_ERROR,
        Mood::Slow => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            return StatusCode::OK;
        }
        Mood::Good | Mood::Forgets => {}
    }
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let signed = text("portcullis-signature");
    let at_secs = signed.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
    assert_eq!(signature(SECRET, at_secs, &body), signed);
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["key"], text("idempotency-key"));
    ear.confirmed.lock().unwrap().push((text("idempotency-key"), value));
    if mood == Mood::Forgets { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
}

fn hook(name: &str, address: std::net::SocketAddr, least: Severity) -> Webhook {
    let url = format!("http://{address}/").parse().unwrap();
    Webhook { id: slug(name), url, secret: SECRET.to_owned().into(), least }
}

/// A notifier, with the pager of its direct way.
fn notifier(store: &Store, webhooks: Vec<Webhook>, status: Arc<Status>) -> (Pager, CancellationToken) {
    let (pager, direct) = Pager::new();
    let stop = CancellationToken::new();
    let config = NotifyConfig { webhooks, heartbeat: None };
    let notifier = Notifier { config, store: store.clone(), direct, status };
    tokio::spawn(notifier.run(stop.clone()));
    (pager, stop)
}

async fn attack(world: &World, database: &Database) {
    world.steal(2, 2_000_000);
    mine_until(world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, world, id).await;
}

async fn all_confirmed(database: &Database) {
    until("all is confirmed", || async { database.store.undelivered().await.unwrap() == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn down_refusing_forgetting_and_then_there_nothing_is_lost() {
    let database = Database::start().await;
    let world = World::new();
    let ear = Ear::default();
    // An address at which nobody listens yet.
    let (address, gone) = ear.listen("127.0.0.1:0").await;
    gone.cancel();
    let pages = Ear::default();
    let (pager_address, _stays) = pages.listen("127.0.0.1:0").await;
    let hooks = vec![hook("all", address, Severity::Notify), hook("pager", pager_address, Severity::Page)];
    let (_pager, stop) = notifier(&database.store, hooks, Arc::default());
    until("webhooks are registered", || async {
        database.execute("DO $$ BEGIN ASSERT (SELECT count(*) = 2 FROM webhooks); END $$").await.is_ok()
    })
    .await;
    let service = start(&world, &database);
    service.running().await;
    attack(&world, &database).await;
    until("the pager has heard of the decision", || async { pages.kinds().contains("decision") }).await;
    assert!(ear.keys().is_empty() && database.store.undelivered().await.unwrap() > 0);

    ear.mood(Mood::Refuses);
    let (_, _stays_too) = ear.listen(&address.to_string()).await;
    until("it refuses", || async { ear.heard.load(Ordering::SeqCst) > 0 }).await;
    assert!(ear.keys().is_empty());
    ear.mood(Mood::Forgets);
    until("it takes one and says that it did not", || async { !ear.keys().is_empty() }).await;
    ear.mood(Mood::Good);
    all_confirmed(&database).await;
    service.end().await;
    stop.cancel();

    // Sent twice only under one key, and then as the same document.
    let mut bodies: BTreeMap<String, Value> = BTreeMap::new();
    for (key, body) in ear.confirmed.lock().unwrap().iter() {
        assert_eq!(bodies.entry(key.clone()).or_insert_with(|| body.clone()), body);
    }
    let kinds = ear.kinds();
    for kind in ["incident_opened", "decision", "effective"] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    assert!(pages.confirmed.lock().unwrap().iter().all(|(_, body)| body["severity"] == "page"));
    // The head in each message is in the log.
    let records = database.store.log_records(&support::log_name()).await.unwrap();
    for body in bodies.values() {
        let head = body["record"].as_str().unwrap();
        assert!(records.iter().any(|record| record.head.to_string() == head), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_slow_keeps_no_other_waiting_and_no_containment() {
    let database = Database::start().await;
    let world = World::new();
    let (slow, good) = (Ear::default(), Ear::default());
    slow.mood(Mood::Slow);
    let (slow_at, _one) = slow.listen("127.0.0.1:0").await;
    let (good_at, _two) = good.listen("127.0.0.1:0").await;
    let hooks = vec![hook("slow", slow_at, Severity::Notify), hook("good", good_at, Severity::Notify)];
    let (_pager, stop) = notifier(&database.store, hooks, Arc::default());
    until("webhooks are registered", || async {
        database.execute("DO $$ BEGIN ASSERT (SELECT count(*) = 2 FROM webhooks); END $$").await.is_ok()
    })
    .await;
    let service = start(&world, &database);
    service.running().await;
    attack(&world, &database).await;
    until("the other hears", || async { good.kinds().contains("effective") }).await;
    assert!(slow.keys().is_empty());
    service.end().await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_out_while_the_database_is_away_and_again_under_the_same_key() {
    let database = Database::start().await;
    let world = World::new();
    let ear = Ear::default();
    let (address, _stays) = ear.listen("127.0.0.1:0").await;
    let door = Door::before(database.cluster().socket_folder());
    let behind = Store::connect(door.options()).await.unwrap();
    let hooks = vec![hook("pager", address, Severity::Page)];
    let (pager, stop) = notifier(&behind, hooks, Arc::default());
    until("the webhook is registered", || async {
        database.execute("DO $$ BEGIN ASSERT (SELECT count(*) = 1 FROM webhooks); END $$").await.is_ok()
    })
    .await;
    let service = Service::paged(&world, door.options(), data_dir(&database), pager);
    service.running().await;
    door.cut();
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    until("a person is paged", || async { ear.kinds().contains("decision") }).await;
    assert!(database.store.incidents(None, 10).await.unwrap().is_empty(), "the database knows nothing yet");
    let direct = ear.keys();
    door.open();
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    all_confirmed(&database).await;
    let keys: BTreeSet<String> = direct.into_iter().map(|key| format!("'{key}'")).collect();
    let count = keys.len();
    let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
    let stored = format!(
        "DO $$ BEGIN ASSERT (SELECT count(*) = {count} FROM notifications WHERE key IN ({keys})); END $$"
    );
    database.execute(&stored).await.unwrap();
    service.end().await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeat_beats_while_groups_are_worked_on_and_falls_silent_otherwise() {
    let database = Database::start().await;
    let beats = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&beats);
    let count = move || {
        let counted = Arc::clone(&counted);
        async move {
            let _before = counted.fetch_add(1, Ordering::SeqCst);
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(count))).await });
    let status = Arc::new(Status::default());
    let config = NotifyConfig { webhooks: Vec::new(), heartbeat: Some(Heartbeat { url, every_secs: 1 }) };
    let (_pager, direct) = Pager::new();
    let stop = CancellationToken::new();
    let notifier = Notifier { config, store: database.store.clone(), direct, status: Arc::clone(&status) };
    let running = tokio::spawn(notifier.run(stop.clone()));
    status.group(slug("g"), |group| group.phase = portcullis::telemetry::Phase::Running);
    until("it beats twice", || async { beats.load(Ordering::SeqCst) >= 2 }).await;
    status.group(slug("g"), |group| group.phase = portcullis::telemetry::Phase::Failed);
    // One may be under way.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let then = beats.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(beats.load(Ordering::SeqCst), then, "silence is the alarm");
    stop.cancel();
    running.await.unwrap().unwrap();
}
