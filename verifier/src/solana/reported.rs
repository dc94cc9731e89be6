//! The proof system `solana-reports-v1`: what k of n operators say of state and of records, and nothing more.
//!
//! Blocks of this family commit to neither, so nobody can prove either. What is called proven here is that enough operators say
//! so, and the assurance says exactly that: reported, by so many of so many. A certificate of stake may stand beside it; it adds
//! to the header and ties nothing to it.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Read, Result as IoResult},
};

use super::{
    error::{SolanaProofError, bounded},
    limits::{MAX_EVIDENCE_BYTES, MAX_REPORTS},
    regime::Certificate,
    signatures::Scrutiny,
    stakes::StakeTable,
    system_name,
};
use crate::{
    Assurance, B256, BlockRef, Claim, Evidence, Header, OperatorId, Refutation, Slug, System, Trust, U256,
    Undecided, Verdict, WordTest, claim::read_list,
};

/// Name of the proof system.
pub const REPORTS_NAME: &str = "solana-reports-v1";

/// The namespace of this family's chains.
const NAMESPACE: &str = "solana";

/// [`REPORTS_NAME`] as evidence carries it.
#[must_use]
pub fn reports_name() -> Slug {
    #[expect(clippy::expect_used, reason = "a constant that keeps the rules of slugs, as a test shows")]
    Slug::new(REPORTS_NAME).expect("a valid slug")
}

/// What one operator says.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Statement {
    /// What stands at a place of a block; none where nothing does that concerns anybody.
    Record {
        /// The block.
        block: BlockRef,
        /// Place of the record in it.
        index: u32,
        /// Digest of the record, as observations carry it.
        raw: Option<B256>,
    },
    /// A word of an account's state.
    Word {
        /// The slot after which it was read.
        slot: u64,
        /// The contract, as claims name it.
        contract: B256,
        /// The key, as claims name it.
        key: B256,
        /// The word; none where there is nothing.
        word: Option<U256>,
    },
}

/// Who says what.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Said {
    /// Who.
    pub operator: OperatorId,
    /// What.
    pub statement: Statement,
}

/// Evidence of the system `solana-reports-v1`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReportEvidence {
    /// What operators say.
    #[borsh(deserialize_with = "read_said")]
    pub said: Vec<Said>,
    /// Whose stake signed the claim's block, where votes for it were had.
    pub certificate: Option<Certificate>,
}

fn read_said<R: Read>(reader: &mut R) -> IoResult<Vec<Said>> {
    read_list(reader, "statements", MAX_REPORTS)
}

impl ReportEvidence {
    /// The evidence in the form in which it travels and is stored.
    #[must_use]
    pub fn to_evidence(&self) -> Evidence {
        Evidence::of(reports_name(), self)
    }

    /// Reads evidence.
    ///
    /// # Errors
    /// [`SolanaProofError::Limit`] when there are too many bytes, [`SolanaProofError::Encoding`] when they are not
    /// exactly one piece of evidence within every bound.
    pub fn decode(bytes: &[u8]) -> Result<Self, SolanaProofError> {
        bounded("bytes of evidence", bytes.len(), MAX_EVIDENCE_BYTES)?;
        borsh::from_slice(bytes).map_err(|error| SolanaProofError::encoding("evidence", error.to_string()))
    }
}

/// Judges `solana-reports-v1` evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportSystem {
    /// How many signatures of a certificate are verified.
    pub scrutiny: Scrutiny,
}

impl System for ReportSystem {
    fn name(&self) -> Slug {
        reports_name()
    }

    fn verify(&self, claim: &Claim, evidence: &Evidence, trust: &Trust) -> Verdict {
        self.judge(claim, evidence, trust).unwrap_or_else(Verdict::Undecided)
    }
}

impl ReportSystem {
    fn judge(&self, claim: &Claim, evidence: &Evidence, trust: &Trust) -> Result<Verdict, Undecided> {
        if evidence.system.as_str() != REPORTS_NAME {
            return Err(Undecided::NoVerifier { system: evidence.system.as_str().to_owned() });
        }
        if claim.chain().namespace() != NAMESPACE {
            return Err(Undecided::NoVerifier { system: format!("{REPORTS_NAME} on {}", claim.chain()) });
        }
        let evidence = ReportEvidence::decode(&evidence.bytes)?;
        let voices = voices(claim, &evidence.said, trust)?;
        let (holds, agreeing, of) = agreed(&voices, trust)?;
        let reported = Assurance::reported(agreeing, of);
        let header = self.header(claim, evidence.certificate.as_ref(), trust, reported.header)?;
        let assurance = Assurance { header, ..reported };
        Ok(if holds {
            Verdict::Proven(assurance)
        } else {
            let found = format!("{agreeing} of {of} operators say that it is not so");
            Verdict::Refuted(Refutation { expected: expected(claim), found }, assurance)
        })
    }

