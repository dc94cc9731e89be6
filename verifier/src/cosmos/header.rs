//! Headers and the commits that sign them: read strictly, and linked to their parents.

use prost::Message;
use tendermint::{
    block::{CommitSig, Header, signed_header::SignedHeader},
    validator::Set,
};
use tendermint_proto::v0_38::types::{Header as RawHeader, SignedHeader as RawSignedHeader};

use super::{
    error::{CosmosProofError, bounded, cut},
    hash::Sha,
    limits::{BLOCK_PROTOCOL, MAX_HEADER_BYTES, MAX_SIGNED_HEADER_BYTES, MAX_VALIDATORS},
    validators::FromHash as _,
};
use crate::{Assurance, B256, BlockRef, ChainId, Verified};

/// Namespace of this family's chains in CAIP-2.
pub(super) const NAMESPACE: &str = "cosmos";

/// A header together with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHeader {
    header: Header,
    hash: B256,
}

impl SealedHeader {
    /// Hashes a header.
    pub(super) fn seal(header: Header) -> Self {
        let hash = B256::from_slice_or_zero(header.hash_with::<Sha>().as_bytes());
        Self { header, hash }
    }

    /// Height and hash.
    #[must_use]
    pub fn block(&self) -> BlockRef {
        BlockRef { height: self.header.height.value(), hash: self.hash }
    }

    /// The block's own time, seconds since 1970; 0 for one before that.
    #[must_use]
    pub fn time(&self) -> u64 {
        u64::try_from(self.header.time.unix_timestamp()).unwrap_or(0)
    }

    /// Nanoseconds within that second.
    #[must_use]
    pub fn nanos(&self) -> u32 {
        let nanos = self.header.time.unix_timestamp_nanos().rem_euclid(1_000_000_000);
        u32::try_from(nanos).unwrap_or(0)
    }

    /// The chain's own name for itself.
    #[must_use]
    pub fn chain_id(&self) -> &str {
        self.header.chain_id.as_str()
    }

    /// Root of the state after the block *before* this one; none where the chain has another form of root.
    #[must_use]
    pub fn app_hash(&self) -> Option<B256> {
        B256::try_from(self.header.app_hash.as_bytes()).ok()
    }

    /// Root of this block's transactions; none for a block without any.
    #[must_use]
    pub fn data_hash(&self) -> Option<B256> {
        self.header.data_hash.and_then(|hash| B256::try_from(hash.as_bytes()).ok())
    }

    /// Root of the results of the block *before* this one.
    #[must_use]
    pub fn last_results_hash(&self) -> Option<B256> {
        self.header.last_results_hash.and_then(|hash| B256::try_from(hash.as_bytes()).ok())
    }

    /// Hash of the set that signs the block after this one.
    #[must_use]
    pub fn next_validators_hash(&self) -> B256 {
        B256::from_slice_or_zero(self.header.next_validators_hash.as_bytes())
    }

    /// The block before this one; none for the first.
    #[must_use]
    pub fn parent(&self) -> Option<BlockRef> {
        let id = self.header.last_block_id?;
        let hash = B256::try_from(id.hash.as_bytes()).ok()?;
        Some(BlockRef { height: self.header.height.value().checked_sub(1)?, hash })
    }
}

/// Reads a `tendermint.types.Header`. Nothing is known of it but that it is well formed.
///
/// # Errors
/// [`CosmosProofError::Limit`], [`CosmosProofError::Encoding`], [`CosmosProofError::Protocol`],
/// [`CosmosProofError::Height`].
pub fn open_header(bytes: &[u8]) -> Result<SealedHeader, CosmosProofError> {
    bounded("bytes of a header", bytes.len(), MAX_HEADER_BYTES)?;
    let raw = RawHeader::decode(bytes)
        .map_err(|error| CosmosProofError::Encoding { what: "header", detail: error.to_string() })?;
    header_of(raw).map(SealedHeader::seal)
}

