//! Claims judged by `evm-quorum-v1`: proven, refuted, undecided, each for its own reason.

use alloy_primitives::{Address, U256};
use portcullis_verifier::{
    Assurance, B256, BlockRef, ChainId, Claim, Execution, Inclusion, Quorum, Relation, Slug, Undecided,
    Verdict,
    evm::{Anchor, Nodes, Payload, QuorumEvidence, SYSTEM_NAME, system_name},
};

use crate::fixture::{
    NOW, absent_account_payload, all_receipts, attested, chain_id, claimed, contract, descendants, emitted,
    evidence, key, leading_receipts, not_emitted, registry, slot_payload, state, state_absent, through_chain,
    through_history, trust, verdict, verdict_of,
};

fn proven(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Proven(_))
}

fn refuted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refuted(..))
}

fn bad_evidence(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Undecided(Undecided::BadEvidence { .. }))
}

#[test]
fn the_registry_knows_the_system_by_its_name() {
    assert_eq!(registry().names().collect::<Vec<_>>(), [system_name()]);
    assert_eq!(system_name().as_str(), SYSTEM_NAME);
    let claim = emitted(0, claimed().log_digest(0));
    let mut sent = evidence(all_receipts()).to_evidence();
    assert!(proven(&verdict_of(&claim, &sent)));
    sent.system = Slug::new("evm-quorum-v2").unwrap();
    assert_eq!(
        verdict_of(&claim, &sent),
        Verdict::Undecided(Undecided::NoVerifier { system: "evm-quorum-v2".to_owned() })
    );
}

#[test]
fn every_log_of_the_block_is_proven_at_its_place_and_nowhere_else() {
    let block = claimed();
    let sent = evidence(all_receipts());
    for index in 0..8u32 {
        let raw = block.log_digest(index as usize);
        assert!(proven(&verdict(&emitted(index, raw), &sent)), "log {index}");
        for other in (0..12u32).filter(|other| *other != index) {
            let elsewhere = verdict(&emitted(other, raw), &sent);
            assert!(refuted(&elsewhere), "log {index} at {other}: {elsewhere:?}");
        }
    }
    assert!(refuted(&verdict(&emitted(0, B256::repeat_byte(7)), &sent)), "other content");
    assert!(refuted(&verdict(&emitted(u32::MAX, block.log_digest(0)), &sent)), "no such place");
}

#[test]
fn the_assurance_says_what_was_checked_and_no_more() {
    let sent = evidence(all_receipts());
    let Verdict::Proven(assurance) = verdict(&emitted(0, claimed().log_digest(0)), &sent) else {
        panic!("must be proven")
    };
    let expected = Assurance { age_secs: Some(48), ..Assurance::proved_under_quorum(2, 3) };
    assert_eq!(assurance, expected);
    assert_eq!(assurance.header.quorum, Some(Quorum { agreeing: 2, of: 3 }));
    assert!(!assurance.header.final_by_consensus && assurance.header.signed_bps.is_none());
    assert_eq!((assurance.inclusion, assurance.execution), (Inclusion::MerkleProved, Execution::Proved));
}

#[test]
fn leading_receipts_prove_places_and_never_absence() {
    let block = claimed();
    // Receipts 0 to 2 hold logs 0 to 4.
    let sent = evidence(leading_receipts(3));
    for index in 0..5u32 {
        assert!(proven(&verdict(&emitted(index, block.log_digest(index as usize)), &sent)));
        assert!(refuted(&verdict(&emitted(index, B256::ZERO), &sent)), "a known place with other content");
    }
    let behind = verdict(&emitted(5, block.log_digest(5)), &sent);
    assert!(bad_evidence(&behind), "what was not shown is neither there nor not: {behind:?}");
    assert!(bad_evidence(&verdict(&not_emitted(contract(9), &[]), &sent)));
    assert!(refuted(&verdict(&not_emitted(contract(1), &[]), &sent)), "one hit is enough to refute absence");
    assert!(proven(&verdict(&not_emitted(contract(9), &[]), &evidence(all_receipts()))));
}

