//! `portcullis`: the command line.

use std::process::ExitCode;

use clap::Parser;
use portcullis::cli::{Cli, logs};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Dropped last: it writes what the end has to say.
    let _logs = logs::start(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return cli.fail(&eyre::Report::new(error).wrap_err("no runtime could be started"), None);
        }
    };
    let answer = runtime.block_on(cli.execute());
    // What was consumed is durable by now; a question that nobody answers (a name, a disk) is not waited for.
    runtime.shutdown_background();
    match answer {
        Ok(code) => code,
        Err(error) => {
            let kind = error.kind();
            cli.fail(&eyre::Report::new(error), Some(kind))
        }
    }
}
