//! Real blocks: what mainnet committed to is what is computed here.

use std::fs;

use alloy_consensus::{Header, ReceiptEnvelope, TxReceipt};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{B256, U256, keccak256};
use portcullis_verifier::{
    BlockRef, Claim, Relation, Verdict, Verified,
    evm::{
        self, Anchor, EvmProofError, Nodes, Payload, QuorumEvidence, SealedHeader, attested_header,
        log_digest, verify_account, verify_account_absent, verify_parent, verify_receipts, verify_storage,
        verify_storage_absent, verify_transactions,
    },
};
use serde_json::Value;

use crate::{
    fixture::{Block, attested, chain_id, claimed, trust, trusted, verdict},
    vectors::{Mainnet, Proof, bytes, encode_receipt, find, json, list},
};

fn header_of(mainnet: &Mainnet) -> Verified<SealedHeader> {
    let block = BlockRef { height: mainnet.header.number, hash: mainnet.hash };
    attested_header(&mainnet.header_rlp, &attested(block), &trust()).unwrap()
}

#[test]
fn the_header_of_a_mainnet_block_hashes_to_its_name() {
    let Some(mainnet) = Mainnet::load() else { return };
    let header = evm::open_header(&mainnet.header_rlp).unwrap();
    assert_eq!(header.hash(), mainnet.hash);
    assert_eq!((header.number, header.inner()), (21_925_176, &mainnet.header));
    let mut other = mainnet.header.clone();
    other.gas_used += 1;
    assert_ne!(evm::open_header(&alloy_rlp::encode(&other)).unwrap().hash(), mainnet.hash);
}

#[test]
fn the_receipts_of_a_mainnet_block_add_up_to_its_root() {
    let Some(mainnet) = Mainnet::load() else { return };
    let header = header_of(&mainnet);
    let verified = verify_receipts(&header, &mainnet.receipts).unwrap();
    assert_eq!(verified.value().len(), 202);
    let logs: usize = verified.value().iter().map(|receipt| receipt.logs().len()).sum();
    assert_eq!(logs, mainnet.logs.len());
    assert_eq!(verified.value().iter().filter(|receipt| !receipt.status()).count(), 3);
    for missing in [0, 100, 201] {
        let mut receipts = mainnet.receipts.clone();
        receipts.remove(missing);
        assert!(matches!(verify_receipts(&header, &receipts), Err(EvmProofError::ListRoot { .. })));
    }
}

fn receipts_evidence(mainnet: &Mainnet) -> QuorumEvidence {
    let block = BlockRef { height: mainnet.header.number, hash: mainnet.hash };
    QuorumEvidence {
        header: mainnet.header_rlp.clone(),
        attestations: attested(block),
        anchor: Anchor::Itself,
        payload: Payload::Receipts(mainnet.receipts.clone()),
    }
}

#[test]
fn every_log_is_proven_at_the_index_that_the_node_gave_it() {
    let Some(mainnet) = Mainnet::load() else { return };
    let block = BlockRef { height: mainnet.header.number, hash: mainnet.hash };
    let sent = receipts_evidence(&mainnet);
    // Every seventh, because each verdict hashes the whole block again.
    for (index, address, topics, data) in mainnet.logs.iter().step_by(7) {
        let raw = log_digest(*address, topics, data);
        let at = |log_index| Claim::Emitted { chain: chain_id(), block, log_index, raw };
        assert!(matches!(verdict(&at(*index), &sent), Verdict::Proven(_)), "log {index}");
        assert!(matches!(verdict(&at(index + 1), &sent), Verdict::Refuted(..)), "log {index} one later");
    }
    let absent = |contract: B256, topics: Vec<B256>| {
        verdict(&Claim::NotEmitted { chain: chain_id(), block, contract, topics }, &sent)
    };
    let deposit = mainnet.deposit.address.into_word();
    let topic = keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)");
    assert!(matches!(absent(deposit, vec![topic]), Verdict::Refuted(..)), "a deposit is in this block");
    assert!(matches!(absent(deposit, vec![B256::ZERO]), Verdict::Proven(_)));
}

