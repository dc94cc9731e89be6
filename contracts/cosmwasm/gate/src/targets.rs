//! Which switches belong to a scope.

use cosmwasm_std::{Deps, Storage};
use portcullis_breaker::{Block, BreakerError, CLOSED, LIMITED, Log, OPEN, ScopeWord, Word, known};

use crate::error::GateError;
use crate::msg::{Switch, Target, TargetView};
use crate::state::{Mark, TARGETS, clear_mark, mark, set_enforced, set_mark};
use crate::switches;

/// Bounds the gas of a trip.
const MAX_TARGETS: usize = 16;

pub(crate) fn load(storage: &dyn Storage, scope: Word) -> Result<Vec<Target>, GateError> {
    Ok(TARGETS.may_load(storage, &scope.0)?.unwrap_or_default())
}

/// What must hold before a target can be added: read before anything is written.
pub(crate) fn acceptable(deps: Deps<'_>, scope: Word, target: &Target) -> Result<Word, GateError> {
    known(deps.storage, scope)?;
    let account = switches::account(&target.switch).to_owned();
    if load(deps.storage, scope)?.len() >= MAX_TARGETS {
        return Err(GateError::TooManyTargets { scope });
    }
    if (target.from_level != LIMITED && target.from_level != CLOSED) || !switches::sound(deps, &target.switch)
    {
        return Err(GateError::InvalidTarget { account });
    }
    let asked = matches!(target.switch, Switch::Pausable { .. });
    if asked && switches::is_closed(deps.querier, &target.switch).is_none() {
        return Err(GateError::TargetSilent { account });
    }
    // SECURITY: a switch in two scopes would be opened by one while the other wants it closed.
    let id = switches::identity(&target.switch);
    if mark(deps.storage, id)?.is_some() {
        return Err(GateError::TargetTaken { account });
    }
    Ok(id)
}

pub(crate) fn add(
    storage: &mut dyn Storage,
    log: &mut Log,
    block: Block,
    (scope, id): (Word, Word),
    target: Target,
) -> Result<(), GateError> {
    let mut targets = load(storage, scope)?;
    let (switch, from_level) = (&target.switch, target.from_level);
    log.emit(
        "TargetAdded",
        &[
            ("scope", &scope),
            ("account", &switches::account(switch)),
            ("kind", &switches::kind(switch)),
            ("fromLevel", &from_level),
            ("argument", &switches::argument(switch)),
        ],
    );
    set_mark(storage, block, id, Mark::Open);
    targets.push(target);
    TARGETS.save(storage, &scope.0, &targets)?;
    attest(storage, scope)
}

pub(crate) fn remove(
    storage: &mut dyn Storage,
    log: &mut Log,
    scope: Word,
    index: u32,
) -> Result<(), GateError> {
    let mut targets = load(storage, scope)?;
    let place = usize::try_from(index).ok().filter(|place| *place < targets.len());
    let place = place.ok_or(GateError::TargetUnknown { scope, index })?;
    let target = targets.swap_remove(place);
    let id = switches::identity(&target.switch);
    // SECURITY: who leaves the list closed would never be opened again.
    if mark(storage, id)?.is_some_and(Mark::is_ours) {
        return Err(GateError::TargetHeld { account: switches::account(&target.switch).to_owned() });
    }
    clear_mark(storage, id);
    emit(log, "TargetRemoved", scope, &target.switch, &[]);
    TARGETS.save(storage, &scope.0, &targets)?;
    attest(storage, scope)
}

/// Writes down what of a scope is enforced. Called after every change of the scope's word, of its targets, or of their
/// marks.
///
/// SECURITY: who proves that a gate is closed reads this and not the scope's word, which says only what was asked for. A
/// scope without targets closes nothing, and one target that did not follow takes back what the others are worth.
pub(crate) fn attest(storage: &mut dyn Storage, scope: Word) -> Result<(), GateError> {
    let word = known(storage, scope)?;
    let targets = load(storage, scope)?;
    let (mut limits, mut closes) = (!targets.is_empty(), !targets.is_empty());
    for Target { switch, from_level } in &targets {
        if !mark(storage, switches::identity(switch))?.is_some_and(Mark::is_closed) {
            closes = false;
            limits &= *from_level != LIMITED;
        }
    }
    let hold = match word.hold {
        CLOSED.. if closes => word.hold,
        LIMITED.. if limits => LIMITED,
        _ => OPEN,
    };
    let bound = |stands: bool, bound: u64| if stands { bound } else { 0 };
    let enforced = ScopeWord {
        hold,
        closed_until: bound(closes, word.closed_until),
        closed_until_height: bound(closes, word.closed_until_height),
        limited_until: bound(limits, word.limited_until),
        limited_until_height: bound(limits, word.limited_until_height),
        ..word
    };
    Ok(set_enforced(storage, scope, &enforced)?)
}

/// A contract can be handed back when the gate does not list it.
pub(crate) fn unlisted(storage: &dyn Storage, account: &str) -> Result<(), GateError> {
    if account.is_empty() {
        return Err(BreakerError::ZeroAccount {}.into());
    }
    let id = switches::identity(&Switch::Pausable { account: account.to_owned() });
    match mark(storage, id)? {
        Some(_) => Err(GateError::TargetHeld { account: account.to_owned() }),
        None => Ok(()),
    }
}

pub(crate) fn views(deps: Deps<'_>, scope: Word) -> Result<Vec<TargetView>, GateError> {
    let view = |target: Target| {
        let id = switches::identity(&target.switch);
        let mark = mark(deps.storage, id)?.unwrap_or(Mark::Open);
        let closed = switches::is_closed(deps.querier, &target.switch);
        Ok(TargetView { target, id, mark, closed })
    };
    load(deps.storage, scope)?.into_iter().map(view).collect()
}

/// An event about a target: scope, account, kind, argument, and what follows.
pub(crate) fn emit(log: &mut Log, name: &str, scope: Word, switch: &Switch, more: &[(&str, bool)]) {
    let (account, kind, argument) =
        (switches::account(switch), switches::kind(switch), switches::argument(switch));
    let mut fields: Vec<(&str, &dyn std::fmt::Display)> =
        vec![("scope", &scope), ("account", &account), ("kind", &kind), ("argument", &argument)];
    fields.extend(more.iter().map(|(key, value)| {
        let value: &dyn std::fmt::Display = value;
        (*key, value)
    }));
    log.emit(name, &fields);
}
