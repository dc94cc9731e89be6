#![allow(clippy::arithmetic_side_effects)]

use super::*;

const QUORUM: usize = 2;

/// A block of a slot on a branch, above a parent of the same branch or another.
fn block(slot: u64, branch: u8) -> BlockRef {
    let mut hash = [branch; 32];
    hash[..8].copy_from_slice(&slot.to_be_bytes());
    BlockRef { height: slot, hash: B256::new(hash) }
}

fn told(this: BlockRef, parent: BlockRef, records: u8) -> Arc<Told> {
    let mut digest = this.hash.0;
    digest[31] ^= records;
    Arc::new(Told { block: this, parent, time: this.height, records: Vec::new(), digest: B256::new(digest) })
}

fn delivered(block: BlockRef) -> Delivered {
    Delivered { block, time: block.height, events: Arc::from([]) }
}

fn chain() -> Chain {
    Chain::new(VecDeque::from([delivered(block(10, 0))]), true, 8, QUORUM, 3)
}

fn step(chain: &mut Chain) -> String {
    match chain.next() {
        Step::Stay => "stay".to_owned(),
        Step::Deliver { told, agreeing, dissenting } => {
            chain.deliver(delivered(told.block), told.digest);
            format!("{} by {agreeing:?}, not {dissenting:?}", told.block.height)
        }
        Step::Retract(at) => {
            let gone: Vec<u64> = chain.retract(at).iter().map(|one| one.block.height).collect();
            format!("undo {gone:?}")
        }
        Step::Abandon(block) => {
            chain.restart(delivered(block));
            format!("abandon for {}", block.height)
        }
    }
}

#[test]
fn a_quorum_delivers_whatever_slots_were_skipped_and_the_third_is_named() {
    let mut chain = chain();
    chain.told(0, told(block(14, 0), block(10, 0), 0));
    assert_eq!(step(&mut chain), "stay", "one voice");
    chain.told(1, told(block(14, 0), block(10, 0), 9));
    assert_eq!(step(&mut chain), "stay", "the same block with other records is another word");
    chain.told(2, told(block(14, 0), block(10, 0), 0));
    assert_eq!(step(&mut chain), "14 by [0, 2], not [(1, true)]");
    assert_eq!(step(&mut chain), "stay");
}

#[test]
fn who_tells_another_block_is_told_apart_from_who_tells_other_records() {
    let mut chain = chain();
    for operator in [0, 1] {
        chain.told(operator, told(block(11, 0), block(10, 0), 0));
    }
    chain.told(2, told(block(12, 7), block(10, 0), 0));
    assert_eq!(step(&mut chain), "11 by [0, 1], not [(2, false)]");
    let late = |this, parent, records| chain.compare(&told(this, parent, records));
    assert_eq!(late(block(11, 0), block(10, 0), 0), Some(Compared::Same));
    assert_eq!(late(block(11, 0), block(10, 0), 3), Some(Compared::OtherRecords));
    assert_eq!(late(block(11, 7), block(10, 0), 0), Some(Compared::OtherBlock(block(11, 0))));
    assert_eq!(late(block(12, 0), block(11, 0), 0), None, "nothing was delivered there yet");
}

#[test]
fn equal_halves_agree_on_nothing() {
    let mut chain = Chain::new(VecDeque::from([delivered(block(10, 0))]), true, 8, 1, 2);
    chain.told(0, told(block(11, 0), block(10, 0), 0));
    chain.told(1, told(block(11, 7), block(10, 0), 0));
    assert_eq!(step(&mut chain), "stay");
}

#[test]
fn a_fork_that_a_quorum_follows_undoes_what_was_delivered_above_it() {
    let mut chain = chain();
    for (this, parent) in [(11, 10), (12, 11), (13, 12)] {
        for operator in 0..3 {
            chain.told(operator, told(block(this, 0), block(parent, 0), 0));
        }
        step(&mut chain);
    }
    assert_eq!(chain.tip(), block(13, 0));
    // The branch of slot 14 leaves at slot 11: slots 12 and 13 are passed over.
    chain.told(0, told(block(14, 7), block(11, 0), 0));
    assert_eq!(step(&mut chain), "stay", "one operator does not undo anything");
    chain.told(1, told(block(14, 7), block(11, 0), 0));
    assert_eq!(step(&mut chain), "undo [13, 12]");
    assert_eq!(step(&mut chain), "14 by [0, 1], not [(2, false)]");
    assert_eq!(step(&mut chain), "stay");
}

