//! Broken evidence proves nothing: every way to break it that can be enumerated, and its count.
//!
//! The evidence that is broken carries no more than it needs (as many voices as the quorum, the nodes of one
//! path), so that every byte of it matters. A mutant that decodes to the very same evidence is no mutant and is
//! set aside; any other must not be proven.

use std::{collections::BTreeSet, io::Write};

use alloy_primitives::U256;
use portcullis_verifier::{
    B256, Claim, Evidence, Relation, Verdict,
    evm::{Anchor, Nodes, Payload, QuorumEvidence, log_digest},
};

use crate::{
    fixture::{
        absent_account_payload, all_receipts, attested, chain_id, claimed, contract, descendants, emitted,
        evidence, key, leading_receipts, not_emitted, operator, slot_payload, state, state_absent,
        through_chain, through_history, verdict_of,
    },
    vectors::Mainnet,
};

/// How mutants ended.
#[derive(Default)]
struct Tally {
    refuted: usize,
    undecided: usize,
    same: usize,
    proven: Vec<String>,
}

impl Tally {
    fn judge(&mut self, name: &str, claim: &Claim, original: &QuorumEvidence, mutant: &Evidence) {
        if QuorumEvidence::decode(&mutant.bytes).is_ok_and(|decoded| decoded == *original) {
            self.same += 1;
        } else {
            self.judge_any(name, claim, mutant);
        }
    }

    fn judge_any(&mut self, name: &str, claim: &Claim, mutant: &Evidence) {
        match verdict_of(claim, mutant) {
            Verdict::Proven(_) => self.proven.push(name.to_owned()),
            Verdict::Refuted(..) => self.refuted += 1,
            Verdict::Undecided(_) => self.undecided += 1,
        }
    }

    /// None proven, and none refuted either: broken evidence shows nothing, neither for nor against.
    fn check(&self, what: &str) {
        self.report(what);
        assert_eq!(self.proven, [""; 0], "{what}");
        assert_eq!(self.refuted, 0, "{what}");
    }

    fn total(&self) -> usize {
        self.refuted + self.undecided + self.proven.len()
    }

    fn report(&self, what: &str) {
        // Past the harness's capture: the count is part of what this test has to say.
        let _unread = writeln!(
            std::io::stderr(),
            "mutants of {what}: {} ({} undecided, {} refuted, {} proven), {} identical",
            self.total(),
            self.undecided,
            self.refuted,
            self.proven.len(),
            self.same
        );
    }
}

/// Claims with minimal evidence of every shape.
fn subjects() -> Vec<(&'static str, Claim, QuorumEvidence)> {
    let block = claimed();
    let packed =
        |value: u64| state(contract(1), key(3), U256::from(0xff), Relation::Equal, U256::from(value));
    let slot = || evidence(slot_payload(contract(1), key(3)));
    vec![
        ("all receipts", emitted(3, block.log_digest(3)), evidence(all_receipts())),
        ("absence of a log", not_emitted(contract(9), &[]), evidence(all_receipts())),
        ("leading receipts", emitted(4, block.log_digest(4)), evidence(leading_receipts(3))),
        ("a slot", packed(5), slot()),
        ("a slot at least", state(contract(1), key(3), U256::MAX, Relation::AtLeast, U256::from(1)), slot()),
        (
            "absence of a slot",
            state_absent(contract(1), key(77)),
            evidence(slot_payload(contract(1), key(77))),
        ),
        (
            "absence of an account",
            state_absent(contract(99), key(1)),
            evidence(absent_account_payload(contract(99))),
        ),
        ("a slot through a chain", packed(5), through_chain(slot())),
        ("a slot through history", packed(5), through_history(slot())),
    ]
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let mut total = 0;
    for (name, claim, original) in subjects() {
        let sent = original.to_evidence();
        assert!(
            matches!(verdict_of(&claim, &sent), Verdict::Proven(_)),
            "{name}: the original must be proven"
        );
        let mut tally = Tally::default();
        for at in 0..sent.bytes.len() {
            for bit in 0..8 {
                let mut mutant = sent.clone();
                mutant.bytes[at] ^= 1 << bit;
                tally.judge(&format!("bit {bit} of byte {at}"), &claim, &original, &mutant);
            }
            let cut = Evidence { bytes: sent.bytes[..at].to_vec(), ..sent.clone() };
            tally.judge(&format!("cut at {at}"), &claim, &original, &cut);
        }
        tally.check(name);
        assert_eq!(tally.total(), sent.bytes.len() * 9, "every one was judged");
        total += tally.total();
    }
    assert!(total > 100_000, "the harness itself must not shrink unseen: {total}");
}

