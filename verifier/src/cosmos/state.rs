//! State of a chain: a key in a store, and the store in the root that a header carries.

use ics23::{CommitmentProof, ExistenceProof, commitment_proof::Proof};
use prost::Message;

use super::{
    error::CosmosProofError,
    header::SealedHeader,
    ics23::{verify_existence, verify_non_existence},
    limits::{MAX_KEY_BYTES, MAX_PROOF_BYTES, MAX_VALUE_BYTES},
    spec::{IAVL, SIMPLE, StoreProofError, StoreSpec},
};
use crate::{Assurance, Execution, Inclusion, Slug, Verified};

/// What a store holds at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Absent,
    /// A value of at least one byte.
    Present(Vec<u8>),
}

/// Proves what the state before `header`'s own block (after the one that it names as its parent) holds at `key` of
/// `store`.
///
/// `key_proof` is an encoded `cosmos.ics23.v1.CommitmentProof` under the store's root, `store_proof` one of the store's
/// name under the header's.
///
/// # Errors
/// [`CosmosProofError::NoRoot`] for a header without one, [`CosmosProofError::Store`] for whichever proof fails.
pub fn read_state(
    header: &Verified<SealedHeader>,
    store: Slug,
    key: &[u8],
    key_proof: &[u8],
    store_proof: &[u8],
) -> Result<Verified<Entry>, CosmosProofError> {
    let Some(app_hash) = header.value().app_hash() else {
        return Err(CosmosProofError::NoRoot { what: "root of state" });
    };
    let in_root = |source| CosmosProofError::Store { store: "the root of all stores".to_owned(), source };
    let root = store_root(&app_hash.0, store.as_str().as_bytes(), store_proof).map_err(in_root)?;
    let entry = read_entry(&IAVL, &root, key, key_proof)
        .map_err(|source| CosmosProofError::Store { store: store.as_str().to_owned(), source })?;
    let assurance =
        Assurance { inclusion: Inclusion::MerkleProved, execution: Execution::Proved, ..*header.assurance() };
    Ok(Verified::new(entry, assurance))
}

/// The root of a store, by its place in the root of all.
fn store_root(root: &[u8; 32], name: &[u8], proof: &[u8]) -> Result<[u8; 32], StoreProofError> {
    match read_entry(&SIMPLE, root, name, proof)? {
        Entry::Present(value) => <[u8; 32]>::try_from(value.as_slice())
            .map_err(|_not_a_hash| StoreProofError::Leaf { what: "the store's root is not a hash" }),
        Entry::Absent => Err(StoreProofError::Kind { expected: "existence", found: "non-existence" }),
    }
}

/// What a tree of one kind with this root holds at a key.
///
/// # Errors
/// [`StoreProofError`]: the first check that the proof does not pass.
pub fn read_entry(
    spec: &StoreSpec<'_>,
    root: &[u8; 32],
    key: &[u8],
    proof: &[u8],
) -> Result<Entry, StoreProofError> {
    // Two neighbours' values may lie in a proof of absence.
    let limit = MAX_VALUE_BYTES.saturating_mul(2).saturating_add(MAX_PROOF_BYTES);
    if proof.len() > limit {
        return Err(StoreProofError::Limit { what: "bytes of a proof", found: proof.len(), limit });
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(StoreProofError::Limit {
            what: "bytes of a key",
            found: key.len(),
            limit: MAX_KEY_BYTES,
        });
    }
    let proof = CommitmentProof::decode(proof)
        .map_err(|error| StoreProofError::Encoding { detail: error.to_string() })?;
    match proof.proof {
        Some(Proof::Exist(proof)) => {
            verify_existence(spec, &proof, root, key, &proof.value)?;
            let ExistenceProof { value, .. } = proof;
            Ok(Entry::Present(value))
        }
        Some(Proof::Nonexist(proof)) => {
            verify_non_existence(spec, &proof, root, key)?;
            Ok(Entry::Absent)
        }
        Some(Proof::Batch(_)) => Err(StoreProofError::Kind { expected: "one key", found: "a batch" }),
        Some(Proof::Compressed(_)) => {
            Err(StoreProofError::Kind { expected: "one key", found: "a compressed batch" })
        }
        None => Err(StoreProofError::Kind { expected: "one key", found: "empty" }),
    }
}
