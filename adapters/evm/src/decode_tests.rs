use super::*;
use portcullis_verifier::{AdminKind, TransferKind};

use crate::config::{EventMapping, EvmConfig, FieldNames, MappingKind, WatchedContract};
use alloy::primitives::{Bytes, Log as RawLog, LogData};
use portcullis_verifier::Slug;

const ADDRESS: Address = Address::repeat_byte(0x11);
const RELEASED: &str = "Released(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount)";

fn fields() -> FieldNames {
    FieldNames {
        remote: Some("origin".into()),
        message_id: Some("messageId".into()),
        asset: Some("token".into()),
        amount: Some("amount".into()),
        recipient: Some("recipient".into()),
        ..FieldNames::default()
    }
}

fn decoder() -> Decoder {
    let release = EventMapping {
        kind: MappingKind::Transfer(TransferKind::Release),
        signature: RELEASED.to_owned(),
        recorded: false,
        fields: fields(),
    };
    let upgraded = EventMapping {
        kind: MappingKind::Admin(AdminKind::Upgrade),
        signature: "Upgraded(bytes32 committedRoot)".to_owned(),
        recorded: false,
        fields: FieldNames { value: Some("committedRoot".into()), ..FieldNames::default() },
    };
    let contract = WatchedContract {
        bridge: Slug::new("demo").unwrap(),
        address: ADDRESS.to_string(),
        domain: "0x6265616d".to_owned(),
        mappings: vec![release, upgraded],
        ignored: vec!["Approval(address indexed a, address indexed b, uint256 c)".to_owned()],
    };
    let endpoint = crate::config::Endpoint {
        operator: Slug::new("a").unwrap(),
        http: "http://127.0.0.1:1".parse().unwrap(),
        ws: None,
        submit: true,
    };
    let watched = EvmConfig::new(ChainId::new("eip155:5").unwrap(), vec![endpoint]);
    EvmConfig { contracts: vec![contract], ..watched }.compile().unwrap().decoder
}

fn log(address: Address, topics: Vec<B256>, data: Vec<u8>) -> Log {
    Log {
        inner: RawLog { address, data: LogData::new_unchecked(topics, Bytes::from(data)) },
        block_hash: Some(B256::repeat_byte(1)),
        block_number: Some(9),
        block_timestamp: None,
        transaction_hash: Some(B256::repeat_byte(2)),
        transaction_index: Some(3),
        log_index: Some(4),
        removed: false,
    }
}

fn release(amount: U256) -> Log {
    let topic = keccak256("Released(uint32,uint256,address,address,uint256)");
    let topics = vec![topic, B256::with_last_byte(7), B256::ZERO, B256::with_last_byte(0xAA)];
    let mut data = B256::with_last_byte(0xBB).to_vec();
    data.extend(amount.to_be_bytes::<32>());
    log(ADDRESS, topics, data)
}

fn event(log: &Log) -> Event {
    decoder().observation(log, 77).unwrap().unwrap().event().clone()
}

#[test]
fn a_mapped_log_becomes_a_transfer_with_its_place_and_digest() {
    let log = release(U256::from(5));
    let observation = decoder().observation(&log, 77).unwrap().unwrap();
    let Event::Transfer(transfer) = observation.event() else { panic!("a transfer") };
    assert_eq!(transfer.local, B256::from(U256::from(0x6265_616d_u64)));
    assert_eq!(transfer.remote, B256::with_last_byte(7));
    assert_eq!(transfer.asset, B256::with_last_byte(0xAA));
    assert_eq!(transfer.recipient, B256::with_last_byte(0xBB));
    assert_eq!((transfer.amount, transfer.sender), (U256::from(5), None));
    let position = observation.position();
    assert_eq!((position.height, position.tx_index, position.log_index, observation.time()), (9, 3, 4, 77));
    assert_eq!(observation.raw(), log_digest(ADDRESS, log.topics(), &log.data().data));
}

#[test]
fn the_greatest_amount_and_zero_ids_are_kept() {
    let Event::Transfer(transfer) = event(&release(U256::MAX)) else { panic!("a transfer") };
    assert_eq!((transfer.amount, transfer.message_id), (U256::MAX, B256::ZERO));
}

#[test]
fn what_no_mapping_explains_is_kept_with_its_reason() {
    let unknown = log(ADDRESS, vec![B256::repeat_byte(9)], Vec::new());
    let Event::Unmapped { topic, .. } = event(&unknown) else { panic!("unmapped") };
    assert_eq!(topic, B256::repeat_byte(9));
    let mut short = release(U256::from(5));
    short.inner.data = LogData::new_unchecked(short.topics().to_vec(), Bytes::from(vec![1, 2, 3]));
    assert!(matches!(event(&short), Event::Unmapped { reason, .. } if reason.contains("does not decode")));
    let anonymous = log(ADDRESS, Vec::new(), vec![1]);
    assert!(matches!(event(&anonymous), Event::Unmapped { topic: B256::ZERO, .. }));
    let few_topics = log(ADDRESS, release(U256::ZERO).topics()[..2].to_vec(), vec![0; 96]);
    assert!(matches!(event(&few_topics), Event::Unmapped { .. }));
}

#[test]
fn ignored_events_and_foreign_contracts_are_nothing() {
    let approval = log(ADDRESS, vec![keccak256("Approval(address,address,uint256)")], Vec::new());
    assert_eq!(decoder().observation(&approval, 1).unwrap(), None);
    let mut foreign = release(U256::from(5));
    foreign.inner.address = Address::repeat_byte(0x22);
    assert_eq!(decoder().observation(&foreign, 1).unwrap(), None);
}

#[test]
fn a_log_without_its_place_is_an_error() {
    let mut log = release(U256::from(5));
    log.block_hash = None;
    assert_eq!(decoder().observation(&log, 1).unwrap_err(), IncompleteLog("blockHash"));
}

#[test]
fn admin_changes_carry_their_value() {
    let topic = keccak256("Upgraded(bytes32)");
    let upgrade = log(ADDRESS, vec![topic], B256::repeat_byte(3).to_vec());
    let Event::Admin(change) = event(&upgrade) else { panic!("an admin change") };
    assert_eq!((change.kind, change.value), (AdminKind::Upgrade, B256::repeat_byte(3)));
}

#[test]
fn a_bloom_that_holds_the_address_concerns_and_an_empty_one_does_not() {
    let mut bloom = Bloom::ZERO;
    assert!(!decoder().may_concern(&bloom));
    bloom.accrue(BloomInput::Raw(ADDRESS.as_slice()));
    assert!(decoder().may_concern(&bloom));
}
