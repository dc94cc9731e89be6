//! The chain of blocks as each operator tells it, the part that was delivered, and what to do next. Pure.
//!
//! A block names its parent's slot and hash, so what operators tell is a chain whatever slots were skipped. The next block is
//! the child of the newest delivered one that a quorum tells alike, records included. Where a quorum tells another child of an
//! earlier one, what was delivered above that is undone first.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use portcullis_verifier::{B256, BlockRef, Observation};

use crate::{limits, transport::Told};

/// A block whose records were delivered.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) block: BlockRef,
    /// Seconds since 1970; zero where a cursor did not say.
    pub(crate) time: u64,
    /// What was delivered of it.
    pub(crate) events: Arc<[Observation]>,
}

/// What to do next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Nothing that a quorum tells is new.
    Stay,
    /// Deliver this child of the newest block.
    Deliver {
        told: Arc<Told>,
        /// Who tells it so.
        agreeing: Vec<usize>,
        /// Who tells another child of the same block; with whether it is the same block with other records.
        dissenting: Vec<(usize, bool)>,
    },
    /// Undo everything above this place of the window.
    Retract(usize),
    /// A quorum's chain leaves ours below the window: start again above this block.
    Abandon(BlockRef),
}

/// What to ask an operator for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Blocks from this slot on.
    From(u64),
    /// The block of this slot, which a later one names as its parent.
    One(u64),
}

/// What one operator tells.
#[derive(Debug, Default)]
struct View {
    told: BTreeMap<u64, Arc<Told>>,
    /// Every block of the operator up to this slot was asked for.
    covered: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Oldest first, never empty.
    window: VecDeque<Delivered>,
    /// Delivered blocks with the digests of what was told, oldest first, to judge who comes to them later.
    settled: VecDeque<(BlockRef, B256)>,
    views: Vec<View>,
    /// The oldest block of the window is where watching began: nothing below it was ever delivered.
    began_here: bool,
    bound: usize,
    quorum: usize,
}

/// Equal words of a child, and who gave them.
type Voices = Vec<(Arc<Told>, Vec<usize>)>;

impl Chain {
    /// A chain that stands on `window` (oldest first, not empty).
    pub(crate) fn new(
        window: VecDeque<Delivered>,
        began_here: bool,
        bound: usize,
        quorum: usize,
        operators: usize,
    ) -> Self {
        let covered = window.back().map_or(0, |newest| newest.block.height);
        let views = (0..operators).map(|_| View { told: BTreeMap::new(), covered }).collect();
        Self { window, settled: VecDeque::new(), views, began_here, bound, quorum }
    }

    /// The newest delivered block.
    pub(crate) fn tip(&self) -> BlockRef {
        self.window.back().map_or(BlockRef { height: 0, hash: B256::ZERO }, |newest| newest.block)
    }

    /// Its time, seconds since 1970.
    pub(crate) fn tip_time(&self) -> u64 {
        self.window.back().map_or(0, |newest| newest.time)
    }

    pub(crate) fn window(&self) -> &VecDeque<Delivered> {
        &self.window
    }

    fn oldest(&self) -> u64 {
        self.window.front().map_or(0, |oldest| oldest.block.height)
    }

    fn place(&self, block: BlockRef) -> Option<usize> {
        self.window.iter().position(|delivered| delivered.block == block)
    }

    /// An operator tells a block. What it told of the slots that this one skips, and what does not come from it, is gone.
    pub(crate) fn told(&mut self, operator: usize, told: Arc<Told>) {
        let (slot, parent) = (told.block.height, told.parent);
        let Some(view) = self.views.get_mut(operator) else { return };
        let follows = |known: &Told| known.parent.height > slot || known.parent == told.block;
        if view.told.range(slot.saturating_add(1)..).any(|(_, known)| !follows(known)) {
            // What came above is told again, if it is still there.
            view.covered = view.covered.min(slot);
        }
        view.told.retain(|at, known| if *at > slot { follows(known) } else { *at <= parent.height });
        if view.told.get(&parent.height).is_some_and(|known| known.block != parent) {
            view.told.remove(&parent.height);
        }
        view.told.insert(slot, told);
    }

