//! The quick faults, one test each. `cargo xtask chaos` runs all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2e::chaos::{cases, find, runner};

/// Keys of these runs; any number would do.
const SEED: u64 = 61;

async fn holds(name: &str) {
    let ran = runner::run(find(name).unwrap(), SEED).await;
    assert_eq!(ran.word(), "held", "{name}: {:?} {:?}", ran.broken(), ran.outcome);
}

#[test]
fn every_quick_case_has_its_test_and_no_other_has() {
    let me = include_str!("chaos.rs");
    for case in cases() {
        let tested = me.contains(&format!("holds(\"{}\").await", case.name));
        assert_eq!(tested, case.quick, "{}", case.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_as_the_release_is_observed() {
    holds("kill-observe").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_as_it_decides() {
    holds("kill-decide").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_the_row_written_and_no_node_told() {
    holds("kill-contain-after-row").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_landing_before_the_effect_is_proven() {
    holds("kill-confirm").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_dies_at_the_decision_stops_nothing_and_is_reconciled() {
    holds("postgres-during").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_log_a_service_waits_tells_a_person_and_contains_afterwards() {
    holds("postgres-at-start").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_replica_takes_over_from_a_killed_one() {
    holds("replica-takes-over").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_endpoint_with_a_fork_of_its_own_is_outvoted_and_named() {
    holds("lies-heads").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_endpoint_that_answers_garbage_is_named_and_stops_nothing() {
    holds("feeds-garbage").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dark_source_is_no_cover() {
    holds("feeds-source-dark").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_with_the_key_takes_nonces_and_stops_nothing() {
    holds("lane-nonce-taken").await;
}
