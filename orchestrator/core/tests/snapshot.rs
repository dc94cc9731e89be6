//! Snapshots: an engine that was read back goes on as the one that was written; anything else is refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod common;

use common::*;
use portcullis_core::{
    ENGINE_VERSION, Engine, Input,
    input::{Body, Command, Outcome},
    snapshot::{SNAPSHOT_VERSION, SnapshotError, decode_engine, encode_engine, snapshot_hash},
};
use portcullis_verifier::{FaultKind, Undecided, Verdict};

/// A day on which everything happens: traffic, attacks, reorganisations, darkness, prices, people.
fn eventful() -> Vec<Input> {
    let mut run = Run::new();
    run.fund(50_000_000);
    let now = T0 + 3 * FINALITY;
    run.until(now);
    run.see(Move::lock(1, 100, now));
    run.see(Move::mint(1, 100, now + FINALITY + 12));
    run.see(Move::release(7, 2_000_000, now + 12));
    run.answer(&Verdict::Undecided(Undecided::NoEvidence {
        detail: String::from("all operators are silent"),
    }));
    run.see(Move::release(7, 2_000_000, now + 24));
    run.see(Move::mint(8, 5_000_000, now + 24));
    run.fault(away(), Some("a"), FaultKind::DissentLogs);
    let detail = String::from("nobody tells");
    run.body(Body::SourceFailed { chain: away(), operator: None, since_ms: run.now_ms, detail });
    run.see(Move::release(9, 40_000, now + 36));
    run.until(now + 48);
    run.prove_all();
    run.unsee(Move::release(7, 2_000_000, now + 24));
    run.body(Body::Price { asset: slug("eth"), micro_usd: 1_900_000_000, time: now });
    let actions: Vec<_> = run.decisions().iter().flat_map(|d| d.actions.iter().map(|a| a.id)).collect();
    assert!(!actions.is_empty());
    let detail = String::from("out of gas");
    run.body(Body::Landed { action: actions[0], outcome: Outcome::Reverted { detail } });
    let canary = Command::Canary { target: slug("home"), scope: word(0xca9), generation: 0, by: slug("ada") };
    run.body(Body::Command(canary));
    run.body(Body::SourceRecovered { chain: away() });
    run.tick(run.now_ms + 5_000);
    let incident = run.engine.incidents()[0].id;
    let reason = String::from("a drill");
    run.body(Body::Command(Command::FalseAlarm { incident, by: slug("ada"), reason }));
    run.until(now + FINALITY + 600);
    run.see(Move::release(11, 60_000, now + FINALITY + 612));
    run.prove_all();
    run.tick(run.now_ms + 3_600_000);
    run.log.into_iter().map(|(input, _)| input).collect()
}

fn again(engine: &Engine) -> Engine {
    let bytes = encode_engine(engine);
    decode_engine(&bytes, snapshot_hash(&bytes)).unwrap()
}

#[test]
fn after_any_input_an_engine_can_be_written_read_and_goes_on_the_same() {
    let inputs = eventful();
    let mut engine = Engine::new(config()).unwrap();
    let mut effects = Vec::new();
    let mut written = vec![encode_engine(&engine)];
    for input in &inputs {
        effects.push(engine.step(input));
        written.push(encode_engine(&engine));
    }
    for (from, bytes) in written.iter().enumerate() {
        let mut engine = decode_engine(bytes, snapshot_hash(bytes)).unwrap();
        for (at, input) in inputs.iter().enumerate().skip(from) {
            assert_eq!(engine.step(input), effects[at], "read after {from}, input {at}");
            assert!(encode_engine(&engine) == written[at + 1], "read after {from}, input {at}");
        }
    }
}

#[test]
fn a_consumed_message_is_not_forgotten_on_the_way() {
    let mut run = Run::new();
    run.fund(50_000_000);
    for id in 0..3_000 {
        run.see(Move::burn(id, 10, T0 + 2 * FINALITY + id / 100));
    }
    let later = T0 + 4 * FINALITY;
    for id in 0..3_000 {
        run.see(Move::release(id, 10, later + id / 100));
    }
    run.until(later + 60);
    assert!(run.causes().is_empty(), "{:?}", run.causes());
    let mut engine = again(&run.engine);
    let counted = |engine: &Engine| {
        let ledger = engine.ledger();
        (ledger.messages, ledger.open, ledger.overflowed, ledger.inputs)
    };
    assert_eq!(counted(&engine), counted(&run.engine));
    for id in [0, 1_234, 2_999] {
        let replayed = Move::release(id, 10, later + 90).fork(1).observation();
        engine.step(&Input { at_ms: run.now_ms, body: Body::Observed(replayed) });
    }
    assert_eq!(engine.signals().count(), 3);
}

#[test]
fn what_is_not_a_snapshot_of_this_engine_is_refused() {
    let mut engine = Engine::new(config()).unwrap();
    for input in eventful() {
        engine.step(&input);
    }
    let bytes = encode_engine(&engine);
    let hash = snapshot_hash(&bytes);
    for at in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let found = snapshot_hash(&changed);
        let refused = decode_engine(&changed, hash).unwrap_err();
        assert_eq!(refused, SnapshotError::Hash { expected: hash, found });
    }
    let read = |bytes: &[u8]| decode_engine(bytes, snapshot_hash(bytes)).map(drop);
    let mut newer = bytes.clone();
    newer[0] += 1;
    assert_eq!(read(&newer), Err(SnapshotError::Version { found: SNAPSHOT_VERSION + 1 }));
    let mut other = bytes.clone();
    other[1] = other[1].wrapping_add(1);
    assert_eq!(read(&other), Err(SnapshotError::Engine { wrote: ENGINE_VERSION + 1 }));
    assert_eq!(read(&bytes[..3]), Err(SnapshotError::Short(3)));
    assert_eq!(read(&[]), Err(SnapshotError::Short(0)));
    let cut = bytes[..bytes.len() - 1].to_vec();
    for bytes in [cut, [&bytes[..], &[0]].concat()] {
        assert!(matches!(read(&bytes), Err(SnapshotError::State { .. })), "whatever its hash");
    }
}
