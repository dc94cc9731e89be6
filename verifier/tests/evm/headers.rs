//! Headers: their hash, their fields through Osaka, and the chain that parents make.

use alloy_consensus::Header;
use alloy_primitives::{B256, Bloom, Bytes, U256};
use alloy_rlp::Encodable;
use portcullis_verifier::{
    Undecided,
    evm::{self, EvmProofError, limits::MAX_HEADER_BYTES, open_header, open_header_of, verify_ancestors},
};

use crate::fixture::{self, Block, attested, trust, trusted};

/// A header of every fork since the first, each with the fields that the fork added.
fn headers_by_fork() -> Vec<(&'static str, Header)> {
    let frontier = Header { number: 7, timestamp: 9, gas_limit: 30_000_000, ..Header::default() };
    let london = Header { base_fee_per_gas: Some(7), ..frontier.clone() };
    let shanghai = Header { withdrawals_root: Some(B256::repeat_byte(1)), ..london.clone() };
    let cancun = Header {
        blob_gas_used: Some(131_072),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::repeat_byte(2)),
        ..shanghai.clone()
    };
    let osaka = Header { requests_hash: Some(B256::repeat_byte(3)), ..cancun.clone() };
    vec![
        ("frontier", frontier),
        ("london", london),
        ("shanghai", shanghai),
        ("cancun", cancun),
        ("osaka", osaka),
    ]
}

#[test]
fn headers_of_every_fork_are_opened_and_hashed() {
    for (fork, header) in headers_by_fork() {
        let sealed = open_header(&alloy_rlp::encode(&header)).unwrap();
        assert_eq!((sealed.hash(), sealed.inner()), (header.hash_slow(), &header), "{fork}");
    }
}

/// The header's list with one more item behind the others.
fn with_more(header: &Header, extra: &[&dyn Encodable]) -> Vec<u8> {
    let rlp = alloy_rlp::encode(header);
    let mut fields = alloy_rlp::Header::decode_bytes(&mut rlp.as_slice(), true).unwrap().to_vec();
    for item in extra {
        item.encode(&mut fields);
    }
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut out);
    out.extend(fields);
    out
}

#[test]
fn fields_of_a_fork_to_come_are_named_as_such() {
    let (_, osaka) = headers_by_fork().pop().unwrap();
    let unknown = with_more(&osaka, &[&B256::ZERO, &1u64, &B256::ZERO]);
    assert_eq!(open_header(&unknown), Err(EvmProofError::HeaderFields { found: 24, least: 15, most: 23 }));
    let amsterdam = with_more(&osaka, &[&B256::ZERO, &1u64]);
    assert!(open_header(&amsterdam).is_ok(), "the last two that are known");
}

#[test]
fn what_is_no_header_is_refused() {
    let (_, header) = headers_by_fork().pop().unwrap();
    let rlp = alloy_rlp::encode(&header);
    assert!(open_header(&rlp).is_ok());
    for length in 0..rlp.len() {
        assert!(open_header(&rlp[..length]).is_err(), "cut to {length} bytes");
    }
    let longer = [rlp.as_slice(), &[0x80]].concat();
    assert_eq!(open_header(&longer), Err(EvmProofError::NotCanonical { what: "header" }));
    let few = alloy_rlp::encode(vec![B256::ZERO; 14]);
    assert_eq!(open_header(&few), Err(EvmProofError::HeaderFields { found: 14, least: 15, most: 23 }));
    let wrong_types = alloy_rlp::encode(vec![B256::ZERO; 20]);
    assert!(matches!(open_header(&wrong_types), Err(EvmProofError::HeaderRlp { .. })));
    let huge = Header { extra_data: Bytes::from(vec![1; MAX_HEADER_BYTES]), ..header };
    assert!(matches!(open_header(&alloy_rlp::encode(&huge)), Err(EvmProofError::Limit { .. })));
}

