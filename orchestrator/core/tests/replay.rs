//! Invariant 2: a log gives its decisions again, byte for byte; and says where it was changed.
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
    ENGINE_VERSION, Effects, Engine, Input,
    config::Mode,
    effect::Cause,
    input::{Body, Check, CheckKind, Command, GateState, Outcome},
    log::{Record, ReplayReport, chain_head, decode_input, encode_effects, encode_input, replay},
};
use portcullis_verifier::{
    ActionId, AdminChange, AdminKind, B256, ClaimId, Event, FaultKind, IncidentId, Level, Observation,
    Position, Progress, Refutation, Status, Transfer, TransferKind, U256, Undecided, Verdict,
};
use proptest::{collection::vec, prelude::*};

fn records(log: &[(Input, Effects)]) -> Vec<Record> {
    let mut head = B256::ZERO;
    let mut records = Vec::new();
    for (seq, (input, effects)) in log.iter().enumerate() {
        let (seq, input) = (u64::try_from(seq).unwrap(), encode_input(input));
        head = chain_head(head, seq, &input);
        records.push(Record { seq, input, effects: encode_effects(effects), head });
    }
    records
}

/// An attack, seen, proven and contained.
fn attack() -> Run {
    let mut run = Run::new();
    run.fund(50_000_000);
    let now = T0 + 3 * FINALITY;
    run.until(now);
    run.see(Move::release(7, 2_000_000, now + 12));
    run.prove_all();
    run.see(Move::release(7, 2_000_000, now + 24));
    run.until(now + 36);
    run
}

#[test]
fn a_whole_log_is_equal() {
    let run = attack();
    assert_eq!(run.decisions().len(), 1);
    let records = records(&run.log);
    let ReplayReport::Equal { records: count, head, .. } = replay(records.clone()) else {
        panic!("{:?}", replay(records))
    };
    assert_eq!(count, u64::try_from(records.len()).unwrap());
    assert_eq!(head, records.last().unwrap().head);
}

#[test]
fn a_log_that_was_changed_says_where() {
    let run = attack();
    let whole = records(&run.log);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        let last = changed[at].input.len() - 1;
        changed[at].input[last] ^= 1;
        let report = replay(changed);
        assert!(matches!(report, ReplayReport::Broken { seq, .. } if seq == at as u64), "{at}: {report:?}");
    }
    let mut missing = whole.clone();
    missing.remove(3);
    assert!(matches!(replay(missing), ReplayReport::Broken { seq: 3, .. }));
    let mut swapped = whole;
    swapped.swap(3, 4);
    assert!(matches!(replay(swapped), ReplayReport::Broken { seq: 3, .. }));
}

#[test]
fn other_decisions_another_engine_and_a_missing_configuration_are_told_apart() {
    let run = attack();
    let whole = records(&run.log);
    let at = run.log.iter().position(|(_, effects)| !effects.list.is_empty()).unwrap();
    let mut other = whole.clone();
    other[at].effects = encode_effects(&Effects::default());
    let report = replay(other);
    let ReplayReport::Different { seq, expected, found } = report else { panic!("{report:?}") };
    assert_eq!(seq, at as u64);
    assert!(expected == "[]" && found.len() > 2);

    let mut newer = run.log.iter().map(|(i, e)| (encode_input(i), encode_effects(e))).collect::<Vec<_>>();
    newer[2].0[1] = newer[2].0[1].wrapping_add(1);
    let mut head = B256::ZERO;
    let newer: Vec<Record> = newer
        .into_iter()
        .enumerate()
        .map(|(seq, (input, effects))| {
            head = chain_head(head, seq as u64, &input);
            Record { seq: seq as u64, input, effects, head }
        })
        .collect();
    let report = replay(newer);
    let expected = ReplayReport::DifferentEngine { seq: 2, wrote: ENGINE_VERSION + 1, runs: ENGINE_VERSION };
    assert_eq!(report, expected);

    let headless = records(&run.log[1..]);
    assert!(matches!(replay(headless), ReplayReport::Broken { seq: 0, .. }));
    assert!(matches!(replay(Vec::new()), ReplayReport::Equal { records: 0, .. }));
}

