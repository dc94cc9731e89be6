//! Logs of watched contracts, from a node's JSON to observations.

use std::sync::LazyLock;

use alloy::rpc::types::Log;
use portcullis_evm::{
    Compiled, EvmConfig,
    config::{Endpoint, EventMapping, FieldNames, MappingKind, WatchedContract},
    testing,
};
use portcullis_verifier::{AdminKind, B256, BlockRef, Event, Slug, TransferKind, evm::log_digest};

use crate::Target;

const CONTRACT: &str = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const IGNORED: &str = "TokenRegistered(address indexed token, bool isHome)";
const RELEASED: &str = "Released(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount)";
const DEPOSITED: &str = "Deposited(uint32 indexed destination, uint256 indexed messageId, address indexed token, address sender, address recipient, uint256 amount)";

pub(crate) const TARGET: Target = Target {
    name: "logs",
    what: "logs by the configured signatures: each accepted one is observed once, with its digest and its values",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

fn mapping(kind: MappingKind, signature: &str, fields: FieldNames) -> EventMapping {
    EventMapping { kind, signature: signature.to_owned(), recorded: false, fields }
}

/// One contract with an event of each kind, and one that is ignored.
static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let fields = |remote: &str, sender: Option<&str>| FieldNames {
        remote: Some(remote.into()),
        message_id: Some("messageId".into()),
        asset: Some("token".into()),
        amount: Some("amount".into()),
        recipient: Some("recipient".into()),
        sender: sender.map(Into::into),
        ..FieldNames::default()
    };
    let root = FieldNames { value: Some("committedRoot".into()), ..FieldNames::default() };
    let contract = WatchedContract {
        bridge: Slug::new("demo").expect("a slug"),
        address: CONTRACT.to_owned(),
        domain: "7".to_owned(),
        mappings: vec![
            mapping(MappingKind::Transfer(TransferKind::Release), RELEASED, fields("origin", None)),
            mapping(
                MappingKind::Transfer(TransferKind::Lock),
                DEPOSITED,
                fields("destination", Some("sender")),
            ),
            mapping(MappingKind::Admin(AdminKind::Upgrade), "Upgraded(bytes32 committedRoot)", root),
        ],
        ignored: vec![IGNORED.to_owned()],
    };
    let endpoint = Endpoint {
        operator: Slug::new("a").expect("a slug"),
        http: "http://127.0.0.1:1".parse().expect("a URL"),
        ws: None,
        submit: true,
    };
    let watched = EvmConfig::new("eip155:5".parse().expect("a chain"), vec![endpoint]);
    let config = EvmConfig { contracts: vec![contract], ..watched };
    config.compile().expect("a configuration that works")
});

const BLOCK: BlockRef = BlockRef { height: 9, hash: B256::repeat_byte(1) };

fn feed(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let Ok(logs) = serde_json::from_str::<Vec<Log>>(text) else { return };
    let ignored = alloy_primitives::keccak256("TokenRegistered(address,bool)");
    match testing::observe(&COMPILED, logs.clone(), BLOCK, 77) {
        Err(error) => assert_eq!(error.label(), "garbage", "{error}"),
        Ok(observations) => {
            // SECURITY: nothing that was accepted is dropped but what the configuration names.
            let meant = |log: &&Log| log.topics().first() != Some(&ignored);
            let kept: Vec<&Log> = logs.iter().filter(meant).collect();
            assert_eq!(observations.len(), kept.len(), "a log was dropped or doubled");
            for (log, observation) in kept.into_iter().zip(&observations) {
                let digest = log_digest(log.address(), log.topics(), &log.data().data);
                assert_eq!(observation.raw(), digest, "bound to another log");
                assert_eq!(observation.position().block_hash, BLOCK.hash);
                check_values(log, observation.event());
                let encoded = borsh::to_vec(observation).expect("a Vec takes every byte");
                let again = borsh::from_slice(&encoded).expect("what was encoded is read");
                assert_eq!(observation, &again, "it cannot be logged and read back");
            }
        }
    }
}

/// Values of a transfer are those that stand at their places in the log, whatever they are.
fn check_values(log: &Log, event: &Event) {
    let Event::Transfer(transfer) = event else {
        assert!(
            matches!(event, Event::Unmapped { reason, .. } if !reason.is_empty())
                || matches!(event, Event::Admin(_)),
            "{event:?}"
        );
        return;
    };
    let words: Vec<&[u8]> = log.data().data.chunks(32).collect();
    assert_eq!(log.topics().len(), 4);
    assert_eq!(transfer.message_id, log.topics()[2]);
    // Both transfers end with the amount.
    let place = if transfer.sender.is_some() { 2 } else { 1 };
    assert_eq!(words.get(place).copied(), Some(&transfer.amount.to_be_bytes::<32>()[..]));
}

fn seeds() -> Vec<Vec<u8>> {
    let released = alloy_primitives::keccak256("Released(uint32,uint256,address,address,uint256)");
    let deposited = alloy_primitives::keccak256("Deposited(uint32,uint256,address,address,address,uint256)");
    let upgraded = alloy_primitives::keccak256("Upgraded(bytes32)");
    let ignored = alloy_primitives::keccak256("TokenRegistered(address,bool)");
    let word = |byte: u8| B256::with_last_byte(byte);
    let most = B256::repeat_byte(0xff);
    let cases: [(Vec<B256>, Vec<B256>); 9] = [
        (vec![released, word(7), word(1), word(0xaa)], vec![word(0xbb), word(5)]),
        (vec![released, most, most, word(0)], vec![most, most]),
        (vec![deposited, word(7), word(0), word(0xaa)], vec![word(1), word(2), most]),
        (vec![upgraded], vec![word(3)]),
        (vec![ignored, word(1)], vec![word(1)]),
        (vec![released, word(7)], vec![word(0xbb)]),
        (vec![], vec![]),
        (vec![word(9)], vec![]),
        (vec![released, word(7), word(1), word(0xaa), word(1)], vec![word(0xbb), word(5)]),
    ];
    let one = |index: usize, (topics, words): &(Vec<B256>, Vec<B256>)| {
        let data: Vec<u8> = words.iter().flat_map(|word| word.0).collect();
        serde_json::json!({
            "address": CONTRACT, "topics": topics, "data": alloy_primitives::Bytes::from(data),
            "blockHash": BLOCK.hash, "blockNumber": "0x9", "transactionHash": word(2),
            "transactionIndex": "0x3", "logIndex": format!("{index:#x}"), "removed": false,
        })
    };
    let mut seeds: Vec<Vec<u8>> =
        cases.iter().map(|case| serde_json::json!([one(0, case)]).to_string().into_bytes()).collect();
    let all: Vec<_> = cases.iter().enumerate().map(|(index, case)| one(index, case)).collect();
    seeds.push(serde_json::Value::from(all).to_string().into_bytes());
    seeds.push(b"[]".to_vec());
    seeds
}
