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
    let span = |(height, block): &(u64, u8)| {
        let block = BlockRef { height: *height, hash: hash(*block) };
        undoable.span(chain(), block).map(|span| (span.first, span.last))
    };
    blocks.iter().map(span).collect()
}

#[test]
fn a_block_is_found_where_it_was_told_and_is_forgotten_when_it_was_taken_back() {
    let mut undoable = Undoable::default();
    let log = [
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
    ];
    for (seq, body) in (10..).zip(&log) {
        undoable.consumed(seq, body);
    }
    assert_eq!(
        spans(&undoable, &[(1, 1), (2, 2), (3, 3), (3, 4), (4, 0), (2, 9)]),
        [Some((10, 10)), Some((18, 18)), None, Some((16, 16)), None, None]
    );
    undoable.consumed(20, &progress(2 + budget::UNDOABLE_BLOCKS));
    assert_eq!(spans(&undoable, &[(1, 1), (2, 2)]), [None, Some((18, 18))], "too deep to be undone");
}

#[test]
fn trouble_of_an_endpoint_is_nothing_of_the_block_at_which_it_was_told() {
    let mut undoable = Undoable::default();
    let fault = EndpointFault { operator: None, kind: FaultKind::Dark, detail: String::new() };
    undoable.consumed(1, &seen(2, 2, Status::Included, Event::Fault(fault)));
    assert_eq!(spans(&undoable, &[(2, 2)]), [None]);
}
