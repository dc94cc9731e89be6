//! The compact memory of messages: one record of 184 bytes each, found by (route, id) through an open-addressing
//! index. Records stay in the order in which messages were first met; nothing is ever decided in hash order, so
//! the hash can change without changing a decision.

use portcullis_verifier::B256;

use crate::names::{ChainNo, RouteNo, TokenNo, index};

/// Records in one block of memory. Blocks never move, so growing copies nothing and wastes at most one block.
const BLOCK: usize = 4_096;

/// Marks an empty place of the index.
const EMPTY: u32 = u32::MAX;

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
pub(crate) struct Record {
    pub(crate) id: B256,
    pub(crate) recipient: B256,
    pub(crate) use_event: B256,
    pub(crate) source_event: [u8; 16],
    /// Amount at the source in base units, low and high half; larger ones are irregular.
    pub(crate) amount: [u64; 2],
    pub(crate) source_height: u64,
    pub(crate) source_time: u64,
    pub(crate) use_height: u64,
    pub(crate) use_time: u64,
    pub(crate) source_log: u32,
    pub(crate) use_log: u32,
    pub(crate) route: RouteNo,
    pub(crate) source_token: TokenNo,
    pub(crate) use_token: TokenNo,
    pub(crate) use_chain: ChainNo,
    pub(crate) state: State,
}

/// Parts of the index. They grow one by one, so that no single step pays for the whole: at a million messages that
/// would be 50 ms in the middle of an attack.
const SHARDS: usize = 256;

/// Places of an empty part of the index; a power of two, as always after growing.
const FIRST_PLACES: usize = 8;

/// One part of the index: open addressing with linear probing.
#[derive(Debug, Clone)]
struct Shard {
    places: Vec<u32>,
    taken: usize,
}

/// Where a message belongs in the index.
#[derive(Debug, Clone, Copy)]
struct Address {
    shard: usize,
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
        let empty = Shard { places: vec![EMPTY; FIRST_PLACES], taken: 0 };
        Self { blocks: Vec::new(), length: 0, shards: vec![empty; SHARDS], seed }
    }

    /// How many messages are remembered.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Bytes of memory in use.
    pub(crate) fn bytes(&self) -> usize {
        let records = self.blocks.len().saturating_mul(BLOCK).saturating_mul(core::mem::size_of::<Record>());
        let places = self.shards.iter().fold(0usize, |sum, shard| sum.saturating_add(shard.places.len()));
        records.saturating_add(places.saturating_mul(core::mem::size_of::<u32>()))
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
        let Address { shard, place } = self.address(route, id);
        let places = &self.shards.get(shard)?.places;
        let mask = places.len().saturating_sub(1);
        let mut place = place & mask;
        loop {
            let at = *places.get(place)?;
            if at == EMPTY {
                return None;
            }
            if self.get(at).is_some_and(|record| record.route == route && record.id == *id) {
                return Some(at);
            }
            place = place.wrapping_add(1) & mask;
        }
    }

    /// Number of a message's record, making an empty one when it is new; none when all numbers are given.
    pub(crate) fn find_or_add(&mut self, route: RouteNo, id: &B256) -> Option<RecordNo> {
        if let Some(at) = self.find(route, id) {
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
        let address = self.address(route, id);
        // At most three quarters full: probes stay short, and one that finds nothing ends.
        let full = |shard: &Shard| shard.taken.saturating_mul(4) >= shard.places.len().saturating_mul(3);
        if self.shards.get(address.shard).is_some_and(full) {
            self.grow(address.shard);
        }
        self.shards.get_mut(address.shard)?.link(at, address.place);
        Some(at)
    }

    fn grow(&mut self, at: usize) {
        let Some(old) = self.shards.get(at) else { return };
        let places = vec![EMPTY; old.places.len().saturating_mul(2)];
        let mut grown = Shard { places, taken: 0 };
        for number in old.places.iter().copied().filter(|number| *number != EMPTY) {
            if let Some(record) = self.get(number) {
                grown.link(number, self.address(record.route, &record.id).place);
            }
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
        Address { shard: usize::from(shard), place: usize::try_from(u32::from_be_bytes(place)).unwrap_or(0) }
    }
}

impl Shard {
    fn link(&mut self, at: RecordNo, place: usize) {
        let mask = self.places.len().saturating_sub(1);
        let mut place = place & mask;
        // Ends because the places are never full.
        while let Some(slot) = self.places.get_mut(place) {
            if *slot == EMPTY {
                *slot = at;
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
    fn counters_spread_over_the_index() {
        // Ids as bridges count them, left padded: the longest run of taken places stays short.
        let mut table = Table::new(7);
        for n in 0..12_000u64 {
            table.find_or_add(0, &B256::from(alloy_primitives::U256::from(n)));
        }
        let runs =
            table.shards.iter().flat_map(|shard| shard.places.split(|at| *at == EMPTY)).map(<[u32]>::len);
        let fullest = table.shards.iter().map(|shard| shard.taken).max();
        assert!(fullest.unwrap() < 12_000 / SHARDS * 2, "parts fill unevenly");
        assert!(runs.max().unwrap() < 48, "places cluster");
    }
}
