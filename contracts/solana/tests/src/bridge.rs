//! The demonstration bridge's addresses and instructions.

use crate::address::{derived, keccak256, padded};
use crate::{Flow, Guard, Ix, SYSTEM, Word, data, r, s, sw, w};

/// A demonstration bridge.
#[derive(Debug, Clone, Copy)]
pub struct Bridge {
    /// Its program.
    pub program: Word,
    /// Its account, which is the guard's consumer.
    pub demo: Word,
    /// Its name at the guard.
    pub name: Word,
    /// The guard that it asks.
    pub guard: Guard,
}

/// A message that arrives.
#[derive(Debug, Clone, Copy)]
pub struct Payout {
    /// Number of the other side.
    pub origin: u32,
    /// Of the message.
    pub id: Word,
    /// What is paid.
    pub mint: Word,
    /// Base units.
    pub amount: u64,
    /// A token account.
    pub to: Word,
    /// Distinguishes copies.
    pub nonce: Word,
}

impl Bridge {
    /// The bridge of this owner and name.
    #[must_use]
    pub fn of(program: Word, owner: &Word, label: &Word, name: Word, guard: Guard) -> Self {
        Self { program, demo: derived(&program, &[b"demo", owner, label]).0, name, guard }
    }

    fn ix(&self, number: u8, accounts: Vec<crate::Meta>, arguments: &[&[u8]]) -> Ix {
        Ix { program: self.program, accounts, data: [&[number], arguments.concat().as_slice()].concat() }
    }

    fn token(&self, mint: &Word) -> Word {
        derived(&self.program, &[b"token", &self.demo, mint]).0
    }

    fn leaf(&self, leaf: &Word) -> Word {
        derived(&self.program, &[b"leaf", &self.demo, leaf]).0
    }

    /// What the bridge asks about for a message.
    #[must_use]
    pub fn flow(&self, payout: &Payout) -> Flow {
        Flow { bridge: self.name, corridor: padded(payout.origin.into()), asset: payout.mint }
    }

    /// What a message is proven as.
    #[must_use]
    pub fn leaf_of(payout: &Payout) -> Word {
        let (origin, amount) = (padded(payout.origin.into()), padded(payout.amount));
        keccak256(&[&origin, &payout.id, &payout.mint, &amount, &payout.to, &payout.nonce])
    }

    /// Number 0.
    #[must_use]
    pub fn initialize(&self, owner: &Word, label: &Word, updater: &Word) -> Ix {
        let accounts = vec![sw(*owner), s(*owner), w(self.demo), r(SYSTEM)];
        self.ix(0, accounts, &[label, updater, &self.guard.program, &self.guard.breaker, &self.name])
    }

    /// Number 1.
    #[must_use]
    pub fn register_token(&self, owner: &Word, mint: &Word, vault: &Word, home: bool) -> Ix {
        let accounts = vec![sw(*owner), r(self.demo), w(self.token(mint)), r(*mint), r(*vault), r(SYSTEM)];
        self.ix(1, accounts, &[&[u8::from(home)]])
    }

    /// Number 2.
    #[must_use]
    pub fn send(
        &self,
        sender: &Word,
        from: &Word,
        vault: &Word,
        token_program: &Word,
        payout: &Payout,
    ) -> Ix {
        let accounts = vec![
            s(*sender),
            r(self.demo),
            r(self.token(&payout.mint)),
            w(payout.mint),
            w(*from),
            w(*vault),
            r(*token_program),
        ];
        let arguments =
            data(&[&payout.origin.to_le_bytes(), &payout.amount.to_le_bytes(), &payout.to, &payout.id]);
        self.ix(2, accounts, &[&arguments])
    }

    /// Number 3.
    #[must_use]
    pub fn prove(&self, updater: &Word, leaf: &Word) -> Ix {
        self.ix(3, vec![sw(*updater), r(self.demo), w(self.leaf(leaf)), r(SYSTEM)], &[leaf])
    }

    /// Number 4; `route` is the data of the flow's route.
    #[must_use]
    pub fn process(
        &self,
        payer: &Word,
        payout: &Payout,
        vault: &Word,
        token_program: &Word,
        route: &[u8],
    ) -> Ix {
        let mut accounts = vec![
            sw(*payer),
            r(self.demo),
            r(self.token(&payout.mint)),
            w(self.leaf(&Self::leaf_of(payout))),
            w(payout.mint),
            w(payout.to),
            w(*vault),
            r(*token_program),
            r(SYSTEM),
            r(self.guard.program),
            r(self.demo),
        ];
        accounts.extend(self.guard.covering(&self.flow(payout), route, true));
        let arguments =
            data(&[&payout.origin.to_le_bytes(), &payout.id, &payout.amount.to_le_bytes(), &payout.nonce]);
        self.ix(4, accounts, &[&arguments])
    }

    /// Number 5.
    #[must_use]
    pub fn upgrade(&self, owner: &Word) -> Ix {
        self.ix(5, vec![s(*owner), w(self.demo)], &[])
    }
}
