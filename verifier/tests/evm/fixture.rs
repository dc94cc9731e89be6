//! A small chain of our own: real tries, real headers, all receipt types.

use std::collections::BTreeMap;

use alloy_consensus::{Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxType};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
};
use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use alloy_trie::{HashBuilder, KECCAK_EMPTY, Nibbles, TrieAccount, proof::ProofRetainer};
use portcullis_verifier::{
    BlockRef, ChainId, Claim, Evidence, OperatorId, Registry, Relation, Trust, Verdict, Verified,
    evm::{self, Anchor, Attestation, Nodes, Payload, QuorumEvidence, SealedHeader, log_digest},
};

/// A trie with all its content, to prove from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trie(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl Trie {
    pub(crate) fn of<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(entries.into_iter().map(|(k, v)| (k.as_ref().to_vec(), v.as_ref().to_vec())).collect())
    }

    fn build(&self, targets: &[&[u8]]) -> (B256, Vec<Vec<u8>>) {
        let retainer = ProofRetainer::from_iter(targets.iter().map(Nibbles::unpack));
        let mut builder = HashBuilder::default().with_proof_retainer(retainer);
        for (key, value) in &self.0 {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        let root = builder.root();
        let nodes = builder.take_proof_nodes().into_nodes_sorted();
        // What is embedded in its parent is not a node of its own in a proof.
        let path = nodes.into_iter().enumerate().filter(|(at, (_, node))| *at == 0 || node.len() >= 32);
        (root, path.map(|(_, (_, node))| node.to_vec()).collect())
    }

    pub(crate) fn root(&self) -> B256 {
        self.build(&[]).0
    }

    /// The hashed nodes on the path of `key`.
    pub(crate) fn prove(&self, key: &[u8]) -> Vec<Vec<u8>> {
        self.build(&[key]).1
    }
}

/// A contract with its storage.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub(crate) code_hash: B256,
    pub(crate) slots: BTreeMap<B256, U256>,
}

impl Contract {
    fn trie(&self) -> Trie {
        Trie::of(self.slots.iter().map(|(key, word)| (keccak256(key), alloy_rlp::encode(word))))
    }
}

/// A block with everything that it commits to.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) receipts: Vec<ReceiptEnvelope>,
    pub(crate) contracts: BTreeMap<Address, Contract>,
}

impl Block {
    /// Sets the roots from the content.
    pub(crate) fn sealed(mut self) -> Self {
        self.header.state_root = self.state().root();
        self.header.receipts_root = alloy_consensus::proofs::calculate_receipt_root(&self.receipts);
        self
    }

    pub(crate) fn rlp(&self) -> Vec<u8> {
        alloy_rlp::encode(&self.header)
    }

    pub(crate) fn block_ref(&self) -> BlockRef {
        BlockRef { height: self.header.number, hash: self.header.hash_slow() }
    }

    pub(crate) fn receipt_bytes(&self) -> Vec<Vec<u8>> {
        self.receipts.iter().map(Encodable2718::encoded_2718).collect()
    }

    pub(crate) fn receipt_trie(&self) -> Trie {
        Trie::of((0u64..).zip(self.receipt_bytes()).map(|(index, bytes)| (alloy_rlp::encode(index), bytes)))
    }

    pub(crate) fn receipt_path(&self, index: u64) -> Vec<Vec<u8>> {
        self.receipt_trie().prove(&alloy_rlp::encode(index))
    }

    fn state(&self) -> Trie {
        Trie::of(self.contracts.iter().map(|(address, contract)| {
            let account = TrieAccount::new(1, U256::from(7), contract.trie().root(), contract.code_hash);
            (keccak256(address), alloy_rlp::encode(account))
        }))
    }

    pub(crate) fn account_path(&self, address: Address) -> Vec<Vec<u8>> {
        self.state().prove(keccak256(address).as_slice())
    }

    pub(crate) fn slot_path(&self, address: Address, key: B256) -> Vec<Vec<u8>> {
        self.contracts[&address].trie().prove(keccak256(key).as_slice())
    }

    /// The log at `index` in the block, as its digest.
    pub(crate) fn log_digest(&self, index: usize) -> B256 {
        let log = self.receipts.iter().flat_map(ReceiptEnvelope::logs).nth(index).unwrap();
        log_digest(log.address, log.topics(), &log.data.data)
    }
}

