use std::time::Instant;

use super::*;
use portcullis_adapter::Cursor;
use portcullis_verifier::{BlockRef, ChainId, Event, Position, Progress, Slug};

fn chain() -> ChainId {
    ChainId::new("test:1").unwrap()
}

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn event(height: u64, block: u8, log_index: u32) -> Observation {
    let position = Position { height, tx_index: 0, log_index, block_hash: hash(block), tx_hash: B256::ZERO };
    let (contract, topic, reason) = (B256::ZERO, B256::ZERO, String::new());
    let event = Event::Unmapped { bridge: Slug::new("one").unwrap(), contract, topic, reason };
    Observation::new(chain(), position, 5, Status::Included, B256::ZERO, event)
}

/// Delivers the chain up to a block, with events.
fn batch(height: u64, block: u8, observations: Vec<Observation>) -> Batch {
    let head = BlockRef { height, hash: hash(block) };
    let (safe_height, final_height, time) = (0, 0, height);
    let (block_hash, head_time) = (head.hash, time);
    let progress =
        Progress { chain: chain(), height, block_hash, time, safe_height, final_height, head_time };
    let cursor = Cursor { chain: chain(), recent: vec![head], undoable: Vec::new() };
    let (progress, cursor) = (Some(progress), Some(cursor));
    Batch { chain: chain(), seen_at: Instant::now(), observations, progress, cursor }
}

fn half_told() -> HalfTold {
    let mut half_told = HalfTold::default();
    half_told.add([event(7, 7, 0), event(7, 7, 1), event(8, 8, 0)].into_iter());
    half_told
}

/// Places of what a batch takes back first, and what it tells after that.
fn places(batch: &Batch) -> Vec<(Status, u64, u32)> {
    let place = |o: &Observation| (o.status(), o.position().height, o.position().log_index);
    batch.observations.iter().map(place).collect()
}

#[test]
fn what_is_on_another_branch_is_taken_back_when_the_chain_has_come_so_far() {
    let mut half_told = half_told();
    let mut before = batch(6, 6, vec![event(6, 6, 0)]);
    assert_eq!(half_told.complete(&mut before), 0);
    assert_eq!(places(&before), [(Status::Included, 6, 0)]);
    let mut other = batch(7, 9, vec![event(7, 9, 0)]);
    assert_eq!(half_told.complete(&mut other), 2);
    assert_eq!(
        places(&other),
        [(Status::Retracted, 7, 1), (Status::Retracted, 7, 0), (Status::Included, 7, 0)]
    );
    assert!(!half_told.is_empty(), "the chain has not come to the last of it");
    let mut last = batch(9, 10, Vec::new());
    assert_eq!(half_told.complete(&mut last), 1);
    assert_eq!(places(&last), [(Status::Retracted, 8, 0)]);
    assert!(half_told.is_empty());
}

#[test]
fn what_is_told_again_or_named_by_a_cursor_stays() {
    let mut half_told = half_told();
    // A block may come in parts: what ends it comes last.
    let mut part = batch(7, 7, vec![event(7, 7, 0)]);
    (part.progress, part.cursor) = (None, None);
    assert_eq!(half_told.complete(&mut part), 0);
    let mut rest = batch(8, 8, Vec::new());
    assert_eq!(half_told.complete(&mut rest), 0, "the cursor names the second block");
    assert_eq!(places(&rest), []);
    assert!(half_told.is_empty());
}

#[test]
fn a_transaction_that_only_waits_says_nothing_of_a_block() {
    let mut half_told = half_told();
    let mut waiting = batch(7, 9, vec![event(7, 7, 0).with_status(Status::Pending)]);
    assert_eq!(half_told.complete(&mut waiting), 2);
}
