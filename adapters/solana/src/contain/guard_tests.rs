#![allow(clippy::arithmetic_side_effects)]

use super::*;
use portcullis_adapter::ActionClass;
use portcullis_verifier::{ActionId, ChainId, IncidentId, Level};

const BREAKER: Breaker = Breaker { address: B256::repeat_byte(1), program: B256::repeat_byte(2) };
const TRIPPER: B256 = B256::repeat_byte(3);

fn action(level: Level) -> Action {
    Action {
        id: ActionId(B256::ZERO),
        chain: ChainId::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").unwrap(),
        target: BREAKER.address,
        scope: B256::repeat_byte(4),
        level,
        until: 1_700_000_000,
        until_height: 77,
        incident: IncidentId(B256::repeat_byte(5)),
        generation: 6,
        class: ActionClass::Halt,
        value_at_risk_micro_usd: 0,
        reasons: Vec::new(),
    }
    .with_id()
}

#[test]
fn a_trip_has_the_form_that_the_programs_document() {
    let trip = BREAKER.trip(&action(Level::Closed), B256::repeat_byte(7), TRIPPER, Lane::Second);
    assert_eq!(trip.program_id.to_bytes(), BREAKER.program.0);
    assert_eq!(trip.data.len(), 1 + 32 + 1 + 8 + 8 + 32 + 32 + 4);
    assert_eq!(trip.data[0], 1);
    assert_eq!(trip.data[33], 2, "closed");
    assert_eq!(trip.data[34..42], 1_700_000_000_u64.to_le_bytes());
    assert_eq!(trip.data[42..50], 77_u64.to_le_bytes());
    assert_eq!(trip.data[114..], 6_u32.to_le_bytes());
    let accounts: Vec<(B256, bool, bool)> = trip
        .accounts
        .iter()
        .map(|one| (B256::new(one.pubkey.to_bytes()), one.is_signer, one.is_writable))
        .collect();
    assert_eq!(
        accounts,
        [
            (TRIPPER, true, false),
            (BREAKER.address, false, false),
            (BREAKER.scope(B256::repeat_byte(4), Lane::Second), false, true),
            (BREAKER.tripper(TRIPPER), false, true),
        ]
    );
    let lanes = Lane::BOTH.map(|lane| BREAKER.scope(B256::repeat_byte(4), lane));
    assert_ne!(lanes[0], lanes[1], "two accounts");
}

#[test]
fn a_signed_trip_carries_the_signature_that_anybody_may_bring() {
    let (action, record) = (action(Level::Closed), B256::repeat_byte(7));
    let digest = signed_digest(&action, record);
    let other = Action { until: 1_700_000_001, ..action.clone() };
    assert_ne!(signed_digest(&other, record), digest);
    assert_ne!(signed_digest(&action, B256::ZERO), digest, "who brings it cannot forge the record");
    let verify = verify_signature(TRIPPER, &[9; 64], digest);
    assert_eq!(verify.data.len(), 144);
    assert_eq!(verify.data[..16], [1, 0, 48, 0, 255, 255, 16, 0, 255, 255, 112, 0, 32, 0, 255, 255]);
    assert_eq!(verify.data[16..48], TRIPPER.0);
    assert_eq!(verify.data[48..112], [9; 64]);
    assert_eq!(verify.data[112..], digest.0);
    let payer = B256::repeat_byte(8);
    let trip = BREAKER.trip_signed(&action, record, (payer, TRIPPER), Lane::Second, 2);
    assert_eq!((trip.data[0], trip.data.len()), (2, 118 + 8 + 2));
    assert_eq!(trip.data[126..], [2, 0]);
    assert!(
        trip.accounts.iter().all(|one| one.pubkey.to_bytes() != TRIPPER.0),
        "the tripper need not be there"
    );
}

/// SECURITY: the service holds a key that can trip, and no call that opens can be made here.
#[test]
fn no_call_of_ours_opens_anything() {
    let made = [
        BREAKER.trip(&action(Level::Closed), B256::ZERO, TRIPPER, Lane::First),
        BREAKER.trip_signed(&action(Level::Open), B256::ZERO, (TRIPPER, TRIPPER), Lane::First, 2),
        BREAKER.enforce(B256::ZERO, B256::ZERO, B256::ZERO),
    ];
    let numbers: Vec<u8> = made.iter().map(|call| call.data[0]).collect();
    assert_eq!(numbers, [TRIP, TRIP_SIGNED, ENFORCE], "not 4 (release), 33 (restore), 36 (thaw)");
}

fn scope_account(word: U256) -> Vec<u8> {
    let mut data = vec![0; 312];
    data[..8].copy_from_slice(SCOPE_MARK);
    data[16..48].copy_from_slice(BREAKER.address.as_slice());
    data[80..112].copy_from_slice(&word.to_be_bytes::<32>());
    data
}

fn word(closed_until: u64, limited_until: u64, hold: u64, generation: u64) -> U256 {
    U256::from(1)
        | U256::from(hold) << 8
        | Field::ClosedUntil.place(closed_until)
        | Field::LimitedUntil.place(limited_until)
        | U256::from(generation) << 176
}

#[test]
fn the_stricter_of_both_lanes_counts_field_by_field() {
    let lanes = [Some(scope_account(word(100, 900, 0, 3))), Some(scope_account(word(500, 200, 1, 2)))];
    let both = combined(BREAKER, &lanes).unwrap();
    assert_eq!((both.get(Field::ClosedUntil), both.get(Field::LimitedUntil)), (500, 900));
    let block = BlockRef { height: 10, hash: B256::ZERO };
    let told = report(Some(both), block, 400);
    assert_eq!((told.registered, told.level, told.generation), (true, Level::Closed, 3));
    assert_eq!(report(Some(both), block, 600).level, Level::Limited, "held by people");
    assert_eq!(report(Some(both.not_enforced()), block, 400).level, Level::Limited);
    let one = combined(BREAKER, &[None, Some(scope_account(word(500, 0, 0, 0)))]).unwrap();
    assert_eq!(report(Some(one), block, 400).level, Level::Closed, "one lane is enough");
}

/// SECURITY: an account of another kind or breaker is not the scope's, wherever it stands.
#[test]
fn a_scope_s_account_says_what_it_is_and_whose() {
    let good = scope_account(word(100, 0, 0, 0));
    let mut foreign = good.clone();
    foreign[16] ^= 1;
    let mut other_kind = good.clone();
    other_kind[7] = b'2';
    for bad in [foreign, other_kind, good[..111].to_vec(), Vec::new()] {
        assert_eq!(combined(BREAKER, &[Some(bad), None]), None);
    }
    let block = BlockRef { height: 10, hash: B256::ZERO };
    let nothing = report(None, block, 0);
    assert_eq!((nothing.registered, nothing.level), (false, Level::Closed), "unregistered is closed");
}

#[test]
fn a_tripper_s_account_tells_what_is_left() {
    let mut data = vec![0; 96 + 8];
    data[..8].copy_from_slice(TRIPPER_MARK);
    data[9] = 1;
    data[12..16].copy_from_slice(&3_600_u32.to_le_bytes());
    data[16..48].copy_from_slice(BREAKER.address.as_slice());
    data[96..100].copy_from_slice(&600_u32.to_le_bytes());
    data[100..104].copy_from_slice(&60_u32.to_le_bytes());
    let role = tripper_of(BREAKER, &data).unwrap();
    assert_eq!(role, Tripper { active: true, budget_seconds: 3_600, charged_seconds: 660 });
    data[16] ^= 1;
    assert_eq!(tripper_of(BREAKER, &data), None, "of another guard");
}
