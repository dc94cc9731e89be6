//! Receipts under a header that commits to them: what the verifier reads of bytes that a chain vouches for.

use alloy_consensus::Header;
use alloy_eips::eip2718::Encodable2718;
use alloy_trie::root::ordered_trie_root_encoded;
use portcullis_verifier::{
    BlockRef,
    evm::{DepositReceipt, EvmProofError, Receipt, attested_header, verify_receipts},
};

use super::{fixture, joined, strings};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "receipts",
    what: "EIP-2718 receipts that add up under a header: read exactly as committed, or refused",
    most_bytes: 8 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    let mut items = strings(bytes);
    items.truncate(64);
    let header = Header { receipts_root: ordered_trie_root_encoded(&items), ..Header::default() };
    let block = BlockRef { height: 0, hash: header.hash_slow() };
    let rlp = alloy_rlp::encode(&header);
    let header =
        attested_header(&rlp, &fixture::attested(block), &fixture::trust()).expect("an attested header");
    match verify_receipts(&header, &items) {
        Ok(receipts) => {
            assert_eq!(receipts.value().len(), items.len());
            for (receipt, item) in receipts.value().iter().zip(&items) {
                let encoded = match receipt {
                    Receipt::Common(receipt) => receipt.encoded_2718(),
                    Receipt::Deposit(receipt) => receipt.encoded(),
                };
                assert_eq!(&encoded, item, "two encodings of one receipt");
                assert!(receipt.status() || receipt.logs().is_empty(), "logs of what failed");
            }
        }
        Err(error) => assert!(!matches!(error, EvmProofError::ListRoot { .. }), "{error}"),
    }
    // One receipt more, and the root is another one.
    items.push(vec![0xc0]);
    assert!(verify_receipts(&header, &items).is_err());
}

fn seeds() -> Vec<Vec<u8>> {
    let block = fixture::claimed().receipt_bytes();
    let mut seeds: Vec<Vec<u8>> = block.iter().map(|receipt| joined([receipt])).collect();
    let deposit = |canyon| DepositReceipt {
        status: true,
        cumulative_gas_used: 46_913,
        bloom: alloy_primitives::Bloom::ZERO,
        logs: vec![fixture::log(fixture::contract(1), &[1, 2], b"deposited")],
        canyon,
    };
    seeds.push(joined([deposit(None).encoded(), deposit(Some((4_012_991, 1))).encoded()]));
    seeds.push(joined(&block));
    seeds
}
