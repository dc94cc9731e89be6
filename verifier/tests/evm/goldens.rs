//! Bytes that other programs and later versions read: they change with a new name of the system, or not at all.

use alloy_primitives::{Address, B256, hex, keccak256};
use portcullis_verifier::{
    BlockRef,
    evm::{Anchor, Attestation, EvmProofError, Nodes, Payload, QuorumEvidence, TrieError, log_digest},
};

use crate::fixture::operator;

#[test]
fn the_digest_of_a_log_is_fixed() {
    let address = Address::repeat_byte(0x11);
    let topics = [B256::repeat_byte(0x22), B256::repeat_byte(0x33)];
    let digest = log_digest(address, &topics, b"data");
    // keccak256(tag ‖ 0 ‖ address in 32 bytes ‖ count (u32, little endian) ‖ topics ‖ length ‖ data), written out.
    let mut preimage = b"portcullis.evm.log.v1\0".to_vec();
    preimage.extend([0; 12]);
    preimage.extend([0x11; 20]);
    preimage.extend([2, 0, 0, 0]);
    preimage.extend([0x22; 32]);
    preimage.extend([0x33; 32]);
    preimage.extend([4, 0, 0, 0]);
    preimage.extend(b"data");
    assert_eq!(digest, keccak256(&preimage));

    // What is not the same log has not the same digest, also where the concatenated bytes are equal.
    let moved = [topics[0]];
    let data = [topics[1].as_slice(), b"data"].concat();
    for other in [
        log_digest(Address::repeat_byte(0x12), &topics, b"data"),
        log_digest(address, &[topics[1], topics[0]], b"data"),
        log_digest(address, &moved, &data),
        log_digest(address, &topics, b"dat"),
        log_digest(address, &[], b""),
    ] {
        assert_ne!(digest, other);
    }
}

fn sample(anchor: Anchor, payload: Payload) -> QuorumEvidence {
    let block = BlockRef { height: 258, hash: B256::repeat_byte(0xab) };
    let attestations = vec![Attestation { operator: operator("op"), block }];
    QuorumEvidence { header: vec![0xc0], attestations, anchor, payload }
}

#[test]
fn the_encoding_of_evidence_is_fixed() {
    let nodes = |byte: u8| Nodes(vec![vec![byte], vec![]]);
    let start = concat!(
        "01000000c0",
        "01000000",
        "020000006f70",
        "0201000000000000",
        "abababababababababababababababababababababababababababababababab",
    );
    let cases = [
        (
            Anchor::Itself,
            Payload::Receipts(vec![vec![1, 2]]),
            "00".to_owned() + "00" + "01000000020000000102",
        ),
        (
            Anchor::Descendant(vec![vec![0xc0]]),
            Payload::LeadingReceipts(vec![nodes(5)]),
            "01".to_owned() + "0100000001000000c0" + "01" + "01000000" + "02000000010000000500000000",
        ),
        (
            Anchor::History { header: vec![], account_nodes: nodes(6), storage_nodes: Nodes::default() },
            Payload::State { account_nodes: Nodes::default(), storage_nodes: nodes(7) },
            "02".to_owned()
                + "00000000"
                + "02000000010000000600000000"
                + "00000000"
                + "02"
                + "00000000"
                + "02000000010000000700000000",
        ),
    ];
    for (anchor, payload, rest) in cases {
        let evidence = sample(anchor, payload);
        let bytes = evidence.to_evidence().bytes;
        assert_eq!(hex::encode(&bytes), start.to_owned() + &rest);
        assert_eq!(QuorumEvidence::decode(&bytes), Ok(evidence));
        for length in 0..bytes.len() {
            assert!(QuorumEvidence::decode(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }
}

#[test]
fn an_errors_detail_names_every_cause_once() {
    let source = TrieError::Truncated { at: 2, expected: B256::ZERO };
    let error = EvmProofError::AccountTrie { address: Address::ZERO, source: source.clone() };
    let own = "the account proof of 0x0000000000000000000000000000000000000000 does not verify";
    assert_eq!(error.to_string(), own, "without its cause");
    assert_eq!(error.detail(), format!("{own}: {source}"));
    let long = EvmProofError::Encoding { detail: "é".repeat(400) };
    assert!(long.detail().len() <= 512 && long.detail().ends_with('é'));
}
