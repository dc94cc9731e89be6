//! The tree of headers, the chain that was delivered, and which block to deliver next. Pure.
//!
//! Operators point at heads; a head supports itself and its ancestors. The target is the highest block that a
//! quorum supports. Blocks above the fork point with it are retracted, blocks below it are delivered, so that a
//! reorganisation of any depth within the window is one step. A head whose ancestors are not known yet supports
//! nothing until they are fetched.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use portcullis_verifier::{B256, BlockRef, Observation};

use crate::{limits, transport::Head};

/// A block whose events were delivered.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) block: BlockRef,
    /// Seconds since 1970; zero where a cursor did not say.
    pub(crate) time: u64,
    /// What was delivered of it.
    pub(crate) events: Arc<[Observation]>,
}

/// Where a head stands relative to what was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    /// Blocks above the fork point, ascending; empty when the head itself was delivered.
    Known {
        /// Position of the fork point in the delivered window.
        fork: usize,
        /// Hashes above it.
        above: Vec<B256>,
    },
    /// An ancestor must be fetched first.
    Missing(BlockRef),
    /// The fork point lies below the window; the block below which nothing is known.
    TooDeep(BlockRef),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Nothing new is supported by a quorum.
    Stay,
    /// Retract everything above position `fork`, then deliver these, ascending.
    Move { fork: usize, blocks: Vec<B256> },
    /// A quorum stands on a chain that leaves ours below the window: start again above this block.
    Abandon(BlockRef),
}

/// An operator's head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperatorHead {
    pub(crate) block: BlockRef,
}

struct Known {
    head: Head,
    /// When it was first seen, on whichever socket.
    seen: Instant,
    /// Who brought it, so that a liar's headers are bounded.
    by: usize,
}

/// See the module.
pub(crate) struct Tree {
    known: BTreeMap<B256, Known>,
    heads: Vec<Option<OperatorHead>>,
    /// Oldest first, contiguous, never empty.
    window: VecDeque<Delivered>,
    /// The oldest block of the window is where watching began: nothing below it was ever delivered.
    began_here: bool,
    bound: usize,
    quorum: usize,
}

impl Tree {
    /// A tree that stands on `window` (oldest first, not empty).
    pub(crate) fn new(
        window: VecDeque<Delivered>,
        began_here: bool,
        bound: usize,
        quorum: usize,
        operators: usize,
    ) -> Self {
        Self { known: BTreeMap::new(), heads: vec![None; operators], window, began_here, bound, quorum }
    }

    /// The newest delivered block.
    pub(crate) fn tip(&self) -> BlockRef {
        self.window.back().map_or(BlockRef { height: 0, hash: B256::ZERO }, |delivered| delivered.block)
    }

    pub(crate) fn window(&self) -> &VecDeque<Delivered> {
        &self.window
    }

    pub(crate) fn head_of(&self, operator: usize) -> Option<OperatorHead> {
        self.heads.get(operator).copied().flatten()
    }

    pub(crate) fn known(&self, hash: &B256) -> Option<&Head> {
        self.known.get(hash).map(|known| &known.head)
    }

    /// When a block was first seen.
    pub(crate) fn seen(&self, hash: &B256) -> Option<Instant> {
        self.known.get(hash).map(|known| known.seen)
    }

    /// Keeps a header; false when `by` has brought too many that lead nowhere.
    pub(crate) fn add(&mut self, head: Head, seen: Instant, by: usize) -> bool {
        if self.known.contains_key(&head.block.hash) {
            return true;
        }
        let brought = self.known.values().filter(|known| known.by == by).count();
        if brought >= limits::HEADERS_PER_OPERATOR_MAX {
            return false;
        }
        self.known.insert(head.block.hash, Known { head, seen, by });
        true
    }

    /// An operator's newest head.
    pub(crate) fn point(&mut self, operator: usize, block: BlockRef) {
        if let Some(place) = self.heads.get_mut(operator) {
            *place = Some(OperatorHead { block });
        }
    }

    /// An operator that is dark supports nothing.
    pub(crate) fn unpoint(&mut self, operator: usize) {
        if let Some(place) = self.heads.get_mut(operator) {
            *place = None;
        }
    }

    /// The height that a quorum of operators say they have reached, known ancestors or not.
    pub(crate) fn quorum_height(&self) -> Option<u64> {
        let mut heights: Vec<u64> = self.heads.iter().flatten().map(|head| head.block.height).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.get(self.quorum.saturating_sub(1)).copied()
    }

