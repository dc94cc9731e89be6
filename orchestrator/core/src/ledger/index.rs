//! From a message to the number of its record: a hash table whose every look-up reads one line of cache, nearly always.
//!
//! A message that is new has to be looked for as well, and is found nowhere; at ten million messages each line of
//! memory that such a look-up touches comes from far away. So tags and numbers of nine messages lie in one line
//! together, and a tag keeps enough bits beside those that chose the line to tell strangers apart: a stranger's
//! record is fetched for one look-up in a thousand.

use portcullis_verifier::B256;

use super::table::RecordNo;
use crate::names::RouteNo;

/// Parts of the index. They grow one by one, so that no single step pays for the whole: at a million messages that
/// would be 50 ms in the middle of an attack.
const SHARDS: usize = 256;

/// Messages in one line: 24 bits of hash and 32 bits of number each, and the count, fill 64 bytes.
const SLOTS: usize = 9;

/// A part grows when so many eighths of its slots are taken: two lines in three are not full then.
const FULL_EIGHTHS: usize = 7;

/// One line of cache.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
struct Line {
    numbers: [RecordNo; SLOTS],
    /// The low 16 bits of each message's tag.
    tags: [u16; SLOTS],
    /// The 8 bits above them.
    highs: [u8; SLOTS],
    /// How many slots are taken; from the first on, because nothing is ever taken out.
    taken: u8,
}

impl Line {
    fn is_full(&self) -> bool {
        usize::from(self.taken) >= SLOTS
    }

    /// Numbers and tags of what is here.
    fn taken(&self) -> impl Iterator<Item = (RecordNo, u32)> {
        let tags = self.tags.iter().zip(&self.highs).map(|(low, high)| tag_of(*low, *high));
        self.numbers.iter().copied().zip(tags).take(usize::from(self.taken))
    }

    /// Adds a message; false when the line is full.
    fn add(&mut self, at: RecordNo, address: Address) -> bool {
        let slot = usize::from(self.taken);
        let (Some(number), Some(tag), Some(high)) =
            (self.numbers.get_mut(slot), self.tags.get_mut(slot), self.highs.get_mut(slot))
        else {
            return false;
        };
        (*number, *tag, *high) = (at, address.low(), address.high());
        self.taken = self.taken.saturating_add(1);
        true
    }
}

fn tag_of(low: u16, high: u8) -> u32 {
    let ([one, two], three) = (low.to_le_bytes(), high);
    u32::from_le_bytes([one, two, three, 0])
}

/// One part: lines, a power of two of them; what does not fit its own line lies in the next that is not full.
#[derive(Debug, Clone)]
struct Shard {
    lines: Vec<Line>,
    taken: usize,
}

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    shard: u8,
    /// 24 bits: the lowest choose the line, whatever the size, and the others tell strangers in it apart. So growing
    /// needs no record.
    tag: u32,
}

impl Address {
    fn low(self) -> u16 {
        let [one, two, ..] = self.tag.to_le_bytes();
        u16::from_le_bytes([one, two])
    }

    fn high(self) -> u8 {
        let [_, _, three, _] = self.tag.to_le_bytes();
        three
    }

