//! Random schedules of everything that can go wrong, each checked against the invariants.
//!
//! ```text
//! cargo run --release -p portcullis-core --example schedules -- --schedules 1000000 --seed 7 [--json]
//! cargo run --release -p portcullis-core --example schedules -- --seed 7 --only 123456
//! cargo run --release -p portcullis-core --example schedules -- --choices "steal.2.0 block.2.5"
//! ```
//! A schedule is a function of the seed and its number. One that fails is made as short as it can be and printed with
//! the command that runs it again; the exit code is 1 then.
#![allow(
    unreachable_pub,
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    reason = "a simulation that fails by panicking, outside the service"
)]

#[path = "../../tests/common/mod.rs"]
mod common;

mod check;
mod choice;
mod faults;
mod shell;
mod subject;
mod watch;
mod world;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use check::{Tally, examine, on_one_line, shrink};
use choice::{Choice, OPS, schedule};
use subject::Defect;
use watch::Violation;

const USAGE: &str =
    "schedules [--schedules N] [--seed S] [--threads T] [--only NUMBER] [--choices \"…\"] [--json]";

/// Invariants that are checked after each schedule, with their names.
const INVARIANTS: [(u8, &str); 4] = [
    (2, "replay equality"),
    (3, "order-free verdicts"),
    (4, "three-valued truth, nothing lost"),
    (7, "monotone containment"),
];

struct Options {
    schedules: u64,
    seed: u64,
    threads: u64,
    only: Option<u64>,
    choices: Option<Vec<Choice>>,
    json: bool,
}

fn options() -> Result<Options, String> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut options = Options { schedules: 10_000, seed: 7, threads, only: None, choices: None, json: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
        match word.as_str() {
            "--schedules" => options.schedules = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--threads" => options.threads = number(value()?)?.max(1),
            "--only" => options.only = Some(number(value()?)?),
            "--choices" => {
                options.choices = Some(value()?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
            }
            "--json" => options.json = true,
            other => return Err(format!("{other} is not known; {USAGE}")),
        }
    }
    Ok(options)
}

/// The first failure of a range of schedules by number, and what all of them did.
fn run_all(options: &Options) -> (Tally, u64, Option<(u64, Violation)>) {
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let (mut tally, mut failed) = (Tally::default(), None);
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.schedules {
                break;
            }
            match examine(&schedule(options.seed, number), Defect::None) {
                Ok(one) => tally.add(&one),
                Err(violation) => {
                    failed = Some((number, violation));
                    stop.store(true, Ordering::Relaxed);
                }
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(50_000) && !options.json {
                eprintln!("{done} of {} schedules", options.schedules);
            }
        }
        (tally, failed)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join().expect("violations are caught")).collect()
    });
    let mut all = Tally::default();
    parts.iter().for_each(|(tally, _)| all.add(tally));
    let failed = parts.into_iter().filter_map(|(_, failed)| failed).min_by_key(|(number, _)| *number);
    (all, done.into_inner(), failed)
}

fn explain(found: &[Choice], violation: &Violation) {
    let short = shrink(found, Defect::None, violation.invariant);
    let what = examine(&short, Defect::None).err().map_or_else(|| violation.what.clone(), |v| v.what);
    println!("invariant {} is broken: {what}", violation.invariant);
    println!("{} of {} choices are enough:", short.len(), found.len());
    let line = on_one_line(&short);
    println!("cargo run --release -p portcullis-core --example schedules -- --choices \"{line}\"");
}

fn report(options: &Options, tally: &Tally, done: u64, seconds: f64) {
    let kinds = OPS.iter().zip(tally.choices).map(|((_, name, _), count)| (*name, count));
    if options.json {
        let kinds: Vec<String> = kinds.map(|(name, count)| format!("\"{name}\":{count}")).collect();
        let held: Vec<String> = INVARIANTS.iter().map(|(number, _)| format!("\"{number}\":{done}")).collect();
        println!(
            "{{\"schedules\":{done},\"seed\":{},\"inputs\":{},\"observations\":{},\"claims\":{},\"actions\":{},\"choices\":{{{}}},\"invariants_held\":{{{}}},\"seconds\":{seconds:.1}}}",
            options.seed,
            tally.inputs,
            tally.observations,
            tally.claims,
            tally.actions,
            kinds.join(","),
            held.join(","),
        );
        return;
    }
    println!("{done} schedules of seed {} in {seconds:.1} s on {} threads", options.seed, options.threads);
    println!(
        "{} inputs, {} of them observations; {} claims, {} actions",
        tally.inputs, tally.observations, tally.claims, tally.actions
    );
    let kinds: Vec<String> = kinds.map(|(name, count)| format!("{name} {count}")).collect();
    println!("choices: {}", kinds.join(", "));
    for (number, name) in INVARIANTS {
        println!("invariant {number} ({name}) held in all of them");
    }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    // What panics is reported as a violation, once, and shortened.
    std::panic::set_hook(Box::new(|_| {}));
    let one = options.choices.clone().or(options.only.map(|number| schedule(options.seed, number)));
    if let Some(found) = one {
        return match examine(&found, Defect::None) {
            Ok(tally) => {
                println!("{} choices, {} inputs: every invariant holds", found.len(), tally.inputs);
                ExitCode::SUCCESS
            }
            Err(violation) => {
                explain(&found, &violation);
                ExitCode::FAILURE
            }
        };
    }
    let started = Instant::now();
    let (tally, done, failed) = run_all(&options);
    if let Some((number, violation)) = failed {
        println!("schedule {number} of seed {} fails", options.seed);
        explain(&schedule(options.seed, number), &violation);
        return ExitCode::FAILURE;
    }
    report(&options, &tally, done, started.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
