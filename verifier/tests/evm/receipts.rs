//! Receipts and transactions under their roots.

use alloy_consensus::{
    Eip658Value, EthereumTxEnvelope, Receipt, ReceiptWithBloom, Signed, TxEip1559, TxEip2930, TxEip4844,
    TxEip7702, TxLegacy, TxType,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Signature, U256, keccak256};
use alloy_rlp::Encodable;
use portcullis_verifier::evm::{
    self, DepositReceipt, EvmProofError, TrieError,
    limits::{MAX_LEADING_RECEIPTS, MAX_RECEIPTS},
    verify_leading_receipts, verify_receipt, verify_receipt_absent, verify_receipts, verify_transactions,
};

use crate::fixture::{self, Block, Trie, claimed, contract, log, receipt, trusted};

#[test]
fn all_receipts_of_every_type_add_up_to_the_root() {
    let block = claimed();
    let verified = verify_receipts(&trusted(&block), &block.receipt_bytes()).unwrap();
    assert_eq!(verified.value(), &block.receipts);
    let types: Vec<u8> = verified.value().iter().map(|receipt| receipt.kind()).collect();
    assert!([0u8, 1, 2, 3, 4].iter().all(|kind| types.contains(kind)));
}

#[test]
fn one_receipt_more_less_changed_or_misplaced_does_not() {
    let block = claimed();
    let header = trusted(&block);
    let good = block.receipt_bytes();
    let mut cases: Vec<Vec<Vec<u8>>> = vec![vec![], good[1..].to_vec(), good[..5].to_vec()];
    cases.push([good.as_slice(), &good[5..]].concat());
    for index in 0..good.len() {
        let mut without = good.clone();
        without.remove(index);
        cases.push(without);
        let mut swapped = good.clone();
        swapped.swap(index, (index + 1) % good.len());
        cases.push(swapped);
        let mut changed = good.clone();
        *changed[index].last_mut().unwrap() ^= 1;
        cases.push(changed);
    }
    for receipts in cases {
        let found = verify_receipts(&header, &receipts);
        assert!(matches!(found, Err(EvmProofError::ListRoot { what: "receipts", .. })), "{found:?}");
    }
    let other = fixture::block(fixture::HEIGHT, B256::ZERO, 1);
    let others = Block { receipts: fixture::receipts()[..3].to_vec(), ..other }.sealed();
    assert!(verify_receipts(&header, &others.receipt_bytes()).is_err(), "another block's");
    assert!(verify_receipts(&trusted(&others), &others.receipt_bytes()).is_ok());
}

#[test]
fn an_empty_block_has_no_receipts_and_says_so() {
    let empty = Block { receipts: vec![], ..claimed() }.sealed();
    let none: [Vec<u8>; 0] = [];
    assert!(verify_receipts(&trusted(&empty), &none).unwrap().value().is_empty());
    assert!(verify_receipts(&trusted(&claimed()), &none).is_err());
    assert!(verify_receipts(&trusted(&empty), &claimed().receipt_bytes()).is_err());
    assert_eq!(*verify_receipt_absent(&trusted(&empty), 0, &none).unwrap().value(), 0);
}

#[test]
fn one_receipt_is_proven_by_its_path_and_its_absence_too() {
    let block = claimed();
    let header = trusted(&block);
    for (index, expected) in (0u64..).zip(&block.receipts) {
        let path = block.receipt_path(index);
        assert_eq!(verify_receipt(&header, index, &path).unwrap().value(), expected);
        assert_eq!(
            verify_receipt_absent(&header, index, &path).unwrap_err(),
            EvmProofError::ReceiptPresent { index }
        );
        let elsewhere = verify_receipt(&header, index + 1, &path);
        assert!(elsewhere.is_err(), "a path shows its own receipt only");
        let cut = verify_receipt_absent(&header, index, &path[..path.len() - 1]);
        assert!(matches!(cut, Err(EvmProofError::ReceiptTrie { source: TrieError::Truncated { .. }, .. })));
    }
    let behind = block.receipt_path(6);
    assert_eq!(*verify_receipt_absent(&header, 6, &behind).unwrap().value(), 6);
    assert_eq!(verify_receipt(&header, 6, &behind).unwrap_err(), EvmProofError::ReceiptAbsent { index: 6 });
}

