//! Prints the report of a backtest: `cargo run -p portcullis-replay --example backtest -- DIR`.
#![expect(clippy::unwrap_used, reason = "an example")]

use portcullis_replay::{BacktestOptions, Dataset, backtest};

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| String::from("../shared/data/nomad"));
    let dataset = Dataset::load(folder.as_ref()).unwrap();
    let report = backtest(&dataset, &BacktestOptions::default()).unwrap();
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
}
