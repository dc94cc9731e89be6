//! The engine alone, in this process: matched transfers per second, and the Nomad year.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use alloy::primitives::{B256, U256, keccak256};
use eyre::{Result, eyre};
use portcullis_core::config::{Asset, AssetForm, Bridge, Chain, EngineConfig, Rules, Side};
use portcullis_core::input::{Body, Input};
use portcullis_core::{Engine, log};
use portcullis_replay::{BacktestOptions, Dataset, backtest};
use portcullis_verifier::{
    ChainId, Event, Observation, Position, Progress, Slug, Status, Transfer, TransferKind,
};

/// Messages that are sent before the first of them is delivered: what is open at one time.
const OPEN: u64 = 1_000;
/// Rounds of as many messages.
const ROUNDS: u64 = 250;
/// The best of so many runs counts: the machine can only add to what the work needs.
const RUNS: usize = 5;
/// Age that a message must have, seconds.
const FINALITY: u64 = 1_800;

/// What came out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    /// Inputs per second through the engine.
    pub engine: f64,
    /// Inputs per second when their bytes are only hashed.
    pub hashed: f64,
}

/// What the year took, milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Year {
    /// Through the engine.
    pub engine: f64,
    /// When the bytes of its inputs are only hashed.
    pub hashed: f64,
    /// How many inputs.
    pub inputs: u64,
}

fn word(n: u64) -> B256 {
    B256::from(U256::from(n))
}

fn chain(n: u64) -> Result<ChainId> {
    Ok(ChainId::new(&format!("eip155:{n}"))?)
}

pub(super) fn config() -> Result<EngineConfig> {
    let chains = [1, 2]
        .into_iter()
        .map(|n| {
            Ok(Chain { id: chain(n)?, operators: Vec::new(), quorum: 1, stall_after_secs: 1_000_000_000 })
        })
        .collect::<Result<_>>()?;
    let sides =
        [1, 2].into_iter().map(|n| Ok(Side { chain: chain(n)?, domain: word(n) })).collect::<Result<_>>()?;
    let form = |n: u64| AssetForm { domain: word(n), asset: word(100 + n), decimals: 6, home: n == 1 };
    let asset = Asset { name: Slug::new("USDC")?, forms: vec![form(1), form(2)], micro_usd: Some(1_000_000) };
    let bridge = Bridge {
        id: Slug::new("bench")?,
        finality_secs: FINALITY,
        skew_secs: 60,
        sides,
        unwatched: Vec::new(),
        assets: vec![asset],
    };
    Ok(EngineConfig {
        group: Slug::new("bench")?,
        chains,
        bridges: vec![bridge],
        targets: Vec::new(),
        rules: Rules::default(),
        playbooks: Vec::new(),
    })
}

/// Honest traffic: a thousand messages sent, then delivered, over and over.
fn traffic() -> Result<Vec<Input>> {
    let mut out = Vec::new();
    for round in 0..ROUNDS {
        out.extend(self::round(round, round * OPEN, OPEN)?);
    }
    Ok(out)
}

/// One round of it: `count` messages from number `first` on are sent, and then delivered.
pub(super) fn round(round: u64, first: u64, count: u64) -> Result<Vec<Input>> {
    let (one, two) = (chain(1)?, chain(2)?);
    let bridge = Slug::new("bench")?;
    let now = 1_700_000_000 + round * (FINALITY + 400);
    let mut out = Vec::with_capacity(usize::try_from(2 * count + 2)?);
    for (side, other, at, kind) in
        [(one, 2, now, TransferKind::Lock), (two, 1, now + FINALITY + 200, TransferKind::Mint)]
    {
        let local = 3 - other;
        let block_hash = keccak256(format!("{local}/{first}"));
        for index in 0..count {
            let id = first + index;
            let transfer = Transfer {
                kind,
                bridge,
                local: word(local),
                remote: word(other),
                message_id: word(id),
                asset: word(100 + local),
                amount: U256::from(1_000_000 + id % 977),
                sender: None,
                recipient: word(id % 4_096 + 1),
            };
            let place = u32::try_from(index)?;
            let (height, tx_hash) = (round + 1, word(id));
            let position = Position { height, tx_index: place, log_index: place, block_hash, tx_hash };
            let raw = keccak256(format!("{local}/{id}"));
            let observation =
                Observation::new(side, position, at, Status::Included, raw, Event::Transfer(transfer));
            out.push(Input { at_ms: at * 1_000, body: Body::Observed(observation) });
        }
        let height = round + 1;
        let progress = Progress {
            chain: side,
            height,
            block_hash,
            time: at,
            safe_height: height,
            final_height: height,
            head_time: at,
        };
        out.push(Input { at_ms: at * 1_000, body: Body::Progress(progress) });
    }
    Ok(out)
}

/// Seconds of the best of some runs.
fn best(mut run: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        least = least.min(run()?);
    }
    Ok(least)
}

/// Seconds to hash the encoded inputs once.
fn hash_all(encoded: &[Vec<u8>]) -> f64 {
    let begun = Instant::now();
    for bytes in encoded {
        black_box(keccak256(black_box(bytes)));
    }
    begun.elapsed().as_secs_f64()
}

/// Matched transfers through the engine.
///
/// # Errors
/// When the configuration is refused, or honest traffic raises an alarm: then something else was measured.
pub fn rate() -> Result<Rate> {
    let inputs = traffic()?;
    let encoded: Vec<Vec<u8>> = inputs.iter().map(log::encode_input).collect();
    let count = inputs.len() as f64;
    let engine = best(|| {
        let mut engine = Engine::new(config()?).map_err(|error| eyre!("{error}"))?;
        let begun = Instant::now();
        for input in &inputs {
            black_box(engine.step(black_box(input)));
        }
        let took = begun.elapsed().as_secs_f64();
        if engine.signals().next().is_some() {
            return Err(eyre!("honest traffic raised an alarm: {:?}", engine.signals().next()));
        }
        Ok(took)
    })?;
    let hashed = best(|| Ok(hash_all(&encoded)))?;
    Ok(Rate { engine: count / engine, hashed: count / hashed })
}

/// The recorded year through the whole engine, evidence included.
///
/// # Errors
/// When the data does not parse.
pub fn year(folder: &Path) -> Result<Year> {
    let dataset = Dataset::load(folder).map_err(|error| eyre!("{error}"))?;
    let encoded: Vec<Vec<u8>> = dataset.inputs.iter().map(log::encode_input).collect();
    let mut inputs = 0;
    let engine = best(|| {
        let report = backtest(&dataset, &BacktestOptions::default()).map_err(|error| eyre!("{error}"))?;
        inputs = report.inputs;
        Ok(report.engine_us as f64 / 1e6)
    })?;
    let hashed = best(|| Ok(hash_all(&encoded)))?;
    Ok(Year { engine: engine * 1e3, hashed: hashed * 1e3, inputs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_traffic_is_matched_to_the_last_message() {
        let inputs = traffic().unwrap();
        let mut engine = Engine::new(config().unwrap()).unwrap();
        for input in inputs.iter().take(4 * (OPEN as usize + 1)) {
            engine.step(input);
        }
        assert!(engine.signals().next().is_none(), "{:?}", engine.signals().next());
        assert_eq!(engine.ledger().open, 0, "{:?}", engine.ledger());
    }
}