/// Every list of byte strings in a piece of evidence.
fn lists(evidence: &mut QuorumEvidence) -> Vec<(&'static str, &mut Vec<Vec<u8>>)> {
    let mut lists = Vec::new();
    match &mut evidence.anchor {
        Anchor::Itself => {}
        Anchor::Descendant(headers) => lists.push(("headers", headers)),
        Anchor::History { account_nodes, storage_nodes, .. } => {
            lists.push(("history account", &mut account_nodes.0));
            lists.push(("history slot", &mut storage_nodes.0));
        }
    }
    match &mut evidence.payload {
        Payload::Receipts(receipts) => lists.push(("receipts", receipts)),
        Payload::LeadingReceipts(paths) => lists.extend(paths.iter_mut().map(|path| ("path", &mut path.0))),
        Payload::State { account_nodes, storage_nodes } => {
            lists.push(("account", &mut account_nodes.0));
            lists.push(("slot", &mut storage_nodes.0));
        }
    }
    lists
}

type Change = (&'static str, fn(&mut Vec<Vec<u8>>, usize));

/// Ways to damage one item of a list.
const CHANGES: [Change; 8] = [
    ("removed", |list, at| {
        list.remove(at);
    }),
    ("doubled", |list, at| {
        let item = list[at].clone();
        list.insert(at, item);
    }),
    ("swapped with the next", |list, at| {
        let next = (at + 1) % list.len();
        list.swap(at, next);
    }),
    ("moved to the end", |list, at| {
        let item = list.remove(at);
        list.push(item);
    }),
    ("emptied", |list, at| list[at].clear()),
    ("all after it removed", |list, at| list.truncate(at)),
    ("replaced by the first", |list, at| list[at] = list[0].clone()),
    ("followed by an empty node", |list, at| list.insert(at + 1, vec![0x80])),
];

#[test]
fn every_missing_doubled_or_misplaced_item_is_found() {
    for (name, claim, original) in subjects() {
        let mut tally = Tally::default();
        let shapes: Vec<usize> = lists(&mut original.clone()).iter().map(|(_, list)| list.len()).collect();
        for (list_at, length) in shapes.into_iter().enumerate() {
            for at in 0..length {
                for (what, change) in CHANGES {
                    let mut mutant = original.clone();
                    let mut mutable = lists(&mut mutant);
                    let (list, items) = &mut mutable[list_at];
                    let label = format!("{list} {at} {what}");
                    change(items, at);
                    tally.judge(&label, &claim, &original, &mutant.to_evidence());
                }
            }
        }
        tally.check(&format!("{name}, item by item"));
        assert!(tally.total() > 0, "{name}");
    }
}

/// Evidence in which a part was taken from somewhere else, each part good in itself.
fn transplants() -> Vec<(&'static str, Claim, QuorumEvidence)> {
    let block = claimed();
    let next = descendants()[0].clone();
    let log = emitted(3, block.log_digest(3));
    let slot = state(contract(1), key(3), U256::from(0xff), Relation::Equal, U256::from(5));
    let state_of =
        |account, storage| Payload::State { account_nodes: Nodes(account), storage_nodes: Nodes(storage) };
    let own_account = block.account_path(contract(1));
    let own_slot = block.slot_path(contract(1), key(3));
    let mut other = next.clone();
    other.receipts.pop();
    let other = other.sealed();
    let with = |evidence: QuorumEvidence, header: &crate::fixture::Block| QuorumEvidence {
        header: header.rlp(),
        attestations: attested(header.block_ref()),
        ..evidence
    };
    let strangers = ["mallory", "trudy"].map(operator);
    let mut foreign_voices = evidence(all_receipts());
    for (attestation, name) in foreign_voices.attestations.iter_mut().zip(strangers) {
        attestation.operator = name;
    }
    let mut one_voice_twice = evidence(all_receipts());
    one_voice_twice.attestations[1] = one_voice_twice.attestations[0];
    let mut silent = evidence(all_receipts());
    silent.attestations.clear();
    vec![
        ("another block's receipts", log.clone(), evidence(Payload::Receipts(other.receipt_bytes()))),
        ("another block's header", log.clone(), with(evidence(all_receipts()), &next)),
        (
            "another block throughout",
            log.clone(),
            with(evidence(Payload::Receipts(other.receipt_bytes())), &other),
        ),
        (
            "another block's voices",
            log.clone(),
            QuorumEvidence { attestations: attested(next.block_ref()), ..evidence(all_receipts()) },
        ),
        ("voices of strangers", log.clone(), foreign_voices),
        ("one voice twice", log.clone(), one_voice_twice),
        ("no voices", log.clone(), silent),
        (
            "leading receipts from the second on",
            log,
            evidence(Payload::LeadingReceipts(
                (1..4).map(|index| Nodes(block.receipt_path(index))).collect(),
            )),
        ),
        (
            "another account's path",
            slot.clone(),
            evidence(state_of(block.account_path(contract(2)), own_slot.clone())),
        ),
        (
            "another account's absence",
            slot.clone(),
            evidence(state_of(block.account_path(contract(99)), vec![])),
        ),
        (
            "another slot's path",
            slot.clone(),
            evidence(state_of(own_account.clone(), block.slot_path(contract(1), key(4)))),
        ),
        (
            "another block's account",
            slot.clone(),
            evidence(state_of(next.account_path(contract(1)), own_slot.clone())),
        ),
        ("paths exchanged", slot.clone(), evidence(state_of(own_slot, own_account))),
        ("receipts for state", slot, evidence(all_receipts())),
    ]
}

#[test]
fn good_parts_of_other_evidence_are_found() {
    let mut tally = Tally::default();
    for (name, claim, mutant) in transplants() {
        tally.judge_any(name, &claim, &mutant.to_evidence());
    }
    tally.check("transplanted parts");
    assert_eq!(tally.total(), transplants().len(), "every one was judged");
}

/// Claims that differ from the true one in one field each, before evidence that is untouched.
fn false_claims() -> Vec<(Claim, QuorumEvidence)> {
    let block = claimed();
    let receipts = evidence(all_receipts());
    let slot = evidence(slot_payload(contract(1), key(3)));
    let mut claims = Vec::new();
    for index in 0..8u32 {
        for byte in 0..32 {
            for bit in 0..8 {
                let mut raw = block.log_digest(index as usize);
                raw.0[byte] ^= 1 << bit;
                claims.push((emitted(index, raw), receipts.clone()));
            }
        }
    }
    let mask = U256::MAX;
    let word = block.contracts[&contract(1)].slots[&key(3)];
    for existing in 0..24 {
        claims.push((state_absent(contract(1), key(existing)), slot.clone()));
    }
    for bit in 0..256usize {
        let other = word ^ (U256::from(1) << bit);
        claims.push((state(contract(1), key(3), mask, Relation::Equal, other), slot.clone()));
        let mut elsewhere = key(3);
        elsewhere.0[bit / 8] ^= 1 << (bit % 8);
        claims.push((state(contract(1), elsewhere, mask, Relation::Equal, word), slot.clone()));
        let mut hash = block.block_ref();
        hash.hash.0[bit / 8] ^= 1 << (bit % 8);
        let raw = block.log_digest(0);
        claims.push((Claim::Emitted { chain: chain_id(), block: hash, log_index: 0, raw }, receipts.clone()));
    }
    claims
}

#[test]
fn good_evidence_does_not_prove_a_neighbouring_claim() {
    let claims = false_claims();
    let distinct: BTreeSet<B256> = claims.iter().map(|(claim, _)| claim.id().0).collect();
    assert_eq!(distinct.len(), claims.len());
    let proven = claims
        .iter()
        .filter(|(claim, evidence)| matches!(verdict_of(claim, &evidence.to_evidence()), Verdict::Proven(_)));
    assert_eq!(proven.count(), 0, "of {}", claims.len());
}

/// The same on a real block: 250 kB of receipts, so bits are sampled evenly.
#[test]
fn a_mainnet_block_with_one_flipped_bit_proves_nothing() {
    let Some(mainnet) = Mainnet::load() else { return };
    let block = portcullis_verifier::BlockRef { height: mainnet.header.number, hash: mainnet.hash };
    let (index, address, topics, data) = &mainnet.logs[300];
    let claim = Claim::Emitted {
        chain: chain_id(),
        block,
        log_index: *index,
        raw: log_digest(*address, topics, data),
    };
    let original = QuorumEvidence {
        header: mainnet.header_rlp.clone(),
        attestations: attested(block),
        anchor: Anchor::Itself,
        payload: Payload::Receipts(mainnet.receipts.clone()),
    };
    let sent = original.to_evidence();
    assert!(matches!(verdict_of(&claim, &sent), Verdict::Proven(_)));
    let mut tally = Tally::default();
    // A step that is no multiple of a receipt's common lengths, so that all kinds of bytes are met.
    for at in (0..sent.bytes.len()).step_by(211) {
        let mut mutant = sent.clone();
        mutant.bytes[at] ^= 1 << (at % 8);
        tally.judge(&format!("byte {at}"), &claim, &original, &mutant);
    }
    for at in 0..mainnet.receipts.len() {
        for (what, change) in CHANGES {
            let mut mutant = original.clone();
            let Payload::Receipts(receipts) = &mut mutant.payload else { panic!() };
            change(receipts, at);
            tally.judge(&format!("receipt {at} {what}"), &claim, &original, &mutant.to_evidence());
        }
    }
    tally.check("a mainnet block");
    assert!(tally.total() > 2_000);
}
