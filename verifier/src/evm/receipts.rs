//! Receipts and transactions of a block under its header.
//!
//! All receipts together recompute the root in the header, so they prove what is *not* in the block as well as
//! what is. One receipt by its path proves only itself.

use alloy_consensus::ReceiptEnvelope;
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{B256, Log, keccak256};

use super::{
    account::proved,
    deposit::{DEPOSIT_TYPE, DepositReceipt},
    error::{EvmProofError, bounded},
    header::{SealedHeader, list_root},
    limits::{MAX_LEADING_RECEIPTS, MAX_LOGS_PER_RECEIPT, MAX_RECEIPT_BYTES, MAX_RECEIPTS, MAX_TOPICS},
    trie::walk,
};
use crate::Verified;

/// A receipt of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Of a type from 0 to 4.
    Common(ReceiptEnvelope),
    /// Of a deposit (0x7e).
    Deposit(DepositReceipt),
}

impl Receipt {
    /// What it emitted, in order.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        match self {
            Self::Common(receipt) => receipt.logs(),
            Self::Deposit(receipt) => &receipt.logs,
        }
    }

    /// Whether the transaction succeeded.
    #[must_use]
    pub fn status(&self) -> bool {
        match self {
            Self::Common(receipt) => receipt.status(),
            Self::Deposit(receipt) => receipt.status,
        }
    }

    /// Type of the transaction.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Common(receipt) => u8::from(receipt.tx_type()),
            Self::Deposit(_) => DEPOSIT_TYPE,
        }
    }
}

impl PartialEq<ReceiptEnvelope> for Receipt {
    fn eq(&self, other: &ReceiptEnvelope) -> bool {
        matches!(self, Self::Common(receipt) if receipt == other)
    }
}

/// Highest transaction type that is known (EIP-7702, type 4; Osaka adds none).
const LAST_TYPE: u8 = 4;

/// A transaction as far as proofs need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionRef {
    /// keccak256 of its EIP-2718 bytes.
    pub hash: B256,
    /// Its type, 0 to 4, or 0x7e of a deposit.
    pub kind: u8,
}

/// Proves that these are all receipts of the block, in order. `receipts` are EIP-2718 bytes.
///
/// # Errors
/// [`EvmProofError::ListRoot`] when they do not add up to the header's root; [`EvmProofError::Limit`],
/// [`EvmProofError::EnvelopeType`], [`EvmProofError::ReceiptRlp`] or [`EvmProofError::FailedWithLogs`] when one
/// of them is not a receipt that this version can vouch for.
pub fn verify_receipts<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    receipts: &[N],
) -> Result<Verified<Vec<Receipt>>, EvmProofError> {
    check_list_root("receipts", header.value().receipts_root, receipts)?;
    let decoded: Result<Vec<Receipt>, EvmProofError> =
        (0u64..).zip(receipts).map(|(index, bytes)| decode_receipt(index, bytes.as_ref())).collect();
    Ok(Verified::new(decoded?, proved(header.assurance())))
}

/// Proves one receipt by its path in the receipts trie.
///
/// # Errors
/// [`EvmProofError::ReceiptAbsent`] when the path proves that the block has fewer receipts,
/// [`EvmProofError::ReceiptTrie`] when it does not verify; otherwise as [`verify_receipts`].
pub fn verify_receipt<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    index: u64,
    nodes: &[N],
) -> Result<Verified<Receipt>, EvmProofError> {
    let root = header.value().receipts_root;
    let found = walk(root, &alloy_rlp::encode(index), nodes, MAX_RECEIPT_BYTES)
        .map_err(|source| EvmProofError::ReceiptTrie { index, source })?;
    let bytes = found.ok_or(EvmProofError::ReceiptAbsent { index })?;
    Ok(Verified::new(decode_receipt(index, bytes)?, proved(header.assurance())))
}

/// Proves that the block has no receipt, and so no transaction, at `index`: it has at most `index` of them.
///
/// # Errors
/// [`EvmProofError::ReceiptTrie`] when the path does not verify or leads to a receipt.
pub fn verify_receipt_absent<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    index: u64,
    nodes: &[N],
) -> Result<Verified<u64>, EvmProofError> {
    let root = header.value().receipts_root;
    match walk(root, &alloy_rlp::encode(index), nodes, MAX_RECEIPT_BYTES) {
        Ok(None) => Ok(Verified::new(index, proved(header.assurance()))),
        Ok(Some(_)) => Err(EvmProofError::ReceiptPresent { index }),
        Err(source) => Err(EvmProofError::ReceiptTrie { index, source }),
    }
}

