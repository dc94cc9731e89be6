//! `portcullis incidents`: the record for people.

use std::{fmt::Write, process::ExitCode};

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use portcullis_core::Command;
use portcullis_verifier::IncidentId;

use super::{
    CliError, ConfigArg, EXIT_GOOD,
    format::{bullets, chain_time, moment, short, usd},
    open, print, tell,
};
use crate::{
    api::{
        details,
        model::{Incident, IncidentDetail},
    },
    store::{Store, read::IncidentRow},
};

/// Incidents that are looked through for one that begins with what was typed.
const LOOKED_THROUGH: u32 = 1_000;

/// Arguments of `portcullis incidents`.
#[derive(Debug, Args)]
pub(super) struct IncidentsArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: IncidentsCommand,
}

#[derive(Debug, Subcommand)]
enum IncidentsCommand {
    /// Incidents, newest first.
    List {
        /// How many at most, 1 to 1,000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Everything that is recorded of one incident.
    Show {
        /// Its id, or enough of its beginning.
        id: String,
    },
    /// Judge an incident to be nothing: trust in automation sinks by a step at the gates that it closed, and trust that
    /// was asked for meanwhile is cancelled. No gate opens because of it.
    FalseAlarm {
        /// Its id, or enough of its beginning.
        id: String,
        #[command(flatten)]
        who: super::act::Who,
    },
}

pub(super) async fn incidents(args: &IncidentsArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let opened = open::record(&loaded.config.store).await?;
    let text = match &args.command {
        IncidentsCommand::List { limit } => list(&opened.store, *limit, json).await,
        IncidentsCommand::Show { id } => show(&opened.store, id, json).await,
        IncidentsCommand::FalseAlarm { id, who } => false_alarm(&opened.store, id, who, json).await,
    };
    opened.close().await;
    print(&text?)?;
    Ok(ExitCode::from(EXIT_GOOD))
}

async fn list(store: &Store, limit: u32, json: bool) -> Result<String, CliError> {
    let rows = store.incidents(None, limit).await?;
    let incidents: Vec<Incident> = rows.iter().map(Incident::from).collect();
    if json {
        return to_line(&serde_json::json!({ "incidents": incidents }));
    }
    if incidents.is_empty() {
        return Ok("No incidents.\n".into());
    }
    let mut table = plain(&["opened", "group", "state", "class", "value", "signals", "id"]);
    for incident in &incidents {
        table.add_row([
            moment(incident.opened_at_ms),
            format!("{}/{}", incident.group, incident.replica),
            incident.state.clone(),
            incident.class.clone(),
            usd(incident.value_micro_usd),
            incident.signals.to_string(),
            incident.id.clone(),
        ]);
    }
    Ok(format!("{table}\n"))
}

async fn show(store: &Store, id: &str, json: bool) -> Result<String, CliError> {
    let details = details(store, find(store, id).await?).await?;
    if details.is_empty() {
        return Err(CliError::NoIncident(id.to_owned()));
    }
    if json { to_line(&details) } else { Ok(details.iter().map(describe).collect()) }
}

async fn false_alarm(store: &Store, id: &str, who: &super::act::Who, json: bool) -> Result<String, CliError> {
    let incident = find(store, id).await?;
    let rows = store.incident(incident).await?;
    let mut told = Vec::new();
    for log in store.log_names().await? {
        let mine =
            |row: &&IncidentRow| row.group_id == log.group.as_str() && row.replica == log.replica.as_str();
        if rows.iter().any(|row| mine(&row)) {
            let command = Command::FalseAlarm { incident, by: who.by, reason: who.reason.clone() };
            told.push((log, command));
        }
    }
    if told.is_empty() {
        return Err(CliError::NoIncident(id.to_owned()));
    }
    let rows = tell::put(store, &told).await?;
    let answers = tell::answers(store, &rows).await?;
    if json {
        return to_line(&serde_json::json!({ "ok": true, "commands": tell::shown(&answers) }));
    }
    let mut out = format!("Incident {incident} is judged to be nothing. No gate opens because of it.\n");
    for mode in answers.iter().flat_map(|row| tell::list(row, "modes")) {
        let (target, to) = (tell::text(mode, "target"), tell::text(mode, "mode"));
        let _infallible = writeln!(out, "  {target} goes no further than {to} from now on");
    }
    Ok(out)
}

/// The incident with this id, or the only recent one whose id begins so.
async fn find(store: &Store, typed: &str) -> Result<IncidentId, CliError> {
    if let Ok(id) = typed.parse() {
        return Ok(id);
    }
    let prefix = typed.to_ascii_lowercase();
    let prefix = prefix.strip_prefix("0x").unwrap_or(&prefix);
    let rows = store.incidents(None, LOOKED_THROUGH).await?;
    let ids = rows.iter().map(|row| Incident::from(row).id);
    let fitting: std::collections::BTreeSet<String> =
        ids.filter(|id| id.strip_prefix("0x").is_some_and(|digits| digits.starts_with(prefix))).collect();
    match fitting.len() {
        1 => fitting.first().and_then(|id| id.parse().ok()),
        0 => None,
        count => return Err(CliError::Ambiguous { prefix: typed.to_owned(), count }),
    }
    .ok_or_else(|| CliError::NoIncident(typed.to_owned()))
}

fn to_line(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string(value).map(|text| text + "\n").map_err(CliError::json)
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

fn describe(detail: &IncidentDetail) -> String {
    let incident = &detail.incident;
    let mut out = String::new();
    // Writing into a text cannot fail.
    let _infallible = writeln!(
        out,
        "Incident {}\n  {}/{}, {}, class {}, {} at risk\n  opened {}, changed {}",
        incident.id,
        incident.group,
        incident.replica,
        incident.state,
        incident.class,
        usd(incident.value_micro_usd),
        moment(incident.opened_at_ms),
        moment(incident.updated_at_ms),
    );
    if let Some(log) = &detail.log {
        let _infallible = writeln!(out, "  log of {} records, head {}", log.records, log.head);
    }
    out.push_str(&signals(&detail.reasons));
    out.push_str(&evidence(detail));
    out.push_str(&decisions(detail));
    out.push_str(&actions(detail));
    out.push_str(&timeline(detail));
    out.push('\n');
    out
}

fn signals(reasons: &serde_json::Value) -> String {
    let list = reasons.as_array().map_or(&[][..], Vec::as_slice);
    let mut out = format!("\nSignals ({})\n", list.len());
    let text = |signal: &serde_json::Value, key: &str| {
        signal.get(key).and_then(|value| value.as_str()).unwrap_or("?").to_owned()
    };
    // The first ones opened it, and a long attack repeats them hundreds of times.
    const SHOWN: usize = 12;
    for signal in list.iter().take(SHOWN) {
        let value = signal.get("value_micro_usd").and_then(serde_json::Value::as_i64).unwrap_or(0);
        let (cause, detail) = (text(signal, "cause"), text(signal, "detail"));
        let _infallible = writeln!(out, "  {cause:<16} {:>18}  {detail}", usd(value));
    }
    if let Some(more) = list.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _infallible = writeln!(out, "  and {more} more (--json shows all)");
    }
    out
}

fn evidence(detail: &IncidentDetail) -> String {
    if detail.evidence.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nEvidence\n");
    for item in &detail.evidence {
        let claim = item.claim.as_object().and_then(|claim| claim.keys().next()).map_or("?", String::as_str);
        let rests = item.assurance.as_ref().map(assurance).unwrap_or_default();
        let _infallible = writeln!(
            out,
            "  {:<10} {claim:<12} {} {} bytes in {} ms{rests}",
            item.outcome, item.system, item.size_bytes, item.took_ms
        );
    }
    out
}

/// What a verdict rests on, in words.
fn assurance(value: &serde_json::Value) -> String {
    let word = |key: &str| value.get(key).and_then(|value| value.as_str()).unwrap_or("?").replace('_', " ");
    let quorum = value
        .pointer("/header/quorum")
        .and_then(|quorum| Some((quorum.get("agreeing")?.as_u64()?, quorum.get("of")?.as_u64()?)));
    let header = quorum.map_or_else(String::new, |(k, n)| format!("header by {k} of {n} operators, "));
    format!("; {header}inclusion {}, execution {}", word("inclusion"), word("execution"))
}

fn decisions(detail: &IncidentDetail) -> String {
    let mut out = String::new();
    for decision in &detail.decisions {
        let withheld = decision.withheld.as_array().map_or(0, Vec::len);
        let _infallible = writeln!(
            out,
            "\nDecision: {} by playbook {} at {}\n  record {} of the log, head {}\n{}",
            decision.class,
            decision.playbook,
            moment(decision.at_ms),
            decision.seq,
            decision.record,
            bullets(&decision.reasons, "  ").trim_end(),
        );
        if withheld > 0 {
            let _infallible = writeln!(out, "  {withheld} action(s) withheld (--json says why)");
        }
    }
    out
}

fn actions(detail: &IncidentDetail) -> String {
    if detail.actions.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nActions\n");
    for action in &detail.actions {
        let landed =
            action.landed_height.map_or_else(String::new, |height| format!(", landed in block {height}"));
        let _infallible = writeln!(
            out,
            "  {} on {}: {} until {}, {}{landed}  {}",
            short(&action.target),
            action.chain,
            action.level,
            chain_time(action.until_s),
            action.state,
            action.detail,
        );
        for attempt in detail.attempts.iter().filter(|attempt| attempt.action_id == action.id) {
            let replies = attempt.replies.as_array().map_or(&[][..], Vec::as_slice);
            let took = replies.iter().filter(|reply| reply.get("accepted") == Some(&true.into())).count();
            let _infallible = writeln!(
                out,
                "    attempt {} nonce {} step {} fee {}: {}, taken by {took} of {} endpoints",
                short(&attempt.hash),
                attempt.nonce,
                attempt.bump,
                attempt.fee,
                attempt.state,
                replies.len(),
            );
        }
    }
    out
}

fn timeline(detail: &IncidentDetail) -> String {
    if detail.timeline.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nTimeline\n");
    let mut lines: Vec<_> = detail.timeline.iter().collect();
    lines.sort_by_key(|line| (line.at_ms, line.id));
    for line in lines {
        let chain = line.chain.as_deref().unwrap_or("");
        let _infallible =
            writeln!(out, "  {}  {:<9} {chain:<16} {}", moment(line.at_ms), line.step, line.detail);
    }
    out
}
