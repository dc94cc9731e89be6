//! The proof system `solana-shreds-v1`: that a transaction is in a block that the stake signed, and what operators say
//! became of it.

use super::{
    SYSTEM_NAME,
    block::{Block, verify_block, verify_parent},
    entries::{Entry, read_entries},
    error::{SolanaProofError, cut},
    evidence::ShredEvidence,
    poh::{verify_entries, verify_entry},
    reports::{Said, said},
    signatures::Scrutiny,
    stakes::{StakeTable, Stakes},
    system_name,
    tally::SignedBlock,
};
use crate::{
    Assurance, B256, BlockRef, ChainId, Claim, Evidence, Execution, Header, Inclusion, Refutation, Slug,
    System, Trust, Undecided, Verdict, Verified,
};

/// The namespace of this family's chains.
const NAMESPACE: &str = "solana";

/// Judges `solana-shreds-v1` evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShredSystem {
    /// How many signatures and hashes are verified.
    pub scrutiny: Scrutiny,
}

impl System for ShredSystem {
    fn name(&self) -> Slug {
        system_name()
    }

    fn verify(&self, claim: &Claim, evidence: &Evidence, trust: &Trust) -> Verdict {
        judge(claim, evidence, trust, self.scrutiny).unwrap_or_else(Verdict::Undecided)
    }
}

fn judge(
    claim: &Claim,
    evidence: &Evidence,
    trust: &Trust,
    scrutiny: Scrutiny,
) -> Result<Verdict, Undecided> {
    if evidence.system.as_str() != SYSTEM_NAME {
        return Err(Undecided::NoVerifier { system: evidence.system.as_str().to_owned() });
    }
    if claim.chain().namespace() != NAMESPACE {
        return Err(Undecided::NoVerifier { system: format!("{SYSTEM_NAME} on {}", claim.chain()) });
    }
    // Blocks of this family commit to no state, no logs and no results.
    let Claim::Included { chain, block, transaction, code } = claim else {
        return Err(Undecided::NoVerifier { system: format!("{SYSTEM_NAME} for anything but inclusion") });
    };
    let evidence = ShredEvidence::decode(&evidence.bytes)?;
    let case = Case {
        chain: *chain,
        block: *block,
        transaction: *transaction,
        evidence: &evidence,
        trust,
        scrutiny,
        said: said(*block, *transaction, &evidence.reports, trust),
    };
    if evidence.blocks.is_empty() { case.reported(*code) } else { case.shown(*code) }
}

/// One claim with the evidence for it.
struct Case<'a> {
    chain: ChainId,
    block: BlockRef,
    transaction: B256,
    evidence: &'a ShredEvidence,
    trust: &'a Trust,
    scrutiny: Scrutiny,
    said: Said,
}

