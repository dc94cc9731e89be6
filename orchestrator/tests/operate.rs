//! Operating a running service: commands through the database, drills, canaries, budgets, a jammed account.
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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis::budget;
use portcullis::contain::purse::Allowance;
use portcullis::operate::Operate;
use portcullis::store::Store;
use portcullis::store::commands::CommandRow;
use portcullis::store::trust::TrustRow;
use portcullis_core::Command;
use portcullis_core::config::Mode;
use portcullis_verifier::{ActionId, B256, IncidentId, Level};
use support::harness::{
    Service, assert_rows_cover_bytes, both_effective, incident, mine_until, over, running, start, states,
};
use support::world::{CANARY, CARRIER, TRIPPER, Trip, World, away, home, signed, word};
use support::{Database, log_name, slug, until};

/// Puts a command into the table, as any process that reaches the database can, and waits for its answer.
async fn told(store: &Store, command: Command) -> CommandRow {
    let id = store.ask(&log_name(), &command).await.unwrap();
    answered(store, id).await
}

/// As [`told`], signed by these people.
async fn told_by(store: &Store, command: Command, people: &[&str]) -> CommandRow {
    let signatures: Vec<String> = people.iter().map(|name| signed(name, &command)).collect();
    let id = store.ask_signed(&log_name(), &command, &signatures).await.unwrap();
    answered(store, id).await
}

fn refusal(row: &CommandRow) -> String {
    assert_eq!(row.state, "refused", "{row:?}");
    row.answer.as_ref().unwrap()["refused"].as_str().unwrap().to_owned()
}

async fn answered(store: &Store, id: i64) -> CommandRow {
    let open = |row: &CommandRow| ["waiting", "taken"].contains(&row.state.as_str());
    until("the command is answered", || async { !open(&store.commands(&[id]).await.unwrap()[0]) }).await;
    store.commands(&[id]).await.unwrap().remove(0)
}

fn contain(targets: &[&str]) -> Command {
    let targets = targets.iter().map(|name| slug(name)).collect();
    Command::Contain { targets, level: Level::Closed, by: slug("ada"), reason: "a leaked key".into() }
}

async fn row(store: &Store, target: &str) -> TrustRow {
    let rows = store.trust().await.unwrap();
    rows.into_iter().find(|row| row.target == target).unwrap()
}

