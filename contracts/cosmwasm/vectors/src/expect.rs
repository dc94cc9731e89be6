//! What a vector expects, compared line by line: a name, then every field that is the same on all machines.

use serde_json::{Value, json};

use crate::call::limit;
use crate::names::World;
use crate::{Done, Event, Machine, object};

pub(crate) fn outcome(names: &World, step: &Value, outcome: &Result<Done, String>) -> Result<(), String> {
    let done = match (outcome, step.get("error")) {
        (Err(text), Some(error)) => return same("error", &error_line(names, text), &wanted(error)?),
        (Err(text), None) => return Err(format!("wanted success, got {}", error_line(names, text))),
        (Ok(_), Some(error)) => return Err(format!("wanted {}, got success", wanted(error)?)),
        (Ok(done), None) => done,
    };
    if let Some(returns) = step.get("returns") {
        same("returns", &format!("{:?}", done.data.as_ref()), &format!("{:?}", Some(returns)))?;
    }
    let events = step.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let wanted: Vec<String> = events.iter().map(wanted).collect::<Result<_, _>>()?;
    let got: Vec<String> = done.events.iter().map(|event| event_line(names, event)).collect();
    same("events", &format!("{got:#?}"), &format!("{wanted:#?}"))
}

pub(crate) fn after(machine: &mut dyn Machine, names: &World, after: &Value) -> Result<(), String> {
    for (name, fields) in object(after)? {
        for (field, wanted) in object(fields)? {
            let got = if names.is_account(name) {
                let account = names.account(&json!(name))?;
                tripper(&machine.query(&json!({"tripper_of": {"account": account}}))?, field)?
            } else {
                scope(machine, names, name, field)?
            };
            same(&format!("after, {name} {field}"), &got, &plain(wanted)?)?;
        }
    }
    Ok(())
}

fn tripper(answer: &Value, field: &str) -> Result<String, String> {
    match field {
        "active" => plain(&json!(u8::from(answer["active"] == true))),
        "budgetSeconds" => plain(&answer["budget_seconds"]),
        "leftSeconds" => plain(&answer["left_seconds"]),
        other => Err(format!("nothing here understands `{other}` of an account")),
    }
}

fn scope(machine: &mut dyn Machine, names: &World, name: &str, field: &str) -> Result<String, String> {
    let scope = names.scope_id(&json!(name))?;
    let of = |question: &str| json!({question: {"scope": scope}});
    let state = match field {
        "level" => return plain(&machine.query(&of("level_of"))?),
        "used" => {
            let used = machine.query(&of("used_of"))?;
            let parts = ["hour", "day", "week"].map(|window| plain(&used[window]));
            return Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.join("/"));
        }
        _ => machine.query(&of("state_of"))?,
    };
    let got = match field {
        "registered" => json!(u8::from(state["registered"] == true)),
        "hold" => state["hold"].clone(),
        "generation" => state["generation"].clone(),
        "closedUntil" => state["closed_until"].clone(),
        "closedUntilHeight" => state["closed_until_height"].clone(),
        "limitedUntil" => state["limited_until"].clone(),
        "limitedUntilHeight" => state["limited_until_height"].clone(),
        other => return Err(format!("nothing here understands `{other}` of a scope")),
    };
    names.written(field, &plain(&got)?).ok_or_else(|| format!("{field} is not compared"))
}

fn event_line(names: &World, (name, fields): &Event) -> String {
    line(names, name, fields.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// `Name key=value key=value`, as the contract's errors are written; what stands around it is dropped.
fn error_line(names: &World, text: &str) -> String {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    line(names, name, words.filter_map(|word| word.split_once('=')))
}

fn line<'a>(names: &World, name: &str, fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let fields = fields.filter_map(|(key, value)| Some(format!(" {key}={}", names.written(key, value)?)));
    name.to_owned() + &fields.collect::<String>()
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