impl Case<'_> {
    fn stakes(&self) -> Result<Stakes, SolanaProofError> {
        let pinned = self.trust.pinned.get(&system_name());
        let pinned = pinned.ok_or(SolanaProofError::NotPinned { chain: self.chain })?;
        let stakes = StakeTable::from_bytes(pinned)?;
        if stakes.table().chain == self.chain {
            Ok(stakes)
        } else {
            Err(SolanaProofError::NotPinned { chain: self.chain })
        }
    }

    /// The block that the stake signed.
    fn signed(&self) -> Result<Verified<SignedBlock>, SolanaProofError> {
        let certificate = self.evidence.certificate.as_ref();
        let certificate = certificate.ok_or(SolanaProofError::Missing { what: "certificate" })?;
        certificate.verify(&self.stakes()?, self.scrutiny)
    }

    /// The slot behind which the stake stands, where the evidence has a certificate.
    fn signed_bank(&self) -> Result<Option<Verified<SignedBlock>>, SolanaProofError> {
        let certificate = self.evidence.certificate.as_ref();
        certificate.map(|certificate| certificate.verify_bank(&self.stakes()?, self.scrutiny)).transpose()
    }

    /// Without the block's bytes: what operators say. Stake that signed a block of that slot stands beside it.
    ///
    /// SECURITY: votes name no blockhash and no transaction, so a tally adds to the header only. Inclusion stays what
    /// it is: reported.
    fn reported(&self, code: Option<u32>) -> Result<Verdict, Undecided> {
        let signed = self.signed_bank()?;
        if let Some(signed) = signed.as_ref().filter(|signed| signed.value().slot != self.block.height) {
            let (expected, found) = (self.block.height, signed.value().slot);
            return Err(SolanaProofError::Reach { expected, found }.into());
        }
        let header = signed.map_or_else(Header::default, |signed| signed.assurance().header);
        let base = Assurance { header, inclusion: Inclusion::Reported, ..Assurance::default() };
        self.ended(code, base, true)
    }

    /// With the block's bytes: the transaction is in it, or it is not.
    fn shown(&self, code: Option<u32>) -> Result<Verdict, Undecided> {
        let block = self.claimed_block()?;
        let entries = read_entries(block.value())?;
        let last = entries.last().map_or(B256::ZERO, |entry| entry.hash);
        if last != self.block.hash {
            let (slot, expected) = (self.block.height, self.block.hash);
            return Err(SolanaProofError::OtherBlock { slot, expected, found: last }.into());
        }
        if self.scrutiny == Scrutiny::Every {
            verify_entries(None, &entries)?;
        }
        if self.find(&entries)? {
            return self.ended(code, *block.assurance(), false);
        }
        let count: usize = entries.iter().map(|entry| entry.transactions.len()).sum();
        Ok(Verdict::Refuted(
            Refutation {
                expected: format!("transaction {} in slot {}", self.transaction, self.block.height),
                found: format!("a block of {count} other transactions"),
            },
            *block.assurance(),
        ))
    }

    /// From the block that is signed down to the claim's.
    fn claimed_block(&self) -> Result<Verified<Block>, SolanaProofError> {
        let signed = self.signed()?;
        let mut reached: Option<Verified<Block>> = None;
        for shreds in &self.evidence.blocks {
            let block = Block::open(&shreds.shreds)?;
            reached = Some(match &reached {
                None => verify_block(&signed, block)?,
                Some(child) => verify_parent(child, block)?,
            });
        }
        let block = reached.ok_or(SolanaProofError::Missing { what: "shreds" })?;
        let (expected, found) = (self.block.height, block.value().slot);
        if expected == found { Ok(block) } else { Err(SolanaProofError::Reach { expected, found }) }
    }

    /// Whether the transaction is there. If so its signatures verify, and its entry follows from the one before.
    fn find(&self, entries: &[Entry<'_>]) -> Result<bool, SolanaProofError> {
        let mut previous = None;
        for (index, entry) in entries.iter().enumerate() {
            if let Some(found) = entry.transactions.iter().find(|found| found.id() == self.transaction) {
                found.verify_signatures()?;
                if let Some(previous) = previous {
                    verify_entry(previous, index, entry)?;
                }
                return Ok(true);
            }
            previous = Some(entry.hash);
        }
        Ok(false)
    }

    /// How it ended, which only operators can say. Where that is not claimed, and inclusion is proven without them,
    /// they need not speak.
    fn ended(
        &self,
        claimed: Option<u32>,
        base: Assurance,
        needed_anyway: bool,
    ) -> Result<Verdict, Undecided> {
        let (quorum, code) = match self.said {
            Said::Agreed { quorum, code } => (quorum, code),
            Said::Open { agreeing, needed } if needed_anyway || claimed.is_some() => {
                return Err(Undecided::NoQuorum { agreeing, needed });
            }
            Said::Open { .. } => return Ok(Verdict::Proven(base)),
        };
        let base = Assurance { header: Header { quorum: Some(quorum), ..base.header }, ..base };
        // Who does not claim that it succeeded is not told that it did.
        let Some(claimed) = claimed else { return Ok(Verdict::Proven(base)) };
        let assurance = Assurance { execution: Execution::Reported, ..base };
        Ok(if claimed == code {
            Verdict::Proven(assurance)
        } else {
            let expected = cut(format!("transaction {} ended with code {claimed}", self.transaction));
            let found = format!("{} of {} operators report code {code}", quorum.agreeing, quorum.of);
            Verdict::Refuted(Refutation { expected, found }, assurance)
        })
    }
}
