//! Too much leaves an escrow in an hour, as a share of the whole.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{
    effect::Cause,
    money::{at_least_bps, bps_of, usd},
};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "flow cap",
        cause: Cause::FlowCap,
        provoked_by: "many honest users at once, or one who owns so much",
        cost: "fees of transfers, and capital of the share asked for",
        highest: ActionClass::Hold,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Left(outflow) = fact else { return None };
    // While an escrow is small, honest users move large shares of it every hour: the floor keeps that quiet.
    if outflow.hour < world.rules.large_floor_micro_usd {
        return None;
    }
    let (hour, whole) = (outflow.hour, outflow.whole_before_hour);
    let class = if at_least_bps(hour, whole, world.rules.flow_hold_bps) {
        ActionClass::Hold
    } else if at_least_bps(hour, whole, world.rules.flow_notify_bps) {
        ActionClass::Notify
    } else {
        return None;
    };
    let share = bps_of(hour, whole);
    let chain = world.chain(outflow.seen.live.chain);
    let detail =
        format!("{} left the escrow on {chain} within an hour, {share} basis points of it", usd(hour));
    Some(Finding { class, value: Some(hour), detail })
}

/// What had to leave in the hour for a finding of this class, micro-USD: an episode ends when undone releases
/// take it below.
pub(crate) fn needed(rules: &crate::config::Rules, whole: u64, class: ActionClass) -> u64 {
    let bps = if class >= ActionClass::Hold { rules.flow_hold_bps } else { rules.flow_notify_bps };
    let share = u128::from(whole).saturating_mul(u128::from(bps)).checked_div(10_000).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX).max(rules.large_floor_micro_usd)
}