#[test]
fn an_input_survives_its_encoding_and_nothing_else_decodes() {
    let run = attack();
    for (input, _) in &run.log {
        let bytes = encode_input(input);
        let (version, decoded) = decode_input(&bytes).unwrap();
        assert_eq!((version, &decoded), (ENGINE_VERSION, input));
        assert!(decode_input(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_input(&[&bytes[..], &[0]].concat()).is_err());
    }
    assert!(decode_input(&[]).is_err());
    assert!(decode_input(&[9, 0, 0, 0, 0]).is_err());
}

#[test]
fn the_version_before_is_read_with_what_was_delivered_for_the_head() {
    let run = attack();
    for (input, _) in &run.log {
        let mut bytes = encode_input(input);
        bytes[0] = 2;
        let mut expected = input.clone();
        if let Body::Progress(progress) = &mut expected.body {
            bytes.truncate(bytes.len() - 8);
            progress.head_time = progress.time;
        }
        assert_eq!(decode_input(&bytes).unwrap(), (ENGINE_VERSION, expected));
        assert!(decode_input(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_input(&[&bytes[..], &[0; 9]].concat()).is_err());
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..6, Just(u64::MAX), T0..T0 + 20_000, any::<u64>()]
}

fn amount() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::MAX),
        Just(U256::ZERO),
        any::<u64>().prop_map(U256::from),
        any::<[u64; 4]>().prop_map(U256::from_limbs),
    ]
}

fn observed() -> impl Strategy<Value = Body> {
    let kinds = [TransferKind::Lock, TransferKind::Burn, TransferKind::Mint, TransferKind::Release];
    let domains = [HOME, AWAY, ELSEWHERE, 77];
    let tokens = [USD_HOME, USD_AWAY, ETH_HOME, ETH_AWAY, ODD_HOME, GLM_AWAY, 0x99];
    let statuses = [Status::Pending, Status::Included, Status::Included, Status::Final, Status::Retracted];
    (
        (
            prop::sample::select(kinds.to_vec()),
            prop::sample::select(domains.to_vec()),
            prop::sample::select(domains.to_vec()),
            prop::sample::select(tokens.to_vec()),
        ),
        (0u64..4, amount(), 0u64..3),
        (number(), 0u32..3, number(), prop::sample::select(statuses.to_vec()), any::<bool>()),
        0u8..12,
    )
        .prop_map(
            |((kind, local, remote, token), (id, amount, to), (height, log, time, status, here), what)| {
                let chain = if here { home() } else { away() };
                let position = Position {
                    height,
                    tx_index: 0,
                    log_index: log,
                    block_hash: word(height),
                    tx_hash: word(3),
                };
                let transfer = Transfer {
                    kind,
                    bridge: slug("b"),
                    local: word(local),
                    remote: word(remote),
                    message_id: word(id),
                    asset: word(token),
                    amount,
                    sender: None,
                    recipient: word(to),
                };
                let event = match what {
                    0 => Event::Admin(AdminChange {
                        bridge: slug("b"),
                        kind: AdminKind::Upgrade,
                        contract: word(id),
                        value: word(to),
                    }),
                    1 => Event::Fault(portcullis_verifier::EndpointFault {
                        operator: None,
                        kind: FaultKind::DeepReorg,
                        detail: "x".repeat(600),
                    }),
                    2 => Event::Unmapped {
                        bridge: slug("other"),
                        contract: word(id),
                        topic: word(to),
                        reason: "ü".repeat(400),
                    },
                    _ => Event::Transfer(transfer),
                };
                Body::Observed(Observation::new(chain, position, time, status, word(log.into()), event))
            },
        )
}

