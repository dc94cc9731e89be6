//! Operating a running service: what people tell it, and the checks that it makes of itself.
//!
//! *Who is in the play.* The [`desk`] takes people's commands from their table to the engine. The [`drill`] rehearses
//! every way of containing and trips canaries, on schedule; what it finds goes into the log like anything else. The
//! [`modes`] say what a gate's record still lacks before automation may be trusted further, and [`approve`] knows whose
//! signatures lend that trust.

pub mod approve;
pub mod desk;
pub mod drill;
pub mod modes;

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_core::config::Rules;
use portcullis_verifier::{B256, ChainId, Slug};

use crate::contain::purse::Allowance;
use approve::Approvers;

/// How a service is operated: `[drill]`, `[modes]`, and what containment may spend.
#[derive(Debug, Clone)]
pub struct Operate {
    /// Between two rehearsals of every way of containing; none where they are not made.
    pub drill_every: Option<Duration>,
    /// Between two canaries at each gate that has one; none where they are not tripped.
    pub canary_every: Option<Duration>,
    /// Scopes that nobody asks, by the gate that they lie at.
    pub canaries: BTreeMap<Slug, B256>,
    /// From asking for more trust until it is lent.
    pub trust_delay: Duration,
    /// Who may agree to more trust.
    pub approvers: Approvers,
    /// What containment may spend in an hour, by chain.
    pub spending: BTreeMap<ChainId, Allowance>,
    /// Actions that containment may send in an hour, over all groups.
    pub actions_per_hour: u64,
}

impl Default for Operate {
    fn default() -> Self {
        Self {
            drill_every: Some(Duration::from_secs(3_600)),
            canary_every: Some(Duration::from_secs(86_400)),
            canaries: BTreeMap::new(),
            trust_delay: Duration::from_secs(3_600),
            approvers: Approvers::default(),
            spending: BTreeMap::new(),
            actions_per_hour: Rules::default().actions_per_hour,
        }
    }
}
