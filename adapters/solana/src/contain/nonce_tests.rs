#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::*;

const KEY: B256 = B256::repeat_byte(3);
const A: ActionId = ActionId(B256::repeat_byte(0xa));
const B: ActionId = ActionId(B256::repeat_byte(0xb));

fn value(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn account(version: u32, state: u32) -> Account {
    let mut data = [version.to_le_bytes(), state.to_le_bytes()].concat();
    data.extend(KEY.as_slice());
    data.extend(value(7).as_slice());
    data.extend(5_000_u64.to_le_bytes());
    Account { owner: B256::ZERO, executable: false, lamports: 1_447_680, data }
}

#[test]
fn only_an_initialised_account_of_the_current_version_with_this_authority_gives_a_value() {
    let good = account(CURRENT, INITIALISED);
    assert_eq!(read(Some(&good), KEY), Ok(value(7)));
    assert_eq!(read(None, KEY), Err(Unusable::Missing));
    assert_eq!(read(Some(&good), value(4)), Err(Unusable::Authority));
    assert_eq!(read(Some(&account(0, INITIALISED)), KEY), Err(Unusable::Legacy));
    assert_eq!(read(Some(&account(CURRENT, 0)), KEY), Err(Unusable::NotInitialised));
    let foreign = Account { owner: value(1), ..good.clone() };
    assert_eq!(read(Some(&foreign), KEY), Err(Unusable::NoNonce));
    for end in 0..good.data.len() {
        let cut = Account { data: good.data[..end].to_vec(), ..good.clone() };
        assert_eq!(read(Some(&cut), KEY), Err(Unusable::NoNonce), "cut at {end}");
    }
    let long = Account { data: [good.data.as_slice(), &[0]].concat(), ..good };
    assert_eq!(read(Some(&long), KEY), Err(Unusable::NoNonce));
}

#[test]
fn one_liar_gives_no_value_and_no_slot() {
    let (old, new) = (Ok(value(1)), Ok(value(2)));
    assert_eq!(agreed(&[(9, old), (9, new)], 2, 50), Told::Nothing);
    assert_eq!(agreed(&[(9, old), (10, new), (11, new)], 2, 50), Told::Value(value(2), 11));
    assert_eq!(agreed(&[], 1, 50), Told::Nothing);
    assert_eq!(agreed(&[(9, old)], 0, 50), Told::Value(value(1), 9), "nobody is no quorum");
    let gone = Err(Unusable::Missing);
    assert_eq!(agreed(&[(9, old), (9, gone), (9, gone)], 2, 50), Told::Unusable(Unusable::Missing));
    // As many tell the one as the other: what was told of the later slot is what is.
    let split = [(9, old), (9, old), (12, new), (12, new)];
    assert_eq!(agreed(&split, 2, 50), Told::Value(value(2), 12));
    assert_eq!(agreed(&[(9, old), (u64::MAX, old), (10, new)], 2, 50), Told::Value(value(1), 60));
}

#[test]
fn an_action_keeps_its_value_and_no_other_gets_it() {
    let nonce = Durable::new(value(9));
    assert_eq!(nonce.take(A, Hold::Keep), Err(Trouble::NotRead));
    assert_eq!(nonce.told(Told::Value(value(1), 100)), None);
    assert_eq!(nonce.take(B, Hold::Look), Ok((value(1), 100)), "a rehearsal takes nothing away");
    assert_eq!(nonce.take(A, Hold::Keep), Ok((value(1), 100)));
    assert_eq!(nonce.take(B, Hold::Keep), Err(Trouble::Taken));
    assert_eq!(nonce.told(Told::Value(value(1), 105)), None);
    assert_eq!(nonce.take(A, Hold::Keep), Ok((value(1), 100)), "the next step has the same bytes before it");
    // Somebody advanced it.
    assert_eq!(nonce.told(Told::Value(value(2), 110)), None);
    assert_eq!(nonce.take(B, Hold::Keep), Ok((value(2), 110)));
    assert_eq!(nonce.take(A, Hold::Keep), Err(Trouble::Taken));
    // Nothing used it for an hour.
    assert_eq!(nonce.told(Told::Value(value(2), 111 + limits::NONCE_HELD_SLOTS)), None);
    assert_eq!(nonce.take(A, Hold::Keep), Ok((value(2), 110)));
}

#[test]
fn what_may_be_consumed_is_read_anew() {
    let nonce = Durable::new(value(9));
    nonce.told(Told::Value(value(1), 100));
    nonce.take(A, Hold::Keep).unwrap();
    nonce.consumed(value(8), 200);
    assert_eq!(nonce.take(A, Hold::Keep), Ok((value(1), 100)), "another value than this one");
    nonce.consumed(value(1), 120);
    assert_eq!(nonce.take(A, Hold::Keep), Err(Trouble::NotRead));
    assert_eq!(nonce.least(), 120, "what was told before that block says nothing");
    nonce.told(Told::Value(value(2), 121));
    assert_eq!(nonce.take(B, Hold::Keep), Ok((value(2), 121)));
    // One reading without an answer: it may have been used meanwhile.
    assert_eq!(nonce.told(Told::Nothing), None);
    assert_eq!(nonce.take(B, Hold::Keep), Err(Trouble::NotRead));
    nonce.told(Told::Value(value(2), 125));
    assert_eq!(nonce.take(B, Hold::Keep), Ok((value(2), 121)));
}

/// Bytes of an earlier life keep their value, so that no other action is signed on it.
#[test]
fn what_was_signed_before_a_restart_keeps_its_value() {
    let nonce = Durable::new(value(9));
    nonce.told(Told::Value(value(1), 100));
    nonce.handed(A, value(1));
    assert_eq!(nonce.take(B, Hold::Keep), Err(Trouble::Taken));
    nonce.handed(B, value(1));
    assert_eq!(nonce.take(A, Hold::Keep), Ok((value(1), 100)));
}

#[test]
fn people_are_told_once_when_it_is_lost_and_once_when_it_is_back() {
    let nonce = Durable::new(value(9));
    let missing = Trouble::Unusable(Unusable::Missing);
    assert_eq!(nonce.told(Told::Unusable(Unusable::Missing)), Some(Change::Lost(missing)));
    assert_eq!(nonce.told(Told::Unusable(Unusable::Missing)), None);
    assert_eq!(nonce.take(A, Hold::Keep), Err(missing));
    assert_eq!(nonce.told(Told::Value(value(1), 100)), Some(Change::Back));
    let told: Vec<_> = (0..2 * limits::HASH_AGE).filter_map(|_| nonce.told(Told::Nothing)).collect();
    assert_eq!(told, [Change::Lost(Trouble::Silent)]);
    assert_eq!(
        (Trouble::Unusable(Unusable::Authority).page(), Trouble::Silent.page()),
        ("PC-0986", "PC-0985")
    );
}