fn header_of(raw: RawHeader) -> Result<Header, CosmosProofError> {
    let protocol = raw.version.as_ref().map_or(0, |version| version.block);
    if protocol != BLOCK_PROTOCOL {
        return Err(CosmosProofError::Protocol { found: protocol, known: BLOCK_PROTOCOL });
    }
    // The library adds one to a trusted height and would panic at the very last one.
    if raw.height <= 0 || raw.height == i64::MAX {
        return Err(CosmosProofError::Height { found: raw.height });
    }
    Header::try_from(raw)
        .map_err(|error| CosmosProofError::Encoding { what: "header", detail: cut(error.to_string()) })
}

/// Reads a `tendermint.types.SignedHeader`.
///
/// # Errors
/// As [`open_header`], and [`CosmosProofError::SignatureLength`], [`CosmosProofError::AbsentWithContent`] for
/// votes that are not as the protocol writes them, [`CosmosProofError::CommitHeight`] for another block's commit.
pub(super) fn read_signed_header(bytes: &[u8]) -> Result<SignedHeader, CosmosProofError> {
    let encoding = |detail: String| CosmosProofError::Encoding { what: "signed header", detail: cut(detail) };
    bounded("bytes of a signed header", bytes.len(), MAX_SIGNED_HEADER_BYTES)?;
    let raw = RawSignedHeader::decode(bytes).map_err(|error| encoding(error.to_string()))?;
    let header = header_of(raw.header.ok_or_else(|| encoding("there is no header".to_owned()))?)?;
    let commit = raw.commit.ok_or_else(|| encoding("there is no commit".to_owned()))?;
    bounded("votes in a commit", commit.signatures.len(), MAX_VALIDATORS)?;
    if u64::try_from(commit.height) != Ok(header.height.value()) {
        return Err(CosmosProofError::CommitHeight { header: header.height.value(), commit: commit.height });
    }
    for (index, vote) in commit.signatures.iter().enumerate() {
        // The three kinds of votes: absent, for the block, for nil.
        let absent = vote.block_id_flag == 1;
        if absent && !(vote.signature.is_empty() && vote.validator_address.is_empty()) {
            return Err(CosmosProofError::AbsentWithContent { index });
        }
        if !absent && vote.signature.len() != 64 {
            return Err(CosmosProofError::SignatureLength { index, found: vote.signature.len() });
        }
    }
    let commit = commit.try_into().map_err(|error: tendermint::Error| encoding(error.to_string()))?;
    SignedHeader::new(header, commit).map_err(|error| encoding(error.to_string()))
}

/// Checks that a commit has one place for each validator, in the set's order, and that the block was proposed by
/// one of them.
///
/// # Errors
/// [`CosmosProofError::SignatureCount`], [`CosmosProofError::SignerMisplaced`], [`CosmosProofError::DuplicateVote`],
/// [`CosmosProofError::Proposer`].
pub(super) fn match_commit(signed: &SignedHeader, set: &Set) -> Result<(), CosmosProofError> {
    let votes = &signed.commit.signatures;
    let validators = set.validators();
    if votes.len() != validators.len() {
        return Err(CosmosProofError::SignatureCount { found: votes.len(), expected: validators.len() });
    }
    let mut seen = std::collections::BTreeSet::new();
    for (index, (vote, validator)) in votes.iter().zip(validators).enumerate() {
        let Some(signer) = vote.validator_address() else { continue };
        if !seen.insert(signer) {
            return Err(CosmosProofError::DuplicateVote { signer: signer.to_string() });
        }
        if signer != validator.address {
            return Err(CosmosProofError::SignerMisplaced {
                index,
                expected: validator.address.to_string(),
                found: signer.to_string(),
            });
        }
    }
    let proposer = signed.header.proposer_address;
    if validators.iter().any(|validator| validator.address == proposer) {
        Ok(())
    } else {
        Err(CosmosProofError::Proposer { found: proposer.to_string() })
    }
}

/// Whether a vote is for the block.
pub(super) fn is_for_block(vote: &CommitSig) -> bool {
    vote.is_commit()
}

