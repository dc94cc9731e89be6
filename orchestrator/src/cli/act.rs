//! `portcullis contain` and `portcullis stop`: what people decide themselves.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use portcullis_core::Command;
use portcullis_verifier::{ActionId, B256, GroupId, Level, Slug};

use super::{CliError, ConfigArg, answer, format::short, open, print, print_json, tell};
use crate::config::Loaded;
use crate::store::commands::CommandRow;

/// Arguments of `portcullis contain`.
#[derive(Debug, Args)]
pub(super) struct ContainArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Guards by their configured ids; none means every guard of every group.
    targets: Vec<Slug>,
    /// How tight.
    #[arg(long, value_enum, default_value_t = Tightness::Closed)]
    level: Tightness,
    #[command(flatten)]
    who: Who,
}

/// How tight people can ask a gate to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Tightness {
    /// Its limits of trouble hold.
    Limited,
    /// Nothing leaves.
    Closed,
}

/// Who and why, for the record.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// Who says so; stands in the record.
    #[arg(long, value_name = "NAME")]
    pub(super) by: Slug,
    /// Why; stands in the record.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
}

/// Arguments of `portcullis stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Id of the action, or enough of its beginning; `incidents show` lists them.
    action: String,
    #[command(flatten)]
    who: Who,
}

/// Named guards by group; all of every group where none is named.
///
/// # Errors
/// When no guard has a name.
pub(super) fn by_group(loaded: &Loaded, targets: &[Slug]) -> Result<Vec<(GroupId, Vec<Slug>)>, CliError> {
    let engines = loaded.config.engines();
    let known: Vec<Slug> = engines.iter().flat_map(|engine| &engine.targets).map(|t| t.id).collect();
    if let Some(unknown) = targets.iter().find(|name| !known.contains(name)) {
        let known = known.iter().map(Slug::as_str).collect::<Vec<_>>().join(", ");
        return Err(CliError::NoGate { name: *unknown, known });
    }
    let groups = engines.iter().filter_map(|engine| {
        let own = engine.targets.iter().map(|t| t.id).filter(|id| targets.is_empty() || targets.contains(id));
        let own: Vec<Slug> = own.collect();
        (!own.is_empty()).then_some((engine.group, own))
    });
    Ok(groups.collect())
}

pub(super) async fn contain(args: &ContainArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let groups = by_group(&loaded, &args.targets)?;
    let level = match args.level {
        Tightness::Limited => Level::Limited,
        Tightness::Closed => Level::Closed,
    };
    let opened = open::record(&loaded.config.store).await?;
    let told = async {
        let mut commands = Vec::new();
        for (group, targets) in groups {
            let (by, reason) = (args.who.by, args.who.reason.clone());
            let command = Command::Contain { targets, level, by, reason };
            let logs = tell::logs_of(&opened.store, group).await?;
            commands.extend(logs.into_iter().map(|log| (log, command.clone())));
        }
        let rows = tell::put(&opened.store, &commands).await?;
        tell::answers(&opened.store, &rows).await
    };
    let rows = told.await;
    opened.close().await;
    let rows = rows?;
    let actions = rows.iter().map(|row| tell::list(row, "actions").len()).fold(0, usize::saturating_add);
    if json {
        let answers = tell::shown(&rows);
        print_json(&serde_json::json!({ "ok": true, "actions": actions, "commands": answers }))?;
    } else {
        print(&describe(&rows, actions))?;
    }
    Ok(answer(true))
}

fn describe(rows: &[CommandRow], actions: usize) -> String {
    let mut out = match actions {
        0 => "Every gate named is as tight as that already, or was asked to be a moment ago.\n".to_owned(),
        count => format!("{count} actions are under way:\n"),
    };
    let mut incident = None;
    for action in rows.iter().flat_map(|row| tell::list(row, "actions")) {
        incident = Some(tell::text(action, "incident"));
        // Writing into a text cannot fail.
        let _infallible = writeln!(
            out,
            "  {} on {}: {}  action {}",
            short(tell::text(action, "target")),
            tell::text(action, "chain"),
            tell::text(action, "level"),
            tell::text(action, "id"),
        );
    }
    out.push_str(&tell::said(rows));
    if let Some(incident) = incident {
        let _infallible = writeln!(out, "Follow them with: portcullis incidents show {incident}");
    }
    out
}

pub(super) async fn stop(args: &StopArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let opened = open::record(&loaded.config.store).await?;
    let told = async {
        let prefix = args.action.to_ascii_lowercase();
        let prefix = prefix.strip_prefix("0x").unwrap_or(&prefix);
        let hexadecimal = prefix.chars().all(|c| c.is_ascii_hexdigit());
        let found = if hexadecimal { opened.store.logs_of_action(prefix).await? } else { Vec::new() };
        let mut ids: Vec<&[u8]> = found.iter().map(|(_, id)| id.as_slice()).collect();
        ids.sort_unstable();
        ids.dedup();
        let id = match ids.as_slice() {
            [id] => B256::try_from(*id).map_err(|_length| CliError::NoAction(args.action.clone()))?,
            [] => return Err(CliError::NoAction(args.action.clone())),
            more => {
                return Err(CliError::AmbiguousAction { prefix: args.action.clone(), count: more.len() });
            }
        };
        let stop =
            || Command::Stop { action: ActionId(id), by: args.who.by, reason: args.who.reason.clone() };
        let commands: Vec<_> = found.iter().map(|(log, _)| (*log, stop())).collect();
        let rows = tell::put(&opened.store, &commands).await?;
        Ok((id, tell::answers(&opened.store, &rows).await?))
    };
    let told = told.await;
    opened.close().await;
    let (id, rows) = told?;
    if json {
        print_json(&serde_json::json!({ "ok": true, "action": id, "commands": tell::shown(&rows) }))?;
    } else {
        print(&format!(
            "Action {id} is given up: nothing more is signed or sent for it. What landed already stays.\n"
        ))?;
    }
    Ok(answer(true))
}
