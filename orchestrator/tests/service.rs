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

use std::time::Duration;

use portcullis::telemetry::Phase;
use portcullis_core::Command;
use support::harness::{
    Service, assert_replays, assert_rows_cover_bytes, both_effective, data_dir, incident, mine_until, over,
    running, start, states,
};
use support::world::{World, away, home};
use support::{Database, slug, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_closes_both_sides_and_everything_is_on_record() {
    let (database, world, service) = running().await;
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
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_traffic_moves_nothing() {
    let (database, world, service) = running().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_that_removes_the_pause_is_contained_again() {
    let (database, world, service) = running().await;
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
    over(service, &database).await;
}

/// An attack that is contained, with effects that are final on both chains.
async fn contained(database: &Database, world: &World) -> Service {
    let service = start(world, database);
    service.running().await;
    world.steal(2, 2_000_000);
    mine_until(world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    both_effective(&database.store, world, incident(&database.store).await).await;
    let status = &service.status;
    mine_until(world, "both effects are final", || status.snapshot().groups[&slug("g")].actions_open == 0)
        .await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_was_final_and_is_gone_is_contained_again() {
    let database = Database::start().await;
    let world = World::new();
    let service = contained(&database, &world).await;
    let depth = world.height(away()) - 2;
    world.reorg(away(), usize::try_from(depth).unwrap());
    assert!(!world.is_closed(away()), "still there after a reorganisation of {depth} blocks");
    mine_until(&world, "the other gate closes again", || world.is_closed(away())).await;
    both_effective(&database.store, &world, incident(&database.store).await).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_people_released_is_not_closed_again() {
    let database = Database::start().await;
    let world = World::new();
    let service = contained(&database, &world).await;
    let sent = world.received().len();
    let id = incident(&database.store).await;
    world.release(away());
    until("it is told that people have the last word", || async {
        world.mine_both();
        let lines = database.store.timeline(Some(id), 0, 1_000).await.unwrap();
        lines.iter().any(|line| line.detail.contains("people released the gate"))
    })
    .await;
    for _ in 0..5 {
        world.mine_both();
    }
    service.end().await;
    assert!(world.is_closed(home()) && !world.is_closed(away()));
    assert_eq!(world.received().len(), sent, "nothing was sent against a release");
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
    over(service, &database).await;
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
    over(service, &database).await;
}

/// The gate takes the trip, and what it should close stays open.
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_that_is_not_followed_is_told_with_what_stays_open_and_tried_until_it_is() {
    let (database, world, service) = running().await;
    world.heedless(away(), Some("PC-0945: the toll booth refused to close"));
    world.steal(2, 2_000_000);
    mine_until(&world, "both trips land", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    until("people are told what stays open, and it is tried again", || async {
        world.mine_both();
        let lines = database.store.timeline(Some(id), 0, 1_000).await.unwrap();
        let told = |line: &portcullis::store::read::TimelineView| {
            line.chain.as_deref() == Some("test:2")
                && line.detail.contains("landed without effect: PC-0945: the toll booth")
        };
        lines.iter().any(told) && world.received_on(away()) >= 2
    })
    .await;
    let states = states(&database.store, id).await;
    assert!(!states.contains(&("test:2".into(), "effective".into())), "{states:?}");
    world.heedless(away(), None);
    both_effective(&database.store, &world, id).await;
    over(service, &database).await;
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
