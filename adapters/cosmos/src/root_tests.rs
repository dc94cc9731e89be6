#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;

use portcullis_verifier::{B256, OperatorId};
use tempfile::TempDir;

use super::*;
use crate::CosmosConfig;

const HEIGHT: u64 = 10;

fn compiled(dir: &TempDir, height: u64, hash: B256) -> Compiled {
    let config = format!(
        "chain = \"cosmos:test-1\"\nprefix = \"wasm\"\nendpoints = [{{ operator = \"a\", http = \"http://127.0.0.1:1\" }}]\n\
         state_dir = {:?}\ntrust = {{ height = {height}, hash = \"{hash}\" }}",
        dir.path()
    );
    let config: CosmosConfig = toml::from_str(&config).unwrap();
    assert_eq!(config.endpoints[0].operator, OperatorId::new("a").unwrap());
    config.compile().unwrap()
}

fn checkpoint(height: u64, hash: B256) -> Checkpoint {
    Checkpoint {
        chain: "cosmos:test-1".parse().unwrap(),
        name: "test-1".to_owned(),
        block: BlockRef { height, hash },
        time_secs: 1_700_000_000,
        time_nanos: 5,
        next_validators: B256::repeat_byte(8),
        signed_bps: Some(9_000),
        rules: Rules::default(),
        frozen: None,
    }
}

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

/// A client that was left somewhere, by a process that has ended.
fn left(dir: &TempDir, checkpoint: &Checkpoint) -> PathBuf {
    let path = dir.path().join("cosmos_test-1.checkpoint");
    write(&path, checkpoint).unwrap();
    path
}

#[test]
fn a_restart_goes_on_where_the_client_was_left() {
    let dir = TempDir::new().unwrap();
    let compiled = compiled(&dir, HEIGHT, hash(1));
    assert_eq!(LightClient::open(&compiled).unwrap().checkpoint(), None, "nothing was kept yet");
    left(&dir, &checkpoint(700, hash(2)));
    let client = LightClient::open(&compiled).unwrap();
    assert_eq!(client.checkpoint(), Some(checkpoint(700, hash(2))));
}

#[test]
fn a_frozen_client_stays_frozen_until_a_person_pins_a_header_above() {
    let dir = TempDir::new().unwrap();
    left(&dir, &checkpoint(700, hash(2)));
    let first = LightClient::open(&compiled(&dir, HEIGHT, hash(1))).unwrap();
    first.freeze(720);
    drop(first);
    for pinned in [HEIGHT, 710, 720] {
        let client = LightClient::open(&compiled(&dir, pinned, hash(3))).unwrap();
        assert_eq!(client.checkpoint().unwrap().frozen, Some(720), "pinned at {pinned}");
    }
    let healed = LightClient::open(&compiled(&dir, 721, hash(3))).unwrap();
    assert_eq!(healed.checkpoint(), None, "it starts anew from the pinned header");
}

#[test]
fn the_same_client_is_shared_while_it_is_open() {
    let dir = TempDir::new().unwrap();
    left(&dir, &checkpoint(700, hash(2)));
    let compiled = compiled(&dir, HEIGHT, hash(1));
    let (old, new) = (LightClient::open(&compiled).unwrap(), LightClient::open(&compiled).unwrap());
    old.freeze(701);
    assert_eq!(new.checkpoint().unwrap().frozen, Some(701), "what one has seen the other knows");
}

#[test]
fn two_truths_of_one_height_are_for_a_person_to_settle() {
    let dir = TempDir::new().unwrap();
    left(&dir, &checkpoint(700, hash(2)));
    let error = LightClient::open(&compiled(&dir, 700, hash(3))).unwrap_err();
    assert!(matches!(error, RootError::Broken { .. }) && error.to_string().starts_with("PC-0942"), "{error}");
    assert!(LightClient::open(&compiled(&dir, 700, hash(2))).is_ok());
}

#[test]
fn a_torn_or_edited_or_foreign_state_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = left(&dir, &checkpoint(700, hash(2)));
    let good = fs::read(&path).unwrap();
    let compiled = compiled(&dir, HEIGHT, hash(1));
    let whole = good.len();
    for length in [0, 31, 32, whole - 1] {
        fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(LightClient::open(&compiled), Err(RootError::Broken { .. })), "{length} bytes");
    }
    for at in 0..whole {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(matches!(LightClient::open(&compiled), Err(RootError::Broken { .. })), "byte {at}");
    }
    left(&dir, &Checkpoint { chain: "cosmos:other-1".parse().unwrap(), ..checkpoint(700, hash(2)) });
    assert!(matches!(LightClient::open(&compiled), Err(RootError::Broken { .. })));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(LightClient::open(&compiled), Err(RootError::Read { .. })));
}
