//! The gate's own instructions; the others are those of [`Guard`](crate::Guard).

use crate::address::derived;
use crate::token::token_2022;
use crate::{Guard, Ix, SYSTEM, Word, r, s, sw, w};

/// A gate: a guard's program of another kind.
#[derive(Debug, Clone, Copy)]
pub struct Gate(pub Guard);

impl Gate {
    /// The account of a target.
    #[must_use]
    pub fn target(&self, mint: &Word) -> Word {
        derived(&self.0.program, &[b"target", &self.0.breaker, mint]).0
    }

    /// Number 30.
    #[must_use]
    pub fn add_target(&self, owner: &Word, scope: &Word, mint: &Word, from_level: u8) -> Ix {
        let mut ix = self.0.ix(30, Vec::new(), &[scope, mint, &[from_level]]);
        ix.accounts = vec![
            sw(*owner),
            r(self.0.breaker),
            w(self.0.operation(&ix.data)),
            r(self.0.scope(scope, 0)),
            w(self.target(mint)),
            r(*mint),
            r(SYSTEM),
        ];
        ix
    }

    /// Number 31.
    #[must_use]
    pub fn remove_target(&self, owner: &Word, scope: &Word, mint: &Word) -> Ix {
        let mut ix = self.0.ix(31, Vec::new(), &[scope, mint]);
        let target = w(self.target(mint));
        ix.accounts = vec![sw(*owner), r(self.0.breaker), w(self.0.operation(&ix.data)), target];
        ix
    }

    /// Number 32 (enforce) or 33 (restore).
    #[must_use]
    pub fn settle(&self, number: u8, scope: &Word, mint: &Word) -> Ix {
        let accounts = vec![
            r(self.0.breaker),
            r(self.0.scope(scope, 0)),
            r(self.0.scope(scope, 1)),
            w(self.target(mint)),
            w(*mint),
            r(token_2022()),
        ];
        self.0.ix(number, accounts, &[mint])
    }

    /// Number 34.
    #[must_use]
    pub fn hand_back(&self, owner: &Word, mint: &Word, power: u8, to: &Word) -> Ix {
        let mut ix = self.0.ix(34, Vec::new(), &[mint, &[power], to]);
        ix.accounts = vec![
            sw(*owner),
            r(self.0.breaker),
            w(self.0.operation(&ix.data)),
            r(self.target(mint)),
            w(*mint),
            r(token_2022()),
        ];
        ix
    }

    /// Number 35 (freeze) or 36 (thaw).
    #[must_use]
    pub fn account(&self, number: u8, person: &Word, account: &Word, mint: &Word) -> Ix {
        let accounts = vec![s(*person), r(self.0.breaker), w(*account), r(*mint), r(token_2022())];
        self.0.ix(number, accounts, &[])
    }
}
