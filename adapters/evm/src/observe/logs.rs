//! What operators say the logs of a block are, and when that is enough. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use portcullis_verifier::{B256, BlockRef};

use crate::transport::LogSet;

/// How far an operator is with a block's logs.
#[derive(Debug, Clone)]
enum Answer {
    /// Asked; not answered yet.
    Asked,
    /// Could not say; may be asked again from then on.
    Failed(Instant),
    /// Said those with this digest.
    Said(B256),
}

#[derive(Debug)]
struct Entry {
    block: BlockRef,
    answers: BTreeMap<usize, Answer>,
    /// What was said, by its digest, until it is delivered: honest operators say the same, and it is kept once. Of what
    /// was delivered only the digest is of use, and a busy chain's logs of sixty-four blocks are tens of megabytes.
    said: BTreeMap<B256, Arc<LogSet>>,
    /// Digest that was delivered.
    settled: Option<B256>,
    since: Instant,
}

/// Answers for the blocks around the tip.
#[derive(Debug, Default)]
pub(crate) struct LogBook {
    entries: BTreeMap<B256, Entry>,
}

/// How an answer compares to what was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    /// Nothing was delivered yet.
    Open,
    /// The same.
    Same,
    /// Something else: dissent after the fact.
    Other,
}

/// What is known of a block's logs.
#[derive(Debug, Clone)]
pub(crate) enum Agreed {
    /// Enough operators say these.
    Yes(Arc<LogSet>),
    /// Not enough yet.
    NotYet,
    /// Those who were asked have answered, differently, and no answer has enough voices.
    Split,
}

impl LogBook {
    fn entry(&mut self, block: BlockRef, now: Instant) -> &mut Entry {
        self.entries.entry(block.hash).or_insert_with(|| Entry {
            block,
            answers: BTreeMap::new(),
            said: BTreeMap::new(),
            settled: None,
            since: now,
        })
    }

    /// An operator was asked.
    pub(crate) fn asked(&mut self, operator: usize, block: BlockRef, now: Instant) {
        let answer = self.entry(block, now).answers.entry(operator).or_insert(Answer::Asked);
        if matches!(answer, Answer::Failed(_)) {
            *answer = Answer::Asked;
        }
    }

    /// An operator answered.
    pub(crate) fn said(&mut self, operator: usize, block: BlockRef, logs: LogSet, now: Instant) -> Compared {
        let digest = logs.digest;
        let entry = self.entry(block, now);
        let before = entry.answers.insert(operator, Answer::Said(digest));
        if entry.settled.is_none() {
            entry.said.entry(digest).or_insert_with(|| Arc::new(logs));
        }
        // Who says something else each time must not fill the memory.
        if let Some(Answer::Said(other)) = before
            && !entry.answers.values().any(|answer| matches!(answer, Answer::Said(said) if *said == other))
        {
            entry.said.remove(&other);
        }
        match entry.settled {
            None => Compared::Open,
            Some(settled) if settled == digest => Compared::Same,
            Some(_) => Compared::Other,
        }
    }

    /// An operator could not answer.
    pub(crate) fn failed(&mut self, operator: usize, block: BlockRef, now: Instant) {
        let answer = self.entry(block, now).answers.entry(operator).or_insert(Answer::Asked);
        if !matches!(answer, Answer::Said(_)) {
            *answer = Answer::Failed(now);
        }
    }

    /// Whether an operator should be asked (again) now.
    pub(crate) fn wants(
        &self,
        operator: usize,
        block: BlockRef,
        now: Instant,
        retry: core::time::Duration,
    ) -> bool {
        match self.entries.get(&block.hash).and_then(|entry| entry.answers.get(&operator)) {
            None => true,
            Some(Answer::Failed(at)) => now.saturating_duration_since(*at) >= retry,
            Some(Answer::Asked | Answer::Said(_)) => false,
        }
    }

    /// What enough operators say. Two answers with equally many voices agree on nothing.
    pub(crate) fn agreed(&self, block: B256, quorum: usize) -> Agreed {
        let Some(entry) = self.entries.get(&block) else { return Agreed::NotYet };
        let mut voices: BTreeMap<B256, usize> = BTreeMap::new();
        for answer in entry.answers.values() {
            if let Answer::Said(digest) = answer {
                let count = voices.entry(*digest).or_default();
                *count = count.saturating_add(1);
            }
        }
        let open = entry.answers.values().any(|answer| matches!(answer, Answer::Asked));
        let mut ranked: Vec<(usize, &Arc<LogSet>)> =
            voices.iter().filter_map(|(digest, count)| Some((*count, entry.said.get(digest)?))).collect();
        ranked.sort_by_key(|(count, _)| core::cmp::Reverse(*count));
        let rival = ranked.get(1).map_or(0, |(count, _)| *count);
        match ranked.first() {
            Some((count, logs)) if *count >= quorum && *count > rival => Agreed::Yes(Arc::clone(logs)),
            _ if rival > 0 && !open => Agreed::Split,
            _ => Agreed::NotYet,
        }
    }

