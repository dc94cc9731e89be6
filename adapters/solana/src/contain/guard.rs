//! The calls of Guard and Gate that close, their accounts, and the layout of a scope's word.
//!
//! A guard is its breaker account. Each scope has two accounts, lane 0 and lane 1, and the stricter of both counts: whoever
//! fills what a block may write to one of them does not keep a trip of the other out. Fixed by the contracts' documentation
//! and tested on both sides.

use portcullis_adapter::{Action, GateReport, Level};
use portcullis_verifier::{B256, BlockRef, U256, keccak256};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};

use crate::address;

/// Number of the instruction by which a tripper closes.
const TRIP: u8 = 1;
/// Number of the instruction by which anybody brings a tripper's signature.
const TRIP_SIGNED: u8 = 2;
/// Number of the instruction by which a Gate pauses what it holds.
const ENFORCE: u8 = 32;
/// What a scope's account begins with, and how long it is.
const SCOPE_MARK: &[u8] = b"PCSCOPE1";
/// What a tripper's account begins with.
const TRIPPER_MARK: &[u8] = b"PCTRIPP1";
/// What a breaker's account begins with.
const BREAKER_MARK: &[u8] = b"PCBREAK1";
/// What the account of a Gate's target begins with.
const TARGET_MARK: &[u8] = b"PCTARGE1";
/// Bytes of a target's account.
pub(crate) const TARGET_BYTES: u64 = 128;

const SYSTEM: &str = "11111111111111111111111111111111";
const ED25519: &str = "Ed25519SigVerify111111111111111111111111111";
const INSTRUCTIONS: &str = "Sysvar1nstructions1111111111111111111111111";

/// One of a scope's two accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The one that is tripped first.
    First,
    /// The one that is tripped when the first does not close in time.
    Second,
}

impl Lane {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::First, Self::Second];

    fn number(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

/// A guard or gate, with the program that works for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breaker {
    pub(crate) address: B256,
    pub(crate) program: B256,
}

pub(crate) fn key(address: B256) -> Address {
    Address::new_from_array(address.0)
}

fn read(address: B256) -> AccountMeta {
    AccountMeta::new_readonly(key(address), false)
}

fn written(address: B256) -> AccountMeta {
    AccountMeta::new(key(address), false)
}

impl Breaker {
    fn derived(self, seeds: &[&[u8]]) -> B256 {
        // One of 256 bumps leaves the curve, but for one in 2^256 seeds.
        address::derived(seeds, self.program).map_or(B256::ZERO, |(address, _bump)| address)
    }

    /// A scope's account.
    pub(crate) fn scope(self, scope: B256, lane: Lane) -> B256 {
        self.derived(&[b"scope", self.address.as_slice(), scope.as_slice(), &[lane.number()]])
    }

    /// A tripper's account.
    pub(crate) fn tripper(self, tripper: B256) -> B256 {
        self.derived(&[b"tripper", self.address.as_slice(), tripper.as_slice()])
    }

    /// The account of a Gate's target.
    pub(crate) fn target(self, mint: B256) -> B256 {
        self.derived(&[b"target", self.address.as_slice(), mint.as_slice()])
    }

    /// The call that asks it to close.
    ///
    /// SECURITY: with [`Breaker::trip_signed`] and [`Breaker::enforce`] the only calls of a gate that this family can encode:
    /// nothing here can open.
    pub(crate) fn trip(self, action: &Action, record: B256, tripper: B256, lane: Lane) -> Instruction {
        let mut data = vec![TRIP];
        data.extend(arguments(action, record));
        let accounts = vec![
            AccountMeta::new_readonly(key(tripper), true),
            read(self.address),
            written(self.scope(action.scope, lane)),
            written(self.tripper(tripper)),
        ];
        Instruction { program_id: key(self.program), accounts, data }
    }

    /// The same with the tripper's signature, which stands in the instruction at `index` of the transaction, for anybody to
    /// bring. It is good for as long as the closure that it asks for, and once for each lane.
    pub(crate) fn trip_signed(
        self,
        action: &Action,
        record: B256,
        (payer, tripper): (B256, B256),
        lane: Lane,
        index: u16,
    ) -> Instruction {
        let mut data = vec![TRIP_SIGNED];
        data.extend(arguments(action, record));
        data.extend(deadline(action).to_le_bytes());
        data.extend(index.to_le_bytes());
        let id = gate_id(action);
        let used = self.derived(&[b"used", self.address.as_slice(), id.as_slice(), &[lane.number()]]);
        let accounts = vec![
            AccountMeta::new(key(payer), true),
            read(self.address),
            written(self.scope(action.scope, lane)),
            written(self.tripper(tripper)),
            written(used),
            read(address::constant(INSTRUCTIONS)),
            read(address::constant(SYSTEM)),
        ];
        Instruction { program_id: key(self.program), accounts, data }
    }

