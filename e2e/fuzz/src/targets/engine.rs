//! The engine, driven by inputs that nobody meant.

use std::sync::LazyLock;

use portcullis_core::{
    Body, Engine, EngineConfig, Input,
    log::{decode_effects, decode_input, encode_effects, encode_input},
};
use portcullis_verifier::{
    B256, ChainId, EndpointFault, Event, FaultKind, Observation, Position, Progress, Slug, Status, Transfer,
    TransferKind, U256,
};

use super::{joined, strings};
use crate::Target;

const EXAMPLE: &str = include_str!("../../../../docs/examples/portcullis.toml");

pub(crate) const TARGET: Target = Target {
    name: "engine",
    what: "any inputs in any order: never a panic, and two engines decide the same, byte for byte",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

/// The example bridge as an engine sees it.
pub(super) static CONFIG: LazyLock<EngineConfig> = LazyLock::new(|| {
    let here = std::path::Path::new("x.toml");
    let loaded = portcullis::config::parse(here, here, EXAMPLE.to_owned()).expect("the example is accepted");
    loaded.config.engines().into_iter().next().expect("the example has an engine")
});

fn feed(bytes: &[u8]) {
    let engine = || Engine::new(CONFIG.clone()).expect("the example's engine");
    let (mut one, mut other) = (engine(), engine());
    for string in strings(bytes) {
        let Ok((_, input)) = decode_input(&string) else { continue };
        let effects = encode_effects(&one.step(&input));
        // What is logged is what is decided again: from the bytes, by an engine of its own.
        let (_, logged) = decode_input(&encode_input(&input)).expect("what was encoded is read");
        assert_eq!(input, logged);
        assert_eq!(effects, encode_effects(&other.step(&logged)), "two engines disagree");
        let read = decode_effects(&effects).expect("what was encoded is read");
        assert_eq!(encode_effects(&read), effects, "a second encoding of effects");
    }
}

fn chain(which: usize) -> ChainId {
    CONFIG.chains[which].id
}

fn transfer(which: usize, kind: TransferKind, id: B256, amount: U256, height: u64) -> Observation {
    let bridge = &CONFIG.bridges[0];
    let form = &bridge.assets[0].forms[which];
    let transfer = Transfer {
        kind,
        bridge: bridge.id,
        local: bridge.sides[which].domain,
        remote: bridge.sides[1 - which].domain,
        message_id: id,
        asset: form.asset,
        amount,
        sender: None,
        recipient: B256::with_last_byte(5),
    };
    let position = Position {
        height,
        tx_index: 0,
        log_index: 0,
        block_hash: B256::from(U256::from(height)),
        tx_hash: B256::with_last_byte(2),
    };
    Observation::new(
        chain(which),
        position,
        1_700_000_000 + height,
        Status::Included,
        B256::repeat_byte(3),
        Event::Transfer(transfer),
    )
}

/// Observations of every kind, edges included.
pub(super) fn observations() -> Vec<Observation> {
    let id = B256::with_last_byte;
    let mut all = vec![
        transfer(0, TransferKind::Lock, id(1), U256::from(1_000_000), 10),
        transfer(1, TransferKind::Mint, id(1), U256::from(1_000_000), 11),
        transfer(1, TransferKind::Burn, id(2), U256::MAX, 12),
        transfer(0, TransferKind::Release, id(2), U256::MAX, 13),
        transfer(0, TransferKind::Release, id(3), U256::from(9_000_000_000_000u64), 14),
        transfer(0, TransferKind::Release, B256::ZERO, U256::ZERO, 15),
    ];
    all.push(all[4].with_status(Status::Retracted));
    all.push(all[4].with_status(Status::Pending));
    let place = *all[0].position();
    let at = |event| Observation::new(chain(0), place, 1_700_000_000, Status::Included, B256::ZERO, event);
    all.push(at(Event::Unmapped {
        bridge: CONFIG.bridges[0].id,
        contract: id(1),
        topic: B256::ZERO,
        reason: "no mapping has this event".to_owned(),
    }));
    all.push(at(Event::Fault(EndpointFault {
        operator: Some(Slug::new("alpha").expect("a slug")),
        kind: FaultKind::Garbage,
        detail: "no header".to_owned(),
    })));
    all
}

/// Inputs of an attack: what is backed, what is not, and the watermarks that tell them apart.
pub(super) fn inputs() -> Vec<Input> {
    let mut bodies: Vec<Body> = observations().into_iter().map(Body::Observed).collect();
    for which in 0..2 {
        for height in [20, 20_000] {
            bodies.push(Body::Progress(Progress {
                chain: chain(which),
                height,
                block_hash: B256::from(U256::from(height)),
                time: 1_700_000_000 + height,
                safe_height: height,
                final_height: height - 1,
                head_time: 1_700_000_000 + height,
            }));
        }
    }
    bodies.push(Body::SourceFailed {
        chain: chain(1),
        operator: None,
        since_ms: 5,
        detail: "dark".to_owned(),
    });
    bodies.push(Body::Tick);
    (0u64..).zip(bodies).map(|(at, body)| Input { at_ms: 1_700_000_000_000 + at * 1_000, body }).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let encoded: Vec<Vec<u8>> = inputs().iter().map(encode_input).collect();
    let mut seeds: Vec<Vec<u8>> = encoded.iter().map(|input| joined([input])).collect();
    seeds.push(joined(&encoded));
    let backwards: Vec<&Vec<u8>> = encoded.iter().rev().collect();
    seeds.push(joined(backwards));
    seeds
}
