//! The command line: what a person types, what it answers, and with which exit code.

mod act;
mod backtest;
mod backup;
mod check;
mod detectors;
mod dial;
mod drill;
mod error;
mod format;
mod incidents;
pub mod logs;
mod migrate;
mod modes;
mod open;
mod openapi;
mod reload;
mod replay;
mod run;
mod stakes;
mod tell;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
pub use error::{CliError, Kind};

/// Exit code: done, and the answer is yes.
pub const EXIT_GOOD: u8 = 0;
/// Exit code: done, and the answer is no.
pub const EXIT_NO: u8 = 1;
/// Exit code: the configuration cannot be used.
pub const EXIT_CONFIG: u8 = 3;
/// Exit code: something that is needed does not answer, or broke.
pub const EXIT_BROKEN: u8 = 4;

const ABOUT: &str = "Watches every side of a bridge, proves what it sees, and closes every gate that the damage could \
                     leave through.";

const AFTER: &str = "\
Exit codes:
  0  done, and the answer is yes
  1  done, and the answer is no (problems found, log not equal, no such incident)
  2  the command line cannot be understood
  3  the configuration cannot be used
  4  something that is needed does not answer, or broke

Every error has a code such as PC-0102, explained in docs/errors. Logs go to standard error;
PORTCULLIS_LOG chooses what is logged (for example info, or portcullis=debug).";

/// What a person types.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about = ABOUT, after_help = AFTER, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Answer with JSON on standard output, for other programs.
    #[arg(long, global = true)]
    json: bool,
    /// How logs are written to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "PORTCULLIS_LOG_FORMAT", hide_env_values = true)]
    log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Which file.
#[derive(Debug, Clone, Args)]
struct ConfigArg {
    /// Configuration file; docs/examples/portcullis.toml is a start.
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        default_value = "portcullis.toml",
        env = "PORTCULLIS_CONFIG",
        hide_env_values = true
    )]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch, decide and contain, until told to stop.
    #[command(after_help = "\
Examples:
  portcullis run --config portcullis.toml
  DATABASE_URL=postgres://portcullis@db/portcullis portcullis run --log-format json

Without DATABASE_URL and without [store] database_url_file, a private Postgres is started in the data directory.
Ctrl-C or SIGTERM ends it gracefully; a restart goes on where it was left, at any step.
A changed configuration file is checked as a whole and takes effect within seconds, or at once on SIGHUP; one that
cannot be used, or that loosens what is running, changes nothing and is reported.")]
    Run(run::RunArgs),
    /// Explain every mistake of a configuration; with --dial also of what it names.
    #[command(after_help = "\
Examples:
  portcullis check --config portcullis.toml
  portcullis check --config portcullis.toml --dial --json

Without --dial only files are read. With --dial every endpoint, guard and key is asked; nothing is sent or changed.
Exit code 3 when the file cannot be used, 1 when something that was dialled would not work.")]
    Check(check::CheckArgs),
    /// Make the table of stakes by which votes are counted, for a person to look at and pin.
    #[command(after_help = "\
Examples:
  portcullis stakes --chain solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp --out stakes-812.bin
  portcullis stakes --chain solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp --manifest snapshots/1/1 --epoch 812 --out stakes-812.bin

Asks every operator of the chain who votes in the epoch that runs, and writes what a quorum tells alike; or takes it from
the bank manifest of a snapshot. Nothing on the chain proves such a table: pinning it trusts whoever told it, at this
moment, for one epoch. What operators call active now can differ a little from what validators count by, which was fixed
an epoch before; a manifest has exactly that.")]
    Stakes(stakes::StakesArgs),
    /// Bring the database's schema up to date.
    #[command(after_help = "\
Example:
  portcullis migrate --config portcullis.toml

Works while services run: migrations only add. `run` makes the schema of an empty database by itself, and refuses one
that is older (then this command is the way out) or newer (then a newer portcullis is).")]
    Migrate(migrate::MigrateArgs),
    /// Copy the whole record into a folder, while services work on it.
    #[command(after_help = "\
Examples:
  portcullis backup --to /var/backups/portcullis/$(date -u +%FT%TZ)
  DATABASE_URL=postgres://portcullis@db/portcullis portcullis backup --to backup --json

One snapshot of the database, table by table. What was written is read again: every file by its digest, every log by
its chain of hashes. Without a server's name it takes the private one of the data directory, which may be in use.")]
    Backup(backup::BackupArgs),
    /// Bring a backup into an empty database.
    #[command(after_help = "\
Examples:
  portcullis restore --from backup --check
  DATABASE_URL=postgres://portcullis@db/fresh portcullis restore --from backup

Refuses a database that holds anything. All or nothing; checked before and after. A private server is named by a
configuration with another data_dir. Afterwards start the service: it goes on from the blocks at which the backup was
taken, so nothing is missed, and what was contained since is decided again, which can only extend it.")]
    Restore(backup::RestoreArgs),
    /// Run this engine over a recorded year and count what it would have stopped, and disturbed.
    #[command(after_help = "\
Examples:
  portcullis backtest --data ../shared/data/nomad
  portcullis backtest --data ../shared/data/nomad --config portcullis.toml --json

The engine and the rules are those of production; labels of the recording are used for counting only. The attack
is not stopped: what closing after a delay would have saved is measured beside it.")]
    Backtest(backtest::BacktestArgs),
    /// Decide a stored log again and compare, byte for byte.
    #[command(after_help = "\
Examples:
  portcullis replay --incident 0x5be1…
  portcullis replay --json | jq .equal

