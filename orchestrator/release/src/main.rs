//! `portcullis-release`: the way back, for people with another key than the service's.
//!
//! It shows what a gate holds, and signs and sends the call that ends it. The service does not link this program, and
//! holds no key that a gate would take for it.

mod cli;
mod error;
mod evm;
mod text;

use std::{io::Write, process::ExitCode};

use clap::Parser;
// The one machine whose gates this binary speaks to; the rest of it does not care which.
use evm::{Gate, Key, Landed, Offer, Seen, Signed, View};

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    portcullis_rpc::install_crypto();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&eyre::Report::new(error), "PC-0500", cli.json),
    };
    match runtime.block_on(cli.execute()) {
        Ok(answer) => {
            // A reader that left early, as `head` does, is no error.
            let _gone = std::io::stdout().write_all(answer.text.as_bytes());
            ExitCode::from(u8::from(!answer.yes))
        }
        Err(error) => {
            let code = error.code();
            fail(&eyre::Report::new(error), code, cli.json)
        }
    }
}

fn fail(report: &eyre::Report, code: &str, json: bool) -> ExitCode {
    let causes: Vec<String> = report.chain().skip(1).map(ToString::to_string).collect();
    // Where standard output and error are gone, there is nobody left to tell.
    let _gone = if json {
        let error = serde_json::json!({ "code": code, "message": report.to_string(), "causes": causes });
        writeln!(std::io::stdout(), "{}", serde_json::json!({ "error": error }))
    } else {
        let because: String = causes.iter().map(|cause| format!("\n  because: {cause}")).collect();
        writeln!(std::io::stderr(), "{code}: {report}{because}")
    };
    ExitCode::from(4)
}
