//! `portcullis modes`: how far automation may go at each gate, what the record says of it, and what it takes to go on.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use portcullis_core::Command;
use portcullis_core::config::Mode;
use portcullis_verifier::Slug;
use serde_json::json;

use super::{CliError, ConfigArg, act, answer, format::moment, open, print, tell};
use crate::config::Loaded;
use crate::operate::approve::{self, Approvers, Request};
use crate::operate::modes::{self, Criterion};
use crate::store::Store;
use crate::store::commands::CommandRow;
use crate::store::trust::TrustRow;
use crate::telemetry::now_ms;

/// Days for which trust is lent where nobody says otherwise.
const DAYS: u32 = 30;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Arguments of `portcullis modes`.
#[derive(Debug, Args)]
pub(super) struct ModesArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: Option<ModesCommand>,
}

#[derive(Debug, Subcommand)]
enum ModesCommand {
    /// Change how far automation may go at one gate: lower it at once, or ask to raise it, which a second person and a
    /// delay are needed for. Who asks writes a request; both sign it with their own SSH keys; `lend` brings it.
    #[command(
        after_help = "Examples:\n  portcullis modes set home observe --by ann\n  portcullis modes set home hold --by ann --with bob --request raise.txt\n  ssh-keygen -Y sign -n portcullis -f ~/.ssh/id_ed25519 raise.txt    # each of both, on their own machine"
    )]
    Set {
        /// Guard by its configured id.
        target: Slug,
        /// How far.
        mode: ModeWord,
        /// Who asks.
        #[arg(long, value_name = "NAME")]
        by: Slug,
        /// Who agrees; somebody else. Needed to raise the mode.
        #[arg(long, value_name = "NAME")]
        with: Option<Slug>,
        /// For how many days it is raised; then it falls back by itself.
        #[arg(long, default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
        /// Raise it although the record does not meet every criterion.
        #[arg(long)]
        anyway: bool,
        /// File that a request to raise it is written to; default: `trust-GATE.txt`.
        #[arg(long, value_name = "FILE")]
        request: Option<PathBuf>,
    },
    /// Bring a request to raise a mode that both people have signed. The running service lends the trust after its
    /// delay.
    #[command(
        after_help = "Example:\n  portcullis modes lend raise.txt --signature ann.sig --signature bob.sig"
    )]
    Lend {
        /// The request that `modes set` wrote, unchanged.
        request: PathBuf,
        /// What `ssh-keygen -Y sign -n portcullis` made of it; once for each of both.
        #[arg(long = "signature", value_name = "FILE", required = true)]
        signatures: Vec<PathBuf>,
    },
}

/// The steps of the ladder, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeWord {
    /// Watch and record.
    Observe,
    /// Decide and simulate; send nothing.
    Shadow,
    /// Propose to people.
    Advise,
    /// May tighten limits.
    Limit,
    /// May hold.
    Hold,
    /// May halt.
    Halt,
}

impl From<ModeWord> for Mode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Observe => Self::Observe,
            ModeWord::Shadow => Self::Shadow,
            ModeWord::Advise => Self::Advise,
            ModeWord::Limit => Self::Limit,
            ModeWord::Hold => Self::Hold,
            ModeWord::Halt => Self::Halt,
        }
    }
}

pub(super) async fn modes(args: &ModesArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let opened = open::record(&loaded.config.store).await?;
    let text = match &args.command {
        None => list(&opened.store, json).await,
        Some(ModesCommand::Set { target, mode, by, with, days, anyway, request }) => {
            let wish = Wish { target: *target, mode: Mode::from(*mode), by: *by, with: *with, days: *days };
            let file = request.clone().unwrap_or_else(|| PathBuf::from(format!("trust-{target}.txt")));
            set(&opened.store, &loaded, &wish, (*anyway, &file), json).await
        }
        Some(ModesCommand::Lend { request, signatures }) => {
            lend(&opened.store, &loaded, request, signatures, json).await
        }
    };
    opened.close().await;
    print(&text?)?;
    Ok(answer(true))
}

fn now() -> i64 {
    i64::try_from(now_ms()).unwrap_or(i64::MAX)
}

async fn list(store: &Store, json: bool) -> Result<String, CliError> {
    let rows = store.trust().await?;
    let waiting = store.open_commands().await?;
    if json {
        let targets: Vec<_> = rows.iter().map(|row| entry(row, &waiting)).collect();
        return serde_json::to_string(&json!({ "targets": targets }))
            .map(|text| text + "\n")
            .map_err(CliError::json);
    }
    if rows.is_empty() {
        return Ok("No gate is on record: has the service run with this configuration?\n".into());
    }
    Ok(rows.iter().map(|row| describe(row, &waiting)).collect())
}