#[test]
fn many_receipts_round_trip_by_path() {
    let receipts = (0u8..200).map(|n| receipt(TxType::Eip1559, true, vec![log(contract(1), &[n], &[n])]));
    let block = Block { receipts: receipts.collect(), ..claimed() }.sealed();
    let header = trusted(&block);
    assert!(verify_receipts(&header, &block.receipt_bytes()).is_ok());
    // 127 and 128 are where the index's own encoding grows by a byte.
    for index in [0u64, 1, 126, 127, 128, 129, 199] {
        let proven = verify_receipt(&header, index, &block.receipt_path(index)).unwrap();
        assert_eq!(proven.value(), &block.receipts[index as usize]);
    }
    assert!(verify_receipt_absent(&header, 200, &block.receipt_path(200)).is_ok());
}

#[test]
fn leading_receipts_start_at_the_first_and_leave_none_out() {
    let block = claimed();
    let header = trusted(&block);
    let paths: Vec<Vec<Vec<u8>>> = (0..4).map(|index| block.receipt_path(index)).collect();
    let proven = verify_leading_receipts(&header, &paths).unwrap();
    assert_eq!(proven.value(), &block.receipts[..4]);
    assert!(verify_leading_receipts(&header, &paths[1..]).is_err());
    assert!(verify_leading_receipts(&header, &[paths[0].clone(), paths[2].clone()]).is_err());
    let many = vec![paths[0].clone(); MAX_LEADING_RECEIPTS + 1];
    assert!(matches!(verify_leading_receipts(&header, &many), Err(EvmProofError::Limit { .. })));
}

/// A block whose header commits to these bytes as its receipts, whatever they are.
fn committing_to(receipts: &[Vec<u8>]) -> Block {
    let trie = Trie::of((0u64..).zip(receipts).map(|(index, bytes)| (alloy_rlp::encode(index), bytes)));
    let mut block = claimed();
    block.header.receipts_root = trie.root();
    block
}

#[test]
fn committed_bytes_that_are_no_receipt_vouch_for_nothing() {
    let plain = receipt(TxType::Eip1559, true, vec![]).encoded_2718();
    let five_topics = receipt(TxType::Legacy, true, vec![log(contract(1), &[1, 2, 3, 4, 5], b"")]);
    let failed = receipt(TxType::Legacy, false, vec![log(contract(1), &[1], b"")]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("unknown type", [&[5u8], &plain[1..]].concat()),
        ("type of another chain", [&[0x64u8], &plain[1..]].concat()),
        ("an explicit type 0", [&[0u8], &plain[1..]].concat()),
        ("bytes behind", [plain.as_slice(), &[0x80]].concat()),
        ("cut", plain[..plain.len() - 1].to_vec()),
        ("five topics", five_topics.encoded_2718()),
        ("a failed transaction with a log", failed.encoded_2718()),
    ];
    for (name, bytes) in cases {
        let receipts = [plain.clone(), bytes];
        let block = committing_to(&receipts);
        let error = verify_receipts(&trusted(&block), &receipts).unwrap_err();
        assert!(!matches!(error, EvmProofError::ListRoot { .. }), "{name}: {error:?}");
    }
    let good = [plain.clone(), plain];
    assert!(verify_receipts(&trusted(&committing_to(&good)), &good).is_ok());
}

#[test]
fn unknown_types_and_failed_transactions_with_logs_have_their_own_errors() {
    let failed = receipt(TxType::Eip2930, false, vec![log(contract(1), &[1], b""); 2]).encoded_2718();
    let failed = [failed];
    let error = verify_receipts(&trusted(&committing_to(&failed)), &failed).unwrap_err();
    assert_eq!(error, EvmProofError::FailedWithLogs { index: 0, logs: 2 });
    let mut odd = receipt(TxType::Eip2930, true, vec![]).encoded_2718();
    odd[0] = 5;
    let odd = [odd];
    let error = verify_receipts(&trusted(&committing_to(&odd)), &odd).unwrap_err();
    assert_eq!(error, EvmProofError::EnvelopeType { what: "receipt", index: 0, found: 5 });
}

