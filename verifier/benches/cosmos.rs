//! What proofs cost, beside the floor that they cannot go below, in the same run: verifying signatures one by one,
//! and hashing what must be hashed.

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
#[path = "../tests/cosmos/fixture.rs"]
mod fixture;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/cosmos/tree.rs"]
mod tree;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixture::{Block, just_after, signers};
use ics23::{CommitmentProof, ExistenceProof};
use portcullis_verifier::cosmos::{
    IAVL, SIMPLE, Scrutiny, Signed, Step, Update, read_entry, verifies, verify_all, verify_update,
};
use prost::Message;
use sha2::{Digest, Sha256};
use tree::{OnlySha256, Tree};

/// Budget: at most 0.55 of its signatures one by one.
fn commit_of_150(c: &mut Criterion) {
    let set = signers(&(0..150u8).map(|seed| (seed, 1_000 - i64::from(seed))).collect::<Vec<_>>());
    let from = Block::new(1, &set, &set, None);
    let to = Block::new(9, &set, &set, Some(&Block::new(8, &set, &set, None)));
    let parts = to.update_from(&from);
    let read = || {
        let trusted = parts.trusted_validators.as_deref();
        Update::read(&parts.signed_header, &parts.validators, trusted).unwrap()
    };
    let (update, client, now) = (read(), from.checkpoint(), just_after(&to));
    let votes: Vec<Signed> = to
        .commit()
        .signatures
        .into_iter()
        .zip(&set)
        .map(|(vote, signer)| Signed {
            key: signer.public().to_vec(),
            signature: vote.signature,
            message: to.vote(fixture::Cast::Block, vote.timestamp.unwrap()),
        })
        .collect();
    assert_eq!(votes.len(), 150);
    let mut group = c.benchmark_group("commit_150_signatures");
    group.throughput(Throughput::Elements(150));
    group.bench_function("floor_signatures_one_by_one", |b| {
        b.iter(|| assert!(votes.iter().all(|vote| verifies(black_box(vote)))));
    });
    group.bench_function("batch_of_all", |b| b.iter(|| verify_all(black_box(&votes)).unwrap()));
    for (name, scrutiny) in [("verify_enough", Scrutiny::Enough), ("verify_every", Scrutiny::Every)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let verdict = verify_update(&client, black_box(&update), now, scrutiny).unwrap();
                assert!(matches!(verdict, Step::Accepted(_)));
            });
        });
    }
    group.bench_function("read_and_verify_enough", |b| {
        b.iter(|| verify_update(&client, &read(), now, Scrutiny::Enough).unwrap());
    });
    group.finish();
}

/// Everything that must be hashed on a path: the leaf's value, the leaf, and each inner node.
fn images(proof: &ExistenceProof) -> Vec<Vec<u8>> {
    let leaf = proof.leaf.as_ref().unwrap();
    let digest = Sha256::digest(&proof.value);
    let length = |data: &[u8]| vec![u8::try_from(data.len()).unwrap()];
    let image =
        [&leaf.prefix[..], &length(&proof.key), &proof.key, &length(&digest), digest.as_slice()].concat();
    let mut hash = Sha256::digest(&image);
    let mut images = vec![proof.value.clone(), image];
    for step in &proof.path {
        let image = [&step.prefix[..], hash.as_slice(), &step.suffix].concat();
        hash = Sha256::digest(&image);
        images.push(image);
    }
    images
}

fn hash_all(images: &[Vec<u8>]) {
    for image in images {
        black_box(Sha256::digest(black_box(image)));
    }
}

/// Budgets: existence at most 2 times its floor, absence at most 3 times.
fn stores(c: &mut Criterion) {
    let entries: Vec<(Vec<u8>, Vec<u8>)> =
        (0..20_000u32).map(|at| ((2 * at).to_be_bytes().to_vec(), vec![7; 32])).collect();
    let borrowed: Vec<(&[u8], &[u8])> =
        entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    let iavl = Tree::iavl(&borrowed);
    let names = (0..30u8).map(|at| (vec![b'a' + at / 3, b'a' + at], vec![at; 32])).collect::<Vec<_>>();
    let with_store = [names, vec![(b"wasm".to_vec(), iavl.root().to_vec())]].concat();
    let root = Tree::simple(with_store);
    let (in_iavl, in_root) = (iavl.root(), root.root());
    let of_store = root.existence(b"wasm");
    let store_proof = root.prove(b"wasm");
    for (name, key, absent) in
        [("existence_pair", 10_000u32.to_be_bytes(), false), ("absence_pair", 10_001u32.to_be_bytes(), true)]
    {
        let proof = iavl.prove(&key);
        let mut hashed = images(&of_store);
        if absent {
            let absence = iavl.absence(&key);
            hashed.extend([absence.left, absence.right].into_iter().flatten().flat_map(|one| images(&one)));
        } else {
            hashed.extend(images(&iavl.existence(&key)));
        }
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(hashed.iter().map(|image| image.len() as u64).sum()));
        group.bench_function("floor_sha256_of_its_bytes", |b| b.iter(|| hash_all(&hashed)));
        group.bench_function("verify", |b| {
            b.iter(|| {
                read_entry(&SIMPLE, &in_root, b"wasm", black_box(&store_proof)).unwrap();
                read_entry(&IAVL, &in_iavl, &key, black_box(&proof)).unwrap()
            });
        });
        group.bench_function("specifications_library", |b| {
            let (simple, tree) = (ics23::tendermint_spec(), ics23::iavl_spec());
            b.iter(|| {
                let of_store = CommitmentProof::decode(black_box(store_proof.as_slice())).unwrap();
                let of_key = CommitmentProof::decode(black_box(proof.as_slice())).unwrap();
                let (root, store) = (in_root.to_vec(), in_iavl.to_vec());
                assert!(ics23::verify_membership::<OnlySha256>(&of_store, &simple, &root, b"wasm", &in_iavl));
                assert!(if absent {
                    ics23::verify_non_membership::<OnlySha256>(&of_key, &tree, &store, &key)
                } else {
                    ics23::verify_membership::<OnlySha256>(&of_key, &tree, &store, &key, &[7; 32])
                });
            });
        });
        group.finish();
    }
}

criterion_group!(benches, commit_of_150, stores);
criterion_main!(benches);