    /// An operator told every block that it has up to a slot.
    pub(crate) fn covered(&mut self, operator: usize, slot: u64) {
        if let Some(view) = self.views.get_mut(operator) {
            view.covered = view.covered.max(slot);
        }
    }

    /// A block that an operator told names its parent: where everything up to that was told, everything up to the block is.
    pub(crate) fn passed_over(&mut self, operator: usize, parent: u64, slot: u64) {
        if self.views.get(operator).is_some_and(|view| view.covered >= parent) {
            self.covered(operator, slot);
        }
    }

    /// Whether a block is taken that an operator was not asked for: above what can be undone, and while not too many wait.
    pub(crate) fn takes(&self, operator: usize, slot: u64) -> bool {
        let above = self.tip().height.saturating_add(1);
        let waiting = |view: &View| view.told.range(above..).count();
        let room = self.views.get(operator).is_some_and(|view| waiting(view) < limits::BLOCKS_AHEAD);
        slot > self.oldest() && room
    }

    /// Whether an operator has told the block of a slot.
    pub(crate) fn has(&self, operator: usize, slot: u64) -> bool {
        self.views.get(operator).is_some_and(|view| view.told.contains_key(&slot))
    }

    /// What to ask an operator for whose newest slot is `head`; none when there is nothing, or enough waits.
    pub(crate) fn asks(&self, operator: usize, head: u64) -> Option<Ask> {
        let view = self.views.get(operator)?;
        let known = |parent: BlockRef| {
            self.place(parent).is_some()
                || view.told.get(&parent.height).is_some_and(|told| told.block == parent)
                || self.settled.iter().any(|(block, _)| *block == parent)
        };
        let dangling = view.told.values().find(|told| !known(told.parent)).map(|told| told.parent.height);
        if let Some(parent) = dangling.filter(|parent| *parent >= self.oldest()) {
            return Some(Ask::One(parent));
        }
        let tip = self.tip().height;
        if view.told.range(tip.saturating_add(1)..).count() >= limits::BLOCKS_AHEAD {
            return None;
        }
        // Who fell far behind is not asked for what everybody else has left behind.
        let kept = self.settled.front().map_or(tip, |(block, _)| block.height);
        let from = view.covered.max(kept).saturating_add(1);
        (head >= from).then_some(Ask::From(from))
    }

    fn child(view: &View, parent: BlockRef) -> Option<&Arc<Told>> {
        let above = view.told.range(parent.height.saturating_add(1)..);
        above.map(|(_, told)| told).find(|told| told.parent == parent)
    }

    /// What operators tell as the child of a block, the most voices first.
    fn children(&self, parent: BlockRef) -> Voices {
        let mut voices: Voices = Vec::new();
        for (operator, view) in self.views.iter().enumerate() {
            let Some(told) = Self::child(view, parent) else { continue };
            match voices.iter_mut().find(|(known, _)| known.digest == told.digest) {
                Some((_, who)) => who.push(operator),
                None => voices.push((Arc::clone(told), vec![operator])),
            }
        }
        voices.sort_by_key(|(_, who)| core::cmp::Reverse(who.len()));
        voices
    }

    /// The word that a quorum gives.
    ///
    /// SECURITY: with a quorum of half or less, two words can reach it. Equal halves agree on nothing.
    fn agreed(&self, voices: &Voices) -> Option<(Arc<Told>, Vec<usize>)> {
        let (told, who) = voices.first()?;
        let rival = voices.get(1).map_or(0, |(_, who)| who.len());
        (who.len() >= self.quorum.max(1) && who.len() > rival).then(|| (Arc::clone(told), who.clone()))
    }

    /// What to do next.
    pub(crate) fn next(&self) -> Step {
        let voices = self.children(self.tip());
        if let Some((told, agreeing)) = self.agreed(&voices) {
            let others = voices.iter().skip(1).flat_map(|(other, who)| {
                let same = other.block == told.block;
                who.iter().map(move |operator| (*operator, same))
            });
            let dissenting = others.collect();
            return Step::Deliver { told, agreeing, dissenting };
        }
        self.fork().or_else(|| self.abandoned()).unwrap_or(Step::Stay)
    }

