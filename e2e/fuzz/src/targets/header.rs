//! Block headers of the EVM family.

use alloy_primitives::keccak256;
use portcullis_verifier::evm::{block_ref, open_header, open_header_of};

use super::fixture;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "header",
    what: "RLP of a header: what is read is all that was hashed, and it is the header of one block only",
    most_bytes: 4 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    let Ok(header) = open_header(bytes) else { return };
    assert_eq!(header.hash(), keccak256(bytes));
    assert_eq!(alloy_rlp::encode(header.inner()), bytes, "a second encoding");
    let block = block_ref(&header);
    assert!(open_header_of(block, bytes).is_ok());
    let other = portcullis_verifier::BlockRef { height: block.height ^ 1, ..block };
    assert!(open_header_of(other, bytes).is_err(), "the header of two heights");
}

fn seeds() -> Vec<Vec<u8>> {
    let full = fixture::claimed().header;
    let london = alloy_consensus::Header {
        withdrawals_root: None,
        blob_gas_used: None,
        excess_blob_gas: None,
        parent_beacon_block_root: None,
        requests_hash: None,
        ..full.clone()
    };
    let frontier = alloy_consensus::Header { base_fee_per_gas: None, ..london.clone() };
    let long = alloy_consensus::Header { extra_data: vec![7; 300].into(), ..full.clone() };
    [full, london, frontier, long].iter().map(alloy_rlp::encode).collect()
}
