//! The purse: how much containment may do in an hour, and spend on each chain, over all groups and playbooks of the
//! process. Each engine counts the actions of its own group already; this joins them.
//!
//! What an action may cost at most is reserved when its bytes are handed over: the offer, not the price, because the
//! price is known only afterwards. Raised offers replace each other, so each action counts once, at its highest. When
//! the hour is used up, what would *extend* a closure waits. What closes an open gate is never withheld: the
//! caller asks the gate itself first, and one that cannot be read counts as open.
//!
//! A restart does not refill it: what the record says was signed within the hour is counted again. A signature is no
//! proof that bytes left, so that a life which ended in between is counted too high rather than too low.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use portcullis_adapter::Attempt;
use portcullis_verifier::{ActionId, ChainId};

/// Length of the window, milliseconds.
pub const HOUR_MS: u64 = 3_600_000;

/// Actions remembered; older ones leave first.
const REMEMBERED: usize = 10_000;

/// What was signed for an action, as the record holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// For which action.
    pub action: ActionId,
    /// On which chain.
    pub chain: ChainId,
    /// Offer per unit of gas, in the chain's base unit.
    pub fee: u128,
    /// When it was signed, milliseconds since 1970.
    pub at_ms: u64,
}

/// What containment may spend on a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// In a rolling hour, in the chain's base unit.
    pub per_hour: u128,
    /// Units of gas that one trip may use.
    pub gas_limit: u64,
}

/// When an action's bytes were handed over last, and what they may cost at most.
#[derive(Debug, Clone, Copy)]
struct Reserved {
    chain: ChainId,
    at_ms: u64,
    cost: u128,
}

/// See the module.
#[derive(Debug)]
pub struct Purse {
    allowances: BTreeMap<ChainId, Allowance>,
    actions_per_hour: u64,
    reserved: Mutex<BTreeMap<ActionId, Reserved>>,
}

impl Purse {
    /// A purse with these allowances, and so many actions in a rolling hour over all chains and groups. A chain without
    /// an allowance spends what it needs.
    #[must_use]
    pub fn new(allowances: BTreeMap<ChainId, Allowance>, actions_per_hour: u64) -> Self {
        Self { allowances, actions_per_hour, reserved: Mutex::default() }
    }

    /// Whether an attempt fits into what is left of the hour.
    ///
    /// # Errors
    /// Why it does not, one sentence.
    pub fn fits(&self, attempt: &Attempt, now_ms: u64) -> Result<(), String> {
        let mut all = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, reserved| reserved.at_ms.saturating_add(HOUR_MS) > now_ms);
        let others = || all.iter().filter(|(action, _)| **action != attempt.action).map(|(_, r)| r);
        let actions = u64::try_from(others().count()).unwrap_or(u64::MAX);
        if actions >= self.actions_per_hour {
            return Err(format!("{actions} actions were sent within an hour, over all groups and chains"));
        }
        let Some(allowance) = self.allowances.get(&attempt.chain) else { return Ok(()) };
        let cost = cost(attempt.fee, allowance);
        let here = others().filter(|reserved| reserved.chain == attempt.chain);
        let spent = here.fold(0u128, |sum, reserved| sum.saturating_add(reserved.cost));
        if spent.saturating_add(cost) <= allowance.per_hour {
            return Ok(());
        }
        Err(format!(
            "{spent} of {} base units of this hour are spent on {}; this may cost {cost}",
            allowance.per_hour, attempt.chain
        ))
    }

    /// An attempt's bytes are handed over.
    pub fn reserve(&self, attempt: &Attempt, now_ms: u64) {
        self.put(Spent { action: attempt.action, chain: attempt.chain, fee: attempt.fee, at_ms: now_ms });
    }

    /// Counts what earlier lives signed; what is counted already changes nothing.
    pub fn recall(&self, spent: Vec<Spent>) {
        spent.into_iter().for_each(|spent| self.put(spent));
    }

    fn put(&self, spent: Spent) {
        let cost = self.allowances.get(&spent.chain).map_or(0, |allowance| cost(spent.fee, allowance));
        let mut all = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&spent.action).copied();
        let at_ms = known.map_or(0, |known| known.at_ms).max(spent.at_ms);
        let reserved =
            Reserved { chain: spent.chain, at_ms, cost: known.map_or(0, |known| known.cost).max(cost) };
        all.insert(spent.action, reserved);
        while all.len() > REMEMBERED {
            let oldest = all.iter().min_by_key(|(_, reserved)| reserved.at_ms).map(|(action, _)| *action);
            let Some(oldest) = oldest else { break };
            all.remove(&oldest);
        }
    }
}

