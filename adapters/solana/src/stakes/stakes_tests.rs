use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::*;
use crate::{
    Solana, address,
    fixture::{Node, SLOT, chain, config, pinned_in, table, validators},
};

#[test]
fn only_the_file_that_was_pinned_counts_and_only_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let good = pinned_in(folder.path());
    let opened = PinnedStakes::open(&good, chain()).unwrap();
    assert_eq!(opened.stakes().table(), &table());
    assert_eq!(opened.to_bytes(), table().to_bytes());

    let last_epoch = StakeSource { epoch: 6, ..good.clone() };
    assert!(matches!(
        PinnedStakes::open(&last_epoch, chain()),
        Err(StakesError::Other { epoch: 7, wanted: 6, .. })
    ));
    let elsewhere = ChainId::new("solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z").unwrap();
    assert!(matches!(PinnedStakes::open(&good, elsewhere), Err(StakesError::Other { .. })));
    let none = StakeSource { file: folder.path().join("none"), ..good.clone() };
    assert!(matches!(PinnedStakes::open(&none, chain()), Err(StakesError::Unreadable { .. })));

    let bytes = std::fs::read(&good.file).unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        *other.get_mut(at).unwrap() ^= 1;
        std::fs::write(&good.file, &other).unwrap();
        let found = PinnedStakes::open(&good, chain());
        assert!(matches!(found, Err(StakesError::Digest { .. })), "byte {at}");
    }
    std::fs::write(&good.file, b"no table").unwrap();
    let sha256 = B256::from(<[u8; 32]>::from(Sha256::digest(b"no table")));
    let broken = StakeSource { sha256, ..good };
    assert!(matches!(PinnedStakes::open(&broken, chain()), Err(StakesError::Table { .. })));
}

#[test]
fn another_regime_stands_in_what_the_verifier_starts_from() {
    let folder = tempfile::tempdir().unwrap();
    let opened = PinnedStakes::open(&pinned_in(folder.path()), chain()).unwrap();
    assert!(opened.counts());
    opened.regime(true);
    let read = StakeTable::from_bytes(&opened.to_bytes()).unwrap();
    assert!(matches!(read.slot(SLOT), Err(SolanaProofError::RegimeNotImplemented { .. })));
    opened.regime(false);
    assert_eq!(opened.to_bytes(), table().to_bytes());
}

/// A vote account's state that names a key from the first epoch on.
fn state(key: B256) -> Value {
    let mut data = 2u32.to_le_bytes().to_vec();
    data.extend([1; 64]);
    data.extend([0; 1 + 8 + 1]);
    data.extend(1u64.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    data.extend(key);
    json!({ "data": [BASE64_STANDARD.encode(data), "base64"], "owner": "x", "lamports": 1 })
}

/// A node whose first validator has this stake.
async fn node(first: u64, epoch: Arc<Mutex<u64>>) -> Node {
    let answer = move |method: &str, params: &Value| {
        let all = validators();
        Some(match method {
            "getEpochInfo" => json!({
                "epoch": *epoch.lock().unwrap(), "absoluteSlot": SLOT, "slotIndex": 100, "slotsInEpoch": 200,
            }),
            "getVoteAccounts" => {
                let shown = |stake: u64, account| json!({ "votePubkey": address::shown(account), "activatedStake": stake });
                let rest: Vec<Value> = all.iter().skip(1).map(|one| shown(one.stake, one.account)).collect();
                let idle = shown(0, B256::repeat_byte(5));
                json!({ "current": rest, "delinquent": [shown(first, all.first().unwrap().account), idle] })
            }
            "getMultipleAccounts" => {
                let named = params.get(0).unwrap().as_array().unwrap().iter();
                let told = named.map(|name| {
                    let account = address::read(name.as_str().unwrap()).unwrap();
                    let one = all.iter().find(|one| one.account == account).unwrap();
                    state(B256::from(one.key.verifying_key().to_bytes()))
                });
                json!({ "context": { "slot": SLOT }, "value": told.collect::<Vec<_>>() })
            }
            _ => return None,
        })
    };
    Node::with([], answer).await
}

#[tokio::test]
async fn a_table_is_what_a_quorum_tells_alike_and_the_third_is_named() {
    let seven = || Arc::new(Mutex::new(7));
    let nodes = [node(40, seven()).await, node(41, seven()).await, node(40, seven()).await];
    let solana = Solana::new(config(&nodes.each_ref(), 2, None)).unwrap();
    let made = solana.stakes_now().await.unwrap();
    assert_eq!(made.table, table());
    assert_eq!(made.agreeing, ["ada", "cleo"]);
    assert!(
        matches!(made.others.as_slice(), [other] if other.starts_with("ben: epoch 7, 4 voters, 101 lamports"))
    );

    // What was made can be pinned, and counts.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made.bin");
    std::fs::write(&file, &made.bytes).unwrap();
    let source = StakeSource { file, sha256: made.sha256, epoch: made.table.epoch, wait_ms: 0 };
    assert_eq!(PinnedStakes::open(&source, chain()).unwrap().stakes().table(), &table());
}

#[tokio::test]
async fn where_no_quorum_tells_alike_there_is_no_table() {
    let epochs = [7, 7, 8].map(|epoch| Arc::new(Mutex::new(epoch)));
    let [a, b, c] = epochs;
    let nodes = [node(40, a).await, node(41, b).await, node(40, c).await];
    let solana = Solana::new(config(&nodes.each_ref(), 2, None)).unwrap();
    let found = solana.stakes_now().await;
    let Err(PinError::NoQuorum { needed: 2, what }) = found else { panic!("{found:?}") };
    for wanted in ["ada: epoch 7", "ben: epoch 7", "cleo: epoch 8"] {
        assert!(what.contains(wanted), "{what}");
    }
    // Another cluster's table is nobody's.
    let elsewhere = Node::with([], |method, _| {
        (method == "getGenesisHash").then(|| json!("4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY"))
    });
    let nodes = [elsewhere.await];
    let solana = Solana::new(config(&nodes.each_ref(), 1, None)).unwrap();
    assert!(matches!(solana.stakes_now().await, Err(PinError::NoQuorum { .. })));
}
