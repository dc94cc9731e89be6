use super::*;
use portcullis_verifier::{ActionClass, ActionId, BlockRef, IncidentId};

fn chain() -> ChainId {
    ChainId::new("test:1").unwrap()
}

fn action(level: Level, until: u64) -> Action {
    Action {
        id: ActionId(B256::ZERO),
        chain: chain(),
        target: B256::repeat_byte(1),
        scope: B256::repeat_byte(2),
        level,
        until,
        until_height: until,
        incident: IncidentId(B256::ZERO),
        generation: 0,
        class: ActionClass::Halt,
        value_at_risk_micro_usd: 0,
        reasons: Vec::new(),
    }
}

fn place() -> Place {
    Place::of(&action(Level::Closed, 0))
}

fn report(level: Level, until: u64) -> GateReport {
    let block = BlockRef { height: 1, hash: B256::ZERO };
    GateReport { block, time: 1, registered: true, level, until, until_height: until, generation: 0 }
}

fn head(at: u64) -> Option<Progress> {
    let (height, time, head_time) = (at, at, at);
    let (block_hash, safe_height, final_height) = (B256::ZERO, 0, 0);
    Some(Progress { chain: chain(), height, block_hash, time, safe_height, final_height, head_time })
}

#[test]
fn a_gate_is_open_that_says_so_and_nothing_known_is_not_open() {
    let readings = Readings::default();
    assert!(!readings.is_open(place(), Level::Closed, head(5)), "it was never read");
    readings.put(place(), report(Level::Open, 0));
    assert!(readings.is_open(place(), Level::Closed, head(5)));
    assert!(!readings.is_open(place(), Level::Closed, None), "how far the chain has come is not known");
    let other = Place { scope: B256::repeat_byte(9), ..place() };
    assert!(!readings.is_open(other, Level::Closed, head(5)), "another scope was never read");
}

#[test]
fn a_closure_that_was_read_counts_until_its_time_and_height_have_passed() {
    let readings = Readings::default();
    readings.put(place(), report(Level::Closed, 10));
    assert!(!readings.is_open(place(), Level::Closed, head(9)));
    assert!(readings.is_open(place(), Level::Closed, head(10)));
    readings.put(place(), report(Level::Limited, 20));
    assert!(readings.is_open(place(), Level::Closed, head(9)), "limited is not closed");
    assert!(!readings.is_open(place(), Level::Limited, head(9)));
}

#[test]
fn what_was_sent_may_be_in_effect_whatever_was_read_meanwhile() {
    let readings = Readings::default();
    readings.sent(&action(Level::Closed, 10));
    readings.sent(&action(Level::Closed, 7));
    readings.put(place(), report(Level::Open, 0));
    assert!(!readings.is_open(place(), Level::Closed, head(9)), "it may land at any moment");
    assert!(!readings.is_open(place(), Level::Limited, head(9)), "and is tighter than this");
    assert!(readings.is_open(place(), Level::Closed, head(10)));
    readings.sent(&action(Level::Limited, 20));
    assert!(readings.is_open(place(), Level::Closed, head(12)), "a limit does not close");
    assert!(!readings.is_open(place(), Level::Limited, head(12)));
}
