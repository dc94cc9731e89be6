//! Evidence for claims whose truth is known.

use std::sync::LazyLock;

use alloy_primitives::U256;
use portcullis_verifier::{B256, Claim, Evidence, Relation, Verdict, evm::QuorumEvidence};

use super::{choice, fixture};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "evidence",
    what: "evidence of the EVM family: a false claim is never proven, a true one never refuted",
    most_bytes: 64 << 10,
    feed,
    seeds,
};

/// Claims about one block, each with its truth.
static CLAIMS: LazyLock<Vec<(Claim, bool)>> = LazyLock::new(claims);

fn claims() -> Vec<(Claim, bool)> {
    let block = fixture::claimed();
    let (one, two) = (fixture::contract(1), fixture::contract(2));
    let low = |value: u64| {
        fixture::state(one, fixture::key(3), U256::from(0xff), Relation::Equal, U256::from(value))
    };
    vec![
        (fixture::emitted(0, block.log_digest(0)), true),
        (fixture::emitted(4, block.log_digest(4)), true),
        (fixture::emitted(0, B256::repeat_byte(1)), false),
        (fixture::emitted(1, block.log_digest(0)), false),
        (fixture::emitted(8, block.log_digest(0)), false),
        (fixture::not_emitted(one, &[0xaa, 0xbb]), false),
        (fixture::not_emitted(two, &[0xdd]), true),
        (low(5), true),
        (low(6), false),
        (fixture::state_absent(one, fixture::key(200)), true),
        (fixture::state_absent(one, fixture::key(3)), false),
        (fixture::state_absent(fixture::contract(99), fixture::key(3)), true),
    ]
}

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    let (claim, truth) = &CLAIMS[which % CLAIMS.len()];
    if let Ok(decoded) = QuorumEvidence::decode(bytes) {
        assert_eq!(decoded.to_evidence().bytes, bytes, "a second encoding");
    }
    let evidence = Evidence { system: portcullis_verifier::evm::system_name(), bytes: bytes.to_vec() };
    // SECURITY: the claim names its block by hash, so that nothing that evidence says can change what is true there.
    match fixture::verdict_of(claim, &evidence) {
        Verdict::Proven(assurance) => {
            assert!(truth, "a false claim is proven: {claim:?}");
            assert!(assurance.header.quorum.is_some_and(|quorum| quorum.agreeing >= 2));
        }
        Verdict::Refuted(..) => assert!(!truth, "a true claim is refuted: {claim:?}"),
        Verdict::Undecided(_) => {}
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let (one, far) = (fixture::contract(1), fixture::contract(99));
    let slot = fixture::slot_payload(one, fixture::key(3));
    let shapes = [
        fixture::evidence(fixture::all_receipts()),
        fixture::evidence(fixture::leading_receipts(1)),
        fixture::evidence(fixture::leading_receipts(3)),
        fixture::evidence(slot.clone()),
        fixture::evidence(fixture::slot_payload(one, fixture::key(200))),
        fixture::evidence(fixture::absent_account_payload(far)),
        fixture::through_chain(fixture::evidence(slot.clone())),
        fixture::through_history(fixture::evidence(slot)),
    ];
    let mut seeds = Vec::new();
    for shape in &shapes {
        let bytes = shape.to_evidence().bytes;
        for which in 0..CLAIMS.len() {
            let which = u8::try_from(which).expect("few claims");
            if bytes.len() < 8 << 10 || which % 4 == 0 {
                seeds.push([vec![which], bytes.clone()].concat());
            }
        }
    }
    seeds
}
