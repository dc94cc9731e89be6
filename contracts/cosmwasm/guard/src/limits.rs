//! Limits per transaction, hour, day and week. Limits belong to an outflow scope that names its asset. The scope with any
//! corridor is the whole escrow of the asset; a corridor is nested in it, and both count. The owner raises with delay and
//! tightens at once; a tripper lowers with expiry, from its budget, because a limit of zero is a closure by another name.

use cosmwasm_std::{Addr, Storage, Uint128, Uint256};
use portcullis_breaker::state::CONFIG;
use portcullis_breaker::{
    ANY, Block, DIRECTION_OUT, LIMITED, Level, Log, Span, Word, amounts, capped, extend, known, scope_of,
};

use crate::error::GuardError;
use crate::msg::{Limits, LimitsResponse, UsedResponse};
use crate::state::{BOOKS, Book};
use crate::windows::{UNLIMITED, Window, quarter};

/// One asset of a bridge: all of it, or what goes through one corridor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) bridge: Word,
    pub(crate) corridor: Word,
    pub(crate) asset: Word,
}

/// Counts an outflow against the corridor and the escrow that it lies in, or refuses. `level` is the strictest that
/// covers it.
pub(crate) fn consume(
    storage: &mut dyn Storage,
    block: Block,
    flow: Flow,
    amount: Uint256,
    level: Level,
) -> Result<(), GuardError> {
    if !limited(storage, flow.bridge) {
        return Ok(());
    }
    if flow.asset == ANY {
        return Err(GuardError::AssetRequired {});
    }
    let escrow = scope(storage, Flow { corridor: ANY, ..flow })?;
    count(storage, block, escrow, amount, level)?;
    if flow.corridor != ANY {
        let corridor = scope(storage, flow)?;
        count(storage, block, corridor, amount, level)?;
    }
    Ok(())
}

/// Whether any scope of the bridge has limits: then an outflow must name its asset.
fn limited(storage: &dyn Storage, bridge: Word) -> bool {
    crate::state::LIMITED_BRIDGES.has(storage, &bridge.0)
}

pub(crate) fn set(
    storage: &mut dyn Storage,
    log: &mut Log,
    flow: Flow,
    normal: Limits,
    limited: Limits,
) -> Result<(), GuardError> {
    let (scope, book) = open(storage, flow)?;
    write(storage, log, scope, book, normal, limited)
}

pub(crate) fn tighten(
    storage: &mut dyn Storage,
    log: &mut Log,
    flow: Flow,
    normal: Limits,
    limited: Limits,
) -> Result<(), GuardError> {
    let (scope, book) = open(storage, flow)?;
    let (normal, limited) = (tighter(book.normal, normal), tighter(book.limited, limited));
    write(storage, log, scope, book, normal, limited)
}

/// Lowers until a time or height, from the tripper's budget. Whether anything changed.
pub(crate) fn lower(
    storage: &mut dyn Storage,
    log: &mut Log,
    block: Block,
    tripper: &Addr,
    flow: Flow,
    (lowered, asked): (Limits, Span),
) -> Result<bool, GuardError> {
    let (scope, mut book) = open(storage, flow)?;
    let in_force = is_lowered(&book, block);
    let old = if in_force { book.lowered } else { unlimited() };
    let held = Span { until: book.lowered_until, until_height: book.lowered_until_height };
    let asked = capped(storage, block, asked)?;
    let (span, reason) = extend(storage, log, block, (scope, tripper), held, asked)?;
    let next = tighter(old, lowered);
    // While something is lowered already, going lower costs nothing more: the time is what was paid for.
    if reason != 0 && (!in_force || old == next) {
        return Ok(false);
    }
    book.lowered = next;
    book.lowered_until = span.until;
    book.lowered_until_height = span.until_height;
    count_from_now(&mut book.windows, next);
    BOOKS.save(storage, &scope.0, &book)?;
    log.emit(
        "LimitsLowered",
        &[
            ("scope", &scope),
            ("tripper", tripper),
            ("lowered", &written(next)),
            ("until", &span.until),
            ("untilHeight", &span.until_height),
        ],
    );
    Ok(true)
}

/// The releaser ends what a tripper lowered, too.
pub(crate) fn clear_lowered(storage: &mut dyn Storage, scope: Word) -> Result<(), GuardError> {
    if let Some(mut book) = BOOKS.may_load(storage, &scope.0)? {
        book.lowered_until = 0;
        book.lowered_until_height = 0;
        BOOKS.save(storage, &scope.0, &book)?;
    }
    Ok(())
}

