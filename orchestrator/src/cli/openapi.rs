//! `portcullis openapi`.

use std::process::ExitCode;

use super::{CliError, EXIT_GOOD, print};
use crate::api;

pub(super) fn openapi() -> Result<ExitCode, CliError> {
    let mut text = serde_json::to_string_pretty(&api::description()).map_err(CliError::json)?;
    text.push('\n');
    print(&text)?;
    Ok(ExitCode::from(EXIT_GOOD))
}