#[test]
fn a_failed_transaction_has_no_log_to_claim() {
    // Receipt 3 failed. A claim of a log there lands on the next receipt's log, with other content.
    let block = claimed();
    assert!(!block.receipts[3].status() && block.receipts[3].logs().is_empty());
    let raw = block.log_digest(0);
    assert!(refuted(&verdict(&emitted(5, raw), &evidence(all_receipts()))));
    let single = Payload::LeadingReceipts((0..4).map(|index| Nodes(block.receipt_path(index))).collect());
    assert!(bad_evidence(&verdict(&emitted(5, raw), &evidence(single))));
}

#[test]
fn absence_of_a_log_is_by_contract_and_leading_topics() {
    let sent = evidence(all_receipts());
    let cases: [(Address, &[u8], bool); 8] = [
        (contract(9), &[], true),
        (contract(1), &[], false),
        (contract(1), &[0xaa], false),
        (contract(1), &[0xaa, 0xbb], false),
        (contract(1), &[0xaa, 0xbc], true),
        (contract(1), &[0xbb], true),
        (contract(1), &[0xaa, 0xbb, 0x01], true),
        (contract(3), &[0x01], true),
    ];
    for (address, topics, absent) in cases {
        let found = verdict(&not_emitted(address, topics), &sent);
        assert_eq!((proven(&found), refuted(&found)), (absent, !absent), "{address} {topics:x?}: {found:?}");
    }
    let Verdict::Refuted(refutation, _) = verdict(&not_emitted(contract(3), &[]), &sent) else { panic!() };
    assert_eq!(refutation.found, "log 7 is one");
}

fn until_mask() -> U256 {
    U256::from(u64::MAX) << 8
}

#[test]
fn a_masked_word_compares_as_the_claim_asks() {
    let sent = evidence(slot_payload(contract(1), key(3)));
    let word = claimed().contracts[&contract(1)].slots[&key(3)];
    let until = word & until_mask();
    let later = until + (U256::from(1) << 8);
    let cases = [
        (U256::MAX, Relation::Equal, word, true),
        (U256::MAX, Relation::Equal, word + U256::from(1), false),
        (until_mask(), Relation::Equal, until, true),
        (until_mask(), Relation::Equal, later, false),
        (until_mask(), Relation::AtLeast, until, true),
        (until_mask(), Relation::AtLeast, U256::ZERO, true),
        (until_mask(), Relation::AtLeast, later, false),
        (U256::from(0xff), Relation::Equal, U256::from(5), true),
        (U256::from(0xff), Relation::AtLeast, U256::from(6), false),
    ];
    for (mask, relation, value, holds) in cases {
        let claim = state(contract(1), key(3), mask, relation, value);
        let found = verdict(&claim, &sent);
        assert_eq!((proven(&found), refuted(&found)), (holds, !holds), "{claim:?}: {found:?}");
    }
}

#[test]
fn an_absent_slot_reads_as_zero_and_an_absent_account_as_nothing() {
    let gap = evidence(slot_payload(contract(1), key(77)));
    let zero = |address| state(address, key(77), U256::MAX, Relation::Equal, U256::ZERO);
    let positive = |address| state(address, key(77), U256::MAX, Relation::AtLeast, U256::from(1));
    assert!(proven(&verdict(&zero(contract(1)), &gap)));
    assert!(refuted(&verdict(&positive(contract(1)), &gap)));
    assert!(proven(&verdict(&state_absent(contract(1), key(77)), &gap)));

    let nobody = evidence(absent_account_payload(contract(99)));
    assert!(refuted(&verdict(&zero(contract(99)), &nobody)), "a contract that is not there has no state");
    assert!(refuted(&verdict(&positive(contract(99)), &nobody)));
    assert!(proven(&verdict(&state_absent(contract(99), key(77)), &nobody)));

    let present = evidence(slot_payload(contract(1), key(3)));
    assert!(refuted(&verdict(&state_absent(contract(1), key(3)), &present)));
    let plain = evidence(slot_payload(contract(2), key(3)));
    assert!(proven(&verdict(&state_absent(contract(2), key(3)), &plain)), "an account without storage");
}