    /// The time of the newest block that a quorum of operators say they have reached.
    ///
    /// SECURITY: the time that `quorum` operators have reached, not the latest: one liar cannot make what happens now look
    /// like history, for which no gate is closed.
    pub(crate) fn quorum_time(&self) -> Option<u64> {
        let known = self.heads.iter().flatten().filter_map(|head| self.known(&head.block.hash));
        let mut times: Vec<u64> = known.map(|head| head.time).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.get(self.quorum.saturating_sub(1)).copied()
    }

    fn position(&self, block: BlockRef) -> Option<usize> {
        let oldest = self.window.front()?.block.height;
        let at = usize::try_from(block.height.checked_sub(oldest)?).ok()?;
        self.window.get(at).filter(|delivered| delivered.block.hash == block.hash).map(|_| at)
    }

    fn parent_of(&self, block: BlockRef) -> Option<BlockRef> {
        let head = self.known(&block.hash)?;
        Some(BlockRef { height: block.height.saturating_sub(1), hash: head.parent })
    }

    /// Where a block stands.
    pub(crate) fn path(&self, block: BlockRef) -> Path {
        let mut above = Vec::new();
        let mut at = block;
        let oldest = self.window.front().map_or(0, |delivered| delivered.block.height);
        loop {
            if let Some(fork) = self.position(at) {
                above.reverse();
                return Path::Known { fork, above };
            }
            if at.height <= oldest {
                // At the oldest height with another hash: one step further down nothing is known to differ. That
                // block's header is fetched as well, because watching goes on from it.
                return match self.parent_of(at) {
                    Some(below) if at.height > 0 && self.known.contains_key(&below.hash) => {
                        Path::TooDeep(below)
                    }
                    Some(below) => Path::Missing(below),
                    None => Path::Missing(at),
                };
            }
            let Some(known) = self.known.get(&at.hash) else { return Path::Missing(at) };
            above.push(at.hash);
            at = BlockRef { height: at.height.saturating_sub(1), hash: known.head.parent };
        }
    }

    /// Operators that have delivered-chain position `at` (or a later delivered block) among their ancestors.
    fn supports_delivered(&self, paths: &[Option<Path>], at: usize) -> usize {
        let on_it = |path: &&Path| matches!(path, Path::Known { fork, .. } if *fork >= at);
        paths.iter().flatten().filter(on_it).count()
    }

    fn paths(&self) -> Vec<Option<Path>> {
        self.heads.iter().map(|head| head.map(|head| self.path(head.block))).collect()
    }

    /// Ancestors that must be fetched before the operators' heads can be judged, with whose head needs them.
    pub(crate) fn missing(&self) -> Vec<(usize, BlockRef)> {
        let paths = self.paths().into_iter().enumerate();
        paths
            .filter_map(|(operator, path)| match path {
                Some(Path::Missing(block)) => Some((operator, block)),
                _ => None,
            })
            .collect()
    }

    /// Operators that a header's block is an ancestor (or the head) of.
    pub(crate) fn supporters(&self, hash: B256) -> Vec<usize> {
        let paths = self.paths().into_iter().enumerate();
        paths
            .filter(|(_, path)| matches!(path, Some(Path::Known { above, .. }) if above.contains(&hash)))
            .map(|(operator, _)| operator)
            .collect()
    }

    /// What to do next.
    pub(crate) fn target(&self) -> Target {
        let paths = self.paths();
        let mut support: BTreeMap<B256, usize> = BTreeMap::new();
        let mut too_deep: BTreeMap<B256, (usize, BlockRef)> = BTreeMap::new();
        for path in paths.iter().flatten() {
            match path {
                Path::Known { above, .. } => {
                    for hash in above {
                        let count = support.entry(*hash).or_default();
                        *count = count.saturating_add(1);
                    }
                }
                Path::TooDeep(block) => {
                    let entry = too_deep.entry(block.hash).or_insert((0, *block));
                    entry.0 = entry.0.saturating_add(1);
                }
                Path::Missing(_) => {}
            }
        }
        if let Some(block) = self.abandoned(&paths, &too_deep) {
            return Target::Abandon(block);
        }
        self.best(&paths, &support)
    }

    fn abandoned(
        &self,
        paths: &[Option<Path>],
        too_deep: &BTreeMap<B256, (usize, BlockRef)>,
    ) -> Option<BlockRef> {
        let (count, block) = too_deep.values().max_by_key(|(count, _)| *count)?;
        let ours = self.supports_delivered(paths, 0);
        (*count >= self.quorum && *count > ours).then_some(*block)
    }

