//! What proofs cost, beside the floor that they cannot go below: hashing their bytes, in the same run.

#![allow(
    missing_docs,
    unused_crate_dependencies,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "a benchmark fails by panicking"
)]

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/evm/vectors.rs"]
mod vectors;

use std::{collections::BTreeMap, hint::black_box};

use alloy_primitives::keccak256;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_verifier::{
    BlockRef, OperatorId, Trust, Verified,
    evm::{Attestation, SealedHeader, attested_header, verify_account, verify_receipts, verify_storage},
};
use vectors::Mainnet;

fn trusted(mainnet: &Mainnet) -> Verified<SealedHeader> {
    let operator = OperatorId::new("bench").unwrap();
    let block = BlockRef { height: mainnet.header.number, hash: mainnet.hash };
    let now = mainnet.header.timestamp;
    let trust = Trust { operators: vec![operator], quorum: 1, now, pinned: BTreeMap::new() };
    attested_header(&mainnet.header_rlp, &[Attestation { operator, block }], &trust).unwrap()
}

fn bytes_of(items: &[Vec<u8>]) -> Throughput {
    Throughput::Bytes(items.iter().map(|item| item.len() as u64).sum())
}

fn hash_all(items: &[Vec<u8>]) {
    for item in items {
        black_box(keccak256(black_box(item)));
    }
}

/// Budget: at most 1.4 times the floor.
fn account(c: &mut Criterion, mainnet: &Mainnet, header: &Verified<SealedHeader>) {
    let proof = &mainnet.deposit;
    let nodes = &proof.account_nodes;
    assert_eq!(nodes.len(), 8);
    let mut group = c.benchmark_group("account_proof_8_nodes");
    group.throughput(bytes_of(nodes));
    group.bench_function("floor_keccak_of_its_bytes", |b| b.iter(|| hash_all(nodes)));
    group.bench_function("verify", |b| {
        b.iter(|| verify_account(black_box(header), proof.address, black_box(nodes)).unwrap());
    });
    group.finish();

    let account = verify_account(header, proof.address, nodes).unwrap();
    let (key, _, slot) = &proof.slots[0];
    let mut group = c.benchmark_group("storage_proof_3_nodes");
    group.throughput(bytes_of(slot));
    group.bench_function("floor_keccak_of_its_bytes", |b| b.iter(|| hash_all(slot)));
    group.bench_function("verify", |b| {
        b.iter(|| verify_storage(black_box(&account), *key, black_box(slot)).unwrap());
    });
    group.finish();
}

fn receipts(c: &mut Criterion, mainnet: &Mainnet, header: &Verified<SealedHeader>) {
    let receipts = &mainnet.receipts;
    assert_eq!(receipts.len(), 202);
    let mut group = c.benchmark_group("receipts_202");
    group.throughput(bytes_of(receipts));
    group.bench_function("floor_keccak_of_their_bytes", |b| b.iter(|| hash_all(receipts)));
    group.bench_function("root", |b| {
        b.iter(|| alloy_trie::root::ordered_trie_root_encoded(black_box(receipts)));
    });
    group.bench_function("verify_and_decode", |b| {
        b.iter(|| verify_receipts(black_box(header), black_box(receipts)).unwrap());
    });
    group.finish();
}

fn evm(c: &mut Criterion) {
    let Some(mainnet) = Mainnet::load() else { return };
    let header = trusted(&mainnet);
    account(c, &mainnet, &header);
    receipts(c, &mainnet, &header);
}

criterion_group!(benches, evm);
criterion_main!(benches);
