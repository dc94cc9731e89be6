//! `[drill]`, `[modes]`, canaries and the hour's money: how the service is operated.

use std::time::Duration;

use super::{
    model::{Config, OperateConfig},
    reader::Section,
};
use crate::contain::purse::Allowance;
use crate::operate::Operate;

/// An hour, in seconds.
const HOUR: u64 = 3_600;
/// A day, in seconds.
const DAY: u64 = 86_400;

/// `[drill]` and `[modes]`. Rehearsals are made and canaries tripped unless somebody says zero.
pub(super) fn read(root: &Section<'_>) -> OperateConfig {
    let mut operate = OperateConfig { drill_secs: HOUR, canary_secs: DAY, trust_delay_secs: HOUR };
    if let Some(section) = root.table("drill") {
        operate.drill_secs = section.number("interval_secs", 0..=30 * DAY, operate.drill_secs);
        operate.canary_secs = section.number("canary_interval_secs", 0..=30 * DAY, operate.canary_secs);
        section.finish();
    }
    if let Some(section) = root.table("modes") {
        operate.trust_delay_secs = section.number("trust_delay_secs", 1..=30 * DAY, operate.trust_delay_secs);
        section.finish();
    }
    operate
}

impl Config {
    /// How the service is operated.
    #[must_use]
    pub fn operate(&self) -> Operate {
        let every = |secs: u64| (secs > 0).then(|| Duration::from_secs(secs));
        let sides = self.bridges.iter().flat_map(|bridge| &bridge.sides);
        let guards = sides.filter_map(|side| side.guard.as_ref());
        let canaries = guards.filter_map(|guard| Some((guard.id.value, guard.canary?)));
        let spending = self.chains.iter().map(|chain| {
            let (per_hour, gas_limit) = (chain.fees.per_hour, chain.fees.gas_limit);
            (chain.id.value, Allowance { per_hour, gas_limit })
        });
        Operate {
            drill_every: every(self.operate.drill_secs),
            canary_every: every(self.operate.canary_secs),
            canaries: canaries.collect(),
            trust_delay: Duration::from_secs(self.operate.trust_delay_secs),
            spending: spending.collect(),
            actions_per_hour: self.rules.actions_per_hour,
        }
    }
}
