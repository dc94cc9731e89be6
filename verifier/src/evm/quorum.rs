//! Header trust by a quorum of RPC operators: what k of n independent operators report, named so and never more.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::cut,
    evidence::Attestation,
    header::{SealedHeader, block_ref, open_header},
    limits::MAX_AHEAD_SECS,
};
use crate::{Assurance, B256, BlockRef, Header, OperatorId, Quorum, Trust, Undecided, Verified};

/// Trusts a header because enough configured operators reported exactly its hash.
///
/// # Errors
/// [`Undecided::BadEvidence`] when the bytes are no header, [`Undecided::NoQuorum`] when too few agree,
/// [`Undecided::NotCanonical`] when as many or more agree on another block at that height.
pub fn attested_header(
    header_rlp: &[u8],
    attestations: &[Attestation],
    trust: &Trust,
) -> Result<Verified<SealedHeader>, Undecided> {
    let header = open_header(header_rlp)?;
    attest(header, attestations, trust)
}

/// As [`attested_header`], for a header that was opened already.
pub(super) fn attest(
    header: SealedHeader,
    attestations: &[Attestation],
    trust: &Trust,
) -> Result<Verified<SealedHeader>, Undecided> {
    let quorum = tally(block_ref(&header), attestations, trust)?;
    let age_secs = age_secs(header.timestamp, trust.now);
    let assurance = Assurance {
        header: Header { quorum: Some(quorum), ..Header::default() },
        age_secs,
        ..Assurance::default()
    };
    Ok(Verified::new(header, assurance))
}

/// Counts voices: distinct configured operators that reported this hash at this height.
fn tally(block: BlockRef, attestations: &[Attestation], trust: &Trust) -> Result<Quorum, Undecided> {
    let configured: BTreeSet<OperatorId> = trust.operators.iter().copied().collect();
    let of = u16::try_from(configured.len()).unwrap_or(u16::MAX);
    let needed = trust.quorum.max(1);
    let mut agreeing: u16 = 0;
    let mut others: BTreeMap<B256, u16> = BTreeMap::new();
    for hash in voices(block.height, attestations, &configured).into_values().flatten() {
        let count = if hash == block.hash { &mut agreeing } else { others.entry(hash).or_default() };
        *count = count.saturating_add(1);
    }
    // SECURITY: where the quorum is configured low, two blocks can both reach it. A block that others outvote or
    // equal is not trusted, so that one lying operator of three proves nothing even with a quorum of one.
    let rival = others.into_iter().max_by_key(|(_, count)| *count);
    match rival {
        Some((hash, count)) if count >= agreeing && count >= needed => Err(Undecided::NotCanonical {
            detail: cut(format!(
                "at height {}, {count} of {of} operators report {hash} and {agreeing} report {}",
                block.height, block.hash
            )),
        }),
        _ if agreeing < needed => Err(Undecided::NoQuorum { agreeing, needed }),
        _ => Ok(Quorum { agreeing, of }),
    }
}

/// One voice per configured operator: the hash that it reported at `height`, or none when it reported two
/// different ones, because whoever says both says nothing.
fn voices(
    height: u64,
    attestations: &[Attestation],
    configured: &BTreeSet<OperatorId>,
) -> BTreeMap<OperatorId, Option<B256>> {
    let mut voices: BTreeMap<OperatorId, Option<B256>> = BTreeMap::new();
    let relevant = attestations.iter().filter(|attestation| {
        attestation.block.height == height && configured.contains(&attestation.operator)
    });
    for Attestation { operator, block } in relevant {
        voices
            .entry(*operator)
            .and_modify(|voice| *voice = voice.filter(|hash| *hash == block.hash))
            .or_insert(Some(block.hash));
    }
    voices
}

/// Age of a header in seconds; none when it is further in the future than clocks may differ.
fn age_secs(timestamp: u64, now: u64) -> Option<u64> {
    if timestamp > now.saturating_add(MAX_AHEAD_SECS) { None } else { Some(now.saturating_sub(timestamp)) }
}
