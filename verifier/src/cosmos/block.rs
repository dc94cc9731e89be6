//! Transactions of a block, and what became of them.
//!
//! A header commits to the hashes of its block's transactions, and to code, data and gas of the results of the block
//! before. It commits to no event: events are reported, never proven.

use prost::Message;
use tendermint_proto::v0_38::abci::ExecTxResult;

use super::{
    error::{CosmosProofError, bounded},
    evidence::{Outcome, TransactionPath},
    hash::{Place, root_of},
    header::SealedHeader,
    limits::MAX_RESULT_DATA_BYTES,
};
use crate::{Assurance, B256, Execution, Inclusion, Verified};

/// A transaction that a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Included {
    place: Place,
}

/// Proves that a block holds the transaction with this hash (SHA-256 of its bytes).
///
/// # Errors
/// [`CosmosProofError::NoRoot`] for an empty block, [`CosmosProofError::ListRoot`] for a path to another root, and for
/// a path that cannot be one [`CosmosProofError::Place`], [`CosmosProofError::PathLength`] or
/// [`CosmosProofError::Limit`].
pub fn verify_transaction(
    header: &Verified<SealedHeader>,
    transaction: B256,
    path: &TransactionPath,
) -> Result<Verified<Included>, CosmosProofError> {
    let Some(expected) = header.value().data_hash() else {
        return Err(CosmosProofError::NoRoot { what: "root of transactions" });
    };
    let found = transactions_root(transaction, path)?;
    if found != expected {
        return Err(CosmosProofError::ListRoot { what: "transaction", expected, found });
    }
    let place = Place { index: path.index, total: path.total };
    let assurance = Assurance { inclusion: Inclusion::MerkleProved, ..*header.assurance() };
    Ok(Verified::new(Included { place }, assurance))
}

/// The root of transactions to which a path leads from the transaction with this hash: what a header has to commit to
/// ([`SealedHeader::data_hash`]). Says nothing by itself.
///
/// # Errors
/// For a path that cannot be one, [`CosmosProofError::Place`], [`CosmosProofError::PathLength`] or
/// [`CosmosProofError::Limit`].
pub fn transactions_root(transaction: B256, path: &TransactionPath) -> Result<B256, CosmosProofError> {
    root_of(&transaction.0, Place { index: path.index, total: path.total }, &path.aunts)
}

/// Proves the result code of an included transaction, from the header of the next block; 0 is success.
///
/// SECURITY: the result is looked for at the transaction's own place, in a list of the same length. A result
/// that stands elsewhere is another transaction's.
///
/// # Errors
/// As [`verify_transaction`].
pub fn verify_outcome(
    next: &Verified<SealedHeader>,
    included: &Verified<Included>,
    outcome: &Outcome,
) -> Result<Verified<u32>, CosmosProofError> {
    bounded("bytes of a result's data", outcome.data.len(), MAX_RESULT_DATA_BYTES)?;
    let Some(expected) = next.value().last_results_hash() else {
        return Err(CosmosProofError::NoRoot { what: "root of results" });
    };
    let result = ExecTxResult {
        code: outcome.code,
        data: outcome.data.clone().into(),
        gas_wanted: outcome.gas_wanted,
        gas_used: outcome.gas_used,
        ..ExecTxResult::default()
    };
    let found = root_of(&result.encode_to_vec(), included.value().place, &outcome.aunts)?;
    if found != expected {
        return Err(CosmosProofError::ListRoot { what: "result", expected, found });
    }
    let assurance = Assurance {
        inclusion: Inclusion::MerkleProved,
        execution: Execution::Proved,
        ..*included.assurance()
    };
    Ok(Verified::new(outcome.code, assurance))
}