    fn best(&self, paths: &[Option<Path>], support: &BTreeMap<B256, usize>) -> Target {
        let tip = self.window.len().saturating_sub(1);
        let mut best: Option<(u64, usize, usize, &[B256])> = None;
        for path in paths.iter().flatten() {
            let Path::Known { fork, above } = path else { continue };
            // Support only falls towards the head, so the last block with a quorum is the highest.
            let reach = above.iter().take_while(|hash| self.has_quorum(support, hash)).count();
            let Some((blocks, last)) = above.get(..reach).and_then(|b| Some((b, b.last()?))) else {
                continue;
            };
            if *fork < tip {
                // Leaving what was delivered needs more voices than staying.
                let rivals = self.supports_delivered(paths, fork.saturating_add(1));
                let voices = blocks.first().and_then(|first| support.get(first)).copied().unwrap_or(0);
                if voices <= rivals {
                    continue;
                }
            }
            let height = self.known.get(last).map_or(0, |known| known.head.block.height);
            let voices = support.get(last).copied().unwrap_or(0);
            if best.is_none_or(|(h, v, ..)| (height, voices) > (h, v)) {
                best = Some((height, voices, *fork, blocks));
            }
        }
        match best {
            Some((_, _, fork, blocks)) => Target::Move { fork, blocks: blocks.to_vec() },
            None => Target::Stay,
        }
    }

    fn has_quorum(&self, support: &BTreeMap<B256, usize>, hash: &B256) -> bool {
        support.get(hash).is_some_and(|count| *count >= self.quorum)
    }

    /// How many delivered blocks an operator's head contradicts: zero when it stands on the delivered chain, or
    /// when that is not known.
    pub(crate) fn contradicts(&self, operator: usize) -> u64 {
        let Some(head) = self.head_of(operator) else { return 0 };
        let tip = self.window.len().saturating_sub(1);
        match self.path(head.block) {
            Path::Known { fork, above } if fork < tip && !above.is_empty() => {
                u64::try_from(tip.saturating_sub(fork)).unwrap_or(u64::MAX)
            }
            Path::TooDeep(_) => u64::try_from(self.window.len()).unwrap_or(u64::MAX),
            Path::Known { .. } | Path::Missing(_) => 0,
        }
    }

    /// Whether an operator's head hangs in the air: its ancestors could not be had.
    pub(crate) fn hangs(&self, operator: usize) -> bool {
        self.head_of(operator).is_some_and(|head| matches!(self.path(head.block), Path::Missing(_)))
    }

    /// Dates a delivered block that a cursor left undated.
    pub(crate) fn date(&mut self, position: usize, time: u64) {
        if let Some(delivered) = self.window.get_mut(position) {
            delivered.time = time;
        }
    }

    /// Takes everything above `fork` out of the window, newest first.
    pub(crate) fn retract(&mut self, fork: usize) -> Vec<Delivered> {
        let kept = fork.saturating_add(1).min(self.window.len());
        self.window.split_off(kept).into_iter().rev().collect()
    }

    /// Appends a delivered block and forgets what lies below the bound.
    pub(crate) fn deliver(&mut self, delivered: Delivered) {
        self.window.push_back(delivered);
        let most = self.bound.saturating_add(1);
        while self.window.len() > most {
            self.window.pop_front();
            self.began_here = false;
        }
        let oldest = self.window.front().map_or(0, |delivered| delivered.block.height);
        // Wide enough for every block between the tip and the place where ranges take over.
        let ahead = limits::TREE_SLACK_BLOCKS.saturating_add(u64::try_from(self.bound).unwrap_or(u64::MAX));
        let newest = self.tip().height.saturating_add(ahead);
        let heads: Vec<B256> = self.heads.iter().flatten().map(|head| head.block.hash).collect();
        self.known.retain(|hash, known| {
            let height = known.head.block.height;
            (height >= oldest && height <= newest) || heads.contains(hash)
        });
    }

    /// Starts again above `block`: after a range, or when the chain left the window.
    ///
    /// Returns what was in the window, newest first.
    pub(crate) fn restart(&mut self, block: Delivered, began_here: bool) -> Vec<Delivered> {
        let old = core::mem::replace(&mut self.window, VecDeque::from([block]));
        self.began_here = began_here;
        old.into_iter().rev().collect()
    }

    /// Whether nothing below the window was ever delivered.
    pub(crate) fn began_here(&self) -> bool {
        self.began_here
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "tree_tests.rs"]
mod tests;
