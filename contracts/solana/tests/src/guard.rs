//! The guard's addresses and instructions.

use crate::address::{derived, keccak256, padded, scope_of};
use crate::terms::{Config, Flow, Parts, Trip, address};
use crate::{Ix, Meta, SYSTEM, Word, r, s, sw, w};

/// The sysvar in which programs see the instructions of their transaction.
const INSTRUCTIONS: &str = "Sysvar1nstructions1111111111111111111111111";

/// A guard or a gate: a program and a breaker account.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// The program.
    pub program: Word,
    /// The breaker account.
    pub breaker: Word,
    /// The chain that it believes to be on.
    pub caip2: Word,
}

impl Guard {
    /// The guard of this creator and name.
    #[must_use]
    pub fn of(program: Word, creator: &Word, name: &Word, caip2: Word) -> Self {
        Self { program, breaker: derived(&program, &[b"breaker", creator, name]).0, caip2 }
    }

    /// An instruction of its program.
    #[must_use]
    pub fn ix(&self, number: u8, accounts: Vec<Meta>, arguments: &[&[u8]]) -> Ix {
        Ix { program: self.program, accounts, data: [&[number], arguments.concat().as_slice()].concat() }
    }

    fn pda(&self, seed: &[u8], rest: &[&[u8]]) -> Word {
        derived(&self.program, &[&[seed, self.breaker.as_slice()], rest].concat()).0
    }

    /// The id of a scope.
    #[must_use]
    pub fn scope_id(&self, parts: &Parts) -> Word {
        scope_of(&self.caip2, &parts.bridge, parts.direction, &parts.corridor, &parts.asset)
    }

    /// The account of a scope.
    #[must_use]
    pub fn scope(&self, id: &Word, lane: u8) -> Word {
        self.pda(b"scope", &[id, &[lane]])
    }

    /// The account of a tripper.
    #[must_use]
    pub fn tripper(&self, key: &Word) -> Word {
        self.pda(b"tripper", &[key])
    }

    /// The account of a waiting call.
    #[must_use]
    pub fn operation(&self, call: &[u8]) -> Word {
        self.pda(b"operation", &[&keccak256(&[call])])
    }

    /// The marker of a signed trip.
    #[must_use]
    pub fn used(&self, trip: &Trip, lane: u8) -> Word {
        self.pda(b"used", &[&self.action_id(trip), &[lane]])
    }

    /// The account of a bridge.
    #[must_use]
    pub fn bridge(&self, name: &Word) -> Word {
        self.pda(b"bridge", &[name])
    }

    /// The page of a flow.
    #[must_use]
    pub fn route_of(&self, flow: &Flow) -> Word {
        self.pda(b"route", &[&flow.bridge, &flow.corridor, &flow.asset])
    }

    /// The limits of a scope.
    #[must_use]
    pub fn book(&self, id: &Word) -> Word {
        self.pda(b"book", &[id])
    }

    /// The id of an action.
    #[must_use]
    pub fn action_id(&self, trip: &Trip) -> Word {
        keccak256(&[
            &keccak256(&[b"portcullis.action.v1"]),
            &self.caip2,
            &self.breaker,
            &trip.scope,
            &padded(trip.level.into()),
            &padded(trip.until),
            &padded(trip.until_height),
            &trip.incident,
            &padded(trip.generation.into()),
        ])
    }

    /// What a tripper signs.
    #[must_use]
    pub fn trip_message(&self, trip: &Trip, deadline: u64) -> Word {
        keccak256(&[&self.action_id(trip), &padded(deadline), &trip.record])
    }

    /// Number 0.
    #[must_use]
    pub fn initialize(&self, payer: &Word, creator: &Word, name: &Word, config: &Config) -> Ix {
        let c = config;
        self.ix(
            0,
            vec![sw(*payer), s(*creator), w(self.breaker), r(SYSTEM)],
            &[
                name,
                &c.owner,
                &c.releaser,
                &c.guardian,
                &c.caip2,
                &c.max_seconds.to_le_bytes(),
                &c.max_blocks.to_le_bytes(),
                &c.limited_tail_seconds.to_le_bytes(),
                &c.limited_tail_blocks.to_le_bytes(),
                &c.budget_window_hours.to_le_bytes(),
            ],
        )
    }

