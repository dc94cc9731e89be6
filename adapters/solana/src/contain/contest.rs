//! What others pay for the accounts that a trip writes. A block gives each account so much work and no more: who fills that
//! for an account of a gate, and pays more for it, keeps trips that write it out of blocks.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::join_all;
use portcullis_verifier::B256;

use super::{breaker, guard::Lane, query};
use crate::{config::CompiledTarget, limits, transport::Network};

/// Scopes by their gates, with both accounts of each once those were derived.
type Scopes = BTreeMap<(B256, B256), Option<[B256; 2]>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Contest {
    /// What was asked about or closed.
    scopes: Mutex<Scopes>,
    /// Micro-lamports per compute unit, as a quorum tells it at least.
    price: AtomicU64,
}

impl Contest {
    /// A scope whose accounts trips write. Costs nothing: its accounts are derived when prices are asked for.
    pub(super) fn note(&self, gate: B256, scope: B256) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if scopes.len() < limits::ACCOUNTS_ASKED {
            scopes.entry((gate, scope)).or_default();
        }
    }

    /// The price that others paid of late.
    pub(super) fn price(&self) -> u128 {
        u128::from(self.price.load(Ordering::Relaxed))
    }

    /// What a trip has to offer to come before them, micro-lamports per compute unit. Leaders go by what is paid for everything
    /// that a transaction costs them: of a trip, signatures, locks and what it loads are a sixth of that and are not paid for.
    pub(super) fn least(&self) -> u128 {
        let paid = self.price();
        paid.saturating_add(paid.saturating_mul(limits::OUTBID_BPS).div_ceil(10_000))
    }

    /// Asks every operator. `payers`, of whom the first is the tripper, pay for trips and are written by them, as are their nonces.
    pub(super) async fn ask(&self, network: &Network, targets: &[CompiledTarget], payers: &[B256]) {
        let written = self.written(targets, payers);
        let asked = network.operators.iter().map(|one| query::recent_price(&one.lanes.contain, &written));
        let mut told: Vec<u64> = join_all(asked).await.into_iter().flatten().collect();
        // Nobody's answer is no price of zero.
        if told.is_empty() {
            return;
        }
        told.sort_unstable();
        // SECURITY: the price that a quorum tells at least. One liar must not make trips dearer than the account can pay.
        let quorum = network.quorum.min(told.len());
        let price = quorum.checked_sub(1).and_then(|at| told.get(at)).copied().unwrap_or(0);
        self.price.store(price, Ordering::Relaxed);
    }

    /// Every account that trips write, as many as can be asked about: who pays, what the tripper has at each gate, and both
    /// accounts of the scopes.
    fn written(&self, targets: &[CompiledTarget], payers: &[B256]) -> Vec<B256> {
        let tripper = payers.first().copied().unwrap_or_default();
        let mut written = payers.to_vec();
        written.extend(targets.iter().map(|target| breaker(target).tripper(tripper)));
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        for ((gate, scope), accounts) in scopes.iter_mut() {
            let Some(target) = targets.iter().find(|target| target.address == *gate) else { continue };
            let derive = || Lane::BOTH.map(|lane| breaker(target).scope(*scope, lane));
            written.extend(*accounts.get_or_insert_with(derive));
        }
        written.truncate(limits::ACCOUNTS_ASKED);
        written
    }
}

#[cfg(test)]
mod tests {
    use portcullis_verifier::Slug;

    use super::*;
    use crate::config::GateKind;

    fn target(byte: u8) -> CompiledTarget {
        let (address, program) = (B256::repeat_byte(byte), B256::repeat_byte(9));
        CompiledTarget { id: Slug::new("guard").unwrap(), address, program, kind: GateKind::Guard }
    }

    #[test]
    fn whoever_is_written_by_a_trip_is_asked_about() {
        let (contest, targets) = (Contest::default(), [target(1), target(2)]);
        let (tripper, carrier, scope) = (B256::repeat_byte(3), B256::repeat_byte(4), B256::repeat_byte(5));
        let of = breaker(&targets[0]);
        let before = contest.written(&targets, &[tripper, carrier]);
        assert_eq!(before[..3], [tripper, carrier, of.tripper(tripper)]);
        assert_eq!(before.len(), 4);
        contest.note(targets[0].address, scope);
        contest.note(targets[0].address, scope);
        contest.note(B256::repeat_byte(7), scope);
        let after = contest.written(&targets, &[tripper, carrier]);
        assert_eq!(after[4..], Lane::BOTH.map(|lane| of.scope(scope, lane)), "an unknown gate has none");
    }

    #[test]
    fn accounts_that_are_asked_about_are_bounded() {
        let (contest, targets) = (Contest::default(), [target(1)]);
        for scope in 0..=u8::MAX {
            contest.note(targets[0].address, B256::repeat_byte(scope));
        }
        assert_eq!(contest.written(&targets, &[B256::repeat_byte(3)]).len(), limits::ACCOUNTS_ASKED);
    }

    #[test]
    fn a_quarter_more_than_others_pay_is_offered() {
        let contest = Contest::default();
        assert_eq!(contest.least(), 0);
        contest.price.store(1_001, Ordering::Relaxed);
        assert_eq!(contest.least(), 1_252);
    }
}
