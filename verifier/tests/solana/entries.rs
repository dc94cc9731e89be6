//! Entries and their hashes: what follows, and what only looks as if it did.

use std::slice::from_ref;

use portcullis_verifier::{
    B256,
    solana::{
        Block, Scrutiny, SolanaProofError as Error, read_entries, signatures_root, verify_entries,
        verify_entry, verify_ticks,
    },
};

use crate::fixture::{SLOT, batch, claimed, entry, lay_out, shred, transfer};

/// A block of these batches, not otherwise sensible.
fn block_of(batches: &[Vec<u8>]) -> Block {
    let mut leaves = lay_out(SLOT, SLOT - 1, B256::ZERO, batches);
    Block::open(&shred(&mut leaves).0).unwrap()
}

fn refused(batches: &[Vec<u8>]) -> Error {
    read_entries(&block_of(batches)).unwrap_err()
}

#[test]
fn entries_follow_from_the_parents_last_hash() {
    let made = claimed();
    let block = Block::open(&made.parts).unwrap();
    let entries = read_entries(&block).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.transactions.len()).collect::<Vec<_>>(), [0, 3, 1, 2, 0]);
    assert_eq!(entries.last().unwrap().hash, made.blockhash);
    assert_eq!(verify_entries(Some(made.start), &entries), Ok(5));
    assert_eq!(verify_entries(None, &entries), Ok(4), "the first one follows something that is not here");
    assert_eq!(verify_entries(None, &[]), Ok(0));
    for (at, found) in [
        (0, verify_entries(Some(B256::ZERO), &entries)),
        (2, verify_entry(entries[0].hash, 2, &entries[2]).map(|_| 0)),
    ] {
        assert!(matches!(found, Err(Error::EntryHash { index, .. }) if index == at), "{found:?}");
    }
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    assert!(matches!(verify_entries(Some(made.start), &swapped), Err(Error::EntryHash { index: 1, .. })));
    let mut reordered = entries.clone();
    reordered[1].transactions.swap(0, 1);
    assert!(matches!(verify_entries(Some(made.start), &reordered), Err(Error::EntryHash { index: 1, .. })));
    let mut fewer = entries.clone();
    fewer[3].transactions.pop();
    assert!(matches!(verify_entries(Some(made.start), &fewer), Err(Error::EntryHash { index: 3, .. })));
    let mut longer = entries;
    longer[4].hashes += 1;
    assert!(matches!(verify_entries(Some(made.start), &longer), Err(Error::EntryHash { index: 4, .. })));
}

/// CVE-2012-2459 and its kin: with its end repeated, a list of signatures keeps its root.
#[test]
fn odd_leaf_duplication_makes_no_entry() {
    for (count, again) in [(3usize, 2..3usize), (1, 0..1), (6, 4..6), (5, 4..5)] {
        let once: Vec<Vec<u8>> = (0..count as u64).map(transfer).collect();
        let repeated = [once.clone(), once[again].to_vec()].concat();
        let ((good, _), (bad, _)) = (entry([1; 32], 5, &once), entry([1; 32], 5, &repeated));
        let block = block_of(&[batch(&[good])]);
        let entries = read_entries(&block).unwrap();
        let mut forged = entries[0].clone();
        forged.transactions.extend(entries[0].transactions[count - (repeated.len() - count)..].to_vec());
        let same = signatures_root(&forged.transactions) == signatures_root(&entries[0].transactions);
        // Two of the same make a root of their own: it is the odd end that hides.
        assert_eq!(same, count > 1, "{count}");
        assert!(matches!(
            refused(&[batch(&[bad])]),
            Error::Entry { index: 0, why: "it holds a signature twice" }
        ));
    }
}

#[test]
fn an_entry_takes_at_least_one_hash_and_not_endlessly_many() {
    let (mut none, _) = entry([1; 32], 1, &[transfer(1)]);
    none[0] = 0;
    let why = "it follows the one before without a hash";
    assert_eq!(refused(&[batch(&[none])]), Error::Entry { index: 0, why });
    let (mut endless, _) = entry([1; 32], 1, &[]);
    endless[..8].fill(0xff);
    let block = block_of(&[batch(&[endless.clone(), endless])]);
    let entries = read_entries(&block).unwrap();
    for found in
        [verify_entries(None, &entries).map(|_| ()), verify_entry(B256::ZERO, 0, &entries[0]).map(|_| ())]
    {
        assert!(matches!(found, Err(Error::Limit { found: u64::MAX, .. })), "{found:?}");
    }
    assert_eq!(Scrutiny::default(), Scrutiny::Enough);
}

#[test]
fn counts_that_nothing_backs_are_refused_before_anything_is_read() {
    let (tick, _) = entry([1; 32], 1, &[]);
    let mut many = batch(from_ref(&tick));
    many[..8].copy_from_slice(&2u64.to_le_bytes());
    assert!(matches!(refused(&[many]), Error::Limit { found: 2, limit: 1, .. }));
    let mut many = tick.clone();
    many[40..48].copy_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(matches!(refused(&[batch(&[many])]), Error::Limit { found, .. } if found == 1 << 60));
    let trailing = [batch(from_ref(&tick)), vec![0]].concat();
    assert!(matches!(refused(&[trailing]), Error::Trailing { found: 1, .. }));
    let whole = batch(&[tick]);
    for cut in 1..whole.len() {
        assert!(
            matches!(refused(&[whole[..cut].to_vec()]), Error::Limit { .. } | Error::Truncated { .. }),
            "{cut}"
        );
    }
}

#[test]
fn a_mark_of_another_regime_is_recognised() {
    let mark = [0u64.to_le_bytes().as_slice(), &[1, 0, 7, 7]].concat();
    let (tick, _) = entry([1; 32], 1, &[]);
    let found = refused(&[batch(&[tick]), mark]);
    assert!(
        matches!(found, Error::RegimeNotImplemented { regime: "Alpenglow", slot: SLOT, .. }),
        "{found:?}"
    );
    assert!(matches!(refused(&[0u64.to_le_bytes().to_vec()]), Error::Encoding { .. }));
}

#[test]
fn ticks_keep_their_pace() {
    let mut hash = [1; 32];
    let mut entries = Vec::new();
    for (hashes, transactions) in [(10, vec![]), (4, vec![transfer(1)]), (6, vec![]), (10, vec![])] {
        let (bytes, after) = entry(hash, hashes, &transactions);
        entries.push(bytes);
        hash = after;
    }
    let block = block_of(&[batch(&entries)]);
    let entries = read_entries(&block).unwrap();
    assert_eq!(verify_ticks(&entries, 10, 3), Ok(30));
    assert!(matches!(verify_ticks(&entries, 10, 4), Err(Error::Entry { index: 4, .. })));
    assert!(matches!(verify_ticks(&entries, 9, 3), Err(Error::Entry { index: 0, .. })));
    assert!(matches!(verify_ticks(&entries[..2], 10, 1), Err(Error::Entry { index: 2, .. })));
    let mut late = entries.clone();
    late[1].hashes = 10;
    assert!(matches!(
        verify_ticks(&late, 10, 3),
        Err(Error::Entry { index: 1, why: "a tick before it is missing" })
    ));
}
