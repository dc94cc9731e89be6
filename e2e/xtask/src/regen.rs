//! Everything in the repository that is made from something else, and the check that it still is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use eyre::{Result, WrapErr, bail};

use crate::paths::Paths;
use crate::tools::Tools;
use crate::{command, cosmwasm, run, solana, sqlx};

pub(crate) const HELP: &str = "\
Regenerate everything that is made from something else; commit what changes.

Usage: cargo xtask regen [--check] [--only cosmwasm|solana]

  contracts/artifacts/evm/        from the Solidity sources, by the pinned compiler
  contracts/artifacts/cosmwasm/   from the CosmWasm sources, by Debian's rustc-web (installed where root may)
  contracts/artifacts/solana/     from the Solana programs, by Debian's rustc-web and sbpf-linker
  migrations/schema.sql           from the migrations
  .sqlx/                          from the SQL queries and the migrations
  orchestrator/openapi.json       from the handlers of the HTTP interface

Options:
  --check          change nothing; fail and say what differs
  --only cosmwasm  just the CosmWasm contracts, which need none of the other tools
  --only solana    just the Solana programs, the same

Examples:
  cargo xtask regen
  cargo xtask regen --check
  cargo xtask regen --only cosmwasm";

/// Where the description of the HTTP interface is kept.
const OPENAPI: &str = "orchestrator/openapi.json";

/// A part that can be regenerated alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The CosmWasm contracts.
    Cosmwasm,
    /// The Solana programs.
    Solana,
}

impl Part {
    /// Reads the word after `--only`.
    ///
    /// # Errors
    /// For a word that names no part.
    pub(crate) fn parse(word: &str) -> Result<Self> {
        match word {
            "cosmwasm" => Ok(Self::Cosmwasm),
            "solana" => Ok(Self::Solana),
            other => bail!("`{other}` cannot be regenerated alone; known: cosmwasm, solana"),
        }
    }
}

/// The command `regen`.
///
/// # Errors
/// When a generator fails; with `check`, when a committed file differs.
pub(crate) fn command(paths: &Paths, only: Option<Part>, check: bool) -> Result<()> {
    match only {
        Some(Part::Cosmwasm) => return cosmwasm::artifacts(paths, check).map(drop),
        Some(Part::Solana) => return solana::artifacts(paths, check).map(drop),
        None => {}
    }
    let tools = Tools::setup(paths)?;
    let artifacts = artifacts(paths, &tools, check).and(cosmwasm::artifacts(paths, check).map(drop));
    let artifacts = artifacts.and(solana::artifacts(paths, check).map(drop));
    // The queries first: without their descriptions nothing below compiles.
    let queries = sqlx::command(paths, tools.postgres(), false, check);
    artifacts.and(queries)?;
    let _binaries = run::build(paths, "debug")?;
    openapi(paths, check)
}

/// The part that needs built programs, in an order that does not build them twice.
///
/// # Errors
/// As [`command`].
pub(crate) fn after_build(paths: &Paths, tools: &Tools, check: bool) -> Result<()> {
    let openapi = openapi(paths, check);
    let queries = sqlx::command(paths, tools.postgres(), false, check);
    openapi.and(queries)
}

/// Contracts as the service and the tests read them.
///
/// # Errors
/// When the compiler fails; with `check`, when a committed file differs.
pub(crate) fn artifacts(paths: &Paths, tools: &Tools, check: bool) -> Result<()> {
    let mut node = Command::new("node");
    node.current_dir(&paths.root).arg("contracts/evm/artifacts.mjs").envs(tools.environment());
    if check {
        node.arg("--check");
    }
    command::run(&mut node).wrap_err("the contract artifacts")
}

fn openapi(paths: &Paths, check: bool) -> Result<()> {
    let mut text = command::output(Command::new(paths.binary("debug", "portcullis")).arg("openapi"))?;
    text.push('\n');
    let wanted = BTreeMap::from([(PathBuf::from(OPENAPI), text)]);
    sqlx::settle(&paths.root, &wanted, &[], check)
}