    /// A quorum that tells another child of an earlier block than the one that was delivered.
    fn fork(&self) -> Option<Step> {
        let delivered: Vec<BlockRef> = self.window.iter().map(|one| one.block).collect();
        for (at, pair) in delivered.windows(2).enumerate().rev() {
            let [parent, ours] = pair else { continue };
            let mut voices = self.children(*parent);
            voices.retain(|(told, _)| told.block != *ours);
            let Some((_, who)) = self.agreed(&voices) else { continue };
            // Leaving what was delivered needs more voices than staying.
            let staying = self.views.iter().enumerate().filter(|(operator, view)| {
                !who.contains(operator)
                    && view.told.values().any(|told| told.block == *ours || told.parent == *ours)
            });
            if who.len() > staying.count() {
                return Some(Step::Retract(at));
            }
        }
        None
    }

    /// A quorum that tells a chain which leaves ours below the window.
    fn abandoned(&self) -> Option<Step> {
        let mut below: Vec<(BlockRef, usize)> = Vec::new();
        let mut ours = 0usize;
        for view in &self.views {
            let leaves =
                |told: &&Arc<Told>| told.parent.height < self.oldest() && self.place(told.block).is_none();
            let first = view.told.values().find(leaves);
            if let Some(parent) = first.map(|told| told.parent) {
                match below.iter_mut().find(|(known, _)| *known == parent) {
                    Some((_, count)) => *count = count.saturating_add(1),
                    None => below.push((parent, 1)),
                }
            } else if !view.told.is_empty() {
                ours = ours.saturating_add(1);
            }
        }
        let (block, count) = below.into_iter().max_by_key(|(_, count)| *count)?;
        (count >= self.quorum.max(1) && count > ours).then_some(Step::Abandon(block))
    }

    /// How an operator's word of a block that was delivered compares; none for any other block.
    pub(crate) fn compare(&self, told: &Told) -> Option<Compared> {
        let (block, digest) = self.settled.iter().find(|(block, _)| block.height >= told.block.height)?;
        let first = self.settled.front().map_or(u64::MAX, |(block, _)| block.height);
        if told.block.height < first {
            return None;
        }
        Some(if *block != told.block {
            Compared::OtherBlock(*block)
        } else if *digest == told.digest {
            Compared::Same
        } else {
            Compared::OtherRecords
        })
    }

    /// Takes everything above `at` out of the window, newest first.
    pub(crate) fn retract(&mut self, at: usize) -> Vec<Delivered> {
        let kept = at.saturating_add(1).min(self.window.len());
        let gone: Vec<Delivered> = self.window.split_off(kept).into_iter().rev().collect();
        let tip = self.tip().height;
        self.settled.retain(|(block, _)| block.height <= tip);
        gone
    }

    /// Appends a delivered block and forgets what lies below the bounds.
    pub(crate) fn deliver(&mut self, delivered: Delivered, digest: B256) {
        self.settled.push_back((delivered.block, digest));
        while self.settled.len() > limits::SETTLED_KEPT {
            self.settled.pop_front();
        }
        self.window.push_back(delivered);
        while self.window.len() > self.bound.saturating_add(1) {
            self.window.pop_front();
            self.began_here = false;
        }
        self.prune();
    }

    fn prune(&mut self) {
        let oldest = self.oldest();
        for view in &mut self.views {
            view.told.retain(|slot, _| *slot >= oldest);
        }
    }

    /// Starts again above `block`, because the chain left the window. What was in the window, newest first.
    pub(crate) fn restart(&mut self, block: Delivered) -> Vec<Delivered> {
        let below = block.block.height;
        let old = core::mem::replace(&mut self.window, VecDeque::from([block]));
        self.settled.clear();
        self.views.iter_mut().for_each(|view| view.covered = view.covered.min(below));
        old.into_iter().rev().collect()
    }

    /// Whether nothing below the window was ever delivered.
    pub(crate) fn began_here(&self) -> bool {
        self.began_here
    }
}

/// How a word of a delivered block compares with what was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is the same.
    Same,
    /// The same block with other records.
    OtherRecords,
    /// Another block in the slot; this one was delivered.
    OtherBlock(BlockRef),
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
