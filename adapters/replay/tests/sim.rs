//! Whatever the simulated chain and its operators do, what is delivered is what the chain holds.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use portcullis_adapter::Cursor;
use portcullis_replay::sim::{Behaviour, Follower};
use portcullis_verifier::{ChainId, FaultKind};
use proptest::prelude::*;
use support::{BOUND, Receiver, net, operators, slug, truth};

#[derive(Debug, Clone)]
enum Act {
    Produce(u64, u32),
    Reorg(u64, u32),
    Behave(usize, Behaviour),
    Heal,
    HangUp,
    Round,
    Settle,
    Restart,
}

/// Any operator may fail in any way, but only one may lie: more would be a quorum.
fn act() -> impl Strategy<Value = Act> {
    let lie = prop::sample::select(vec![Behaviour::LieAboutHeads, Behaviour::LieAboutEvents]);
    let behaviour = prop::sample::select(vec![
        Behaviour::Honest,
        Behaviour::HalfOpen,
        Behaviour::Oversize,
        Behaviour::Refuse,
        Behaviour::Garbage,
        Behaviour::Dark,
        Behaviour::Twice,
    ]);
    prop_oneof![
        4 => (1..80u64, 0..3u32).prop_map(|(blocks, each)| Act::Produce(blocks, each)),
        2 => (1..=BOUND, 0..3u32).prop_map(|(depth, events)| Act::Reorg(depth, events)),
        3 => (0..3usize, behaviour).prop_map(|(who, how)| Act::Behave(who, how)),
        2 => lie.prop_map(|how| Act::Behave(1, how)),
        1 => Just(Act::Heal),
        1 => Just(Act::HangUp),
        4 => Just(Act::Round),
        2 => Just(Act::Settle),
        1 => Just(Act::Restart),
    ]
}

fn play(acts: &[Act]) -> Receiver {
    let net = net("sim:play", 12);
    let mut receiver = Receiver::new(&net);
    for act in acts {
        match act {
            Act::Produce(blocks, each) => net.produce(*blocks, *each),
            Act::Reorg(depth, events) => drop(net.reorg(*depth, *events)),
            Act::Behave(who, how) => {
                assert!(net.behave(*operators().get(*who).unwrap(), *how));
            }
            Act::Heal => net.heal(),
            Act::HangUp => net.hang_up(),
            Act::Round => drop(receiver.round()),
            Act::Settle => receiver.settle(),
            Act::Restart => receiver.restart(),
        }
    }
    net.heal();
    net.produce(1, 1);
    receiver.settle();
    receiver
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_delivered_is_what_the_chain_holds(acts in prop::collection::vec(act(), 0..40)) {
        let receiver = play(&acts);
        prop_assert_eq!(receiver.ledger.differs(&truth(&receiver.net)), None);
        prop_assert!(receiver.ledger.violations().is_empty(), "{:?}", receiver.ledger.violations());
    }

    #[test]
    fn equal_commands_give_equal_deliveries(acts in prop::collection::vec(act(), 0..20)) {
        prop_assert_eq!(play(&acts).deliveries, play(&acts).deliveries);
    }
}

#[test]
fn a_quorum_that_lies_is_believed() {
    // The failure twin, and why observations are untrusted until they are proven.
    let net = net("sim:lied", 12);
    let mut receiver = Receiver::new(&net);
    for liar in ["a", "b"] {
        assert!(net.behave(slug(liar), Behaviour::LieAboutEvents));
    }
    net.produce(1, 1);
    receiver.settle();
    assert!(receiver.ledger.differs(&truth(&net)).is_some());
    assert!(receiver.ledger.told(Some(slug("c")), &[FaultKind::DissentLogs]), "the honest one is outvoted");
}

#[test]
fn deeper_than_the_bound_is_an_alarm_and_not_the_end() {
    let net = net("sim:deep", 12);
    let mut receiver = Receiver::new(&net);
    net.produce(20, 1);
    receiver.settle();
    assert!(!receiver.ledger.told(None, &[FaultKind::DeepReorg]));
    assert!(net.reorg(BOUND + 4, 2));
    receiver.settle();
    assert!(receiver.ledger.told(None, &[FaultKind::DeepReorg]));
    let last = receiver.deliveries.last().unwrap();
    assert_eq!(last.progress.map(|p| (p.height, p.block_hash)), Some((21, net.head().hash)));
    net.produce(1, 1);
    receiver.settle();
    assert_eq!(receiver.deliveries.last().unwrap().progress.unwrap().height, 22, "it goes on from there");
}

#[test]
fn a_cursor_of_another_chain_or_a_broken_one_is_refused() {
    let net = net("sim:one", 12);
    let mut receiver = Receiver::new(&net);
    net.produce(3, 1);
    receiver.settle();
    let cursor = receiver.cursor.unwrap();
    let config = net.config().clone();
    assert!(Follower::new(config.clone(), Some(&cursor)).is_ok());
    let other = Cursor { chain: ChainId::new("sim:two").unwrap(), ..cursor.clone() };
    assert!(Follower::new(config.clone(), Some(&other)).unwrap_err().contains("sim:two"));
    assert!(Follower::new(config, Some(&Cursor { recent: Vec::new(), ..cursor })).is_err());
}
