//! Decoding: from a block's records to what they mean for a bridge, by the configured mappings.
//!
//! *Who is in the play.* A [`Record`] is a call of a program (also an inner one), or data that a program logged, with its
//! place in the block. [`Decoder::concerns`] says whether it is of a watched program or mint, [`Decoder::observations`] what
//! it means. [`tokens`] reads the calls of the two token programs, [`loader`] those that change a program's code or who may.
//!
//! Nothing is dropped here. Logged data that no mapping explains, a record that a mapping cannot read, and a log that was cut
//! off become [`Event::Unmapped`] with a reason. Amounts, ids and tokens are taken as they are: zero, greatest and unknown
//! values are for the detectors to judge.

mod loader;
mod tokens;
mod value;

use std::collections::BTreeSet;

use portcullis_adapter::config::Meaning;
use portcullis_verifier::{
    AdminChange, AdminKind, B256, BlockRef, BridgeId, ChainId, Event, Observation, Position, Status,
    Transfer, U256, codec::digest, keccak256,
};

use crate::{
    address,
    error::{DETAIL_MAX_BYTES, detail},
};

pub(crate) use tokens::{TOKEN_2022, TOKEN_VALUES, TokenCall, TokenMove, is_token_program};
use value::Match;
pub(crate) use value::{First, Form, Layout};

/// What happened at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A program was called and did not fail.
    Call {
        /// What it was given.
        data: Vec<u8>,
        /// Its accounts, in its order.
        accounts: Vec<B256>,
    },
    /// A program logged data, in these parts.
    Data(Vec<Vec<u8>>),
    /// The log of a transaction that called a program was cut off: what it logged is not known.
    CutOff,
}

/// One record, with its place in the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Place of its transaction.
    pub(crate) transaction: u32,
    /// Name of its transaction, as claims carry it.
    pub(crate) id: B256,
    /// Place among the records of the block.
    pub(crate) index: u32,
    /// Whose it is.
    pub(crate) program: B256,
    pub(crate) what: What,
    /// Token accounts of its transaction with their mint and owner; only where it is a call of a token program.
    pub(crate) holdings: Vec<Holding>,
}

/// A token account, as a transaction found or left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, borsh::BorshSerialize)]
pub(crate) struct Holding {
    pub(crate) account: B256,
    pub(crate) mint: B256,
    pub(crate) owner: Option<B256>,
}

impl Record {
    /// The digest of the raw record: program, bytes, accounts, and what is known of the token accounts among them.
    pub(crate) fn raw(&self) -> B256 {
        record_digest(self.program, &self.what, &self.holdings)
    }
}

fn record_digest(program: B256, what: &What, holdings: &[Holding]) -> B256 {
    let (kind, parts, accounts): (u8, &[Vec<u8>], &[B256]) = match what {
        What::Call { data, accounts } => (0, core::slice::from_ref(data), accounts),
        What::Data(parts) => (1, parts, &[]),
        What::CutOff => (2, &[], &[]),
    };
    digest("portcullis.solana.record.v1", &(program, kind, parts, accounts, holdings))
}

/// The digest by which data that a program logged, in these parts, is known.
#[must_use]
pub fn data_digest(program: B256, parts: &[&[u8]]) -> B256 {
    record_digest(program, &What::Data(parts.iter().map(|part| part.to_vec()).collect()), &[])
}

/// The digest by which a call of a token program is known: what it was given, its accounts, and what is known of the token
/// accounts among them (account, mint, owner), in the order of the accounts.
#[must_use]
pub fn token_digest(
    program: B256,
    data: &[u8],
    accounts: &[B256],
    held: &[(B256, B256, Option<B256>)],
) -> B256 {
    let what = What::Call { data: data.to_vec(), accounts: accounts.to_vec() };
    let holdings =
        held.iter().map(|(account, mint, owner)| Holding { account: *account, mint: *mint, owner: *owner });
    record_digest(program, &what, &holdings.collect::<Vec<_>>())
}

/// Where a value of an observation stands in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The value at this place of the layout.
    Value(usize),
    /// The account at this place of the call.
    Account(usize),
    /// One of [`TOKEN_VALUES`].
    Token(&'static str),
    /// The name of the transaction.
    Transaction,
    /// The same for every record.
    Constant(B256),
}

/// Which records are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Data that a program logged.
    Data(Layout),
    /// Calls of a program.
    Call(Layout),
    /// What became of a watched token.
    Token(TokenMove),
}