fn cost(fee: u128, allowance: &Allowance) -> u128 {
    fee.saturating_mul(u128::from(allowance.gas_limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::B256;

    fn attempt(action: u8, fee: u128) -> Attempt {
        Attempt {
            action: ActionId(B256::repeat_byte(action)),
            chain: ChainId::new("test:1").unwrap(),
            hash: B256::ZERO,
            bytes: Vec::new(),
            sender: B256::ZERO,
            nonce: 0,
            bump: 0,
            fee,
        }
    }

    fn purse(per_hour: u128) -> Purse {
        let chain = ChainId::new("test:1").unwrap();
        Purse::new(BTreeMap::from([(chain, Allowance { per_hour, gas_limit: 10 })]), 3)
    }

    #[test]
    fn an_hour_holds_so_much_and_then_it_is_free_again() {
        let purse = purse(100);
        purse.reserve(&attempt(1, 6), 1_000);
        assert!(purse.fits(&attempt(2, 4), 2_000).is_ok(), "to the last unit");
        let why = purse.fits(&attempt(2, 5), 2_000).unwrap_err();
        assert!(why.contains("60 of 100") && why.contains("may cost 50"), "{why}");
        assert!(purse.fits(&attempt(2, 5), 1_000 + HOUR_MS).is_ok());
    }

    #[test]
    fn what_an_earlier_life_signed_counts_until_its_hour_is_over_and_only_once() {
        let chain = ChainId::new("test:1").unwrap();
        let spent =
            |action, fee, at_ms| Spent { action: ActionId(B256::repeat_byte(action)), chain, fee, at_ms };
        let purse = purse(100);
        purse.reserve(&attempt(2, 2), 9_000);
        purse.recall(vec![spent(1, 3, 1_000), spent(1, 6, 2_000), spent(2, 2, 8_000)]);
        assert!(
            purse.fits(&attempt(3, 2), 10_000).is_ok(),
            "60 and 20 are spent, however often they are told"
        );
        let why = purse.fits(&attempt(3, 3), 10_000).unwrap_err();
        assert!(why.contains("80 of 100"), "{why}");
        assert!(purse.fits(&attempt(3, 8), 2_000 + HOUR_MS).is_ok(), "the older one is free again");
        assert!(purse.fits(&attempt(3, 9), 8_000 + HOUR_MS).is_err(), "the later moment counts");
    }

    #[test]
    fn raised_offers_of_one_action_count_once_at_their_highest() {
        let purse = purse(100);
        for fee in [2, 6, 4] {
            purse.reserve(&attempt(1, fee), 1_000);
        }
        assert!(purse.fits(&attempt(2, 4), 1_000).is_ok());
        assert!(purse.fits(&attempt(2, 5), 1_000).is_err());
        assert!(purse.fits(&attempt(1, 10), 1_000).is_ok(), "its own offer is not counted against it");
    }

    #[test]
    fn a_chain_without_an_allowance_spends_what_it_needs() {
        let purse = Purse::new(BTreeMap::new(), 3);
        purse.reserve(&attempt(1, u128::MAX), 0);
        assert!(purse.fits(&attempt(2, u128::MAX), 0).is_ok());
    }

    #[test]
    fn actions_are_counted_over_all_chains_each_once() {
        let purse = Purse::new(BTreeMap::new(), 2);
        let elsewhere = |action| Attempt { chain: ChainId::new("test:2").unwrap(), ..attempt(action, 1) };
        for attempt in [attempt(1, 1), attempt(1, 2), elsewhere(2)] {
            assert!(purse.fits(&attempt, 5).is_ok());
            purse.reserve(&attempt, 5);
        }
        let why = purse.fits(&attempt(3, 1), 6).unwrap_err();
        assert!(why.contains("2 actions"), "{why}");
        assert!(purse.fits(&elsewhere(2), 6).is_ok(), "what is under way goes on");
        assert!(purse.fits(&attempt(3, 1), 5 + HOUR_MS).is_ok());
    }
}
