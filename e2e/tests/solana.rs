//! A bridge with a side on a chain of slots, on real nodes: whatever is false on one side closes every side, and what nobody
//! can prove there is called reported.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use alloy::primitives::U256;
use e2e::clock::Factor;
use e2e::demo::{self, Finished, Options, Script};
use e2e::keys::Key;
use e2e::lab::{Setup, World};
use e2e::scenario::corridor::Attack;
use e2e::scenario::{Actor, Domain};
use e2e::screen::Screen;
use serde_json::Value;
use tokio::sync::Mutex;

/// One play at a time: its figures are in blocks, and a machine that plays two at once is late for both.
static STAGE: Mutex<()> = Mutex::const_new(());

/// Honest traffic before an attack begins, seconds of the script: four real ones. That nothing is closed by it for much longer is a
/// play of its own, and the last false transfer is due at 90.
const LEAD_SECS: i64 = 240;

/// Whether the node is here; fails where it must be.
fn node_available() -> bool {
    if e2e::solana::node::available() {
        return true;
    }
    assert!(
        std::env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"),
        "solana-test-validator and the programs are required here and were not found"
    );
    eprintln!(
        "SKIPPED: no solana-test-validator; run `cargo xtask setup` or set PORTCULLIS_SOLANA_VALIDATOR"
    );
    false
}

async fn play(options: Options) -> Finished {
    demo::run(options, &mut Screen::new(true)).await.unwrap()
}

/// Everything that the play promises, on all its chains, and the sibling corridors behind them.
async fn closed_everywhere(finished: &Finished, families: &[&str], seed: u64) {
    let summary = &finished.summary;
    let told = || finished.service.told.tail(60);
    assert_eq!(summary.broken_promises(), Vec::<String>::new(), "{}", told());
    assert_eq!(summary.families, families);
    assert_eq!(summary.contain.len(), families.len() + 1, "two chains of one family");
    for side in &summary.contain {
        assert!(side.observed_to_broadcast_ms.is_some_and(|ms| ms > 0.0), "{side:?}");
        // Each says what it can, and no more.
        let slots = side.chain.starts_with("solana:");
        assert_eq!(side.effect.starts_with("reported "), slots, "{side:?}");
        assert_eq!(side.effect == "proven", !slots, "{side:?}");
    }
    let world = &finished.world;
    let thief = Key::derive(seed, "relayer").unwrap();
    for origin in [Domain::Milkomeda, Domain::Solana, Domain::Moonbeam] {
        assert!(!world.pays(&thief, origin).await.unwrap(), "{} still pays", origin.name());
    }
    assured(finished).await;
}

/// The incident shows each containment with what it rests on: nothing of the chain of slots is called proven by its state.
async fn assured(finished: &Finished) {
    let id = finished.summary.incident.as_deref().unwrap().parse().unwrap();
    let books = finished.service.incident(id).await.unwrap();
    let chain = finished.world.cluster.as_ref().unwrap().caip2();
    let mut reports = 0;
    for evidence in books["evidence"].as_array().unwrap() {
        let of_slots = evidence["claim"].to_string().contains(&chain);
        if of_slots && evidence["outcome"] == "proven" {
            let assurance = &evidence["assurance"];
            assert_eq!(assurance["inclusion"], "reported", "{evidence}");
            assert_eq!(assurance["execution"], "reported", "{evidence}");
            let voices = assurance.pointer("/header/quorum/agreeing").and_then(Value::as_u64);
            assert!(voices.is_some_and(|voices| voices >= 2), "{evidence}");
            reports += 1;
        }
    }
    assert!(reports > 0, "{books}");
}

