//! A small chain: validators with stake, blocks in shreds, votes. Made here from the formats, not by the code under
//! test: hashes one by one, trees level by level.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer, SigningKey};
use portcullis_verifier::{
    B256, BlockRef, ChainId, Claim, Evidence, OperatorId, System, Trust, Verdict, keccak256,
    solana::{
        BlockShreds, Certificate, Report, Scrutiny, ShredEvidence, ShredSystem, StakeTable, VOTE_PROGRAM,
        Voter, system_name,
    },
};
use sha2::{Digest, Sha256};

/// Slot of the first block that is made, and its parent's.
pub(crate) const SLOT: u64 = 1_000;
/// Shreds with data and with parity in a full set: seven leaves, so that a level of the tree is odd.
pub(crate) const SET: (usize, usize) = (4, 3);
const VERSION: u16 = 77;

pub(crate) fn chain() -> ChainId {
    ChainId::new("solana:localtest").unwrap()
}

fn seeded(seed: u64) -> SigningKey {
    SigningKey::from_bytes(&keccak256(seed.to_le_bytes()).0)
}

fn sha(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// Somebody with a vote account.
#[derive(Clone)]
pub(crate) struct Validator {
    pub(crate) account: B256,
    pub(crate) authority: SigningKey,
    pub(crate) stake: u64,
}

impl Validator {
    pub(crate) fn new(seed: u64, stake: u64) -> Self {
        Self { account: keccak256([b'v', seed as u8, (seed >> 8) as u8]), authority: seeded(seed), stake }
    }
}

/// Four, of whom the first three have more than two thirds, and any three without the first have too.
pub(crate) fn validators() -> Vec<Validator> {
    [30, 25, 25, 20].iter().zip(1..).map(|(stake, seed)| Validator::new(seed, *stake)).collect()
}

pub(crate) fn table(validators: &[Validator]) -> StakeTable {
    let mut voters: Vec<Voter> = validators
        .iter()
        .map(|one| Voter {
            account: one.account,
            authority: Some(B256::from(one.authority.verifying_key().to_bytes())),
            stake: one.stake,
        })
        .collect();
    voters.sort_by_key(|voter| voter.account);
    StakeTable {
        chain: chain(),
        epoch: 7,
        first_slot: SLOT - 100,
        last_slot: SLOT + 99,
        total: validators.iter().map(|one| one.stake).sum(),
        other_regime_from: None,
        voters,
    }
}

/// A count in seven-bit groups.
pub(crate) fn short(count: usize) -> Vec<u8> {
    match count {
        0..0x80 => vec![count as u8],
        _ => [vec![(count & 0x7f) as u8 | 0x80], short(count >> 7)].concat(),
    }
}

/// What a tower states: 31 slots up to `slot`, one after the other.
pub(crate) fn tower(slot: u64, bank_hash: B256, block_id: B256) -> Vec<u8> {
    let mut data = 14u32.to_le_bytes().to_vec();
    data.extend((slot - 31).to_le_bytes());
    data.push(31);
    (1..=31u8).rev().for_each(|confirmations| data.extend([1, confirmations]));
    data.extend(bank_hash);
    data.extend([1]);
    data.extend(1_700_000_000i64.to_le_bytes());
    data.extend(block_id);
    data
}

/// A message without a version: signers first, one instruction.
pub(crate) fn message(
    signers: usize,
    keys: &[[u8; 32]],
    program: u8,
    accounts: &[u8],
    data: &[u8],
) -> Vec<u8> {
    [
        vec![signers as u8, 0, 1],
        short(keys.len()),
        keys.concat(),
        vec![9; 32],
        vec![1, program],
        short(accounts.len()),
        accounts.to_vec(),
        short(data.len()),
        data.to_vec(),
    ]
    .concat()
}

/// Signatures by `signers` before the message.
pub(crate) fn signed(signers: &[&SigningKey], message: &[u8]) -> Vec<u8> {
    let mut bytes = short(signers.len());
    signers.iter().for_each(|signer| bytes.extend(signer.sign(message).to_bytes()));
    bytes.extend(message);
    bytes
}

/// A vote by `key` for `account` with this instruction.
pub(crate) fn vote_with(key: &SigningKey, account: B256, data: &[u8]) -> Vec<u8> {
    let keys = [key.verifying_key().to_bytes(), account.0, VOTE_PROGRAM];
    signed(&[key], &message(1, &keys, 2, &[1, 0], data))
}

pub(crate) fn bank_hash(slot: u64) -> B256 {
    keccak256(slot.to_be_bytes())
}

pub(crate) fn vote(validator: &Validator, slot: u64, block_id: B256) -> Vec<u8> {
    vote_with(&validator.authority, validator.account, &tower(slot, bank_hash(slot), block_id))
}

/// A transfer, as far as a block cares.
pub(crate) fn transfer(seed: u64) -> Vec<u8> {
    let payer = seeded(10_000 + seed);
    let keys = [payer.verifying_key().to_bytes(), keccak256([seed as u8]).0, [0; 32]];
    signed(&[&payer], &message(1, &keys, 2, &[0, 1], &[2, 0, 0, 0, seed as u8, 0, 0, 0, 0, 0, 0, 0]))
}

/// As claims name it.
pub(crate) fn id_of(transaction: &[u8]) -> B256 {
    keccak256(&transaction[1..65])
}

/// An entry after `previous`, encoded, and its hash.
pub(crate) fn entry(previous: [u8; 32], hashes: u64, transactions: &[Vec<u8>]) -> (Vec<u8>, [u8; 32]) {
    let mut hash = previous;
    (1..hashes).for_each(|_| hash = sha(&[&hash]));
    hash = if transactions.is_empty() {
        sha(&[&hash])
    } else {
        let mut level: Vec<[u8; 32]> = transactions.iter().map(|one| sha(&[&[0], &one[1..65]])).collect();
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| sha(&[&[1], &pair[0], pair.last().unwrap()])).collect();
        }
        sha(&[&hash, &level[0]])
    };
    let mut bytes =
        [hashes.to_le_bytes().as_slice(), &hash, &(transactions.len() as u64).to_le_bytes()].concat();
    transactions.iter().for_each(|one| bytes.extend(one));
    (bytes, hash)
}

