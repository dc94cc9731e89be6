//! The compact memory of messages: one record of 184 bytes each, found by (route, id) through an index. Records stay
//! in the order in which messages were first met; nothing is ever decided in hash order, so the hash can change
//! without changing a decision.

use borsh::{BorshDeserialize, BorshSerialize, io};
use portcullis_verifier::B256;

use super::index::{Address, Index};
use crate::{
    limits,
    names::{ChainNo, RouteNo, TokenNo, index},
};

/// Records in one block of memory. Blocks never move, so growing copies nothing and wastes at most one block.
const BLOCK: usize = 4_096;

/// Number of a record.
pub(crate) type RecordNo = u32;

/// What is known of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
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
#[derive(Debug, Clone, Copy, Default, BorshSerialize, BorshDeserialize)]
#[repr(C)]
pub(crate) struct Record {
    // What finding it reads comes first and together.
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

impl Record {
    /// Reads a byte of each line of cache that it lies in.
    fn touch(&self) {
        let bytes =
            [self.id.first(), self.recipient.first(), self.source_event.first(), self.use_event.last()];
        core::hint::black_box((bytes.map(|byte| byte.copied()), self.source_height));
    }
}

/// All records and their index.
#[derive(Debug)]
pub(crate) struct Table {
    blocks: Vec<Vec<Record>>,
    length: usize,
    index: Index,
}

impl Table {
    /// An empty table; the seed is the index's.
    pub(crate) fn new(seed: u64) -> Self {
        Self { blocks: Vec::new(), length: 0, index: Index::new(seed) }
    }

    /// How many messages are remembered.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Bytes of memory in use.
    pub(crate) fn bytes(&self) -> usize {
        let records = self.blocks.len().saturating_mul(BLOCK).saturating_mul(core::mem::size_of::<Record>());
        records.saturating_add(self.index.bytes())
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
        self.find_at(self.index.address(route, id), route, id)
    }

    fn find_at(&self, address: Address, route: RouteNo, id: &B256) -> Option<RecordNo> {
        let is_it = |at| self.get(at).is_some_and(|record| record.id == *id && record.route == route);
        self.index.find(address, is_it)
    }

    /// Has everything fetched that looking these messages up will read, all of it at once.
    ///
    /// A look-up waits for memory far away: twice when the message is old. Here nothing depends on what was read before,
    /// so the processor waits for many lines in the time of one. Purely a matter of time; nothing changes.
    pub(crate) fn touch<'a>(&self, messages: impl Iterator<Item = (RouteNo, &'a B256)>) {
        let addresses: Vec<Address> =
            messages.map(|(route, id)| self.index.address(route, id)).take(limits::FORESEEN).collect();
        for address in &addresses {
            self.index.touch(*address);
        }
        for address in &addresses {
            // What has the right tag is the message, nearly always: its own id need not be waited for.
            self.index.find(*address, |at| {
                if let Some(record) = self.get(at) {
                    record.touch();
                }
                false
            });
        }
    }

    /// Number of a message's record, making an empty one when it is new; none when all numbers are given.
    pub(crate) fn find_or_add(&mut self, route: RouteNo, id: &B256) -> Option<RecordNo> {
        let address = self.index.address(route, id);
        if let Some(at) = self.find_at(address, route, id) {
            return Some(at);
        }
        if self.length >= limits::MESSAGES {
            return None;
        }
        self.push(Record { id: *id, route, ..Record::default() }, address)
    }

    /// Adds a record that is not there yet.
    fn push(&mut self, record: Record, address: Address) -> Option<RecordNo> {
        let at = u32::try_from(self.length).ok()?;
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        self.blocks.last_mut()?.push(record);
        self.length = self.length.saturating_add(1);
        self.index.add(at, address);
        Some(at)
    }
}

/// The records in their order; the index is made anew from them.
impl BorshSerialize for Table {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.index.seed().serialize(writer)?;
        u64::try_from(self.length).unwrap_or(u64::MAX).serialize(writer)?;
        self.blocks.iter().flatten().try_for_each(|record| record.serialize(writer))
    }
}

impl BorshDeserialize for Table {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let mut table = Self::new(u64::deserialize_reader(reader)?);
        for _ in 0..u64::deserialize_reader(reader)? {
            let record = Record::deserialize_reader(reader)?;
            let address = table.index.address(record.route, &record.id);
            let full = || io::Error::new(io::ErrorKind::InvalidData, "more records than there are numbers");
            table.push(record, address).ok_or_else(full)?;
        }
        Ok(table)
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
}
