//! `portcullis backup` and `portcullis restore`.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;

use super::{CliError, ConfigArg, EXIT_GOOD, format::grouped, open, print, print_json};
use crate::backup::{self, Manifest, Progress, check};

/// Shortest time between two lines of progress on one table.
const PACE: Duration = Duration::from_secs(1);

/// Arguments of `portcullis backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Folder that is made, or is there and empty.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Arguments of `portcullis restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Folder that `portcullis backup` wrote.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Only say whether the backup is whole; no database is opened.
    #[arg(long)]
    check: bool,
}

pub(super) async fn backup(args: &BackupArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let opened = open::record(&loaded.config.store).await?;
    let mut shown = Shown::new();
    let written = backup::export(&opened.store, &args.to, &mut |progress| shown.show(progress)).await;
    opened.close().await;
    tell("written to", &args.to, &written?, json)
}

pub(super) async fn restore(args: &RestoreArgs, json: bool) -> Result<ExitCode, CliError> {
    let mut shown = Shown::new();
    if args.check {
        let from = args.from.clone();
        let checked = tokio::task::spawn_blocking(move || check::check(&from, &mut |p| shown.show(p)));
        let checked = checked.await.map_err(CliError::Task)??;
        return tell("whole:", &args.from, &checked.manifest, json);
    }
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let opened = open::record(&loaded.config.store).await?;
    let restored = backup::import(&opened.store, &args.from, &mut |progress| shown.show(progress)).await;
    opened.close().await;
    tell("restored from", &args.from, &restored?, json)
}

fn tell(what: &str, folder: &std::path::Path, manifest: &Manifest, json: bool) -> Result<ExitCode, CliError> {
    if json {
        print_json(&serde_json::json!({ "folder": folder, "manifest": manifest }))?;
        return Ok(ExitCode::from(EXIT_GOOD));
    }
    let rows = manifest.tables.iter().fold(0u64, |sum, table| sum.saturating_add(table.rows));
    let bytes = manifest.tables.iter().fold(0u64, |sum, table| sum.saturating_add(table.bytes));
    let mut text = format!(
        "{what} {}: {} tables, {} rows, {} bytes, schema {}\n",
        folder.display(),
        manifest.tables.len(),
        number(rows),
        number(bytes),
        manifest.schema_version,
    );
    for log in &manifest.logs {
        // Writing into memory cannot fail.
        let _infallible = writeln!(
            text,
            "  log {}/{}: {} records, chain of hashes holds, head {}",
            log.group,
            log.replica,
            number(log.records),
            log.head
        );
    }
    print(&text)?;
    Ok(ExitCode::from(EXIT_GOOD))
}

fn number(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Lines on standard error: one per table, and one per second while a table takes long.
struct Shown {
    at: Instant,
}

impl Shown {
    fn new() -> Self {
        Self { at: Instant::now() }
    }

    fn show(&mut self, progress: Progress<'_>) {
        if !progress.done && self.at.elapsed() < PACE {
            return;
        }
        self.at = Instant::now();
        let Progress { doing, table, bytes, done } = progress;
        let dots = if done { "" } else { " …" };
        // Where standard error is gone, nobody waits for progress.
        let _gone = writeln!(std::io::stderr(), "{doing} {table}: {} bytes{dots}", number(bytes));
    }
}
