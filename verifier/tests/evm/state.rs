//! Accounts, slots, and the history contract.

use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use portcullis_verifier::{
    BlockRef, Execution, Inclusion, Undecided, Verified,
    evm::{
        self, EvmProofError, ProvenAccount, TrieError, history_slot, verify_account, verify_account_absent,
        verify_ancestry, verify_storage, verify_storage_absent,
    },
};

use crate::fixture::{self, Block, HEIGHT, claimed, contract, key, trusted};

fn guard(block: &Block) -> Verified<ProvenAccount> {
    verify_account(&trusted(block), contract(1), &block.account_path(contract(1))).unwrap()
}

#[test]
fn presence_and_absence_of_an_account_are_two_claims() {
    let block = claimed();
    let header = trusted(&block);
    let (there, nowhere) = (contract(1), contract(99));
    let account = guard(&block);
    assert_eq!(account.value().address(), there);
    assert_eq!(account.value().fields().code_hash, keccak256(b"guard"));
    assert_eq!(account.assurance().inclusion, Inclusion::MerkleProved);
    assert_eq!(account.assurance().execution, Execution::Proved);
    assert_eq!(account.assurance().header, header.assurance().header);

    let (path, gap) = (block.account_path(there), block.account_path(nowhere));
    assert_eq!(*verify_account_absent(&header, nowhere, &gap).unwrap().value(), nowhere);
    assert_eq!(
        verify_account(&header, nowhere, &gap).unwrap_err(),
        EvmProofError::AccountAbsent { address: nowhere }
    );
    assert_eq!(
        verify_account_absent(&header, there, &path).unwrap_err(),
        EvmProofError::AccountPresent { address: there }
    );
}

#[test]
fn an_account_proof_is_of_one_account_under_one_root() {
    let block = claimed();
    let header = trusted(&block);
    let path = block.account_path(contract(1));
    for other in 2..=40 {
        let borrowed = verify_account(&header, contract(other), &path);
        assert!(borrowed.is_err(), "the path of contract 1 shows contract {other}");
    }
    let mut changed = block.clone();
    changed.contracts.get_mut(&contract(1)).unwrap().slots.insert(key(200), U256::from(1));
    let elsewhere = verify_account(&trusted(&changed.sealed()), contract(1), &path);
    assert!(matches!(
        elsewhere,
        Err(EvmProofError::AccountTrie { source: TrieError::NodeHash { at: 0, .. }, .. })
    ));
    for length in 0..path.len() {
        let cut = verify_account_absent(&header, contract(1), &path[..length]);
        assert!(matches!(cut, Err(EvmProofError::AccountTrie { source: TrieError::Truncated { .. }, .. })));
    }
}

#[test]
fn presence_and_absence_of_a_slot_are_two_claims() {
    let block = claimed();
    let account = guard(&block);
    let (path, gap) = (block.slot_path(contract(1), key(3)), block.slot_path(contract(1), key(77)));
    let word = block.contracts[&contract(1)].slots[&key(3)];
    assert_eq!(*verify_storage(&account, key(3), &path).unwrap().value(), word);
    assert_eq!(*verify_storage_absent(&account, key(77), &gap).unwrap().value(), key(77));
    assert_eq!(
        verify_storage(&account, key(77), &gap).unwrap_err(),
        EvmProofError::SlotAbsent { key: key(77) }
    );
    assert_eq!(
        verify_storage_absent(&account, key(3), &path).unwrap_err(),
        EvmProofError::SlotPresent { key: key(3) }
    );
    assert!(verify_storage(&account, key(4), &path).is_err(), "another slot's path");
    for length in 0..path.len() {
        let cut = verify_storage_absent(&account, key(3), &path[..length]);
        assert!(matches!(cut, Err(EvmProofError::StorageTrie { source: TrieError::Truncated { .. }, .. })));
    }
}

#[test]
fn an_account_without_storage_has_no_slots_and_needs_no_path() {
    let block = claimed();
    let header = trusted(&block);
    let plain = verify_account(&header, contract(2), &block.account_path(contract(2))).unwrap();
    assert_eq!(plain.value().fields().storage_root, EMPTY_ROOT_HASH);
    let none: [Vec<u8>; 0] = [];
    assert!(verify_storage_absent(&plain, key(3), &none).is_ok());
    assert!(verify_storage(&plain, key(3), &none).is_err());
    assert!(verify_storage_absent(&guard(&block), key(3), &none).is_err(), "no path is no proof elsewhere");
    // SECURITY: a path of another contract's storage is refused, because the root is this account's own.
    let foreign = block.slot_path(contract(1), key(3));
    assert!(verify_storage(&plain, key(3), &foreign).is_err());
}

/// The claimed block with one account's leaf or one slot's leaf replaced by `value`.
fn with_raw_account(value: &[u8]) -> (Block, Vec<Vec<u8>>) {
    let mut block = claimed();
    let trie = fixture::Trie::of([(keccak256(contract(1)), value)]);
    block.header.state_root = trie.root();
    (block, trie.prove(keccak256(contract(1)).as_slice()))
}

#[test]
fn committed_bytes_that_are_no_account_show_none() {
    let account = alloy_trie::TrieAccount::new(1, U256::from(2), B256::ZERO, B256::ZERO);
    let good = alloy_rlp::encode(account);
    let three_fields = alloy_rlp::encode(vec![B256::ZERO; 3]);
    let five_fields = {
        let mut fields = alloy_rlp::Header::decode_bytes(&mut good.as_slice(), true).unwrap().to_vec();
        fields.push(0x80);
        let mut out = Vec::new();
        alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut out);
        [out, fields].concat()
    };
    let behind = [good.as_slice(), &[0x80]].concat();
    for (name, bytes) in [("three", three_fields), ("five", five_fields), ("behind", behind)] {
        let (block, path) = with_raw_account(&bytes);
        let error = verify_account(&trusted(&block), contract(1), &path).unwrap_err();
        assert!(
            matches!(error, EvmProofError::AccountRlp { .. } | EvmProofError::NotCanonical { .. }),
            "{name}: {error:?}"
        );
    }
    let (block, path) = with_raw_account(&good);
    assert!(verify_account(&trusted(&block), contract(1), &path).is_ok());
}

