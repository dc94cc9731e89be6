//! What can be closed.

use portcullis_verifier::Slug;
use serde::Deserialize;

/// A contract that can be closed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateTarget {
    /// Configured name.
    pub id: Slug,
    /// Address of the Guard or Gate, as people of its chain write it.
    pub address: String,
    /// Which of the two; they answer the same calls, but fail for different reasons.
    pub kind: GateKind,
}

/// What stands at a target's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// The protected contract asks it.
    Guard,
    /// It holds the power to stop something that does not ask: a contract, a token, or kinds of messages.
    Gate,
}
