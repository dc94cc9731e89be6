//! `portcullis migrate`.

use std::process::ExitCode;

use clap::Args;

use super::{CliError, ConfigArg, EXIT_GOOD, open, print, print_json};

/// Arguments of `portcullis migrate`.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn migrate(args: &MigrateArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let opened = open::record(&loaded.config.store).await?;
    let migrated = opened.store.migrate().await;
    opened.close().await;
    migrated?;
    let versions = crate::store::MIGRATIONS.iter().map(|migration| migration.version).max();
    if json {
        print_json(&serde_json::json!({ "schema_version": versions }))?;
    } else {
        print(&format!("The schema is at version {}.\n", versions.unwrap_or(0)))?;
    }
    Ok(ExitCode::from(EXIT_GOOD))
}