#[test]
fn every_field_counts_in_the_hash() {
    let (_, header) = headers_by_fork().pop().unwrap();
    let hash = header.hash_slow();
    let one = B256::repeat_byte(0xee);
    type Change = (&'static str, fn(&mut Header, B256));
    let changes: [Change; 21] = [
        ("parent", |h, v| h.parent_hash = v),
        ("ommers", |h, v| h.ommers_hash = v),
        ("beneficiary", |h, v| h.beneficiary = alloy_primitives::Address::from_word(v)),
        ("state", |h, v| h.state_root = v),
        ("transactions", |h, v| h.transactions_root = v),
        ("receipts", |h, v| h.receipts_root = v),
        ("bloom", |h, _| h.logs_bloom = Bloom::repeat_byte(1)),
        ("difficulty", |h, _| h.difficulty = U256::from(1)),
        ("number", |h, _| h.number = 8),
        ("gas limit", |h, _| h.gas_limit = 1),
        ("gas used", |h, _| h.gas_used = 1),
        ("time", |h, _| h.timestamp = 10),
        ("extra", |h, _| h.extra_data = Bytes::from_static(b"x")),
        ("mix", |h, v| h.mix_hash = v),
        ("nonce", |h, _| h.nonce = [1; 8].into()),
        ("base fee", |h, _| h.base_fee_per_gas = Some(8)),
        ("withdrawals", |h, v| h.withdrawals_root = Some(v)),
        ("blob gas", |h, _| h.blob_gas_used = Some(0)),
        ("excess blob gas", |h, _| h.excess_blob_gas = Some(1)),
        ("beacon root", |h, v| h.parent_beacon_block_root = Some(v)),
        ("requests", |h, v| h.requests_hash = Some(v)),
    ];
    let block = evm::block_ref(&open_header(&alloy_rlp::encode(&header)).unwrap());
    for (name, change) in changes {
        let mut other = header.clone();
        change(&mut other, one);
        let opened = open_header_of(block, &alloy_rlp::encode(&other));
        assert!(
            matches!(opened, Err(EvmProofError::BlockHash { expected, .. }) if expected == hash),
            "{name}: {opened:?}"
        );
    }
    assert!(open_header_of(block, &alloy_rlp::encode(&header)).is_ok());
    let renumbered = portcullis_verifier::BlockRef { height: block.height + 1, ..block };
    assert_eq!(
        open_header_of(renumbered, &alloy_rlp::encode(&header)),
        Err(EvmProofError::BlockNumber { expected: 8, found: 7 })
    );
}

/// The claimed block and its descendants up to the parent of the last one, and the last one trusted.
fn chain() -> (Vec<Vec<u8>>, Block) {
    let mut blocks = vec![fixture::claimed()];
    blocks.extend(fixture::descendants());
    let last = blocks.pop().unwrap();
    (blocks.iter().map(Block::rlp).collect(), last)
}

#[test]
fn ancestors_follow_from_a_trusted_header_and_grow_older() {
    let (ancestors, last) = chain();
    let head = trusted(&last);
    assert_eq!(head.assurance().age_secs, Some(12));
    let verified = verify_ancestors(&head, &ancestors).unwrap();
    let ages: Vec<_> = verified.iter().map(|header| header.assurance().age_secs).collect();
    assert_eq!(ages, [Some(48), Some(36), Some(24)]);
    for (header, rlp) in verified.iter().zip(&ancestors) {
        assert_eq!(header.value().hash(), alloy_primitives::keccak256(rlp));
        assert_eq!(header.assurance().header, head.assurance().header);
    }
}

#[test]
fn a_chain_that_does_not_hold_together_shows_nothing() {
    let (ancestors, last) = chain();
    let head = trusted(&last);
    let broken = |headers: &[Vec<u8>]| {
        matches!(verify_ancestors(&head, headers), Err(EvmProofError::BrokenChain { .. }))
    };
    assert!(broken(&ancestors[..2]), "the parent is missing");
    assert!(broken(&[ancestors[0].clone(), ancestors[2].clone()]), "one in the middle is missing");
    assert!(broken(&[ancestors[1].clone(), ancestors[0].clone(), ancestors[2].clone()]), "out of order");
    assert!(broken(&[ancestors.as_slice(), &[last.rlp()]].concat()), "a header is not its own parent");
    let mut twice = ancestors.clone();
    twice.push(ancestors[2].clone());
    assert!(broken(&twice), "a header twice");
    assert!(verify_ancestors(&head, &ancestors[2..]).is_ok(), "the parent alone is a chain too");
    let none: [Vec<u8>; 0] = [];
    assert_eq!(verify_ancestors(&head, &none).unwrap(), []);
}

#[test]
fn numbers_must_ascend_by_one() {
    let parent = fixture::claimed();
    for (number, fits) in
        [(fixture::HEIGHT + 1, true), (fixture::HEIGHT + 2, false), (fixture::HEIGHT, false), (0, false)]
    {
        let child = fixture::block(number, parent.block_ref().hash, fixture::NOW);
        let verified = evm::verify_parent(&trusted(&child), &parent.rlp());
        assert_eq!(verified.is_ok(), fits, "child {number}");
        assert!(fits || matches!(verified, Err(EvmProofError::BlockNumber { .. })));
    }
}

#[test]
fn only_a_quorum_makes_a_trusted_header() {
    let block = fixture::claimed();
    let voices = attested(block.block_ref());
    assert!(evm::attested_header(&block.rlp(), &voices, &trust()).is_ok());
    assert_eq!(
        evm::attested_header(&block.rlp(), &voices[..1], &trust()),
        Err(Undecided::NoQuorum { agreeing: 1, needed: 2 })
    );
    assert!(matches!(evm::attested_header(&[0xc0], &voices, &trust()), Err(Undecided::BadEvidence { .. })));
}
