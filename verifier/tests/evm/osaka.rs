//! A block that a node of another make executed: a transaction of every type through Osaka, and its history.
//!
//! `tests/vectors/record.sh` recorded it. Its `transactionsRoot` is left alone: the node commits to blob
//! transactions together with their blobs, which no chain does.

use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::{Address, B256, U256, keccak256};
use portcullis_verifier::{
    BlockRef, Claim, Relation, Undecided, Verdict, Verified,
    evm::{
        Anchor, Attestation, EvmProofError, Nodes, Payload, QuorumEvidence, SealedHeader, attested_header,
        log_digest, open_header, verify_account, verify_ancestry, verify_parent, verify_receipts,
        verify_storage, verify_storage_absent,
    },
};
use serde_json::Value;

use crate::{
    fixture::{attested, chain_id, trust, verdict},
    vectors::{Proof, encode_receipt},
};

struct Recorded {
    block: Value,
    child: Value,
    later: Value,
    receipts: Vec<Vec<u8>>,
    proof: Proof,
    history: Proof,
}

fn recorded() -> Recorded {
    let all: Value = serde_json::from_str(include_str!("../vectors/osaka.json")).unwrap();
    Recorded {
        block: all["block"].clone(),
        child: all["child"].clone(),
        later: all["later"].clone(),
        receipts: all["receipts"].as_array().unwrap().iter().map(encode_receipt).collect(),
        proof: Proof::read(&all["proof"]),
        history: Proof::read(&all["history"]),
    }
}

fn rlp(block: &Value) -> Vec<u8> {
    alloy_rlp::encode(serde_json::from_value::<alloy_consensus::Header>(block.clone()).unwrap())
}

fn block_ref(block: &Value) -> BlockRef {
    let height: U256 = block["number"].as_str().unwrap().parse().unwrap();
    BlockRef { height: height.to(), hash: block["hash"].as_str().unwrap().parse().unwrap() }
}

fn voices(block: &Value) -> Vec<Attestation> {
    attested(block_ref(block))
}

fn header(block: &Value) -> Verified<SealedHeader> {
    attested_header(&rlp(block), &voices(block), &trust()).unwrap()
}

#[test]
fn the_header_has_the_fields_of_osaka_and_the_nodes_hash() {
    let Recorded { block, child, later, .. } = recorded();
    for block in [&block, &child, &later] {
        let opened = open_header(&rlp(block)).unwrap();
        assert_eq!(opened.hash(), block_ref(block).hash);
        assert!(opened.requests_hash.is_some() && opened.parent_beacon_block_root.is_some());
    }
    assert_eq!(verify_parent(&header(&child), &rlp(&block)).unwrap().value().hash(), block_ref(&block).hash);
    assert!(verify_parent(&header(&later), &rlp(&block)).is_err());
}

#[test]
fn receipts_of_every_type_verify() {
    let Recorded { block, receipts, .. } = recorded();
    let header = header(&block);
    let verified = verify_receipts(&header, &receipts).unwrap();
    let status: Vec<bool> = verified.value().iter().map(|receipt| receipt.status()).collect();
    assert_eq!(status, [true, true, true, true, true, false]);
    let kinds: Vec<u8> = verified.value().iter().map(|receipt| receipt.kind()).collect();
    assert_eq!(kinds, [0, 1, 2, 3, 4, 2]);
    assert!(verify_receipts(&header, &receipts[..5]).is_err(), "without the failed one");
}

#[test]
fn the_contracts_last_word_is_proven_and_its_empty_slot_too() {
    let Recorded { block, proof, .. } = recorded();
    let account = verify_account(&header(&block), proof.address, &proof.account_nodes).unwrap();
    assert_eq!(account.value().fields().code_hash, proof.code_hash);
    let [(first, word, path), (second, zero, gap)] = proof.slots.as_slice() else { panic!("two slots") };
    assert_eq!((*word, *zero), (U256::from(55), U256::ZERO));
    assert_eq!(verify_storage(&account, *first, path).unwrap().value(), word);
    assert_eq!(verify_storage_absent(&account, *second, gap).unwrap().value(), second);
    assert!(verify_storage_absent(&account, *first, path).is_err());
    assert!(verify_storage(&account, *second, gap).is_err());
}

#[test]
fn the_nodes_history_contract_vouches_for_the_block() {
    let Recorded { block, later, history, .. } = recorded();
    assert_eq!(history.address, HISTORY_STORAGE_ADDRESS);
    let (_, _, path) = &history.slots[0];
    let head = header(&later);
    let ancestor = block_ref(&block);
    let verified = verify_ancestry(&head, ancestor, &history.account_nodes, path).unwrap();
    assert_eq!(*verified.value(), ancestor);
    let other = BlockRef { hash: block_ref(&later).hash, ..ancestor };
    let error = verify_ancestry(&head, other, &history.account_nodes, path).unwrap_err();
    assert!(matches!(error, EvmProofError::HistoryMismatch { .. }));
}

#[test]
fn claims_about_the_block_are_judged_under_the_later_header() {
    let Recorded { block, later, receipts, proof, history, .. } = recorded();
    let (_, _, path) = history.slots[0].clone();
    let anchor = Anchor::History {
        header: rlp(&later),
        account_nodes: Nodes(history.account_nodes),
        storage_nodes: Nodes(path),
    };
    let sent = |payload| QuorumEvidence {
        header: rlp(&block),
        attestations: voices(&later),
        anchor: anchor.clone(),
        payload,
    };
    let topic = B256::with_last_byte(0xaa);
    let data = B256::with_last_byte(44);
    let emitted = |log_index| Claim::Emitted {
        chain: chain_id(),
        block: block_ref(&block),
        log_index,
        raw: log_digest(proof.address, &[topic], data.as_slice()),
    };
    let logs = sent(Payload::Receipts(receipts));
    assert!(matches!(verdict(&emitted(3), &logs), Verdict::Proven(_)), "the log of the blob transaction");
    assert!(matches!(verdict(&emitted(4), &logs), Verdict::Refuted(..)));
    let none_of = |contract: Address, topic| Claim::NotEmitted {
        chain: chain_id(),
        block: block_ref(&block),
        contract: contract.into_word(),
        topics: vec![topic],
    };
    assert!(matches!(verdict(&none_of(proof.address, keccak256("other")), &logs), Verdict::Proven(_)));
    assert!(matches!(verdict(&none_of(proof.address, topic), &logs), Verdict::Refuted(..)));

    let (key, _, nodes) = proof.slots[0].clone();
    let state =
        sent(Payload::State { account_nodes: Nodes(proof.account_nodes), storage_nodes: Nodes(nodes) });
    let at_least = |value: u64| Claim::State {
        chain: chain_id(),
        block: block_ref(&block),
        contract: proof.address.into_word(),
        key,
        mask: U256::MAX,
        relation: Relation::AtLeast,
        value: U256::from(value),
    };
    assert!(matches!(verdict(&at_least(55), &state), Verdict::Proven(_)));
    assert!(matches!(verdict(&at_least(56), &state), Verdict::Refuted(..)));
    let unattested = QuorumEvidence { attestations: voices(&block), ..state };
    assert!(matches!(verdict(&at_least(55), &unattested), Verdict::Undecided(Undecided::NoQuorum { .. })));
}