#[test]
fn committed_bytes_that_are_no_word_show_none() {
    let cases: [(&str, Vec<u8>, bool); 6] = [
        ("a word", vec![0x82, 0x01, 0x00], true),
        ("zero", vec![0x80], false),
        ("leading zero", vec![0x82, 0x00, 0x01], false),
        ("33 bytes", [vec![0xa1], vec![1; 33]].concat(), false),
        ("bytes behind", vec![0x01, 0x02], false),
        ("a list", vec![0xc1, 0x01], false),
    ];
    for (name, bytes, good) in cases {
        let storage = fixture::Trie::of([(keccak256(key(3)), &bytes)]);
        let account = alloy_trie::TrieAccount::new(1, U256::ZERO, storage.root(), B256::ZERO);
        let (block, path) = with_raw_account(&alloy_rlp::encode(account));
        let account = verify_account(&trusted(&block), contract(1), &path).unwrap();
        let slot = verify_storage(&account, key(3), &storage.prove(keccak256(key(3)).as_slice()));
        assert_eq!(slot.is_ok(), good, "{name}: {slot:?}");
    }
}

/// The last of the fixture's descendants, its paths to the claimed block, and that block.
fn history() -> (Block, Vec<Vec<u8>>, Vec<Vec<u8>>, BlockRef) {
    let last = fixture::descendants().pop().unwrap();
    let account = last.account_path(HISTORY_STORAGE_ADDRESS);
    let slot = last.slot_path(HISTORY_STORAGE_ADDRESS, history_slot(HEIGHT));
    (last, account, slot, claimed().block_ref())
}

#[test]
fn the_history_contract_vouches_for_an_ancestor() {
    let (last, account, slot, ancestor) = history();
    assert_eq!(*verify_ancestry(&trusted(&last), ancestor, &account, &slot).unwrap().value(), ancestor);
    let other = BlockRef { hash: B256::repeat_byte(1), ..ancestor };
    let error = verify_ancestry(&trusted(&last), other, &account, &slot).unwrap_err();
    assert_eq!(
        error,
        EvmProofError::HistoryMismatch { height: HEIGHT, expected: other.hash, found: ancestor.hash }
    );
    assert!(matches!(Undecided::from(error), Undecided::NotCanonical { .. }));
}

#[test]
fn the_ring_buffer_is_not_read_beyond_its_length() {
    assert_eq!(history_slot(20_000), B256::from(U256::from(20_000 - 2 * 8_191)));
    let (last, account, slot, ancestor) = history();
    let head = trusted(&last);
    let head_number = last.header.number;
    // Heights that share the slot of the ancestor, one turn of the buffer before and after.
    for height in [HEIGHT - 8_191, HEIGHT + 8_191, head_number, head_number + 1] {
        let wrapped = BlockRef { height, ..ancestor };
        let error = verify_ancestry(&head, wrapped, &account, &slot).unwrap_err();
        assert_eq!(error, EvmProofError::HistoryRange { height, under: head_number, window: 8_191 });
    }
    // The oldest that is remembered is in range; that its slot is another one is a matter for the path.
    let oldest = BlockRef { height: head_number - 8_191, ..ancestor };
    let error = verify_ancestry(&head, oldest, &account, &slot).unwrap_err();
    assert!(matches!(error, EvmProofError::StorageTrie { .. }));
}

#[test]
fn only_the_code_of_the_standard_is_believed() {
    let (last, _, slot, ancestor) = history();
    let mut other = last.clone();
    other.contracts.get_mut(&HISTORY_STORAGE_ADDRESS).unwrap().code_hash = keccak256(b"longer buffer");
    let other = other.sealed();
    let account = other.account_path(HISTORY_STORAGE_ADDRESS);
    let error = verify_ancestry(&trusted(&other), ancestor, &account, &slot).unwrap_err();
    assert!(matches!(error, EvmProofError::HistoryCode { .. }));
}

#[test]
fn a_chain_without_the_history_contract_vouches_for_nobody() {
    let child = fixture::block(HEIGHT + 1, claimed().block_ref().hash, fixture::NOW);
    let account = child.account_path(HISTORY_STORAGE_ADDRESS);
    let none: Vec<Vec<u8>> = vec![];
    let error = verify_ancestry(&trusted(&child), claimed().block_ref(), &account, &none).unwrap_err();
    assert_eq!(error, EvmProofError::AccountAbsent { address: HISTORY_STORAGE_ADDRESS });
    // And where the contract has not yet been written to, its slot is no hash.
    let (mut last, _, _, ancestor) = history();
    last.contracts.get_mut(&HISTORY_STORAGE_ADDRESS).unwrap().slots.remove(&history_slot(HEIGHT));
    let last = last.sealed();
    let account = last.account_path(HISTORY_STORAGE_ADDRESS);
    let gap = last.slot_path(HISTORY_STORAGE_ADDRESS, history_slot(HEIGHT));
    let error = verify_ancestry(&trusted(&last), ancestor, &account, &gap).unwrap_err();
    assert_eq!(error, EvmProofError::SlotAbsent { key: evm::history_slot(HEIGHT) });
}
