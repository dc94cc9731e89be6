//! Runs `contracts/vectors` against the guard on a chain: what a vector calls and expects is read here, and what is not known
//! here fails.

mod call;
mod expect;
mod names;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::address::{keccak256, text};
use crate::{Chain, Config, Guard, Ix, Key, Word};
use names::World;

/// The files, without `world.json` and `digests.json`.
pub const FILES: [&str; 8] = ["trips", "expiry", "budget", "signed", "roles", "scopes", "limits", "release"];
/// The chain that the guards of the vectors believe to be on.
const CHAIN: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";

/// What was run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Cases, each with a guard of its own.
    pub cases: usize,
    /// Steps of all cases.
    pub steps: usize,
}

/// Everything that one case works with.
struct Machine<'a> {
    chain: &'a mut dyn Chain,
    guard: Guard,
    /// The lane that trips, holds and releases go to.
    lane: u8,
}

/// Runs one file of the folder, or those of its cases that `chosen` picks, in one lane of the scopes.
///
/// # Errors
/// The first difference: file, case, step, what was wanted and what came.
pub fn run(
    chain: &mut dyn Chain,
    program: &Word,
    (folder, file): (&Path, &str),
    lane: u8,
    chosen: &dyn Fn(&Value) -> bool,
) -> Result<Count, String> {
    let world = read(&folder.join("world.json"))?;
    let cases = read(&folder.join(format!("{file}.json")))?;
    let cases = cases.get("cases").and_then(Value::as_array).ok_or_else(|| format!("{file}: no cases"))?;
    let mut count = Count::default();
    for case in cases.iter().filter(|case| chosen(case)) {
        count.cases += 1;
        let title = case["name"].as_str().ok_or("a case without a name")?;
        // A guard of its own for each case: its name is made from the case and the chain's time.
        let now = chain.now();
        let name = keccak256(&[title.as_bytes(), file.as_bytes(), &now.1.to_le_bytes(), &[lane]]);
        let caip2 = keccak256(&[CHAIN.as_bytes()]);
        let guard = Guard::of(*program, &Key::named("creator").address(), &name, caip2);
        let mut machine = Machine { chain: &mut *chain, guard, lane };
        count.steps +=
            one(&mut machine, &world, case, &name).map_err(|error| format!("{file}: {title}: {error}"))?;
    }
    Ok(count)
}

fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn one(machine: &mut Machine<'_>, world: &Value, case: &Value, name: &Word) -> Result<usize, String> {
    known_keys(case, &["rule", "name", "steps", "config", "without", "unset", "unsealed"])?;
    let names = build(machine, world, case, name)?;
    let steps = case["steps"].as_array().ok_or("no steps")?;
    let (mut time, mut height) = (0, 0);
    for (index, step) in steps.iter().enumerate() {
        known_keys(step, &["time", "height", "call", "by", "args", "returns", "error", "events", "after"])?;
        time = step.get("time").map_or(Some(time), Value::as_u64).ok_or("a time that is no number")?;
        height =
            step.get("height").map_or(Some(height), Value::as_u64).ok_or("a height that is no number")?;
        let place = |error: String| format!("step {}: {error}", index + 1);
        if step.get("time").is_some() || step.get("height").is_some() {
            machine.at(names.time + time, names.height + height).map_err(place)?;
        }
        run_step(machine, &names, step).map_err(place)?;
    }
    Ok(steps.len())
}

fn run_step(machine: &mut Machine<'_>, names: &World, step: &Value) -> Result<(), String> {
    if let Some(name) = step.get("call") {
        let name = name.as_str().ok_or("a call that is no text")?;
        let by = step["by"].as_str().ok_or("nobody calls")?;
        let outcome = call::send(machine, names, name, by, &step["args"])?;
        expect::outcome(names, name, step, &outcome)?;
    }
    if let Some(after) = step.get("after") {
        expect::after(machine, names, after)?;
    }
    Ok(())
}

impl Machine<'_> {
    fn at(&mut self, time: u64, height: u64) -> Result<(), String> {
        self.chain.at(time, height).map_err(|error| error.to_string())
    }

    /// Sends what must succeed.
    fn must(&mut self, instructions: &[Ix], signers: &[&Key]) -> Result<(), String> {
        let done = self.chain.send(instructions, signers);
        done.map(drop).map_err(|failed| format!("{}: {:#?}", failed.reason, failed.logs))
    }
}

/// A guard as `world.json` describes it, with what the case overrides.
fn build(machine: &mut Machine<'_>, world: &Value, case: &Value, name: &Word) -> Result<World, String> {
    let start = |name: &str| world["start"][name].as_u64().ok_or_else(|| format!("no start {name}"));
    // A chain with a clock of its own begins where it is.
    let wanted = (start("time")?, start("height")?);
    let begin = if machine.at(wanted.0, wanted.1).is_ok() { wanted } else { machine.chain.now() };
    let mut names = World::new(begin);
    let setting = |name: &str| {
        let value = case["config"].get(name).unwrap_or(&world["config"][name]);
        value.as_u64().ok_or_else(|| format!("no {name}"))
    };
    let small = |name: &str| setting(name).and_then(|n| u32::try_from(n).map_err(|_| name.to_owned()));
    let unset = case.get("unset").is_some();
    let person = |name: &str| if unset { [0; 32] } else { Key::named(name).address() };
    let config = Config {
        owner: Key::named("owner").address(),
        releaser: person("releaser"),
        guardian: person("guardian"),
        caip2: machine.guard.caip2,
        max_seconds: small("maxSeconds")?,
        max_blocks: small("maxBlocks")?,
        limited_tail_seconds: small("limitedTailSeconds")?,
        limited_tail_blocks: small("limitedTailBlocks")?,
        budget_window_hours: u16::try_from(setting("budgetWindowHours")?)
            .map_err(|error| error.to_string())?,
    };
    let (guard, owner) = (machine.guard, Key::named("owner"));
    let (address, creator) = (owner.address(), Key::named("creator"));
    machine.must(&[guard.initialize(&address, &creator.address(), name, &config)], &[&owner, &creator])?;
    for (name, budget) in object(&world["trippers"])? {
        let budget = budget.as_u64().and_then(|budget| u32::try_from(budget).ok()).ok_or("no budget")?;
        machine.must(&[guard.grant_tripper(&address, &Key::named(name).address(), budget)], &[&owner])?;
    }
    let consumer = Key::named("bridge").address();
    machine.must(&[guard.register_bridge(&address, &text("bridge"), &consumer)], &[&owner])?;
    for (name, scope) in object(&world["scopes"])? {
        let parts = names::parts(scope)?;
        names.scope(name, guard.scope_id(&parts));
        if scope["registered"] == true && case["without"].get(name).is_none() {
            machine.must(&[guard.register_scope(&address, &parts)], &[&owner])?;
        }
    }
    if case.get("unsealed").is_none() {
        machine.must(&[guard.of_owner(9, &address)], &[&owner])?;
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