    /// Number 1.
    #[must_use]
    pub fn trip(&self, tripper: &Word, trip: &Trip, lane: u8) -> Ix {
        let accounts =
            vec![s(*tripper), r(self.breaker), w(self.scope(&trip.scope, lane)), w(self.tripper(tripper))];
        self.ix(1, accounts, &[&trip.bytes()])
    }

    /// Number 2; the signature stands in the instruction at `index`.
    #[must_use]
    pub fn trip_signed(
        &self,
        payer: &Word,
        tripper: &Word,
        trip: &Trip,
        lane: u8,
        (deadline, index): (u64, u16),
    ) -> Ix {
        let accounts = vec![
            sw(*payer),
            r(self.breaker),
            w(self.scope(&trip.scope, lane)),
            w(self.tripper(tripper)),
            w(self.used(trip, lane)),
            r(address(INSTRUCTIONS)),
            r(SYSTEM),
        ];
        self.ix(2, accounts, &[&trip.bytes(), &deadline.to_le_bytes(), &index.to_le_bytes()])
    }

    /// Number 3.
    #[must_use]
    pub fn hold(&self, person: &Word, scope: &Word, level: u8, lane: u8) -> Ix {
        let accounts = vec![s(*person), r(self.breaker), w(self.scope(scope, lane))];
        self.ix(3, accounts, &[scope, &[level]])
    }

    /// Number 4.
    #[must_use]
    pub fn release(&self, releaser: &Word, scope: &Word, to: u8, seen: (u32, u64), lane: u8) -> Ix {
        let accounts = vec![s(*releaser), r(self.breaker), w(self.scope(scope, lane)), w(self.book(scope))];
        self.ix(4, accounts, &[scope, &[to], &seen.0.to_le_bytes(), &seen.1.to_le_bytes()])
    }

    /// Accounts of `check` after the consumer; `route` is the data of the flow's route.
    #[must_use]
    pub fn covering(&self, flow: &Flow, route: &[u8], books_writable: bool) -> Vec<Meta> {
        let part = |at: usize| -> Word {
            route.get(at..at + 32).and_then(|part| part.try_into().ok()).unwrap_or_default()
        };
        let book = if books_writable { w } else { r };
        let mut accounts = vec![r(self.breaker), r(self.bridge(&flow.bridge)), r(self.route_of(flow))];
        accounts.extend([book(part(656)), book(part(688))]);
        let mask = route.get(9).copied().unwrap_or_default();
        for kind in (0..8).filter(|kind| mask & (1 << kind) != 0) {
            accounts.extend([r(part(144 + 64 * kind)), r(part(176 + 64 * kind))]);
        }
        accounts
    }

    /// Number 5.
    #[must_use]
    pub fn check(&self, consumer: &Word, flow: &Flow, amount: &Word, route: &[u8]) -> Ix {
        let accounts = [vec![s(*consumer)], self.covering(flow, route, true)].concat();
        self.ix(5, accounts, &[&flow.bridge, &flow.corridor, &flow.asset, amount])
    }

    /// Number 21.
    #[must_use]
    pub fn route(&self, payer: &Word, flow: &Flow) -> Ix {
        let mut accounts = vec![
            sw(*payer),
            r(self.breaker),
            r(self.bridge(&flow.bridge)),
            w(self.route_of(flow)),
            r(SYSTEM),
        ];
        for kind in 0..8_u8 {
            let parts = Parts {
                bridge: flow.bridge,
                direction: if kind & 4 == 0 { 2 } else { 0 },
                corridor: if kind & 2 == 0 { flow.corridor } else { [0; 32] },
                asset: if kind & 1 == 0 { flow.asset } else { [0; 32] },
            };
            accounts.push(r(self.scope(&self.scope_id(&parts), 0)));
        }
        self.ix(21, accounts, &[&flow.bridge, &flow.corridor, &flow.asset])
    }

    /// Number 6.
    #[must_use]
    pub fn lower_limits(&self, payer: &Word, tripper: &Word, flow: &Flow, arguments: &[u8]) -> Ix {
        let scope = self.scope_id(&out(flow));
        let accounts = vec![
            sw(*payer),
            s(*tripper),
            r(self.breaker),
            w(self.bridge(&flow.bridge)),
            r(self.scope(&scope, 0)),
            w(self.tripper(tripper)),
            w(self.book(&scope)),
            r(SYSTEM),
        ];
        self.ix(6, accounts, &[&flow.bridge, &flow.corridor, &flow.asset, arguments])
    }

