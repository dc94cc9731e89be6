//! Records of the decision log.

use portcullis_core::{
    Body, Engine, Input,
    log::{
        Record, ReplayReport, chain_head, decode_effects, decode_input, encode_effects, encode_input, replay,
    },
};
use portcullis_verifier::B256;

use super::{engine, joined, strings};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "record",
    what: "records of the log: one encoding each, and a replay that calls nothing equal but what was decided",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    if let Ok((_, input)) = decode_input(bytes) {
        // The version of the engine stands in front and is the writer's own.
        assert_eq!(encode_input(&input)[5..], bytes[5..], "a second encoding of an input");
    }
    if let Ok(effects) = decode_effects(bytes) {
        assert_eq!(encode_effects(&effects), bytes, "a second encoding of effects");
    }
    let pairs = strings(bytes);
    let mut head = B256::ZERO;
    let mut records = Vec::new();
    for (seq, pair) in (0u64..).zip(pairs.chunks(2)) {
        let [input, effects] = pair else { break };
        head = chain_head(head, seq, input);
        records.push(Record { seq, input: input.clone(), effects: effects.clone(), head });
    }
    let truth = decided(&records);
    match replay(records.clone()) {
        ReplayReport::Equal { records: count, head: end, .. } => {
            assert_eq!((count, end), (records.len() as u64, head));
            assert!(truth, "decisions that no engine makes are called equal");
        }
        ReplayReport::Broken { seq, why } => assert!(seq < records.len() as u64 && !why.is_empty()),
        ReplayReport::Different { seq, .. } | ReplayReport::DifferentEngine { seq, .. } => {
            assert!(seq < records.len() as u64);
        }
    }
    // A head that was not hashed is found, wherever it stands.
    if let Some(last) = records.last_mut() {
        last.head = B256::repeat_byte(1);
        assert!(!matches!(replay(records), ReplayReport::Equal { .. }));
    }
}

/// Whether an engine that starts with the first record decides what stands there.
fn decided(records: &[Record]) -> bool {
    let mut engine: Option<Engine> = None;
    records.iter().all(|record| {
        let Ok((_, input)) = decode_input(&record.input) else { return false };
        if engine.is_none() {
            let Body::ConfigChanged(config) = &input.body else { return false };
            engine = Engine::new((**config).clone()).ok();
        }
        engine.as_mut().is_some_and(|engine| encode_effects(&engine.step(&input)) == record.effects)
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let config = engine::CONFIG.clone();
    let mut inputs = vec![Input { at_ms: 1, body: Body::ConfigChanged(Box::new(config.clone())) }];
    inputs.extend(engine::inputs());
    let mut engine = Engine::new(config).expect("the example's engine");
    let mut seeds = Vec::new();
    let mut parts = Vec::new();
    for input in &inputs {
        let (input, effects) = (encode_input(input), encode_effects(&engine.step(input)));
        seeds.push(input.clone());
        seeds.push(effects.clone());
        parts.extend([input, effects]);
    }
    seeds.push(joined(&parts));
    seeds.push(joined(&parts[..4]));
    seeds
}
