//! Closing what a level asks for, and restoring what it does not ask for any more. Each switch is told by a submessage of
//! its own, with gas of its own, so that one that refuses takes neither the trip nor the others with it.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::{CosmosMsg, DepsMut, Env, StdResult, SubMsg, to_json_binary};
use portcullis_breaker::{Block, Log, ScopeWord, Word};

use crate::error::GateError;
use crate::msg::{Switch, Target};
use crate::state::{Mark, mark, set_mark};
use crate::switches::{self, TARGET_GAS};
use crate::targets::{attest, emit, load};

/// What a reply is about.
#[cw_serde]
pub(crate) struct Attempt {
    pub(crate) scope: Word,
    pub(crate) switch: Switch,
    pub(crate) step: Step,
}

/// What was tried.
#[cw_serde]
#[derive(Copy)]
pub(crate) enum Step {
    /// Closing; `known` when it answered before that it was open.
    Close {
        /// Then the gate will open it again.
        known: bool,
    },
    /// Opening what the gate closed.
    Open,
    /// Opening failed at x/circuit, and closing tells why: it succeeds when others had opened it.
    Probe,
    /// Taking the probe back.
    Unprobe,
}

/// Closes what the level asks for and is still open.
pub(crate) fn enforce(
    deps: DepsMut<'_>,
    env: &Env,
    log: &mut Log,
    scope: Word,
    word: &ScopeWord,
) -> Result<Vec<SubMsg>, GateError> {
    let block = Block::from(env);
    let level = word.level(block);
    let mut messages = Vec::new();
    for Target { switch, from_level } in load(deps.storage, scope)? {
        if level < from_level {
            continue;
        }
        let id = switches::identity(&switch);
        let was = mark(deps.storage, id)?;
        let step = match (&switch, switches::is_closed(deps.querier, &switch)) {
            (_, Some(true)) if was.is_some_and(Mark::is_ours) => {
                // What could not be told before is told now.
                if was == Some(Mark::Doubtful) {
                    set_mark(deps.storage, block, id, Mark::Ours);
                }
                continue;
            }
            (_, Some(true)) => {
                set_mark(deps.storage, block, id, Mark::Found);
                emit(log, "TargetFound", scope, &switch, &[]);
                continue;
            }
            (_, Some(false)) => Step::Close { known: true },
            // x/circuit refuses to close what is closed: that it succeeds says that it was open.
            (Switch::Circuit { .. }, None) => Step::Close { known: true },
            (Switch::Pausable { .. }, None) => Step::Close { known: false },
        };
        let message = switches::close(&env.contract.address, &switch)?;
        messages.push(attempt(message, Attempt { scope, switch, step })?);
    }
    // What is tried now is written down when its reply comes, in the same transaction.
    attest(deps.storage, scope)?;
    Ok(messages)
}

/// Opens what the gate closed and the level does not ask for any more.
pub(crate) fn restore(
    deps: DepsMut<'_>,
    env: &Env,
    log: &mut Log,
    scope: Word,
    word: &ScopeWord,
) -> Result<Vec<SubMsg>, GateError> {
    let block = Block::from(env);
    let level = word.level(block);
    let mut messages = Vec::new();
    for Target { switch, from_level } in load(deps.storage, scope)? {
        let id = switches::identity(&switch);
        if level >= from_level || !mark(deps.storage, id)?.is_some_and(Mark::is_ours) {
            continue;
        }
        if switches::is_closed(deps.querier, &switch) == Some(false) {
            set_mark(deps.storage, block, id, Mark::Open);
            emit(log, "TargetRestored", scope, &switch, &[("byGate", false)]);
            continue;
        }
        let message = switches::open(&env.contract.address, &switch)?;
        messages.push(attempt(message, Attempt { scope, switch, step: Step::Open })?);
    }
    attest(deps.storage, scope)?;
    Ok(messages)
}

/// A message whose success or failure comes back to [`crate::contract::reply`].
pub(crate) fn attempt(message: CosmosMsg, attempt: Attempt) -> StdResult<SubMsg> {
    let payload = to_json_binary(&attempt)?;
    Ok(SubMsg::reply_always(message, 0).with_gas_limit(TARGET_GAS).with_payload(payload))
}
