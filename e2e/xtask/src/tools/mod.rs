//! Tools: what the repository needs besides Rust, brought into the cache at versions that committed lock files pin.

mod contracts;
mod cosmos;
mod cosmwasm;
pub(crate) mod debian;
mod lock;
mod node;
mod npm;
pub(crate) mod postgres;
mod solana;

use std::ffi::OsString;
use std::path::PathBuf;

use eyre::{Result, bail};
use serde_json::json;

use crate::paths::Paths;
use contracts::Contracts;
use cosmos::CosmosNode;
use cosmwasm::Checker;
use postgres::Postgres;
pub(crate) use solana::Linker;
use solana::Validator;

pub(crate) const HELP: &str = "\
Bring the tools into the cache: contract compilers, nodes, and a Postgres server.

Usage: cargo xtask setup [--only NAME] [--json]

Options:
  --only NAME  just this one: contracts (or anvil, forge, cast, solc: they come together), postgres, wasmd,
               cosmwasm (the checker of CosmWasm contracts), solana (the validator), or sbpf (the linker of
               Solana programs)
  --json       print one JSON object, name → {version, path, source}, as the last line

The cache is ${PORTCULLIS_CACHE:-${XDG_CACHE_HOME:-~/.cache}/portcullis}. Nothing is installed outside it and
nothing needs a privilege. Versions are pinned by contracts/evm/package-lock.json,
e2e/xtask/postgres/package-lock.json and e2e/cosmos-node/go.sum. A Postgres of version 15 or later that is installed
already is used first; PORTCULLIS_POSTGRES_BIN names one elsewhere. The Cosmos node is built by Go (1.24 or later), once:
about five minutes on two cores; PORTCULLIS_WASMD names one that is there already. The Solana validator is unpacked from
../shared/bin where it lies there, else taken from PATH, else built, once: half an hour on two cores;
PORTCULLIS_SOLANA_VALIDATOR names one that is there already.

Examples:
  cargo xtask setup
  cargo xtask setup --only postgres
  PORTCULLIS_CACHE=/tmp/tools cargo xtask setup --json";

/// One thing that was found or installed, as `setup` prints it.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// As the tool itself reports it.
    pub(crate) version: String,
    /// The program or folder that is used.
    pub(crate) path: PathBuf,
    /// Where it came from, for people.
    pub(crate) source: String,
}

/// Which part of the tools is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Compiler, node and libraries for the contracts.
    Contracts,
    /// The database server.
    Postgres,
    /// The Cosmos node.
    CosmosNode,
    /// The checker of CosmWasm contracts.
    Checker,
    /// The Solana validator.
    Validator,
    /// The linker of Solana programs.
    Linker,
}

impl Part {
    /// Reads the word after `--only`.
    ///
    /// # Errors
    /// For a word that names no tool; the message lists those that do.
    pub(crate) fn parse(word: &str) -> Result<Self> {
        match word {
            "contracts" | "anvil" | "forge" | "cast" | "solc" => Ok(Self::Contracts),
            "postgres" => Ok(Self::Postgres),
            "wasmd" => Ok(Self::CosmosNode),
            "cosmwasm" => Ok(Self::Checker),
            "solana" => Ok(Self::Validator),
            "sbpf" => Ok(Self::Linker),
            other => {
                bail!(
                    "no tool is called `{other}`; known: contracts, anvil, forge, cast, solc, postgres, wasmd, cosmwasm, \
                     solana, sbpf"
                )
            }
        }
    }
}

/// Everything that the other commands start.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    contracts: Contracts,
    postgres: Postgres,
    cosmos: Option<CosmosNode>,
    validator: Option<Validator>,
}

impl Tools {
    /// Finds or installs what every command needs. The Cosmos node and the Solana validator are only
    /// found: they take minutes to build.
    ///
    /// # Errors
    /// One error that lists all that is missing on this machine, or the first installation that failed.
    pub(crate) fn setup(paths: &Paths) -> Result<Self> {
        Ok(Self {
            contracts: Contracts::setup(paths)?,
            postgres: Postgres::setup(paths)?,
            cosmos: CosmosNode::present(paths)?,
            validator: Validator::present(paths)?,
        })
    }

    /// The same, with the Cosmos node and the Solana validator built where they are not there yet.
    ///
    /// # Errors
    /// As [`Tools::setup`].
    pub(crate) fn setup_all(paths: &Paths) -> Result<Self> {
        Self::setup_with(paths, (true, true))
    }

