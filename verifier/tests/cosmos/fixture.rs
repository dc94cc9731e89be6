//! A chain of test keys: blocks that are signed as the protocol signs, by code that shares nothing with the
//! verifier's but the encodings.

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use portcullis_verifier::{
    B256, BlockRef, ChainId, Slug, Trust, Verified,
    cosmos::{
        Checkpoint, CosmosProofError, Fetched, Rules, Scrutiny, SealedHeader, Step, Update, UpdateBytes,
        open_header, recorded_digest, recorded_key, system_name, verify_update,
    },
};
use prost::Message;
use sha2::{Digest, Sha256};
use tendermint_proto::{
    google::protobuf::Timestamp,
    v0_38::{
        crypto::{PublicKey, public_key::Sum},
        types::{
            BlockId, CanonicalBlockId, CanonicalPartSetHeader, CanonicalVote, Commit, CommitSig, Header,
            PartSetHeader, SignedHeader, Validator, ValidatorSet,
        },
        version::Consensus,
    },
};

use crate::tree::Tree;

/// What the chain calls itself.
pub(crate) const NAME: &str = "fixture-7";
/// Time of block 1; block n is n - 1 steps later.
pub(crate) const GENESIS: i64 = 1_790_000_000;
/// Seconds between blocks.
pub(crate) const BLOCK_SECS: i64 = 5;

pub(crate) fn chain_id() -> ChainId {
    ChainId::new("cosmos:fixture-7").unwrap()
}

/// Somebody who signs.
#[derive(Clone)]
pub(crate) struct Signer {
    key: SigningKey,
    pub(crate) power: i64,
}

impl Signer {
    pub(crate) fn new(seed: u8, power: i64) -> Self {
        Self { key: SigningKey::from([seed; 32]), power }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        VerificationKeyBytes::from(&self.key).into()
    }

    pub(crate) fn address(&self) -> Vec<u8> {
        Sha256::digest(self.public())[..20].to_vec()
    }

    pub(crate) fn validator(&self) -> Validator {
        Validator {
            address: self.address(),
            pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(self.public().to_vec())) }),
            voting_power: self.power,
            proposer_priority: 0,
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).to_bytes().to_vec()
    }
}

/// Signers in the order of a validator set.
pub(crate) fn signers(members: &[(u8, i64)]) -> Vec<Signer> {
    let mut all: Vec<Signer> = members.iter().map(|(seed, power)| Signer::new(*seed, *power)).collect();
    all.sort_by_key(|signer| (-signer.power, signer.address()));
    all
}

pub(crate) fn set_of(signers: &[Signer]) -> ValidatorSet {
    ValidatorSet {
        validators: signers.iter().map(Signer::validator).collect(),
        proposer: None,
        total_voting_power: signers.iter().map(|signer| signer.power).sum(),
    }
}

/// Hash of a set: of keys and powers, as the specification writes it.
pub(crate) fn set_hash(signers: &[Signer]) -> Vec<u8> {
    use tendermint_proto::v0_38::types::SimpleValidator;
    let leaves: Vec<Vec<u8>> = signers
        .iter()
        .map(|signer| {
            let validator = signer.validator();
            SimpleValidator { pub_key: validator.pub_key, voting_power: validator.voting_power }
                .encode_to_vec()
        })
        .collect();
    list_root(&leaves).to_vec()
}

/// Root of a list, written out again.
pub(crate) fn list_root(items: &[Vec<u8>]) -> [u8; 32] {
    match items {
        [] => Sha256::digest([]).into(),
        [one] => Sha256::new_with_prefix([0]).chain_update(one).finalize().into(),
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            let (left, right) = (list_root(left), list_root(right));
            Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
        }
    }
}

/// Hashes beside the path of one item.
pub(crate) fn list_path(items: &[Vec<u8>], at: usize) -> Vec<B256> {
    if items.len() < 2 {
        return Vec::new();
    }
    let split = items.len().next_power_of_two() / 2;
    let (left, right) = items.split_at(split);
    let (mut path, aunt) = if at < split {
        (list_path(left, at), list_root(right))
    } else {
        (list_path(right, at - split), list_root(left))
    };
    path.push(B256::from(aunt));
    path
}

/// How a vote is cast.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cast {
    Block,
    Nil,
    Absent,
}