/// A batch of entries.
pub(crate) fn batch(entries: &[Vec<u8>]) -> Vec<u8> {
    [(entries.len() as u64).to_le_bytes().to_vec(), entries.concat()].concat()
}

/// A shred with data before it has a path.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) variant: u8,
    pub(crate) slot: u64,
    pub(crate) index: u32,
    pub(crate) version: u16,
    pub(crate) set: u32,
    pub(crate) parent_offset: u16,
    pub(crate) flags: u8,
    pub(crate) bytes: Vec<u8>,
    pub(crate) previous: [u8; 32],
}

impl Leaf {
    fn depth(&self) -> usize {
        usize::from(self.variant & 0x0f)
    }

    fn room(&self) -> usize {
        let trailer = if self.variant & 0xf0 == 0xb0 { 64 } else { 0 };
        1_203 - 88 - 32 - 20 * self.depth() - trailer
    }

    /// What is hashed: headers, piece, padding, root of the set before.
    pub(crate) fn image(&self) -> Vec<u8> {
        let mut bytes = vec![self.variant];
        bytes.extend(self.slot.to_le_bytes());
        bytes.extend(self.index.to_le_bytes());
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.set.to_le_bytes());
        bytes.extend(self.parent_offset.to_le_bytes());
        bytes.push(self.flags);
        bytes.extend((88 + self.bytes.len() as u16).to_le_bytes());
        bytes.extend(&self.bytes);
        bytes.resize(24 + self.room(), 0);
        bytes.extend(self.previous);
        bytes
    }
}

/// The levels of a tree from its leaves up; an odd last node is its own sibling.
pub(crate) fn levels(leaves: &[Vec<u8>]) -> Vec<Vec<[u8; 32]>> {
    let mut levels =
        vec![leaves.iter().map(|leaf| sha(&[b"\x00SOLANA_MERKLE_SHREDS_LEAF", leaf])).collect::<Vec<_>>()];
    while levels.last().unwrap().len() > 1 {
        let next = levels.last().unwrap().chunks(2);
        let next = next.map(|pair| {
            sha(&[b"\x01SOLANA_MERKLE_SHREDS_NODE", &pair[0][..20], &pair.last().unwrap()[..20]])
        });
        levels.push(next.collect());
    }
    levels
}

/// The path of a leaf.
pub(crate) fn path(levels: &[Vec<[u8; 32]>], mut at: usize) -> Vec<u8> {
    let mut path = Vec::new();
    for level in &levels[..levels.len() - 1] {
        path.extend(&level.get(at ^ 1).unwrap_or(&level[at])[..20]);
        at /= 2;
    }
    path
}

/// Shreds of one set with their paths, and its root. Parity is hashed as it is and not looked at.
pub(crate) fn set_of(leaves: &[Leaf], code: usize) -> (Vec<Vec<u8>>, [u8; 32]) {
    let mut images: Vec<Vec<u8>> = leaves.iter().map(Leaf::image).collect();
    images.extend((0..code).map(|at| vec![at as u8; 1_000]));
    let levels = levels(&images);
    let parts = (0..leaves.len()).map(|at| [images[at].clone(), path(&levels, at)].concat()).collect();
    (parts, levels.last().unwrap()[0])
}

/// A block with everything that is known of it.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) slot: u64,
    pub(crate) parent_slot: u64,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) parts: Vec<Vec<u8>>,
    pub(crate) block_id: B256,
    pub(crate) start: B256,
    pub(crate) blockhash: B256,
    pub(crate) transactions: Vec<Vec<u8>>,
}

