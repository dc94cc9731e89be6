//! More left an escrow than ever came, per asset over all of its corridors, those that nobody watches included.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, money::usd};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "conservation",
        cause: Cause::Conservation,
        provoked_by: "whoever can make the bridge pay more than it took; a token that changes balances by itself",
        cost: "a break of the bridge; rounding and fees stay below the floor",
        highest: ActionClass::Halt,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Left(outflow) = fact else { return None };
    // Below the floor it is rounding, fees or dust that another detector named: shown in the ledger's view.
    let short = outflow.short.filter(|short| *short >= world.rules.unbacked_floor_micro_usd)?;
    let token = world.names.token_name(outflow.seen.live.token);
    let chain = world.chain(outflow.seen.live.chain);
    let detail = format!("{} more of {token} left the escrow on {chain} than ever came into it", usd(short));
    Some(Finding { class: ActionClass::Halt, value: Some(short), detail })
}