/// One block with who made it.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) signers: Vec<Signer>,
    pub(crate) next: Vec<Signer>,
    pub(crate) casts: Vec<Cast>,
}

pub(crate) fn at_height(height: i64) -> Timestamp {
    Timestamp { seconds: GENESIS + (height - 1) * BLOCK_SECS, nanos: 250 }
}

impl Block {
    pub(crate) fn new(height: i64, signers: &[Signer], next: &[Signer], parent: Option<&Block>) -> Self {
        let header = Header {
            version: Some(Consensus { block: 11, app: 1 }),
            chain_id: NAME.to_owned(),
            height,
            time: Some(at_height(height)),
            last_block_id: parent.map(Block::id),
            last_commit_hash: vec![1; 32],
            data_hash: list_root(&[]).to_vec(),
            validators_hash: set_hash(signers),
            next_validators_hash: set_hash(next),
            consensus_hash: vec![2; 32],
            app_hash: vec![3; 32],
            last_results_hash: list_root(&[]).to_vec(),
            evidence_hash: list_root(&[]).to_vec(),
            proposer_address: signers[0].address(),
        };
        let casts = vec![Cast::Block; signers.len()];
        Self { header, signers: signers.to_vec(), next: next.to_vec(), casts }
    }

    pub(crate) fn header_bytes(&self) -> Vec<u8> {
        self.header.encode_to_vec()
    }

    pub(crate) fn sealed(&self) -> SealedHeader {
        open_header(&self.header_bytes()).unwrap()
    }

    pub(crate) fn block_ref(&self) -> BlockRef {
        self.sealed().block()
    }

    pub(crate) fn id(&self) -> BlockId {
        let part_set_header = Some(PartSetHeader { total: 1, hash: vec![4; 32] });
        BlockId { hash: self.block_ref().hash.to_vec(), part_set_header }
    }

    /// The bytes that a vote signs.
    pub(crate) fn vote(&self, cast: Cast, timestamp: Timestamp) -> Vec<u8> {
        let id = self.id();
        let block_id = (cast == Cast::Block).then(|| CanonicalBlockId {
            hash: id.hash,
            part_set_header: Some(CanonicalPartSetHeader { total: 1, hash: vec![4; 32] }),
        });
        let vote = CanonicalVote {
            r#type: 2,
            height: self.header.height,
            round: 1,
            block_id,
            timestamp: Some(timestamp),
            chain_id: self.header.chain_id.clone(),
        };
        vote.encode_length_delimited_to_vec()
    }

    pub(crate) fn commit(&self) -> Commit {
        let timestamp = self.header.time.unwrap_or_default();
        let signatures = self.signers.iter().zip(&self.casts).map(|(signer, cast)| match cast {
            Cast::Absent => CommitSig {
                block_id_flag: 1,
                validator_address: vec![],
                timestamp: Some(Timestamp { seconds: -62_135_596_800, nanos: 0 }),
                signature: vec![],
            },
            cast => CommitSig {
                block_id_flag: if *cast == Cast::Block { 2 } else { 3 },
                validator_address: signer.address(),
                timestamp: Some(timestamp),
                signature: signer.sign(&self.vote(*cast, timestamp)),
            },
        });
        Commit {
            height: self.header.height,
            round: 1,
            block_id: Some(self.id()),
            signatures: signatures.collect(),
        }
    }

    pub(crate) fn signed(&self) -> SignedHeader {
        SignedHeader { header: Some(self.header.clone()), commit: Some(self.commit()) }
    }

    /// What nodes answer.
    pub(crate) fn fetched(&self) -> Fetched {
        Fetched {
            signed_header: self.signed().encode_to_vec(),
            validators: set_of(&self.signers).encode_to_vec(),
            next_validators: set_of(&self.next).encode_to_vec(),
        }
    }

    /// The update from another block to this one.
    pub(crate) fn update_from(&self, from: &Block) -> UpdateBytes {
        UpdateBytes {
            signed_header: self.signed().encode_to_vec(),
            validators: set_of(&self.signers).encode_to_vec(),
            trusted_validators: (self.header.height != from.header.height + 1)
                .then(|| set_of(&from.next).encode_to_vec()),
        }
    }