    /// The call by which a Gate pauses a mint whose scope is closed.
    pub(crate) fn enforce(self, scope: B256, mint: B256, token_program: B256) -> Instruction {
        let mut data = vec![ENFORCE];
        data.extend(mint.as_slice());
        let accounts = vec![
            read(self.address),
            read(self.scope(scope, Lane::First)),
            read(self.scope(scope, Lane::Second)),
            written(self.target(mint)),
            written(mint),
            read(token_program),
        ];
        Instruction { program_id: key(self.program), accounts, data }
    }
}

/// The instruction that has one signature verified: the key, the signature and what is signed lie in it.
pub(crate) fn verify_signature(signer: B256, signature: &[u8; 64], message: B256) -> Instruction {
    const HERE: u16 = u16::MAX;
    // One signature; then where its parts begin: the key behind this head, the signature, the message.
    let head: [u16; 7] = [48, HERE, 16, HERE, 112, 32, HERE];
    let mut data = vec![1, 0];
    head.iter().for_each(|number| data.extend(number.to_le_bytes()));
    data.extend(signer.as_slice());
    data.extend(signature);
    data.extend(message.as_slice());
    Instruction { program_id: key(address::constant(ED25519)), accounts: Vec::new(), data }
}

fn arguments(action: &Action, record: B256) -> Vec<u8> {
    let mut data = Vec::with_capacity(117);
    data.extend(action.scope.as_slice());
    data.push(level_number(action.level));
    data.extend(action.until.to_le_bytes());
    data.extend(action.until_height.to_le_bytes());
    data.extend(action.incident.0.as_slice());
    data.extend(record.as_slice());
    data.extend(action.generation.to_le_bytes());
    data
}

/// What the tripper signs: the action's id, the deadline, and the record, which whoever brings it must not be able to
/// forge.
pub(crate) fn signed_digest(action: &Action, record: B256) -> B256 {
    digest_until(action, record, deadline(action))
}

fn digest_until(action: &Action, record: B256, deadline: u64) -> B256 {
    words([gate_id(action), number(deadline), record])
}

/// The action's id as the gate counts it: words of 32 bytes, with the domain tag and the chain's name hashed.
fn gate_id(action: &Action) -> B256 {
    words([
        keccak256("portcullis.action.v1"),
        keccak256(action.chain.as_str()),
        action.target,
        action.scope,
        number(level_number(action.level).into()),
        number(action.until),
        number(action.until_height),
        action.incident.0,
        number(action.generation.into()),
    ])
}

fn words<const N: usize>(words: [B256; N]) -> B256 {
    keccak256(words.map(|word| word.0).concat())
}

fn number(value: u64) -> B256 {
    B256::from(U256::from(value))
}

/// A closure by height alone has no time to run out at; what it asks for is bounded by the gate all the same.
fn deadline(action: &Action) -> u64 {
    if action.until == 0 { u64::MAX } else { action.until }
}

fn level_number(level: Level) -> u8 {
    match level {
        Level::Open => 0,
        Level::Limited => 1,
        Level::Closed => 2,
    }
}

/// A field of a scope's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Closed until this time, seconds since 1970.
    ClosedUntil,
    /// Closed below this height.
    ClosedUntilHeight,
    /// Limited until this time, seconds since 1970.
    LimitedUntil,
    /// Limited below this height.
    LimitedUntilHeight,
}

/// Greatest value of a field: 40 bits.
const FIELD_MAX: u64 = (1 << 40) - 1;

impl Field {
    fn shift(self) -> usize {
        match self {
            Self::ClosedUntil => 16,
            Self::ClosedUntilHeight => 56,
            Self::LimitedUntil => 96,
            Self::LimitedUntilHeight => 136,
        }
    }

    /// All bits of the field, in place.
    #[must_use]
    pub fn mask(self) -> U256 {
        U256::from(FIELD_MAX).wrapping_shl(self.shift())
    }

    /// A value in place; what does not fit is the greatest that does.
    #[must_use]
    pub fn place(self, value: u64) -> U256 {
        U256::from(value.min(FIELD_MAX)).wrapping_shl(self.shift())
    }
}

/// Which field of the word shows that an action took effect: its time, or its height where no time is asked.
#[must_use]
pub fn effect_field(action: &Action) -> Field {
    match (action.level, action.until) {
        (Level::Closed, 0) => Field::ClosedUntilHeight,
        (Level::Closed, _) => Field::ClosedUntil,
        (Level::Limited | Level::Open, 0) => Field::LimitedUntilHeight,
        (Level::Limited | Level::Open, _) => Field::LimitedUntil,
    }
}

/// A scope's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeWord(pub U256);

impl ScopeWord {
    /// Reads a field.
    #[must_use]
    pub fn get(self, field: Field) -> u64 {
        (self.0 & field.mask()).wrapping_shr(field.shift()).saturating_to()
    }

    fn bits(self, from: usize, mask: u32) -> u32 {
        (self.0.wrapping_shr(from) & U256::from(mask)).saturating_to()
    }

    fn registered(self) -> bool {
        self.bits(0, 1) != 0
    }

    fn hold(self) -> u32 {
        self.bits(8, 0xff)
    }

    fn generation(self) -> u32 {
        self.bits(176, u32::MAX)
    }

