//! The proof system as the service asks it: claims, evidence, verdicts.

use std::sync::LazyLock;

use portcullis_verifier::{
    Assurance, B256, BlockRef, Claim, Evidence, Execution, Inclusion, Registry, Relation, Slug, System,
    Trust, U256, Undecided, Verdict,
    cosmos::{
        LightEvidence, LightSystem, Outcome, Payload, SYSTEM_NAME, Scrutiny, TransactionPath, contract_key,
        system_name,
    },
    keccak256,
};
use prost::Message;
use sha2::{Digest, Sha256};
use tendermint_proto::v0_38::abci::ExecTxResult;

use crate::fixture::{
    Block, Cast, chain_id, contract, four, just_after, list_path, list_root, pinned, root_tree, slug, store,
};

/// Blocks 1 to 9. Block 5 holds five transactions; block 6 carries the state and the results after it.
pub(crate) fn chain() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for height in 1..=9 {
        let mut block = Block::new(height, &four(), &four(), blocks.last());
        if height == 5 {
            block.header.data_hash = list_root(&transactions()).to_vec();
        }
        if height == 6 {
            block.header.app_hash = root_tree().root().to_vec();
            block.header.last_results_hash = list_root(&results()).to_vec();
        }
        // Just enough sign: 70 of 100.
        block.casts = vec![Cast::Block, Cast::Block, Cast::Absent, Cast::Absent];
        blocks.push(block);
    }
    blocks
}

/// Hashes of block 5's transactions.
pub(crate) fn transactions() -> Vec<Vec<u8>> {
    (0..5u8).map(|at| Sha256::digest([at; 9]).to_vec()).collect()
}

pub(crate) fn outcome(at: usize) -> Outcome {
    Outcome {
        code: if at == 2 { 11 } else { 0 },
        data: vec![u8::try_from(at).unwrap(); 3],
        gas_wanted: 100,
        gas_used: 90,
        aunts: list_path(&results(), at),
    }
}

fn results() -> Vec<Vec<u8>> {
    (0..5u8)
        .map(|at| {
            let code = if at == 2 { 11 } else { 0 };
            let data = vec![at; 3].into();
            ExecTxResult { code, data, gas_wanted: 100, gas_used: 90, ..ExecTxResult::default() }
                .encode_to_vec()
        })
        .collect()
}

pub(crate) fn block() -> BlockRef {
    chain()[4].block_ref()
}

/// Evidence about state after block 5, through block `through` from block 1.
pub(crate) fn state_evidence(name: &str, key: &[u8], through: usize) -> LightEvidence {
    let blocks = chain();
    LightEvidence {
        updates: vec![blocks[through - 1].update_from(&blocks[0])],
        headers: (6..through).rev().map(|height| blocks[height - 1].header_bytes()).collect(),
        payload: Payload::State {
            store: slug(name),
            key: key.to_vec(),
            key_proof: store(name).prove(key),
            store_proof: root_tree().prove(name.as_bytes()),
        },
    }
}

/// Evidence about a transaction of block 5.
pub(crate) fn transaction_evidence(at: usize, with_outcome: bool) -> LightEvidence {
    let blocks = chain();
    let path = TransactionPath {
        index: u64::try_from(at).unwrap(),
        total: 5,
        aunts: list_path(&transactions(), at),
    };
    let newest = if with_outcome { 6 } else { 5 };
    LightEvidence {
        updates: vec![blocks[newest - 1].update_from(&blocks[0])],
        headers: if with_outcome { vec![blocks[4].header_bytes()] } else { vec![] },
        payload: Payload::Transaction { path, outcome: with_outcome.then(|| outcome(at)) },
    }
}

/// Made once: a chain is signed for it.
static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let blocks = chain();
    pinned(&blocks[0].checkpoint(), just_after(&blocks[8]))
});

pub(crate) fn trust() -> Trust {
    TRUST.clone()
}

pub(crate) fn verdict_of(claim: &Claim, evidence: &Evidence) -> Verdict {
    LightSystem { scrutiny: Scrutiny::Every }.verify(claim, evidence, &TRUST)
}

