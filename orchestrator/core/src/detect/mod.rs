//! Detectors: from facts to findings. One file each; [`detectors`] lists them all.
//!
//! A detector is a pure function of one fact and of the rules. It says how much its cause allows at most, who can
//! provoke it and at what cost: what an outsider can provoke cheaply may at most hold.

mod admin;
mod conservation;
mod dark;
mod dissent;
mod flow;
mod large;
mod mismatch;
mod overload;
mod premature;
mod reorg;
mod replayed;
mod stall;
mod unbacked;
mod undeclared;
mod unmapped;
mod waiting;

pub(crate) use flow::needed as flow_needed;
use portcullis_verifier::{ActionClass, AdminChange, B256, EndpointFault};

use crate::{
    config::Rules,
    effect::Cause,
    ledger::{Change, Verdict},
    names::{ChainNo, Names},
    vault::Outflow,
};

/// What a detector is, for the record and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// Name.
    pub name: &'static str,
    /// Cause of its signals.
    pub cause: Cause,
    /// Who can make it speak.
    pub provoked_by: &'static str,
    /// What that costs them.
    pub cost: &'static str,
    /// The most it allows by itself, whatever the value.
    pub highest: ActionClass,
}

/// Something that happened, as detectors need to know it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact<'a> {
    /// A consumption has a new verdict.
    Judged(&'a Change, Verdict),
    /// Value left an escrow, in chain order.
    Left(&'a Outflow),
    /// Value that waits at a bridge changed.
    Waits { value: u64 },
    /// A chain's source tells nothing.
    Dark { chain: ChainNo, detail: &'a str },
    /// What was seen of a chain is consumed late.
    Overloaded { chain: ChainNo, behind_ms: u64 },
    /// A chain makes no blocks.
    Stalled { chain: ChainNo },
    /// An endpoint or a chain misbehaves.
    Fault { chain: ChainNo, fault: &'a EndpointFault },
    /// A proof shows that a reported event never happened.
    Refuted { chain: ChainNo, event: B256 },
    /// A privileged change.
    Admin { chain: ChainNo, change: &'a AdminChange },
    /// A log that no mapping explains.
    Unmapped { chain: ChainNo, contract: B256, topic: B256, reason: &'a str },
}

/// What a detector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) class: ActionClass,
    /// micro-USD; none without a price.
    pub(crate) value: Option<u64>,
    pub(crate) detail: String,
}

/// What a detector may look at besides the fact.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) names: &'a Names,
    pub(crate) rules: &'a Rules,
}

/// A detector.
pub(crate) struct Detector {
    pub(crate) card: Card,
    pub(crate) run: fn(&World<'_>, &Fact<'_>) -> Option<Finding>,
}

/// All detectors, in the order in which they look at a fact.
pub(crate) const fn detectors() -> &'static [Detector] {
    &[
        unbacked::DETECTOR,
        replayed::DETECTOR,
        mismatch::DETECTOR,
        premature::DETECTOR,
        undeclared::DETECTOR,
        conservation::DETECTOR,
        large::DETECTOR,
        flow::DETECTOR,
        waiting::DETECTOR,
        dark::DETECTOR,
        dissent::DETECTOR,
        stall::DETECTOR,
        reorg::DETECTOR,
        admin::DETECTOR,
        unmapped::DETECTOR,
        overload::DETECTOR,
    ]
}

/// What each detector is: who can provoke it, at what cost, and the most it allows.
pub fn cards() -> impl Iterator<Item = Card> {
    detectors().iter().map(|detector| detector.card)
}

/// The cause that a verdict stands for, if it is one to speak of.
pub(crate) fn cause_of(verdict: Verdict) -> Option<Cause> {
    match verdict {
        Verdict::Matched | Verdict::Waiting | Verdict::Unmatchable => None,
        Verdict::Unbacked | Verdict::UnknownOrigin => Some(Cause::Unbacked),
        Verdict::Replayed => Some(Cause::Replayed),
        Verdict::Mismatch { .. } => Some(Cause::ValueMismatch),
        Verdict::Premature { .. } => Some(Cause::Premature),
        Verdict::Undeclared => Some(Cause::UndeclaredAsset),
        Verdict::Dark => Some(Cause::DarkSource),
    }
}

impl World<'_> {
    /// Value of a consumption, and the class that a broken one of this value allows: below the floor people are
    /// told; from the floor on, `top`. A declared asset without a price cannot be called small, so it holds; an
    /// asset that nobody declared is nobody's loss that we know of, so people are told.
    fn weigh(&self, change: &Change, top: ActionClass) -> (Option<u64>, ActionClass) {
        let live = &change.live;
        let value = self.names.value(live.token, live.amount, live.time);
        let class = match value {
            Some(value) if value < self.rules.unbacked_floor_micro_usd => ActionClass::Notify,
            Some(_) => top,
            None if self.names.form(live.token).is_none() => ActionClass::Notify,
            None => top.min(ActionClass::Hold),
        };
        (value, class)
    }

    /// A consumption in words: amount and token, value, chain.
    fn words(&self, change: &Change, value: Option<u64>) -> String {
        let live = &change.live;
        let token = self.names.token_name(live.token);
        let chain = self.chain(live.chain);
        let worth = value.map_or_else(|| String::from("without a price"), crate::money::usd);
        format!("{} base units of {token} ({worth}) left on {chain} at height {}", live.amount, live.height)
    }

    fn chain(&self, chain: ChainNo) -> String {
        self.names.chain_id(chain).map_or_else(|| String::from("an unknown chain"), |id| id.to_string())
    }
}
