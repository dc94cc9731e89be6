//! Keeping warm what signing needs, so that it needs no round trip: blockhashes, nonces, prices, and what Gates hold.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use portcullis_adapter::{AdapterError, Class};
use portcullis_verifier::{B256, FaultKind};

use super::{
    SolanaContainer,
    blockhashes::Recent,
    held_mints,
    nonce::{self, Change, Durable, Told},
    query,
};
use crate::{address, config::GateKind, error::chain_of, limits, transport::AT_CONFIRMED};

impl SolanaContainer {
    /// Blockhashes to sign with, asking the chain only when nothing is known that may be used.
    pub(super) async fn recent(&self) -> Result<Vec<Recent>, AdapterError> {
        let known = self.with_hashes(|hashes| hashes.candidates());
        if !known.is_empty() {
            return Ok(known);
        }
        self.read_hashes().await?;
        let known = self.with_hashes(|hashes| hashes.candidates());
        if known.is_empty() {
            return Err(self.error(Class::Transient, "no usable blockhash is known"));
        }
        Ok(known)
    }

    /// Asks every operator for its newest blockhash, and then which of them a quorum calls valid.
    pub(super) async fn read_hashes(&self) -> Result<(), AdapterError> {
        let operators = &self.network.operators;
        let asked = operators.iter().map(|operator| async move {
            (operator.name, query::latest_blockhash(&operator.lanes.contain).await)
        });
        let (mut heard, mut last_error) = (0usize, None);
        let mut heights = Vec::new();
        for (name, answer) in join_all(asked).await {
            match answer {
                Ok(recent) => {
                    heard = heard.saturating_add(1);
                    self.network.faults.over(name, FaultKind::Dark);
                    heights.push(recent.last_height.saturating_sub(limits::HASH_LIFE_BLOCKS));
                    self.with_hashes(|hashes| hashes.told(name, recent));
                }
                Err(error) => {
                    self.network.faults.failed(name, "blockhash", &error);
                    let what = format!("blockhash: {}", chain_of(&error));
                    last_error = Some(AdapterError::new(self.network.chain, Some(name), error.class(), what));
                }
            }
        }
        if heard == 0 {
            return Err(last_error.unwrap_or_else(|| self.error(Class::Transient, "no operator answers")));
        }
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let height = heights.get(self.network.quorum.saturating_sub(1)).copied().unwrap_or(0);
        let mut good = None;
        for recent in self.with_hashes(|hashes| hashes.distinct()) {
            let asked = operators.iter().map(|one| query::is_valid(&one.lanes.contain, recent.hash));
            let valid = join_all(asked).await.into_iter().filter(|answer| matches!(answer, Ok(true))).count();
            if valid >= self.network.quorum {
                good = Some(recent);
                break;
            }
        }
        self.with_hashes(|hashes| hashes.settle(good, height));
        Ok(())
    }

    /// Asks every operator for the values of the nonces that are signed with, and takes what a quorum tells alike.
    pub(super) async fn read_nonces(&self) {
        let kept: Vec<(&Durable, B256)> = self.durables().collect();
        if kept.is_empty() {
            return;
        }
        let named: Vec<B256> = kept.iter().map(|(durable, _)| durable.account).collect();
        let least = kept.iter().map(|(durable, _)| durable.least()).max().unwrap_or(0);
        let asked = self
            .network
            .operators
            .iter()
            .map(|operator| query::accounts_at(&operator.lanes.contain, &named, least, AT_CONFIRMED));
        let answers: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        for (at, (durable, authority)) in kept.into_iter().enumerate() {
            let said = answers.iter().map(|(slot, accounts)| {
                (*slot, nonce::read(accounts.get(at).and_then(Option::as_ref), authority))
            });
            let said: Vec<_> = said.collect();
            self.learn(durable, nonce::agreed(&said, self.network.quorum, self.network.lag_slots));
        }
    }

    fn learn(&self, durable: &Durable, told: Told) {
        let (chain, account) = (self.network.chain, address::shown(durable.account));
        match durable.told(told) {
            Some(Change::Lost(why)) => {
                tracing::warn!(code = why.page(), %chain, account, %why, "trips are signed with recent blockhashes");
            }
            Some(Change::Back) => tracing::info!(%chain, account, "trips are signed with the nonce again"),
            None => {}
        }
    }

    /// Asks what others paid of late for writing to the accounts that trips write.
    pub(super) async fn read_prices(&self) {
        let payers = [Some(&self.tripper), self.carrier.as_ref()];
        let mut payers: Vec<B256> = payers.into_iter().flatten().map(|signer| signer.account()).collect();
        payers.extend(self.durables().map(|(durable, _)| durable.account));
        self.contest.ask(&self.network, &self.compiled.targets, &payers).await;
    }

    /// Asks which mints the Gates hold, and keeps what a quorum tells. Not each time: nodes look through all accounts of the
    /// program for it.
    pub(super) async fn read_mints(&self) {
        let warmed = self.warmed.fetch_add(1, Ordering::Relaxed);
        let gates = self.compiled.targets.iter().filter(|target| target.kind == GateKind::Gate);
        let known = gates.clone().all(|gate| self.network.mints.of(gate.address).is_some());
        if known && warmed.checked_rem(limits::MINTS_EVERY) != Some(0) {
            return;
        }
        for target in gates {
            let held = held_mints(&self.network, target).await;
            if let Some(held) = held {
                self.network.mints.keep(target.address, held);
            }
        }
    }
}
