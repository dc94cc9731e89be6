//! Recorded data sets and a deterministic simulated chain, served to the same traits.
//!
//! *Who is in the play.* [`dataset`] turns a recorded year of a real bridge into the inputs that an engine would
//! have had, and [`config`] into the configuration of that bridge; [`mod@backtest`] feeds them to the production engine
//! and scores what it did against the labels, which nothing before the scoring reads; [`table`] reads the files, and
//! says in which line they are broken. [`recorded`] serves one of its
//! chains as any other chain is observed; [`sim`] is a chain that does what it is told, and operators that lie about it.

pub mod backtest;
pub mod config;
pub mod dataset;
mod feed;
mod prices;
pub mod recorded;
pub mod sim;
pub mod table;
mod tokens;
pub mod witness;

pub use backtest::{BacktestOptions, Report, backtest, backtest_watched};
pub use dataset::{Dataset, DatasetError};
pub use recorded::RecordedChain;