async fn mode(store: &Store, target: &str) -> String {
    row(store, target).await.mode
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_closes_and_stops_through_the_database_alone() {
    let database = Database::start().await;
    let world = World::new();
    world.refuse(away(), true);
    let service = start(&world, &database);
    service.running().await;
    let started = Instant::now();
    let answer = told(&database.store, contain(&[])).await;
    let took = started.elapsed();
    assert!(answer.state == "answered" && took < Duration::from_secs(5), "{took:?} {answer:?}");
    let actions = answer.answer.as_ref().unwrap()["actions"].as_array().unwrap().clone();
    assert_eq!(actions.len(), 2, "{answer:?}");
    mine_until(&world, "the home gate closes", || world.is_closed(home())).await;
    until("the other is tried more than once", || async { world.received_on(away()) >= 2 }).await;

    let refused = actions.iter().find(|action| action["chain"] == "test:2").unwrap();
    let action: ActionId = refused["id"].as_str().unwrap().parse().unwrap();
    let incident: IncidentId = refused["incident"].as_str().unwrap().parse().unwrap();
    let found = database.store.logs_of_action(&action.to_string()[2..14]).await.unwrap();
    assert_eq!(found, [(log_name(), action.0.to_vec())]);
    let stop = Command::Stop { action, by: slug("ada"), reason: "closed by hand".into() };
    assert_eq!(told(&database.store, stop).await.state, "answered");
    until("it is stopped", || async {
        states(&database.store, incident).await.contains(&("test:2".into(), "stopped".into()))
    })
    .await;
    // Asked again, what is closed is left alone and what a person stopped stays stopped.
    let again = told(&database.store, contain(&["home"])).await;
    assert_eq!(again.answer.unwrap()["actions"].as_array().unwrap().len(), 0);
    over(service, &database).await;
    assert_rows_cover_bytes(&database.store, &world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_a_service_took_and_lost_is_taken_again_and_a_false_row_is_refused() {
    let database = Database::start().await;
    let world = World::new();
    let command = contain(&["home"]);
    let service = start(&world, &database);
    service.running().await;
    service.end().await;
    let id = database.store.ask(&log_name(), &command).await.unwrap();
    // As a process that was killed between the two leaves it.
    assert!(database.store.take_command(id, &command).await.unwrap());
    let raise = |with: &str| Command::Trust {
        target: slug("home"),
        mode: Mode::Halt,
        by: slug("ada"),
        with: slug(with),
        until_ms: portcullis::telemetry::now_ms() + 86_400_000,
    };
    let service = start(&world, &database);
    service.running().await;
    assert_eq!(answered(&database.store, id).await.state, "answered");
    mine_until(&world, "the home gate closes", || world.is_closed(home())).await;
    let unknown = told(&database.store, contain(&["nowhere"])).await;
    assert_eq!(unknown.state, "refused");
    assert!(unknown.answer.unwrap()["refused"].as_str().unwrap().contains("nowhere"));
    // SECURITY: two names in a row are nothing, and one person in the role of two is one.
    let nobody = refusal(&told(&database.store, raise("bob")).await);
    assert!(nobody.contains("ada has not signed"), "{nobody}");
    let one = refusal(&told_by(&database.store, raise("bob"), &["ada", "ada"]).await);
    assert!(one.contains("bob has not signed"), "{one}");
    let alone = refusal(&told_by(&database.store, raise("ada"), &["ada"]).await);
    assert!(alone.contains("needs a second person"), "{alone}");
    let stranger = refusal(&told_by(&database.store, raise("eve"), &["ada", "eve"]).await);
    assert!(stranger.contains("eve is no approver"), "{stranger}");
    assert_eq!(mode(&database.store, "home").await, "halt", "as configured");
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_sinks_at_once_rises_late_and_a_false_alarm_cancels_what_waits() {
    let (database, world, service) = running().await;
    let lower = Command::SetMode { target: slug("home"), mode: Mode::Limit, by: slug("ada") };
    assert_eq!(told(&database.store, lower).await.state, "answered");
    assert_eq!(mode(&database.store, "home").await, "limit");
    let raise = |mode| Command::Trust {
        target: slug("home"),
        mode,
        by: slug("ada"),
        with: slug("bob"),
        until_ms: portcullis::telemetry::now_ms() + 86_400_000,
    };
    let asked = Instant::now();
    let request = raise(Mode::Hold);
    let raised = told_by(&database.store, request.clone(), &["bob", "ada"]).await;
    assert!(raised.state == "answered" && asked.elapsed() >= Duration::from_secs(1), "it waited: {raised:?}");
    assert_eq!(mode(&database.store, "home").await, "hold");
    let again = refusal(&told_by(&database.store, request, &["bob", "ada"]).await);
    assert!(again.contains("brought before"), "{again}");

    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    let request = raise(Mode::Halt);
    let both = ["ada", "bob"].map(|name| signed(name, &request));
    let waiting = database.store.ask_signed(&log_name(), &request, &both).await.unwrap();
    let alarm = Command::FalseAlarm { incident: id, by: slug("eve"), reason: "a migration".into() };
    let answer = told(&database.store, alarm).await.answer.unwrap();
    let lowered: Vec<_> =
        answer["modes"].as_array().unwrap().iter().map(|m| m["target"].as_str().unwrap()).collect();
    assert_eq!(lowered, ["away", "home"], "{answer}");
    assert_eq!(answered(&database.store, waiting).await.state, "cancelled");
    assert_eq!(mode(&database.store, "home").await, "limit");
    assert_eq!(mode(&database.store, "away").await, "hold");
    assert!(world.is_closed(home()) && world.is_closed(away()), "no gate opens because of it");
    let trust = row(&database.store, "away").await;
    assert!(trust.decisions >= 1 && trust.false_decisions >= 1 && trust.last_false_ms.is_some(), "{trust:?}");

    // What stands survives a restart.
    service.end().await;
    let service = start(&world, &database);
    service.running().await;
    assert_eq!(mode(&database.store, "home").await, "limit");
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_way_is_an_incident_and_a_canary_goes_the_whole_way() {
    let (database, world, service) = running().await;
    until("the first drill passed at both gates", || async {
        let rows = database.store.trust().await.unwrap();
        rows.iter().all(|row| row.last_drill_ok == Some(true) && row.drills_passed == 1)
    })
    .await;
    let canary = |target| Command::Canary {
        target: slug(target),
        // The service takes the scope from its own configuration, whatever is asked.
        scope: B256::repeat_byte(0x5c),
        generation: 9,
        by: slug("ada"),
    };
    let answer = told(&database.store, canary("home")).await;
    let actions = answer.answer.as_ref().unwrap()["actions"].as_array().unwrap().clone();
    assert_eq!(actions.len(), 1, "{answer:?}");
    mine_until(&world, "the canary's scope closes", || world.canary_until(home()) > 0).await;
    until("it is on record as proven", || async {
        world.mine_both();
        row(&database.store, "home").await.canaries_landed == 1
    })
    .await;
    assert!(!world.is_closed(home()), "the gate itself stayed open");
    let proven = row(&database.store, "home").await;
    assert!(proven.last_canary_ms.is_some() && proven.effects_proven == 0, "{proven:?}");
    assert_rows_cover_bytes(&database.store, &world).await;
    service.end().await;

    // The account is emptied overnight: the next drill says so, as an incident that people can list.
    world.drain(away());
    let service = start(&world, &database);
    service.running().await;
    until("the failing way is an incident", || async {
        let rows = database.store.incidents(None, 10).await.unwrap();
        rows.iter().any(|row| row.signals.to_string().contains("drill_failed") && row.class == "notify")
    })
    .await;
    let notices = database.store.notices(None, 10).await.unwrap();
    assert!(notices.iter().any(|notice| notice.text.contains("the account is empty")), "{notices:?}");
    assert_eq!(row(&database.store, "away").await.last_drill_ok, Some(false));
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_account_does_not_stop_containment_another_one_carries_the_trip() {
    let database = Database::start().await;
    let world = World::new();
    world.drain(away());
    let service = start(&world, &database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    let senders = |chain| {
        let of_chain = world.received().into_iter().filter(move |attempt| attempt.chain == chain);
        of_chain.map(|attempt| attempt.sender).collect::<Vec<_>>()
    };
    assert!(senders(away()).contains(&word(CARRIER)) && senders(away()).contains(&word(TRIPPER)));
    assert!(!senders(home()).contains(&word(CARRIER)), "nobody carries what lands by itself");
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}

/// Others pay so much that the first trip is signed at the top of the fees: no raise is left, and the account is stuck.
#[tokio::test(flavor = "multi_thread")]
async fn a_jam_at_the_top_of_the_fees_does_not_stop_containment_another_one_carries_the_trip() {
    let database = Database::start().await;
    let world = World::new();
    world.jam(away(), budget::BUMPS);
    let service = start(&world, &database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_money_an_open_gate_still_closes_and_an_extension_waits_and_is_told() {
    let database = Database::start().await;
    let world = World::new();
    let penniless = || Operate {
        spending: [home(), away()].map(|chain| (chain, Allowance { per_hour: 0, gas_limit: 1 })).into(),
        ..world.operate()
    };
    let service = Service::operated(world.wired(), penniless(), &database);
    service.running().await;
    assert_eq!(told(&database.store, contain(&["home"])).await.state, "answered");
    mine_until(&world, "the gate closes although nothing is left", || world.is_closed(home())).await;
    let sent = world.received_on(home());
    // Another incident asks for longer: the playbook's hour is not enough for it, and it waits.
    let closed_until = world.closed_until(home());
    until("the first closure is proven", || async {
        world.mine_both();
        row(&database.store, "home").await.effects_proven == 1
    })
    .await;
    service.end().await;
    let mut longer = world.wired();
    longer.groups[0].engine_config.playbooks.iter_mut().for_each(|playbook| playbook.expiry_secs = 80_000);
    let service = Service::operated(longer, penniless(), &database);
    service.running().await;
    assert_eq!(told(&database.store, contain(&["home"])).await.state, "answered");
    until("people are told", || async {
        world.mine_both();
        let notices = database.store.notices(None, 20).await.unwrap();
        notices.iter().any(|notice| notice.cause == "budget_spent" && notice.text.contains("base units"))
    })
    .await;
    assert_eq!(world.closed_until(home()), closed_until, "nothing was sent for it");
    assert!(world.received_on(home()) >= sent && world.is_closed(home()));
    over(service, &database).await;
}

/// The hour's budget can be used up by whoever provokes pauses: the next one must not be slower for it.
#[tokio::test(flavor = "multi_thread")]
async fn without_money_a_gate_that_is_known_to_be_open_is_closed_without_asking_it() {
    let database = Database::start().await;
    let world = World::new();
    let penniless = Operate {
        spending: [home(), away()].map(|chain| (chain, Allowance { per_hour: 0, gas_limit: 1 })).into(),
        drill_every: None,
        ..world.operate()
    };
    let service = Service::operated(world.wired(), penniless, &database);
    service.running().await;
    until("both gates were read, and how far both chains have come is known", || async {
        let read = database.store.gates().await.unwrap();
        let cursors = database.store.cursors(&log_name()).await.unwrap();
        read.iter().filter(|gate| gate.level.is_some()).count() == 2 && cursors.len() == 2
    })
    .await;
    let asked = Arc::new(Mutex::new(BTreeMap::new()));
    world.on_broadcast({
        let (world, asked) = (world.clone(), Arc::clone(&asked));
        move |attempt| {
            asked.lock().unwrap().entry(attempt.chain).or_insert(world.gates_asked());
        }
    });
    let (before, began) = (world.gates_asked(), Instant::now());
    world.steal(2, 2_000_000);
    until("both chains have the bytes", || async { asked.lock().unwrap().len() == 2 }).await;
    let meanwhile = asked.lock().unwrap().values().max().unwrap() - before;
    // Gates are read by the clock as well, every few seconds.
    assert!(meanwhile == 0 || began.elapsed() > Duration::from_secs(4), "a gate was asked {meanwhile} times");
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_life_spent_counts_against_the_hour_of_the_next() {
    let database = Database::start().await;
    let world = World::new();
    // One closure fits into an hour, and a half.
    let allowance = Allowance { per_hour: 15, gas_limit: 10 };
    let frugal = || Operate {
        spending: [home(), away()].map(|chain| (chain, allowance)).into(),
        drill_every: None,
        ..world.operate()
    };
    let service = Service::operated(world.wired(), frugal(), &database);
    service.running().await;
    assert_eq!(told(&database.store, contain(&["home"])).await.state, "answered");
    mine_until(&world, "the gate closes", || world.is_closed(home())).await;
    let closed_until = world.closed_until(home());
    until("the closure is proven", || async {
        world.mine_both();
        row(&database.store, "home").await.effects_proven == 1
    })
    .await;
    service.kill().await;

    let mut longer = world.wired();
    longer.groups[0].engine_config.playbooks.iter_mut().for_each(|playbook| playbook.expiry_secs = 80_000);
    let service = Service::operated(longer, frugal(), &database);
    service.running().await;
    assert_eq!(told(&database.store, contain(&["home"])).await.state, "answered");
    until("people are told that the extension waits", || async {
        world.mine_both();
        let notices = database.store.notices(None, 20).await.unwrap();
        notices
            .iter()
            .any(|notice| notice.cause == "budget_spent" && notice.text.contains("of 15 base units"))
    })
    .await;
    assert_eq!(world.closed_until(home()), closed_until, "nothing was sent for it");
    over(service, &database).await;
}

/// Canaries that reached an endpoint.
fn canaries(world: &World) -> usize {
    let is_canary = |attempt: &portcullis_adapter::Attempt| Trip::of(attempt).scope == word(CANARY);
    world.received().iter().filter(|attempt| is_canary(attempt)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_are_tripped_on_schedule_by_nobody_and_not_before_they_are_due() {
    let database = Database::start().await;
    let world = World::new();
    let scheduled = |canary_every| Operate {
        canary_every: Some(canary_every),
        drill_every: Some(Duration::from_millis(10)),
        ..world.operate()
    };
    let service = Service::operated(world.wired(), scheduled(Duration::from_secs(1)), &database);
    service.running().await;
    until("canaries of both gates are proven, twice", || async {
        world.mine_both();
        let rows = database.store.trust().await.unwrap();
        rows.len() == 2 && rows.iter().all(|row| row.canaries_landed >= 2 && row.last_canary_ms.is_some())
    })
    .await;
    assert!(!world.is_closed(home()) && !world.is_closed(away()), "the gates themselves stay open");
    assert!(world.canary_until(home()) > 0 && world.canary_until(away()) > 0);
    assert_rows_cover_bytes(&database.store, &world).await;
    service.end().await;

    // A restart is no reason for another one: the record knows when the last was proven.
    let before = canaries(&world);
    let passed = row(&database.store, "home").await.drills_passed;
    let service = Service::operated(world.wired(), scheduled(Duration::from_secs(3_600)), &database);
    service.running().await;
    until("two more rounds go by", || async {
        world.mine_both();
        row(&database.store, "home").await.drills_passed >= passed + 2
    })
    .await;
    assert_eq!(canaries(&world), before, "they were not due");
    over(service, &database).await;
}
