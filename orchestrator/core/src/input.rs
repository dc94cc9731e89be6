//! What an engine consumes. Everything that can change a decision is here, and is logged before it is used.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{
    ActionId, B256, ChainId, ClaimId, IncidentId, Level, Observation, OperatorId, Progress, Slug, Verdict,
};
use serde::{Deserialize, Serialize};

use crate::config::{EngineConfig, Mode};

/// One input with the moment at which the shell accepted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, BorshSerialize, BorshDeserialize)]
pub struct Input {
    /// Shell time in milliseconds since 1970. Never runs backwards within a log: the shell clamps it.
    pub at_ms: u64,
    /// What came.
    pub body: Body,
}

/// The kinds of input.
#[expect(
    clippy::large_enum_variant,
    reason = "observations are nearly all inputs; boxing them would cost each an allocation"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// An adapter reported an event (or, with status `Retracted`, that its block left the chain).
    Observed(Observation),
    /// Everything up to a height of a chain has been delivered.
    Progress(Progress),
    /// A chain's source does not tell: all operators dark, or fewer than the quorum agree.
    SourceFailed {
        /// Which chain.
        chain: ChainId,
        /// Whose endpoint, where it is one.
        operator: Option<OperatorId>,
        /// Since when, milliseconds since 1970.
        since_ms: u64,
        /// For people.
        detail: String,
    },
    /// A chain's source tells again.
    SourceRecovered {
        /// Which chain.
        chain: ChainId,
    },
    /// A claim was put to a verifier.
    Proved {
        /// Which claim.
        claim: ClaimId,
        /// What came out.
        verdict: Verdict,
    },
    /// What became of an action.
    Landed {
        /// Which action.
        action: ActionId,
        /// What became of it.
        outcome: Outcome,
    },
    /// What a gate says of itself, reported or proven.
    Gate(GateState),
    /// A price. Prices are inputs so that a replay values as the first run did.
    Price {
        /// Asset by its configured name.
        asset: Slug,
        /// Micro-USD per whole token.
        micro_usd: u64,
        /// As of, seconds since 1970.
        time: u64,
    },
    /// Time passed and nothing came.
    Tick,
    /// A person's command.
    Command(Command),
    /// The configuration changed; also record 0 of every log.
    ConfigChanged(Box<EngineConfig>),
    /// A way of containing was checked.
    Checked(Check),
    /// What was seen of a chain is consumed late.
    Overload {
        /// Which chain.
        chain: ChainId,
        /// From seeing to consuming, milliseconds; zero when it is in time again.
        behind_ms: u64,
    },
    /// The shell listens again: it was down, or its clock was set forward. The time that passed since the input
    /// before was not spent listening, so the silence in it says nothing of any chain.
    Resumed,
    /// A snapshot of this log was taken. Nothing is decided of it; that its hash stands in the log is what it is for.
    Snapshot {
        /// Sequence number of the first record that it does not know.
        next_seq: u64,
        /// Its hash.
        hash: B256,
    },
}

/// What was checked.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum CheckKind {
    /// The way to a gate was simulated, with the real role, key, nonce, gas and balance.
    Rehearsal,
    /// A scope that nobody asks was closed through the real lane.
    Canary,
    /// What containment may do in an hour, and spend on the gate's chain.
    Gas,
}

/// The outcome of a check of a way of containing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Check {
    /// Configured name of the gate.
    pub target: Slug,
    /// What was checked.
    pub kind: CheckKind,
    /// What would fail, one sentence each with cause and fix; empty when nothing would.
    pub failing: Vec<String>,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Bytes were handed to endpoints.
    Broadcast {
        /// How many took them.
        accepted: u16,
        /// How many were asked.
        asked: u16,
    },
    /// In a block, and it did not fail.
    Landed {
        /// Height.
        height: u64,
        /// Block hash.
        block_hash: B256,
    },
    /// In a block, and it failed.
    Reverted {
        /// For people.
        detail: String,
    },
    /// Its block left the chain.
    Reorged,
    /// The gate is proven (or, where the chain allows no more, reported) to be as tight as asked.
    Effective {
        /// What says so.
        verdict: Verdict,
    },
    /// Could not be sent this time; it is tried again.
    Delayed {
        /// For people.
        detail: String,
    },
    /// A person or a kill switch forbade it.
    Stopped {
        /// Who and why.
        detail: String,
    },
}

/// A gate's state at a height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct GateState {
    /// Configured name of the target.
    pub target: Slug,
    /// Height at which it was read.
    pub height: u64,
    /// How tight it is now.
    pub level: Level,
    /// Until when (chain time, seconds); zero when open.
    pub until: u64,
    /// And not before this height.
    pub until_height: u64,
    /// Number of releases so far.
    pub generation: u32,
    /// True when a proof, not a report, says so.
    pub proven: bool,
}

/// What people can tell the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Close (or limit) by hand.
    Contain {
        /// Which targets; empty means all.
        targets: Vec<Slug>,
        /// How tight.
        level: Level,
        /// Who.
        by: Slug,
        /// Why.
        reason: String,
    },
    /// A person judged an incident to be nothing. Demotes the mode of its targets; loosens no gate.
    FalseAlarm {
        /// Which incident.
        incident: IncidentId,
        /// Who.
        by: Slug,
        /// Why.
        reason: String,
    },
    /// Give up retrying an action.
    Stop {
        /// Which action.
        action: ActionId,
        /// Who.
        by: Slug,
        /// Why.
        reason: String,
    },
    /// Lower how far automation may go at a target, at once. What would raise it is refused: see `Trust`.
    SetMode {
        /// Which target.
        target: Slug,
        /// How far.
        mode: Mode,
        /// Who.
        by: Slug,
    },
    /// Raise how far automation may go at a target, for a time. Two people say so; the shell lets it through only
    /// after a delay.
    Trust {
        /// Which target.
        target: Slug,
        /// How far.
        mode: Mode,
        /// Who asks.
        by: Slug,
        /// Who agrees; somebody else.
        with: Slug,
        /// Until when, milliseconds since 1970; then the mode falls back to what it was.
        until_ms: u64,
    },
    /// Close a scope that nobody asks, through the real lane, to see that closing works.
    Canary {
        /// At which target's gate.
        target: Slug,
        /// The scope; never one that a target stands for.
        scope: B256,
        /// Releases of it so far, as the gate says.
        generation: u32,
        /// Who.
        by: Slug,
    },
}
