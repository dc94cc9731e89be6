//! Observations, prices and heads in the one order in which they would have come.

use portcullis_core::{Input, input::Body};
use portcullis_verifier::{ChainId, Observation, Progress};

use crate::{
    config::{CHAINS, FINALITY_SECS, block_hash, chain_id},
    prices::Prices,
};

/// Blocks below the head that count as final.
const FINAL_DEPTH: u64 = 64;

/// Seconds per block after the last recorded one, about what both chains took.
pub(crate) const BLOCK_SECS: u64 = 12;

/// Seconds between two reports of progress when nothing happens.
pub(crate) const HEARTBEAT_SECS: u64 = 1_800;

/// Puts observations, progress and prices into one order.
pub(crate) fn inputs(observations: &[Observation], prices: &Prices) -> Vec<Input> {
    let mut feed = Feed { inputs: Vec::new(), anchors: anchors(observations), now: 0 };
    let mut days = prices.iter().peekable();
    for second in observations.chunk_by(|one, next| one.time() == next.time()) {
        let Some(time) = second.first().map(Observation::time) else { continue };
        feed.rest_until(time);
        while let Some(((day, symbol), micro_usd)) = days.next_if(|((day, _), _)| *day <= time) {
            feed.push(time, Body::Price { asset: *symbol, micro_usd: *micro_usd, time: *day });
        }
        for observation in second {
            feed.push(time, Body::Observed(observation.clone()));
        }
        feed.progress(time);
    }
    // Whatever the last events wait for is known to be there or not when the window has passed.
    feed.rest_until(feed.now.saturating_add(FINALITY_SECS).saturating_add(HEARTBEAT_SECS));
    feed.inputs
}

/// Recorded (time, height) pairs per chain, in order.
fn anchors(observations: &[Observation]) -> Vec<(ChainId, Vec<(u64, u64)>)> {
    let mut anchors: Vec<(ChainId, Vec<(u64, u64)>)> =
        CHAINS.iter().filter_map(|(number, _)| Some((chain_id(*number)?, Vec::new()))).collect();
    for observation in observations {
        for (_, list) in anchors.iter_mut().filter(|(chain, _)| *chain == observation.chain()) {
            let at = (observation.time(), observation.position().height);
            if list.last() != Some(&at) {
                list.push(at);
            }
        }
    }
    anchors
}

struct Feed {
    inputs: Vec<Input>,
    anchors: Vec<(ChainId, Vec<(u64, u64)>)>,
    now: u64,
}

impl Feed {
    fn push(&mut self, time: u64, body: Body) {
        self.inputs.push(Input { at_ms: time.saturating_mul(1_000), body });
    }

    /// Reports progress every half hour up to a time.
    fn rest_until(&mut self, time: u64) {
        if self.now == 0 {
            self.now = time;
        }
        while let Some(next) = self.now.checked_add(HEARTBEAT_SECS).filter(|next| *next < time) {
            self.progress(next);
        }
        self.now = time;
    }

    fn progress(&mut self, time: u64) {
        self.now = time;
        let reports: Vec<Progress> = self
            .anchors
            .iter()
            .filter_map(|(chain, list)| {
                let height = height_at(list, time)?;
                Some(Progress {
                    chain: *chain,
                    height,
                    block_hash: block_hash(*chain, height),
                    time,
                    safe_height: height.saturating_sub(FINAL_DEPTH),
                    final_height: height.saturating_sub(FINAL_DEPTH),
                    head_time: time,
                })
            })
            .collect();
        for progress in reports {
            self.push(time, Body::Progress(progress));
        }
    }
}

/// Height of a chain at a time: recorded, or on the straight line between what is recorded around it, but below
/// the next recorded block, which has not happened yet. None before the first. A chain goes on after its last
/// recorded block, or it would look as if it stood still.
fn height_at(anchors: &[(u64, u64)], time: u64) -> Option<u64> {
    let after = anchors.partition_point(|(at, _)| *at <= time);
    let (since, from) = *anchors.get(after.checked_sub(1)?)?;
    let passed = time.saturating_sub(since);
    let Some((until, to)) = anchors.get(after).copied() else {
        return Some(from.saturating_add(passed.checked_div(BLOCK_SECS).unwrap_or(0)));
    };
    let all = until.saturating_sub(since);
    let blocks = to.saturating_sub(from).saturating_mul(passed).checked_div(all).unwrap_or(0);
    Some(from.saturating_add(blocks).min(to.saturating_sub(1)).max(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_between_recorded_blocks_lie_on_a_line_below_the_next_one() {
        let anchors = [(1_000, 10), (1_120, 20), (1_121, 21)];
        assert_eq!(height_at(&anchors, 999), None);
        assert_eq!(height_at(&anchors, 1_000), Some(10));
        assert_eq!(height_at(&anchors, 1_060), Some(15));
        assert_eq!(height_at(&anchors, 1_119), Some(19), "the block at 1,120 is not there yet");
        assert_eq!(height_at(&anchors, 1_120), Some(20));
        assert_eq!(height_at(&anchors, 1_241), Some(31), "the chain goes on");
    }
}
