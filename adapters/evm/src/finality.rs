//! What the chain calls safe and final, as enough operators report it.

use std::sync::Arc;

use portcullis_adapter::Class;
use portcullis_verifier::Progress;
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Finality,
    limits,
    observe::Report,
    transport::{At, Network, head},
};

/// Heights that operators call safe and final. Pure.
#[derive(Debug)]
pub(crate) struct Settled {
    rule: Finality,
    quorum: usize,
    reported: Vec<Option<(u64, u64)>>,
}

impl Settled {
    pub(crate) fn new(rule: Finality, quorum: usize, operators: usize) -> Self {
        Self { rule, quorum, reported: vec![None; operators] }
    }

    /// An operator's tags. Within one operator they never go back: a final block stays final.
    pub(crate) fn report(&mut self, operator: usize, safe: u64, last: u64) {
        if let Some(place) = self.reported.get_mut(operator) {
            let (old_safe, old_last) = place.unwrap_or_default();
            *place = Some((safe.max(old_safe), last.max(old_last)));
        }
    }

    /// Fills in the settled heights of a progress: what at least the quorum of operators have reached.
    ///
    /// SECURITY: the height that `quorum` operators have reached, not the highest: one liar cannot make a block
    /// final, which would make a missing source event look decided.
    pub(crate) fn settle(&self, progress: Progress) -> Progress {
        let (safe, last) = match self.rule {
            Finality::Depth { safe_blocks, final_blocks } => {
                (progress.height.saturating_sub(safe_blocks), progress.height.saturating_sub(final_blocks))
            }
            Finality::Tags => (self.reached(|(safe, _)| safe), self.reached(|(_, last)| last)),
        };
        let safe_height = safe.min(progress.height);
        Progress { safe_height, final_height: last.min(safe_height), ..progress }
    }

    fn reached(&self, pick: impl Fn((u64, u64)) -> u64) -> u64 {
        let mut heights: Vec<u64> = self.reported.iter().flatten().map(|tags| pick(*tags)).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.get(self.quorum.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// Asks every operator for its tags, again and again.
pub(crate) async fn watch(network: Arc<Network>, reports: mpsc::Sender<Report>, stop: CancellationToken) {
    let mut ticks = time::interval(core::time::Duration::from_millis(limits::FINALITY_POLL_MS));
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let asks = network.operators.iter().enumerate().map(|(at, operator)| {
            let (client, reports) = (&operator.lanes.read, &reports);
            async move {
                let (safe, last) = tokio::join!(head(client, At::Safe), head(client, At::Finalized));
                let report = match (safe, last) {
                    (Ok(Some(safe)), Ok(Some(last))) => {
                        Report::Settled { operator: at, safe: safe.block.height, last: last.block.height }
                    }
                    (Err(error), _) | (_, Err(error)) if error.class() == Class::Untrusted => {
                        Report::Unsettled { operator: at, error }
                    }
                    // A node without the tags, or without such a block yet, reports nothing: not "zero".
                    _ => return,
                };
                let _observer_ended = reports.send(report).await;
            }
        });
        futures::future::join_all(asks).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::{B256, ChainId};

    fn progress(height: u64) -> Progress {
        let chain = ChainId::new("eip155:1").unwrap();
        Progress {
            chain,
            height,
            block_hash: B256::ZERO,
            time: 0,
            safe_height: 0,
            final_height: 0,
            head_time: 0,
        }
    }

    #[test]
    fn one_operator_of_three_cannot_make_a_block_final() {
        let mut settled = Settled::new(Finality::Tags, 2, 3);
        settled.report(0, 1_000, 1_000);
        assert_eq!(settled.settle(progress(500)).final_height, 0);
        settled.report(1, 90, 80);
        let said = settled.settle(progress(500));
        assert_eq!((said.safe_height, said.final_height), (90, 80));
        settled.report(1, 10, 10);
        assert_eq!(settled.settle(progress(500)).final_height, 80, "final does not go back");
        assert_eq!(settled.settle(progress(50)).final_height, 50, "never above what is delivered");
    }

    #[test]
    fn depth_counts_from_the_delivered_head() {
        let rule = Finality::Depth { safe_blocks: 2, final_blocks: 10 };
        let said = Settled::new(rule, 1, 1).settle(progress(100));
        assert_eq!((said.safe_height, said.final_height), (98, 90));
        assert_eq!(Settled::new(rule, 1, 1).settle(progress(5)).final_height, 0);
    }
}
