//! `portcullis replay`: the proof that a log was not changed and that the same inputs give the same decisions.

use std::{collections::BTreeSet, process::ExitCode};

use clap::Args;
use portcullis_core::log::{Record, ReplayReport, replay as replay_records};
use portcullis_verifier::{B256, IncidentId};
use serde::Serialize;

use super::{CliError, ConfigArg, answer, format::grouped, open, print, print_json};
use crate::store::{LogEnd, LogName, Store, read::DecisionRow};

/// Arguments of `portcullis replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only logs that have this incident; its decisions are looked up in the log too. Without it, every log.
    #[arg(long, value_name = "ID")]
    incident: Option<IncidentId>,
}

/// What a replay of one log showed.
#[derive(Debug, Serialize)]
struct LogReplay {
    group: String,
    replica: String,
    equal: bool,
    /// How many of the incident's decisions name a head that is in this log.
    decisions: usize,
    result: ReplayReport,
}

pub(super) async fn replay(args: &ReplayArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let opened = open::record(&loaded.config.store).await?;
    let logs = replay_logs(&opened.store, args.incident).await;
    opened.close().await;
    let logs = logs?;
    if logs.is_empty() {
        return Err(CliError::NoIncident(args.incident.map_or_else(|| "0x".into(), |id| id.to_string())));
    }
    let equal = logs.iter().all(|log| log.equal);
    if json {
        let incident = args.incident.map(|id| id.to_string());
        print_json(&serde_json::json!({ "incident": incident, "equal": equal, "logs": logs }))?;
    } else {
        print(&logs.iter().map(describe).collect::<String>())?;
    }
    Ok(answer(equal))
}

async fn replay_logs(store: &Store, incident: Option<IncidentId>) -> Result<Vec<LogReplay>, CliError> {
    let wanted = match incident {
        Some(id) => Some(store.incident(id).await?),
        None => None,
    };
    let mut replays = Vec::new();
    for (name, end) in store.logs().await? {
        let has = wanted.as_ref().is_none_or(|rows| {
            rows.iter().any(|row| name.group.as_str() == row.group_id && name.replica.as_str() == row.replica)
        });
        if !has {
            continue;
        }
        let decisions = match incident {
            Some(id) => store.decisions(id).await?,
            None => Vec::new(),
        };
        replays.push(replay_log(store, name, end, decisions).await?);
    }
    Ok(replays)
}

async fn replay_log(
    store: &Store,
    name: LogName,
    end: LogEnd,
    decisions: Vec<DecisionRow>,
) -> Result<LogReplay, CliError> {
    let records = store.log_records(&name).await?;
    // Replaying is pure and takes as long as the log is: not on the threads that answer others.
    let judged = tokio::task::spawn_blocking(move || judge(records, end, &decisions));
    let (result, decisions) = judged.await.map_err(CliError::Task)?;
    Ok(LogReplay {
        group: name.group.to_string(),
        replica: name.replica.to_string(),
        equal: matches!(result, ReplayReport::Equal { .. }),
        decisions,
        result,
    })
}

/// Replays the records, then holds the result against what else is stored: where the log should end, and the heads
/// that the incident's trips carry.
fn judge(
    records: Vec<crate::store::LogRecord>,
    end: LogEnd,
    decisions: &[DecisionRow],
) -> (ReplayReport, usize) {
    let heads: BTreeSet<B256> = records.iter().map(|record| record.head).collect();
    let report = replay_records(records.into_iter().map(|record| Record {
        seq: record.seq,
        input: record.encoded,
        effects: record.effects,
        head: record.head,
    }));
    let ReplayReport::Equal { records: replayed, head, .. } = report else { return (report, 0) };
    // The log may have grown between reading its end and its records; it can never have become shorter.
    if replayed < end.next_seq || (replayed == end.next_seq && head != end.head) {
        let why = format!("the log ends here, but {} records were committed to it", end.next_seq);
        return (ReplayReport::Broken { seq: replayed, why }, 0);
    }
    for decision in decisions {
        let record = B256::try_from(decision.record.as_slice()).unwrap_or_default();
        if !heads.contains(&record) {
            let seq = u64::try_from(decision.seq).unwrap_or(0);
            let why = format!("a decision was made under the head {record}, which is not in this log");
            return (ReplayReport::Broken { seq, why }, 0);
        }
    }
    (report, decisions.len())
}