pub(crate) fn word_claim(own: &[u8], mask: u64, relation: Relation, value: u64) -> Claim {
    Claim::State {
        chain: chain_id(),
        block: block(),
        contract: contract(),
        key: keccak256(own),
        mask: U256::from(mask) << 64,
        relation,
        value: U256::from(value) << 64,
    }
}

pub(crate) fn included(at: usize, code: Option<u32>) -> Claim {
    let transaction = B256::from_slice(&transactions()[at]);
    Claim::Included { chain: chain_id(), block: block(), transaction, code }
}

pub(crate) fn stored(key: &[u8], value: Option<&[u8]>) -> Claim {
    let value = value.map(keccak256);
    Claim::Stored { chain: chain_id(), block: block(), store: slug("bank"), key: key.to_vec(), value }
}

pub(crate) fn not_stored(key: &[u8]) -> Claim {
    Claim::NotStored { chain: chain_id(), block: block(), store: slug("bank"), key: key.to_vec() }
}

pub(crate) fn own_key(own: &[u8]) -> Vec<u8> {
    contract_key(contract(), own)
}

fn bad(claim: &Claim, evidence: &LightEvidence) -> String {
    match verdict_of(claim, &evidence.to_evidence()) {
        Verdict::Undecided(Undecided::BadEvidence { detail }) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_is_a_slug_and_the_registry_finds_it() {
    assert_eq!(system_name().as_str(), SYSTEM_NAME);
    let mut registry = Registry::new();
    registry.add(Box::new(LightSystem::default())).unwrap();
    let evidence = state_evidence("bank", b"b", 6).to_evidence();
    let verdict = registry.verify(&stored(b"b", Some(b"2")), &evidence, &trust());
    assert!(matches!(verdict, Verdict::Proven(_)), "{verdict:?}");
}

#[test]
fn the_assurance_says_what_was_checked_and_no_more() {
    let evidence = state_evidence("wasm", &own_key(b"scope"), 9).to_evidence();
    let Verdict::Proven(assurance) = verdict_of(&word_claim(b"scope", 0xff, Relation::AtLeast, 9), &evidence)
    else {
        panic!()
    };
    let header = portcullis_verifier::Header {
        signed_bps: Some(7_000),
        final_by_consensus: true,
        ..portcullis_verifier::Header::default()
    };
    let expected = Assurance {
        header,
        inclusion: Inclusion::MerkleProved,
        execution: Execution::Proved,
        // Block 6 is 15 seconds before block 9, and it is one second after that.
        age_secs: Some(16),
    };
    assert_eq!(assurance, expected);
    let evidence = transaction_evidence(1, false).to_evidence();
    let Verdict::Proven(assurance) = verdict_of(&included(1, None), &evidence) else { panic!() };
    assert_eq!((assurance.inclusion, assurance.execution), (Inclusion::MerkleProved, Execution::Unknown));
    let evidence = transaction_evidence(1, true).to_evidence();
    let Verdict::Proven(assurance) = verdict_of(&included(1, Some(0)), &evidence) else { panic!() };
    assert_eq!((assurance.inclusion, assurance.execution), (Inclusion::MerkleProved, Execution::Proved));
}

#[test]
fn words_of_contracts_are_compared_under_their_mask() {
    let evidence = state_evidence("wasm", &own_key(b"scope"), 6).to_evidence();
    for (mask, relation, value, holds) in [
        (0xff, Relation::Equal, 9, true),
        (0xff, Relation::Equal, 8, false),
        (0xff, Relation::AtLeast, 8, true),
        (0xff, Relation::AtLeast, 10, false),
        (0xff00, Relation::Equal, 0x700, true),
        (0xffff, Relation::AtLeast, 0x709, true),
        (0xffff, Relation::AtLeast, 0x70a, false),
    ] {
        let verdict = verdict_of(&word_claim(b"scope", mask, relation, value), &evidence);
        assert_eq!(matches!(verdict, Verdict::Proven(_)), holds, "{mask:x} {relation:?} {value:x}");
        assert_eq!(matches!(verdict, Verdict::Refuted(..)), !holds, "{verdict:?}");
    }
    let evidence = state_evidence("wasm", &own_key(b"none"), 6).to_evidence();
    let verdict = verdict_of(&word_claim(b"none", 0xff, Relation::AtLeast, 0), &evidence);
    assert!(matches!(verdict, Verdict::Refuted(..)), "no key has no word, not even zero: {verdict:?}");
    let text = state_evidence("wasm", &own_key(b"text"), 6);
    assert!(bad(&word_claim(b"text", 1, Relation::AtLeast, 0), &text).contains("longer than a word"));
    let scope = state_evidence("wasm", &own_key(b"scope"), 6);
    assert!(bad(&word_claim(b"scope", 0, Relation::Equal, 0), &scope).contains("selects no bit"));
    assert!(bad(&word_claim(b"scope", 1, Relation::Equal, 2), &scope).contains("outside the mask"));
}

#[test]
fn keys_are_there_or_not_and_one_refutes_the_other() {
    let there = state_evidence("bank", b"b", 6).to_evidence();
    let gone = state_evidence("bank", b"bb", 6).to_evidence();
    let proven = |claim: &Claim, evidence: &Evidence| match verdict_of(claim, evidence) {
        Verdict::Proven(_) => true,
        Verdict::Refuted(..) => false,
        other @ Verdict::Undecided(_) => panic!("{other:?}"),
    };
    assert!(proven(&stored(b"b", None), &there));
    assert!(proven(&stored(b"b", Some(b"2")), &there));
    assert!(!proven(&stored(b"b", Some(b"3")), &there));
    assert!(!proven(&not_stored(b"b"), &there));
    assert!(proven(&not_stored(b"bb"), &gone));
    assert!(!proven(&stored(b"bb", None), &gone));
    let absent = Claim::StateAbsent {
        chain: chain_id(),
        block: block(),
        contract: contract(),
        key: keccak256(b"none"),
    };
    assert!(proven(&absent, &state_evidence("wasm", &own_key(b"none"), 6).to_evidence()));
    let Claim::StateAbsent { chain, block, contract, .. } = absent else { panic!() };
    let present = Claim::StateAbsent { chain, block, contract, key: keccak256(b"scope") };
    assert!(!proven(&present, &state_evidence("wasm", &own_key(b"scope"), 6).to_evidence()));
}

#[test]
fn evidence_of_another_key_store_or_contract_decides_nothing() {
    let other_key = state_evidence("bank", b"a", 6);
    assert!(bad(&stored(b"b", None), &other_key).contains("another key"));
    let mut other_store = state_evidence("bank", b"b", 6);
    let Payload::State { store, .. } = &mut other_store.payload else { panic!() };
    *store = slug("ibc");
    assert!(bad(&stored(b"b", None), &other_store).contains("another key"));
    let mut other_proof = state_evidence("bank", b"b", 6);
    let Payload::State { store_proof, .. } = &mut other_proof.payload else { panic!() };
    *store_proof = root_tree().prove(b"ibc");
    assert!(bad(&stored(b"b", None), &other_proof).contains("the root of all stores"));
    let Payload::State { store_proof, .. } = &mut other_proof.payload else { panic!() };
    *store_proof = root_tree().prove(b"zz");
    assert!(bad(&stored(b"b", None), &other_proof).contains("the root of all stores"));
    let scope = state_evidence("wasm", &own_key(b"scope"), 6);
    let foreign = match word_claim(b"scope", 0xff, Relation::Equal, 9) {
        Claim::State { chain, block, key, mask, relation, value, .. } => {
            Claim::State { chain, block, contract: B256::repeat_byte(0xc1), key, mask, relation, value }
        }
        other => panic!("{other:?}"),
    };
    assert!(bad(&foreign, &scope).contains("another key"));
    assert!(bad(&word_claim(b"config", 0xff, Relation::Equal, 9), &scope).contains("another key"));
}

#[test]
fn transactions_and_their_results() {
    for at in 0..5 {
        let evidence = transaction_evidence(at, false).to_evidence();
        assert!(matches!(verdict_of(&included(at, None), &evidence), Verdict::Proven(_)), "{at}");
        let code = outcome(at).code;
        let evidence = transaction_evidence(at, true).to_evidence();
        assert!(matches!(verdict_of(&included(at, Some(code)), &evidence), Verdict::Proven(_)), "{at}");
        let verdict = verdict_of(&included(at, Some(code + 1)), &evidence);
        assert!(matches!(verdict, Verdict::Refuted(..)), "{verdict:?}");
    }
    assert!(bad(&included(0, None), &transaction_evidence(1, false)).contains("the transaction leads to"));
    // Another transaction's success, at its own place, is not this one's.
    let mut borrowed = transaction_evidence(2, true);
    let Payload::Transaction { outcome: result, .. } = &mut borrowed.payload else { panic!() };
    *result = Some(outcome(1));
    assert!(bad(&included(2, Some(0)), &borrowed).contains("the result leads to"));
    assert!(bad(&included(1, Some(0)), &transaction_evidence(1, false)).contains("cannot decide"));
    assert!(bad(&included(1, None), &transaction_evidence(1, true)).contains("cannot decide"));
    assert!(bad(&included(1, None), &state_evidence("bank", b"b", 6)).contains("cannot decide"));
    assert!(bad(&stored(b"b", None), &transaction_evidence(1, false)).contains("cannot decide"));
    let mut alone = transaction_evidence(1, true);
    alone.updates = vec![chain()[4].update_from(&chain()[0])];
    alone.headers.clear();
    assert!(bad(&included(1, Some(0)), &alone).contains("the claim needs 6"));
}

#[test]
fn events_that_nobody_recorded_are_never_proven() {
    let evidence = state_evidence("bank", b"b", 6).to_evidence();
    let (chain, block) = (chain_id(), block());
    for claim in [
        Claim::Emitted { chain, block, log_index: 0, raw: B256::ZERO },
        Claim::NotEmitted { chain, block, contract: B256::ZERO, topics: vec![] },
    ] {
        let verdict = verdict_of(&claim, &evidence);
        assert!(matches!(verdict, Verdict::Undecided(Undecided::NoVerifier { .. })), "{verdict:?}");
    }
}

#[test]
fn another_block_at_that_height_is_not_on_the_chain() {
    let claim = Claim::NotStored {
        chain: chain_id(),
        block: BlockRef { hash: B256::repeat_byte(5), ..block() },
        store: slug("bank"),
        key: b"bb".to_vec(),
    };
    let verdict = verdict_of(&claim, &state_evidence("bank", b"bb", 6).to_evidence());
    assert!(matches!(verdict, Verdict::Undecided(Undecided::NotCanonical { .. })), "{verdict:?}");
}

#[test]
fn headers_lead_from_the_checkpoint_to_the_claim_without_a_gap() {
    let claim = stored(b"b", None);
    let through = state_evidence("bank", b"b", 9);
    assert!(matches!(verdict_of(&claim, &through.to_evidence()), Verdict::Proven(_)));
    let mut gap = through.clone();
    gap.headers.remove(1);
    assert!(bad(&claim, &gap).contains("names the parent"));
    let mut short = through.clone();
    short.headers.pop();
    assert!(bad(&claim, &short).contains("the headers end at height 7, the claim needs 6"));
    let mut long = through.clone();
    long.headers.push(chain()[4].header_bytes());
    assert!(bad(&claim, &long).contains("the headers end at height 5"));
    let mut none = through;
    none.updates.clear();
    none.headers.clear();
    assert!(bad(&claim, &none).contains("the headers end at height 0"));
}

#[test]
fn the_checkpoints_own_header_needs_no_signature_and_is_worth_what_it_is() {
    let blocks = chain();
    let mut evidence = state_evidence("bank", b"b", 6);
    evidence.updates.clear();
    evidence.headers = vec![blocks[5].header_bytes()];
    let judge = |signed_bps| {
        let mut client = blocks[5].checkpoint();
        client.signed_bps = signed_bps;
        let trust = pinned(&client, just_after(&blocks[8]));
        LightSystem::default().verify(&stored(b"b", None), &evidence.to_evidence(), &trust)
    };
    let Verdict::Proven(pinned_by_hand) = judge(None) else { panic!() };
    assert_eq!(pinned_by_hand.header.signed_bps, None);
    assert!(!pinned_by_hand.header.final_by_consensus, "a person's word is no consensus");
    let Verdict::Proven(advanced) = judge(Some(6_700)) else { panic!() };
    assert_eq!((advanced.header.signed_bps, advanced.header.final_by_consensus), (Some(6_700), true));
    let trust = pinned(&blocks[6].checkpoint(), just_after(&blocks[8]));
    let verdict = LightSystem::default().verify(&stored(b"b", None), &evidence.to_evidence(), &trust);
    assert!(matches!(verdict, Verdict::Undecided(Undecided::BadEvidence { .. })), "{verdict:?}");
}

#[test]
fn without_a_live_checkpoint_of_this_chain_nothing_is_proven() {
    let blocks = chain();
    let evidence = state_evidence("bank", b"b", 6).to_evidence();
    let judge = |trust: &Trust| LightSystem::default().verify(&stored(b"b", None), &evidence, trust);
    let mut trust = trust();
    trust.pinned.clear();
    assert!(matches!(judge(&trust), Verdict::Undecided(Undecided::NoEvidence { .. })));
    trust.pinned.insert(system_name(), vec![1, 2, 3]);
    assert!(matches!(judge(&trust), Verdict::Undecided(Undecided::BadEvidence { .. })));
    let mut foreign = blocks[0].checkpoint();
    foreign.chain = portcullis_verifier::ChainId::new("cosmos:other-1").unwrap();
    let now = just_after(&blocks[8]);
    assert!(matches!(judge(&pinned(&foreign, now)), Verdict::Undecided(Undecided::NoEvidence { .. })));
    let frozen = blocks[0].checkpoint().frozen_at(3);
    let Verdict::Undecided(Undecided::BadEvidence { detail }) = judge(&pinned(&frozen, now)) else {
        panic!()
    };
    assert!(detail.contains("frozen since height 3"), "{detail}");
}

#[test]
fn evidence_for_others_is_left_to_them() {
    let evidence = state_evidence("bank", b"b", 6).to_evidence();
    let foreign = Evidence { system: Slug::new("other-v1").unwrap(), ..evidence.clone() };
    let verdict = verdict_of(&stored(b"b", None), &foreign);
    assert!(matches!(verdict, Verdict::Undecided(Undecided::NoVerifier { .. })));
    let Claim::Stored { block, store, key, value, .. } = stored(b"b", None) else { panic!() };
    let chain = portcullis_verifier::ChainId::new("solana:mainnet").unwrap();
    let verdict = verdict_of(&Claim::Stored { chain, block, store, key, value }, &evidence);
    assert!(matches!(verdict, Verdict::Undecided(Undecided::NoVerifier { .. })));
}

#[test]
fn garbage_and_too_much_are_refused_before_anything_is_computed() {
    let too_much = Evidence { system: system_name(), bytes: vec![0; 4 * 1024 * 1024 + 1] };
    let verdict = verdict_of(&stored(b"b", None), &too_much);
    let Verdict::Undecided(Undecided::BadEvidence { detail }) = verdict else { panic!("{verdict:?}") };
    assert!(detail.contains("bytes of evidence"), "{detail}");
    let many = |count: u32| Evidence { system: system_name(), bytes: count.to_le_bytes().to_vec() };
    for (count, what) in [(65, "updates: 65"), (u32::MAX, "updates: 4294967295")] {
        let verdict = verdict_of(&stored(b"b", None), &many(count));
        let Verdict::Undecided(Undecided::BadEvidence { detail }) = verdict else { panic!("{verdict:?}") };
        assert!(detail.contains(what), "{detail}");
    }
    let mut trailing = state_evidence("bank", b"b", 6).to_evidence();
    trailing.bytes.push(0);
    assert!(matches!(
        verdict_of(&stored(b"b", None), &trailing),
        Verdict::Undecided(Undecided::BadEvidence { .. })
    ));
}