/// Anything at all, with numbers at their edges.
fn body() -> impl Strategy<Value = Body> {
    let chain =
        prop_oneof![Just(home()), Just(away()), Just(portcullis_verifier::ChainId::new("eip155:9").unwrap())];
    let progress = (chain.clone(), number(), number(), number(), number()).prop_map(
        |(chain, height, time, fin, head_time)| {
            Body::Progress(Progress {
                chain,
                height,
                block_hash: word(height),
                time,
                safe_height: fin,
                final_height: fin,
                head_time,
            })
        },
    );
    let target = prop_oneof![Just(slug("home")), Just(slug("away")), Just(slug("nobody"))];
    let gate = (target.clone(), number(), number(), 0u32..3, any::<bool>()).prop_map(
        |(target, height, until, generation, proven)| {
            Body::Gate(GateState {
                target,
                height,
                level: Level::Closed,
                until,
                until_height: until,
                generation,
                proven,
            })
        },
    );
    let command = prop_oneof![
        (target.clone(), any::<bool>()).prop_map(|(target, all)| Command::Contain {
            targets: if all { Vec::new() } else { vec![target] },
            level: Level::Closed,
            by: slug("me"),
            reason: String::from("because"),
        }),
        target.clone().prop_map(|target| Command::SetMode { target, mode: Mode::Limit, by: slug("me") }),
        (target.clone(), number()).prop_map(|(target, until_ms)| Command::Trust {
            target,
            mode: Mode::Halt,
            by: slug("me"),
            with: slug("you"),
            until_ms: T0 * 1_000 + until_ms % 90 * 86_400_000,
        }),
        (target.clone(), number()).prop_map(|(target, scope)| Command::Canary {
            target,
            scope: word(scope),
            generation: 0,
            by: slug("me"),
        }),
        Just(Command::FalseAlarm { incident: IncidentId(B256::ZERO), by: slug("me"), reason: String::new() }),
        Just(Command::Stop { action: ActionId(B256::ZERO), by: slug("me"), reason: String::new() }),
    ];
    prop_oneof![
        12 => observed(),
        4 => progress,
        1 => (chain.clone(), number()).prop_map(|(chain, since_ms)| Body::SourceFailed { chain, operator: None, since_ms, detail: String::from("dark") }),
        1 => chain.clone().prop_map(|chain| Body::SourceFailed { chain, operator: Some(slug("a")), since_ms: 0, detail: String::new() }),
        1 => chain.prop_map(|chain| Body::SourceRecovered { chain }),
        1 => gate,
        1 => command.prop_map(Body::Command),
        1 => number().prop_map(|price| Body::Price { asset: slug("usd"), micro_usd: price, time: price }),
        1 => Just(Body::Tick),
        1 => (target, any::<bool>(), 0u8..3).prop_map(|(target, fails, kind)| Body::Checked(Check {
            target,
            kind: [CheckKind::Rehearsal, CheckKind::Canary, CheckKind::Gas][usize::from(kind)],
            failing: if fails { vec![String::from("no role")] } else { Vec::new() },
            took_ms: 1,
        })),
        1 => Just(Body::Landed { action: ActionId(B256::ZERO), outcome: Outcome::Reorged }),
        1 => Just(Body::Proved { claim: ClaimId(B256::ZERO), verdict: Verdict::Proven(needs()) }),
    ]
}

/// How a claim that the engine put is answered, by one number.
fn answer(by: u64) -> Verdict {
    let words = Refutation { expected: String::from("a log"), found: String::from("none") };
    match by % 3 {
        0 => Verdict::Proven(needs()),
        1 => Verdict::Refuted(words, needs()),
        _ => Verdict::Undecided(Undecided::NoEvidence { detail: String::from("nobody") }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn anything_can_be_fed_and_is_decided_the_same_again(
        bodies in vec((body(), prop_oneof![0u64..5_000, Just(3_600_000u64)]), 1..120),
        seed in any::<u64>(),
    ) {
        let mut run = Run::new();
        let mut bits = seed;
        for (body, wait_ms) in bodies {
            run.now_ms = run.now_ms.saturating_add(wait_ms);
            run.body(body);
            bits = bits.rotate_left(3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            run.answer(&answer(bits >> 40));
            if bits & 7 == 0 {
                let actions: Vec<ActionId> =
                    run.decisions().iter().flat_map(|d| d.actions.iter().map(|a| a.id)).collect();
                for action in actions {
                    let detail = String::from("out of gas");
                    run.body(Body::Landed { action, outcome: Outcome::Reverted { detail } });
                }
            }
        }
        let digest = run.engine.snapshot_digest();
        let report = replay(records(&run.log));
        prop_assert!(matches!(report, ReplayReport::Equal { .. }), "{:?}", report);

        // And so does a second engine that was given the decoded inputs.
        let mut again = Engine::new(config()).unwrap();
        for (input, effects) in &run.log {
            let (_, decoded) = decode_input(&encode_input(input)).unwrap();
            prop_assert_eq!(&again.step(&decoded), effects);
        }
        prop_assert_eq!(again.snapshot_digest(), digest);
    }
}

#[test]
fn a_snapshot_differs_when_anything_that_matters_does() {
    let one = attack();
    let mut two = attack();
    assert_eq!(one.engine.snapshot_digest(), two.engine.snapshot_digest());
    two.see(Move::lock(5_000, 1, T0 + 4 * FINALITY));
    assert_ne!(one.engine.snapshot_digest(), two.engine.snapshot_digest());
    assert!(one.causes().contains(&Cause::Replayed));
}