Feeds every input of the log to a fresh engine and compares the chain of hashes and every decision. Says where and
why, and exits with 1, when a byte was changed, a record is missing, or the engine decides something else.")]
    Replay(replay::ReplayArgs),
    /// Read what is recorded of incidents.
    #[command(after_help = "\
Examples:
  portcullis incidents list
  portcullis incidents show 0x5be1…
  portcullis incidents show 0x5be1… --json
  portcullis incidents false-alarm 0x5be1… --by ann --reason \"a partner's migration, announced\"")]
    Incidents(incidents::IncidentsArgs),
    /// Say which ways of containing would fail tonight; with --canary close a scope that nobody asks, for real.
    #[command(after_help = "\
Examples:
  portcullis drill
  portcullis drill bridge.eip155-1 --json
  portcullis drill --canary

Without --canary nothing is sent: endpoints, role, key, nonce, fee, gas and balance are those of tonight. With
--canary the running service trips each guard's canary scope through its own lane, row before bytes, and the time to
each step is printed. Exit code 1 when a way would fail. The service does both by itself: see [drill].")]
    Drill(drill::DrillArgs),
    /// How far automation may go at each guard, what the record says of it, and what it takes to go further.
    #[command(after_help = "\
Examples:
  portcullis modes
  portcullis modes --json
  portcullis modes set bridge.eip155-1 limit --by ann
  portcullis modes set bridge.eip155-1 halt --by ann --with bob --days 30

Lowering needs one person and is instant. Raising needs two, waits ([modes] trust_delay_secs), and falls back by
itself; a false alarm that is reported meanwhile cancels it.")]
    Modes(modes::ModesArgs),
    /// Close guards now, or limit them, whatever their mode.
    #[command(after_help = "\
Examples:
  portcullis contain --by ann --reason \"partner reports a leaked key\"
  portcullis contain bridge.eip155-1 --level limited --by ann --reason \"odd withdrawals\"

The running service takes the command within a second, logs it, and acts; this waits for its answer. The closure
runs out by itself, as every closure does.")]
    Contain(act::ContainArgs),
    /// Give up an action: nothing more is signed or sent for it. Opens nothing.
    #[command(after_help = "\
Example:
  portcullis stop 0x1f2e… --by ann --reason \"closed by hand\"")]
    Stop(act::StopArgs),
    /// List what makes the service speak, who can provoke it at what cost, and how far each goes by itself.
    #[command(after_help = "\
Example:
  portcullis detectors

What an outsider can provoke cheaply may at most hold; thresholds stand in [rules] of the configuration.")]
    Detectors,
    /// Print the description of the HTTP API (OpenAPI 3.1).
    #[command(after_help = "\
Example:
  portcullis openapi > openapi.json")]
    Openapi,
}

impl Cli {
    /// Does what was typed.
    ///
    /// # Errors
    /// [`CliError`]; `main` prints it and chooses the exit code.
    pub async fn execute(&self) -> Result<ExitCode, CliError> {
        let json = self.json;
        match &self.command {
            Command::Run(args) => run::run(args, json).await,
            Command::Check(args) => check::check(args, json).await,
            Command::Stakes(args) => stakes::stakes(args, json).await,
            Command::Migrate(args) => migrate::migrate(args, json).await,
            Command::Backup(args) => backup::backup(args, json).await,
            Command::Restore(args) => backup::restore(args, json).await,
            Command::Backtest(args) => backtest::backtest(args, json).await,
            Command::Replay(args) => replay::replay(args, json).await,
            Command::Incidents(args) => incidents::incidents(args, json).await,
            Command::Drill(args) => drill::drill(args, json).await,
            Command::Modes(args) => modes::modes(args, json).await,
            Command::Contain(args) => act::contain(args, json).await,
            Command::Stop(args) => act::stop(args, json).await,
            Command::Detectors => detectors::detectors(json),
            Command::Openapi => openapi::openapi(),
        }
    }

    /// Prints an error with its causes, as text or JSON, and gives the exit code.
    #[must_use]
    pub fn fail(&self, report: &eyre::Report, kind: Option<Kind>) -> ExitCode {
        let kind = kind.unwrap_or(Kind::BROKEN);
        if self.json {
            let causes: Vec<String> = report.chain().skip(1).map(ToString::to_string).collect();
            let error =
                serde_json::json!({ "code": kind.code, "message": report.to_string(), "causes": causes });
            // Where standard output is gone, there is nobody left to tell.
            let _gone = print_json(&serde_json::json!({ "error": error }));
        } else {
            let mut text = format!("{report}");
            for cause in report.chain().skip(1) {
                text = format!("{text}\n  because: {cause}");
            }
            let _gone = writeln!(std::io::stderr(), "{text}");
        }
        ExitCode::from(kind.exit)
    }

    fn is_service(&self) -> bool {
        matches!(self.command, Command::Run(_))
    }
}

/// One JSON document and a line break on standard output.
fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let mut text = serde_json::to_string(value).map_err(CliError::json)?;
    text.push('\n');
    print(&text)
}

/// Text on standard output. A reader that left early, as `head` does, is no error.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// Yes or no as an exit code.
fn answer(yes: bool) -> ExitCode {
    ExitCode::from(if yes { EXIT_GOOD } else { EXIT_NO })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("portcullis {}", command.get_name())), "{}", command.get_name());
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for bad in
            [&["portcullis"][..], &["portcullis", "runn"], &["portcullis", "replay", "--incident", "7"]]
        {
            assert!(Cli::try_parse_from(bad).is_err(), "{bad:?}");
        }
        assert!(Cli::try_parse_from(["portcullis", "check", "--config", "x", "--dial", "--json"]).is_ok());
    }
}
