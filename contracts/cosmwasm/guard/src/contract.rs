//! Entry points: each message goes to the function that it names.

#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{Binary, Deps, DepsMut, Env, MessageInfo, Response, to_json_binary, to_json_vec};
use portcullis_breaker::{
    Block, BreakerError, Charging, ConfigResponse, Log, ScopeParts, Span, account_word, action_id, keccak256,
    level_of, owner_call, require_owner, require_tripper, scope_of, state_of, trip_message, tripper_of,
};
use portcullis_breaker::{
    cancel, grant_tripper, hold, release, revoke_guardian, revoke_releaser, revoke_tripper, schedule, seal,
    set_guardian, set_releaser, transfer_ownership, trip, trip_signed,
};

use crate::cover;
use crate::error::GuardError;
use crate::limits::{self, Flow};
use crate::msg::{ExecuteMsg, InstantiateMsg, QueryMsg};

/// Writes the constants and the first roles. Until `seal` nothing is let out.
///
/// # Errors
/// When the configuration does not hold.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(
    deps: DepsMut<'_>,
    env: Env,
    _info: MessageInfo,
    msg: InstantiateMsg,
) -> Result<Response, GuardError> {
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
) -> Result<Response, GuardError> {
    let mut log = Log::default();
    let data = match msg {
        ExecuteMsg::Check { bridge, corridor, asset, amount } => {
            let (flow, block) = (Flow { bridge, corridor, asset }, Block::from(&env));
            let level = cover::check(deps.storage, block, &info.sender, flow)?;
            limits::consume(deps.storage, block, flow, amount, level)?;
            None
        }
        ExecuteMsg::Trip(request) => {
            let done = trip(deps, &env, &info, &mut log, &request, Charging::Closing)?;
            Some(to_json_binary(&done.changed())?)
        }
        ExecuteMsg::TripSigned { request, deadline, signature } => {
            let signed = (deadline, signature.as_slice());
            let done = trip_signed(deps, &env, &mut log, &request, signed, Charging::Closing)?;
            Some(to_json_binary(&done.changed())?)
        }
        ExecuteMsg::LowerLimits { bridge, corridor, asset, lowered, until, until_height } => {
            require_tripper(deps.storage, &info.sender)?;
            let (flow, asked) = (Flow { bridge, corridor, asset }, Span { until, until_height });
            let block = Block::from(&env);
            let lowered = (lowered, asked);
            let changed = limits::lower(deps.storage, &mut log, block, &info.sender, flow, lowered)?;
            Some(to_json_binary(&changed)?)
        }
        ExecuteMsg::Hold { scope, level } => {
            hold(deps.storage, &info, &mut log, scope, level)?;
            None
        }
        ExecuteMsg::Release { scope, to, generation, closed_until } => {
            let (what, seen) = ((scope, to), (generation, closed_until));
            let word = release(deps.storage, Block::from(&env), &info, &mut log, what, seen)?;
            if word.limited_until == 0 {
                limits::clear_lowered(deps.storage, scope)?;
            }
            None
        }
        owner => of_the_owner(deps, &env, &info, &mut log, owner)?,
    };
    let response = Response::new().add_events(log.0);
    Ok(match data {
        Some(data) => response.set_data(data),
        None => response,
    })
}

