//! What operators tell of one height, until enough of them tell a verified block's events alike. Pure.

use std::time::{Duration, Instant};

use portcullis_verifier::{B256, BlockRef, Observation, cosmos::CosmosProofError};

use super::fetch::Answer;
use crate::{
    finality::{Accepted, Tip, contradiction},
    limits,
};

/// One operator's word on a height.
#[derive(Debug, Default)]
pub(crate) enum Voice {
    /// Not asked yet.
    #[default]
    Unasked,
    /// Asked.
    Asked {
        /// Whether its node had pushed the block by then.
        pushed: bool,
    },
    /// Not to be asked again before this.
    Later(Instant),
    /// Its node tells the height and had not worked through the block yet: asked again at this moment, or as soon as the
    /// node pushes the block.
    Early(Instant),
    /// It answered; not judged yet.
    Told(Box<Answer>),
    /// Its header is the accepted one.
    Right(Box<Answer>),
}

impl Voice {
    /// Whether the operator is to be asked now.
    pub(crate) fn wants(&self, at: Instant) -> bool {
        match self {
            Self::Unasked => true,
            Self::Later(until) | Self::Early(until) => *until <= at,
            Self::Asked { .. } | Self::Told(_) | Self::Right(_) => false,
        }
    }

    /// The node has pushed the block: it has all of it.
    pub(crate) fn arrived(&mut self) {
        if matches!(self, Self::Early(_)) {
            *self = Self::Unasked;
        }
    }
}

/// One height.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) voices: Vec<Voice>,
    accepted: Option<(Accepted, Box<Answer>)>,
    /// When the first answer was judged right, or all were asked again.
    since: Option<Instant>,
}

/// What judging found.
#[derive(Debug)]
pub(crate) enum Found {
    /// This operator's header does not verify.
    FalseHeader(usize, CosmosProofError),
    /// No header can be verified, and nobody is to blame.
    Unproven(CosmosProofError),
    /// The chain has signed two truths, at this height.
    TwoTruths(u64, Box<Observation>),
    /// This operator's header verifies, and its parent is not the block that was delivered before.
    OtherParent(usize, BlockRef),
}

/// Enough operators tell the same of an accepted block.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) accepted: Accepted,
    pub(crate) answer: Box<Answer>,
    /// Who tells it so.
    pub(crate) agreeing: Vec<usize>,
    /// Who tells other events.
    pub(crate) dissenting: Vec<usize>,
}

impl Entry {
    pub(crate) fn new(operators: usize) -> Self {
        let voices = (0..operators).map(|_| Voice::default()).collect();
        Self { voices, accepted: None, since: None }
    }

    /// What is left to ask once the height was delivered: everybody is judged by it, also who comes to it late.
    pub(crate) fn owed(self) -> Vec<Voice> {
        let asked = |voice| match voice {
            Voice::Told(_) | Voice::Right(_) => Voice::Asked { pushed: true },
            still_to_come => still_to_come,
        };
        self.voices.into_iter().map(asked).collect()
    }

    /// Judges the headers of all who have answered since the last call.
    ///
    /// `parent` is the block that was delivered before; none where nothing was. `now` is the time, seconds since 1970.
    pub(crate) fn judge(&mut self, tip: &Tip, parent: Option<BlockRef>, now: u64, at: Instant) -> Vec<Found> {
        let mut found = Vec::new();
        for operator in 0..self.voices.len() {
            let Some(answer) = self.take_told(operator) else { continue };
            let voice = match self.verdict(operator, tip, parent, &answer, now) {
                Ok(()) => {
                    self.since.get_or_insert(at);
                    Voice::Right(answer)
                }
                Err(why) => {
                    found.push(why);
                    Voice::Later(later(at, limits::RETRY_MAX_MS))
                }
            };
            if let Some(place) = self.voices.get_mut(operator) {
                *place = voice;
            }
        }
        found
    }

    fn take_told(&mut self, operator: usize) -> Option<Box<Answer>> {
        let voice = self.voices.get_mut(operator)?;
        match core::mem::take(voice) {
            Voice::Told(answer) => Some(answer),
            other => {
                *voice = other;
                None
            }
        }
    }