fn describe(log: &LogReplay) -> String {
    let name = format!("{}/{}", log.group, log.replica);
    match &log.result {
        ReplayReport::Equal { records, head, decisions } => {
            let records = grouped(i64::try_from(*records).unwrap_or(i64::MAX));
            let known = match log.decisions {
                0 => String::new(),
                one => format!("\n  the heads of {one} decision(s) of the incident are in the log"),
            };
            format!("{name}: equal\n  {records} records, head {head}\n  decisions {decisions}{known}\n")
        }
        ReplayReport::Broken { seq, why } => {
            format!("{name}: NOT EQUAL: the log was changed at record {seq}\n  {why}\n")
        }
        ReplayReport::Different { seq, expected, found } => format!(
            "{name}: NOT EQUAL: record {seq} leads to another decision\n  stored: {expected}\n  now:    {found}\n"
        ),
        ReplayReport::DifferentEngine { seq, wrote, runs } => format!(
            "{name}: another engine wrote record {seq}: version {wrote}, this is version {runs}\n  \
             replay it with a portcullis of that version\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use portcullis_core::{
        Body, Engine, Input,
        log::{chain_head, encode_effects, encode_input},
    };

    use super::*;
    use crate::{config::parse, store::LogRecord};

    const EXAMPLE: &str = include_str!("../../../docs/examples/portcullis.toml");

    /// A log of a configuration and some ticks, as the service would have written it.
    fn log() -> (Vec<LogRecord>, LogEnd) {
        let loaded = parse(Path::new("x.toml"), Path::new("."), EXAMPLE.to_owned()).unwrap();
        let config = loaded.config.engines().remove(0);
        let mut engine = Engine::new(config.clone()).unwrap();
        let mut end = LogEnd::EMPTY;
        let bodies = [Body::ConfigChanged(Box::new(config)), Body::Tick, Body::Tick, Body::Tick];
        let records = bodies.into_iter().zip(1_000u64..).map(|(body, at_ms)| {
            let input = Input { at_ms, body };
            let encoded = encode_input(&input);
            let effects = encode_effects(&engine.step(&input));
            let seq = end.next_seq;
            end = LogEnd { next_seq: seq.saturating_add(1), head: chain_head(end.head, seq, &encoded) };
            let engine_version = portcullis_core::ENGINE_VERSION;
            LogRecord { seq, at_ms, encoded, head: end.head, engine_version, effects }
        });
        (records.collect(), end)
    }

    fn decision(record: B256) -> DecisionRow {
        DecisionRow {
            seq: 2,
            class: "halt".into(),
            playbook: "halt".into(),
            reasons: serde_json::Value::Null,
            withheld: serde_json::Value::Null,
            record: record.to_vec(),
            engine_version: 1,
            at_ms: 0,
        }
    }

    #[test]
    fn a_whole_log_is_equal() {
        let (records, end) = log();
        let head = records[2].head;
        let (report, decisions) = judge(records, end, &[decision(head)]);
        assert!(matches!(report, ReplayReport::Equal { records: 4, .. }), "{report:?}");
        assert_eq!(decisions, 1);
    }

    #[test]
    fn one_changed_byte_is_found_in_its_record() {
        let (records, end) = log();
        for place in 0..records[2].encoded.len() {
            let mut changed = records.clone();
            changed[2].encoded[place] ^= 1;
            let (report, _) = judge(changed, end, &[]);
            assert!(matches!(report, ReplayReport::Broken { seq: 2, .. }), "byte {place}: {report:?}");
        }
        let mut changed = records;
        changed[1].effects.push(0);
        let (report, _) = judge(changed, end, &[]);
        assert!(matches!(report, ReplayReport::Different { seq: 1, .. }), "{report:?}");
    }

    #[test]
    fn a_log_that_was_cut_or_lacks_a_decisions_head_is_not_equal() {
        let (mut records, end) = log();
        let foreign = judge(records.clone(), end, &[decision(B256::with_last_byte(9))]).0;
        assert!(matches!(foreign, ReplayReport::Broken { .. }), "{foreign:?}");
        records.pop();
        let cut = judge(records, end, &[]).0;
        assert!(matches!(cut, ReplayReport::Broken { seq: 3, .. }), "{cut:?}");
        let empty = judge(Vec::new(), end, &[]).0;
        assert!(matches!(empty, ReplayReport::Broken { seq: 0, .. }), "{empty:?}");
    }
}
