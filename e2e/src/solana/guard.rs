//! Addresses and calls of the guard; what lies where stands in contracts/solana/README.md.

use alloy::primitives::{B256, U256, keccak256};
use portcullis_solana::devnet::Call;

use super::program::{Meta, SYSTEM, data, guard_program, pda, r, s, sw, w};
use crate::contracts::{DIRECTION_OUT, bridge_id};

/// Constants and roles of the guard.
#[derive(Debug, Clone, Copy)]
pub struct GuardConfig {
    /// Shortens.
    pub releaser: B256,
    /// Holds.
    pub guardian: B256,
    /// Longest closure, in seconds and in slots.
    pub max: (u32, u32),
    /// How long a closed scope stays limited, in seconds and in slots.
    pub tail: (u32, u32),
    /// Of every tripper's budget.
    pub budget_window_hours: u16,
}

/// The guard of the play: its breaker account, and the chain that it believes to be on.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// The breaker account.
    pub breaker: B256,
    /// Who set it up.
    pub owner: B256,
    caip2: B256,
}

impl Guard {
    /// The guard of this owner on this chain.
    #[must_use]
    pub fn of(owner: B256, caip2: &str) -> Self {
        let breaker = pda(guard_program(), &[b"breaker", owner.as_slice(), bridge_id().as_slice()]);
        Self { breaker, owner, caip2: keccak256(caip2) }
    }

    fn own(&self, seed: &[u8], rest: &[&[u8]]) -> B256 {
        pda(guard_program(), &[&[seed, self.breaker.as_slice()], rest].concat())
    }

    /// A scope's account.
    #[must_use]
    pub fn scope(&self, id: B256, lane: u8) -> B256 {
        self.own(b"scope", &[id.as_slice(), &[lane]])
    }

    fn bridge(&self, name: B256) -> B256 {
        self.own(b"bridge", &[name.as_slice()])
    }

    fn route_of(&self, corridor: B256, mint: B256) -> B256 {
        self.own(b"route", &[bridge_id().as_slice(), corridor.as_slice(), mint.as_slice()])
    }

    fn book(&self, corridor: B256, mint: B256) -> B256 {
        self.own(b"book", &[self.scope_id(bridge_id(), DIRECTION_OUT, corridor, mint).as_slice()])
    }

    fn scope_id(&self, bridge: B256, direction: u8, corridor: B256, asset: B256) -> B256 {
        let direction = B256::from(U256::from(direction));
        let parts = [keccak256("portcullis.scope.v1"), self.caip2, bridge, direction, corridor, asset];
        keccak256(parts.map(|part| part.0).concat())
    }

    /// A call whose operation need not exist, because nothing waits before set-up is sealed.
    fn by_owner(&self, data: Vec<u8>, rest: &[Meta]) -> Call {
        let waiting = self.own(b"operation", &[keccak256(&data).as_slice()]);
        let accounts = [&[sw(self.owner), r(self.breaker), w(waiting)], rest].concat();
        Call { program: guard_program(), accounts, data }
    }

    /// Makes the guard.
    #[must_use]
    pub fn initialize(&self, config: &GuardConfig) -> Call {
        let name = bridge_id();
        let (max, tail) = (config.max, config.tail);
        let words = [name, self.owner, config.releaser, config.guardian, self.caip2].map(|word| word.0);
        let numbers = [max.0, max.1, tail.0, tail.1].map(u32::to_le_bytes).concat();
        let data = data(0, &[&words.concat(), &numbers, &config.budget_window_hours.to_le_bytes()]);
        let accounts = vec![sw(self.owner), s(self.owner), w(self.breaker), r(SYSTEM)];
        Call { program: guard_program(), accounts, data }
    }

    /// Names a bridge, and who asks for it.
    #[must_use]
    pub fn register_bridge(&self, name: B256, consumer: B256) -> Call {
        let data = data(19, &[name.as_slice(), consumer.as_slice()]);
        self.by_owner(data, &[w(self.bridge(name)), r(SYSTEM)])
    }

    /// Registers the scope that closes a bridge's whole outflow.
    #[must_use]
    pub fn register_outflow(&self, name: B256) -> Call {
        let any = B256::ZERO;
        let data = data(20, &[name.as_slice(), &[DIRECTION_OUT], any.as_slice(), any.as_slice()]);
        let id = self.scope_id(name, DIRECTION_OUT, any, any);
        let rest = [w(self.bridge(name)), w(self.scope(id, 0)), w(self.scope(id, 1)), r(SYSTEM)];
        self.by_owner(data, &rest)
    }

    /// Lets an account close, for so many seconds in a window.
    #[must_use]
    pub fn grant_tripper(&self, account: B256, budget_seconds: u32) -> Call {
        let tripper = self.own(b"tripper", &[account.as_slice()]);
        let data = data(18, &[account.as_slice(), &budget_seconds.to_le_bytes()]);
        self.by_owner(data, &[w(tripper), r(SYSTEM)])
    }

    /// Ends set-up.
    #[must_use]
    pub fn seal(&self) -> Call {
        Call { program: guard_program(), accounts: vec![s(self.owner), w(self.breaker)], data: vec![9] }
    }

    /// Writes down which scopes cover what leaves for a chain.
    #[must_use]
    pub fn route(&self, payer: B256, corridor: B256, mint: B256) -> Call {
        let name = bridge_id();
        let route = self.route_of(corridor, mint);
        let mut accounts = vec![sw(payer), r(self.breaker), r(self.bridge(name)), w(route), r(SYSTEM)];
        for kind in 0..8_u8 {
            let direction = if kind & 4 == 0 { DIRECTION_OUT } else { 0 };
            let corridor = if kind & 2 == 0 { corridor } else { B256::ZERO };
            let asset = if kind & 1 == 0 { mint } else { B256::ZERO };
            accounts.push(r(self.scope(self.scope_id(name, direction, corridor, asset), 0)));
        }
        let data = data(21, &[name.as_slice(), corridor.as_slice(), mint.as_slice()]);
        Call { program: guard_program(), accounts, data }
    }

    /// What the guard looks at when it is asked about what leaves for a chain: only the scope of the whole outflow is
    /// registered.
    pub(super) fn asked(&self, corridor: B256, mint: B256) -> Vec<Meta> {
        let whole = self.scope_id(bridge_id(), DIRECTION_OUT, B256::ZERO, B256::ZERO);
        vec![
            r(self.breaker),
            r(self.bridge(bridge_id())),
            r(self.route_of(corridor, mint)),
            r(self.book(B256::ZERO, mint)),
            r(self.book(corridor, mint)),
            r(self.scope(whole, 0)),
            r(self.scope(whole, 1)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::scope_on;

    #[test]
    fn a_scope_is_counted_here_as_every_guard_counts_it() {
        let guard = Guard::of(B256::repeat_byte(7), "solana:play");
        let any = B256::ZERO;
        let here = guard.scope_id(bridge_id(), DIRECTION_OUT, any, any);
        assert_eq!(here, scope_on("solana:play", bridge_id(), DIRECTION_OUT, any, any));
        assert_ne!(guard.scope(here, 0), guard.scope(here, 1));
    }
}
