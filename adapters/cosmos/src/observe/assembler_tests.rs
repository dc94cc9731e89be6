#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use portcullis_verifier::{B256, cosmos::Rules};
use serde_json::json;

use super::*;
use crate::{Cosmos, CosmosConfig, observe::fetch::Missing};

const NEXT: u64 = 10;

/// An assembler of one operator whom nobody answers for, with its light client at the block before the next.
fn assembler() -> (Assembler, mpsc::Receiver<Report>) {
    let hash = B256::repeat_byte(1);
    let config: CosmosConfig = serde_json::from_value(json!({
        "chain": "cosmos:test-1", "prefix": "wasm", "quorum": 1,
        "endpoints": [{ "operator": "a", "http": "http://127.0.0.1:1" }],
        "trust": { "height": NEXT - 1, "hash": hash },
    }))
    .unwrap();
    let cosmos = Cosmos::new(config).unwrap();
    let (reports, inbox) = mpsc::channel(64);
    let validators = Watch::open(None, cosmos.compiled.config.chain, None).unwrap();
    let place = (VecDeque::new(), NEXT);
    let stop = CancellationToken::new();
    let mut assembler = Assembler::new(cosmos.compiled, cosmos.network, place, validators, reports, stop);
    assembler.tip = Some(Tip::at(Checkpoint {
        chain: "cosmos:test-1".parse().unwrap(),
        name: "test-1".to_owned(),
        block: BlockRef { height: NEXT - 1, hash },
        time_secs: 1,
        time_nanos: 0,
        next_validators: hash,
        signed_bps: None,
        rules: Rules::default(),
        frozen: None,
    }));
    (assembler, inbox)
}

impl Assembler {
    fn first_voice(&self, height: u64) -> &Voice {
        &self.book[&height].voices[0]
    }

    fn head(&mut self, height: u64, pushed: bool) {
        let block = RawValue::from_string("{}".to_owned()).unwrap();
        let pushed = pushed.then_some(block);
        self.take(Report::Head { operator: 0, height, at: Instant::now(), pushed });
        self.ask();
    }

    fn not_yet(&mut self, height: u64) {
        self.take(Report::Block { operator: 0, height, answer: Err(Missing::NotYet) });
    }
}

/// A node tells a height before it has worked through the block: the question after it is answered too early. It must
/// neither wait for the clocks to be looked at nor for its pause where the push says that the block is there.
#[tokio::test]
async fn a_block_that_was_asked_for_too_early_is_asked_for_again_as_soon_as_it_is_pushed() {
    let (mut assembler, _inbox) = assembler();
    assembler.head(NEXT, false);
    assert!(matches!(assembler.first_voice(NEXT), Voice::Asked { .. }));
    assembler.not_yet(NEXT);
    assert!(matches!(assembler.first_voice(NEXT), Voice::Early(_)));
    assembler.head(NEXT, true);
    assert!(matches!(assembler.first_voice(NEXT), Voice::Asked { pushed: true }));
}

/// The push may come while the question that was asked too early is under way.
#[tokio::test]
async fn a_push_that_comes_before_the_answer_counts_once() {
    let (mut assembler, _inbox) = assembler();
    assembler.head(NEXT, false);
    assembler.head(NEXT, true);
    assert!(matches!(assembler.first_voice(NEXT), Voice::Asked { pushed: false }), "one question at a time");
    assembler.not_yet(NEXT);
    assembler.ask();
    assert!(matches!(assembler.first_voice(NEXT), Voice::Asked { pushed: true }), "asked again at once");
    assembler.not_yet(NEXT);
    assert!(matches!(assembler.first_voice(NEXT), Voice::Early(_)), "and then after a pause");
}

#[tokio::test]
async fn time_alone_asks_again_who_answered_too_early_and_who_failed_is_left_alone_for_longer() {
    let (mut assembler, _inbox) = assembler();
    assembler.head(NEXT, false);
    assembler.not_yet(NEXT);
    while matches!(assembler.first_voice(NEXT), Voice::Early(_)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assembler.ask();
    }
    assert!(matches!(assembler.first_voice(NEXT), Voice::Asked { .. }));

    let failed = portcullis_rpc::RpcError::garbage("block");
    let answer = Err(Missing::Rpc(failed));
    assembler.take(Report::Block { operator: 0, height: NEXT, answer });
    assembler.ask();
    assembler.head(NEXT, true);
    assert!(matches!(assembler.first_voice(NEXT), Voice::Later(_)), "a push is no reason to ask who failed");
}

#[tokio::test]
async fn only_the_newest_pushed_blocks_are_kept() {
    let (mut assembler, _inbox) = assembler();
    let last = NEXT + 20;
    for height in NEXT..=last {
        assembler.head(height, true);
    }
    let kept: Vec<u64> = assembler.pushed[0].keys().copied().collect();
    let newest = last + 1 - u64::try_from(limits::PUSHED_KEPT).unwrap();
    assert_eq!(kept, (newest..=last).collect::<Vec<u64>>());
}