impl Pattern {
    /// Whether two patterns mean the same records.
    pub(crate) fn same_records(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Data(one), Self::Data(other)) | (Self::Call(one), Self::Call(other)) => {
                let values = |layout: &Layout| -> Vec<Option<B256>> {
                    layout.values.iter().map(|(_, _, wanted)| *wanted).collect()
                };
                let accounts = |layout: &Layout| -> Vec<Option<B256>> {
                    layout.accounts.iter().map(|(_, wanted)| *wanted).collect()
                };
                one.first == other.first && values(one) == values(other) && accounts(one) == accounts(other)
            }
            (Self::Token(one), Self::Token(other)) => one == other,
            _ => false,
        }
    }

    fn matches(&self, what: &What) -> Match {
        match (self, what) {
            (Self::Data(layout), What::Data(parts)) => layout.matches(parts, &[]),
            (Self::Call(layout), What::Call { data, accounts }) => {
                layout.matches(core::slice::from_ref(data), accounts)
            }
            _ => Match::No,
        }
    }
}

/// One kind of record that is understood.
#[derive(Debug, Clone)]
pub(crate) struct MappedEvent {
    pub(crate) pattern: Pattern,
    pub(crate) meaning: Meaning<Place>,
}

/// Whose records are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A program's.
    Program {
        /// Where it stands.
        address: B256,
        /// Where its code lies, if the upgradeable loader has it.
        code: B256,
    },
    /// A token's.
    Mint(B256),
}

impl Whose {
    /// A program's, with the place of its code derived.
    pub(crate) fn program(address: B256) -> Self {
        let code = address::derived(&[address.as_slice()], loader::upgradeable());
        Self::Program { address, code: code.map_or(B256::ZERO, |(code, _)| code) }
    }

    pub(crate) fn address(self) -> B256 {
        match self {
            Self::Program { address, .. } | Self::Mint(address) => address,
        }
    }
}

/// One watched program or mint.
#[derive(Debug, Clone)]
pub(crate) struct MappedContract {
    pub(crate) bridge: BridgeId,
    pub(crate) whose: Whose,
    pub(crate) domain: B256,
    pub(crate) events: Vec<MappedEvent>,
    pub(crate) ignored: Vec<Pattern>,
}

/// Turns records into observations.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub(crate) chain: ChainId,
    pub(crate) contracts: Vec<MappedContract>,
    /// Programs whose calls or logs may concern somebody.
    programs: BTreeSet<B256>,
    /// Those of them that are watched themselves.
    watched: BTreeSet<B256>,
}

impl Decoder {
    pub(crate) fn new(chain: ChainId, contracts: Vec<MappedContract>) -> Self {
        let watched: BTreeSet<B256> = contracts
            .iter()
            .filter_map(|contract| match contract.whose {
                Whose::Program { address, .. } => Some(address),
                Whose::Mint(_) => None,
            })
            .collect();
        let mut programs = watched.clone();
        if contracts.iter().any(|contract| matches!(contract.whose, Whose::Mint(_))) {
            programs.extend(tokens::programs());
        }
        if !watched.is_empty() {
            programs.extend(loader::programs());
        }
        Self { chain, contracts, programs, watched }
    }

    /// Whether calls of a program may concern somebody: whether they have to be read at all.
    pub(crate) fn reads(&self, program: &B256) -> bool {
        self.programs.contains(program)
    }

    /// Whether what a program logs concerns somebody.
    pub(crate) fn watches(&self, program: &B256) -> bool {
        self.watched.contains(program)
    }

    /// The watched programs.
    pub(crate) fn watched(&self) -> impl Iterator<Item = B256> {
        self.watched.iter().copied()
    }

    /// Whether a record means something for a watched program or mint.
    pub(crate) fn concerns(&self, record: &Record) -> bool {
        self.contracts.iter().any(|contract| !contract.meanings(record).is_empty())
    }

    /// What a record means: one observation for each bridge that it concerns. `time` is the block's, seconds since 1970.
    pub(crate) fn observations(&self, record: &Record, block: BlockRef, time: u64) -> Vec<Observation> {
        let position = Position {
            height: block.height,
            tx_index: record.transaction,
            log_index: record.index,
            block_hash: block.hash,
            tx_hash: record.id,
        };
        let raw = record.raw();
        let meanings = self.contracts.iter().flat_map(|contract| contract.meanings(record));
        meanings
            .inspect(count)
            .map(|event| Observation::new(self.chain, position, time, Status::Included, raw, event))
            .collect()
    }
}

fn count(event: &Event) {
    if matches!(event, Event::Unmapped { .. }) {
        metrics::counter!("portcullis_events_unmapped_total").increment(1);
    }
}

impl MappedContract {
    /// What a record means here; nothing when it is another's, or ignored by configuration.
    fn meanings(&self, record: &Record) -> Vec<Event> {
        match self.whose {
            Whose::Program { address, .. } if record.program == address => {
                self.of_program(record).into_iter().collect()
            }
            Whose::Program { address, code } => {
                let changed = loader::change(record, address, code);
                changed.map(|(kind, value)| self.admin(kind, value)).into_iter().collect()
            }
            Whose::Mint(mint) if is_token_program(&record.program) => self.of_mint(record, mint),
            Whose::Mint(_) => Vec::new(),
        }
    }

