//! The compact memory of messages: one record of 184 bytes each, found by (route, id) through an open-addressing
//! index. Records stay in the order in which messages were first met; nothing is ever decided in hash order, so
//! the hash can change without changing a decision.

use portcullis_verifier::B256;

use crate::names::{ChainNo, RouteNo, TokenNo, index};

/// Records in one block of memory. Blocks never move, so growing copies nothing and wastes at most one block.
const BLOCK: usize = 4_096;

/// Marks an empty place of the index; no tag has this value.
const EMPTY: u16 = 0;

/// Set in every tag.
const TAKEN: u16 = 0x8000;

/// Number of a record.
pub(crate) type RecordNo = u32;

/// What is known of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing live: everything was retracted.
    #[default]
    Empty,
    /// One source event, not yet consumed.
    Sent,
    /// One source event and one consumption that equals it and was old enough.
    Matched,
    /// Anything else; the details are kept apart.
    Irregular,
}

/// One message. `source_event` is the first half of the source's id: no signal ever stands on a source, so it only
/// has to recognise duplicates, and 128 bits of a hash that binds a block hash do.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Record {
    // What finding it reads comes first and together: one or two lines of cache.
    pub(crate) id: B256,
    pub(crate) route: RouteNo,
    pub(crate) source_token: TokenNo,
    pub(crate) use_token: TokenNo,
    pub(crate) use_chain: ChainNo,
    pub(crate) state: State,
    pub(crate) recipient: B256,
    /// Amount at the source in base units, low and high half; larger ones are irregular.
    pub(crate) amount: [u64; 2],
    pub(crate) source_time: u64,
    pub(crate) source_height: u64,
    pub(crate) source_log: u32,
    pub(crate) use_log: u32,
    pub(crate) use_height: u64,
    pub(crate) use_time: u64,
    pub(crate) source_event: [u8; 16],
    pub(crate) use_event: B256,
}

/// Parts of the index. They grow one by one, so that no single step pays for the whole: at a million messages that
/// would be 50 ms in the middle of an attack.
const SHARDS: usize = 256;

/// Places of an empty part of the index; a power of two, as always after growing.
const FIRST_PLACES: usize = 8;

/// One part of the index: open addressing with linear probing. Fifteen bits of each message's hash stand beside its
/// number, so that neither a probe past other messages nor growing has to fetch their records from memory.
#[derive(Debug, Clone)]
struct Shard {
    tags: Vec<u16>,
    numbers: Vec<RecordNo>,
    taken: usize,
}

/// Where a message belongs in the index.
#[derive(Debug, Clone, Copy)]
struct Address {
    shard: usize,
    /// The lowest fifteen bits of `place`, and [`TAKEN`].
    tag: u16,
    place: usize,
}

/// All records and their index.
#[derive(Debug)]
pub(crate) struct Table {
    blocks: Vec<Vec<Record>>,
    length: usize,
    shards: Vec<Shard>,
    seed: u64,
}

impl Table {
    /// An empty table. The seed makes places in the index hard to aim at for somebody who chooses message ids.
    pub(crate) fn new(seed: u64) -> Self {
        Self { blocks: Vec::new(), length: 0, shards: vec![Shard::new(FIRST_PLACES); SHARDS], seed }
    }

    /// How many messages are remembered.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Bytes of memory in use.
    pub(crate) fn bytes(&self) -> usize {
        let records = self.blocks.len().saturating_mul(BLOCK).saturating_mul(core::mem::size_of::<Record>());
        let places = self.shards.iter().fold(0usize, |sum, shard| sum.saturating_add(shard.tags.len()));
        let per_place = core::mem::size_of::<RecordNo>().saturating_add(core::mem::size_of::<u16>());
        records.saturating_add(places.saturating_mul(per_place))
    }

    /// A record by number.
    pub(crate) fn get(&self, at: RecordNo) -> Option<&Record> {
        let at = index(at);
        self.blocks.get(at.checked_div(BLOCK)?)?.get(at.checked_rem(BLOCK)?)
    }

    /// A record by number, to change.
    pub(crate) fn get_mut(&mut self, at: RecordNo) -> Option<&mut Record> {
        let at = index(at);
        self.blocks.get_mut(at.checked_div(BLOCK)?)?.get_mut(at.checked_rem(BLOCK)?)
    }

    /// Number of a message's record, if it was ever met.
    pub(crate) fn find(&self, route: RouteNo, id: &B256) -> Option<RecordNo> {
        self.find_at(self.address(route, id), route, id)
    }

    fn find_at(&self, address: Address, route: RouteNo, id: &B256) -> Option<RecordNo> {
        let shard = self.shards.get(address.shard)?;
        let mask = shard.tags.len().saturating_sub(1);
        let mut place = address.place & mask;
        loop {
            let tag = *shard.tags.get(place)?;
            if tag == EMPTY {
                return None;
            }
            if tag == address.tag {
                let at = *shard.numbers.get(place)?;
                if self.get(at).is_some_and(|record| record.id == *id && record.route == route) {
                    return Some(at);
                }
            }
            place = place.wrapping_add(1) & mask;
        }
    }