    fn line(self, mask: usize) -> usize {
        usize::try_from(self.tag).unwrap_or(0) & mask
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Index {
    shards: Vec<Shard>,
    seed: u64,
}

impl Index {
    /// An empty index. The seed makes places in it hard to aim at for somebody who chooses message ids.
    pub(super) fn new(seed: u64) -> Self {
        Self { shards: vec![Shard::new(1); SHARDS], seed }
    }

    /// What it was made with.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        let lines = self.shards.iter().fold(0usize, |sum, shard| sum.saturating_add(shard.lines.len()));
        lines.saturating_mul(core::mem::size_of::<Line>())
    }

    /// Where a message belongs.
    pub(super) fn address(&self, route: RouteNo, id: &B256) -> Address {
        // Message ids are often small counters, so the last word carries everything: every bit of it has to reach
        // every bit of the place. The constants are those of SplitMix64.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut hash = self.seed ^ u64::from(route).wrapping_mul(STEP);
        for word in id.as_slice().chunks_exact(8) {
            let word = word.try_into().map_or(0, u64::from_be_bytes);
            hash = (hash.rotate_left(23) ^ word).wrapping_mul(STEP);
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [shard, _, _, _, _, high, middle, low] = (hash ^ (hash >> 31)).to_be_bytes();
        Address { shard, tag: u32::from_be_bytes([0, high, middle, low]) }
    }

    /// The number at an address for which `is_it` holds.
    pub(super) fn find(&self, address: Address, is_it: impl Fn(RecordNo) -> bool) -> Option<RecordNo> {
        let shard = self.shards.get(usize::from(address.shard))?;
        let mask = shard.lines.len().saturating_sub(1);
        let (low, high) = (address.low(), address.high());
        let mut at = address.line(mask);
        loop {
            let line = shard.lines.get(at)?;
            let slots = line.tags.iter().zip(&line.highs).zip(&line.numbers).take(usize::from(line.taken));
            for ((tag, above), number) in slots {
                if *tag == low && *above == high && is_it(*number) {
                    return Some(*number);
                }
            }
            // Ends because a part is never full.
            if !line.is_full() {
                return None;
            }
            at = at.wrapping_add(1) & mask;
        }
    }

    /// Has the line of an address fetched, without waiting for it.
    pub(super) fn touch(&self, address: Address) {
        let line = self.shards.get(usize::from(address.shard)).and_then(|shard| {
            let mask = shard.lines.len().saturating_sub(1);
            shard.lines.get(address.line(mask))
        });
        core::hint::black_box(line.map(|line| line.taken));
    }

    /// Adds a number that is not there yet.
    pub(super) fn add(&mut self, at: RecordNo, address: Address) {
        let Some(shard) = self.shards.get_mut(usize::from(address.shard)) else { return };
        let slots = shard.lines.len().saturating_mul(SLOTS);
        if shard.taken.saturating_mul(8) >= slots.saturating_mul(FULL_EIGHTHS) {
            shard.grow(address.shard);
        }
        shard.link(at, address);
    }
}

impl Shard {
    fn new(lines: usize) -> Self {
        Self { lines: vec![Line::default(); lines], taken: 0 }
    }

    fn grow(&mut self, shard: u8) {
        let mut grown = Self::new(self.lines.len().saturating_mul(2));
        for (number, tag) in self.lines.iter().flat_map(Line::taken) {
            grown.link(number, Address { shard, tag });
        }
        *self = grown;
    }

    fn link(&mut self, number: RecordNo, address: Address) {
        let mask = self.lines.len().saturating_sub(1);
        let mut at = address.line(mask);
        while let Some(line) = self.lines.get_mut(at) {
            if line.add(number, address) {
                self.taken = self.taken.saturating_add(1);
                return;
            }
            at = at.wrapping_add(1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    fn id(n: u64) -> B256 {
        B256::from(U256::from(n))
    }

    /// An index of messages 0 to `count` of route 0, each with its own number.
    fn index(count: u64) -> Index {
        let mut index = Index::new(7);
        for n in 0..count {
            index.add(u32::try_from(n).unwrap(), index.address(0, &id(n)));
        }
        index
    }

    #[test]
    fn a_line_is_a_line_of_cache() {
        assert_eq!((core::mem::size_of::<Line>(), core::mem::align_of::<Line>()), (64, 64));
    }

    #[test]
    fn counters_spread_over_the_index() {
        // Ids as bridges count them, left padded: no part is much fuller than another, and few lines overflow.
        let index = index(200_000);
        let fullest = index.shards.iter().map(|shard| shard.taken).max();
        assert!(fullest.unwrap() < 200_000 / SHARDS * 5 / 4, "parts fill unevenly");
        let moved = index.shards.iter().flat_map(|shard| {
            let mask = shard.lines.len() - 1;
            let lines = shard.lines.iter().enumerate();
            lines.flat_map(move |(at, line)| {
                line.taken().filter(move |(_, tag)| usize::try_from(*tag).unwrap() & mask != at)
            })
        });
        assert!(moved.count() < 200_000 / 8, "lines cluster");
    }

    #[test]
    fn strangers_are_hardly_ever_looked_at() {
        let index = index(200_000);
        let looked = core::cell::Cell::new(0u32);
        for n in 200_000..400_000 {
            let found = index.find(index.address(0, &id(n)), |_| {
                looked.set(looked.get() + 1);
                false
            });
            assert_eq!(found, None);
        }
        assert!(looked.get() < 200, "{} of 200,000 look-ups fetched a stranger's record", looked.get());
    }

    #[test]
    fn numbers_survive_growing_with_equal_tags_too() {
        let mut index = Index::new(7);
        let address = index.address(0, &id(1));
        // More of one tag than a line holds: they fill the next ones, and are told apart by what is asked of them.
        for n in 0..40 {
            index.add(n, address);
        }
        for n in 0..40 {
            assert_eq!(index.find(address, |number| number == n), Some(n));
        }
        assert_eq!(index.find(address, |number| number == 40), None);
    }
}
