use super::*;
use crate::observe::nothing;
use alloy::primitives::Bloom;

/// A block of a branch: its hash says branch and height.
fn name(branch: u8, height: u64) -> BlockRef {
    let mut hash = B256::repeat_byte(branch);
    hash.0[24..].copy_from_slice(&height.to_be_bytes());
    BlockRef { height, hash }
}

fn head(block: BlockRef, parent: B256) -> Head {
    Head { block, parent, time: block.height * 12, bloom: Bloom::ZERO, busy: false, base_fee: None }
}

/// A tree with three operators of whom two must agree, standing on blocks 10 and 11 of branch 0.
fn tree() -> Tree {
    let delivered = |height| Delivered { block: name(0, height), time: 0, events: nothing() };
    Tree::new(VecDeque::from([delivered(10), delivered(11)]), false, 4, 2, 3)
}

/// Adds blocks of a branch that leaves branch 0 above `fork`.
fn grow(tree: &mut Tree, branch: u8, fork: u64, to: u64) {
    let now = Instant::now();
    for height in fork + 1..=to {
        let parent = if height == fork + 1 { name(0, fork) } else { name(branch, height - 1) };
        tree.add(head(name(branch, height), parent.hash), now, 0);
    }
}

fn moved(fork: usize, blocks: &[BlockRef]) -> Target {
    Target::Move { fork, blocks: blocks.iter().map(|block| block.hash).collect() }
}

#[test]
fn a_block_is_delivered_when_a_quorum_stands_on_it_and_not_before() {
    let mut tree = tree();
    grow(&mut tree, 0, 11, 13);
    tree.point(0, name(0, 13));
    assert_eq!(tree.target(), Target::Stay);
    tree.point(1, name(0, 12));
    assert_eq!(tree.target(), moved(1, &[name(0, 12)]), "only as far as both stand");
    tree.point(2, name(0, 13));
    assert_eq!(tree.target(), moved(1, &[name(0, 12), name(0, 13)]));
}

#[test]
fn a_reorganisation_needs_more_voices_than_staying() {
    let mut tree = tree();
    grow(&mut tree, 0, 11, 12);
    grow(&mut tree, 1, 10, 12);
    tree.point(0, name(0, 12));
    tree.point(1, name(1, 12));
    assert_eq!(tree.target(), Target::Stay, "one against one");
    tree.point(2, name(1, 11));
    assert_eq!(tree.target(), moved(0, &[name(1, 11)]));
    assert_eq!(tree.contradicts(1), 1);
    assert_eq!(tree.contradicts(0), 0);
    let gone = tree.retract(0);
    assert_eq!(gone.iter().map(|d| d.block).collect::<Vec<_>>(), [name(0, 11)]);
}

#[test]
fn one_liar_moves_nothing_however_high_its_head() {
    let mut tree = tree();
    grow(&mut tree, 9, 10, 60);
    tree.point(0, name(9, 60));
    tree.point(1, name(0, 11));
    tree.point(2, name(0, 11));
    assert_eq!(tree.target(), Target::Stay);
    assert_eq!(tree.quorum_height(), Some(11));
    assert!(tree.contradicts(0) > 0);
}

#[test]
fn unknown_ancestors_are_asked_for_and_support_nothing() {
    let mut tree = tree();
    tree.add(head(name(0, 14), name(0, 13).hash), Instant::now(), 0);
    tree.point(0, name(0, 14));
    tree.point(1, name(0, 14));
    assert_eq!(tree.target(), Target::Stay);
    assert_eq!(tree.missing(), [(0, name(0, 13)), (1, name(0, 13))]);
    assert!(tree.hangs(0));
    grow(&mut tree, 0, 11, 13);
    assert_eq!(tree.target(), moved(1, &[name(0, 12), name(0, 13), name(0, 14)]));
}

#[test]
fn below_the_window_the_chain_is_abandoned_only_by_a_quorum() {
    let mut tree = tree();
    let now = Instant::now();
    for height in [9, 10, 11, 12] {
        tree.add(head(name(5, height), name(5, height - 1).hash), now, 0);
    }
    tree.point(0, name(5, 12));
    tree.point(1, name(0, 11));
    assert_eq!(tree.target(), Target::Stay);
    tree.point(1, name(5, 12));
    assert_eq!(tree.target(), Target::Abandon(name(5, 9)));
    let old = tree.restart(Delivered { block: name(5, 9), time: 0, events: nothing() }, false);
    assert_eq!(old.iter().map(|d| d.block).collect::<Vec<_>>(), [name(0, 11), name(0, 10)]);
    assert_eq!(tree.target(), moved(0, &[name(5, 10), name(5, 11), name(5, 12)]));
}

#[test]
fn the_window_keeps_the_bound_and_forgets_the_rest() {
    let mut tree = tree();
    grow(&mut tree, 0, 11, 40);
    for height in 12..=40 {
        tree.deliver(Delivered { block: name(0, height), time: 0, events: nothing() });
    }
    assert_eq!(tree.window().len(), 5, "the bound, and the block that it hangs on");
    assert_eq!(tree.tip(), name(0, 40));
    assert!(tree.known(&name(0, 20).hash).is_none());
}

#[test]
fn the_head_s_time_is_what_a_quorum_has_reached() {
    let mut tree = tree();
    assert_eq!(tree.quorum_time(), None);
    grow(&mut tree, 0, 11, 13);
    tree.point(0, name(0, 13));
    assert_eq!(tree.quorum_time(), None, "one operator is no quorum");
    tree.point(1, name(0, 12));
    assert_eq!(tree.quorum_time(), Some(144));
    let far = head(name(3, 1_000_000), B256::ZERO);
    assert!(tree.add(far, Instant::now(), 2));
    tree.point(2, name(3, 1_000_000));
    assert_eq!(tree.quorum_time(), Some(156), "a liar's time is none");
}

#[test]
fn a_liars_headers_are_bounded() {
    let mut tree = tree();
    let now = Instant::now();
    for at in 0..limits::HEADERS_PER_OPERATOR_MAX {
        assert!(tree.add(head(name(7, 1_000 + u64::try_from(at).unwrap()), B256::ZERO), now, 2));
    }
    assert!(!tree.add(head(name(8, 1), B256::ZERO), now, 2));
    assert!(tree.add(head(name(8, 1), B256::ZERO), now, 1), "others are not held back");
}

#[test]
fn whatever_the_order_of_news_the_end_is_the_same() {
    // Every order of the three operators' heads, each after its ancestors.
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut tree = tree();
        for operator in order {
            let (branch, to) = if operator == 0 { (9, 15) } else { (1, 13) };
            grow(&mut tree, branch, 10, to);
            tree.point(operator, name(branch, to));
        }
        assert_eq!(tree.target(), moved(0, &[name(1, 11), name(1, 12), name(1, 13)]));
    }
}
