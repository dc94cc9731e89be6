//! How long a start takes with a long log: `cargo bench -p portcullis --bench restart -- 1000000`.
//!
//! Writes so many inputs (transfers, with a block of each chain every hundred) into a throw-away Postgres, as the
//! service does, and rebuilds the engine from them: from the whole log, and from a snapshot that was taken before the last
//! hundred thousand. The last line is one JSON object.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    missing_docs,
    reason = "a measurement fails by panicking"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use portcullis::budget;
use portcullis::correlate::rebuild::rebuild;
use portcullis::correlate::saved::{Saved, begin};
use portcullis::store::{LogEnd, LogRecord, Pool, Step, Store, WriteSet};
use portcullis_core::log::{chain_head, encode_effects, encode_input};
use portcullis_core::{Body, ENGINE_VERSION, Engine, Input};
use portcullis_verifier::{
    ChainId, Event, Observation, Position, Progress, Status, Transfer, TransferKind, U256, keccak256,
};
use support::world::{away, config, home, word};
use support::{Database, log_name, slug};

const T0: u64 = 1_700_000_000;

/// The n-th input: honest burns, and blocks now and then.
fn body(n: u64) -> Body {
    let time = T0 + n / 100;
    let block = |chain: ChainId| keccak256(format!("{chain}/{}", n / 100));
    match n % 100 {
        0 if n == 0 => Body::ConfigChanged(Box::new(config())),
        rest @ (0 | 1) => {
            let chain = if rest == 0 { home() } else { away() };
            let height = n / 100;
            Body::Progress(Progress {
                chain,
                height,
                block_hash: block(chain),
                time,
                safe_height: height,
                final_height: height.saturating_sub(10),
                head_time: time,
            })
        }
        index => {
            let index = u32::try_from(index).unwrap();
            let tx_hash = keccak256(n.to_be_bytes());
            let position = Position {
                height: n / 100,
                tx_index: index,
                log_index: index,
                block_hash: block(away()),
                tx_hash,
            };
            let transfer = Transfer {
                kind: TransferKind::Burn,
                bridge: slug("b"),
                local: word(2),
                remote: word(1),
                message_id: word(n),
                asset: word(0x12),
                amount: U256::from(1_000_000u64),
                sender: None,
                recipient: word(0xbeef),
            };
            Body::Observed(Observation::new(
                away(),
                position,
                time,
                Status::Included,
                tx_hash,
                Event::Transfer(transfer),
            ))
        }
    }
}

/// A log and the engine that consumed it.
struct Written<'a> {
    store: &'a Store,
    engine: Engine,
    end: LogEnd,
}

impl Written<'_> {
    async fn consume(&mut self, bodies: impl Iterator<Item = Body>) {
        let mut set = WriteSet::new(log_name(), self.end);
        for body in bodies {
            let input = Input { at_ms: T0 * 1_000 + self.end.next_seq, body };
            let (effects, encoded) = (self.engine.step(&input), encode_input(&input));
            let head = chain_head(self.end.head, self.end.next_seq, &encoded);
            let record = LogRecord {
                seq: self.end.next_seq,
                at_ms: input.at_ms,
                encoded,
                head,
                engine_version: ENGINE_VERSION,
                effects: encode_effects(&effects),
            };
            self.end = LogEnd { next_seq: self.end.next_seq + 1, head };
            set.steps.push(Step { record, input, effects });
        }
        self.store.commit(&set, Pool::General).await.unwrap();
    }

    async fn up_to(&mut self, inputs: u64) {
        while self.end.next_seq < inputs {
            let from = self.end.next_seq;
            self.consume((from..(from + 1_024).min(inputs)).map(body)).await;
        }
    }
}

#[tokio::main]
async fn main() {
    let inputs: u64 = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(100_000);
    let database = Database::start().await;
    let (store, log) = (&database.store, log_name());
    store.open_log(&log).await.unwrap();
    let mut written = Written { store, engine: Engine::new(config()).unwrap(), end: LogEnd::EMPTY };
    let began = Instant::now();
    written.up_to(inputs.saturating_sub(budget::SNAPSHOT_INPUTS).max(1)).await;

    let folder = database.folder.path().join("snapshots");
    let saved = Saved::new(log, rebuild(store, &log).await.unwrap()).unwrap();
    let file = saved.write(log, &folder).unwrap();
    written.consume(std::iter::once(Body::Snapshot { next_seq: saved.end.next_seq, hash: saved.hash })).await;
    file.finish().unwrap();
    drop(saved);
    written.up_to(inputs).await;
    let wrote = began.elapsed().as_secs_f64();
    let end = written.end;
    drop(written);

    let began = Instant::now();
    assert_eq!(rebuild(store, &log).await.unwrap().end, end);
    let whole = began.elapsed().as_secs_f64();
    let began = Instant::now();
    assert_eq!(begin(log, &folder).await.finish(store).await.unwrap().end, end);
    let snapshot = began.elapsed().as_secs_f64();
    let bytes: u64 =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    println!(
        "{inputs} inputs, written in {wrote:.1} s; rebuilt from the whole log in {whole:.2} s, from a snapshot of {} MB \
         in {snapshot:.2} s",
        bytes / 1_000_000
    );
    let json = serde_json::json!({
        "inputs": inputs, "write_secs": wrote, "rebuild_secs": whole, "snapshot_secs": snapshot, "snapshot_bytes": bytes,
    });
    println!("{json}");
}
