//! What travels between the parts: observations, claims, verdicts, evidence, in borsh.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{Action, Assurance, Claim, Evidence, Observation, Progress, Undecided, Verdict};

use super::{choice, fixture};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "vocabulary",
    what: "borsh of every type that is stored or sent: one value, one encoding, ids from content",
    most_bytes: 8 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    match which % 6 {
        0 => {
            if let Some(observation) = canonical::<Observation>(bytes) {
                let again: Observation = borsh::from_slice(bytes).expect("read once, read twice");
                assert_eq!(observation.id(), again.id());
                assert_eq!(observation.with_status(observation.status()), observation);
                assert!(observation.chain().as_str().parse::<portcullis_verifier::ChainId>().is_ok());
            }
        }
        1 => {
            if let Some(claim) = canonical::<Claim>(bytes) {
                let again: Claim = borsh::from_slice(bytes).expect("read once, read twice");
                assert_eq!(claim.id(), again.id());
            }
        }
        2 => {
            if let Some(verdict) = canonical::<Verdict>(bytes) {
                let floor = Assurance::default();
                assert!(!verdict.proves(&floor) || matches!(verdict, Verdict::Proven(_)));
            }
        }
        3 => drop(canonical::<Evidence>(bytes)),
        4 => drop(canonical::<Action>(bytes)),
        _ => drop(canonical::<Progress>(bytes)),
    }
}

/// The value, if the bytes are one; then they are the only bytes that say so.
fn canonical<T: BorshDeserialize + BorshSerialize>(bytes: &[u8]) -> Option<T> {
    let value: T = borsh::from_slice(bytes).ok()?;
    assert_eq!(borsh::to_vec(&value).expect("a Vec takes every byte"), bytes, "a second encoding");
    Some(value)
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut put = |which: u8, bytes: Vec<u8>| {
        let mut seed = vec![which];
        seed.extend(bytes);
        seeds.push(seed);
    };
    for observation in super::engine::observations() {
        put(0, borsh::to_vec(&observation).expect("encodes"));
    }
    let block = fixture::claimed();
    let claims = [
        fixture::emitted(1, block.log_digest(1)),
        fixture::not_emitted(fixture::contract(1), &[0xaa]),
        fixture::state_absent(fixture::contract(1), fixture::key(3)),
    ];
    let evidence = fixture::evidence(fixture::slot_payload(fixture::contract(1), fixture::key(3)));
    for claim in &claims {
        put(1, borsh::to_vec(claim).expect("encodes"));
        put(2, borsh::to_vec(&fixture::verdict(claim, &evidence)).expect("encodes"));
    }
    let why = Undecided::NoQuorum { agreeing: 1, needed: 2 };
    put(2, borsh::to_vec(&Verdict::Undecided(why)).expect("encodes"));
    put(3, borsh::to_vec(&evidence.to_evidence()).expect("encodes"));
    seeds
}