/// As the specification of deposits writes it down, field by field: the form before Canyon, and the one since.
#[test]
fn receipts_of_deposits_add_up_in_both_forms_and_in_no_other() {
    let emitted = log(contract(1), &[1, 2], b"deposited");
    let with_bloom = ReceiptWithBloom::from(Receipt {
        status: Eip658Value::Eip658(true),
        cumulative_gas_used: 46_913,
        logs: vec![emitted.clone()],
    });
    let written = |more: &[u64]| {
        let mut fields = Vec::new();
        true.encode(&mut fields);
        46_913u64.encode(&mut fields);
        with_bloom.logs_bloom.encode(&mut fields);
        vec![emitted.clone()].encode(&mut fields);
        more.iter().for_each(|field| field.encode(&mut fields));
        let mut bytes = vec![0x7e];
        alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut bytes);
        [bytes, fields].concat()
    };
    let common = receipt(TxType::Eip1559, true, vec![]).encoded_2718();
    for (fields, canyon) in [(&[][..], None), (&[4_012_991, 1][..], Some((4_012_991, 1)))] {
        let block = [written(fields), common.clone()];
        let verified = verify_receipts(&trusted(&committing_to(&block)), &block).unwrap();
        let [deposit, other] = verified.value().as_slice() else { panic!("two receipts") };
        let expected = DepositReceipt::of(with_bloom.clone(), canyon).unwrap();
        assert_eq!(deposit, &evm::Receipt::Deposit(expected.clone()));
        assert_eq!((deposit.kind(), deposit.status(), deposit.logs().len()), (0x7e, true, 1));
        assert_eq!((other.kind(), expected.encoded()), (2, written(fields)));
    }
    let mut failed = written(&[]);
    // Behind the type and a header of three bytes.
    assert_eq!((failed[1], failed[4]), (0xf9, 1));
    failed[4] = 0x80;
    let cases =
        [written(&[1]), written(&[1, 1, 1]), written(&[])[..20].to_vec(), [written(&[]), vec![0]].concat()];
    for bytes in cases {
        let block = [bytes];
        let error = verify_receipts(&trusted(&committing_to(&block)), &block).unwrap_err();
        assert!(matches!(error, EvmProofError::ReceiptRlp { index: 0, .. }), "{error}");
    }
    let block = [failed];
    let error = verify_receipts(&trusted(&committing_to(&block)), &block).unwrap_err();
    assert_eq!(error, EvmProofError::FailedWithLogs { index: 0, logs: 1 });
}

#[test]
fn more_receipts_than_a_block_can_have_are_not_looked_at() {
    let many = vec![Vec::<u8>::new(); MAX_RECEIPTS + 1];
    let error = verify_receipts(&trusted(&claimed()), &many).unwrap_err();
    assert!(matches!(error, EvmProofError::Limit { found, .. } if found == MAX_RECEIPTS + 1));
    assert!(matches!(verify_receipts(&trusted(&claimed()), &many[1..]), Err(EvmProofError::ListRoot { .. })));
}

fn transactions() -> Vec<EthereumTxEnvelope<TxEip4844>> {
    let signature = Signature::new(U256::from(1), U256::from(2), false);
    fn signed<T>(tx: T, signature: Signature) -> Signed<T> {
        Signed::new_unchecked(tx, signature, B256::ZERO)
    }
    vec![
        EthereumTxEnvelope::Legacy(signed(TxLegacy { nonce: 1, ..Default::default() }, signature)),
        EthereumTxEnvelope::Eip2930(signed(TxEip2930 { nonce: 2, ..Default::default() }, signature)),
        EthereumTxEnvelope::Eip1559(signed(TxEip1559 { nonce: 3, ..Default::default() }, signature)),
        EthereumTxEnvelope::Eip4844(signed(TxEip4844 { nonce: 4, ..Default::default() }, signature)),
        EthereumTxEnvelope::Eip7702(signed(TxEip7702 { nonce: 5, ..Default::default() }, signature)),
    ]
}

#[test]
fn transactions_of_every_type_add_up_to_their_root() {
    let envelopes = transactions();
    let mut block = claimed();
    block.header.transactions_root = alloy_consensus::proofs::calculate_transaction_root(&envelopes);
    let bytes: Vec<Vec<u8>> = envelopes.iter().map(Encodable2718::encoded_2718).collect();
    let verified = verify_transactions(&trusted(&block), &bytes).unwrap();
    let kinds: Vec<u8> = verified.value().iter().map(|tx| tx.kind).collect();
    assert_eq!(kinds, [0, 1, 2, 3, 4]);
    for (transaction, bytes) in verified.value().iter().zip(&bytes) {
        assert_eq!(transaction.hash, keccak256(bytes));
    }
    let error = verify_transactions(&trusted(&block), &bytes[..4]).unwrap_err();
    assert!(matches!(error, EvmProofError::ListRoot { what: "transactions", .. }));
    assert!(verify_transactions(&trusted(&claimed()), &bytes).is_err(), "another block's root");
}
