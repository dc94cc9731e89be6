use super::*;
use crate::Slug;

fn observation(amount: u64, log_index: u32) -> Observation {
    let transfer = Transfer {
        kind: TransferKind::Release,
        bridge: Slug::new("b").unwrap(),
        local: B256::with_last_byte(1),
        remote: B256::with_last_byte(2),
        message_id: B256::with_last_byte(3),
        asset: B256::with_last_byte(4),
        amount: U256::from(amount),
        sender: None,
        recipient: B256::with_last_byte(5),
    };
    let position = Position {
        height: 7,
        tx_index: 0,
        log_index,
        block_hash: B256::with_last_byte(8),
        tx_hash: B256::with_last_byte(9),
    };
    let chain = ChainId::new("eip155:1").unwrap();
    Observation::new(chain, position, 1, Status::Included, B256::ZERO, Event::Transfer(transfer))
}

#[test]
fn ids_follow_content_and_nothing_else() {
    assert_eq!(observation(5, 0).id(), observation(5, 0).id());
    assert_ne!(observation(5, 0).id(), observation(6, 0).id());
    assert_ne!(observation(5, 0).id(), observation(5, 1).id());
    let retracted = observation(5, 0).with_status(Status::Retracted);
    assert_eq!(retracted.id(), observation(5, 0).id());
    assert_ne!(retracted.observation_id(), observation(5, 0).observation_id());
}

#[test]
fn a_decoded_observation_has_its_derived_id() {
    let one = observation(5, 0);
    let bytes = borsh::to_vec(&one).unwrap();
    assert_eq!(borsh::from_slice::<Observation>(&bytes).unwrap(), one);
    let truncated = bytes.get(..bytes.len() - 1).unwrap();
    assert!(borsh::from_slice::<Observation>(truncated).is_err());
}

#[test]
fn both_ends_of_a_message_share_its_key() {
    let Event::Transfer(release) = observation(5, 0).event().clone() else { unreachable!() };
    let burn = Transfer { kind: TransferKind::Burn, local: release.remote, remote: release.local, ..release };
    assert_eq!(burn.message_key(), release.message_key());
    let other_way = Transfer { kind: TransferKind::Burn, ..release };
    assert_ne!(other_way.message_key(), release.message_key());
}