    /// What the header rests on: operators, and beside them the stake, where it signed a block of the claim's slot.
    fn header(
        &self,
        claim: &Claim,
        certificate: Option<&Certificate>,
        trust: &Trust,
        reported: Header,
    ) -> Result<Header, SolanaProofError> {
        let Some(certificate) = certificate else { return Ok(reported) };
        let chain = claim.chain();
        let pinned = trust.pinned.get(&system_name()).ok_or(SolanaProofError::NotPinned { chain })?;
        let stakes = StakeTable::from_bytes(pinned)?;
        if stakes.table().chain != chain {
            return Err(SolanaProofError::NotPinned { chain });
        }
        let signed = certificate.verify_bank(&stakes, self.scrutiny)?;
        let (expected, found) = (claim.block().height, signed.value().slot);
        if expected != found {
            return Err(SolanaProofError::Reach { expected, found });
        }
        Ok(Header { quorum: reported.quorum, ..signed.assurance().header })
    }
}

fn expected(claim: &Claim) -> String {
    match claim {
        Claim::Emitted { log_index, raw, block, .. } => {
            format!("record {raw} at place {log_index} of slot {}", block.height)
        }
        Claim::State { mask, relation, value, .. } => {
            format!("a word {}", WordTest { mask: *mask, relation: *relation, value: *value })
        }
        _ => "nothing at the key".to_owned(),
    }
}

/// What each configured operator says of a claim: whether it holds.
///
/// SECURITY: one voice per operator; whoever says two different things says nothing. What was read before the claim's block
/// says nothing of what holds after it.
fn voices(
    claim: &Claim,
    said: &[Said],
    trust: &Trust,
) -> Result<BTreeMap<OperatorId, Option<bool>>, Undecided> {
    let configured: BTreeSet<OperatorId> = trust.operators.iter().copied().collect();
    let mut voices: BTreeMap<OperatorId, Option<bool>> = BTreeMap::new();
    for one in said.iter().filter(|one| configured.contains(&one.operator)) {
        let Some(holds) = holds(claim, &one.statement)? else { continue };
        voices
            .entry(one.operator)
            .and_modify(|voice| *voice = voice.filter(|known| *known == holds))
            .or_insert(Some(holds));
    }
    Ok(voices)
}

/// Whether a claim holds by a statement; none where the statement is about something else.
fn holds(claim: &Claim, statement: &Statement) -> Result<Option<bool>, Undecided> {
    Ok(match (claim, statement) {
        (
            Claim::Emitted { block, log_index, raw, .. },
            Statement::Record { block: at, index, raw: found },
        ) => (block == at && log_index == index).then_some(*found == Some(*raw)),
        (
            Claim::State { block, contract, key, mask, relation, value, .. },
            Statement::Word { slot, contract: whose, key: at, word },
        ) => {
            let test = WordTest { mask: *mask, relation: *relation, value: *value };
            let test = test.check().map_err(|why| SolanaProofError::encoding("claim", why))?;
            let about = contract == whose && key == at && *slot >= block.height;
            about.then_some(test.holds(word.unwrap_or(U256::ZERO)))
        }
        (
            Claim::StateAbsent { block, contract, key, .. },
            Statement::Word { slot, contract: whose, key: at, word },
        ) => {
            let about = contract == whose && key == at && *slot >= block.height;
            about.then_some(word.unwrap_or(U256::ZERO).is_zero())
        }
        (Claim::Emitted { .. } | Claim::State { .. } | Claim::StateAbsent { .. }, _) => None,
        _ => {
            let system = format!("{REPORTS_NAME} for anything but state and records");
            return Err(Undecided::NoVerifier { system });
        }
    })
}

/// What enough operators say, how many, and of how many.
fn agreed(voices: &BTreeMap<OperatorId, Option<bool>>, trust: &Trust) -> Result<(bool, u16, u16), Undecided> {
    let count = |wanted: bool| {
        let count = voices.values().filter(|voice| **voice == Some(wanted)).count();
        u16::try_from(count).unwrap_or(u16::MAX)
    };
    let (yes, no) = (count(true), count(false));
    let needed = trust.quorum.max(1);
    let configured: BTreeSet<OperatorId> = trust.operators.iter().copied().collect();
    let of = u16::try_from(configured.len()).unwrap_or(u16::MAX);
    // SECURITY: with a quorum of half or less both answers can reach it. Equal halves agree on nothing.
    match yes.cmp(&no) {
        core::cmp::Ordering::Greater if yes >= needed => Ok((true, yes, of)),
        core::cmp::Ordering::Less if no >= needed => Ok((false, no, of)),
        _ => Err(Undecided::NoQuorum { agreeing: yes.max(no), needed }),
    }
}

#[cfg(test)]
#[path = "reported_tests.rs"]
mod tests;
