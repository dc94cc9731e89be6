//! `portcullis`: the command line.

use std::process::ExitCode;

use clap::Parser;
use portcullis::cli::{Cli, logs};

fn main() -> ExitCode {
    let cli = Cli::parse();
    logs::start(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return cli.fail(&eyre::Report::new(error).wrap_err("no runtime could be started"), None);
        }
    };
    match runtime.block_on(cli.execute()) {
        Ok(code) => code,
        Err(error) => {
            let kind = error.kind();
            cli.fail(&eyre::Report::new(error), Some(kind))
        }
    }
}
