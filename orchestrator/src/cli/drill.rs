//! `portcullis drill`: what would fail tonight, and canaries through the real lane.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use portcullis_adapter::Readiness;
use portcullis_core::Command;
use portcullis_verifier::{B256, IncidentId, Slug};
use serde_json::{Value, json};

use super::{CliError, ConfigArg, act, answer, dial, open, print, print_json, tell};
use crate::config::Loaded;
use crate::operate::drill::{Way, level_word, rehearse};
use crate::store::Store;
use crate::wiring;

/// How long a canary's effect is waited for: as long as the engine waits.
const PATIENCE: Duration = Duration::from_millis(portcullis_core::limits::CANARY_WAIT_MS);

/// Between two looks at a canary.
const PACE: Duration = Duration::from_millis(200);

/// Arguments of `portcullis drill`.
#[derive(Debug, Args)]
pub(super) struct DrillArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Guards by their configured ids; none means every guard.
    targets: Vec<Slug>,
    /// Let the running service close each guard's canary scope, and report the time to each step.
    #[arg(long)]
    canary: bool,
}

pub(super) async fn drill(args: &DrillArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    if args.canary {
        return canaries(&loaded, &args.targets, json).await;
    }
    let groups = act::by_group(&loaded, &args.targets)?;
    let named: Vec<Slug> = groups.into_iter().flat_map(|(_, targets)| targets).collect();
    let wired = {
        let loaded = loaded.clone();
        // Opening keystores is slow on purpose.
        tokio::task::spawn_blocking(move || wiring::wire(&loaded)).await.map_err(CliError::Task)?
    };
    let wired = wired.map_err(CliError::Config)?;
    let mut ways = Vec::new();
    for target in wired.groups.iter().flat_map(|group| &group.engine_config.targets) {
        if !named.contains(&target.id) {
            continue;
        }
        if !json {
            tracing::info!(target_name = %target.id, chain = %target.chain, "rehearsing");
        }
        let contain = wired.chains.get(&target.chain).and_then(|wiring| wiring.contain.as_deref());
        ways.extend(rehearse(contain, target).await);
    }
    let works = ways.iter().all(Way::works);
    if json {
        let ways: Vec<Value> = ways.iter().map(way).collect();
        print_json(&json!({ "ok": works, "ways": ways }))?;
    } else {
        print(&describe(&ways))?;
    }
    Ok(answer(works))
}

fn way(way: &Way) -> Value {
    let checks: Vec<Value> = way.checks.iter().map(check).collect();
    json!({
        "target": way.target, "chain": way.chain, "level": level_word(way.level), "ok": way.works(),
        "by_hand": way.checks.is_empty(), "checks": checks,
    })
}

fn check(check: &Readiness) -> Value {
    let code = (!check.ok).then(|| dial::explain(check.check.as_str()).0);
    json!({ "check": check.check, "ok": check.ok, "code": code, "detail": check.detail })
}

fn describe(ways: &[Way]) -> String {
    let mut out = String::new();
    for way in ways {
        let word = match (way.checks.is_empty(), way.works()) {
            (true, _) => "by hand: no signer is configured",
            (false, true) => "would work",
            (false, false) => "WOULD FAIL",
        };
        // Writing into a text cannot fail.
        let _infallible = writeln!(out, "{} on {}, {}: {word}", way.target, way.chain, level_word(way.level));
        for check in &way.checks {
            let mark = if check.ok { "ok" } else { dial::explain(check.check.as_str()).0 };
            let _infallible = writeln!(out, "  {mark:<8} {:<11} {}", check.check, check.detail);
        }
    }
    let failing = ways.iter().filter(|way| !way.works()).count();
    let _infallible = match failing {
        0 => writeln!(out, "\nEvery one of {} ways would work tonight.", ways.len()),
        failing => {
            writeln!(
                out,
                "\n{failing} of {} ways would fail tonight; docs/errors explains each code.",
                ways.len()
            )
        }
    };
    out
}

/// A canary's way through the lane, milliseconds since it was decided; none for what did not happen.
#[derive(Debug, Default, serde::Serialize)]
struct Steps {
    signed_ms: Option<i64>,
    sent_ms: Option<i64>,
    landed_ms: Option<i64>,
    proven_ms: Option<i64>,
}