pub(crate) fn limits_of(storage: &dyn Storage, scope: Word) -> Result<LimitsResponse, GuardError> {
    let book = BOOKS.may_load(storage, &scope.0)?.unwrap_or_else(empty);
    Ok(LimitsResponse {
        normal: book.normal,
        limited: book.limited,
        lowered: book.lowered,
        until: book.lowered_until,
        until_height: book.lowered_until_height,
    })
}

pub(crate) fn used_of(storage: &dyn Storage, block: Block, scope: Word) -> Result<UsedResponse, GuardError> {
    let [hour, day, week] = BOOKS.may_load(storage, &scope.0)?.unwrap_or_else(empty).windows;
    Ok(UsedResponse {
        hour: hour.used(quarter(0, block.time)),
        day: day.used(quarter(1, block.time)),
        week: week.used(quarter(2, block.time)),
    })
}

fn count(
    storage: &mut dyn Storage,
    block: Block,
    scope: Word,
    amount: Uint256,
    level: Level,
) -> Result<(), GuardError> {
    let Some(mut book) = BOOKS.may_load(storage, &scope.0)? else { return Ok(()) };
    let mut limits = book.normal;
    if level == LIMITED {
        limits = tighter(limits, book.limited);
    }
    if is_lowered(&book, block) {
        limits = tighter(limits, book.lowered);
    }
    if amount > Uint256::from(limits.per_transaction) {
        let available = limits.per_transaction;
        return Err(GuardError::LimitExceeded { scope, window: 0, amount, available });
    }
    for (index, (window, limit)) in book.windows.iter_mut().zip(per_window(limits)).enumerate() {
        if window.counted {
            window.spend(quarter(index, block.time), amount, limit).map_err(|available| {
                let window = u8::try_from(index).unwrap_or(u8::MAX).saturating_add(1);
                GuardError::LimitExceeded { scope, window, amount, available }
            })?;
        }
    }
    Ok(BOOKS.save(storage, &scope.0, &book)?)
}

/// The book of a flow's scope, a new one if need be.
fn open(storage: &mut dyn Storage, flow: Flow) -> Result<(Word, Book), GuardError> {
    if flow.asset == ANY {
        return Err(GuardError::AssetRequired {});
    }
    let scope = scope(storage, flow)?;
    known(storage, scope)?;
    if let Some(book) = BOOKS.may_load(storage, &scope.0)? {
        return Ok((scope, book));
    }
    crate::state::LIMITED_BRIDGES.save(storage, &flow.bridge.0, &true)?;
    BOOKS.save(storage, &scope.0, &empty())?;
    Ok((scope, empty()))
}

fn write(
    storage: &mut dyn Storage,
    log: &mut Log,
    scope: Word,
    mut book: Book,
    normal: Limits,
    limited: Limits,
) -> Result<(), GuardError> {
    book.normal = normal;
    book.limited = limited;
    count_from_now(&mut book.windows, normal);
    count_from_now(&mut book.windows, limited);
    BOOKS.save(storage, &scope.0, &book)?;
    log.emit("LimitsSet", &[("scope", &scope), ("normal", &written(normal)), ("limited", &written(limited))]);
    Ok(())
}

fn scope(storage: &dyn Storage, flow: Flow) -> Result<Word, GuardError> {
    let caip2 = CONFIG.load(storage)?.caip2_hash;
    Ok(scope_of(caip2, flow.bridge, DIRECTION_OUT, flow.corridor, flow.asset))
}

fn is_lowered(book: &Book, block: Block) -> bool {
    block.time < book.lowered_until || block.height < book.lowered_until_height
}

fn count_from_now(windows: &mut [Window; 3], limits: Limits) {
    for (window, limit) in windows.iter_mut().zip(per_window(limits)) {
        window.counted |= limit != UNLIMITED;
    }
}

fn per_window(limits: Limits) -> [Uint128; 3] {
    [limits.per_hour, limits.per_day, limits.per_week]
}

fn tighter(a: Limits, b: Limits) -> Limits {
    Limits {
        per_transaction: a.per_transaction.min(b.per_transaction),
        per_hour: a.per_hour.min(b.per_hour),
        per_day: a.per_day.min(b.per_day),
        per_week: a.per_week.min(b.per_week),
    }
}

fn unlimited() -> Limits {
    Limits { per_transaction: UNLIMITED, per_hour: UNLIMITED, per_day: UNLIMITED, per_week: UNLIMITED }
}

fn empty() -> Book {
    Book {
        normal: unlimited(),
        limited: unlimited(),
        lowered: unlimited(),
        lowered_until: 0,
        lowered_until_height: 0,
        windows: Default::default(),
    }
}

/// Per transaction, hour, day, week.
fn written(limits: Limits) -> String {
    amounts(&[limits.per_transaction, limits.per_hour, limits.per_day, limits.per_week])
}
