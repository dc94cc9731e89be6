//! What a protected program links: it asks its guard before value leaves.
//!
//! Two ways. [`Guarded::read`] reads the guard's accounts itself, without a call, where the bridge has no limits.
//! [`Guarded::check`] makes the call that also counts the amount. [`Guarded::check_outflow`] takes the first where it may and
//! the second where it must. All of them refuse by an error: pass it on, and pay out after it.

#![no_std]

use pinocchio::Address;
use pinocchio::account::AccountView;
use pinocchio::cpi::{Signer, invoke_signed_with_bounds};
use pinocchio::instruction::{InstructionAccount, InstructionView};
use portcullis_rules::Level;
use portcullis_solana_breaker::layout::breaker;
use portcullis_solana_breaker::{DIRECTION_OUT, Failure, Result, Word, now, owned, same, scope_of, store};
use portcullis_solana_guard::layout::{bridge, route};
use portcullis_solana_guard::{Flow, Route};

/// Number of `check`.
const CHECK: u8 = 5;
/// Number, three words and the amount.
const CHECK_LENGTH: usize = 129;
/// Consumer, breaker, bridge, route, two books, and sixteen scopes.
const MAX_ACCOUNTS: usize = 22;

/// Whom a program asks. SECURITY: both are the program's own constants or state that only its owner sets; never what a caller
/// brings along.
#[derive(Debug, Clone, Copy)]
pub struct Guarded<'a> {
    /// The guard's program.
    pub program: &'a Address,
    /// The address of the guard's breaker account.
    pub guard: &'a Word,
}

impl Guarded<'_> {
    /// The level of an outflow, read from the guard's accounts: breaker, bridge, route, and the registered scopes of both
    /// lanes in the route's order.
    ///
    /// # Errors
    /// When a scope that covers the flow is closed, none is registered, set-up is not sealed, the bridge has limits (then only
    /// [`Self::check`] answers), or an account is not the guard's.
    #[inline(always)]
    pub fn read(&self, accounts: &[AccountView], flow: &Flow) -> Result<Level> {
        let [of_guard, of_bridge, of_route, scopes @ ..] = accounts else {
            return Err(Failure::Malformed.into());
        };
        let level = self.read_of([of_guard, of_bridge, of_route], scopes, flow)?;
        level.ok_or_else(|| Failure::LimitsNeedCheck(flow.bridge).into())
    }

    /// None where the bridge has limits.
    #[inline(always)]
    fn read_of(
        &self,
        [of_guard, of_bridge, of_route]: [&AccountView; 3],
        scopes: &[AccountView],
        flow: &Flow,
    ) -> Result<Option<Level>> {
        // SECURITY: this very guard; a guard of another owner is the same program's too.
        if !same(of_guard.address().as_array(), self.guard) {
            return Err(Failure::WrongAccount(*of_guard.address()).into());
        }
        let guard = owned(self.program, of_guard, breaker::TAG)?;
        let of_bridge = owned(self.program, of_bridge, bridge::TAG)?;
        if guard.get(breaker::SEALED) != Some(&1) {
            return Err(Failure::ForeignCaller { bridge: flow.bridge, caller: *self.guard }.into());
        }
        // Which bridge this is says the route, or the guard itself when it is asked.
        if of_bridge.get(bridge::LIMITED) != Some(&0) {
            return Ok(None);
        }
        let of_route = owned(self.program, of_route, route::TAG)?;
        let route = Route::check(&of_route, &of_bridge, self.guard, flow)?;
        let level = route.level(self.program, now()?, scopes)?;
        level.map(Some).ok_or_else(|| {
            let caip2 = guard.get(breaker::CAIP2..).and_then(|rest| rest.first_chunk()).copied();
            let Flow { bridge, corridor, asset } = flow;
            let scope = scope_of(&caip2.unwrap_or_default(), bridge, DIRECTION_OUT, corridor, asset);
            Failure::ScopeUnregistered(scope).into()
        })
    }

    /// Asks the guard, which counts the amount (base units). `accounts` are those of `check`: the consumer, for which `signer`
    /// signs, breaker, bridge, route, both books, and the scopes.
    ///
    /// # Errors
    /// Does not come back from a refusal: on this machine it ends the transaction.
    pub fn check(
        &self,
        accounts: &[AccountView],
        flow: &Flow,
        amount: u64,
        signer: &[Signer<'_, '_>],
    ) -> Result<()> {
        let mut data = [CHECK; CHECK_LENGTH];
        let mut large = [0; 32];
        store(&mut large, 24, &amount.to_be_bytes())?;
        for (at, word) in [(1, &flow.bridge), (33, &flow.corridor), (65, &flow.asset), (97, &large)] {
            store(&mut data, at, word)?;
        }
        if accounts.len() > MAX_ACCOUNTS || accounts.len() < 6 {
            return Err(Failure::Malformed.into());
        }
        let breaker = accounts.get(1).ok_or(Failure::Malformed)?;
        if !same(breaker.address().as_array(), self.guard) {
            return Err(Failure::WrongAccount(*breaker.address()).into());
        }
        let nobody = Address::new_from_array([0; 32]);
        let mut metas = [const { None }; MAX_ACCOUNTS];
        for (index, (meta, account)) in metas.iter_mut().zip(accounts).enumerate() {
            let is_book = matches!(index, 4 | 5);
            // A book that is read-only stays so: it is one that need not be there.
            let writable = is_book && account.is_writable();
            *meta = Some(InstructionAccount::new(account.address(), writable, index == 0));
        }
        let metas = metas.map(|meta| meta.unwrap_or(InstructionAccount::readonly(&nobody)));
        let metas = metas.get(..accounts.len()).unwrap_or_default();
        let instruction = InstructionView { program_id: self.program, data: &data, accounts: metas };
        invoke_signed_with_bounds::<MAX_ACCOUNTS, _>(&instruction, accounts, signer)
    }

    /// Reads where the bridge has no limits, asks where it has. `accounts` are those of [`Self::check`].
    ///
    /// # Errors
    /// As both.
    pub fn check_outflow(
        &self,
        accounts: &[AccountView],
        flow: &Flow,
        amount: u64,
        signer: &[Signer<'_, '_>],
    ) -> Result<()> {
        let [_, breaker, of_bridge, of_route, _, _, scopes @ ..] = accounts else {
            return Err(Failure::Malformed.into());
        };
        match self.read_of([breaker, of_bridge, of_route], scopes, flow)? {
            Some(_) => Ok(()),
            None => self.check(accounts, flow, amount, signer),
        }
    }
}