    /// Number 7 or 8: `limits` are normal and limited.
    #[must_use]
    pub fn limits(&self, owner: &Word, number: u8, flow: &Flow, limits: &[u8]) -> Ix {
        let scope = self.scope_id(&out(flow));
        let mut ix = self.ix(number, Vec::new(), &[&flow.bridge, &flow.corridor, &flow.asset, limits]);
        ix.accounts = vec![sw(*owner), r(self.breaker)];
        if number == 8 {
            ix.accounts.push(w(self.operation(&ix.data)));
        }
        ix.accounts.extend([
            w(self.bridge(&flow.bridge)),
            r(self.scope(&scope, 0)),
            w(self.book(&scope)),
            r(SYSTEM),
        ]);
        ix
    }

    /// Number 9, 12 or 13.
    #[must_use]
    pub fn of_owner(&self, number: u8, owner: &Word) -> Ix {
        self.ix(number, vec![s(*owner), w(self.breaker)], &[])
    }

    /// Number 10.
    #[must_use]
    pub fn schedule(&self, owner: &Word, call: &[u8]) -> Ix {
        let accounts = vec![sw(*owner), r(self.breaker), w(self.operation(call)), r(SYSTEM)];
        self.ix(10, accounts, &[call])
    }

    /// Number 11.
    #[must_use]
    pub fn cancel(&self, by: &Word, call: &[u8]) -> Ix {
        let accounts = vec![sw(*by), r(self.breaker), w(self.operation(call))];
        self.ix(11, accounts, &[&keccak256(&[call])])
    }

    /// Number 14.
    #[must_use]
    pub fn revoke_tripper(&self, owner: &Word, account: &Word) -> Ix {
        self.ix(14, vec![s(*owner), r(self.breaker), w(self.tripper(account))], &[account])
    }

    /// Number 15, 16 or 17.
    #[must_use]
    pub fn person(&self, number: u8, owner: &Word, account: &Word) -> Ix {
        let mut ix = self.ix(number, Vec::new(), &[account]);
        ix.accounts =
            vec![sw(*owner), w(self.breaker), w(self.operation(&ix.data)), r(self.tripper(account))];
        ix
    }

    /// Number 18.
    #[must_use]
    pub fn grant_tripper(&self, owner: &Word, account: &Word, budget: u32) -> Ix {
        let mut ix = self.ix(18, Vec::new(), &[account, &budget.to_le_bytes()]);
        let tripper = w(self.tripper(account));
        ix.accounts = vec![sw(*owner), r(self.breaker), w(self.operation(&ix.data)), tripper, r(SYSTEM)];
        ix
    }

    /// Number 19.
    #[must_use]
    pub fn register_bridge(&self, owner: &Word, bridge: &Word, consumer: &Word) -> Ix {
        let mut ix = self.ix(19, Vec::new(), &[bridge, consumer]);
        let account = w(self.bridge(bridge));
        ix.accounts = vec![sw(*owner), r(self.breaker), w(self.operation(&ix.data)), account, r(SYSTEM)];
        ix
    }

    /// Number 20.
    #[must_use]
    pub fn register_scope(&self, owner: &Word, parts: &Parts) -> Ix {
        let arguments: [&[u8]; 4] = [&parts.bridge, &[parts.direction], &parts.corridor, &parts.asset];
        let mut ix = self.ix(20, Vec::new(), &arguments);
        let id = self.scope_id(parts);
        ix.accounts = vec![
            sw(*owner),
            r(self.breaker),
            w(self.operation(&ix.data)),
            w(self.bridge(&parts.bridge)),
            w(self.scope(&id, 0)),
            w(self.scope(&id, 1)),
            r(SYSTEM),
        ];
        ix
    }

    /// Number 22.
    #[must_use]
    pub fn forget(&self, payer: &Word, trip: &Trip, lane: u8) -> Ix {
        self.ix(22, vec![w(*payer), w(self.used(trip, lane))], &[])
    }
}

/// The outflow scope of a flow.
fn out(flow: &Flow) -> Parts {
    Parts { bridge: flow.bridge, direction: 2, corridor: flow.corridor, asset: flow.asset }
}
