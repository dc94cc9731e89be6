//! One release that is large, in money and as a share of the whole escrow.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{
    effect::Cause,
    money::{at_least_bps, bps_of, usd},
};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "large transfer",
        cause: Cause::LargeTransfer,
        provoked_by: "anybody who owns so much",
        cost: "fees of a transfer",
        highest: ActionClass::Notify,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Left(outflow) = fact else { return None };
    let value = outflow.value.filter(|value| *value >= world.rules.large_floor_micro_usd)?;
    if !at_least_bps(value, outflow.whole, world.rules.large_escrow_bps) {
        return None;
    }
    let share = bps_of(value, outflow.whole);
    let chain = world.chain(outflow.seen.live.chain);
    let token = world.names.token_name(outflow.seen.live.token);
    let detail = format!(
        "{} of {token} left the escrow on {chain} at once, {share} basis points of all of it",
        usd(value)
    );
    Some(Finding { class: ActionClass::Notify, value: Some(value), detail })
}