#[test]
fn a_missing_parent_is_asked_for_and_a_chain_that_leaves_below_the_window_is_told() {
    let mut chain = chain();
    assert_eq!(chain.asks(0, 10), None, "nothing above");
    assert_eq!(chain.asks(0, 12), Some(Ask::From(11)));
    chain.told(0, told(block(13, 0), block(12, 0), 0));
    assert_eq!(chain.asks(0, 13), Some(Ask::One(12)), "its parent leads to what is known, or not");
    chain.told(0, told(block(12, 0), block(10, 0), 0));
    chain.covered(0, 13);
    assert_eq!(chain.asks(0, 13), None);
    for operator in [1, 2] {
        chain.told(operator, told(block(20, 7), block(5, 7), 0));
        assert_eq!(
            chain.asks(operator, 13),
            Some(Ask::From(11)),
            "below the window nothing can be asked for"
        );
    }
    assert_eq!(step(&mut chain), "abandon for 5");
}

/// An operator whose word of a slot changes: what it told above is asked for again.
#[test]
fn a_word_that_is_taken_back_takes_back_what_hangs_on_it() {
    let mut chain = chain();
    chain.told(0, told(block(11, 0), block(10, 0), 0));
    chain.told(0, told(block(12, 0), block(11, 0), 0));
    chain.covered(0, 12);
    chain.told(0, told(block(11, 7), block(10, 0), 0));
    assert!(!chain.has(0, 12));
    assert_eq!(chain.asks(0, 12), Some(Ask::From(12)));
}

#[test]
fn who_fell_far_behind_is_not_asked_for_what_everybody_has_left_behind() {
    let mut chain = chain();
    for slot in 11..200 {
        for operator in [0, 1] {
            chain.told(operator, told(block(slot, 0), block(slot - 1, 0), 0));
            chain.covered(operator, slot);
        }
        step(&mut chain);
    }
    let kept = u64::try_from(limits::SETTLED_KEPT).unwrap();
    assert_eq!(chain.asks(2, 199), Some(Ask::From(200 - kept + 1)));
    assert_eq!(chain.window().len(), 9, "as many as can be undone, and one to stand on");
}

/// SECURITY: one operator cannot fill the memory with blocks that lie far above.
#[test]
fn nobody_is_asked_for_more_than_the_bound() {
    let mut chain = chain();
    for slot in 11..200 {
        chain.told(0, told(block(slot, 0), block(slot - 1, 0), 0));
    }
    assert_eq!(chain.asks(0, 1_000), None);
}

/// Pushes are dropped in silence: a block whose parent was not told covers nothing, and what lies between is asked for.
#[test]
fn a_pushed_block_covers_the_slots_that_it_skips_and_no_gap() {
    let mut chain = chain();
    assert!(!chain.takes(0, 10), "what the window stands on is not told anew");
    chain.told(0, told(block(14, 0), block(10, 0), 0));
    chain.passed_over(0, 10, 14);
    assert_eq!(chain.asks(0, 14), None, "slots 11 to 13 were skipped, as the block says");
    // 15 was dropped.
    chain.told(0, told(block(16, 0), block(15, 0), 0));
    chain.passed_over(0, 15, 16);
    assert_eq!(chain.asks(0, 16), Some(Ask::One(15)));
    chain.told(0, told(block(15, 0), block(14, 0), 0));
    assert_eq!(chain.asks(0, 16), Some(Ask::From(15)), "and all of it is asked for, as without pushes");
    for slot in 17..200 {
        if chain.takes(0, slot) {
            chain.told(0, told(block(slot, 0), block(slot - 1, 0), 0));
        }
    }
    let kept = (11..200).filter(|slot| chain.has(0, *slot)).count();
    assert_eq!(kept, limits::BLOCKS_AHEAD, "who pushes does not decide how much is kept");
}
