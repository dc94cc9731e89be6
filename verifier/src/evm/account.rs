//! Accounts and storage slots under a header's state root (EIP-1186 proofs).

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::TrieAccount;

use super::{error::EvmProofError, header::SealedHeader, limits::MAX_STATE_NODE_BYTES, trie::walk};
use crate::{Assurance, Execution, Inclusion, Verified};

/// What a state proof shows of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// It is in the state, with these fields.
    Present(ProvenAccount),
    /// The state has no such account.
    Absent,
}

/// What a storage proof shows of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// It is stored and never zero: a slot set to zero leaves the trie.
    Present(U256),
    /// Nothing is stored; the machine reads zero.
    Absent,
}

impl Slot {
    /// What the machine reads there.
    #[must_use]
    pub fn word(&self) -> U256 {
        match self {
            Self::Present(word) => *word,
            Self::Absent => U256::ZERO,
        }
    }
}

/// An account that was proven present, with its address: the only door to its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenAccount {
    address: Address,
    fields: TrieAccount,
}

impl ProvenAccount {
    /// Whose account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Nonce, balance, storage root and code hash.
    #[must_use]
    pub fn fields(&self) -> &TrieAccount {
        &self.fields
    }
}

/// State is the result of execution, so whatever it holds was executed.
pub(super) fn proved(assurance: &Assurance) -> Assurance {
    Assurance { inclusion: Inclusion::MerkleProved, execution: Execution::Proved, ..*assurance }
}

/// Reads an account's path under a trusted header: present or absent, each proven.
///
/// # Errors
/// [`EvmProofError::AccountTrie`] when the path does not verify, [`EvmProofError::AccountRlp`] or
/// [`EvmProofError::NotCanonical`] when what it leads to is no account.
pub fn read_account<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    address: Address,
    nodes: &[N],
) -> Result<Verified<Account>, EvmProofError> {
    let found = walk(header.value().state_root, keccak256(address).as_slice(), nodes, MAX_STATE_NODE_BYTES)
        .map_err(|source| EvmProofError::AccountTrie { address, source })?;
    let account = match found {
        Some(rlp) => Account::Present(ProvenAccount { address, fields: decode_account(address, rlp)? }),
        None => Account::Absent,
    };
    Ok(Verified::new(account, proved(header.assurance())))
}

fn decode_account(address: Address, rlp: &[u8]) -> Result<TrieAccount, EvmProofError> {
    let account =
        TrieAccount::decode(&mut &*rlp).map_err(|source| EvmProofError::AccountRlp { address, source })?;
    if alloy_rlp::encode(account) == rlp {
        Ok(account)
    } else {
        Err(EvmProofError::NotCanonical { what: "account" })
    }
}

/// Proves that an account is there.
///
/// # Errors
/// [`EvmProofError::AccountAbsent`] when the path proves that it is not; otherwise as [`read_account`].
pub fn verify_account<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    address: Address,
    nodes: &[N],
) -> Result<Verified<ProvenAccount>, EvmProofError> {
    let account = read_account(header, address, nodes)?;
    match account.value() {
        Account::Present(proven) => Ok(Verified::new(*proven, *account.assurance())),
        Account::Absent => Err(EvmProofError::AccountAbsent { address }),
    }
}

/// Proves that an account is not there.
///
/// # Errors
/// [`EvmProofError::AccountPresent`] when the path proves that it is; otherwise as [`read_account`].
pub fn verify_account_absent<N: AsRef<[u8]>>(
    header: &Verified<SealedHeader>,
    address: Address,
    nodes: &[N],
) -> Result<Verified<Address>, EvmProofError> {
    let account = read_account(header, address, nodes)?;
    match account.value() {
        Account::Absent => Ok(Verified::new(address, *account.assurance())),
        Account::Present(_) => Err(EvmProofError::AccountPresent { address }),
    }
}

/// Reads a slot's path under a proven account: present or absent, each proven.
///
/// SECURITY: the storage root comes from the proven account and from nowhere else. A node's answer also names a
/// `storageHash`; a proof against that one proves what the node likes.
///
/// # Errors
/// [`EvmProofError::StorageTrie`] when the path does not verify, [`EvmProofError::SlotRlp`] or
/// [`EvmProofError::NotCanonical`] when what it leads to is no word.
pub fn read_storage<N: AsRef<[u8]>>(
    account: &Verified<ProvenAccount>,
    key: B256,
    nodes: &[N],
) -> Result<Verified<Slot>, EvmProofError> {
    let root = account.value().fields.storage_root;
    let found = walk(root, keccak256(key).as_slice(), nodes, MAX_STATE_NODE_BYTES)
        .map_err(|source| EvmProofError::StorageTrie { key, source })?;
    let slot = match found {
        Some(rlp) => Slot::Present(decode_word(key, rlp)?),
        None => Slot::Absent,
    };
    Ok(Verified::new(slot, *account.assurance()))
}

fn decode_word(key: B256, rlp: &[u8]) -> Result<U256, EvmProofError> {
    let mut rest = rlp;
    let word = U256::decode(&mut rest).map_err(|source| EvmProofError::SlotRlp { key, source })?;
    // A stored zero is not a word that any client writes; letting it pass would make "present" mean "absent".
    if rest.is_empty() && !word.is_zero() {
        Ok(word)
    } else {
        Err(EvmProofError::NotCanonical { what: "slot" })
    }
}

/// Proves that a slot holds a word, which is never zero.
///
/// # Errors
/// [`EvmProofError::SlotAbsent`] when the path proves that it holds none; otherwise as [`read_storage`].
pub fn verify_storage<N: AsRef<[u8]>>(
    account: &Verified<ProvenAccount>,
    key: B256,
    nodes: &[N],
) -> Result<Verified<U256>, EvmProofError> {
    let slot = read_storage(account, key, nodes)?;
    match slot.value() {
        Slot::Present(word) => Ok(Verified::new(*word, *slot.assurance())),
        Slot::Absent => Err(EvmProofError::SlotAbsent { key }),
    }
}

/// Proves that a slot holds nothing.
///
/// # Errors
/// [`EvmProofError::SlotPresent`] when the path proves that it holds a word; otherwise as [`read_storage`].
pub fn verify_storage_absent<N: AsRef<[u8]>>(
    account: &Verified<ProvenAccount>,
    key: B256,
    nodes: &[N],
) -> Result<Verified<B256>, EvmProofError> {
    let slot = read_storage(account, key, nodes)?;
    match slot.value() {
        Slot::Absent => Ok(Verified::new(key, *slot.assurance())),
        Slot::Present(_) => Err(EvmProofError::SlotPresent { key }),
    }
}
