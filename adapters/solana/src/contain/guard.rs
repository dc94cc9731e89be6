//! The calls of Guard and Gate that close, their accounts, and the layout of a scope's word.
//!
//! A guard is its breaker account. Each scope has two accounts, lane 0 and lane 1, and the stricter of both counts: whoever
//! fills what a block may write to one of them does not keep a trip of the other out. Fixed by the contracts' documentation
//! and tested on both sides.

pub use portcullis_adapter::word::{Field, ScopeWord, effect_field};
use portcullis_adapter::{
    Action, GateReport,
    trip::{self, deadline, level_number},
};
use portcullis_verifier::{B256, BlockRef, U256};
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
        let id = trip::gate_id(action);
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
    trip::signed_message(action, record, deadline)
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

/// What operators say of a scope: what is registered in neither lane counts as closed.
pub(crate) fn report(word: Option<ScopeWord>, block: BlockRef, time: u64) -> GateReport {
    word.unwrap_or(ScopeWord(U256::ZERO)).report(block, time)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
