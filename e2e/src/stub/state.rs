//! Accounts and storage in real tries, and proofs of them.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rlp;
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, KECCAK_EMPTY, Nibbles, TrieAccount};

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Transactions sent.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Hash of its code.
    pub code_hash: B256,
    /// Words that are not zero.
    pub storage: BTreeMap<B256, U256>,
}

impl Account {
    /// Somebody with a key.
    #[must_use]
    pub fn person(balance: U256) -> Self {
        Self { nonce: 0, balance, code_hash: KECCAK_EMPTY, storage: BTreeMap::new() }
    }

    /// A contract.
    #[must_use]
    pub fn contract(code: &str) -> Self {
        Self { nonce: 1, balance: U256::ZERO, code_hash: keccak256(code), storage: BTreeMap::new() }
    }

    fn storage_trie(&self, targets: &[B256]) -> (B256, Vec<Bytes>) {
        trie(self.storage.iter().map(|(key, word)| (keccak256(key), rlp::encode(word))), targets)
    }

    fn encoded(&self) -> Vec<u8> {
        rlp::encode(TrieAccount::new(self.nonce, self.balance, self.storage_trie(&[]).0, self.code_hash))
    }
}

/// Everything that a header's state root commits to.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By address.
    pub accounts: BTreeMap<Address, Account>,
}

/// What `eth_getProof` answers, as far as it is computed.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Nodes to the account.
    pub account: Vec<Bytes>,
    /// Root of its storage.
    pub storage_root: B256,
    /// The word and the nodes to it, for each key that was asked for.
    pub slots: Vec<(B256, U256, Vec<Bytes>)>,
}

impl State {
    /// The root.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.trie(&[]).0
    }

    fn trie(&self, targets: &[B256]) -> (B256, Vec<Bytes>) {
        trie(self.accounts.iter().map(|(address, account)| (keccak256(address), account.encoded())), targets)
    }

    /// Proves an account and some of its words.
    #[must_use]
    pub fn prove(&self, address: Address, keys: &[B256]) -> Proof {
        let (_, path) = self.trie(&[keccak256(address)]);
        let Some(account) = self.accounts.get(&address) else {
            let slots = keys.iter().map(|key| (*key, U256::ZERO, Vec::new())).collect();
            return Proof { account: path, storage_root: alloy::consensus::EMPTY_ROOT_HASH, slots };
        };
        let slot = |key: &B256| {
            let word = account.storage.get(key).copied().unwrap_or_default();
            (*key, word, account.storage_trie(&[keccak256(key)]).1)
        };
        let slots = keys.iter().map(slot).collect();
        Proof { account: path, storage_root: account.storage_trie(&[]).0, slots }
    }

    /// A word; zero where nothing was written.
    #[must_use]
    pub fn word(&self, address: Address, key: B256) -> U256 {
        self.accounts.get(&address).and_then(|account| account.storage.get(&key)).copied().unwrap_or_default()
    }
}

/// Root of a trie, and the nodes on the way to `targets`.
fn trie(entries: impl Iterator<Item = (B256, Vec<u8>)>, targets: &[B256]) -> (B256, Vec<Bytes>) {
    let sorted: BTreeMap<B256, Vec<u8>> = entries.collect();
    let retainer = ProofRetainer::from_iter(targets.iter().map(Nibbles::unpack));
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for (key, value) in &sorted {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted().into_iter().map(|(_, node)| node);
    (root, nodes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_changes_changes_the_root() {
        let mut state = State::default();
        for index in 0..40u8 {
            state.accounts.insert(Address::repeat_byte(index), Account::person(U256::from(index)));
        }
        let guard = Address::repeat_byte(200);
        state.accounts.insert(guard, Account::contract("guard"));
        let before = state.root();
        let key = B256::repeat_byte(3);
        if let Some(account) = state.accounts.get_mut(&guard) {
            account.storage.insert(key, U256::from(7));
        }
        assert_ne!(state.root(), before);
        let proof = state.prove(guard, &[key]);
        assert_eq!(keccak256(&proof.account[0]), state.root(), "a proof begins at the root");
        assert_eq!(keccak256(&proof.slots[0].2[0]), proof.storage_root);
        assert_eq!(proof.slots[0].1, U256::from(7));
        assert!(proof.account.len() >= 2, "a trie of 41 accounts has more than one level");
    }
}