    /// Number of a message's record, making an empty one when it is new; none when all numbers are given.
    pub(crate) fn find_or_add(&mut self, route: RouteNo, id: &B256) -> Option<RecordNo> {
        let address = self.address(route, id);
        if let Some(at) = self.find_at(address, route, id) {
            return Some(at);
        }
        if self.length >= crate::limits::MESSAGES {
            return None;
        }
        let at = u32::try_from(self.length).ok()?;
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        self.blocks.last_mut()?.push(Record { id: *id, route, ..Record::default() });
        self.length = self.length.saturating_add(1);
        // At most three quarters full: probes stay short, and one that finds nothing ends.
        let full = |shard: &Shard| shard.taken.saturating_mul(4) >= shard.tags.len().saturating_mul(3);
        if self.shards.get(address.shard).is_some_and(full) {
            self.grow(address.shard);
        }
        self.shards.get_mut(address.shard)?.link(at, address);
        Some(at)
    }

    fn grow(&mut self, at: usize) {
        let Some(old) = self.shards.get(at) else { return };
        let mut grown = Shard::new(old.tags.len().saturating_mul(2));
        // Up to 32,768 places, six million messages, a tag knows the place; beyond, the record has to be asked.
        let known = grown.tags.len() <= usize::from(TAKEN);
        for (tag, number) in old.tags.iter().zip(&old.numbers).filter(|(tag, _)| **tag != EMPTY) {
            let kept = Address { shard: at, tag: *tag, place: usize::from(*tag & !TAKEN) };
            let record = if known { None } else { self.get(*number) };
            let address = record.map_or(kept, |record| self.address(record.route, &record.id));
            grown.link(*number, address);
        }
        if let Some(shard) = self.shards.get_mut(at) {
            *shard = grown;
        }
    }

    fn address(&self, route: RouteNo, id: &B256) -> Address {
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
        let [shard, _, _, _, place @ ..] = (hash ^ (hash >> 31)).to_be_bytes();
        let [_, _, low @ ..] = place;
        let tag = u16::from_be_bytes(low) | TAKEN;
        let place = usize::try_from(u32::from_be_bytes(place)).unwrap_or(0);
        Address { shard: usize::from(shard), tag, place }
    }
}

impl Shard {
    fn new(places: usize) -> Self {
        Self { tags: vec![EMPTY; places], numbers: vec![0; places], taken: 0 }
    }

    fn link(&mut self, at: RecordNo, address: Address) {
        let mask = self.tags.len().saturating_sub(1);
        let mut place = address.place & mask;
        // Ends because the places are never full.
        while let (Some(tag), Some(number)) = (self.tags.get_mut(place), self.numbers.get_mut(place)) {
            if *tag == EMPTY {
                (*tag, *number) = (address.tag, at);
                self.taken = self.taken.saturating_add(1);
                return;
            }
            place = place.wrapping_add(1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_its_size() {
        assert!(core::mem::size_of::<Record>() <= 184, "{}", core::mem::size_of::<Record>());
    }

    #[test]
    fn what_was_added_is_found_and_nothing_else() {
        let mut table = Table::new(7);
        for n in 0..20_000u64 {
            let id = B256::from(alloy_primitives::U256::from(n));
            assert_eq!(
                table.find_or_add(u32::try_from(n % 3).unwrap(), &id),
                Some(u32::try_from(n).unwrap())
            );
        }
        for n in 0..20_000u64 {
            let id = B256::from(alloy_primitives::U256::from(n));
            let route = u32::try_from(n % 3).unwrap();
            assert_eq!(table.find(route, &id), Some(u32::try_from(n).unwrap()));
            assert_eq!(table.find((route + 1) % 3, &id), None);
            assert_eq!(table.find_or_add(route, &id), Some(u32::try_from(n).unwrap()), "no second record");
        }
        assert_eq!(table.len(), 20_000);
    }

    #[test]
    fn parts_too_large_for_their_tags_still_find_everything() {
        let id = |n: u64| B256::from(alloy_primitives::U256::from(n));
        let mut table = Table::new(7);
        for n in 0..5_000 {
            table.find_or_add(0, &id(n));
        }
        for shard in 0..8 {
            while table.shards[shard].tags.len() <= 4 * usize::from(TAKEN) {
                table.grow(shard);
            }
        }
        for n in 0..5_000 {
            assert_eq!(table.find(0, &id(n)), Some(u32::try_from(n).unwrap()));
            assert_eq!(table.find(1, &id(n)), None);
        }
    }

    #[test]
    fn counters_spread_over_the_index() {
        // Ids as bridges count them, left padded: the longest run of taken places stays short.
        let mut table = Table::new(7);
        for n in 0..12_000u64 {
            table.find_or_add(0, &B256::from(alloy_primitives::U256::from(n)));
        }
        let runs =
            table.shards.iter().flat_map(|shard| shard.tags.split(|tag| *tag == EMPTY)).map(<[u16]>::len);
        let fullest = table.shards.iter().map(|shard| shard.taken).max();
        assert!(fullest.unwrap() < 12_000 / SHARDS * 2, "parts fill unevenly");
        assert!(runs.max().unwrap() < 48, "places cluster");
    }
}