    fn verdict(
        &mut self,
        operator: usize,
        tip: &Tip,
        parent: Option<BlockRef>,
        answer: &Answer,
        now: u64,
    ) -> Result<(), Found> {
        if let Some((accepted, first)) = &self.accepted {
            return if accepted.block() == answer.told.header.block() {
                Ok(())
            } else {
                Err(other_header(tip, operator, first, answer, now))
            };
        }
        let accepted = tip.judge(&answer.told, now).map_err(|why| blame(operator, why))?;
        if let Some(expected) = parent
            && answer.told.header.parent() != Some(expected)
        {
            return Err(Found::OtherParent(operator, expected));
        }
        self.accepted = Some((accepted, Box::new(answer.clone())));
        Ok(())
    }

    /// What enough operators tell of the accepted block; none while too few do.
    ///
    /// SECURITY: with a quorum of half or less, two answers can reach it. Equal halves agree on nothing.
    pub(crate) fn agreed(&self, quorum: usize) -> Option<Agreed> {
        let (accepted, _) = self.accepted.as_ref()?;
        let mut groups: Vec<(B256, Vec<usize>)> = Vec::new();
        for (operator, answer) in self.right() {
            match groups.iter_mut().find(|(digest, _)| *digest == answer.digest) {
                Some((_, who)) => who.push(operator),
                None => groups.push((answer.digest, vec![operator])),
            }
        }
        groups.sort_by_key(|(_, who)| core::cmp::Reverse(who.len()));
        let rival = groups.get(1).map_or(0, |(_, who)| who.len());
        let mut groups = groups.into_iter();
        let (digest, agreeing) = groups.next()?;
        if agreeing.len() < quorum.max(1) || agreeing.len() == rival {
            return None;
        }
        let dissenting = groups.flat_map(|(_, who)| who).collect();
        let answer = self.right().find(|(_, answer)| answer.digest == digest)?.1.clone();
        Some(Agreed { accepted: accepted.clone(), answer: Box::new(answer), agreeing, dissenting })
    }

    fn right(&self) -> impl Iterator<Item = (usize, &Answer)> {
        self.voices.iter().enumerate().filter_map(|(operator, voice)| match voice {
            Voice::Right(answer) => Some((operator, answer.as_ref())),
            _ => None,
        })
    }

    /// Has everybody asked again who answered, once they have been without agreement for too long: a node may have
    /// told a block before it had all of it.
    pub(crate) fn ask_again(&mut self, at: Instant) {
        let bound = Duration::from_millis(limits::RETRY_MAX_MS);
        if self.since.is_none_or(|since| at.saturating_duration_since(since) < bound) {
            return;
        }
        self.since = Some(at);
        for voice in &mut self.voices {
            if matches!(voice, Voice::Right(_)) {
                *voice = Voice::Unasked;
            }
        }
    }
}

/// Another header than the accepted one: a lie, or the chain's own second truth.
pub(crate) fn other_header(tip: &Tip, operator: usize, first: &Answer, answer: &Answer, now: u64) -> Found {
    let found = answer.told.header.block();
    match tip.judge(&answer.told, now) {
        Err(why) => blame(operator, why),
        Ok(_) => match contradiction(tip.client(), &first.told, &answer.told, now) {
            Some((height, observation)) => Found::TwoTruths(height, Box::new(observation)),
            None => {
                let (height, expected) = (found.height, first.told.header.block().hash);
                let why = CosmosProofError::OtherBlock { height, expected, found: found.hash };
                Found::FalseHeader(operator, why)
            }
        },
    }
}

/// A client that is frozen or whose trust ran out says nothing about whoever answered.
fn blame(operator: usize, why: CosmosProofError) -> Found {
    match why {
        CosmosProofError::Frozen { .. }
        | CosmosProofError::Expired { .. }
        | CosmosProofError::Checkpoint { .. } => Found::Unproven(why),
        _ => Found::FalseHeader(operator, why),
    }
}

/// A moment later.
pub(crate) fn later(at: Instant, by_ms: u64) -> Instant {
    at.checked_add(Duration::from_millis(by_ms)).unwrap_or(at)
}
