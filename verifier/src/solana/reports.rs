//! What k of n operators say of a transaction: the only word there is on whether it succeeded.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Report;
use crate::{B256, BlockRef, OperatorId, Quorum, Trust};

/// What operators agree on, for one transaction in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Enough of them say that it ended with this code.
    Agreed {
        /// How many.
        quorum: Quorum,
        /// The code.
        code: u32,
    },
    /// Too few say the same, or as many say something else.
    Open {
        /// How many say what most say.
        agreeing: u16,
        /// How many are needed.
        needed: u16,
    },
}

/// Counts voices: distinct configured operators that report this transaction in this block.
pub(super) fn said(block: BlockRef, transaction: B256, reports: &[Report], trust: &Trust) -> Said {
    let configured: BTreeSet<OperatorId> = trust.operators.iter().copied().collect();
    let mut voices: BTreeMap<OperatorId, Option<(BlockRef, u32)>> = BTreeMap::new();
    // SECURITY: one voice per operator; whoever says two different things of a transaction says nothing.
    for report in reports {
        if configured.contains(&report.operator) && report.transaction == transaction {
            let word = (report.block, report.code);
            voices
                .entry(report.operator)
                .and_modify(|voice| *voice = voice.filter(|said| *said == word))
                .or_insert(Some(word));
        }
    }
    let mut counts: BTreeMap<(u64, B256, u32), u16> = BTreeMap::new();
    for (at, code) in voices.into_values().flatten() {
        let count = counts.entry((at.height, at.hash, code)).or_default();
        *count = count.saturating_add(1);
    }
    let needed = trust.quorum.max(1);
    let of = u16::try_from(configured.len()).unwrap_or(u16::MAX);
    let most = counts.iter().max_by_key(|(_, count)| **count).map(|(word, count)| (*word, *count));
    let tied = |most: u16| counts.values().filter(|count| **count == most).count() > 1;
    match most {
        Some(((height, hash, code), agreeing))
            if agreeing >= needed && !tied(agreeing) && (BlockRef { height, hash }) == block =>
        {
            Said::Agreed { quorum: Quorum { agreeing, of }, code }
        }
        most => {
            let here = most.filter(|((height, hash, _), count)| {
                (BlockRef { height: *height, hash: *hash }) == block && !tied(*count)
            });
            Said::Open { agreeing: here.map_or(0, |(_, count)| count), needed }
        }
    }
}
