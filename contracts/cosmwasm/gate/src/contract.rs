//! Entry points: each message goes to the function that it names.

#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{
    Binary, Deps, DepsMut, Env, MessageInfo, Reply, Response, SubMsg, to_json_binary, to_json_vec,
};
use portcullis_breaker::{
    Block, BreakerError, Charging, ConfigResponse, Log, Outcome, ScopeParts, Word, account_word, action_id,
    keccak256, known, level_of, owner_call, register, require_owner, scope_of, state_of, trip_message,
    tripper_of,
};
use portcullis_breaker::{
    cancel, grant_tripper, hold, release, revoke_guardian, revoke_releaser, revoke_tripper, schedule, seal,
    set_guardian, set_releaser, transfer_ownership, trip, trip_signed,
};

use crate::enforce::{enforce, restore};
use crate::error::GateError;
use crate::msg::{ExecuteMsg, InstantiateMsg, QueryMsg};
use crate::{reply as replies, switches, targets};

/// SECURITY: a target may close at the limited level already, and a stolen key must not do that for ever.
const CHARGING: Charging = Charging::ClosingAndLimiting;

/// What a call answers and sends.
#[derive(Default)]
struct Effect {
    data: Option<Binary>,
    messages: Vec<SubMsg>,
}

/// Writes the constants and the first roles.
///
/// # Errors
/// When the configuration does not hold.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(
    deps: DepsMut<'_>,
    env: Env,
    _info: MessageInfo,
    msg: InstantiateMsg,
) -> Result<Response, GateError> {
    let mut log = Log::default();
    portcullis_breaker::instantiate(deps, &env, &mut log, &msg)?;
    Ok(Response::new().add_events(log.0))
}

/// Does what a message says.
///
/// # Errors
/// As the message's documentation says.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn execute(
    deps: DepsMut<'_>,
    env: Env,
    info: MessageInfo,
    msg: ExecuteMsg,
) -> Result<Response, GateError> {
    let mut log = Log::default();
    let effect = act(deps, &env, &info, &mut log, msg)?;
    let response = Response::new().add_events(log.0).add_submessages(effect.messages);
    Ok(match effect.data {
        Some(data) => response.set_data(data),
        None => response,
    })
}

/// Takes in what came of an attempt to close or to open a switch.
///
/// # Errors
/// When the store is broken.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn reply(deps: DepsMut<'_>, env: Env, reply: Reply) -> Result<Response, GateError> {
    replies::settle(deps, &env, reply)
}

/// Answers.
///
/// # Errors
/// When the store is broken, or an address.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps<'_>, env: Env, msg: QueryMsg) -> Result<Binary, GateError> {
    let block = Block::from(&env);
    let storage = deps.storage;
    let answer = match msg {
        QueryMsg::Config {} => to_json_binary(&ConfigResponse::load(storage)?),
        QueryMsg::ScopeOf(ScopeParts { bridge, direction, corridor, asset }) => {
            let caip2 = ConfigResponse::load(storage)?.caip2_hash;
            to_json_binary(&scope_of(caip2, bridge, direction, corridor, asset))
        }
        QueryMsg::LevelOf { scope } => to_json_binary(&level_of(storage, block, scope)?),
        QueryMsg::StateOf { scope } => to_json_binary(&state_of(storage, scope)?),
        QueryMsg::TripperOf { account } => to_json_binary(&tripper_of(deps, block, &account)?),
        QueryMsg::ActionId { request } => {
            let gate = account_word(deps.api, &env.contract.address)?;
            to_json_binary(&action_id(ConfigResponse::load(storage)?.caip2_hash, gate, &request))
        }
        QueryMsg::TripDigest { request, deadline } => {
            let gate = account_word(deps.api, &env.contract.address)?;
            let id = action_id(ConfigResponse::load(storage)?.caip2_hash, gate, &request);
            to_json_binary(&trip_message(id, deadline, request.record))
        }
        QueryMsg::OperationId { call } => to_json_binary(&keccak256(&[&to_json_vec(&call)?])),
        QueryMsg::TargetsOf { scope } => to_json_binary(&targets::views(deps, scope)?),
    };
    Ok(answer?)
}

fn act(
    mut deps: DepsMut<'_>,
    env: &Env,
    info: &MessageInfo,
    log: &mut Log,
    msg: ExecuteMsg,
) -> Result<Effect, GateError> {
    Ok(match msg {
        ExecuteMsg::Trip(request) => {
            let done = trip(deps.branch(), env, info, log, &request, CHARGING)?;
            after_trip(deps, env, log, request.scope, done)?
        }
        ExecuteMsg::TripSigned { request, deadline, signature } => {
            let signed = (deadline, signature.as_slice());
            let done = trip_signed(deps.branch(), env, log, &request, signed, CHARGING)?;
            after_trip(deps, env, log, request.scope, done)?
        }
        ExecuteMsg::Enforce { scope } => {
            let word = known(deps.storage, scope)?;
            Effect { messages: enforce(deps, env, log, scope, &word)?, data: None }
        }
        ExecuteMsg::Restore { scope } => {
            let word = known(deps.storage, scope)?;
            Effect { messages: restore(deps, env, log, scope, &word)?, data: None }
        }
        ExecuteMsg::Hold { scope, level } => match hold(deps.storage, info, log, scope, level)? {
            Some(word) => Effect { messages: enforce(deps, env, log, scope, &word)?, data: None },
            None => Effect::default(),
        },
        ExecuteMsg::Release { scope, to, generation, closed_until } => {
            let (what, seen) = ((scope, to), (generation, closed_until));
            let word = release(deps.storage, Block::from(env), info, log, what, seen)?;
            Effect { messages: restore(deps, env, log, scope, &word)?, data: None }
        }
        owner => of_the_owner(deps, env, info, log, owner)?,
    })
}