    /// This block as one that is trusted.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let sealed = self.sealed();
        Checkpoint {
            chain: chain_id(),
            name: NAME.to_owned(),
            block: sealed.block(),
            time_secs: sealed.time(),
            time_nanos: sealed.nanos(),
            next_validators: sealed.next_validators_hash(),
            signed_bps: None,
            rules: Rules { trusting_period_secs: 10_000, clock_drift_secs: 10, ..Rules::default() },
            frozen: None,
        }
    }
}

/// The chain time just after a block.
pub(crate) fn just_after(block: &Block) -> u64 {
    u64::try_from(block.header.time.unwrap().seconds).unwrap() + 1
}

pub(crate) fn read(update: &UpdateBytes) -> Result<Update, CosmosProofError> {
    Update::read(&update.signed_header, &update.validators, update.trusted_validators.as_deref())
}

/// Judges a step as far as it goes.
pub(crate) fn step(from: &Block, to: &Block, scrutiny: Scrutiny) -> Result<Step, CosmosProofError> {
    verify_update(&from.checkpoint(), &read(&to.update_from(from))?, just_after(to), scrutiny)
}

/// Judges a step with every signature.
pub(crate) fn accept(from: &Block, to: &Block) -> Result<Verified<SealedHeader>, CosmosProofError> {
    match step(from, to, Scrutiny::Every)? {
        Step::Accepted(header) => Ok(header),
        Step::NotEnoughTrust { tallied, total } => Err(CosmosProofError::NotEnoughTrust { tallied, total }),
    }
}

/// Four validators, none of whom can be missed by two others.
pub(crate) fn four() -> Vec<Signer> {
    signers(&[(1, 40), (2, 30), (3, 20), (4, 10)])
}

/// Blocks 1 to `last` with the same validators.
pub(crate) fn steady(last: i64) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for height in 1..=last {
        let block = Block::new(height, &four(), &four(), blocks.last());
        blocks.push(block);
    }
    blocks
}

/// Trust that is pinned to a block.
pub(crate) fn pinned(checkpoint: &Checkpoint, now: u64) -> Trust {
    Trust {
        operators: Vec::new(),
        quorum: 0,
        now,
        pinned: std::iter::once((system_name(), checkpoint.to_bytes())).collect(),
    }
}

/// The contract whose state the fixture's chain holds.
pub(crate) fn contract() -> B256 {
    B256::repeat_byte(0xc0)
}

/// The digest of an event in which the contract released an amount.
pub(crate) fn said(amount: &str) -> B256 {
    let attributes = [("_contract_address", "me"), ("amount", amount), ("to", "you"), ("msg_index", "0")];
    recorded_digest("wasm-released", attributes)
}

/// Stores of the fixture's chain after block 5: one with a packed word, a text and records of events, and two others
/// beside it. The contract released 5 in block 5, and 4 in block 4.
pub(crate) fn stores() -> Vec<(&'static str, Tree)> {
    let key = |own: &[u8]| portcullis_verifier::cosmos::contract_key(contract(), own);
    let word = [[0; 22].as_slice(), &[7, 9], &[0; 8]].concat();
    let contract_keys: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (key(&recorded_key(said("5"))), 5_u64.to_be_bytes().to_vec()),
        (key(&recorded_key(said("4"))), 4_u64.to_be_bytes().to_vec()),
        (key(&recorded_key(said("odd"))), b"yes".to_vec()),
        (key(b"config"), b"{\"owner\":\"me\"}".to_vec()),
        (key(b"scope"), word),
        (key(b"text"), vec![b'x'; 40]),
        (key(b"zz"), vec![1]),
    ];
    let borrowed: Vec<(&[u8], &[u8])> =
        contract_keys.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    vec![
        ("bank", Tree::iavl(&[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])),
        ("ibc", Tree::iavl(&[(b"clients", b"none")])),
        ("wasm", Tree::iavl(&borrowed)),
    ]
}

/// The tree over all stores.
pub(crate) fn root_tree() -> Tree {
    Tree::simple(
        stores().into_iter().map(|(name, tree)| (name.as_bytes().to_vec(), tree.root().to_vec())).collect(),
    )
}

pub(crate) fn store(name: &str) -> Tree {
    stores().into_iter().find(|(own, _)| *own == name).expect("the store is there").1
}

pub(crate) fn slug(name: &str) -> Slug {
    Slug::new(name).unwrap()
}
