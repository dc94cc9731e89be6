//! Limits per transaction, hour, day and week, in the account of a book. Limits belong to an outflow scope that names its
//! asset. The scope with any corridor is the whole escrow of the asset; a corridor is nested in it, and both count.

use pinocchio::Address;
use pinocchio::account::AccountView;
use portcullis_rules::{Block, LIMITED, Level, Limits, UNLIMITED, Window, quarter};
use portcullis_solana_breaker::layout::any;
use portcullis_solana_breaker::{
    ANY, Breaker, DIRECTION_OUT, Failure, New, Result, Word, create, known, num, owned, scope_of, store,
    writable,
};

use crate::cover::Flow;
use crate::layout::{book, bridge};

/// What a book's account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Book {
    /// Always hold.
    pub(crate) normal: Limits,
    /// Hold beside them while the level is limited.
    pub(crate) limited: Limits,
    /// What a tripper asked for.
    pub(crate) lowered: Limits,
    /// Unix seconds.
    pub(crate) lowered_until: u64,
    /// Slot.
    pub(crate) lowered_until_slot: u64,
    /// Hour, day, week.
    pub(crate) windows: [Window; 3],
}

impl Book {
    const NEW: Self = Self {
        normal: Limits::NONE,
        limited: Limits::NONE,
        lowered: Limits::NONE,
        lowered_until: 0,
        lowered_until_slot: 0,
        windows: [Window { counted: false, quarter: 0, amounts: [0; 5] }; 3],
    };

    /// Whether what a tripper lowered is in force.
    pub(crate) fn is_lowered(&self, block: Block) -> bool {
        block.time < self.lowered_until || block.height < self.lowered_until_slot
    }

    /// A window counts from when it first has a limit.
    pub(crate) fn count_from_now(&mut self, limits: Limits) {
        for (window, limit) in self.windows.iter_mut().zip(limits.per_window) {
            window.counted |= limit != UNLIMITED;
        }
    }

    /// Counts an amount, or refuses.
    #[inline(always)]
    fn count(&mut self, block: Block, scope: &Word, amount: &Word, level: Level) -> Result<()> {
        let mut limits = self.normal;
        if level == LIMITED {
            limits = limits.tighter(self.limited);
        }
        if self.is_lowered(block) {
            limits = limits.tighter(self.lowered);
        }
        let refused =
            |window, available| Failure::LimitExceeded { scope: *scope, window, amount: *amount, available };
        let small = small(amount).filter(|small| *small <= limits.per_transaction);
        let amount = small.ok_or_else(|| refused(0, limits.per_transaction))?;
        let windows = self.windows.iter_mut().zip(limits.per_window).enumerate();
        for ((index, (window, limit)), number) in windows.zip(1..) {
            if window.counted {
                window
                    .spend(quarter(index, block.time), amount, limit)
                    .map_err(|available| refused(number, available))?;
            }
        }
        Ok(())
    }

    fn read(data: &[u8]) -> Self {
        let windows = core::array::from_fn(|index| {
            let at = book::WINDOW_LENGTH.wrapping_mul(index).saturating_add(book::WINDOWS);
            let window = data.get(at..).unwrap_or_default();
            let amount = |index: usize| {
                u128::from_le_bytes(part(window, index.wrapping_mul(16).saturating_add(book::AMOUNTS)))
            };
            Window {
                counted: part(window, 0) == [1],
                quarter: u64::from_le_bytes(part(window, book::QUARTER)),
                amounts: core::array::from_fn(amount),
            }
        });
        Self {
            normal: read_limits(data, book::NORMAL),
            limited: read_limits(data, book::LIMITED),
            lowered: read_limits(data, book::LOWERED),
            lowered_until: u64::from_le_bytes(part(data, book::LOWERED_UNTIL)),
            lowered_until_slot: u64::from_le_bytes(part(data, book::LOWERED_UNTIL_SLOT)),
            windows,
        }
    }

    /// Writes it into a book's account.
    pub(crate) fn write(&self, program: &Address, account: &mut AccountView) -> Result<()> {
        let mut data = writable(program, account, book::TAG)?;
        store(&mut data, book::NORMAL, &bytes(self.normal))?;
        store(&mut data, book::LIMITED, &bytes(self.limited))?;
        store(&mut data, book::LOWERED, &bytes(self.lowered))?;
        store(&mut data, book::LOWERED_UNTIL, &num(self.lowered_until))?;
        store(&mut data, book::LOWERED_UNTIL_SLOT, &num(self.lowered_until_slot))?;
        let places = data.get_mut(book::WINDOWS..).unwrap_or_default().as_chunks_mut().0;
        for (place, window) in places.iter_mut().zip(&self.windows) {
            let place: &mut [u8; book::WINDOW_LENGTH] = place;
            store(place, 0, &[u8::from(window.counted)])?;
            store(place, book::QUARTER, &num(window.quarter))?;
            let amounts = place.get_mut(book::AMOUNTS..).unwrap_or_default().as_chunks_mut().0;
            for (to, amount) in amounts.iter_mut().zip(&window.amounts) {
                *to = amount.to_le_bytes();
            }
        }
        Ok(())
    }
}

