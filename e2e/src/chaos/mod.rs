//! Every fault that the whole has to survive, on real nodes, a real database and the service as its own process.
//!
//! *Who is in the play.* A [`Case`] does one thing to a [`scene::Scene`] while an attack runs in it, and gives an
//! [`Outcome`]; [`check`] looks at chains, endpoints, database and journal afterwards, from outside; [`runner`] runs
//! cases and prints the table. [`cases`] lists them all.
//!
//! Whatever happens: no observation lost, no attempt unrecorded, every gate closed (or a person told, and the attempt
//! still going on), decisions byte-identical on replay.

pub mod check;
pub mod runner;
pub mod scene;

use std::fmt::Write as _;

use eyre::Result;
use futures::future::BoxFuture;
use serde::Serialize;

mod baseline;
mod clock;
mod disk;
mod feeds;
mod flood;
mod kill;
mod lane;
mod lies;
mod postgres;
mod reorg;
mod replica;
mod schedules;
mod signals;
mod trap;

/// Both chains of the play have a gate.
pub const GATES: usize = 2;

/// One fault.
#[derive(Clone, Copy)]
pub struct Case {
    /// By which it is chosen: lower case, words joined by hyphens, the part that it hits first.
    pub name: &'static str,
    /// What goes wrong.
    pub fault: &'static str,
    /// How it is brought about.
    pub injected: &'static str,
    /// Whether it is among the few that run with every test.
    pub quick: bool,
    /// Does it and looks at what is left; the number chooses keys and whatever else is random.
    pub run: fn(u64) -> BoxFuture<'static, Result<Outcome>>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("quick", &self.quick).finish_non_exhaustive()
    }
}

/// A gate that was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// CAIP-2.
    pub chain: String,
    /// Blocks of its chain from the first false release until it was closed; the next block is one.
    pub blocks_after: i64,
}

/// What was left after a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Events on the chains that had to be observed.
    pub observations: u64,
    /// Of these: not in the record, there twice, or in the record and on no chain.
    pub observations_lost: u64,
    /// Transactions that an endpoint received and that were not on record before, bytes and all.
    pub attempts_unrecorded: u64,
    /// Gates that were closed.
    pub closed: Vec<Closed>,
    /// How many had to be closed; [`GATES`] where there was an attack.
    pub to_close: usize,
    /// Whether a person was told.
    pub paged: bool,
    /// Whether a fresh engine decides the same, byte for byte.
    pub replay_equal: bool,
    /// What else is worth knowing, for people.
    pub note: String,
    /// Why this machine could not run it; then nothing else counts.
    pub skipped: Option<String>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            observations: 0,
            observations_lost: 0,
            attempts_unrecorded: 0,
            closed: Vec::new(),
            to_close: GATES,
            paged: false,
            replay_equal: false,
            note: String::new(),
            skipped: None,
        }
    }
}

impl Outcome {
    /// One that this machine cannot run.
    #[must_use]
    pub fn skip(why: impl Into<String>) -> Self {
        Self { skipped: Some(why.into()), ..Self::default() }
    }

    /// What is not as promised, one sentence each; empty when all is.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.skipped.is_some() {
            return broken;
        }
        if self.observations_lost > 0 {
            broken.push(format!("{} of {} observations lost", self.observations_lost, self.observations));
        }
        if self.attempts_unrecorded > 0 {
            broken.push(format!("{} attempts were not on record before they left", self.attempts_unrecorded));
        }
        if self.closed.iter().any(|closed| closed.blocks_after < 0) {
            broken.push("a gate was closed before anything was false".to_owned());
        }
        if self.closed.len() > self.to_close {
            broken.push(format!("{} gates closed without a reason", self.closed.len() - self.to_close));
        }
        if self.closed.len() < self.to_close && !self.paged {
            broken.push(format!("{} of {} gates closed and nobody told", self.closed.len(), self.to_close));
        }
        if !self.replay_equal {
            broken.push("a fresh engine does not decide the same".to_owned());
        }
        broken
    }

    /// Adds a sentence to the note.
    #[must_use]
    pub fn noting(mut self, text: impl std::fmt::Display) -> Self {
        let separator = if self.note.is_empty() { "" } else { "; " };
        // Writing into a string cannot fail.
        let _whole = write!(self.note, "{separator}{text}");
        self
    }
}

/// Every case, in the order in which they run.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        baseline::CASES,
        kill::CASES,
        postgres::CASES,
        replica::CASES,
        signals::CASES,
        clock::CASES,
        disk::CASES,
        lies::CASES,
        feeds::CASES,
        reorg::CASES,
        lane::CASES,
        flood::CASES,
        schedules::CASES,
    ]
    .concat()
}

/// A case by its name.
#[must_use]
pub fn find(name: &str) -> Option<Case> {
    cases().into_iter().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_has_a_name_of_its_own_and_says_what_it_does() {
        let all = cases();
        let names: BTreeSet<&str> = all.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), all.len());
        for case in &all {
            assert!(
                case.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{case:?}"
            );
            assert!(case.fault.len() > 10 && case.injected.len() > 5, "{case:?}");
        }
    }

    #[test]
    fn each_promise_is_found_broken_alone() {
        let closed = |n: i64| Closed { chain: format!("eip155:{n}"), blocks_after: n };
        let good = Outcome { replay_equal: true, closed: vec![closed(1), closed(2)], ..Outcome::default() };
        assert!(good.broken().is_empty());
        let changed = [
            Outcome { observations_lost: 1, ..good.clone() },
            Outcome { attempts_unrecorded: 1, ..good.clone() },
            Outcome { closed: vec![closed(1)], ..good.clone() },
            Outcome { closed: vec![closed(1), closed(-1)], ..good.clone() },
            Outcome { to_close: 0, ..good.clone() },
            Outcome { replay_equal: false, ..good.clone() },
        ];
        for bad in changed {
            assert_eq!(bad.broken().len(), 1, "{bad:?}");
        }
        let told = Outcome { closed: vec![closed(1)], paged: true, ..good };
        assert!(told.broken().is_empty(), "a person was told");
    }
}