fn options(attack: Option<Attack>, seed: u64, lead: i64, until: i64) -> Options {
    let script = Script::Corridor(attack);
    Options { script, solana: true, lead, until: Some(until), seed, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn released_on_one_family_and_burned_nowhere_on_the_other_closes_every_side() {
    let _alone = STAGE.lock().await;
    if !node_available() {
        return;
    }
    let finished = play(options(Some(Attack::Release), 61, LEAD_SECS, 120)).await;
    closed_everywhere(&finished, &["evm", "solana"], 61).await;
    let (landed, refused) = finished.summary.attacks;
    assert!(landed >= 1 && refused >= 1 && landed + refused == 4, "{landed} landed, {refused} refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minted_on_one_family_and_locked_nowhere_on_the_other_closes_every_side() {
    let _alone = STAGE.lock().await;
    if !node_available() {
        return;
    }
    let finished = play(options(Some(Attack::Mint), 62, LEAD_SECS, 120)).await;
    closed_everywhere(&finished, &["evm", "solana"], 62).await;
    what_was_minted_is_there(&finished).await;
}

/// What was minted before the gate closed is there, and nothing after it.
async fn what_was_minted_is_there(finished: &Finished) {
    let world = &finished.world;
    let cluster = world.cluster.as_ref().unwrap();
    let (landed, _refused) = finished.summary.attacks;
    let mut holders = 0;
    for transfer in world.scenario.live.iter().filter(|t| t.actor != Actor::Honest) {
        let held = cluster.balance(transfer.recipient).await.unwrap();
        holders += usize::from(U256::from(held) == transfer.amount);
    }
    assert!(landed >= 1, "the attack never began");
    assert_eq!(holders, landed);
}

/// Three families and four chains of one escrow: an attack on the chain of slots closes all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_on_one_of_three_families_closes_all_three() {
    let _alone = STAGE.lock().await;
    if !node_available() {
        return;
    }
    let finished = play(Options { cosmos: true, ..options(Some(Attack::Mint), 63, LEAD_SECS, 120) }).await;
    closed_everywhere(&finished, &["cosmos", "evm", "solana"], 63).await;
    what_was_minted_is_there(&finished).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_traffic_with_a_chain_of_slots_closes_nothing() {
    let _alone = STAGE.lock().await;
    if !node_available() {
        return;
    }
    let finished = play(options(None, 64, 2_400, -1)).await;
    let summary = &finished.summary;
    assert_eq!(summary.broken_promises(), Vec::<String>::new(), "{}", finished.service.told.tail(60));
    let world = &finished.world;
    let outcomes = world.outcomes(&finished.facts.sent).await.unwrap();
    for (side, from) in [(Domain::Solana, Domain::Ethereum), (Domain::Ethereum, Domain::Solana)] {
        let delivered =
            outcomes.iter().filter(|o| o.sent.side == side && o.landed()).flat_map(|o| &o.sent.transfers);
        let delivered = delivered.filter(|index| world.scenario.live[**index].remote == from).count();
        assert!(delivered >= 2, "{delivered} deliveries on {} from {}", side.name(), from.name());
    }
}

/// The stage by itself: without anybody who watches, what is minted for nothing stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_guardian_every_false_mint_lands() {
    let _alone = STAGE.lock().await;
    if !node_available() {
        return;
    }
    let options = options(Some(Attack::Mint), 65, 60, 120);
    let setup =
        Setup { scenario: demo::script(&options).unwrap(), factor: Factor::new(60.0), seed: 65, dir: None };
    let world = World::build(setup).await.unwrap();
    let sent = world.play().finish().await.unwrap();
    let cluster = world.cluster.as_ref().unwrap();
    let mut false_ones = 0;
    for one in sent.iter().filter(|sent| sent.side == Domain::Solana) {
        assert_eq!(one.refused, None);
        let receipt = cluster.landed(one.hash).await.unwrap();
        assert_eq!(receipt.status, 1, "{one:?}");
        false_ones += usize::from(one.actor == Actor::Attacker);
    }
    assert_eq!(false_ones, 4);
    assert!(!cluster.closed().await.unwrap());
}
