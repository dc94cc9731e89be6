#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::fs;

use tempfile::TempDir;
use tendermint_proto::v0_38::types::Validator as RawValidator;

use super::*;

const M: i64 = 1_000_000;
/// A tenth.
const LEAST: u64 = 1_000;

fn set(powers: &[(u8, i64)]) -> Vec<u8> {
    let validators = powers.iter().map(|(address, power)| RawValidator {
        address: vec![*address; 20],
        pub_key: None,
        voting_power: *power,
        proposer_priority: 0,
    });
    RawValidatorSet { validators: validators.collect(), ..RawValidatorSet::default() }.encode_to_vec()
}

/// Two validators, of which the first has so many parts of a hundred.
fn split(first: i64) -> Vec<u8> {
    set(&[(1, first * M), (2, (100 - first) * M)])
}

fn hash(byte: u8) -> B256 {
    B256::with_last_byte(byte)
}

fn chain() -> ChainId {
    "cosmos:test-1".parse().unwrap()
}

fn in_memory() -> Watch {
    Watch::open(None, chain(), None).unwrap()
}

/// A process that begins after the block `delivered`.
fn started(dir: &TempDir, delivered: u64) -> Watch {
    Watch::open(Some(dir.path().to_owned()), chain(), Some(delivered)).unwrap()
}

#[test]
fn little_moves_are_told_when_they_have_come_to_much() {
    let mut watch = in_memory();
    assert_eq!(watch.take(1, hash(1), &split(50), LEAST), None, "the first is the base");
    assert_eq!(watch.take(2, hash(2), &split(55), LEAST), None);
    assert_eq!(watch.take(3, hash(2), &set(&[(9, M)]), LEAST), None, "the same hash is the same set");
    let told = watch.take(4, hash(3), &split(61), LEAST).unwrap();
    assert!((1_095..=1_105).contains(&told), "{told}");
    assert_eq!(watch.take(5, hash(4), &split(66), LEAST), None, "counted from there");
}

#[test]
fn growth_alone_moves_nothing_and_a_new_set_moves_everything() {
    let mut watch = in_memory();
    assert_eq!(watch.take(1, hash(1), &set(&[(1, 1 << 50), (2, 1 << 50)]), 1), None);
    assert_eq!(watch.take(2, hash(2), &set(&[(1, 1 << 59), (2, 1 << 59)]), 1), None);
    assert_eq!(watch.take(3, hash(3), &set(&[(3, 1 << 40)]), 1), Some(10_000));
}

#[test]
fn power_that_moves_before_and_after_a_restart_is_told() {
    let dir = TempDir::new().unwrap();
    let mut watch = Watch::open(Some(dir.path().to_owned()), chain(), None).unwrap();
    assert_eq!(watch.take(10, hash(1), &split(50), LEAST), None);
    assert_eq!(watch.take(20, hash(2), &split(57), LEAST), None, "too little by itself");
    drop(watch);
    let mut watch = started(&dir, 20);
    let told = watch.take(21, hash(3), &split(64), LEAST).unwrap();
    assert!((1_395..=1_405).contains(&told), "counted from the set before the restart: {told}");
    drop(watch);
    let mut watch = started(&dir, 21);
    assert_eq!(watch.take(22, hash(3), &split(64), LEAST), None, "what was told is not told again");
    assert_eq!(watch.take(23, hash(4), &split(72), LEAST), None);
    assert!(watch.take(24, hash(5), &split(75), LEAST).is_some());
}

#[test]
fn a_change_whose_block_was_not_delivered_is_told_again() {
    let dir = TempDir::new().unwrap();
    let mut watch = Watch::open(Some(dir.path().to_owned()), chain(), None).unwrap();
    assert_eq!(watch.take(10, hash(1), &split(50), LEAST), None);
    let told = watch.take(20, hash(2), &split(70), LEAST);
    assert!(told.is_some());
    drop(watch);
    // The process ended before block 20 was committed.
    let mut watch = started(&dir, 19);
    assert_eq!(watch.take(20, hash(2), &split(70), LEAST), told);
    drop(watch);
    // The record was lost whole, and the chain is watched from the beginning.
    let mut watch = Watch::open(Some(dir.path().to_owned()), chain(), None).unwrap();
    assert_eq!(watch.take(5, hash(9), &split(90), LEAST), None, "the first is the base again");
}

#[test]
fn only_so_many_sets_are_kept_and_the_newest_are() {
    let dir = TempDir::new().unwrap();
    let mut watch = Watch::open(Some(dir.path().to_owned()), chain(), None).unwrap();
    let last = u8::try_from(limits::BASES_KEPT).unwrap() + 5;
    for byte in 0..last {
        let part = if byte % 2 == 0 { 50 } else { 80 };
        assert_eq!(watch.take(u64::from(byte), hash(byte), &split(part), LEAST).is_some(), byte > 0);
    }
    let newest = watch.state.bases.back().cloned();
    assert_eq!(watch.state.bases.len(), limits::BASES_KEPT);
    assert_eq!(started(&dir, u64::from(last)).state.bases.back(), newest.as_ref());
}

#[test]
fn a_torn_an_edited_and_a_foreign_file_stop_the_start() {
    let dir = TempDir::new().unwrap();
    let open = |chain: &str| Watch::open(Some(dir.path().to_owned()), chain.parse().unwrap(), Some(99));
    Watch::open(Some(dir.path().to_owned()), chain(), None).unwrap().take(1, hash(1), &split(50), LEAST);
    let path = dir.path().join(file_name(chain(), "validators"));
    let good = fs::read(&path).unwrap();
    assert_eq!(open("cosmos:test-1").unwrap().state.bases.len(), 1);
    let mut edited = good.clone();
    *edited.last_mut().unwrap() ^= 1;
    let torn = good.get(..good.len() - 7).unwrap().to_vec();
    for bad in [edited, torn, Vec::new()] {
        fs::write(&path, bad).unwrap();
        let refused = open("cosmos:test-1").unwrap_err().to_string();
        assert!(refused.starts_with("PC-0942"), "{refused}");
    }
    fs::write(&path, &good).unwrap();
    fs::rename(&path, dir.path().join(file_name("cosmos:test-2".parse().unwrap(), "validators"))).unwrap();
    assert!(open("cosmos:test-2").unwrap_err().to_string().contains("another chain"));
}