    /// Marks what was delivered; gives operators that said the same and those that said otherwise.
    pub(crate) fn settle(&mut self, block: B256, digest: B256) -> (Vec<usize>, Vec<usize>) {
        let Some(entry) = self.entries.get_mut(&block) else { return (Vec::new(), Vec::new()) };
        entry.settled = Some(digest);
        entry.said.clear();
        let said = entry.answers.iter().filter_map(|(operator, answer)| match answer {
            Answer::Said(said) => Some((*operator, *said == digest)),
            _ => None,
        });
        let (same, other): (Vec<_>, Vec<_>) = said.partition(|(_, same)| *same);
        (same.into_iter().map(|(o, _)| o).collect(), other.into_iter().map(|(o, _)| o).collect())
    }

    /// The newest block whose logs are settled.
    pub(crate) fn newest_settled(&self) -> Option<BlockRef> {
        let settled = self.entries.values().filter(|entry| entry.settled.is_some());
        settled.map(|entry| entry.block).max_by_key(|block| block.height)
    }

    /// How long a block has been waiting for agreement.
    pub(crate) fn waiting_since(&self, block: B256) -> Option<Instant> {
        self.entries.get(&block).filter(|entry| entry.settled.is_none()).map(|entry| entry.since)
    }

    /// Forgets a block that was delivered and is to be delivered again, because the chain came back to it: its logs are
    /// asked for anew.
    pub(crate) fn reopen(&mut self, block: B256) {
        if self.entries.get(&block).is_some_and(|entry| entry.settled.is_some()) {
            self.entries.remove(&block);
        }
    }

    /// Forgets answers, so that all are asked again.
    pub(crate) fn forget(&mut self, block: B256) {
        self.entries.remove(&block);
    }

    /// Forgets everything below a height.
    pub(crate) fn prune(&mut self, below: u64) {
        self.entries.retain(|_, entry| entry.block.height >= below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(byte: u8) -> LogSet {
        LogSet { digest: B256::repeat_byte(byte), logs: Vec::new() }
    }

    const BLOCK: BlockRef = BlockRef { height: 7, hash: B256::repeat_byte(7) };

    #[test]
    fn two_of_three_settle_it_and_the_third_is_named_whenever_it_speaks() {
        let (mut book, now) = (LogBook::default(), Instant::now());
        book.said(0, BLOCK, logs(1), now);
        book.said(2, BLOCK, logs(9), now);
        book.asked(1, BLOCK, now);
        assert!(matches!(book.agreed(BLOCK.hash, 2), Agreed::NotYet), "one is still to answer");
        book.failed(1, BLOCK, now);
        assert!(matches!(book.agreed(BLOCK.hash, 2), Agreed::Split));
        book.said(1, BLOCK, logs(1), now);
        let Agreed::Yes(agreed) = book.agreed(BLOCK.hash, 2) else { panic!("agreed") };
        assert_eq!(book.settle(BLOCK.hash, agreed.digest), (vec![0, 1], vec![2]));
        assert_eq!(book.said(2, BLOCK, logs(8), now), Compared::Other);
        assert_eq!(book.said(2, BLOCK, logs(1), now), Compared::Same);
    }

    #[test]
    fn what_was_delivered_is_compared_and_not_kept_and_is_asked_for_anew_when_it_comes_back() {
        let (mut book, now) = (LogBook::default(), Instant::now());
        for operator in [0, 1] {
            book.said(operator, BLOCK, logs(1), now);
        }
        book.reopen(BLOCK.hash);
        assert!(matches!(book.agreed(BLOCK.hash, 2), Agreed::Yes(_)), "not delivered yet");
        book.settle(BLOCK.hash, B256::repeat_byte(1));
        assert_eq!(book.said(2, BLOCK, logs(1), now), Compared::Same);
        assert!(book.entries[&BLOCK.hash].said.is_empty());
        let soon = core::time::Duration::from_millis(250);
        assert!(!book.wants(0, BLOCK, now, soon));
        book.reopen(BLOCK.hash);
        assert!(book.wants(0, BLOCK, now, soon) && matches!(book.agreed(BLOCK.hash, 2), Agreed::NotYet));
    }

    #[test]
    fn one_against_one_is_a_split_and_an_error_is_not_an_empty_answer() {
        let (mut book, now) = (LogBook::default(), Instant::now());
        book.said(0, BLOCK, logs(1), now);
        book.failed(1, BLOCK, now);
        assert!(matches!(book.agreed(BLOCK.hash, 2), Agreed::NotYet));
        let soon = core::time::Duration::from_millis(250);
        assert!(!book.wants(1, BLOCK, now, soon));
        assert!(book.wants(1, BLOCK, now + soon, soon));
        book.said(1, BLOCK, logs(2), now);
        assert!(matches!(book.agreed(BLOCK.hash, 1), Agreed::Split));
    }
}
