//! The chain's own library beside our decoders: what ours read, it reads alike; where ours refuse, it may be laxer.

use portcullis_verifier::solana::{Block, Transaction, VoteTransaction, read_entries};
use solana_bincode::limited_deserialize;
use solana_transaction::versioned::VersionedTransaction;
use solana_vote_interface::instruction::VoteInstruction;

use crate::{
    fixture::{SLOT, bank_hash, tower, transfer, validators, vote, vote_with},
    vectors::{Testnet, bytes_of, say},
};

/// Largest transaction that the chain takes.
const MOST_BYTES: u64 = 1_232;

fn its_tower(data: &[u8]) -> Option<solana_vote_interface::state::TowerSync> {
    match limited_deserialize(data, MOST_BYTES).ok()? {
        VoteInstruction::TowerSync(sync) | VoteInstruction::TowerSyncSwitch(sync, _) => Some(sync),
        _ => None,
    }
}

/// Whether ours reads these bytes. What it reads, the other one must read, too, and see the same in it.
fn reads(bytes: &[u8]) -> bool {
    let Ok(own) = Transaction::read(bytes) else { return false };
    let its: VersionedTransaction =
        limited_deserialize(bytes, MOST_BYTES).expect("the chain's own reader refuses it");
    let signatures: Vec<&[u8]> = its.signatures.iter().map(AsRef::as_ref).collect();
    assert_eq!(signatures, own.signatures.iter().map(<[u8; 64]>::as_slice).collect::<Vec<_>>());
    assert_eq!(its.message.serialize(), own.message);
    let keys: Vec<[u8; 32]> = its.message.static_account_keys().iter().map(|key| key.to_bytes()).collect();
    assert_eq!(keys, own.keys);
    assert_eq!(its.message.instructions().len(), own.instructions.len());
    for (its, own) in its.message.instructions().iter().zip(&own.instructions) {
        assert_eq!(
            (its.program_id_index, &its.accounts[..], &its.data[..]),
            (own.program, own.accounts, own.data)
        );
    }
    if let Ok(vote) = VoteTransaction::of(own) {
        let sync =
            its_tower(vote.transaction.instructions[0].data).expect("the chain's own reader refuses it");
        assert_eq!((sync.root, sync.timestamp), (vote.sync.root, vote.sync.timestamp));
        assert_eq!(
            (sync.hash.to_bytes(), sync.block_id.to_bytes()),
            (vote.sync.bank_hash.0, vote.sync.block_id.0)
        );
        let its = sync.lockouts.iter().map(|lockout| (lockout.slot(), lockout.confirmation_count()));
        let own = vote.sync.lockouts.iter().map(|lockout| (lockout.slot, u32::from(lockout.confirmations)));
        assert_eq!(its.collect::<Vec<_>>(), own.collect::<Vec<_>>());
    }
    true
}

/// Feeds every flip of one bit and every cut, and says how many of them are still transactions.
fn feed(bytes: &[u8], step: usize) -> (usize, usize) {
    assert!(reads(bytes), "the original must be read");
    let (mut all, mut read) = (0, 0);
    for at in (0..bytes.len() * 8).step_by(step) {
        let mut mutant = bytes.to_vec();
        mutant[at / 8] ^= 1 << (at % 8);
        all += 2;
        read += usize::from(reads(&mutant)) + usize::from(reads(&bytes[..at / 8]));
    }
    (all, read)
}

#[test]
fn made_transactions_are_read_alike() {
    let one = &validators()[0];
    let id = portcullis_verifier::B256::repeat_byte(3);
    let mut switched = tower(SLOT, bank_hash(SLOT), id);
    switched[0] = 15;
    switched.extend([6; 32]);
    let with_version = |tables: &[u8]| {
        let mut bytes = transfer(2);
        bytes.insert(65, 0x80);
        [bytes, tables.to_vec()].concat()
    };
    let table = [&[1][..], &[7; 32], &[2, 0, 1], &[1, 9]].concat();
    for bytes in [
        transfer(1),
        vote(one, SLOT, id),
        vote_with(&one.authority, one.account, &switched),
        with_version(&[0]),
        with_version(&table),
    ] {
        let (all, read) = feed(&bytes, 1);
        assert!(read > 500 && read < all, "{read} of {all}");
    }
}

#[test]
fn transactions_of_testnet_are_read_alike() {
    let Some(testnet) = Testnet::find() else { return };
    let block = Block::open(&testnet.parts()).unwrap();
    let entries = read_entries(&block).unwrap();
    let (mut originals, mut all, mut read) = (0, 0, 0);
    for transaction in entries.iter().flat_map(|entry| &entry.transactions) {
        let (fed, alike) = feed(&bytes_of(transaction), 97);
        (originals, all, read) = (originals + 1, all + fed, read + alike);
    }
    assert_eq!(originals, 417);
    say(&format!(
        "two readers: {originals} transactions of testnet and {read} of {all} mutants, all read alike"
    ));
}
