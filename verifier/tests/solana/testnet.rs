//! One block of testnet: whose stake signed its parent, and that every byte of it hangs on that parent.

use portcullis_verifier::{
    Execution, Inclusion,
    solana::{
        Block, STATE_BYTES, Scrutiny, SolanaProofError, Tally, Transaction, VoteTransaction,
        authorized_voter, check_vote, read_entries, verify_entries, verify_ticks, verify_votes,
    },
};

use crate::vectors::{Testnet, bytes_of, say};

/// The votes of the block that are for its parent, as they were sent.
pub(crate) fn votes_for_parent(block: &Block) -> Vec<Vec<u8>> {
    let entries = read_entries(block).unwrap();
    let votes = entries.iter().flat_map(|entry| entry.transactions.clone());
    let votes = votes.filter(|one| {
        VoteTransaction::of(one.clone()).is_ok_and(|vote| vote.sync.slot() == block.parent_slot)
    });
    votes.map(|one| bytes_of(&one)).collect()
}

#[test]
fn the_block_hangs_on_a_parent_that_the_stake_signed() {
    let Some(testnet) = Testnet::find() else { return };
    let (manifest, stakes) = (testnet.read_manifest(), testnet.stakes());
    assert_eq!(manifest.epochs().collect::<Vec<_>>(), [980, 981]);
    assert_eq!(manifest.schedule.slots(980), Some((417_836_256, 418_268_255)));

    let block = Block::open(&testnet.parts()).unwrap();
    assert_eq!((block.slot, block.parent_slot, block.roots.len()), (417_955_322, 417_955_321, 10));
    let votes = votes_for_parent(&block);
    let signed = verify_votes(&stakes, &votes, Scrutiny::Every).unwrap();

    // The half that the stake signed is the block from which the other half hangs.
    assert_eq!((signed.value().slot, signed.value().block_id), (block.parent_slot, block.parent_block_id));
    // The manifest, made by somebody else, knows the same bank and the same block.
    assert_eq!((manifest.slot, manifest.block_id), (block.parent_slot, Some(block.parent_block_id)));
    assert_eq!(signed.value().bank_hash, Some(manifest.bank_hash));

    let assurance = signed.assurance();
    let share = assurance.header.signed_bps.unwrap();
    assert!(share > 9_800, "{share}");
    assert!(!assurance.header.final_by_consensus, "two thirds of votes confirm, and finalise nothing");
    assert_eq!((assurance.inclusion, assurance.execution), (Inclusion::None, Execution::Unknown));
    assert_eq!(votes.len(), 406);
    say(&format!("testnet: {} votes for the parent, {share} basis points of the stake", votes.len()));
}

#[test]
fn every_entry_follows_and_every_signature_verifies() {
    let Some(testnet) = Testnet::find() else { return };
    let manifest = testnet.read_manifest();
    let block = Block::open(&testnet.parts()).unwrap();
    let entries = read_entries(&block).unwrap();
    let transactions: Vec<&Transaction<'_>> = entries.iter().flat_map(|entry| &entry.transactions).collect();
    for transaction in &transactions {
        transaction.verify_signatures().unwrap();
        VoteTransaction::of((*transaction).clone()).unwrap();
    }
    let signatures: usize = transactions.iter().map(|transaction| transaction.signatures.len()).sum();
    assert_eq!((transactions.len(), signatures), (417, 420));

    // The first entry goes on from the last hash of the parent's bank.
    assert_eq!(verify_entries(manifest.last_blockhash, &entries), Ok(103));
    assert_eq!(verify_entries(None, &entries[1..]), Ok(101));
    let hashes = verify_ticks(&entries, manifest.hashes_per_tick.unwrap(), manifest.ticks_per_slot);
    assert_eq!(hashes, Ok(4_000_000));
    say(&format!(
        "testnet: {} shreds in {} sets, {} entries linked, {} votes with {signatures} signatures verified",
        testnet.wire.len(),
        block.roots.len(),
        entries.len(),
        transactions.len()
    ));
}

#[test]
fn another_start_links_no_first_entry() {
    let Some(testnet) = Testnet::find() else { return };
    let block = Block::open(&testnet.parts()).unwrap();
    let entries = read_entries(&block).unwrap();
    let found = verify_entries(Some(testnet.read_manifest().bank_hash), &entries[..1]);
    assert!(matches!(found, Err(SolanaProofError::EntryHash { index: 0, .. })), "{found:?}");
}

#[test]
fn a_live_tally_stops_early_and_each_vote_counts_once() {
    let Some(testnet) = Testnet::find() else { return };
    let stakes = testnet.stakes();
    let votes = votes_for_parent(&Block::open(&testnet.parts()).unwrap());
    let mut tally = Tally::new(&stakes);
    let mut needed = 0;
    for vote in &votes {
        tally.add(&check_vote(&stakes, vote).unwrap()).unwrap();
        needed += usize::from(!tally.is_enough());
    }
    assert!(needed < votes.len() - 50, "{needed}");
    let again = tally.add(&check_vote(&stakes, &votes[0]).unwrap());
    assert!(matches!(again, Err(SolanaProofError::DuplicateVoter { .. })), "{again:?}");
    let early = verify_votes(&stakes, &votes, Scrutiny::Enough).unwrap();
    assert_eq!(early.value(), tally.finish().unwrap().value());
    assert!(early.assurance().header.signed_bps.unwrap() >= 6_666);
}

#[test]
fn votes_for_other_slots_and_stakes_of_another_epoch_do_not_count() {
    let Some(testnet) = Testnet::find() else { return };
    let stakes = testnet.stakes();
    let block = Block::open(&testnet.parts()).unwrap();
    let entries = read_entries(&block).unwrap();
    let all: Vec<Vec<u8>> = entries.iter().flat_map(|entry| &entry.transactions).map(bytes_of).collect();
    let mixed = verify_votes(&stakes, &all, Scrutiny::Every);
    assert!(
        matches!(mixed, Err(SolanaProofError::OtherVote { .. } | SolanaProofError::DuplicateVoter { .. })),
        "{mixed:?}"
    );
    let next = testnet.read_manifest().table(stakes.table().chain, 981).unwrap().open().unwrap();
    let late = verify_votes(&next, &votes_for_parent(&block), Scrutiny::Every);
    assert!(matches!(late, Err(SolanaProofError::OtherEpoch { epoch: 981, .. })), "{late:?}");
}

/// The manifest names who may vote; the accounts themselves, as they stood at that slot, name the same keys.
#[test]
fn vote_accounts_name_the_keys_that_the_manifest_names() {
    let Some(testnet) = Testnet::find() else { return };
    let stakes = testnet.stakes();
    let mut compared = 0;
    for (account, state) in testnet.vote_accounts() {
        let Ok(voter) = stakes.voter(&account) else { continue };
        assert_eq!(authorized_voter(&state, 980), Ok(voter.authority), "{account}");
        let first = state.len().min(STATE_BYTES);
        assert_eq!(
            authorized_voter(&state[..first], 980),
            Ok(voter.authority),
            "{account}, only its beginning"
        );
        compared += 1;
    }
    assert!(compared > 400, "{compared}");
    say(&format!("testnet: {compared} vote accounts name the voter that the manifest names"));
}