fn next_of(row: &TrustRow) -> Option<(Mode, Vec<Criterion>)> {
    let next = modes::next(modes::mode_of(&row.mode))?;
    Some((next, modes::criteria(row, next, now())))
}

fn entry(row: &TrustRow, waiting: &[CommandRow]) -> serde_json::Value {
    let next = next_of(row).map(|(mode, criteria)| {
        let met = criteria.iter().all(|criterion| criterion.met);
        json!({ "mode": modes::word(mode), "met": met, "criteria": criteria })
    });
    let waiting: Vec<_> = raises(row, waiting).map(|command| &command.command).collect();
    json!({ "record": row, "next": next, "waiting": waiting })
}

/// Trust in a gate that was asked for and is not due yet.
fn raises<'c>(row: &'c TrustRow, waiting: &'c [CommandRow]) -> impl Iterator<Item = &'c CommandRow> {
    waiting.iter().filter(move |command| {
        let target = command.command.pointer("/trust/target").and_then(|value| value.as_str());
        command.group_id == row.group_id && command.replica == row.replica && target == Some(&row.target)
    })
}

fn describe(row: &TrustRow, waiting: &[CommandRow]) -> String {
    let mut out = String::new();
    // Writing into a text cannot fail.
    let _infallible =
        writeln!(out, "{} on {} ({}/{}): {}", row.target, row.chain, row.group_id, row.replica, row.mode);
    if let Some(why) = row.why.as_ref() {
        let until = row.until_ms.map_or_else(String::new, |until| format!(", until {}", moment(until)));
        let _infallible = writeln!(out, "  {why}{until} (the configuration says {})", row.configured);
    }
    let _infallible = writeln!(
        out,
        "  record: watched since {}; {} decisions, {} of them false; {} drills passed in a row; {} canaries landed \
         in a row; {} effects proven",
        moment(row.since_ms),
        row.decisions,
        row.false_decisions,
        row.drills_passed,
        row.canaries_landed,
        row.effects_proven,
    );
    for command in raises(row, waiting) {
        let mode = command.command.pointer("/trust/mode").and_then(|mode| mode.as_str()).unwrap_or("?");
        let _infallible = writeln!(out, "  asked for and not due yet: {mode}");
    }
    match next_of(row) {
        None => out.push_str("  nothing lies above halt\n"),
        Some((next, criteria)) => {
            let met = criteria.iter().all(|criterion| criterion.met);
            let word = if met { "met" } else { "not met yet" };
            let _infallible = writeln!(out, "  for {}: {word}", modes::word(next));
            for criterion in &criteria {
                let mark = if criterion.met { "yes" } else { "no " };
                let _infallible =
                    writeln!(out, "    {mark} {} (the record: {})", criterion.need, criterion.have);
            }
        }
    }
    out.push('\n');
    out
}

/// What is asked for.
struct Wish {
    target: Slug,
    mode: Mode,
    by: Slug,
    with: Option<Slug>,
    days: u32,
}

async fn set(
    store: &Store,
    loaded: &Loaded,
    wish: &Wish,
    (anyway, file): (bool, &Path),
    json: bool,
) -> Result<String, CliError> {
    let groups = act::by_group(loaded, &[wish.target])?;
    let rows = store.trust().await?;
    let row = rows.iter().find(|row| row.target == wish.target.as_str());
    let present = row.map_or(Mode::Observe, |row| modes::mode_of(&row.mode));
    let raises = wish.mode > present;
    if raises && let Some(row) = row {
        let unmet: Vec<String> = unmet(row, present, wish.mode);
        if !unmet.is_empty() && !anyway {
            return Err(CliError::UnmetCriteria { mode: modes::word(wish.mode), unmet: unmet.join("; ") });
        }
    }
    let command = command(wish, raises)?;
    let mut told = Vec::new();
    for (group, _) in groups {
        if let Some(request) = Request::of(group, &command) {
            return ask(&loaded.config.operate.approvers, &request, file, json);
        }
        let logs = tell::logs_of(store, group).await?;
        told.extend(logs.into_iter().map(|log| (log, command.clone())));
    }
    let rows = tell::put(store, &told).await?;
    let answers = tell::answers(store, &rows).await?;
    if json {
        let text = serde_json::to_string(&json!({ "ok": true, "commands": tell::shown(&answers) }));
        return text.map(|text| text + "\n").map_err(CliError::json);
    }
    Ok(format!("{} goes no further than {} from now on.\n", wish.target, modes::word(wish.mode)))
}