#[test]
fn state_evidence_is_of_one_contract_and_one_key() {
    let sent = evidence(slot_payload(contract(1), key(3)));
    for claim in [
        state_absent(contract(1), key(4)),
        state_absent(contract(2), key(3)),
        state_absent(contract(99), key(3)),
        state(contract(2), key(3), U256::MAX, Relation::AtLeast, U256::ZERO),
        state(contract(1), key(4), U256::MAX, Relation::AtLeast, U256::ZERO),
    ] {
        let found = verdict(&claim, &sent);
        assert!(bad_evidence(&found), "{claim:?}: {found:?}");
    }
    // A storage path beside an absent account is a path of something else.
    let Payload::State { storage_nodes, .. } = slot_payload(contract(1), key(3)) else { panic!() };
    let Payload::State { account_nodes, .. } = absent_account_payload(contract(99)) else { panic!() };
    let mixed = evidence(Payload::State { account_nodes, storage_nodes });
    assert!(bad_evidence(&verdict(&state_absent(contract(99), key(3)), &mixed)));
}

#[test]
fn evidence_of_one_kind_does_not_decide_claims_of_another() {
    let logs = emitted(0, claimed().log_digest(0));
    assert!(bad_evidence(&verdict(&logs, &evidence(slot_payload(contract(1), key(3))))));
    assert!(bad_evidence(&verdict(&state_absent(contract(1), key(77)), &evidence(all_receipts()))));
    assert!(bad_evidence(&verdict(&state_absent(contract(1), key(77)), &evidence(leading_receipts(1)))));
}

#[test]
fn claims_that_no_state_could_answer_are_undecided() {
    let sent = evidence(slot_payload(contract(1), key(3)));
    let receipts = evidence(all_receipts());
    let no_mask = state(contract(1), key(3), U256::ZERO, Relation::Equal, U256::ZERO);
    assert!(bad_evidence(&verdict(&no_mask, &sent)));
    let outside = state(contract(1), key(3), U256::from(0xff), Relation::AtLeast, U256::from(0x100));
    assert!(bad_evidence(&verdict(&outside, &sent)));
    let mut padded = not_emitted(contract(9), &[]);
    let Claim::NotEmitted { contract: place, .. } = &mut padded else { panic!() };
    place.0[0] = 1;
    assert!(bad_evidence(&verdict(&padded, &receipts)), "no log can be of an account that is no address");
    assert!(bad_evidence(&verdict(&not_emitted(contract(9), &[1, 2, 3, 4, 5]), &receipts)));
    assert!(proven(&verdict(&not_emitted(contract(9), &[1, 2, 3, 4]), &receipts)));
}

#[test]
fn chains_of_other_families_are_not_judged() {
    let Claim::Emitted { block, log_index, raw, .. } = emitted(0, claimed().log_digest(0)) else { panic!() };
    let on = |chain: &str| Claim::Emitted { chain: ChainId::new(chain).unwrap(), block, log_index, raw };
    let sent = evidence(all_receipts());
    assert!(proven(&verdict(&on("eip155:31337"), &sent)));
    assert!(matches!(verdict(&on("other:1"), &sent), Verdict::Undecided(Undecided::NoVerifier { .. })));
}

#[test]
fn the_header_is_exactly_the_claims() {
    let raw = claimed().log_digest(0);
    let at = |block| Claim::Emitted { chain: chain_id(), block, log_index: 0, raw };
    let here = claimed().block_ref();
    let sent = evidence(all_receipts());
    assert!(proven(&verdict(&at(here), &sent)));
    assert!(bad_evidence(&verdict(&at(BlockRef { hash: B256::repeat_byte(1), ..here }), &sent)));
    assert!(bad_evidence(&verdict(&at(BlockRef { height: 7, ..here }), &sent)));
    let next = descendants()[0].clone();
    let swapped = QuorumEvidence { header: next.rlp(), attestations: attested(next.block_ref()), ..sent };
    assert!(bad_evidence(&verdict(&at(here), &swapped)), "another block's header");
}

