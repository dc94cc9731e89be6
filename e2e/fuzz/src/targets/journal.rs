//! The local journal and the write sets in it.

use portcullis::{
    journal::{FRAME_BYTES, Tail, frame, read_records},
    store::{LogEnd, LogName, LogRecord, Step, WriteSet},
};
use portcullis_core::{
    ENGINE_VERSION, Engine,
    log::{chain_head, encode_effects, encode_input},
};
use portcullis_verifier::Slug;

use super::{choice, engine};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "journal",
    what: "a journal's bytes: whole records or none, and write sets that encode as they were read",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    if which % 2 == 0 {
        if let Ok(set) = WriteSet::decode(bytes) {
            let again = set.encode().expect("what was read can be written");
            assert_eq!(again, bytes, "a second encoding of a write set");
        }
        return;
    }
    let (records, good, tail) = read_records(bytes);
    assert!(good <= bytes.len());
    let framed: usize = records.iter().map(|record| record.len() + FRAME_BYTES).sum();
    assert_eq!(framed, good, "bytes that belong to no record");
    assert_eq!(matches!(tail, Tail::Clean), good == bytes.len());
    // What was good stays good when the rest is cut off.
    let (again, length, end) = read_records(&bytes[..good]);
    assert_eq!((&again, length), (&records, good));
    assert!(matches!(end, Tail::Clean));
}

fn seeds() -> Vec<Vec<u8>> {
    let frames: Vec<u8> = [&b"one"[..], b"", b"three"]
        .iter()
        .flat_map(|payload| frame(payload).expect("a small record"))
        .collect();
    let torn = frames[..frames.len() - 2].to_vec();
    let mut damaged = frames.clone();
    damaged[5] ^= 1;
    let mut seeds: Vec<Vec<u8>> =
        [frames, torn, damaged, Vec::new()].into_iter().map(|bytes| [vec![1], bytes].concat()).collect();
    let name = Slug::new("a").expect("a slug");
    let mut set = WriteSet::new(LogName { group: name, replica: name }, LogEnd::EMPTY);
    seeds.push([vec![0], set.encode().expect("encodes")].concat());
    let mut engine = Engine::new(engine::CONFIG.clone()).expect("the example's engine");
    for (seq, input) in (0u64..).zip(engine::inputs()) {
        let effects = engine.step(&input);
        let encoded = encode_input(&input);
        let head = chain_head(set.end().head, seq, &encoded);
        let record = LogRecord {
            seq,
            at_ms: input.at_ms,
            encoded,
            head,
            engine_version: ENGINE_VERSION,
            effects: encode_effects(&effects),
        };
        set.steps.push(Step { record, input, effects });
    }
    seeds.push([vec![0], set.encode().expect("encodes")].concat());
    seeds
}