async fn canaries(loaded: &Loaded, targets: &[Slug], json: bool) -> Result<ExitCode, CliError> {
    let with_canary = loaded.config.operate().canaries;
    let groups = act::by_group(loaded, targets)?;
    let opened = open::record(&loaded.config.store).await?;
    let run = async {
        let by = Slug::new("drill").map_err(|_never| CliError::NoCanary)?;
        let mut told = Vec::new();
        for (group, named) in groups {
            let wanted =
                named.into_iter().filter(|name| !targets.is_empty() || with_canary.contains_key(name));
            for target in wanted {
                // The service fills in the scope that its own configuration names.
                let command = Command::Canary { target, scope: B256::ZERO, generation: 0, by };
                let logs = tell::logs_of(&opened.store, group).await?;
                told.extend(logs.into_iter().map(|log| (log, command.clone())));
            }
        }
        if told.is_empty() {
            return Err(CliError::NoCanary);
        }
        let rows = tell::put(&opened.store, &told).await?;
        let answers = tell::answers(&opened.store, &rows).await?;
        let mut results = Vec::new();
        for row in &answers {
            let target = row.command.pointer("/canary/target").and_then(Value::as_str).unwrap_or("?");
            let action = tell::list(row, "actions").first();
            let why = row.answer.as_ref().and_then(|answer| answer.get("refused")).and_then(Value::as_str);
            let (steps, why) = match action {
                Some(action) => follow(&opened.store, action).await?,
                None => {
                    (Steps::default(), why.map_or_else(|| "one is under way already".into(), str::to_owned))
                }
            };
            results.push((target.to_owned(), steps, why));
        }
        Ok(results)
    };
    let results = run.await;
    opened.close().await;
    let results = results?;
    let works = results.iter().all(|(_, steps, _)| steps.proven_ms.is_some());
    if json {
        let list = results.iter().map(|(target, steps, why)| {
            json!({ "target": target, "ok": steps.proven_ms.is_some(), "steps": steps, "detail": why })
        });
        print_json(&json!({ "ok": works, "canaries": list.collect::<Vec<_>>() }))?;
    } else {
        print(&results.iter().map(line).collect::<String>())?;
    }
    Ok(answer(works))
}

fn line((target, steps, why): &(String, Steps, String)) -> String {
    let time = |step: Option<i64>| step.map_or_else(|| "not yet".to_owned(), |ms| format!("{ms} ms"));
    let word = if steps.proven_ms.is_some() { "closed and proven" } else { "NOT PROVEN CLOSED" };
    format!(
        "{target}: {word}\n  signed {}, handed over {}, landed {}, proven {} after the decision\n  {why}\n",
        time(steps.signed_ms),
        time(steps.sent_ms),
        time(steps.landed_ms),
        time(steps.proven_ms),
    )
}

/// Follows a canary's action through the record until it is proven or given up.
async fn follow(store: &Store, action: &Value) -> Result<(Steps, String), CliError> {
    let (id, incident) = (tell::text(action, "id").to_owned(), tell::text(action, "incident"));
    let Ok(incident) = incident.parse::<IncidentId>() else { return Ok((Steps::default(), id)) };
    let since = Instant::now();
    loop {
        let actions = store.actions(incident).await?;
        let Some(row) = actions.first() else {
            if since.elapsed() >= PATIENCE {
                return Ok((Steps::default(), format!("action {id} is not on record")));
            }
            tokio::time::sleep(PACE).await;
            continue;
        };
        let over = ["effective", "stopped", "expired"].contains(&row.state.as_str());
        if over || since.elapsed() >= PATIENCE {
            let after = |at_ms: i64| at_ms.saturating_sub(row.decided_at_ms);
            let attempts = store.incident_attempts(incident).await?;
            let lines = store.timeline(Some(incident), 0, 1_000).await?;
            let confirmed = |words: &str| {
                let line = lines.iter().find(|line| line.step == "confirm" && line.detail.contains(words));
                line.map(|line| after(line.at_ms))
            };
            let steps = Steps {
                signed_ms: attempts.iter().map(|attempt| after(attempt.signed_at_ms)).min(),
                sent_ms: attempts.iter().filter_map(|attempt| attempt.sent_at_ms).map(after).min(),
                landed_ms: confirmed("landed"),
                proven_ms: (row.state == "effective").then(|| after(row.updated_at_ms)),
            };
            return Ok((steps, format!("action {id}: {}", row.detail)));
        }
        tokio::time::sleep(PACE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::{ChainId, Level};

    fn tried(ok: bool) -> Way {
        let check = Readiness { check: Slug::new("role").unwrap(), ok, detail: "why".into() };
        Way {
            target: Slug::new("home").unwrap(),
            chain: ChainId::new("eip155:1").unwrap(),
            level: Level::Closed,
            checks: vec![check],
        }
    }

    #[test]
    fn what_would_fail_has_its_code_and_what_works_has_none() {
        assert_eq!(way(&tried(false))["checks"][0]["code"], "PC-0310");
        assert!(way(&tried(true))["checks"][0]["code"].is_null());
        let text = describe(&[tried(true), tried(false)]);
        assert!(text.contains("WOULD FAIL") && text.contains("PC-0310") && text.contains("1 of 2"), "{text}");
        assert!(describe(&[tried(true)]).contains("would work tonight"));
    }

    #[test]
    fn a_canary_says_how_far_it_came() {
        let steps = Steps { signed_ms: Some(3), sent_ms: Some(9), ..Steps::default() };
        let text = line(&("home".into(), steps, "waiting".into()));
        assert!(text.contains("NOT PROVEN") && text.contains("handed over 9 ms") && text.contains("not yet"));
    }
}
