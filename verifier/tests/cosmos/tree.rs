//! Stores that prove what they hold: an IAVL tree and the simple tree of all stores, small and slow.

use ics23::{
    CommitmentProof, ExistenceProof, HashOp, HostFunctionsProvider, InnerOp, LeafOp, LengthOp,
    NonExistenceProof, commitment_proof::Proof,
};
use portcullis_verifier::cosmos::ics23::{existence_root, inner_hash, leaf_hash};
use prost::Message;
use sha2::{Digest, Sha256};

/// A store with its keys in order.
#[derive(Clone)]
pub(crate) struct Tree {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    iavl: bool,
}

const VERSION: u64 = 9;

fn varint(number: u64, out: &mut Vec<u8>) {
    // Signed: twice the number.
    prost::encoding::encode_varint(number * 2, out);
}

impl Tree {
    pub(crate) fn iavl(entries: &[(&[u8], &[u8])]) -> Self {
        Self::new(entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect(), true)
    }

    /// Names and roots of stores.
    pub(crate) fn simple(entries: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self::new(entries, false)
    }

    fn new(mut entries: Vec<(Vec<u8>, Vec<u8>)>, iavl: bool) -> Self {
        entries.sort();
        Self { entries, iavl }
    }

    fn leaf(&self) -> LeafOp {
        let mut prefix = vec![];
        if self.iavl {
            varint(0, &mut prefix);
            varint(1, &mut prefix);
            varint(VERSION, &mut prefix);
        } else {
            prefix.push(0);
        }
        LeafOp {
            hash: HashOp::Sha256.into(),
            prehash_key: HashOp::NoHash.into(),
            prehash_value: HashOp::Sha256.into(),
            length: LengthOp::VarProto.into(),
            prefix,
        }
    }

    fn split(&self, range: &std::ops::Range<usize>) -> usize {
        // A simple tree fills its left half; an IAVL tree may have any shape of near depths.
        let count = range.len();
        range.start + if self.iavl { count / 2 } else { count.next_power_of_two() / 2 }
    }

    /// Root and height of a part.
    fn node(&self, range: std::ops::Range<usize>) -> ([u8; 32], u64) {
        if range.len() == 1 {
            let (key, value) = &self.entries[range.start];
            return (leaf_hash(&self.leaf(), key, value).unwrap(), 0);
        }
        let split = self.split(&range);
        let (left, low) = self.node(range.start..split);
        let (right, high) = self.node(split..range.end);
        let height = low.max(high) + 1;
        let step = self.step(height, range.len(), Some(right), None);
        (inner_hash(&step, &left).unwrap(), height)
    }

    /// The step above a child whose sibling is on the right, or on the left.
    fn step(&self, height: u64, size: usize, right: Option<[u8; 32]>, left: Option<[u8; 32]>) -> InnerOp {
        let (mut prefix, mut suffix) = (vec![], vec![]);
        let with_length =
            |hash: [u8; 32]| if self.iavl { [&[32], &hash[..]].concat() } else { hash.to_vec() };
        if self.iavl {
            varint(height, &mut prefix);
            varint(size as u64, &mut prefix);
            varint(VERSION, &mut prefix);
        } else {
            prefix.push(1);
        }
        if let Some(left) = left {
            prefix.extend(with_length(left));
        }
        if self.iavl {
            prefix.push(32);
        }
        if let Some(right) = right {
            suffix.extend(with_length(right));
        }
        InnerOp { hash: HashOp::Sha256.into(), prefix, suffix }
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        self.node(0..self.entries.len()).0
    }

    fn path(&self, range: std::ops::Range<usize>, at: usize, steps: &mut Vec<InnerOp>) {
        if range.len() == 1 {
            return;
        }
        let split = self.split(&range);
        let height = self.node(range.clone()).1;
        if at < split {
            self.path(range.start..split, at, steps);
            steps.push(self.step(height, range.len(), Some(self.node(split..range.end).0), None));
        } else {
            self.path(split..range.end, at, steps);
            steps.push(self.step(height, range.len(), None, Some(self.node(range.start..split).0)));
        }
    }

    fn at(&self, at: usize) -> ExistenceProof {
        let mut path = Vec::new();
        self.path(0..self.entries.len(), at, &mut path);
        let (key, value) = self.entries[at].clone();
        let proof = ExistenceProof { key, value, leaf: Some(self.leaf()), path };
        assert_eq!(existence_root(&proof), Ok(self.root()));
        proof
    }

    /// Proof that the key is there.
    pub(crate) fn existence(&self, key: &[u8]) -> ExistenceProof {
        self.at(self.entries.iter().position(|(own, _)| own == key).expect("the key is there"))
    }

    /// Proof that the key is not there.
    pub(crate) fn absence(&self, key: &[u8]) -> NonExistenceProof {
        assert!(self.entries.iter().all(|(own, _)| own != key), "the key is not there");
        let above = self.entries.iter().filter(|(own, _)| own.as_slice() < key).count();
        NonExistenceProof {
            key: key.to_vec(),
            left: above.checked_sub(1).map(|at| self.at(at)),
            right: (above < self.entries.len()).then(|| self.at(above)),
        }
    }

    /// Whichever of the two is true, encoded.
    pub(crate) fn prove(&self, key: &[u8]) -> Vec<u8> {
        if self.entries.iter().any(|(own, _)| own == key) {
            encode(Proof::Exist(self.existence(key)))
        } else {
            encode(Proof::Nonexist(self.absence(key)))
        }
    }
}

pub(crate) fn encode(proof: Proof) -> Vec<u8> {
    CommitmentProof { proof: Some(proof) }.encode_to_vec()
}

/// SHA-256 for the specification's own library; the stores here use no other.
pub(crate) struct OnlySha256;

impl HostFunctionsProvider for OnlySha256 {
    fn sha2_256(message: &[u8]) -> [u8; 32] {
        Sha256::digest(message).into()
    }
    fn sha2_512(_: &[u8]) -> [u8; 64] {
        panic!("not asked for")
    }
    fn sha2_512_truncated(_: &[u8]) -> [u8; 32] {
        panic!("not asked for")
    }
    fn keccak_256(_: &[u8]) -> [u8; 32] {
        panic!("not asked for")
    }
    fn ripemd160(_: &[u8]) -> [u8; 20] {
        panic!("not asked for")
    }
    fn blake2b_512(_: &[u8]) -> [u8; 64] {
        panic!("not asked for")
    }
    fn blake2s_256(_: &[u8]) -> [u8; 32] {
        panic!("not asked for")
    }
    fn blake3(_: &[u8]) -> [u8; 32] {
        panic!("not asked for")
    }
}
