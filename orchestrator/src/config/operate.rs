//! `[drill]`, `[modes]`, canaries and the hour's money: how the service is operated.

use std::{ops::Range, time::Duration};

use portcullis_verifier::Slug;
use toml::de::DeValue;

use super::{
    model::{Config, OperateConfig},
    problem::Code,
    reader::{Section, type_name},
};
use crate::contain::purse::Allowance;
use crate::operate::{Operate, approve::Approvers};

/// An hour, in seconds.
const HOUR: u64 = 3_600;
/// A day, in seconds.
const DAY: u64 = 86_400;

/// `[drill]` and `[modes]`. Rehearsals are made and canaries tripped unless somebody says zero.
pub(super) fn read(root: &Section<'_>) -> OperateConfig {
    let approvers = Approvers::default();
    let mut operate = OperateConfig { drill_secs: HOUR, canary_secs: DAY, trust_delay_secs: HOUR, approvers };
    if let Some(section) = root.table("drill") {
        operate.drill_secs = section.number("interval_secs", 0..=30 * DAY, operate.drill_secs);
        operate.canary_secs = section.number("canary_interval_secs", 0..=30 * DAY, operate.canary_secs);
        section.finish();
    }
    if let Some(section) = root.table("modes") {
        operate.trust_delay_secs = section.number("trust_delay_secs", 1..=30 * DAY, operate.trust_delay_secs);
        if let Some(people) = section.table("approvers") {
            operate.approvers = read_approvers(&people);
        }
        section.finish();
    }
    operate
}

/// People by name, each with a public key.
fn read_approvers(people: &Section<'_>) -> Approvers {
    let mut approvers = Approvers::default();
    for (name, value) in people.entries() {
        let error =
            |code, at: &Range<usize>, what: String, fix: &str| people.sink().error(code, at, what, fix);
        let slug = match name.value.parse::<Slug>() {
            Ok(slug) => slug,
            Err(why) => {
                let what = format!("\"{}\" is no name: {why}", name.value);
                error(Code::BadName, &name.at, what, "use lower-case letters, digits, dots and hyphens");
                continue;
            }
        };
        let DeValue::String(key) = value.get_ref() else {
            let what = format!("a public key is a text, not {}", type_name(value.get_ref()));
            error(
                Code::WrongType,
                &value.span(),
                what,
                "write \"ssh-ed25519 AAAA…\", the line of the .pub file",
            );
            continue;
        };
        if let Err(why) = approvers.add(slug, key) {
            let what = format!("the key of {slug} cannot be used: {why}");
            let fix = "write the line of the person's own .pub file; ssh-keygen -t ed25519 makes one";
            error(Code::NotAllowed, &value.span(), what, fix);
        }
    }
    approvers
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
            approvers: self.operate.approvers.clone(),
            spending: spending.collect(),
            actions_per_hour: self.rules.actions_per_hour,
        }
    }
}
