//! Oversized and malformed evidence is refused before it costs anything.

use portcullis_verifier::{
    Evidence, Undecided, Verdict,
    evm::{
        Anchor, Attestation, EvmProofError, Nodes, Payload, QuorumEvidence,
        limits::{
            MAX_ATTESTATIONS, MAX_EVIDENCE_BYTES, MAX_HEADERS, MAX_LEADING_RECEIPTS, MAX_PROOF_NODES,
            MAX_RECEIPTS,
        },
        system_name,
    },
};
use proptest::prelude::*;

use crate::fixture::{all_receipts, claimed, emitted, evidence, operator, verdict_of};

fn decode(evidence: &QuorumEvidence) -> Result<QuorumEvidence, EvmProofError> {
    QuorumEvidence::decode(&evidence.to_evidence().bytes)
}

fn empties(count: usize) -> Vec<Vec<u8>> {
    vec![Vec::new(); count]
}

#[test]
fn every_list_ends_at_its_bound() {
    let base = evidence(all_receipts());
    let attestation = Attestation { operator: operator("alpha"), block: claimed().block_ref() };
    type Make = Box<dyn Fn(usize) -> QuorumEvidence>;
    let with: [(&str, usize, Make); 6] = [
        ("receipts", MAX_RECEIPTS, Box::new(|n| evidence(Payload::Receipts(empties(n))))),
        (
            "leading receipts",
            MAX_LEADING_RECEIPTS,
            Box::new(|n| evidence(Payload::LeadingReceipts(vec![Nodes::default(); n]))),
        ),
        (
            "nodes",
            MAX_PROOF_NODES,
            Box::new(|n| {
                evidence(Payload::State { account_nodes: Nodes(empties(n)), storage_nodes: Nodes::default() })
            }),
        ),
        (
            "storage nodes",
            MAX_PROOF_NODES,
            Box::new(|n| {
                evidence(Payload::State { account_nodes: Nodes::default(), storage_nodes: Nodes(empties(n)) })
            }),
        ),
        (
            "headers",
            MAX_HEADERS,
            Box::new(|n| QuorumEvidence {
                anchor: Anchor::Descendant(empties(n)),
                ..evidence(all_receipts())
            }),
        ),
        (
            "attestations",
            MAX_ATTESTATIONS,
            Box::new(move |n| QuorumEvidence { attestations: vec![attestation; n], ..base.clone() }),
        ),
    ];
    for (name, limit, make) in with {
        let at_bound = make(limit);
        assert_eq!(decode(&at_bound), Ok(at_bound.clone()), "{name}");
        let error = decode(&make(limit + 1)).unwrap_err();
        assert!(matches!(error, EvmProofError::Encoding { .. }), "{name}: {error:?}");
    }
}

#[test]
fn a_length_that_lies_is_refused() {
    let good = evidence(all_receipts()).to_evidence().bytes;
    // The first four bytes are the header's length; it claims 4 GiB.
    let mut lying = good.clone();
    lying[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(QuorumEvidence::decode(&lying), Err(EvmProofError::Encoding { .. })));
    assert!(QuorumEvidence::decode(&good).is_ok());
}

#[test]
fn evidence_beyond_its_size_is_not_read() {
    let bytes = vec![0u8; MAX_EVIDENCE_BYTES + 1];
    assert!(matches!(
        QuorumEvidence::decode(&bytes),
        Err(EvmProofError::Limit { found, limit: MAX_EVIDENCE_BYTES, .. }) if found == MAX_EVIDENCE_BYTES + 1
    ));
    let claim = emitted(0, claimed().log_digest(0));
    let sent = Evidence { system: system_name(), bytes };
    assert!(matches!(verdict_of(&claim, &sent), Verdict::Undecided(Undecided::BadEvidence { .. })));
}

#[test]
fn details_fit_into_a_verdict() {
    let claim = emitted(0, claimed().log_digest(0));
    for bytes in [vec![], vec![0xff; 1_000], evidence(all_receipts()).to_evidence().bytes[1..].to_vec()] {
        let sent = Evidence { system: system_name(), bytes };
        let Verdict::Undecided(Undecided::BadEvidence { detail }) = verdict_of(&claim, &sent) else {
            panic!()
        };
        assert!(!detail.is_empty() && detail.len() <= 512, "{detail}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_proof_and_none_crash_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let claim = emitted(0, claimed().log_digest(0));
        let sent = Evidence { system: system_name(), bytes };
        prop_assert!(matches!(verdict_of(&claim, &sent), Verdict::Undecided(_)));
    }

    #[test]
    fn the_encoding_round_trips(header in prop::collection::vec(any::<u8>(), 0..40),
        nodes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..9), kind in 0usize..9) {
        let nodes_of = || Nodes(nodes.clone());
        let anchor = match kind % 3 {
            0 => Anchor::Itself,
            1 => Anchor::Descendant(nodes.clone()),
            _ => Anchor::History { header: header.clone(), account_nodes: nodes_of(), storage_nodes: nodes_of() },
        };
        let payload = match kind / 3 {
            0 => Payload::Receipts(nodes.clone()),
            1 => Payload::LeadingReceipts(vec![nodes_of(), Nodes::default()]),
            _ => Payload::State { account_nodes: nodes_of(), storage_nodes: nodes_of() },
        };
        let sent = QuorumEvidence { header, anchor, payload, ..evidence(all_receipts()) };
        prop_assert_eq!(decode(&sent), Ok(sent.clone()));
        let mut longer = sent.to_evidence().bytes;
        longer.push(0);
        prop_assert!(QuorumEvidence::decode(&longer).is_err());
    }
}
