//! `portcullis check`.

use std::process::ExitCode;

use clap::Args;

use super::{
    CliError, ConfigArg, EXIT_CONFIG, answer as answer_code,
    dial::{self, Dialled},
    format::class_name,
    open, print, print_json,
};
use crate::config::{Loaded, Problems};

/// Arguments of `portcullis check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Also ask every endpoint, guard and key that the file names. Sends and changes nothing.
    #[arg(long)]
    dial: bool,
}

pub(super) async fn check(args: &CheckArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = match open::config(&args.config.config) {
        Ok(loaded) => loaded,
        Err(problems) => return refused(&problems, json),
    };
    let dialled = if args.dial { Some(dial::dial(&loaded).await) } else { None };
    match dialled.transpose() {
        Ok(dialled) => accepted(&loaded, dialled.as_deref(), json),
        Err(problems) => refused(&problems, json),
    }
}

fn refused(problems: &Problems, json: bool) -> Result<ExitCode, CliError> {
    if json {
        print_json(&serde_json::json!({ "ok": false, "file": problems.file, "problems": problems.list }))?;
    } else {
        print(&format!("{problems}\n"))?;
    }
    Ok(ExitCode::from(EXIT_CONFIG))
}

fn accepted(loaded: &Loaded, dialled: Option<&[Dialled]>, json: bool) -> Result<ExitCode, CliError> {
    let ok = dialled.is_none_or(|checks| checks.iter().all(Dialled::is_fine));
    if json {
        let (file, problems) = (&loaded.config.file, &loaded.warnings.list);
        let answer = serde_json::json!({ "ok": ok, "file": file, "problems": problems, "dialled": dialled });
        print_json(&answer)?;
        return Ok(answer_code(ok));
    }
    let mut text = String::new();
    if !loaded.warnings.list.is_empty() {
        text = format!("{}\n\n", loaded.warnings);
    }
    text.push_str(&summary(loaded));
    text.push_str(&dialled.map_or_else(String::new, |list| dial::describe(&loaded.config.file, list)));
    print(&text)?;
    Ok(answer_code(ok))
}

/// What the file means, in a few lines: who reads it sees at once whether it is what was meant.
fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let mut text = format!("{} is good.\n", config.file.display());
    for chain in &config.chains {
        let signer = if chain.signer.is_some() { "can contain" } else { "no signer: watches only" };
        text.push_str(&format!(
            "  chain {}: {} of {} operators, {signer}\n",
            chain.id.value,
            chain.quorum,
            chain.endpoints.len()
        ));
    }
    for engine in config.engines() {
        for bridge in &engine.bridges {
            text.push_str(&format!(
                "  bridge {} in group {}: {} sides, {} unwatched domains, {} assets, finality {} s\n",
                bridge.id,
                engine.group,
                bridge.sides.len(),
                bridge.unwatched.len(),
                bridge.assets.len(),
                bridge.finality_secs,
            ));
        }
        for target in &engine.targets {
            let mode = format!("{:?}", target.mode).to_lowercase();
            text.push_str(&format!(
                "  guard {} on {}: mode {mode}, scope {}\n",
                target.id, target.chain, target.scope
            ));
        }
        for playbook in &engine.playbooks {
            let class = class_name(playbook.class);
            text.push_str(&format!("  playbook {}: {class} for {} s\n", playbook.id, playbook.expiry_secs));
        }
    }
    text
}
