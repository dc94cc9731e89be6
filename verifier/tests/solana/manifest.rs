//! Manifests: what an operator pins comes out of one, and nothing comes out of a broken one.

use portcullis_verifier::{
    B256,
    solana::{EpochSchedule, Manifest, SolanaProofError as Error},
};

use crate::{
    bank::manifest,
    fixture::{chain, table, validators},
    vectors::{Testnet, say},
};

#[test]
fn a_table_comes_out_as_it_was_written() {
    let bytes = manifest(&table(&validators()), 2);
    let read = Manifest::read(&bytes).unwrap();
    assert_eq!((read.slot, read.bank_hash), (42, B256::repeat_byte(5)));
    assert_eq!((read.parent_slot, read.parent_hash), (41, B256::repeat_byte(6)));
    assert_eq!(read.last_blockhash, Some(B256::repeat_byte(8)));
    assert_eq!((read.hashes_per_tick, read.ticks_per_slot, read.block_id), (Some(10), 64, None));
    let mut expected = table(&validators());
    (expected.epoch, expected.first_slot, expected.last_slot) = (2, 900, 1_099);
    assert_eq!(read.table(chain(), 2), Ok(expected.clone()));
    assert!(expected.open().is_ok());
    assert_eq!(read.table(chain(), 3), Err(Error::NoEpoch { epoch: 3 }));
    // The block's id was added at the end.
    let with_id = [&bytes[..], &[1], &[0x77; 32]].concat();
    assert_eq!(Manifest::read(&with_id).unwrap().block_id, Some(B256::repeat_byte(0x77)));
    assert_eq!(Manifest::read(&[&bytes[..], &[0]].concat()).unwrap().block_id, None);
    let more = [&with_id[..], &[0]].concat();
    assert!(matches!(Manifest::read(&more), Err(Error::Trailing { found: 1, .. })));
}

#[test]
fn cut_manifests_hold_nothing() {
    let bytes = manifest(&table(&validators()), 2);
    for cut in 0..bytes.len() {
        assert!(Manifest::read(&bytes[..cut]).is_err(), "{cut}");
    }
    let Some(testnet) = Testnet::find() else { return };
    let cuts = (0..testnet.manifest.len() - 33).step_by(50_021);
    let count = cuts.clone().count();
    for cut in cuts {
        assert!(Manifest::read(&testnet.manifest[..cut]).is_err(), "{cut}");
    }
    say(&format!("manifests: {} cuts of a made one and {count} of testnet's refused", bytes.len()));
}

#[test]
fn stakes_that_contradict_themselves_are_refused() {
    let bytes = manifest(&table(&validators()), 2);
    let account = table(&validators()).voters[0].account;
    let first = bytes.windows(32).position(|window| window == account.as_slice()).unwrap();
    let last = bytes.windows(32).rposition(|window| window == account.as_slice()).unwrap();
    // The stake of a voter is another one; a voter has two authorities; the list has a form that is not known.
    let mut stake = bytes.clone();
    stake[first + 32] ^= 1;
    assert!(matches!(Manifest::read(&stake), Err(Error::Encoding { .. })));
    let mut twice = bytes.clone();
    twice.copy_within(last..last + 32, last + 64);
    assert!(matches!(Manifest::read(&twice), Err(Error::Encoding { .. })));
    // The stakes themselves name a voter twice, and still add up.
    let next = table(&validators()).voters[1].account;
    let place = bytes.windows(32).position(|window| window == next.as_slice()).unwrap();
    let mut again = bytes.clone();
    again.copy_within(first..first + 32, place);
    assert!(matches!(Manifest::read(&again), Err(Error::Encoding { .. })));
    let mut kind = bytes.clone();
    kind[first - 12] = 1;
    assert!(matches!(Manifest::read(&kind), Err(Error::UnknownVersion { found: 1, .. })));
    let mut many = bytes;
    many[first - 1] = 0xff;
    assert!(matches!(Manifest::read(&many), Err(Error::Limit { .. })));
}

#[test]
fn epochs_grow_at_first_and_have_edges() {
    let testnet =
        EpochSchedule { slots_per_epoch: 432_000, first_normal_epoch: 14, first_normal_slot: 524_256 };
    for (epoch, slots) in [(0, (0, 31)), (1, (32, 95)), (13, (262_112, 524_255)), (14, (524_256, 956_255))] {
        assert_eq!(testnet.slots(epoch), Some(slots), "{epoch}");
    }
    assert_eq!(testnet.slots(u64::MAX), None);
    let grown = EpochSchedule { first_normal_epoch: u64::MAX, ..testnet };
    assert_eq!(grown.slots(64), None);
    assert_eq!(grown.slots(60), None);
    let none = EpochSchedule { slots_per_epoch: 0, ..testnet };
    assert_eq!(none.slots(14), None, "an epoch without slots");
}
