//! Asking for what is missing: ancestors, logs, ranges. Every question is a task that reports back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_verifier::{B256, BlockRef};

use super::Assembler;
use crate::{
    limits,
    observe::{Report, backfill::Backfill, health::Trouble},
    transport::{At, LogSet, Span, block_logs_request, head},
    wire::{WireLog, logs_of},
};

impl Assembler {
    /// Asks operators for the logs of a block, where they have not been asked or have failed a while ago.
    pub(super) fn ask_logs(&mut self, block: BlockRef) {
        let now = Instant::now();
        let retry = Duration::from_millis(limits::LOGS_RETRY_MS);
        for operator in self.tree.supporters(block.hash) {
            if self.book.wants(operator, block, now, retry) {
                self.book.asked(operator, block, now);
                self.ask_one(operator, block);
            }
        }
    }

    pub(super) fn ask_one(&self, operator: usize, block: BlockRef) {
        let Some(endpoint) = self.network.operators.get(operator) else { return };
        // The proving lane fails sooner than the reading one; the next round asks again.
        let (client, addresses) = (endpoint.lanes.prove.clone(), self.addresses.clone());
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let request = block_logs_request(&addresses, block.hash);
            let answer = client.ask::<Vec<WireLog>>(request, "list of logs").await;
            let answer = answer.and_then(|logs| LogSet::check(logs_of(logs), &addresses, Span::Block(block)));
            let _observer_gone = reports.send(Report::Logs { operator, block, answer }).await;
        });
    }

    /// Asks an operator with a socket for its head over HTTP; who has none is polled anyway. Silence is left to the
    /// socket's watcher, who knows what it means.
    pub(super) fn ask_head(&self, operator: usize) {
        let Some(endpoint) = self.network.operators.get(operator).filter(|o| o.ws.is_some()) else { return };
        let (client, reports) = (endpoint.lanes.prove.clone(), self.reports.clone());
        tokio::spawn(async move {
            if let Ok(Some(head)) = head(&client, At::Latest).await {
                let report = Report::Head { operator, head, at: Instant::now(), asked: false };
                let _observer_gone = reports.send(report).await;
            }
        });
    }

    /// Asks operators whose word about logs was bad for those of a block that is settled: who is slower than the
    /// quorum would else never be asked again, and never be cleared.
    pub(super) fn probe_logs(&mut self) {
        if self.addresses.is_empty() || self.probed.elapsed() < Duration::from_millis(limits::PROBE_MS) {
            return;
        }
        self.probed = Instant::now();
        let block = self.book.newest_settled().unwrap_or_else(|| self.tree.tip());
        let bad = [Trouble::GarbageLogs, Trouble::NoLogs, Trouble::DissentLogs];
        for operator in 0..self.network.operators.len() {
            if bad.iter().any(|trouble| self.health.has(self.name(operator), *trouble)) {
                self.ask_one(operator, block);
            }
        }
    }

    /// Fetches the ancestors that operators' heads need: the missing one by its hash, those below it by number,
    /// which saves a round trip each where the operator is honest and costs nothing where it is not.
    pub(super) fn fetch_missing(&mut self) {
        let tip = self.tree.tip().height;
        let far = tip
            .saturating_add(self.compiled.config.reorg_bound_blocks)
            .saturating_add(limits::TREE_SLACK_BLOCKS);
        for (operator, block) in self.tree.missing() {
            if block.height > far || self.fetching.contains_key(&block.hash) {
                continue;
            }
            self.fetching.insert(block.hash, Instant::now());
            self.fetch(operator, block, At::Hash(block.hash));
            let lowest = tip.saturating_add(1).max(block.height.saturating_sub(limits::HEADERS_IN_FLIGHT));
            for height in lowest..block.height {
                let guess = BlockRef { height, hash: B256::ZERO };
                self.fetch(operator, guess, At::Number(height));
            }
        }
    }

    fn fetch(&self, operator: usize, block: BlockRef, at: At) {
        let Some(endpoint) = self.network.operators.get(operator) else { return };
        let (client, reports) = (endpoint.lanes.prove.clone(), self.reports.clone());
        tokio::spawn(async move {
            let report = match head(&client, at).await {
                Ok(Some(head)) => Report::Ancestor { operator, head },
                Ok(None) => Report::NoAncestor { operator, block, error: None },
                Err(error) => Report::NoAncestor { operator, block, error: Some(error) },
            };
            let _observer_gone = reports.send(report).await;
        });
    }

    /// Starts ranges when the chain is far ahead; true while they are under way.
    pub(super) fn start_ranges(&mut self) -> bool {
        if self.range_pause.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        let bound = self.compiled.config.reorg_bound_blocks;
        let tip = self.tree.tip().height;
        let Some(head) = self.tree.quorum_height() else { return false };
        if head <= tip.saturating_add(bound).saturating_add(limits::RANGE_WORTH_BLOCKS) {
            return false;
        }
        let to = head.saturating_sub(bound);
        tracing::info!(chain = %self.network.chain, from = tip.saturating_add(1), to, "catching up in ranges");
        self.ranging = Some(to);
        // How far ahead the chain is, is told before the first of what is behind: what follows is history.
        self.tell_head();
        let healthy = |at: &usize| !self.health.has(self.name(*at), Trouble::Dark);
        let task = Backfill::new(
            Arc::clone(&self.compiled),
            Arc::clone(&self.network),
            (0..self.network.operators.len()).filter(healthy).collect(),
            self.reports.clone(),
            self.stop.clone(),
        );
        let window = self.tree.window().iter().rev().map(|delivered| delivered.block).collect();
        tokio::spawn(task.run(window, to));
        true
    }
}
