use super::*;
use portcullis_verifier::{EndpointFault, FaultKind, Position, Progress, Slug};

fn chain() -> ChainId {
    ChainId::new("test:1").unwrap()
}

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn seen(height: u64, block: u8, status: Status, event: Event) -> Body {
    let position =
        Position { height, tx_index: 0, log_index: 0, block_hash: hash(block), tx_hash: B256::ZERO };
    Body::Observed(Observation::new(chain(), position, 5, status, B256::ZERO, event))
}

fn event(height: u64, block: u8, status: Status) -> Body {
    let bridge = Slug::new("one").unwrap();
    let (contract, topic, reason) = (B256::ZERO, B256::ZERO, String::new());
    seen(height, block, status, Event::Unmapped { bridge, contract, topic, reason })
}

fn progress(height: u64) -> Body {
    let (safe_height, final_height) = (0, 0);
    let (chain, block_hash, time) = (chain(), B256::ZERO, height);
    let head_time = time;
    Body::Progress(Progress { chain, height, block_hash, time, safe_height, final_height, head_time })
}

fn spans(undoable: &Undoable, blocks: &[(u64, u8)]) -> Vec<Option<(u64, u64)>> {
    let held = undoable.chains.get(&chain());
    let place = |(height, block): &(u64, u8)| held?.get(&(*height, hash(*block))).copied();
    blocks.iter().map(|block| place(block).map(|place| (place.span.first, place.span.last))).collect()
}

fn after(log: &[Body]) -> Undoable {
    let mut undoable = Undoable::default();
    for (seq, body) in (10..).zip(log) {
        undoable.consumed(seq, body);
    }
    undoable
}

/// Heights that are left of a cursor, which names blocks of as many heights, the hash of each its height.
fn cut(undoable: &Undoable, heights: std::ops::RangeInclusive<u8>) -> Vec<u64> {
    let block = |height| BlockRef { height: u64::from(height), hash: hash(height) };
    let recent = heights.rev().map(block).collect();
    let mut cursor = Cursor { chain: chain(), recent, undoable: Vec::new() };
    undoable.cut(&mut cursor);
    cursor.recent.iter().map(|block| block.height).collect()
}

#[test]
fn a_block_is_found_where_it_was_told_and_is_forgotten_when_it_was_taken_back() {
    let mut undoable = after(&[
        event(1, 1, Status::Included),
        event(2, 2, Status::Included),
        event(2, 2, Status::Included),
        progress(2),
        event(3, 3, Status::Included),
        event(3, 3, Status::Retracted),
        event(3, 4, Status::Included),
        // It left the chain, and came back.
        event(2, 2, Status::Retracted),
        event(2, 2, Status::Included),
        event(4, 0, Status::Pending),
    ]);
    let blocks = [(1, 1), (2, 2), (3, 3), (3, 4), (4, 0), (2, 9)];
    let open = [Some((10, 10)), Some((11, 18)), Some((14, 15)), Some((16, 16)), None, None];
    assert_eq!(spans(&undoable, &blocks), open, "whether all of it was taken back is not known yet");
    undoable.consumed(20, &progress(2));
    assert_eq!(spans(&undoable, &blocks), open, "another block's batch ended");
    undoable.consumed(21, &progress(3));
    let ended = [Some((10, 10)), Some((11, 18)), None, Some((16, 16)), None, None];
    assert_eq!(spans(&undoable, &blocks), ended);
    undoable.consumed(22, &progress(2 + budget::UNDOABLE_BLOCKS));
    assert_eq!(spans(&undoable, &[(1, 1), (2, 2)]), [None, Some((11, 18))], "too deep to be undone");
}

#[test]
fn a_cursor_ends_below_what_the_log_began_to_take_back() {
    let told = [1, 2, 3, 4].map(|block| event(block, u8::try_from(block).unwrap(), Status::Included));
    let mut log = told.to_vec();
    log.push(progress(4));
    assert_eq!(cut(&after(&log), 1..=4), [4, 3, 2, 1], "all of it is on record");
    log.push(event(4, 4, Status::Retracted));
    log.push(event(3, 3, Status::Retracted));
    assert_eq!(cut(&after(&log), 1..=4), [2, 1]);
    assert_eq!(cut(&after(&log), 3..=4), [3], "a cursor names a block at least");
    assert_eq!(cut(&after(&log), 1..=2), [2, 1], "it had gone back already");
    log.push(event(3, 3, Status::Included));
    assert_eq!(cut(&after(&log), 1..=4), [3, 2, 1]);
    log.push(event(4, 4, Status::Included));
    assert_eq!(cut(&after(&log), 1..=4), [4, 3, 2, 1], "it came back whole");
}

#[test]
fn trouble_of_an_endpoint_is_nothing_of_the_block_at_which_it_was_told() {
    let fault = EndpointFault { operator: None, kind: FaultKind::Dark, detail: String::new() };
    let undoable = after(&[seen(2, 2, Status::Included, Event::Fault(fault))]);
    assert_eq!(spans(&undoable, &[(2, 2)]), [None]);
}
