//! Seeds, inputs that failed once, and a fixed number of mutants of them, without an engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use portcullis_fuzz::{
    TARGETS, find,
    mutate::{Random, mutant},
};

/// Mutants per target: seconds, not minutes. `cargo xtask fuzz` does the searching.
const MUTANTS: u64 = 1_500;

#[test]
fn every_target_stands_its_seeds_and_what_failed_once() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has nothing to start from", target.name);
        for seed in &seeds {
            assert!(seed.len() <= target.most_bytes, "{}: a seed of {} bytes", target.name, seed.len());
            (target.feed)(seed);
        }
        for (name, bytes) in target.regressions() {
            println!("{}/{name}", target.name);
            (target.feed)(&bytes);
        }
        (target.feed)(&[]);
    }
}

#[test]
fn every_target_stands_mutants_of_its_seeds() {
    for target in TARGETS {
        let mut seeds = (target.seeds)();
        seeds.extend(target.regressions().into_iter().map(|(_, bytes)| bytes));
        let mut random = Random::new(u64::from(target.name.as_bytes()[0]));
        for _ in 0..MUTANTS {
            let (one, other) = (random.below(seeds.len()), random.below(seeds.len()));
            let input = mutant(&mut random, &seeds[one], &seeds[other], target.most_bytes);
            (target.feed)(&input);
        }
    }
}

#[test]
fn names_are_distinct_and_every_folder_of_regressions_has_its_target() {
    for target in TARGETS {
        assert_eq!(TARGETS.iter().filter(|other| other.name == target.name).count(), 1, "{}", target.name);
        assert!(!target.what.is_empty() && target.what.len() <= 110, "{}", target.name);
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let known = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in known {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name.ends_with(".md") || find(&name).is_some(), "regressions/{name} belongs to no target");
    }
}
