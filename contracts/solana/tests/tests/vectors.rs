//! `contracts/vectors`, unchanged, against the guard in process: same calls at the same times and slots, same results, events,
//! fields, order, errors and state.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;

use portcullis_solana_tests::address::{keccak256, scope_of, text};
use portcullis_solana_tests::{Count, FILES, Guard, Svm, Trip, Word, run};
use serde_json::Value;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"))
}

fn every_vector(lane: u8) {
    let program = portcullis_solana_tests::program("guard");
    let mut sum = Count::default();
    for file in FILES {
        let mut chain = Svm::new(&["guard"]).unwrap();
        let count = run(&mut chain, &program, (folder(), file), lane, &|_| true)
            .unwrap_or_else(|error| panic!("lane {lane}: {error}"));
        println!("lane {lane}, {file}: {} cases, {} steps", count.cases, count.steps);
        assert_ne!(count.cases, 0, "{file}");
        sum = Count { cases: sum.cases + count.cases, steps: sum.steps + count.steps };
    }
    println!("lane {lane}, all: {} cases, {} steps", sum.cases, sum.steps);
}

#[test]
fn every_vector_gives_the_same_results_events_errors_and_state() {
    every_vector(0);
}

#[test]
fn the_second_lane_obeys_every_vector_too() {
    every_vector(1);
}

#[test]
fn no_file_of_the_vectors_is_left_out() {
    let mut here: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .filter(|name| name != "world" && name != "digests")
        .collect();
    here.sort();
    let mut run = FILES.map(str::to_owned).to_vec();
    run.sort();
    assert_eq!(here, run);
}

/// What the runner must notice: each of these changes one thing in a copy of the vectors, and none may pass.
#[test]
fn a_vector_that_is_wrong_fails() {
    type Spoil = fn(&mut Value);
    let spoil: [(&str, Spoil); 9] = [
        ("another result", |case| case["steps"][0]["returns"] = Value::Bool(false)),
        ("an event less", |case| drop(case["steps"][0].as_object_mut().unwrap().remove("events"))),
        ("another field", |case| case["steps"][0]["events"][0]["level"] = 1.into()),
        ("a field less", |case| {
            drop(case["steps"][0]["events"][0].as_object_mut().unwrap().remove("record"));
        }),
        ("an error", |case| case["steps"][0]["error"] = serde_json::json!({"name": "InvalidSignature"})),
        ("another state", |case| case["steps"][0]["after"]["everything"]["closedUntil"] = 1.into()),
        ("an unknown field of the state", |case| case["steps"][0]["after"]["everything"]["mood"] = 1.into()),
        ("an unknown call", |case| case["steps"][0]["call"] = "dance".into()),
        ("an unknown kind of step", |case| case["steps"][0]["pause"] = 1.into()),
    ];
    let whole: Value = serde_json::from_slice(&std::fs::read(folder().join("trips.json")).unwrap()).unwrap();
    let case = &whole["cases"][0];
    assert!(case["steps"][0]["after"]["everything"].is_object(), "the first case has what is spoiled here");
    let scratch = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("world.json"), scratch.path().join("world.json")).unwrap();
    let ran = |case: &Value| {
        let file = serde_json::json!({"cases": [case]});
        std::fs::write(scratch.path().join("trips.json"), file.to_string()).unwrap();
        let mut chain = Svm::new(&["guard"]).unwrap();
        run(&mut chain, &portcullis_solana_tests::program("guard"), (scratch.path(), "trips"), 0, &|_| true)
    };
    assert_eq!(ran(case).map(|count| count.cases), Ok(1), "unspoiled it passes");
    for (what, change) in spoil {
        let mut case = case.clone();
        change(&mut case);
        assert!(ran(&case).is_err(), "{what} passed");
    }
}

#[test]
fn digests_are_those_of_every_machine() {
    let file: Value = serde_json::from_slice(&std::fs::read(folder().join("digests.json")).unwrap()).unwrap();
    let word = |value: &Value| -> Word {
        let digits = value.as_str().unwrap().trim_start_matches("0x");
        std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
    };
    let name = |value: &Value| text(value.as_str().unwrap());
    let caip2 = |value: &Value| keccak256(&[value["caip2"].as_str().unwrap().as_bytes()]);
    let scopes = file["scopes"].as_array().unwrap();
    for value in scopes {
        let direction = ["any", "in", "out"].iter().position(|name| value["direction"] == *name).unwrap();
        let (bridge, corridor, asset) =
            (name(&value["bridge"]), name(&value["corridor"]), name(&value["asset"]));
        let scope = scope_of(&caip2(value), &bridge, u8::try_from(direction).unwrap(), &corridor, &asset);
        assert_eq!(scope, word(&value["scope"]));
    }
    let actions = file["actions"].as_array().unwrap();
    for value in actions {
        let number = |key: &str| value[key].as_str().unwrap().parse::<u64>().unwrap();
        let trip = Trip {
            scope: word(&value["scope"]),
            level: u8::try_from(value["level"].as_u64().unwrap()).unwrap(),
            until: number("until"),
            until_height: number("untilHeight"),
            incident: name(&value["incident"]),
            record: name(&value["record"]),
            generation: u32::try_from(value["generation"].as_u64().unwrap()).unwrap(),
        };
        let guard = Guard { program: [0; 32], breaker: word(&value["guard"]), caip2: caip2(value) };
        assert_eq!(guard.action_id(&trip), word(&value["actionId"]));
        assert_eq!(guard.trip_message(&trip, number("deadline")), word(&value["message"]));
    }
    println!("digests: {} scopes, {} actions", scopes.len(), actions.len());
    assert!(scopes.len() >= 20 && actions.len() >= 4);
}