fn check_proof(header: &Verified<SealedHeader>, proof: &Proof) {
    let account = verify_account(header, proof.address, &proof.account_nodes).unwrap();
    let fields = account.value().fields();
    assert_eq!((fields.nonce, fields.balance), (proof.nonce, proof.balance));
    assert_eq!((fields.code_hash, fields.storage_root), (proof.code_hash, proof.storage_hash));
    assert_eq!(
        verify_account_absent(header, proof.address, &proof.account_nodes).unwrap_err(),
        EvmProofError::AccountPresent { address: proof.address }
    );
    for (key, word, nodes) in &proof.slots {
        let slot = verify_storage(&account, *key, nodes);
        if word.is_zero() {
            assert_eq!(slot.unwrap_err(), EvmProofError::SlotAbsent { key: *key });
            assert!(verify_storage_absent(&account, *key, nodes).is_ok());
        } else {
            assert_eq!(slot.unwrap().value(), word);
            assert!(verify_storage_absent(&account, *key, nodes).is_err());
        }
    }
}

#[test]
fn state_proofs_of_mainnet_verify_under_its_root_and_no_other() {
    let Some(mainnet) = Mainnet::load() else { return };
    let header = header_of(&mainnet);
    for proof in [&mainnet.deposit, &mainnet.builder] {
        check_proof(&header, proof);
        assert!(verify_account(&trusted(&claimed()), proof.address, &proof.account_nodes).is_err());
    }
    assert!(verify_account(&header, mainnet.builder.address, &mainnet.deposit.account_nodes).is_err());

    let block = BlockRef { height: mainnet.header.number, hash: mainnet.hash };
    let (key, word, nodes) = mainnet.deposit.slots[0].clone();
    let payload = Payload::State {
        account_nodes: Nodes(mainnet.deposit.account_nodes.clone()),
        storage_nodes: Nodes(nodes),
    };
    let sent = QuorumEvidence { payload, ..receipts_evidence(&mainnet) };
    let contract = mainnet.deposit.address.into_word();
    let claim = |value| Claim::State {
        chain: chain_id(),
        block,
        contract,
        key,
        mask: U256::MAX,
        relation: Relation::Equal,
        value,
    };
    assert!(matches!(verdict(&claim(word), &sent), Verdict::Proven(_)));
    assert!(matches!(verdict(&claim(word + U256::from(1)), &sent), Verdict::Refuted(..)));
}

/// The execution header that a beacon block (Capella) commits to, from its payload and from what is fixed since
/// the merge.
fn header_of_payload(payload: &Value, transactions_root: B256) -> Header {
    let number = |name: &str| payload[name].as_str().unwrap().parse::<u64>().unwrap();
    let hash = |name: &str| payload[name].as_str().unwrap().parse::<B256>().unwrap();
    let withdrawal = |entry: &Value| {
        let number = |name: &str| entry[name].as_str().unwrap().parse::<u64>().unwrap();
        Withdrawal {
            index: number("index"),
            validator_index: number("validator_index"),
            address: entry["address"].as_str().unwrap().parse().unwrap(),
            amount: number("amount"),
        }
    };
    let withdrawals: Vec<Withdrawal> =
        payload["withdrawals"].as_array().unwrap().iter().map(withdrawal).collect();
    Header {
        parent_hash: hash("parent_hash"),
        beneficiary: payload["fee_recipient"].as_str().unwrap().parse().unwrap(),
        state_root: hash("state_root"),
        transactions_root,
        receipts_root: hash("receipts_root"),
        logs_bloom: payload["logs_bloom"].as_str().unwrap().parse().unwrap(),
        number: number("block_number"),
        gas_limit: number("gas_limit"),
        gas_used: number("gas_used"),
        timestamp: number("timestamp"),
        extra_data: bytes(&payload["extra_data"]).into(),
        mix_hash: hash("prev_randao"),
        base_fee_per_gas: Some(number("base_fee_per_gas")),
        withdrawals_root: Some(alloy_consensus::proofs::calculate_withdrawals_root(&withdrawals)),
        ..Header::default()
    }
}

/// Header, its hash by the beacon chain, and the transactions.
fn beacon_block(slot: u64) -> Option<(Header, B256, Vec<Vec<u8>>)> {
    let path = find(&format!("ethereum/helios-mainnet-capella/blocks/{slot}.json"))?;
    let block = json(&path);
    let payload = &block["data"]["message"]["body"]["execution_payload"];
    let transactions = list(&payload["transactions"]);
    let root = alloy_trie::root::ordered_trie_root_encoded(&transactions);
    let header = header_of_payload(payload, root);
    Some((header, payload["block_hash"].as_str().unwrap().parse().unwrap(), transactions))
}

