//! What a vector expects, compared line by line: a name, then every field that is the same on all machines.

use serde_json::Value;

use super::call::{Outcome, limit};
use super::names::World;
use super::{Machine, object};
use crate::event::{Event, events, refusal};
use crate::{Failed, Word};

pub(super) fn outcome(names: &World, call: &str, step: &Value, outcome: &Outcome) -> Result<(), String> {
    let done = match (outcome, step.get("error")) {
        (Err(failed), Some(error)) => {
            return same("error", &error_line(names, call, failed), &wanted(error)?);
        }
        (Err(failed), None) => {
            return Err(format!("wanted success, got {} {failed:#?}", error_line(names, call, failed)));
        }
        (Ok(_), Some(error)) => return Err(format!("wanted {}, got success", wanted(error)?)),
        (Ok(done), None) => done,
    };
    if let Some(Value::Bool(returns)) = step.get("returns") {
        // Nodes cut zeros off the end of what is returned: false may be no data at all.
        let said = match done.returned.as_slice() {
            [] | [0] => false,
            [1] => true,
            other => return Err(format!("returns {other:?}")),
        };
        same("returns", &said.to_string(), &returns.to_string())?;
    } else if step.get("returns").is_some() {
        return Err("only booleans are compared".to_owned());
    }
    let said = step.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let wanted: Vec<String> = said.iter().map(wanted).collect::<Result<_, _>>()?;
    let got: Vec<String> = events(&done.logs).iter().map(|event| line(names, event)).collect();
    same("events", &format!("{got:#?}"), &format!("{wanted:#?}"))
}

pub(super) fn after(machine: &Machine<'_>, names: &World, after: &Value) -> Result<(), String> {
    for (name, fields) in object(after)? {
        for (field, wanted) in object(fields)? {
            let got = if names.is_account(name) {
                tripper(machine, &names.account(&Value::from(name.as_str()))?, field)?
            } else {
                let scope = names.scope_id(&Value::from(name.as_str()))?;
                let got = scope_field(machine, &scope, field)?;
                names.written(field, &got).ok_or_else(|| format!("{field} is not compared"))?
            };
            same(&format!("after, {name} {field}"), &got, &plain(wanted)?)?;
        }
    }
    Ok(())
}

/// Little-endian number of up to sixteen bytes.
fn number(data: &[u8], at: usize, length: usize) -> u128 {
    let bytes = data.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// What is left of a tripper's budget, by the hours in its account.
fn tripper(machine: &Machine<'_>, key: &Word, field: &str) -> Result<String, String> {
    let data = machine.chain.account(&machine.guard.tripper(key)).map(|(_, data)| data).unwrap_or_default();
    let (active, budget) = (number(&data, 9, 1), number(&data, 12, 4));
    let got = match field {
        "active" => active,
        "budgetSeconds" => budget,
        "leftSeconds" => {
            let hours = u64::try_from(data.len().saturating_sub(96) / 4).unwrap_or_default();
            let now = machine.chain.now().0 / 3_600;
            let latest = u64::try_from(number(&data, 80, 8)).unwrap_or_default();
            let spent: u128 = (now.saturating_sub(hours.saturating_sub(1))..=latest)
                .map(|hour| {
                    let place =
                        usize::try_from(hour.checked_rem(hours).unwrap_or_default()).unwrap_or_default();
                    number(&data, 96 + 4 * place, 4)
                })
                .sum();
            if active == 1 { budget.saturating_sub(spent) } else { 0 }
        }
        other => return Err(format!("nothing here understands `{other}` of an account")),
    };
    Ok(got.to_string())
}

fn scope_field(machine: &Machine<'_>, scope: &Word, field: &str) -> Result<String, String> {
    if field == "used" {
        return Ok(used(machine, scope));
    }
    let account = machine.chain.account(&machine.guard.scope(scope, machine.lane));
    let breaker = machine.chain.account(&machine.guard.breaker).map(|(_, data)| data).unwrap_or_default();
    let Some((_, data)) = account else {
        return Ok(match field {
            "level" => "2",
            _ => "0",
        }
        .to_owned());
    };
    let mut word = data.get(80..112).unwrap_or_default().to_vec();
    // Least significant first, as the layout counts its bits.
    word.reverse();
    let (now, slot) = machine.chain.now();
    let holds = |until, height| {
        u128::from(now) < number(&word, until, 5) || u128::from(slot) < number(&word, height, 5)
    };
    let hold = number(&word, 1, 1);
    let got = match field {
        "level" if breaker.get(9) != Some(&1) => 2,
        "level" if hold == 2 || holds(2, 7) => 2,
        "level" if holds(12, 17) => 1,
        "level" | "hold" => hold,
        "registered" => number(&word, 0, 1),
        "generation" => number(&word, 22, 4),
        "closedUntil" => number(&word, 2, 5),
        "closedUntilHeight" => number(&word, 7, 5),
        "limitedUntil" => number(&word, 12, 5),
        "limitedUntilHeight" => number(&word, 17, 5),
        other => return Err(format!("nothing here understands `{other}` of a scope")),
    };
    Ok(got.to_string())
}

/// Hour, day and week, by the quarters in the book.
fn used(machine: &Machine<'_>, scope: &Word) -> String {
    let data = machine.chain.account(&machine.guard.book(scope)).map(|(_, data)| data).unwrap_or_default();
    let now = machine.chain.now().0;
    let window = |(at, length): (usize, u64)| {
        let passed =
            (now / length).saturating_sub(u64::try_from(number(&data, at + 8, 8)).unwrap_or_default());
        let counted = 5_usize.saturating_sub(usize::try_from(passed).unwrap_or(5));
        (0..counted).map(|index| number(&data, at + 16 + 16 * index, 16)).sum::<u128>().to_string()
    };
    [(288, 900), (384, 21_600), (480, 151_200)].map(window).join("/")
}

/// What was refused. A signature that does not hold is refused by the machine, before the guard runs.
fn error_line(names: &World, call: &str, failed: &Failed) -> String {
    match refusal(&failed.logs) {
        Some(event) => line(names, &event),
        None if call == "tripSigned" && failed.reason.starts_with("InstructionError(0, ") => {
            "InvalidSignature".to_owned()
        }
        None => failed.reason.clone(),
    }
}

fn line(names: &World, event: &Event) -> String {
    let fields =
        event.fields.iter().filter_map(|(key, value)| Some(format!(" {key}={}", names.written(key, value)?)));
    event.name.clone() + &fields.collect::<String>()
}

fn wanted(value: &Value) -> Result<String, String> {
    let fields = object(value)?;
    let mut line = fields.get("name").and_then(Value::as_str).ok_or("no name")?.to_owned();
    for (key, value) in fields.iter().filter(|(key, _)| *key != "name") {
        line += &format!(" {key}={}", plain(value)?);
    }
    Ok(line)
}

/// Numbers in decimal, booleans as 0 or 1, limits and lists with slashes.
fn plain(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => u8::from(*yes).to_string(),
        Value::Array(parts) => parts.iter().map(limit).collect::<Result<Vec<_>, _>>()?.join("/"),
        other => return Err(format!("{other} is not compared")),
    })
}

fn same(what: &str, got: &str, wanted: &str) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{what}:\n  got    {got}\n  wanted {wanted}")) }
}