/// Lays batches out in sets of four, the last of which is signed by whoever passes it on, as on the chain.
pub(crate) fn lay_out(slot: u64, parent_slot: u64, parent: B256, batches: &[Vec<u8>]) -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let fresh = |bytes: &[u8], flags| Leaf {
        variant: 0x93,
        slot,
        index: 0,
        version: VERSION,
        set: 0,
        parent_offset: (slot - parent_slot) as u16,
        flags,
        bytes: bytes.to_vec(),
        previous: parent.0,
    };
    for batch in batches {
        let pieces: Vec<&[u8]> = batch.chunks(300).collect();
        let (last, before) = pieces.split_last().unwrap();
        leaves.extend(before.iter().map(|piece| fresh(piece, 1)));
        leaves.push(fresh(last, 0x41));
    }
    while !leaves.len().is_multiple_of(SET.0) {
        leaves.push(fresh(&[], 0x01));
    }
    // Nothing but padding after the last batch: the batch's end moves to where the block ends.
    let last = leaves.len() - 1;
    let end = leaves.iter().rposition(|leaf| leaf.flags & 0x40 != 0).unwrap();
    leaves[end].flags = 1;
    leaves[last].flags = 0xc1;
    for (at, leaf) in leaves.iter_mut().enumerate() {
        (leaf.index, leaf.set) = (at as u32, (at - at % SET.0) as u32);
        if at >= last + 1 - SET.0 {
            leaf.variant = 0xb3;
        }
    }
    leaves
}

/// Paths for leaves, each set chained to the one before it.
pub(crate) fn shred(leaves: &mut [Leaf]) -> (Vec<Vec<u8>>, B256) {
    let (mut parts, mut previous) = (Vec::new(), leaves[0].previous);
    for set in leaves.chunks_mut(SET.0) {
        set.iter_mut().for_each(|leaf| leaf.previous = previous);
        let (mut made, root) = set_of(set, SET.1);
        parts.append(&mut made);
        previous = root;
    }
    (parts, B256::from(previous))
}

/// A block of six transactions in three entries between ticks.
pub(crate) fn block(slot: u64, parent_slot: u64, parent: B256) -> Made {
    let transactions: Vec<Vec<u8>> = (0..6).map(|at| transfer(slot * 10 + at)).collect();
    let start = keccak256(parent);
    let (tick, mut hash) = entry(start.0, 10, &[]);
    let mut batches = vec![batch(&[tick])];
    for (from, to, hashes) in [(0, 3, 4), (3, 4, 1), (4, 6, 2)] {
        let (bytes, after) = entry(hash, hashes, &transactions[from..to]);
        batches.push(batch(&[bytes]));
        hash = after;
    }
    let (tick, hash) = entry(hash, 3, &[]);
    batches.push(batch(&[tick]));
    let mut leaves = lay_out(slot, parent_slot, parent, &batches);
    let (parts, block_id) = shred(&mut leaves);
    let blockhash = B256::from(hash);
    Made { slot, parent_slot, leaves, parts, block_id, start, blockhash, transactions }
}

impl Made {
    pub(crate) fn shreds(&self) -> BlockShreds {
        BlockShreds { shreds: self.parts.clone() }
    }

    pub(crate) fn claim(&self, transaction: &[u8], code: Option<u32>) -> Claim {
        let block = BlockRef { height: self.slot, hash: self.blockhash };
        Claim::Included { chain: chain(), block, transaction: id_of(transaction), code }
    }

    pub(crate) fn votes(&self, voters: &[Validator]) -> Certificate {
        Certificate::Tower { votes: voters.iter().map(|one| vote(one, self.slot, self.block_id)).collect() }
    }

    pub(crate) fn report(&self, operator: &str, transaction: &[u8], code: u32) -> Report {
        Report {
            operator: OperatorId::new(operator).unwrap(),
            block: BlockRef { height: self.slot, hash: self.blockhash },
            transaction: id_of(transaction),
            code,
        }
    }
}

/// The block that most tests are about.
pub(crate) fn claimed() -> Made {
    block(SLOT, SLOT - 1, B256::repeat_byte(0x11))
}

/// Its child, two slots later.
pub(crate) fn child() -> Made {
    let parent = claimed();
    block(SLOT + 2, SLOT, parent.block_id)
}

pub(crate) fn trust(quorum: u16) -> Trust {
    Trust {
        operators: ["one", "two", "three"].map(|name| OperatorId::new(name).unwrap()).to_vec(),
        quorum,
        now: 0,
        pinned: BTreeMap::from([(system_name(), table(&validators()).to_bytes())]),
    }
}

pub(crate) fn verdict_of(claim: &Claim, evidence: &Evidence) -> Verdict {
    ShredSystem { scrutiny: Scrutiny::Every }.verify(claim, evidence, &trust(2))
}

/// Votes and shreds of the claimed block.
pub(crate) fn shown() -> ShredEvidence {
    let block = claimed();
    ShredEvidence {
        reports: Vec::new(),
        certificate: Some(block.votes(&validators()[..3])),
        blocks: vec![block.shreds()],
    }
}