pub(crate) fn operator(name: &str) -> OperatorId {
    OperatorId::new(name).unwrap()
}

/// Two of three must agree.
pub(crate) fn trust() -> Trust {
    Trust {
        operators: ["alpha", "bravo", "charlie"].map(operator).to_vec(),
        quorum: 2,
        now: NOW,
        pinned: std::collections::BTreeMap::new(),
    }
}

/// Chain time of the tests, 12 s after the newest block.
pub(crate) const NOW: u64 = 1_770_000_012;

/// Exactly as many voices as the quorum needs, so that losing any of them is seen.
pub(crate) fn attested(block: BlockRef) -> Vec<Attestation> {
    ["alpha", "bravo"].map(|name| Attestation { operator: operator(name), block }).to_vec()
}

/// A header that two of three operators vouch for.
pub(crate) fn trusted(block: &Block) -> Verified<SealedHeader> {
    evm::attested_header(&block.rlp(), &attested(block.block_ref()), &trust()).unwrap()
}

pub(crate) fn chain_id() -> ChainId {
    ChainId::new("eip155:1").unwrap()
}

pub(crate) fn contract(index: u8) -> Address {
    Address::repeat_byte(index)
}

pub(crate) fn log(address: Address, topics: &[u8], data: &[u8]) -> Log {
    let topics = topics.iter().map(|topic| B256::repeat_byte(*topic)).collect();
    Log::new_unchecked(address, topics, Bytes::copy_from_slice(data))
}

pub(crate) fn receipt(kind: TxType, status: bool, logs: Vec<Log>) -> ReceiptEnvelope {
    let receipt = Receipt { status: Eip658Value::Eip658(status), cumulative_gas_used: 21_000, logs };
    ReceiptEnvelope::from_typed(kind, ReceiptWithBloom::from(receipt))
}

/// One receipt of every type: 8 logs in successful ones, and a failed transaction in the middle.
pub(crate) fn receipts() -> Vec<ReceiptEnvelope> {
    let a = |data: &[u8]| log(contract(1), &[0xaa, 0xbb], data);
    let b = |data: &[u8]| log(contract(2), &[0xcc], data);
    vec![
        receipt(TxType::Legacy, true, vec![a(b"one"), b(b"two")]),
        receipt(TxType::Eip2930, true, vec![]),
        receipt(TxType::Eip1559, true, vec![a(b"three"), a(b"four"), b(b"five")]),
        receipt(TxType::Eip1559, false, vec![]),
        receipt(TxType::Eip4844, true, vec![b(b"six")]),
        receipt(TxType::Eip7702, true, vec![a(b"seven"), log(contract(3), &[], b"eight")]),
    ]
}

/// Key of the packed slot that guards use in these tests, and a few others.
pub(crate) fn key(index: u8) -> B256 {
    B256::with_last_byte(index)
}

fn guard() -> Contract {
    let until = U256::from(1_770_003_600u64) << 8;
    let slots = (0u8..24).map(|index| (key(index), until + U256::from(index) + U256::from(2)));
    Contract { code_hash: keccak256(b"guard"), slots: slots.collect() }
}

/// A block at `number` on top of `parent`, with contracts 1 to 40, contract 1 being a guard with 24 slots.
pub(crate) fn block(number: u64, parent: B256, time: u64) -> Block {
    let plain = Contract { code_hash: KECCAK_EMPTY, slots: BTreeMap::new() };
    let mut contracts: BTreeMap<Address, Contract> =
        (1u8..=40).map(|index| (contract(index), plain.clone())).collect();
    contracts.insert(contract(1), guard());
    let header = Header {
        parent_hash: parent,
        number,
        timestamp: time,
        base_fee_per_gas: Some(7),
        withdrawals_root: Some(B256::repeat_byte(1)),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::repeat_byte(2)),
        requests_hash: Some(B256::repeat_byte(3)),
        ..Header::default()
    };
    Block { header, receipts: receipts(), contracts }.sealed()
}

/// Number of the block that claims are about.
pub(crate) const HEIGHT: u64 = 20_000;

/// The block that claims are about.
pub(crate) fn claimed() -> Block {
    block(HEIGHT, B256::repeat_byte(9), NOW - 12 - 36)
}