    fn admin(&self, kind: AdminKind, value: B256) -> Event {
        Event::Admin(AdminChange { bridge: self.bridge, kind, contract: self.whose.address(), value })
    }

    fn of_program(&self, record: &Record) -> Option<Event> {
        if self.ignored.iter().any(|pattern| pattern.matches(&record.what) == Match::Yes) {
            return None;
        }
        let matches = |wanted| self.events.iter().find(|one| one.pattern.matches(&record.what) == wanted);
        if let Some(mapped) = matches(Match::Yes) {
            let read = self.read(mapped, record, None);
            return Some(read.unwrap_or_else(|why| self.unmapped(record, &why)));
        }
        match &record.what {
            // One program works for many: what names somebody else's account is somebody else's.
            _ if matches(Match::Foreign).is_some() => None,
            What::Data(_) => Some(self.unmapped(record, "no mapping has this data")),
            What::CutOff if self.events.iter().any(|one| matches!(one.pattern, Pattern::Data(_))) => {
                Some(self.unmapped(record, "the log of a transaction that called it was cut off"))
            }
            // Programs are called for much that moves nothing over the bridge.
            What::Call { .. } | What::CutOff => None,
        }
    }

    fn of_mint(&self, record: &Record, mint: B256) -> Vec<Event> {
        let What::Call { data, accounts } = &record.what else { return Vec::new() };
        let calls = match tokens::read(data, accounts, &record.holdings) {
            Ok(calls) => calls,
            // A token program that failed to read its call would have failed the transaction.
            Err(why) if accounts.contains(&mint) => return vec![self.unmapped(record, why)],
            Err(_) => return Vec::new(),
        };
        let mut out = Vec::new();
        for call in calls {
            if let Some((kind, value)) = call.changes(mint) {
                out.push(self.admin(kind, value));
            }
            if let Some(why) = call.hides(mint) {
                out.push(self.unmapped(record, why));
            }
            for mapped in &self.events {
                if let Pattern::Token(moved) = &mapped.pattern
                    && call.is(moved, mint)
                {
                    let read = self.read(mapped, record, Some(&call));
                    out.push(read.unwrap_or_else(|why| self.unmapped(record, &why)));
                }
            }
        }
        out
    }

    fn read(&self, mapped: &MappedEvent, record: &Record, call: Option<&TokenCall>) -> Result<Event, String> {
        let word = |field: &str, place: &Place| -> Result<B256, String> {
            let found = match place {
                Place::Constant(value) => Ok(*value),
                Place::Transaction => Ok(record.id),
                Place::Token(name) => call.and_then(|call| call.value(name)).ok_or("it is not known"),
                Place::Account(at) => match &record.what {
                    What::Call { accounts, .. } => {
                        accounts.get(*at).copied().ok_or("the call has fewer accounts")
                    }
                    _ => Err("there are no accounts"),
                },
                Place::Value(at) => match (&mapped.pattern, &record.what) {
                    (Pattern::Data(layout), What::Data(parts)) => layout.value(*at, parts),
                    (Pattern::Call(layout), What::Call { data, .. }) => {
                        layout.value(*at, core::slice::from_ref(data))
                    }
                    _ => Err("there is no such value"),
                },
            };
            found.map_err(|why| format!("`{field}`: {why}"))
        };
        Ok(match &mapped.meaning {
            Meaning::Transfer { kind, remote, message_id, asset, amount, recipient, sender } => {
                Event::Transfer(Transfer {
                    kind: *kind,
                    bridge: self.bridge,
                    local: self.domain,
                    remote: word("remote", remote)?,
                    message_id: word("message_id", message_id)?,
                    asset: word("asset", asset)?,
                    amount: U256::from_be_bytes(word("amount", amount)?.0),
                    sender: sender.as_ref().map(|place| word("sender", place)).transpose()?,
                    recipient: word("recipient", recipient)?,
                })
            }
            Meaning::Admin { kind, value } => {
                self.admin(*kind, value.as_ref().map_or(Ok(B256::ZERO), |place| word("value", place))?)
            }
        })
    }

    /// A record that is kept and shown because its meaning is not known.
    fn unmapped(&self, record: &Record, reason: &str) -> Event {
        let first: &[u8] = match &record.what {
            What::Call { data, .. } => data,
            What::Data(parts) => parts.first().map_or(&[], Vec::as_slice),
            What::CutOff => &[],
        };
        let first = first.get(..8).unwrap_or(first);
        let shown =
            String::from_utf8(first.to_vec()).ok().filter(|text| text.chars().all(|c| c.is_ascii_graphic()));
        let digits = || first.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let shown = shown.unwrap_or_else(|| format!("0x{}", digits()));
        let reason = detail(&format!("{shown}: {reason}"), DETAIL_MAX_BYTES);
        let topic = keccak256(first);
        Event::Unmapped { bridge: self.bridge, contract: self.whose.address(), topic, reason }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