/// A repetition enforces too: what refused before is tried again.
fn after_trip(
    deps: DepsMut<'_>,
    env: &Env,
    log: &mut Log,
    scope: Word,
    outcome: Outcome,
) -> Result<Effect, GateError> {
    let messages = match &outcome {
        Outcome::Stale => Vec::new(),
        Outcome::Repeated(word) | Outcome::Tripped(word) => enforce(deps, env, log, scope, word)?,
    };
    Ok(Effect { data: Some(to_json_binary(&outcome.changed())?), messages })
}

/// Set-up and what the owner changes later; `cancel` is also for those who would suffer from a change.
fn of_the_owner(
    deps: DepsMut<'_>,
    env: &Env,
    info: &MessageInfo,
    log: &mut Log,
    msg: ExecuteMsg,
) -> Result<Effect, GateError> {
    let block = Block::from(env);
    match msg {
        ExecuteMsg::Seal {} => seal(deps.storage, info, log)?,
        ExecuteMsg::Schedule { call } => {
            let id = schedule(deps.storage, block, info, log, &to_json_vec(&call)?)?;
            return Ok(Effect { data: Some(to_json_binary(&id)?), messages: Vec::new() });
        }
        ExecuteMsg::Cancel { id } => cancel(deps.storage, info, log, id)?,
        ExecuteMsg::RevokeReleaser {} => revoke_releaser(deps.storage, info, log)?,
        ExecuteMsg::RevokeGuardian {} => revoke_guardian(deps.storage, info, log)?,
        ExecuteMsg::RevokeTripper { account } => {
            revoke_tripper(deps.storage, deps.api, info, log, &account)?;
        }
        ExecuteMsg::TakeOver { account } => {
            require_owner(deps.storage, &info.sender)?;
            let message = switches::take_over(&deps.api.addr_validate(&account)?)?;
            return Ok(Effect { data: None, messages: vec![SubMsg::new(message)] });
        }
        late => {
            owner_call(deps.storage, block, info, log, &to_json_vec(&late)?)?;
            return after_delay(deps, block, log, late);
        }
    }
    Ok(Effect::default())
}

/// What waits once set-up is sealed.
fn after_delay(deps: DepsMut<'_>, block: Block, log: &mut Log, msg: ExecuteMsg) -> Result<Effect, GateError> {
    match msg {
        ExecuteMsg::TransferOwnership { account } => {
            transfer_ownership(deps.storage, deps.api, log, &account)?;
        }
        ExecuteMsg::SetReleaser { account } => set_releaser(deps.storage, deps.api, log, &account)?,
        ExecuteMsg::SetGuardian { account } => set_guardian(deps.storage, deps.api, log, &account)?,
        ExecuteMsg::GrantTripper { account, budget_seconds } => {
            grant_tripper(deps.storage, deps.api, log, &account, budget_seconds)?;
        }
        ExecuteMsg::RegisterScope(parts) => {
            // Nobody asks a gate which scopes cover a call: the kind is of no use here.
            let scope = register(deps.storage, log, &parts, 0)?;
            targets::attest(deps.storage, scope)?;
            return Ok(Effect { data: Some(to_json_binary(&scope)?), messages: Vec::new() });
        }
        ExecuteMsg::AddTarget { scope, target } => {
            let id = targets::acceptable(deps.as_ref(), scope, &target)?;
            targets::add(deps.storage, log, block, (scope, id), target)?;
        }
        ExecuteMsg::RemoveTarget { scope, index } => targets::remove(deps.storage, log, scope, index)?,
        ExecuteMsg::HandBack { account, to } => {
            if to.is_empty() {
                return Err(BreakerError::ZeroAccount {}.into());
            }
            let (account, to) = (deps.api.addr_validate(&account)?, deps.api.addr_validate(&to)?);
            targets::unlisted(deps.storage, account.as_str())?;
            log.emit("HandedBack", &[("account", &account), ("to", &to)]);
            let message = switches::hand_back(&account, &to)?;
            return Ok(Effect { data: None, messages: vec![SubMsg::new(message)] });
        }
        // Every other message went its own way before.
        _ => return Err(BreakerError::InvalidConfig {}.into()),
    }
    Ok(Effect::default())
}
