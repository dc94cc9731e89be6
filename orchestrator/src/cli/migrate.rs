//! `portcullis migrate`.

use std::process::ExitCode;

use clap::Args;

use super::{CliError, ConfigArg, EXIT_GOOD, open, print, print_json};
use crate::store::schema;

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
    let version = schema::newest();
    if json {
        print_json(&serde_json::json!({ "schema_version": version }))?;
    } else {
        print(&format!("The schema is at version {}.\n", version))?;
    }
    Ok(ExitCode::from(EXIT_GOOD))
}