#[test]
fn transactions_of_mainnet_blocks_add_up_to_their_root() {
    for slot in [7_109_344, 7_109_430, 7_109_431] {
        let Some((header, hash, transactions)) = beacon_block(slot) else { return };
        let rlp = alloy_rlp::encode(&header);
        assert_eq!(keccak256(&rlp), hash, "slot {slot}");
        let block = BlockRef { height: header.number, hash };
        let header = attested_header(&rlp, &attested(block), &trust()).unwrap();
        let verified = verify_transactions(&header, &transactions).unwrap();
        assert!(verified.value().len() > 50, "slot {slot}");
        for (transaction, bytes) in verified.value().iter().zip(&transactions) {
            assert_eq!(transaction.hash, keccak256(bytes));
        }
        let fewer = verify_transactions(&header, &transactions[1..]);
        assert!(matches!(fewer, Err(EvmProofError::ListRoot { what: "transactions", .. })));
    }
}

#[test]
fn two_mainnet_blocks_are_parent_and_child() {
    let (Some((parent, parent_hash, _)), Some((child, child_hash, _))) =
        (beacon_block(7_109_430), beacon_block(7_109_431))
    else {
        return;
    };
    let block = BlockRef { height: child.number, hash: child_hash };
    let child = attested_header(&alloy_rlp::encode(&child), &attested(block), &trust()).unwrap();
    let verified = verify_parent(&child, &alloy_rlp::encode(&parent)).unwrap();
    assert_eq!(verified.value().hash(), parent_hash);
    let mut other = parent;
    other.gas_used += 1;
    assert!(matches!(
        verify_parent(&child, &alloy_rlp::encode(&other)),
        Err(EvmProofError::BrokenChain { .. })
    ));
}

/// The answers in a file of `ethereum/execution-apis`: lines of `>>` request and `<<` answer.
fn exchange(path: &str) -> Option<(Value, Value)> {
    let text = fs::read_to_string(find(&format!("ethereum/execution-apis/{path}.io"))?).unwrap();
    let line = |mark: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(mark)).unwrap();
        serde_json::from_str::<Value>(line).unwrap()
    };
    Some((line(">> ")["params"].clone(), line("<< ")["result"].clone()))
}

#[test]
fn answers_of_the_conformance_suite_verify() {
    for name in [
        "get-account-proof-latest",
        "get-account-proof-default-block",
        "get-account-proof-blockhash",
        "get-account-proof-with-storage",
    ] {
        let Some((asked, answer)) = exchange(&format!("eth_getProof/{name}")) else { return };
        let proof = Proof::read(&answer);
        assert_eq!(asked[0].as_str().unwrap().parse(), Ok(proof.address), "{name}");
        // The suite gives no header; the first node is the root's, and everything below must follow from it.
        let mut block = claimed();
        block.header.state_root = keccak256(&proof.account_nodes[0]);
        check_proof(&trusted(&block), &proof);
        let elsewhere = verify_account(&trusted(&claimed()), proof.address, &proof.account_nodes);
        assert!(elsewhere.is_err(), "{name}");
    }
}

#[test]
fn receipts_of_the_conformance_suite_are_read_as_they_were_written() {
    for (name, post_state) in [("get-block-receipts-n", true), ("get-block-receipts-latest", false)] {
        let Some((_, answer)) = exchange(&format!("eth_getBlockReceipts/{name}")) else { return };
        let receipts = answer.as_array().unwrap();
        let encoded: Vec<Vec<u8>> = receipts.iter().map(encode_receipt).collect();
        let decoded: Vec<ReceiptEnvelope> =
            receipts.iter().map(|receipt| serde_json::from_value(receipt.clone()).unwrap()).collect();
        let block = Block { receipts: decoded.clone(), ..claimed() }.sealed();
        let verified = verify_receipts(&trusted(&block), &encoded).unwrap();
        assert_eq!(verified.value(), &decoded);
        // Before Byzantium a receipt had a state root where it now has a status.
        let old = verified.value().iter().all(|receipt| {
            matches!(receipt, evm::Receipt::Common(receipt) if receipt.status_or_post_state().is_post_state())
        });
        assert_eq!(old, post_state, "{name}");
        assert!(verify_receipts(&trusted(&block), &encoded[1..]).is_err());
        let reported: usize = receipts.iter().map(|r| r["logs"].as_array().unwrap().len()).sum();
        let proven: usize = verified.value().iter().map(|receipt| receipt.logs().len()).sum();
        assert_eq!(proven, reported);
    }
}