/// Answers.
///
/// # Errors
/// When the store is broken, or an address.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps<'_>, env: Env, msg: QueryMsg) -> Result<Binary, GuardError> {
    let block = Block::from(&env);
    let storage = deps.storage;
    let answer = match msg {
        QueryMsg::Config {} => to_json_binary(&ConfigResponse::load(storage)?),
        QueryMsg::ScopeOf(ScopeParts { bridge, direction, corridor, asset }) => {
            let caip2 = ConfigResponse::load(storage)?.caip2_hash;
            to_json_binary(&scope_of(caip2, bridge, direction, corridor, asset))
        }
        QueryMsg::LevelOf { scope } => to_json_binary(&level_of(storage, block, scope)?),
        QueryMsg::LevelFor(parts) => to_json_binary(&cover::level_for(storage, block, &parts)?),
        QueryMsg::StateOf { scope } => to_json_binary(&state_of(storage, scope)?),
        QueryMsg::TripperOf { account } => to_json_binary(&tripper_of(deps, block, &account)?),
        QueryMsg::ActionId { request } => {
            let guard = account_word(deps.api, &env.contract.address)?;
            to_json_binary(&action_id(ConfigResponse::load(storage)?.caip2_hash, guard, &request))
        }
        QueryMsg::TripDigest { request, deadline } => {
            let guard = account_word(deps.api, &env.contract.address)?;
            let id = action_id(ConfigResponse::load(storage)?.caip2_hash, guard, &request);
            to_json_binary(&trip_message(id, deadline, request.record))
        }
        QueryMsg::OperationId { call } => to_json_binary(&keccak256(&[&to_json_vec(&call)?])),
        QueryMsg::LimitsOf { scope } => to_json_binary(&limits::limits_of(storage, scope)?),
        QueryMsg::UsedOf { scope } => to_json_binary(&limits::used_of(storage, block, scope)?),
        QueryMsg::ConsumerOf { bridge } => {
            to_json_binary(&crate::state::CONSUMERS.may_load(storage, &bridge.0)?)
        }
    };
    Ok(answer?)
}

/// Set-up and what the owner changes later; `cancel` is also for those who would suffer from a change.
fn of_the_owner(
    deps: DepsMut<'_>,
    env: &Env,
    info: &MessageInfo,
    log: &mut Log,
    msg: ExecuteMsg,
) -> Result<Option<Binary>, GuardError> {
    let block = Block::from(env);
    match msg {
        ExecuteMsg::Seal {} => seal(deps.storage, info, log)?,
        ExecuteMsg::Schedule { call } => {
            let id = schedule(deps.storage, block, info, log, &to_json_vec(&call)?)?;
            return Ok(Some(to_json_binary(&id)?));
        }
        ExecuteMsg::Cancel { id } => cancel(deps.storage, info, log, id)?,
        ExecuteMsg::RevokeReleaser {} => revoke_releaser(deps.storage, info, log)?,
        ExecuteMsg::RevokeGuardian {} => revoke_guardian(deps.storage, info, log)?,
        ExecuteMsg::RevokeTripper { account } => {
            revoke_tripper(deps.storage, deps.api, info, log, &account)?;
        }
        ExecuteMsg::TightenLimits { bridge, corridor, asset, normal, limited } => {
            require_owner(deps.storage, &info.sender)?;
            limits::tighten(deps.storage, log, Flow { bridge, corridor, asset }, normal, limited)?;
        }
        late => {
            owner_call(deps.storage, block, info, log, &to_json_vec(&late)?)?;
            return after_delay(deps, log, late);
        }
    }
    Ok(None)
}

/// What waits once set-up is sealed.
fn after_delay(deps: DepsMut<'_>, log: &mut Log, msg: ExecuteMsg) -> Result<Option<Binary>, GuardError> {
    match msg {
        ExecuteMsg::TransferOwnership { account } => {
            transfer_ownership(deps.storage, deps.api, log, &account)?;
        }
        ExecuteMsg::SetReleaser { account } => set_releaser(deps.storage, deps.api, log, &account)?,
        ExecuteMsg::SetGuardian { account } => set_guardian(deps.storage, deps.api, log, &account)?,
        ExecuteMsg::GrantTripper { account, budget_seconds } => {
            grant_tripper(deps.storage, deps.api, log, &account, budget_seconds)?;
        }
        ExecuteMsg::RegisterBridge { bridge, consumer } => {
            if consumer.is_empty() {
                return Err(BreakerError::ZeroAccount {}.into());
            }
            let consumer = deps.api.addr_validate(&consumer)?;
            cover::register_bridge(deps.storage, log, bridge, &consumer)?;
        }
        ExecuteMsg::RegisterScope(parts) => {
            let scope = cover::register_scope(deps.storage, log, &parts)?;
            return Ok(Some(to_json_binary(&scope)?));
        }
        ExecuteMsg::SetLimits { bridge, corridor, asset, normal, limited } => {
            limits::set(deps.storage, log, Flow { bridge, corridor, asset }, normal, limited)?;
        }
        // Every other message went its own way before.
        _ => return Err(BreakerError::InvalidConfig {}.into()),
    }
    Ok(None)
}
