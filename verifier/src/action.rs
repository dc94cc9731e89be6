//! What is asked of a gate.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{ActionId, B256, ChainId, IncidentId, codec::digest};

/// How open a gate is. Ordered: a later one is tighter.
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
pub enum Level {
    /// Nothing held back.
    Open,
    /// Tighter limits apply.
    Limited,
    /// No outflow.
    Closed,
}

/// How much an action hurts those who did nothing wrong. Ordered: a later one hurts more.
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
pub enum ActionClass {
    /// A person is told.
    Notify,
    /// Caps and margins tighten.
    Tighten,
    /// A delay or a short pause.
    Hold,
    /// A pause.
    Halt,
}

/// One gate on one chain, asked to be at least so tight for at least so long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Action {
    /// Derived from what is asked; see [`Action::derive_id`].
    pub id: ActionId,
    /// Chain of the gate.
    pub chain: ChainId,
    /// Contract, program or account that is the gate, left padded.
    pub target: B256,
    /// Scope as the gate counts it.
    pub scope: B256,
    /// At least this tight.
    pub level: Level,
    /// Until this chain time, seconds since 1970.
    pub until: u64,
    /// And not before this height, so that a chain that stood still does not wake up open.
    pub until_height: u64,
    /// On whose behalf.
    pub incident: IncidentId,
    /// Number of releases of this scope that the asker knows of; a gate ignores a stale one.
    pub generation: u32,
    /// How much it hurts.
    pub class: ActionClass,
    /// Value at risk behind the gate, micro-USD; scales the first fee.
    pub value_at_risk_micro_usd: u64,
    /// Why, one sentence each, for the record and the person who is woken.
    pub reasons: Vec<String>,
}

impl Action {
    /// Id of what is asked: H(chain, target, scope, level, until, until height, incident, generation).
    #[must_use]
    pub fn derive_id(&self) -> ActionId {
        ActionId(digest(
            "portcullis.action.v1",
            &(
                self.chain,
                self.target,
                self.scope,
                self.level,
                self.until,
                self.until_height,
                self.incident,
                self.generation,
            ),
        ))
    }

    /// The action with its id set from the rest.
    #[must_use]
    pub fn with_id(mut self) -> Self {
        self.id = self.derive_id();
        self
    }
}
