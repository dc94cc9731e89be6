//! Runs cases one after the other, each within its time, and tells what came out.

use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::{Case, Outcome, cases};

/// How long one case may take: building a world takes seconds, the longest fault lasts a minute, the simulation is
/// compiled first, and a busy machine doubles all of it.
pub const LIMIT: Duration = Duration::from_secs(600);

/// One run of a case.
#[derive(Debug)]
pub struct Ran {
    /// Which.
    pub case: Case,
    /// With which seed.
    pub seed: u64,
    /// What was left, or why that could not be told.
    pub outcome: Result<Outcome, String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Ran {
    /// What is not as promised; empty when all is.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        match &self.outcome {
            Ok(outcome) => outcome.broken(),
            Err(why) => vec![why.clone()],
        }
    }

    /// `held`, `skipped` or `BROKEN`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &self.outcome {
            Ok(outcome) if outcome.skipped.is_some() => "skipped",
            _ if self.broken().is_empty() => "held",
            _ => "BROKEN",
        }
    }
}

/// Cases that somebody asked for: all, or those that begin with one of the names; of these only the quick ones.
///
/// # Errors
/// With the names that no case begins with.
pub fn choose(only: &[String], quick: bool) -> Result<Vec<Case>, String> {
    let all = cases();
    let strangers: Vec<&str> = only
        .iter()
        .map(String::as_str)
        .filter(|name| !all.iter().any(|case| case.name.starts_with(name)))
        .collect();
    if !strangers.is_empty() {
        return Err(format!("no case begins with {}; --list names them all", strangers.join(", ")));
    }
    let wanted = |case: &Case| {
        (only.is_empty() || only.iter().any(|name| case.name.starts_with(name.as_str())))
            && (!quick || case.quick)
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// Runs one case within [`LIMIT`].
pub async fn run(case: Case, seed: u64) -> Ran {
    let begun = Instant::now();
    // On a task of its own: a case that panics is one that broke, not the end of all.
    let running = tokio::spawn((case.run)(seed));
    let abort = running.abort_handle();
    let outcome = match tokio::time::timeout(LIMIT, running).await {
        Ok(Ok(outcome)) => outcome.map_err(|error| format!("{error:#}")),
        Ok(Err(ended)) => Err(format!("the case broke down: {ended}")),
        Err(_elapsed) => {
            abort.abort();
            Err(format!("not over after {} s", LIMIT.as_secs()))
        }
    };
    Ran { case, seed, outcome, elapsed: begun.elapsed() }
}

/// The table of all runs.
#[must_use]
pub fn table(runs: &[Ran]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "case",
            "fault",
            "injected how",
            "seen",
            "lost",
            "unrecorded",
            "closed after",
            "told",
            "replay",
            "s",
            "",
        ]);
    for ran in runs {
        let mut cells =
            vec![ran.case.name.to_owned(), ran.case.fault.to_owned(), ran.case.injected.to_owned()];
        match &ran.outcome {
            Ok(outcome) if outcome.skipped.is_none() => cells.extend([
                outcome.observations.to_string(),
                outcome.observations_lost.to_string(),
                outcome.attempts_unrecorded.to_string(),
                closed(outcome),
                if outcome.paged { "yes" } else { "no" }.to_owned(),
                if outcome.replay_equal { "equal" } else { "UNEQUAL" }.to_owned(),
            ]),
            _ => cells.extend(std::iter::repeat_n("-".to_owned(), 6)),
        }
        cells.push(format!("{:.0}", ran.elapsed.as_secs_f64()));
        cells.push(ran.word().to_owned());
        table.add_row(cells);
    }
    table.to_string()
}

/// `1 + 2 blocks` for both chains, `-` where nothing had to be closed.
fn closed(outcome: &Outcome) -> String {
    if outcome.to_close == 0 && outcome.closed.is_empty() {
        return "-".to_owned();
    }
    let blocks: Vec<String> = outcome.closed.iter().map(|closed| closed.blocks_after.to_string()).collect();
    let open = outcome.to_close.saturating_sub(outcome.closed.len());
    let open = if open > 0 { format!(", {open} open") } else { String::new() };
    format!("{} blocks{open}", blocks.join(" + "))
}

/// Everything as one object for a machine.
#[must_use]
pub fn json(runs: &[Ran]) -> Value {
    let rows: Vec<Value> = runs
        .iter()
        .map(|ran| {
            json!({
                "case": ran.case.name, "fault": ran.case.fault, "injected": ran.case.injected, "seed": ran.seed,
                "outcome": ran.outcome.as_ref().ok(), "error": ran.outcome.as_ref().err(),
                "broken": ran.broken(), "result": ran.word(), "seconds": ran.elapsed.as_secs_f64(),
            })
        })
        .collect();
    json!({ "ok": runs.iter().all(|ran| ran.word() == "held"), "runs": rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn case(run: fn(u64) -> futures::future::BoxFuture<'static, eyre::Result<Outcome>>) -> Case {
        Case { name: "test", fault: "a fault of the test", injected: "by hand", quick: false, run }
    }

    #[test]
    fn cases_are_chosen_by_the_beginning_of_their_names() {
        assert_eq!(choose(&["none".to_owned()], false).unwrap().len(), 1);
        assert_eq!(choose(&[], false).unwrap().len(), cases().len());
        assert!(choose(&["no-such".to_owned()], false).unwrap_err().contains("no-such"));
        assert!(choose(&[], true).unwrap().iter().all(|case| case.quick));
    }

    #[tokio::test]
    async fn a_case_that_panics_fails_or_lies_about_nothing_is_broken_and_told() {
        let good = run(
            case(|_| async { Ok(Outcome { to_close: 0, replay_equal: true, ..Outcome::default() }) }.boxed()),
            1,
        );
        let fails = run(case(|_| async { eyre::bail!("no") }.boxed()), 1);
        let panics = run(case(|_| async { panic!("oops") }.boxed()), 1);
        let skips = run(case(|_| async { Ok(Outcome::skip("no tool")) }.boxed()), 1);
        let runs = [good.await, fails.await, panics.await, skips.await];
        let words: Vec<&str> = runs.iter().map(Ran::word).collect();
        assert_eq!(words, ["held", "BROKEN", "BROKEN", "skipped"]);
        assert_eq!(json(&runs)["ok"], false);
        let table = table(&runs);
        assert!(table.contains("BROKEN") && table.contains("a fault of the test"), "{table}");
    }
}
