//! Taking what operators say: heights, blocks, and why there are none.

use std::{sync::Arc, time::Instant};

use portcullis_rpc::faults::kind_of;
use portcullis_verifier::FaultKind;
use serde_json::value::RawValue;

use super::{
    Report,
    assembler::Assembler,
    book::{Found, Voice, later, other_header},
    fetch::{Answer, Missing},
    health::Trouble,
};
use crate::{
    error::chain_of,
    finality::{Tip, now},
    limits,
};

impl Assembler {
    /// Takes one report.
    pub(super) fn take(&mut self, report: Report) {
        match report {
            Report::Head { operator, height, at, pushed } => {
                if let Some(standing) = self.standings.get_mut(operator) {
                    standing.head = Some((height, at));
                }
                if let Some(block) = pushed {
                    self.pushed(operator, height, block);
                }
                self.lower(operator, &[Trouble::Dark, Trouble::GarbageHead]);
                self.measure(at);
            }
            Report::Block { operator, height, answer } => match answer {
                Ok(answer) => self.told(operator, height, answer),
                Err(missing) => self.missing(operator, height, missing),
            },
            Report::Trouble { operator: Some(operator), kind, what } => {
                let trouble = match kind {
                    FaultKind::Garbage => Trouble::GarbageHead,
                    FaultKind::DissentHead => Trouble::DissentHead,
                    _ => Trouble::Dark,
                };
                self.raise(operator, trouble, &what);
            }
            Report::Trouble { operator: None, what, .. } => {
                self.health.raise(None, Trouble::Unproven, &what);
            }
            Report::Began(tip) => self.tip = Some(*tip),
        }
    }

    /// Keeps a pushed block until it is asked for, and asks at once where that was tried too early.
    fn pushed(&mut self, operator: usize, height: u64, block: Box<RawValue>) {
        if let Some(kept) = self.pushed.get_mut(operator) {
            kept.insert(height, Arc::from(block));
            while kept.len() > limits::PUSHED_KEPT {
                kept.pop_first();
            }
        }
        let voice = self.book.get_mut(&height).and_then(|entry| entry.voices.get_mut(operator));
        if let Some(voice) = voice {
            voice.arrived();
        }
    }

    /// The greatest height that the quorum has reached. SECURITY: one operator's word for a height far ahead is not
    /// the chain's.
    fn measure(&mut self, at: Instant) {
        let mut heights: Vec<u64> =
            self.standings.iter().filter_map(|one| one.head.map(|(height, _)| height)).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let reached = heights.get(self.network.quorum.saturating_sub(1)).copied().unwrap_or(0);
        if reached > self.reached.0 {
            self.reached = (reached, at);
        }
    }

    fn told(&mut self, operator: usize, height: u64, answer: Box<Answer>) {
        if let Some(standing) = self.standings.get_mut(operator) {
            (standing.failures, standing.quiet_until) = (0, None);
        }
        self.lower(operator, &[Trouble::GarbageBlock, Trouble::NoBlock, Trouble::Pruned]);
        if let Some(voice) = self.book.get_mut(&height).and_then(|entry| entry.voices.get_mut(operator)) {
            *voice = Voice::Told(answer);
            return;
        }
        let Some(settled) = self.settled.get(&height) else { return };
        if settled.answer.told.header.block() != answer.told.header.block() {
            let tip = Tip::at(settled.before.clone());
            let found = other_header(&tip, operator, &settled.answer, &answer, now());
            self.found(height, found);
        } else if settled.answer.digest == answer.digest {
            self.lower(operator, &[Trouble::DissentHead, Trouble::DissentEvents]);
        } else {
            self.raise(operator, Trouble::DissentEvents, &other_events(height));
        }
    }

    fn missing(&mut self, operator: usize, height: u64, missing: Missing) {
        let at = Instant::now();
        let Some(standing) = self.standings.get_mut(operator) else { return };
        let pause_ms = match &missing {
            Missing::NotYet => limits::RETRY_MIN_MS,
            Missing::Pruned { .. } => limits::PROBE_MS,
            Missing::Rpc(_) => {
                // Blocks that were asked for at one time fail at one time, which is one failure.
                if standing.quiet_until.is_none_or(|until| until <= at) {
                    standing.failures = standing.failures.saturating_add(1);
                }
                let doubled = limits::RETRY_MIN_MS.checked_shl(standing.failures.min(16)).unwrap_or(u64::MAX);
                let pause_ms = doubled.min(limits::RETRY_MAX_MS);
                standing.quiet_until = Some(later(at, pause_ms));
                pause_ms
            }
        };
        let failures = standing.failures;
        let arrived = self.pushed.get(operator).is_some_and(|kept| kept.contains_key(&height));
        if let Some(voice) = self.voice(operator, height) {
            let again = later(at, pause_ms);
            *voice = match missing {
                // It was pushed while the question was under way. Who still has nothing after that is given time.
                Missing::NotYet if arrived && matches!(voice, Voice::Asked { pushed: false }) => {
                    Voice::Unasked
                }
                Missing::NotYet => Voice::Early(again),
                Missing::Pruned { .. } | Missing::Rpc(_) => Voice::Later(again),
            };
        }
        match missing {
            Missing::NotYet => {}
            Missing::Pruned { earliest } => {
                let what = format!(
                    "PC-0902: block {height} is needed, and its node has none below {earliest}; add an endpoint \
                     that keeps old blocks, or start above"
                );
                self.raise(operator, Trouble::Pruned, &what);
            }
            Missing::Rpc(error) => {
                let what = format!("block {height}: {}", chain_of(&error));
                if kind_of(&error) == FaultKind::Garbage {
                    self.raise(operator, Trouble::GarbageBlock, &what);
                } else if failures >= limits::BLOCK_FAILURES {
                    self.raise(operator, Trouble::NoBlock, &what);
                }
            }
        }
    }

    /// Where an operator's word on a height is kept, or that it is still owed.
    fn voice(&mut self, operator: usize, height: u64) -> Option<&mut Voice> {
        let voices = match self.book.get_mut(&height) {
            Some(entry) => &mut entry.voices,
            None => &mut self.settled.get_mut(&height)?.voices,
        };
        voices.get_mut(operator)
    }

    /// What judging a height has found.
    pub(super) fn found(&mut self, height: u64, found: Found) {
        match found {
            Found::FalseHeader(operator, why) => {
                let what = format!("block {height}: its header does not verify: {}", chain_of(&why));
                self.raise(operator, Trouble::DissentHead, &what);
            }
            Found::OtherParent(operator, expected) => {
                let what =
                    format!("block {height} does not follow {} of height {}", expected.hash, expected.height);
                self.raise(operator, Trouble::DissentHead, &what);
            }
            Found::Unproven(why) => {
                let what = format!("PC-0905: the light client accepts nothing: {}", chain_of(&why));
                self.health.raise(None, Trouble::Unproven, &what);
            }
            Found::TwoTruths(height, observation) => {
                self.frozen = true;
                self.network.root.freeze(height);
                self.extra.push(*observation);
            }
        }
    }
}

/// Why an operator is named that tells other events.
pub(super) fn other_events(height: u64) -> String {
    format!("block {height}: it tells other events than enough others")
}
