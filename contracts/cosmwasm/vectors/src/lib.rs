//! Runs `contracts/vectors` against a guard that is spoken to in JSON. What the machine is, in process or a node, it says
//! itself by a [`Machine`]; what a vector calls and expects is read here, and what is not known here fails.

mod call;
mod expect;
mod names;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

pub use names::World;

/// The files, without `world.json` and `digests.json`.
pub const FILES: [&str; 8] = ["trips", "expiry", "budget", "signed", "roles", "scopes", "limits", "release"];

/// An event: its name without `wasm-`, and its attributes in order, without `_contract_address`.
pub type Event = (String, Vec<(String, String)>);

/// What a call that succeeded left.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// The answer's data.
    pub data: Option<Value>,
    /// The guard's events.
    pub events: Vec<Event>,
}

/// A guard somewhere, and the accounts that speak to it.
pub trait Machine {
    /// A fresh guard.
    ///
    /// # Errors
    /// What the guard, or the machine, says.
    fn instantiate(&mut self, msg: &Value) -> Result<(), String>;
    /// Where the cases begin: at this time (Unix seconds) and height, or where a machine is that has a clock of its own.
    ///
    /// # Errors
    /// When the machine does not know.
    fn start(&mut self, time: u64, height: u64) -> Result<(u64, u64), String>;
    /// The next call happens at this time (Unix seconds) and height.
    ///
    /// # Errors
    /// When the machine cannot go there.
    fn at(&mut self, time: u64, height: u64) -> Result<(), String>;
    /// A call of the account with this name.
    ///
    /// # Errors
    /// The contract's own error text; a machine's own troubles panic.
    fn execute(&mut self, by: &str, msg: &Value) -> Result<Done, String>;
    /// A question.
    ///
    /// # Errors
    /// What the guard, or the machine, says.
    fn query(&mut self, msg: &Value) -> Result<Value, String>;
    /// The address of the account with this name; the same name is always the same account.
    fn address(&self, name: &str) -> String;
    /// The account `signer` signs 32 bytes: r, s, v in hex.
    fn sign(&self, digest: &str) -> String;
}

/// What was run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Cases, each with a guard of its own.
    pub cases: usize,
    /// Steps of all cases.
    pub steps: usize,
}

/// Runs one file of the folder, or those of its cases that `chosen` picks.
///
/// # Errors
/// The first difference: file, case, step, what was wanted and what came.
pub fn run(
    machine: &mut dyn Machine,
    folder: &Path,
    file: &str,
    chosen: &dyn Fn(&Value) -> bool,
) -> Result<Count, String> {
    let world = read(&folder.join("world.json"))?;
    let cases = read(&folder.join(format!("{file}.json")))?;
    let cases = cases.get("cases").and_then(Value::as_array).ok_or_else(|| format!("{file}: no cases"))?;
    let mut count = Count::default();
    for case in cases.iter().filter(|case| chosen(case)) {
        count.cases += 1;
        count.steps += one(machine, &world, case).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(count)
}

fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn one(machine: &mut dyn Machine, world: &Value, case: &Value) -> Result<usize, String> {
    known_keys(case, &["rule", "name", "steps", "config", "without", "unset", "unsealed"])?;
    let title = case["name"].as_str().ok_or("a case without a name")?;
    let names = build(machine, world, case).map_err(|error| format!("{title}: {error}"))?;
    let steps = case["steps"].as_array().ok_or_else(|| format!("{title}: no steps"))?;
    let (mut time, mut height) = (0, 0);
    for (index, step) in steps.iter().enumerate() {
        known_keys(step, &["time", "height", "call", "by", "args", "returns", "error", "events", "after"])?;
        time = step.get("time").map_or(Some(time), Value::as_u64).ok_or("a time that is no number")?;
        height =
            step.get("height").map_or(Some(height), Value::as_u64).ok_or("a height that is no number")?;
        machine.at(names.time + time, names.height + height)?;
        run_step(machine, &names, step).map_err(|error| format!("{title}, step {}: {error}", index + 1))?;
    }
    Ok(steps.len())
}

fn run_step(machine: &mut dyn Machine, names: &World, step: &Value) -> Result<(), String> {
    if let Some(name) = step.get("call") {
        let name = name.as_str().ok_or("a call that is no text")?;
        let msg = call::message(machine, names, name, &step["args"])?;
        let by = step["by"].as_str().ok_or("nobody calls")?;
        let outcome = machine.execute(by, &msg);
        expect::outcome(names, step, &outcome)?;
    }
    if let Some(after) = step.get("after") {
        expect::after(machine, names, after)?;
    }
    Ok(())
}

/// A guard as `world.json` describes it, with what the case overrides.
fn build(machine: &mut dyn Machine, world: &Value, case: &Value) -> Result<World, String> {
    let mut names = World::new(machine, world)?;
    machine.at(names.time, names.height)?;
    let setting = |name: &str| case["config"].get(name).unwrap_or(&world["config"][name]).clone();
    let unset = case.get("unset").is_some();
    let people = |name: &str| if unset { Value::Null } else { json!(machine.address(name)) };
    let config = json!({
        "owner": machine.address("owner"),
        "releaser": people("releaser"),
        "guardian": people("guardian"),
        "max_seconds": setting("maxSeconds"),
        "max_blocks": setting("maxBlocks"),
        "limited_tail_seconds": setting("limitedTailSeconds"),
        "limited_tail_blocks": setting("limitedTailBlocks"),
        "budget_window_hours": setting("budgetWindowHours"),
    });
    machine.instantiate(&config)?;
    for (name, budget) in object(&world["trippers"])? {
        let account = machine.address(name);
        machine
            .execute("owner", &json!({"grant_tripper": {"account": account, "budget_seconds": budget}}))?;
    }
    let (bridge, consumer) = (names::text("bridge")?, machine.address("bridge"));
    machine.execute("owner", &json!({"register_bridge": {"bridge": bridge, "consumer": consumer}}))?;
    for (name, scope) in object(&world["scopes"])? {
        let parts = names::parts(scope)?;
        let id = machine.query(&json!({"scope_of": parts}))?;
        names.scope(name, id.as_str().ok_or("a scope that is no text")?);
        if scope["registered"] == true && case["without"].get(name).is_none() {
            machine.execute("owner", &json!({"register_scope": parts}))?;
        }
    }
    if case.get("unsealed").is_none() {
        machine.execute("owner", &json!({"seal": {}}))?;
    }
    Ok(names)
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{value} is no object"))
}

/// Refuses what nothing here looks at.
fn known_keys(value: &Value, known: &[&str]) -> Result<(), String> {
    match object(value)?.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("nothing here understands `{key}`")),
        None => Ok(()),
    }
}