/// Checks that `header` is the parent of a proven header, which names it by hash.
///
/// # Errors
/// [`CosmosProofError::BrokenChain`] when the child names another one.
pub fn verify_parent(
    child: &Verified<SealedHeader>,
    header: SealedHeader,
) -> Result<Verified<SealedHeader>, CosmosProofError> {
    let found = header.block();
    match child.value().parent() {
        Some(expected) if expected == found => {
            let older = child.value().time().saturating_sub(header.time());
            let age_secs = child.assurance().age_secs.map(|age| age.saturating_add(older));
            let assurance = Assurance { age_secs, ..*child.assurance() };
            Ok(Verified::new(header, assurance))
        }
        expected => Err(CosmosProofError::BrokenChain {
            height: child.value().block().height,
            expected: expected.map_or(B256::ZERO, |parent| parent.hash),
            found: found.hash,
        }),
    }
}

/// Checks that a header's own name of its chain is the one that the chain is configured by.
///
/// CAIP-2 takes the name as it is where it fits, and else `hashed-` with the first 16 digits of its SHA-256.
///
/// # Errors
/// [`CosmosProofError::Revision`] for the same chain before or after an upgrade that renamed it,
/// [`CosmosProofError::WrongChain`] for any other.
pub(super) fn match_chain(chain: ChainId, name: &str) -> Result<(), CosmosProofError> {
    let reference = chain.reference();
    let hashed = || {
        let digest = super::hash::sha256(&[name.as_bytes()]);
        let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("hashed-{digits}")
    };
    if chain.namespace() == NAMESPACE && (reference == name || reference == hashed()) {
        return Ok(());
    }
    match (revision(reference), revision(name)) {
        (Some((one, expected)), Some((other, found))) if one == other => {
            Err(CosmosProofError::Revision { name: one.to_owned(), expected, found })
        }
        _ => Err(CosmosProofError::WrongChain { expected: chain, found: cut(name.to_owned()) }),
    }
}

/// Name and revision of a chain id such as `cosmoshub-4`.
fn revision(id: &str) -> Option<(&str, u64)> {
    let (name, number) = id.rsplit_once('-')?;
    // A leading zero would give one revision two names.
    if name.is_empty() || number.starts_with('0') {
        return None;
    }
    number.parse().ok().map(|number| (name, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chain: &str, name: &str) -> Result<(), CosmosProofError> {
        match_chain(ChainId::new(chain).unwrap(), name)
    }

    #[test]
    fn a_chain_is_known_by_its_name_and_another_revision_is_told_from_another_chain() {
        assert_eq!(check("cosmos:cosmoshub-4", "cosmoshub-4"), Ok(()));
        let other = check("cosmos:cosmoshub-4", "cosmoshub-3");
        let revision = CosmosProofError::Revision { name: "cosmoshub".to_owned(), expected: 4, found: 3 };
        assert_eq!(other, Err(revision));
        for (chain, name) in [
            ("cosmos:cosmoshub-4", "osmosis-4"),
            ("cosmos:cosmoshub-4", "cosmoshub-04"),
            ("cosmos:cosmoshub-4", "cosmoshub"),
            ("eip155:1", "1"),
        ] {
            assert!(matches!(check(chain, name), Err(CosmosProofError::WrongChain { .. })), "{chain} {name}");
        }
    }

    #[test]
    fn a_name_that_does_not_fit_goes_by_its_hash() {
        // The example of the CAIP-2 document of this namespace.
        assert_eq!(
            check("cosmos:hashed-0204c92a0388779d", "hash-"),
            Err(CosmosProofError::WrongChain {
                expected: ChainId::new("cosmos:hashed-0204c92a0388779d").unwrap(),
                found: "hash-".to_owned(),
            })
        );
        let long = "a.chain.with.dots";
        let digest = super::super::hash::sha256(&[long.as_bytes()]);
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(check(&format!("cosmos:hashed-{hex}"), long), Ok(()));
    }
}
