//! Block headers: their hash, and the chain that their parent hashes make.

use alloy_primitives::{B256, Sealed, keccak256};
use alloy_rlp::{Decodable, Header as RlpHeader};

use super::{
    error::{EvmProofError, bounded},
    limits::{MAX_HEADER_BYTES, MAX_HEADERS},
};
use crate::{Assurance, BlockRef, Verified};

/// A header together with its hash, which was computed from the very bytes that it was decoded from.
pub type SealedHeader = Sealed<alloy_consensus::Header>;

/// Fields of a header before London (yellow paper, section 4.4), none of them optional.
const LEAST_FIELDS: usize = 15;
/// Fields that this version knows: through Osaka (base fee, withdrawals, blob gas, beacon root, requests hash),
/// and the two of Amsterdam.
const MOST_FIELDS: usize = 23;

/// Decodes a header and computes its hash. The result says what the header *is*, not that it is on any chain.
///
/// # Errors
/// [`EvmProofError`] when it is too large, has unknown fields, or is not in canonical encoding.
pub fn open_header(rlp: &[u8]) -> Result<SealedHeader, EvmProofError> {
    bounded("bytes of a header", rlp.len(), MAX_HEADER_BYTES)?;
    check_field_count(rlp)?;
    let header_rlp = |source| EvmProofError::HeaderRlp { source };
    let header = alloy_consensus::Header::decode(&mut &*rlp).map_err(header_rlp)?;
    // What was decoded must be all that was hashed, or two readers could read one hash differently.
    if alloy_rlp::encode(&header) != rlp {
        return Err(EvmProofError::NotCanonical { what: "header" });
    }
    Ok(SealedHeader::new_unchecked(header, keccak256(rlp)))
}

/// Counts the fields, so that a later fork's header is told apart from garbage.
fn check_field_count(rlp: &[u8]) -> Result<usize, EvmProofError> {
    let header_rlp = |source| EvmProofError::HeaderRlp { source };
    let mut rest = rlp;
    let mut fields = RlpHeader::decode_bytes(&mut rest, true).map_err(header_rlp)?;
    if !rest.is_empty() {
        return Err(EvmProofError::NotCanonical { what: "header" });
    }
    let mut found: usize = 0;
    while !fields.is_empty() {
        let RlpHeader { payload_length, .. } = RlpHeader::decode(&mut fields).map_err(header_rlp)?;
        fields = fields
            .get(payload_length..)
            .ok_or(EvmProofError::HeaderRlp { source: alloy_rlp::Error::InputTooShort })?;
        found = found.saturating_add(1);
    }
    if (LEAST_FIELDS..=MOST_FIELDS).contains(&found) {
        Ok(found)
    } else {
        Err(EvmProofError::HeaderFields { found, least: LEAST_FIELDS, most: MOST_FIELDS })
    }
}

/// Both names of a header.
#[must_use]
pub fn block_ref(header: &SealedHeader) -> BlockRef {
    BlockRef { height: header.number, hash: header.hash() }
}

/// Opens the header of exactly the block that is asked for.
///
/// # Errors
/// [`EvmProofError::BlockHash`] and [`EvmProofError::BlockNumber`] when it is another block's, and everything
/// that [`open_header`] refuses.
pub fn open_header_of(block: BlockRef, rlp: &[u8]) -> Result<SealedHeader, EvmProofError> {
    let header = open_header(rlp)?;
    if header.hash() != block.hash {
        return Err(EvmProofError::BlockHash { expected: block.hash, found: header.hash() });
    }
    if header.number != block.height {
        return Err(EvmProofError::BlockNumber { expected: block.height, found: header.number });
    }
    Ok(header)
}

/// Verifies the ancestors of a trusted header, given in ascending order up to its parent.
///
/// The proof runs backwards only: a header names its parent, and anybody can make a child. Each ancestor is
/// worth what the trusted header is worth, and is older by the difference of their times.
///
/// # Errors
/// [`EvmProofError::BrokenChain`] where a parent hash does not fit, [`EvmProofError::BlockNumber`] where numbers
/// do not ascend by one, and everything that [`open_header`] refuses.
pub fn verify_ancestors<N: AsRef<[u8]>>(
    trusted: &Verified<SealedHeader>,
    ancestors_rlp: &[N],
) -> Result<Vec<Verified<SealedHeader>>, EvmProofError> {
    bounded("headers in a chain", ancestors_rlp.len(), MAX_HEADERS)?;
    let mut verified = Vec::with_capacity(ancestors_rlp.len());
    let mut child = trusted.clone();
    for rlp in ancestors_rlp.iter().rev() {
        let parent = verify_parent(&child, rlp.as_ref())?;
        verified.push(parent.clone());
        child = parent;
    }
    verified.reverse();
    Ok(verified)
}

/// Verifies that a header is the parent of a trusted one.
///
/// # Errors
/// As [`verify_ancestors`].
pub fn verify_parent(
    child: &Verified<SealedHeader>,
    parent_rlp: &[u8],
) -> Result<Verified<SealedHeader>, EvmProofError> {
    let header = child.value();
    let parent = open_header(parent_rlp)?;
    if parent.hash() != header.parent_hash {
        return Err(EvmProofError::BrokenChain {
            height: header.number,
            expected: header.parent_hash,
            found: parent.hash(),
        });
    }
    // A parent hash fixes the parent's number; it is checked all the same, because genesis has no parent and a
    // chain that breaks its own rule is not one to reason about.
    let expected = header.number.saturating_sub(1);
    if parent.number != expected || header.number == 0 {
        return Err(EvmProofError::BlockNumber { expected, found: parent.number });
    }
    let assurance = older(child, &parent);
    Ok(Verified::new(parent, assurance))
}

/// The assurance of an ancestor under a trusted header: the same, but older.
pub(super) fn older(trusted: &Verified<SealedHeader>, ancestor: &SealedHeader) -> Assurance {
    let gap = trusted.value().timestamp.saturating_sub(ancestor.timestamp);
    let age_secs = trusted.assurance().age_secs.map(|age| age.saturating_add(gap));
    Assurance { age_secs, ..*trusted.assurance() }
}

/// Root of an ordered list (receipts, transactions) of encoded items, as the header commits to it.
pub(super) fn list_root<N: AsRef<[u8]>>(items: &[N]) -> B256 {
    alloy_trie::root::ordered_trie_root_encoded(items)
}
