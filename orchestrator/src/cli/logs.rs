//! Logs: text or JSON, on standard error, so that standard output stays for answers.

use tracing_subscriber::{EnvFilter, fmt};

use super::{Cli, LogFormat};

/// Variable that chooses what is logged.
const FILTER: &str = "PORTCULLIS_LOG";

/// Starts logging. The service tells what it does; other commands speak only of trouble.
pub fn start(cli: &Cli) {
    let quiet = if cli.is_service() { "info,sqlx=warn,hyper=warn,tungstenite=warn" } else { "warn" };
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_unset| EnvFilter::new(quiet));
    // A reader of the logs that is gone must not end the service: the library would print its own trouble to the same
    // broken pipe, and panic there.
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // A second start (in a test) keeps the first one's logs.
    let _already_started = match cli.log_format {
        LogFormat::Text => {
            use std::io::IsTerminal;
            logs.with_ansi(std::io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
