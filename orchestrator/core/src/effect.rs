//! What an engine asks of the shell. The shell stores the effects with the input that caused them, then acts.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{Action, ActionClass, Claim, EventId, IncidentId, MessageKey, Slug};
use serde::{Deserialize, Serialize};

use crate::{config::Mode, input::Check};

/// Everything that one input caused, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Effects {
    /// In order.
    pub list: Vec<Effect>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Gather evidence for a claim and return the verdict as `Proved`.
    RequestEvidence {
        /// What to prove.
        claim: Claim,
        /// For which incident.
        incident: IncidentId,
        /// Value at risk behind it, micro-USD: the largest is fetched first.
        value_micro_usd: u64,
    },
    /// A new incident.
    Open(IncidentChange),
    /// An incident grew, or is better proven.
    Upgrade(IncidentChange),
    /// An incident lost what it stood on.
    Retract(IncidentChange),
    /// Gates to close. All of it at once, on all chains.
    Contain(Decision),
    /// A person to tell.
    Notify(Notice),
    /// Wake the engine with a `Tick` at this moment, if nothing else does.
    Deadline {
        /// Milliseconds since 1970, shell time.
        at_ms: u64,
    },
    /// How far automation may go at a target has changed.
    Mode(ModeChange),
    /// A check of a way of containing is on record.
    Checked(Check),
}

/// How far automation may go at a target now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct ModeChange {
    /// Configured name of the target.
    pub target: Slug,
    /// How far from now on.
    pub mode: Mode,
    /// Until when, milliseconds since 1970; none where it does not run out.
    pub until_ms: Option<u64>,
    /// Who and why, one sentence.
    pub why: String,
}

/// An incident as it now stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct IncidentChange {
    /// Which.
    pub incident: IncidentId,
    /// Highest class that its signals allow.
    pub class: ActionClass,
    /// Everything that supports it now, in order of chain position.
    pub signals: Vec<Signal>,
    /// Value behind its signals, micro-USD.
    pub value_micro_usd: u64,
}

/// Why a detector spoke.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum Cause {
    /// A release without its source, and the source is known not to have it.
    Unbacked,
    /// A message consumed more than once.
    Replayed,
    /// Source and release differ in token, amount or recipient.
    ValueMismatch,
    /// Consumed before its source was final.
    Premature,
    /// An asset that the bridge is not meant to carry.
    UndeclaredAsset,
    /// More left than ever came, per asset over all corridors of the escrow.
    Conservation,
    /// Too much in an hour.
    FlowCap,
    /// Too much at once.
    LargeTransfer,
    /// Value waits for sources that cannot be seen yet.
    WaitingValue,
    /// Value leaves while its source is dark.
    DarkSource,
    /// Operators contradict each other.
    EndpointDissent,
    /// A chain stands still.
    StalledChain,
    /// A reorganisation reached beyond its bound.
    DeepReorg,
    /// A privileged change.
    AdminChange,
    /// A log of a watched contract that the mapping does not explain.
    Unmapped,
    /// A person said so.
    Manual,
    /// A way of containing would fail tonight.
    DrillFailed,
    /// A canary was not proven closed in time.
    CanaryFailed,
    /// The hour's budget of actions or of money is used up.
    BudgetSpent,
    /// What was seen of a chain is consumed late.
    Overload,
}

/// One reason to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Signal {
    /// Why.
    pub cause: Cause,
    /// Which bridge.
    pub bridge: Slug,
    /// The event that it stands on; none where it stands on silence.
    pub event: Option<EventId>,
    /// The message concerned.
    pub message: Option<MessageKey>,
    /// Highest class that this cause allows by itself.
    pub class: ActionClass,
    /// Value, micro-USD; zero when it has no price (then `detail` says so).
    pub value_micro_usd: u64,
    /// One sentence for people.
    pub detail: String,
}

/// A plan with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Decision {
    /// On whose behalf.
    pub incident: IncidentId,
    /// Class that was chosen.
    pub class: ActionClass,
    /// Playbook that allows it.
    pub playbook: Slug,
    /// What to close. Those whose target's mode does not allow it stand in `withheld`.
    pub actions: Vec<Action>,
    /// What would have been closed in a higher mode, and why it is not.
    pub withheld: Vec<Withheld>,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
}

/// An action that a mode or a missing assurance held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Withheld {
    /// What would have been done.
    pub action: Action,
    /// Configured name of the target.
    pub target: Slug,
    /// Why not.
    pub reason: String,
}

/// A message to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Notice {
    /// Which bridge.
    pub bridge: Slug,
    /// Why.
    pub cause: Cause,
    /// One sentence.
    pub text: String,
    /// Incident, where there is one.
    pub incident: Option<IncidentId>,
    /// How urgent.
    pub class: ActionClass,
}