/// Proves the first receipts of the block, in order and without a gap, each by its own path.
///
/// A receipt does not say how many logs came before it in the block, so the place of a log in the block is
/// proven only together with all receipts before its own.
///
/// # Errors
/// As [`verify_receipt`].
pub fn verify_leading_receipts<P: AsRef<[N]>, N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    paths: &[P],
) -> Result<Verified<Vec<Receipt>>, EvmProofError> {
    bounded("receipts with a path each", paths.len(), MAX_LEADING_RECEIPTS)?;
    let mut receipts = Vec::with_capacity(paths.len());
    for (index, nodes) in (0u64..).zip(paths) {
        receipts.push(verify_receipt(header, index, nodes.as_ref())?.into_value());
    }
    Ok(Verified::new(receipts, proved(header.assurance())))
}

/// Proves that these are all transactions of the block, in order. `transactions` are EIP-2718 bytes.
///
/// # Errors
/// [`EvmProofError::ListRoot`] when they do not add up to the header's root, [`EvmProofError::EnvelopeType`]
/// when one is of an unknown type.
pub fn verify_transactions<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    transactions: &[N],
) -> Result<Verified<Vec<TransactionRef>>, EvmProofError> {
    check_list_root("transactions", header.value().transactions_root, transactions)?;
    let read: Result<Vec<TransactionRef>, EvmProofError> = (0u64..)
        .zip(transactions)
        .map(|(index, bytes)| {
            let kind = envelope_type("transaction", index, bytes.as_ref())?;
            Ok(TransactionRef { hash: keccak256(bytes), kind })
        })
        .collect();
    Ok(Verified::new(read?, proved(header.assurance())))
}

/// The root is compared before anything is decoded, so that only committed bytes ever reach a decoder.
fn check_list_root<N: AsRef<[u8]>>(
    what: &'static str,
    expected: B256,
    items: &[N],
) -> Result<B256, EvmProofError> {
    bounded(what, items.len(), MAX_RECEIPTS)?;
    if let Some(large) = items.iter().map(|item| item.as_ref().len()).find(|len| *len > MAX_RECEIPT_BYTES) {
        return Err(EvmProofError::Limit {
            what: "bytes of an item",
            found: large,
            limit: MAX_RECEIPT_BYTES,
        });
    }
    let found = list_root(items);
    if found == expected { Ok(found) } else { Err(EvmProofError::ListRoot { what, expected, found }) }
}

/// Type of an EIP-2718 envelope: a first byte of 0xc0 and more begins a list, which is the untyped form.
fn envelope_type(what: &'static str, index: u64, bytes: &[u8]) -> Result<u8, EvmProofError> {
    match bytes.first() {
        Some(0xc0..) => Ok(0),
        Some(&kind @ (1..=LAST_TYPE | DEPOSIT_TYPE)) => Ok(kind),
        Some(&found) => Err(EvmProofError::EnvelopeType { what, index, found }),
        None => Err(EvmProofError::ReceiptRlp { index, detail: "no bytes".to_owned() }),
    }
}

fn decode_receipt(index: u64, bytes: &[u8]) -> Result<Receipt, EvmProofError> {
    let unread = |detail: String| EvmProofError::ReceiptRlp { index, detail };
    let receipt = if envelope_type("receipt", index, bytes)? == DEPOSIT_TYPE {
        DepositReceipt::decode(bytes).map(Receipt::Deposit).map_err(|error| unread(error.to_string()))?
    } else {
        let common = ReceiptEnvelope::decode_2718_exact(bytes).map_err(|error| unread(error.to_string()))?;
        Receipt::Common(common)
    };
    let logs = receipt.logs();
    bounded("logs of a receipt", logs.len(), MAX_LOGS_PER_RECEIPT)?;
    for log in logs {
        bounded("topics of a log", log.topics().len(), MAX_TOPICS)?;
    }
    // SECURITY: a log of a failed transaction never happened. No client writes one; if one is committed to
    // nevertheless, the block is not evidence of anything.
    if !receipt.status() && !logs.is_empty() {
        return Err(EvmProofError::FailedWithLogs { index, logs: logs.len() });
    }
    Ok(receipt)
}
