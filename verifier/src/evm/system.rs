//! The proof system `evm-quorum-v1`: execution proofs under a header that a quorum of RPC operators reported.

use alloy_primitives::Address;

use super::{
    SYSTEM_NAME,
    account::{Account, Slot, read_account, read_storage},
    error::{EvmProofError, cut},
    evidence::{Anchor, Nodes, Payload, QuorumEvidence},
    header::{SealedHeader, older, open_header, open_header_of, verify_ancestors},
    history::verify_ancestry,
    limits::MAX_TOPICS,
    log_digest,
    quorum::attest,
    receipts::{Receipt, verify_leading_receipts, verify_receipts},
    system_name,
};
use crate::{
    B256, BlockRef, Claim, Evidence, Refutation, Slug, System, Trust, Undecided, Verdict, Verified, WordTest,
};

/// Namespace of this family's chains in CAIP-2.
const NAMESPACE: &str = "eip155";

/// Judges `evm-quorum-v1` evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuorumSystem;

impl System for QuorumSystem {
    fn name(&self) -> Slug {
        system_name()
    }

    fn verify(&self, claim: &Claim, evidence: &Evidence, trust: &Trust) -> Verdict {
        judge(claim, evidence, trust).unwrap_or_else(Verdict::Undecided)
    }
}

fn judge(claim: &Claim, evidence: &Evidence, trust: &Trust) -> Result<Verdict, Undecided> {
    if evidence.system.as_str() != SYSTEM_NAME {
        return Err(Undecided::NoVerifier { system: evidence.system.as_str().to_owned() });
    }
    if claim.chain().namespace() != NAMESPACE {
        return Err(Undecided::NoVerifier { system: format!("{SYSTEM_NAME} on {}", claim.chain()) });
    }
    let evidence = QuorumEvidence::decode(&evidence.bytes)?;
    let header = trusted_header(claim.block(), &evidence, trust)?;
    match claim {
        Claim::Emitted { log_index, raw, .. } => judge_emitted(&header, &evidence.payload, *log_index, *raw),
        Claim::NotEmitted { contract, topics, .. } => {
            judge_not_emitted(&header, &evidence.payload, *contract, topics)
        }
        Claim::State { contract, key, mask, relation, value, .. } => {
            let test = WordTest { mask: *mask, relation: *relation, value: *value };
            judge_state(&header, &evidence.payload, *contract, *key, &test)
        }
        Claim::StateAbsent { contract, key, .. } => {
            judge_state_absent(&header, &evidence.payload, *contract, *key)
        }
        Claim::Stored { .. } | Claim::NotStored { .. } | Claim::Included { .. } => {
            Err(EvmProofError::Claim { why: "this family proves logs and words of contracts" }.into())
        }
    }
}

/// The header of the claim's block, by the operators' word on it or on a later block that leads back to it.
fn trusted_header(
    block: BlockRef,
    evidence: &QuorumEvidence,
    trust: &Trust,
) -> Result<Verified<SealedHeader>, Undecided> {
    let header = open_header_of(block, &evidence.header)?;
    match &evidence.anchor {
        Anchor::Itself => attest(header, &evidence.attestations, trust),
        Anchor::Descendant(later) => {
            let Some((last, between)) = later.split_last() else {
                return Err(EvmProofError::Encoding { detail: "a chain of no headers".to_owned() }.into());
            };
            let anchor = attest(open_header(last)?, &evidence.attestations, trust)?;
            let chain: Vec<&[u8]> =
                core::iter::once(&evidence.header).chain(between).map(Vec::as_slice).collect();
            let ancestors = verify_ancestors(&anchor, &chain)?;
            // The first of the chain is the header that was opened above, so there is always one.
            ancestors
                .into_iter()
                .next()
                .ok_or_else(|| EvmProofError::Encoding { detail: "a chain of no headers".to_owned() }.into())
        }
        Anchor::History { header: later, account_nodes, storage_nodes } => {
            let anchor = attest(open_header(later)?, &evidence.attestations, trust)?;
            verify_ancestry(&anchor, block, &account_nodes.0, &storage_nodes.0)?;
            let assurance = older(&anchor, &header);
            Ok(Verified::new(header, assurance))
        }
    }
}

/// Receipts of the block, and whether they are all of them.
struct Given {
    receipts: Verified<Vec<Receipt>>,
    whole_block: bool,
}

fn given_receipts(
    header: &Verified<SealedHeader>,
    payload: &Payload,
    claim: &'static str,
) -> Result<Given, EvmProofError> {
    match payload {
        Payload::Receipts(receipts) => {
            Ok(Given { receipts: verify_receipts(header, receipts)?, whole_block: true })
        }
        Payload::LeadingReceipts(paths) => {
            Ok(Given { receipts: verify_leading_receipts(header, paths)?, whole_block: false })
        }
        Payload::State { .. } => Err(EvmProofError::Payload { claim, payload: "state" }),
    }
}