/// What the steps from here to there lack.
fn unmet(row: &TrustRow, present: Mode, wanted: Mode) -> Vec<String> {
    let steps = modes::WORDS.iter().map(|(_, mode)| *mode).filter(|mode| *mode > present && *mode <= wanted);
    let lacking = steps.flat_map(|mode| {
        let criteria = modes::criteria(row, mode, now()).into_iter().filter(|criterion| !criterion.met);
        criteria.map(move |c| format!("{}: {} (the record: {})", modes::word(mode), c.need, c.have))
    });
    lacking.collect()
}

fn command(wish: &Wish, raises: bool) -> Result<Command, CliError> {
    let Wish { target, mode, by, with, days } = *wish;
    if !raises {
        return Ok(Command::SetMode { target, mode, by });
    }
    // SECURITY: the engine refuses it too; here it is only said sooner.
    let with = with.filter(|with| *with != by).ok_or(CliError::SecondPerson)?;
    let until_ms = now_ms().saturating_add(u64::from(days).saturating_mul(DAY_MS));
    Ok(Command::Trust { target, mode, by, with, until_ms })
}

/// Writes down what both have to sign.
fn ask(approvers: &Approvers, request: &Request, file: &Path, json: bool) -> Result<String, CliError> {
    for name in [&request.by, &request.with] {
        if !approvers.knows(name) {
            return Err(CliError::NotApproved(approve::stranger(name)));
        }
    }
    let text = request.text();
    std::fs::write(file, &text).map_err(|why| CliError::RequestFile {
        what: "the request cannot be written to",
        path: file.to_owned(),
        why: why.to_string(),
    })?;
    if json {
        let answer = json!({ "ok": true, "request": file, "text": text, "namespace": approve::NAMESPACE });
        return serde_json::to_string(&answer).map(|text| text + "\n").map_err(CliError::json);
    }
    let (by, with, file) = (request.by, request.with, file.display());
    Ok(format!(
        "{file} is the request. {by} and {with} read and sign it, each with a key of their own:\n\n  ssh-keygen -Y sign -n \
         {} -f KEY {file}\n\nThen bring it: portcullis modes lend {file} --signature FILE --signature FILE\n",
        approve::NAMESPACE
    ))
}

/// Brings what both have signed to the running service.
async fn lend(
    store: &Store,
    loaded: &Loaded,
    file: &Path,
    signatures: &[PathBuf],
    json: bool,
) -> Result<String, CliError> {
    let fail = |path: &Path, why: String| {
        let what = "what was to be signed, or a signature, cannot be read:";
        CliError::RequestFile { what, path: path.to_owned(), why }
    };
    let read = |path: &Path| {
        crate::config::read_bounded(path, approve::REQUEST_BYTES).map_err(|why| fail(path, why.to_string()))
    };
    let request = Request::parse(&read(file)?).map_err(|why| fail(file, why))?;
    let signatures: Vec<String> = signatures.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    // SECURITY: the service checks it too; here it is only said sooner.
    loaded.config.operate.approvers.check(&request, &signatures).map_err(CliError::NotApproved)?;
    act::by_group(loaded, &[request.target])?;
    let mut rows = Vec::new();
    for log in tell::logs_of(store, request.group).await? {
        rows.push(store.ask_signed(&log, &request.command(), &signatures).await?);
    }
    waits(&rows, loaded.config.operate.trust_delay_secs, json)
}

fn waits(rows: &[i64], delay_secs: u64, json: bool) -> Result<String, CliError> {
    if json {
        let text = serde_json::to_string(&json!({ "ok": true, "waiting": rows, "delay_secs": delay_secs }));
        return text.map(|text| text + "\n").map_err(CliError::json);
    }
    Ok(format!(
        "Asked for. The running service lends it in {delay_secs} s, unless a false alarm is reported before; \
         `portcullis modes` shows it.\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(with: Option<&str>) -> Wish {
        let name = |text: &str| Slug::new(text).unwrap();
        Wish { target: name("home"), mode: Mode::Halt, by: name("ada"), with: with.map(name), days: 3 }
    }

    #[test]
    fn raising_needs_somebody_else_and_lowering_does_not() {
        assert!(matches!(command(&wish(None), true), Err(CliError::SecondPerson)));
        assert!(matches!(command(&wish(Some("ada")), true), Err(CliError::SecondPerson)));
        let Ok(Command::Trust { until_ms, .. }) = command(&wish(Some("bob")), true) else { panic!("raised") };
        assert!(until_ms.abs_diff(now_ms()) >= 3 * DAY_MS - 60_000);
        assert!(matches!(command(&wish(None), false), Ok(Command::SetMode { .. })));
    }
}