/// Counts an outflow against the escrow and the corridor that lies in it, or refuses. The books are those of the route.
#[inline(always)]
pub(crate) fn consume(
    (program, guard): (&Address, &Breaker),
    block: Block,
    flow: &Flow,
    amount: &Word,
    level: Level,
    books: [(&mut AccountView, &Word); 2],
) -> Result<()> {
    if flow.asset == ANY {
        return Err(Failure::AssetRequired.into());
    }
    let corridors = [&ANY, &flow.corridor];
    let nested = if flow.corridor == ANY { 1 } else { 2 };
    for ((account, address), corridor) in books.into_iter().zip(corridors).take(nested) {
        // SECURITY: the book that the route names, or none at that very address.
        if account.address().as_array() != address {
            return Err(Failure::WrongAccount(*account.address()).into());
        }
        if !account.owned_by(program) {
            continue;
        }
        let mut found = Book::read(&owned(program, account, book::TAG)?);
        let scope = scope_of(&guard.caip2_hash, &flow.bridge, DIRECTION_OUT, corridor, &flow.asset);
        found.count(block, &scope, amount, level)?;
        found.write(program, account)?;
    }
    Ok(())
}

/// The accounts of a call that writes limits.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    pub(crate) payer: &'a AccountView,
    pub(crate) bridge: &'a mut AccountView,
    pub(crate) scope: &'a AccountView,
    pub(crate) book: &'a mut AccountView,
}

/// The book of a flow's scope, a new one if need be, and the scope's id.
pub(crate) fn open(
    program: &Address,
    guard: &Breaker,
    flow: &Flow,
    places: &mut Places<'_>,
) -> Result<(Word, Book)> {
    if flow.asset == ANY {
        return Err(Failure::AssetRequired.into());
    }
    let scope = scope_of(&guard.caip2_hash, &flow.bridge, DIRECTION_OUT, &flow.corridor, &flow.asset);
    known(program, guard, places.scope, &scope)?;
    if places.book.owned_by(program) {
        let data = owned(program, places.book, book::TAG)?;
        if part(&data, any::BREAKER) != guard.key || part(&data, book::ID) != scope {
            return Err(Failure::WrongAccount(*places.book.address()).into());
        }
        return Ok((scope, Book::read(&data)));
    }
    let bridge_address = *places.bridge.address();
    let mut data = writable(program, places.bridge, bridge::TAG)?;
    if part(&data, any::BREAKER) != guard.key || part(&data, bridge::NAME) != flow.bridge {
        return Err(Failure::WrongAccount(bridge_address).into());
    }
    store(&mut data, bridge::LIMITED, &[1])?;
    drop(data);
    let seeds: [&[u8]; 3] = [book::SEED, &guard.key, &scope];
    let new = New {
        program,
        payer: places.payer,
        seeds: &seeds,
        tag: book::TAG,
        breaker: &guard.key,
        length: book::LENGTH,
    };
    create(&new, places.book)?;
    store(&mut places.book.try_borrow_mut()?, book::ID, &scope)?;
    Book::NEW.write(program, places.book)?;
    Ok((scope, Book::NEW))
}

/// The releaser ends what a tripper lowered, too. The book may be missing at its address.
pub(crate) fn clear_lowered(
    program: &Address,
    guard: &Breaker,
    scope: &Word,
    account: &mut AccountView,
) -> Result<()> {
    let seeds: [&[u8]; 3] = [book::SEED, &guard.key, scope];
    // SECURITY: who gives another account would leave limits lowered that the event says are not.
    if portcullis_solana_breaker::address_of(program, &seeds)?.0 != *account.address() {
        return Err(Failure::WrongAccount(*account.address()).into());
    }
    if !account.owned_by(program) {
        return Ok(());
    }
    let mut data = writable(program, account, book::TAG)?;
    store(&mut data, book::LOWERED_UNTIL, &num(0_u64))?;
    store(&mut data, book::LOWERED_UNTIL_SLOT, &num(0_u64))
}

/// Transaction, hour, day, week.
pub(crate) fn bytes(limits: Limits) -> [u8; 64] {
    let [hour, day, week] = limits.per_window;
    let mut bytes = [0; 64];
    let places = bytes.as_chunks_mut().0.iter_mut();
    for (place, amount) in places.zip([limits.per_transaction, hour, day, week]) {
        *place = amount.to_le_bytes();
    }
    bytes
}

fn read_limits(data: &[u8], at: usize) -> Limits {
    let bytes: [u8; 64] = part(data, at);
    let amount = |index: usize| u128::from_le_bytes(part(&bytes, index.wrapping_mul(16)));
    Limits { per_transaction: amount(0), per_window: [amount(1), amount(2), amount(3)] }
}

/// A big-endian amount of 256 bits, when it fits 128.
fn small(amount: &Word) -> Option<u128> {
    let (high, low) = amount.split_first_chunk::<16>()?;
    let low: &[u8; 16] = low.first_chunk()?;
    (*high == [0; 16]).then(|| u128::from_be_bytes(*low))
}

/// A field of an account whose length its tag gives.
fn part<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    data.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}