#[test]
fn too_few_voices_or_a_louder_other_block_decide_nothing() {
    let claim = emitted(0, claimed().log_digest(0));
    let sent = evidence(all_receipts());
    let few = QuorumEvidence { attestations: sent.attestations[..1].to_vec(), ..sent.clone() };
    assert_eq!(verdict(&claim, &few), Verdict::Undecided(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
    let elsewhere = BlockRef { hash: B256::repeat_byte(1), ..claimed().block_ref() };
    let louder = QuorumEvidence { attestations: attested(elsewhere), ..sent };
    assert!(matches!(verdict(&claim, &louder), Verdict::Undecided(Undecided::NotCanonical { .. })));
}

#[test]
fn a_later_header_vouches_through_the_chain_or_through_state() {
    let receipts = emitted(2, claimed().log_digest(2));
    let slot = state(contract(1), key(3), U256::from(0xff), Relation::Equal, U256::from(5));
    for (claim, payload) in [(receipts, all_receipts()), (slot, slot_payload(contract(1), key(3)))] {
        for through in [through_chain, through_history] {
            let sent = through(evidence(payload.clone()));
            let Verdict::Proven(assurance) = verdict(&claim, &sent) else { panic!("{claim:?}") };
            assert_eq!(assurance.age_secs, Some(NOW - claimed().header.timestamp), "age of its own block");
            assert_eq!(assurance.header.quorum, Some(Quorum { agreeing: 2, of: 3 }));

            // The twins: voices for the old block are no voices for the anchor, and the other way round.
            let old = QuorumEvidence { attestations: attested(claimed().block_ref()), ..sent.clone() };
            assert!(matches!(verdict(&claim, &old), Verdict::Undecided(Undecided::NoQuorum { .. })));
            let itself = QuorumEvidence { anchor: Anchor::Itself, ..sent };
            assert!(matches!(verdict(&claim, &itself), Verdict::Undecided(Undecided::NoQuorum { .. })));
        }
    }
}

#[test]
fn a_gap_in_the_chain_or_in_history_decides_nothing() {
    let claim = emitted(2, claimed().log_digest(2));
    let whole = through_chain(evidence(all_receipts()));
    let Anchor::Descendant(headers) = whole.anchor.clone() else { panic!() };
    for anchor in [
        Anchor::Descendant(vec![]),
        Anchor::Descendant(headers[1..].to_vec()),
        Anchor::Descendant(vec![headers[0].clone(), headers[2].clone()]),
        Anchor::Descendant(vec![headers[1].clone(), headers[0].clone(), headers[2].clone()]),
    ] {
        let sent = QuorumEvidence { anchor, ..whole.clone() };
        assert!(bad_evidence(&verdict(&claim, &sent)));
    }
    let history = through_history(evidence(all_receipts()));
    let Anchor::History { header, account_nodes, storage_nodes } = history.anchor.clone() else { panic!() };
    for (account_nodes, storage_nodes) in [
        (account_nodes.clone(), Nodes::default()),
        (Nodes::default(), storage_nodes.clone()),
        (storage_nodes, account_nodes),
    ] {
        let anchor = Anchor::History { header: header.clone(), account_nodes, storage_nodes };
        assert!(bad_evidence(&verdict(&claim, &QuorumEvidence { anchor, ..history.clone() })));
    }
}

#[test]
fn a_block_that_history_contradicts_is_not_on_the_chain() {
    // A sibling of the claimed block, with evidence of its own that verifies in itself.
    let mut sibling = claimed();
    sibling.header.extra_data = b"fork"[..].into();
    let claim = Claim::Emitted {
        chain: chain_id(),
        block: sibling.block_ref(),
        log_index: 0,
        raw: sibling.log_digest(0),
    };
    let sent = QuorumEvidence { header: sibling.rlp(), ..through_history(evidence(all_receipts())) };
    assert!(matches!(verdict(&claim, &sent), Verdict::Undecided(Undecided::NotCanonical { .. })));
    let own_word =
        QuorumEvidence { attestations: attested(sibling.block_ref()), anchor: Anchor::Itself, ..sent };
    assert!(proven(&verdict(&claim, &own_word)), "and only the anchor tells the two apart");
}

#[test]
fn freshness_is_a_floor_that_old_evidence_does_not_meet() {
    let claim = state(contract(1), key(3), U256::from(0xff), Relation::Equal, U256::from(5));
    let sent = evidence(slot_payload(contract(1), key(3))).to_evidence();
    let floor = Assurance { age_secs: Some(60), ..Assurance::proved_under_quorum(2, 3) };
    let at = |now| {
        let trust = portcullis_verifier::Trust { now, ..trust() };
        registry().verify(&claim, &sent, &trust).proves(&floor)
    };
    assert!(at(NOW));
    assert!(!at(NOW + 13), "61 s old");
    assert!(!at(NOW - 48 - 16), "from the future");
}