    /// The level at a block: the strictest of hold, closure and limitation; unregistered is closed. A level holds
    /// while time or height is below its bound.
    #[must_use]
    pub fn level_at(self, time: u64, height: u64) -> Level {
        let holds = |until, until_height| time < self.get(until) || height < self.get(until_height);
        if !self.registered() || self.hold() >= 2 || holds(Field::ClosedUntil, Field::ClosedUntilHeight) {
            Level::Closed
        } else if self.hold() == 1 || holds(Field::LimitedUntil, Field::LimitedUntilHeight) {
            Level::Limited
        } else {
            Level::Open
        }
    }
}

impl ScopeWord {
    /// The stricter of two lanes, field by field.
    fn stricter(self, other: Self) -> Self {
        let fields =
            [Field::ClosedUntil, Field::ClosedUntilHeight, Field::LimitedUntil, Field::LimitedUntilHeight];
        let mut word = U256::from(self.bits(0, 1).max(other.bits(0, 1)));
        word |= U256::from(self.hold().max(other.hold())).wrapping_shl(8);
        word |= U256::from(self.generation().max(other.generation())).wrapping_shl(176);
        for field in fields {
            word |= field.place(self.get(field).max(other.get(field)));
        }
        Self(word)
    }

    /// The same with nothing closed: what a Gate's word is worth while something that it should have paused is not.
    pub(crate) fn not_enforced(self) -> Self {
        Self(self.0 & !Field::ClosedUntil.mask() & !Field::ClosedUntilHeight.mask())
    }
}

fn word_of(breaker: Breaker, data: &[u8]) -> Option<ScopeWord> {
    let own = data.starts_with(SCOPE_MARK) && data.get(16..48) == Some(breaker.address.as_slice());
    let word: [u8; 32] = data.get(80..112)?.try_into().ok()?;
    own.then(|| ScopeWord(U256::from_be_bytes(word)))
}

/// The word of a scope from its accounts, as operators give them: none where neither is registered.
pub(crate) fn combined(breaker: Breaker, lanes: &[Option<Vec<u8>>]) -> Option<ScopeWord> {
    let words = lanes.iter().flatten().filter_map(|data| word_of(breaker, data));
    words.reduce(ScopeWord::stricter)
}

/// Whether an account is a breaker's.
pub(crate) fn is_breaker(data: &[u8]) -> bool {
    data.starts_with(BREAKER_MARK)
}

/// The chain that a breaker was made for: the hash of its CAIP-2 name.
pub(crate) fn breaker_chain(data: &[u8]) -> Option<B256> {
    B256::try_from(data.get(32..64)?).ok()
}

/// What a tripper may still cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tripper {
    /// Whether the account may trip.
    pub(crate) active: bool,
    /// Closed seconds that it may cause within the rolling window.
    pub(crate) budget_seconds: u32,
    /// What of them it has caused, at most: hours that have left the window since are counted still.
    pub(crate) charged_seconds: u64,
}

/// Reads a tripper's account.
pub(crate) fn tripper_of(breaker: Breaker, data: &[u8]) -> Option<Tripper> {
    let own = data.starts_with(TRIPPER_MARK) && data.get(16..48) == Some(breaker.address.as_slice());
    let budget = u32::from_le_bytes(data.get(12..16)?.try_into().ok()?);
    let hours = data.get(96..)?.chunks_exact(4);
    let charged =
        hours.filter_map(|hour| hour.try_into().ok()).map(|hour| u64::from(u32::from_le_bytes(hour)));
    own.then_some(Tripper {
        active: data.get(9) == Some(&1),
        budget_seconds: budget,
        charged_seconds: charged.sum(),
    })
}

/// The mint and the scope of a Gate's target.
pub(crate) fn target_of(breaker: Breaker, data: &[u8]) -> Option<(B256, B256)> {
    let own = data.starts_with(TARGET_MARK) && data.get(16..48) == Some(breaker.address.as_slice());
    let scope = B256::try_from(data.get(48..80)?).ok()?;
    let mint = B256::try_from(data.get(80..112)?).ok()?;
    own.then_some((mint, scope))
}

/// How a Gate's targets are told from a program's other accounts: by what they begin with, and whose they are.
pub(crate) fn target_filter(breaker: Breaker) -> serde_json::Value {
    serde_json::json!([
        { "dataSize": TARGET_BYTES },
        { "memcmp": { "offset": 0, "bytes": bs58::encode(TARGET_MARK).into_string(), "encoding": "base58" } },
        { "memcmp": { "offset": 16, "bytes": address::shown(breaker.address), "encoding": "base58" } },
    ])
}

pub(crate) fn report(word: Option<ScopeWord>, block: BlockRef, time: u64) -> GateReport {
    let word = word.unwrap_or(ScopeWord(U256::ZERO));
    GateReport {
        block,
        time,
        registered: word.registered(),
        level: word.level_at(time, block.height),
        until: word.get(Field::ClosedUntil),
        until_height: word.get(Field::ClosedUntilHeight),
        generation: word.generation(),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
