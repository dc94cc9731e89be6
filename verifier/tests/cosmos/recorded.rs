//! Events that a contract wrote down, and those that it did not.

use portcullis_verifier::{
    B256, Claim, Execution, Inclusion, Undecided, Verdict,
    cosmos::{LightEvidence, Payload, is_added_by_chain, recorded_digest, recorded_key, recorded_raw},
    keccak256,
};

use crate::{
    fixture::{chain_id, contract, said, slug},
    system::{block, own_key, state_evidence, transaction_evidence, verdict_of},
};

/// The claim that the contract released an amount in block 5.
pub(crate) fn emitted(amount: &str) -> Claim {
    let raw = recorded_raw(contract(), said(amount));
    Claim::Emitted { chain: chain_id(), block: block(), log_index: 3, raw }
}

pub(crate) fn recorded_evidence(amount: &str) -> LightEvidence {
    state_evidence("wasm", &own_key(&recorded_key(said(amount))), 6)
}

fn verdict(amount: &str, evidence: &LightEvidence) -> Verdict {
    verdict_of(&emitted(amount), &evidence.to_evidence())
}

#[test]
fn a_recorded_event_is_proven_with_its_execution() {
    let Verdict::Proven(assurance) = verdict("5", &recorded_evidence("5")) else { panic!() };
    assert_eq!((assurance.inclusion, assurance.execution), (Inclusion::MerkleProved, Execution::Proved));
    assert!(assurance.header.final_by_consensus, "{assurance:?}");
}

#[test]
fn what_the_contract_did_not_record_in_that_block_is_refuted() {
    for (amount, found) in
        [("6", "no such event"), ("4", "recorded at height 4"), ("odd", "a value of 3 bytes")]
    {
        match verdict(amount, &recorded_evidence(amount)) {
            Verdict::Refuted(refutation, assurance) => {
                assert!(refutation.found.contains(found), "{refutation:?}");
                assert_eq!(assurance.inclusion, Inclusion::MerkleProved);
            }
            other => panic!("{amount}: {other:?}"),
        }
    }
}

#[test]
fn evidence_of_something_else_decides_nothing() {
    let bad = |evidence: &LightEvidence| match verdict("5", evidence) {
        Verdict::Undecided(Undecided::BadEvidence { detail }) => detail,
        other => panic!("{other:?}"),
    };
    assert!(bad(&recorded_evidence("4")).contains("another key"), "another event's record");
    assert!(bad(&transaction_evidence(1, true)).contains("cannot decide"), "a transaction");
    let mut foreign = recorded_evidence("5");
    let Payload::State { key, .. } = &mut foreign.payload else { panic!() };
    key[1] ^= 1;
    assert!(bad(&foreign).contains("another key"), "the same record of another contract");
    let mut elsewhere = recorded_evidence("5");
    let Payload::State { store, .. } = &mut elsewhere.payload else { panic!() };
    *store = slug("bank");
    let none = |evidence: &LightEvidence| {
        let verdict = verdict("5", evidence);
        assert!(matches!(verdict, Verdict::Undecided(Undecided::NoVerifier { .. })), "{verdict:?}");
    };
    none(&elsewhere);
    none(&state_evidence("wasm", &own_key(b"scope"), 6));
    let key = recorded_key(said("5"));
    for own in [&key[..key.len() - 1], &[key.as_slice(), &[0]].concat(), &key[1..]] {
        none(&state_evidence("wasm", &own_key(own), 6));
    }
}

#[test]
fn the_digest_tells_every_event_from_every_other() {
    let digest = |kind: &str, attributes: &[(&str, &str)]| recorded_digest(kind, attributes.iter().copied());
    // By hand: a length of four bytes before each text.
    let bytes = b"\0\0\0\x01e\0\0\0\x01k\0\0\0\x02vw";
    assert_eq!(digest("e", &[("k", "vw")]), keccak256(bytes));
    let same = digest("e", &[("_contract_address", "x"), ("k", "vw"), ("msg_index", "2")]);
    assert_eq!(same, digest("e", &[("k", "vw")]), "what the chain adds does not count");
    let others: [(&str, &[(&str, &str)]); 6] = [
        ("ek", &[("", "vw")]),
        ("e", &[("kv", "w")]),
        ("e", &[("k", "v"), ("", "w")]),
        ("e", &[("k", "vw"), ("k", "vw")]),
        ("e", &[]),
        ("", &[("e", "k")]),
    ];
    for (kind, attributes) in others {
        assert_ne!(digest(kind, attributes), digest("e", &[("k", "vw")]), "{kind} {attributes:?}");
    }
    assert!(is_added_by_chain("_contract_address") && is_added_by_chain("msg_index"));
    assert!(!is_added_by_chain("amount") && !is_added_by_chain("msg_index_2"));
    assert_ne!(recorded_raw(contract(), B256::ZERO), recorded_raw(B256::ZERO, B256::ZERO));
}