    /// The same, with those of the Cosmos node and the Solana validator that are asked for.
    ///
    /// # Errors
    /// As [`Tools::setup`].
    pub(crate) fn setup_with(paths: &Paths, (cosmos, solana): (bool, bool)) -> Result<Self> {
        let cosmos = if cosmos { Some(CosmosNode::setup(paths)?) } else { None };
        let validator = if solana { Some(Validator::setup(paths)?) } else { None };
        let found = Self::setup(paths)?;
        let (cosmos, validator) = (cosmos.or(found.cosmos), validator.or(found.validator));
        Ok(Self { cosmos, validator, contracts: found.contracts, postgres: found.postgres })
    }

    /// `forge`, for the contract checks.
    pub(crate) fn forge(&self) -> PathBuf {
        self.contracts.forge.clone()
    }

    /// Programs of the database server.
    pub(crate) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The checker of CosmWasm contracts: only the gate needs it.
    ///
    /// # Errors
    /// When it cannot be installed.
    pub(crate) fn checker(paths: &Paths) -> Result<Checker> {
        Checker::setup(paths)
    }

    /// Prints what is used, for the head of a log.
    ///
    /// # Errors
    /// When a tool does not run on this machine.
    pub(crate) fn print(&self, paths: &Paths) -> Result<()> {
        let mut tools = self.contracts.tools()?;
        tools.push(self.postgres.tool());
        tools.extend(self.cosmos.as_ref().map(CosmosNode::tool));
        tools.extend(self.validator.as_ref().map(Validator::tool));
        print(paths, &tools);
        Ok(())
    }

    /// The environment that tests, demo and benches read to find the tools.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("PORTCULLIS_ANVIL", self.contracts.anvil.clone().into()),
            ("PORTCULLIS_FORGE", self.contracts.forge.clone().into()),
            ("PORTCULLIS_CAST", self.contracts.cast.clone().into()),
            ("PORTCULLIS_NODE_MODULES", self.contracts.node_modules.clone().into()),
            ("PORTCULLIS_POSTGRES_BIN", self.postgres.bin.clone().into()),
        ];
        variables.extend(self.cosmos.iter().map(|node| ("PORTCULLIS_WASMD", node.wasmd.clone().into())));
        let validator = self.validator.iter();
        variables.extend(validator.map(|one| ("PORTCULLIS_SOLANA_VALIDATOR", one.program.clone().into())));
        variables
    }
}

/// The command `setup`.
///
/// # Errors
/// As [`Tools::setup`].
pub(crate) fn command(paths: &Paths, only: Option<Part>, as_json: bool) -> Result<()> {
    let mut tools = Vec::new();
    let wanted = |part| only.is_none_or(|only| only == part);
    if wanted(Part::Contracts) {
        tools.extend(Contracts::setup(paths)?.tools()?);
    }
    if wanted(Part::Postgres) {
        tools.push(Postgres::setup(paths)?.tool());
    }
    if wanted(Part::CosmosNode) {
        tools.push(CosmosNode::setup(paths)?.tool());
    }
    if wanted(Part::Checker) {
        tools.push(Checker::setup(paths)?.tool());
    }
    if wanted(Part::Validator) {
        tools.push(Validator::setup(paths)?.tool());
    }
    if wanted(Part::Linker) {
        tools.push(Linker::setup(paths)?.tool());
    }
    if as_json {
        let object: serde_json::Map<String, serde_json::Value> = tools
            .iter()
            .map(|t| (t.name.to_owned(), json!({ "version": t.version, "path": t.path, "source": t.source })))
            .collect();
        println!("{}", serde_json::Value::Object(object));
    } else {
        print(paths, &tools);
    }
    Ok(())
}

fn print(paths: &Paths, tools: &[Tool]) {
    println!("cache     {}", paths.cache.display());
    println!("builds    {}", paths.target.display());
    for tool in tools {
        println!("{:<9} {:<10} {}  ({})", tool.name, tool.version, tool.path.display(), tool.source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_belongs_to_a_part_and_an_unknown_one_is_refused_with_the_list() {
        assert_eq!(Part::parse("solc").unwrap(), Part::Contracts);
        assert_eq!(Part::parse("postgres").unwrap(), Part::Postgres);
        assert_eq!(Part::parse("wasmd").unwrap(), Part::CosmosNode);
        assert_eq!(Part::parse("cosmwasm").unwrap(), Part::Checker);
        assert_eq!(Part::parse("solana").unwrap(), Part::Validator);
        assert_eq!(Part::parse("sbpf").unwrap(), Part::Linker);
        assert!(Part::parse("redis").unwrap_err().to_string().contains("known: contracts"));
    }
}
