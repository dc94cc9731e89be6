//! What came of an attempt to close or to open a switch.

use cosmwasm_std::{DepsMut, Env, Reply, Response, SubMsg, SubMsgResult, from_json};
use portcullis_breaker::{Block, Log};

use crate::enforce::{Attempt, Step, attempt};
use crate::error::GateError;
use crate::msg::Switch;
use crate::state::{Mark, mark, set_mark};
use crate::switches;
use crate::targets::{attest, emit};

/// What the chain tells a contract of an error that has no number of its own. x/circuit has none for "closed already",
/// which it looks at before it looks at permissions; a missing permission has one.
const NO_NUMBER: &str = "codespace: undefined, code: 1";

/// Reads what happened, asks the switch where it answers, and writes the mark.
pub(crate) fn settle(deps: DepsMut<'_>, env: &Env, reply: Reply) -> Result<Response, GateError> {
    let Attempt { scope, switch, step } = from_json(&reply.payload)?;
    let (done, id) = (reply.result.is_ok(), switches::identity(&switch));
    let circuit = matches!(switch, Switch::Circuit { .. });
    let closed = switches::is_closed(deps.querier, &switch);
    let was = mark(deps.storage, id)?.unwrap_or(Mark::Open);
    let mut log = Log::default();
    let mut next: Option<SubMsg> = None;
    let mut say = |name: &str, more: &[(&str, bool)]| emit(&mut log, name, scope, &switch, more);
    let mark = match step {
        Step::Close { known } if done && (circuit || closed == Some(true)) => {
            let ours = known || was.is_ours();
            say("TargetClosed", &[("ours", ours)]);
            if ours { Mark::Ours } else { Mark::Found }
        }
        // x/circuit refuses a second time what the gate has closed before.
        Step::Close { .. } if circuit && was.is_ours() && has_no_number(&reply.result) => {
            if was == Mark::Doubtful { Mark::Ours } else { was }
        }
        Step::Close { .. } if closed == Some(true) => {
            say("TargetFound", &[]);
            if was.is_ours() { Mark::Ours } else { Mark::Found }
        }
        // SECURITY: what the gate closed stays its own to open, whatever a later attempt says.
        Step::Close { .. } => {
            say("TargetFailed", &[("closing", true)]);
            if was.is_ours() { Mark::Doubtful } else { Mark::Failed }
        }
        Step::Open if done && closed != Some(true) => {
            say("TargetRestored", &[("byGate", true)]);
            Mark::Open
        }
        Step::Open if circuit => {
            let close = switches::close(&env.contract.address, &switch)?;
            next = Some(attempt(close, Attempt { scope, switch: switch.clone(), step: Step::Probe })?);
            was
        }
        Step::Open => {
            say("TargetFailed", &[("closing", false)]);
            Mark::Stuck
        }
        // It was open, so others had opened it; now the gate has closed it, and opens it again.
        Step::Probe if done => {
            let open = switches::open(&env.contract.address, &switch)?;
            next = Some(attempt(open, Attempt { scope, switch: switch.clone(), step: Step::Unprobe })?);
            Mark::Ours
        }
        Step::Unprobe if done => {
            say("TargetRestored", &[("byGate", false)]);
            Mark::Open
        }
        Step::Probe | Step::Unprobe => {
            say("TargetFailed", &[("closing", false)]);
            Mark::Stuck
        }
    };
    if mark != was {
        set_mark(deps.storage, Block::from(env), id, mark);
        attest(deps.storage, scope)?;
    }
    Ok(Response::new().add_events(log.0).add_submessages(next))
}

/// SECURITY: any other refusal (no permission, out of gas) says that the type may be open, also where the gate has closed it
/// before: others can have opened it since.
fn has_no_number(result: &SubMsgResult) -> bool {
    matches!(result, SubMsgResult::Err(text) if text.lines().any(|line| line.trim() == NO_NUMBER))
}