fn judge_emitted(
    header: &Verified<SealedHeader>,
    payload: &Payload,
    log_index: u32,
    raw: B256,
) -> Result<Verdict, Undecided> {
    let given = given_receipts(header, payload, "a log was emitted")?;
    let assurance = *given.receipts.assurance();
    let mut logs = given.receipts.value().iter().flat_map(Receipt::logs);
    let place = usize::try_from(log_index).unwrap_or(usize::MAX);
    let refuted = |found: String| {
        let expected = format!("log {log_index} of block {} has digest {raw}", header.value().hash());
        Verdict::Refuted(Refutation { expected, found: cut(found) }, assurance)
    };
    match logs.nth(place) {
        Some(log) => {
            let found = log_digest(log.address, log.topics(), &log.data.data);
            if found == raw {
                Ok(Verdict::Proven(assurance))
            } else {
                Ok(refuted(format!("a log of {} with digest {found}", log.address)))
            }
        }
        None => {
            let count = given.receipts.value().iter().map(|receipt| receipt.logs().len()).sum();
            if given.whole_block {
                Ok(refuted(format!("the block has {count} logs")))
            } else {
                Err(EvmProofError::LogOutOfReach { log_index, given: count }.into())
            }
        }
    }
}

fn judge_not_emitted(
    header: &Verified<SealedHeader>,
    payload: &Payload,
    contract: B256,
    topics: &[B256],
) -> Result<Verdict, Undecided> {
    const CLAIM: &str = "a log was not emitted";
    let address = address_of(contract)?;
    if topics.len() > MAX_TOPICS {
        return Err(EvmProofError::Claim { why: "a log has at most four topics" }.into());
    }
    let given = given_receipts(header, payload, CLAIM)?;
    let assurance = *given.receipts.assurance();
    let mut logs = (0u32..).zip(given.receipts.value().iter().flat_map(Receipt::logs));
    let hit = logs.find(|(_, log)| log.address == address && log.topics().starts_with(topics));
    match hit {
        Some((index, _)) => Ok(Verdict::Refuted(
            Refutation {
                expected: format!("block {} has no such log of {address}", header.value().hash()),
                found: format!("log {index} is one"),
            },
            assurance,
        )),
        None if given.whole_block => Ok(Verdict::Proven(assurance)),
        // SECURITY: what the first receipts do not hold, the others may.
        None => Err(EvmProofError::Payload { claim: CLAIM, payload: "the first receipts" }.into()),
    }
}

fn judge_state(
    header: &Verified<SealedHeader>,
    payload: &Payload,
    contract: B256,
    key: B256,
    test: &WordTest,
) -> Result<Verdict, Undecided> {
    let address = address_of(contract)?;
    test.check().map_err(|why| EvmProofError::Claim { why })?;
    let read = read_slot(header, payload, address, key, "a word of state compares")?;
    let assurance = *read.assurance();
    let expected = || format!("word at {key} of {address}, {test}");
    let refuted =
        |found: String| Verdict::Refuted(Refutation { expected: cut(expected()), found }, assurance);
    Ok(match read.value() {
        // A contract that is not there has no state that could be as claimed, not even a zero.
        None => refuted("there is no such account".to_owned()),
        Some(slot) if test.holds(slot.word()) => Verdict::Proven(assurance),
        Some(slot) => refuted(format!("the word is {:#x}", slot.word())),
    })
}

fn judge_state_absent(
    header: &Verified<SealedHeader>,
    payload: &Payload,
    contract: B256,
    key: B256,
) -> Result<Verdict, Undecided> {
    let address = address_of(contract)?;
    let read = read_slot(header, payload, address, key, "a key of state is absent")?;
    let assurance = *read.assurance();
    Ok(match read.value() {
        None | Some(Slot::Absent) => Verdict::Proven(assurance),
        Some(Slot::Present(word)) => Verdict::Refuted(
            Refutation {
                expected: format!("nothing at {key} of {address}"),
                found: format!("the word is {word:#x}"),
            },
            assurance,
        ),
    })
}

/// The slot, or none when the account itself is proven absent.
fn read_slot(
    header: &Verified<SealedHeader>,
    payload: &Payload,
    address: Address,
    key: B256,
    claim: &'static str,
) -> Result<Verified<Option<Slot>>, EvmProofError> {
    let (Nodes(account_nodes), Nodes(storage_nodes)) = match payload {
        Payload::State { account_nodes, storage_nodes } => (account_nodes, storage_nodes),
        Payload::Receipts(_) | Payload::LeadingReceipts(_) => {
            return Err(EvmProofError::Payload { claim, payload: "receipts" });
        }
    };
    let account = read_account(header, address, account_nodes)?;
    let assurance = *account.assurance();
    match account.value() {
        Account::Present(proven) => {
            let slot = read_storage(&Verified::new(*proven, assurance), key, storage_nodes)?;
            Ok(Verified::new(Some(*slot.value()), assurance))
        }
        Account::Absent if storage_nodes.is_empty() => Ok(Verified::new(None, assurance)),
        Account::Absent => Err(EvmProofError::AccountAbsent { address }),
    }
}

/// The address in a left-padded word.
fn address_of(contract: B256) -> Result<Address, EvmProofError> {
    let address = Address::from_word(contract);
    if address.into_word() == contract {
        Ok(address)
    } else {
        Err(EvmProofError::Claim { why: "the contract is not a left-padded address" })
    }
}