/// Three blocks on top of [`claimed`], 12 s apart; the last one remembers it.
pub(crate) fn descendants() -> Vec<Block> {
    let first = claimed();
    let mut blocks: Vec<Block> = Vec::new();
    for step in 1..=3u64 {
        let parent = blocks.last().unwrap_or(&first).block_ref().hash;
        let mut next = block(HEIGHT + step, parent, first.header.timestamp + 12 * step);
        let mut slots: BTreeMap<B256, U256> =
            (0u64..40).map(|place| (B256::from(U256::from(place)), U256::from(place + 1))).collect();
        slots.insert(evm::history_slot(HEIGHT), first.block_ref().hash.into());
        let code_hash = keccak256(&HISTORY_STORAGE_CODE);
        next.contracts.insert(HISTORY_STORAGE_ADDRESS, Contract { code_hash, slots });
        blocks.push(next.sealed());
    }
    blocks
}

/// Claims about [`claimed`].
pub(crate) fn emitted(log_index: u32, raw: B256) -> Claim {
    Claim::Emitted { chain: chain_id(), block: claimed().block_ref(), log_index, raw }
}

pub(crate) fn not_emitted(address: Address, topics: &[u8]) -> Claim {
    let topics = topics.iter().map(|topic| B256::repeat_byte(*topic)).collect();
    let contract = address.into_word();
    Claim::NotEmitted { chain: chain_id(), block: claimed().block_ref(), contract, topics }
}

pub(crate) fn state(address: Address, key: B256, mask: U256, relation: Relation, value: U256) -> Claim {
    let contract = address.into_word();
    Claim::State { chain: chain_id(), block: claimed().block_ref(), contract, key, mask, relation, value }
}

pub(crate) fn state_absent(address: Address, key: B256) -> Claim {
    let contract = address.into_word();
    Claim::StateAbsent { chain: chain_id(), block: claimed().block_ref(), contract, key }
}

/// Evidence about [`claimed`] under its own header.
pub(crate) fn evidence(payload: Payload) -> QuorumEvidence {
    let block = claimed();
    QuorumEvidence {
        header: block.rlp(),
        attestations: attested(block.block_ref()),
        anchor: Anchor::Itself,
        payload,
    }
}

pub(crate) fn all_receipts() -> Payload {
    Payload::Receipts(claimed().receipt_bytes())
}

/// The first `count` receipts, each by its path.
pub(crate) fn leading_receipts(count: u64) -> Payload {
    let block = claimed();
    Payload::LeadingReceipts((0..count).map(|index| Nodes(block.receipt_path(index))).collect())
}

pub(crate) fn slot_payload(address: Address, key: B256) -> Payload {
    let block = claimed();
    Payload::State {
        account_nodes: Nodes(block.account_path(address)),
        storage_nodes: Nodes(block.slot_path(address, key)),
    }
}

pub(crate) fn absent_account_payload(address: Address) -> Payload {
    Payload::State { account_nodes: Nodes(claimed().account_path(address)), storage_nodes: Nodes::default() }
}

/// The same evidence, with the last of [`descendants`] attested instead.
pub(crate) fn through_chain(evidence: QuorumEvidence) -> QuorumEvidence {
    let blocks = descendants();
    QuorumEvidence {
        attestations: attested(blocks.last().unwrap().block_ref()),
        anchor: Anchor::Descendant(blocks.iter().map(Block::rlp).collect()),
        ..evidence
    }
}

/// The same evidence, with the last of [`descendants`] attested and its state remembering the block.
pub(crate) fn through_history(evidence: QuorumEvidence) -> QuorumEvidence {
    let last = descendants().pop().unwrap();
    QuorumEvidence {
        attestations: attested(last.block_ref()),
        anchor: Anchor::History {
            header: last.rlp(),
            account_nodes: Nodes(last.account_path(HISTORY_STORAGE_ADDRESS)),
            storage_nodes: Nodes(last.slot_path(HISTORY_STORAGE_ADDRESS, evm::history_slot(HEIGHT))),
        },
        ..evidence
    }
}

/// A registry with this family's system.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.add(Box::new(evm::QuorumSystem)).unwrap();
    registry
}

/// The verdict that evidence gets by way of the registry.
pub(crate) fn verdict(claim: &Claim, evidence: &QuorumEvidence) -> Verdict {
    verdict_of(claim, &evidence.to_evidence())
}

pub(crate) fn verdict_of(claim: &Claim, evidence: &Evidence) -> Verdict {
    registry().verify(claim, evidence, &trust())
}
