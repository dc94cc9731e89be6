use super::*;
use crate::observe::nothing;
use crate::{
    Evm,
    config::{Endpoint, EventMapping, EvmConfig, FieldNames, Finality, MappingKind, WatchedContract},
    transport::Span,
};
use alloy::{
    primitives::{Address, Bloom, BloomInput, Bytes, Log as RawLog, LogData},
    rpc::types::Log,
};
use portcullis_verifier::{AdminKind, ChainId, Event, Slug, Status, keccak256};

const CONTRACT: Address = Address::repeat_byte(0x11);

/// An assembler whose operators cannot be reached: everything it learns is reported by the test.
struct Rig {
    reports: mpsc::Sender<Report>,
    batches: mpsc::Receiver<Batch>,
    network: Arc<Network>,
    stop: CancellationToken,
}

fn config(quorum: u16) -> EvmConfig {
    let endpoint = |name: &str| Endpoint {
        operator: Slug::new(name).unwrap(),
        // Port 9 of loopback: nothing listens, and nothing is lost by asking.
        http: "http://127.0.0.1:9".parse().unwrap(),
        ws: None,
        submit: true,
    };
    EvmConfig {
        quorum,
        reorg_bound_blocks: 4,
        silence_ms: 60_000,
        stall_ms: 300,
        poll_ms: 1_000,
        lag_blocks: 2,
        finality: Finality::Depth { safe_blocks: 1, final_blocks: 2 },
        contracts: vec![WatchedContract {
            bridge: Slug::new("demo").unwrap(),
            address: CONTRACT.to_string(),
            domain: "1".to_owned(),
            mappings: vec![EventMapping {
                kind: MappingKind::Admin(AdminKind::Upgrade),
                signature: "Upgraded(bytes32 root)".to_owned(),
                recorded: false,
                fields: FieldNames { value: Some("root".into()), ..FieldNames::default() },
            }],
            ignored: Vec::new(),
        }],
        ..EvmConfig::new(ChainId::new("eip155:5").unwrap(), ["ada", "ben", "cleo"].map(endpoint).to_vec())
    }
}

fn rig(quorum: u16) -> Rig {
    let evm = Evm::new(config(quorum)).unwrap();
    let (reports, inbox) = mpsc::channel(64);
    let (feed, batches) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let window = VecDeque::from([Delivered { block: block(0, 10), time: 120, events: nothing() }]);
    let network = Arc::clone(&evm.network);
    let assembler = Assembler::new(evm.compiled, evm.network, (window, true), reports.clone(), stop.clone());
    tokio::spawn(assembler.run(inbox, feed));
    Rig { reports, batches, network, stop }
}

fn block(branch: u8, height: u64) -> BlockRef {
    let mut hash = B256::repeat_byte(branch);
    hash.0[24..].copy_from_slice(&height.to_be_bytes());
    BlockRef { height, hash }
}

fn head(branch: u8, height: u64, parent: BlockRef, concerns: bool) -> Head {
    let mut bloom = Bloom::ZERO;
    bloom.accrue(BloomInput::Raw(if concerns { CONTRACT.as_slice() } else { b"somebody else" }));
    Head {
        block: block(branch, height),
        parent: parent.hash,
        time: height * 12,
        bloom,
        busy: true,
        base_fee: None,
    }
}

fn logs(of: BlockRef, values: &[u8]) -> LogSet {
    let log = |(index, value): (usize, &u8)| Log {
        inner: RawLog {
            address: CONTRACT,
            data: LogData::new_unchecked(vec![keccak256("Upgraded(bytes32)")], Bytes::from([*value; 32])),
        },
        block_hash: Some(of.hash),
        block_number: Some(of.height),
        block_timestamp: None,
        transaction_hash: Some(B256::repeat_byte(2)),
        transaction_index: Some(0),
        log_index: Some(u64::try_from(index).unwrap()),
        removed: false,
    };
    LogSet::check(values.iter().enumerate().map(log).collect(), &[CONTRACT], Span::Block(of)).unwrap()
}

impl Rig {
    async fn head(&self, operator: usize, head: Head) {
        let report = Report::Head { operator, head, at: Instant::now(), asked: true };
        self.reports.send(report).await.unwrap();
    }

    async fn logs(&self, operator: usize, of: BlockRef, values: &[u8]) {
        let report = Report::Logs { operator, block: of, answer: Ok(logs(of, values)) };
        self.reports.send(report).await.unwrap();
    }

    /// The next batch that moves the chain; faults on the way are kept.
    async fn next(&mut self, faults: &mut Vec<(Option<OperatorId>, FaultKind)>) -> Batch {
        loop {
            let batch = time::timeout(Duration::from_secs(5), self.batches.recv()).await.unwrap().unwrap();
            for observation in &batch.observations {
                if let Event::Fault(fault) = observation.event() {
                    faults.push((fault.operator, fault.kind));
                }
            }
            if batch.progress.is_some() {
                return batch;
            }
        }
    }

    /// Whether nothing moves for a while; faults may be told meanwhile.
    async fn stays(&mut self) -> bool {
        let moved =
            async { while self.batches.recv().await.is_some_and(|batch| batch.progress.is_none()) {} };
        time::timeout(Duration::from_millis(100), moved).await.is_err()
    }

    async fn fault(&mut self, operator: Option<&str>, kind: FaultKind) {
        let wanted = (operator.map(|name| Slug::new(name).unwrap()), kind);
        loop {
            let batch = time::timeout(Duration::from_secs(8), self.batches.recv()).await.unwrap().unwrap();
            for observation in &batch.observations {
                if let Event::Fault(fault) = observation.event()
                    && (fault.operator, fault.kind) == wanted
                {
                    return;
                }
            }
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn statuses(batch: &Batch) -> Vec<(Status, u64)> {
    batch.observations.iter().map(|o| (o.status(), o.position().height)).collect()
}

#[tokio::test]
async fn a_block_waits_for_two_heads_and_two_equal_answers() {
    let (mut rig, mut faults) = (rig(2), Vec::new());
    let one = head(0, 11, block(0, 10), true);
    let at = one.block;
    rig.head(0, one.clone()).await;
    rig.logs(0, at, &[1]).await;
    rig.head(1, one.clone()).await;
    assert!(rig.stays().await, "one answer is not two");
    rig.logs(2, at, &[9]).await;
    rig.logs(1, at, &[1]).await;
    let batch = rig.next(&mut faults).await;
    assert_eq!(statuses(&batch), [(Status::Included, 11)]);
    let progress = batch.progress.unwrap();
    assert_eq!(
        (progress.height, progress.safe_height, progress.final_height, progress.time),
        (11, 10, 9, 132)
    );
    assert_eq!(batch.cursor.unwrap().undoable.len(), 1);
    rig.fault(Some("cleo"), FaultKind::DissentLogs).await;
}

#[tokio::test]
async fn how_far_ahead_the_chain_is_comes_before_what_is_behind() {
    let (mut rig, mut faults) = (rig(2), Vec::new());
    let far = head(0, 10_000, block(0, 9_999), true);
    rig.head(0, far.clone()).await;
    assert!(rig.stays().await, "one operator says nothing of the chain");
    rig.head(1, far).await;
    let batch = rig.next(&mut faults).await;
    let progress = batch.progress.unwrap();
    assert_eq!((progress.height, progress.time, progress.head_time), (10, 120, 120_000));
    assert!(batch.observations.is_empty(), "{:?}", batch.observations);
}

#[tokio::test]
async fn a_quiet_block_needs_no_answer_but_a_pushed_log_overrules_its_bloom() {
    let (mut rig, mut faults) = (rig(2), Vec::new());
    let quiet = head(0, 11, block(0, 10), false);
    let at = quiet.block;
    rig.head(0, quiet.clone()).await;
    rig.head(1, quiet.clone()).await;
    let batch = rig.next(&mut faults).await;
    assert!(batch.observations.is_empty());

    rig.reports.send(Report::Hint { operator: 0, block: at }).await.unwrap();
    rig.logs(0, at, &[1]).await;
    rig.logs(1, at, &[1]).await;
    let back = rig.next(&mut faults).await;
    assert_eq!(back.progress.unwrap().height, 10, "the block counts as not delivered");
    let again = rig.next(&mut faults).await;
    assert_eq!(statuses(&again), [(Status::Included, 11)], "nothing is lost where blooms are left empty");
    assert!(faults.iter().any(|(_, kind)| *kind == FaultKind::Garbage), "and it is told");

    // From now on every block is asked for.
    let next = head(0, 12, at, false);
    rig.head(0, next.clone()).await;
    rig.head(1, next.clone()).await;
    assert!(rig.stays().await);
    rig.logs(0, next.block, &[]).await;
    rig.logs(1, next.block, &[]).await;
    assert_eq!(rig.next(&mut faults).await.progress.unwrap().height, 12);
}

#[tokio::test]
async fn a_reorganisation_retracts_newest_first_and_delivers_in_one_batch() {
    let (mut rig, mut faults) = (rig(2), Vec::new());
    let mut parent = block(0, 10);
    for height in [11, 12] {
        let old = head(0, height, parent, true);
        parent = old.block;
        for operator in [0, 1] {
            rig.head(operator, old.clone()).await;
            rig.logs(operator, old.block, &[1, 2]).await;
        }
        while rig.next(&mut faults).await.progress.unwrap().height != height {}
    }
    let mut parent = block(0, 10);
    for height in [11, 12, 13] {
        let new = head(7, height, parent, true);
        parent = new.block;
        for operator in [0, 1] {
            rig.logs(operator, new.block, &[3]).await;
        }
        // Only the newest is pointed at; the others come as its ancestors.
        if height == 13 {
            rig.head(0, new.clone()).await;
            rig.head(1, new).await;
        } else {
            rig.reports.send(Report::Ancestor { operator: 0, head: new }).await.unwrap();
        }
    }
    let batch = rig.next(&mut faults).await;
    let gone = |height| (Status::Retracted, height);
    let come = |height| (Status::Included, height);
    let wanted = [gone(12), gone(12), gone(11), gone(11), come(11), come(12), come(13)];
    assert_eq!(statuses(&batch), wanted);
    assert!(batch.observations[0].position().log_index > batch.observations[1].position().log_index);
}

#[tokio::test]
async fn a_chain_that_comes_back_to_a_block_has_its_events_again() {
    let (mut rig, mut faults) = (rig(2), Vec::new());
    let (ours, other) = (head(0, 11, block(0, 10), true), head(7, 11, block(0, 10), true));
    let back = head(0, 12, ours.block, true);
    let longer = head(7, 12, other.block, true);
    let mut seen = Vec::new();
    for (branch, tips) in
        [(vec![&ours], &ours), (vec![&other, &longer], &longer), (vec![&ours, &back], &back)]
    {
        for operator in [0, 1] {
            for head in &branch {
                rig.head(operator, (*head).clone()).await;
                rig.logs(operator, head.block, &[1]).await;
            }
        }
        // Two heads of the same height stand against each other until one of them grows.
        let third = head(if branch[0].block == ours.block { 0 } else { 7 }, 13, tips.block, true);
        if seen.is_empty() {
            seen.extend(statuses(&rig.next(&mut faults).await));
            continue;
        }
        for operator in [0, 1] {
            rig.head(operator, third.clone()).await;
            for head in branch.iter().copied().chain([&third]) {
                rig.logs(operator, head.block, &[1]).await;
            }
        }
        loop {
            let batch = rig.next(&mut faults).await;
            seen.extend(statuses(&batch));
            if batch.progress.is_some_and(|progress| progress.block_hash == third.block.hash) {
                break;
            }
        }
    }
    let mut live = std::collections::BTreeMap::<u64, i32>::new();
    for (status, height) in seen {
        *live.entry(height).or_default() += if status == Status::Retracted { -1 } else { 1 };
    }
    assert_eq!(
        live,
        [(11, 1), (12, 1), (13, 1)].into(),
        "each block's event once, whichever branch it was on"
    );
}

#[tokio::test]
async fn silence_of_the_whole_chain_is_told_and_its_end_too() {
    let mut rig = rig(2);
    let one = head(0, 11, block(0, 10), false);
    rig.head(0, one.clone()).await;
    rig.head(1, one.clone()).await;
    rig.fault(None, FaultKind::Stalled).await;
    let two = head(0, 12, one.block, false);
    rig.head(0, two).await;
    rig.fault(None, FaultKind::Recovered).await;
}

#[tokio::test]
async fn a_laggard_and_a_dark_operator_are_told_by_name() {
    let mut rig = rig(2);
    let mut parent = block(0, 10);
    for height in 11..=15 {
        let next = head(0, height, parent, false);
        parent = next.block;
        rig.head(0, next.clone()).await;
        rig.head(1, next.clone()).await;
        if height == 11 {
            rig.head(2, next).await;
        }
    }
    rig.fault(Some("cleo"), FaultKind::Lagging).await;
    let what = "gone".to_owned();
    rig.reports.send(Report::Trouble { operator: 1, kind: FaultKind::Dark, what }).await.unwrap();
    rig.fault(Some("ben"), FaultKind::Dark).await;
    let what = "gone too".to_owned();
    rig.reports.send(Report::Trouble { operator: 0, kind: FaultKind::Dark, what }).await.unwrap();
    rig.fault(None, FaultKind::Dark).await;
}

#[tokio::test]
async fn an_operator_has_recovered_when_feed_and_lanes_are_both_content() {
    let mut rig = rig(2);
    let name = OperatorId::new("cleo").unwrap();
    rig.network.faults.bad(name, FaultKind::Dark, "no nonce");
    rig.fault(Some("cleo"), FaultKind::Dark).await;
    let what = "half open".to_owned();
    rig.reports.send(Report::Trouble { operator: 2, kind: FaultKind::Dark, what }).await.unwrap();
    rig.fault(Some("cleo"), FaultKind::Dark).await;
    // The lane is content first: it is dark to the feed.
    rig.network.faults.over(name, FaultKind::DissentHead);
    assert!(!rig.network.faults.is_good(name), "that was not its fault");
    rig.network.faults.over(name, FaultKind::Dark);
    assert!(rig.stays().await, "told too early");
    rig.head(2, head(0, 11, block(0, 10), false)).await;
    rig.fault(Some("cleo"), FaultKind::Recovered).await;
}

#[tokio::test]
async fn a_chain_that_left_the_window_is_an_alarm_and_goes_on() {
    let (mut rig, mut faults) = (rig(2), Vec::new());
    let mut parent = block(0, 10);
    // Beyond the bound, so that the window has forgotten where watching began.
    for height in 11..=16 {
        let old = head(0, height, parent, true);
        parent = old.block;
        for operator in [0, 1] {
            rig.head(operator, old.clone()).await;
            rig.logs(operator, old.block, &[1]).await;
        }
        while rig.next(&mut faults).await.progress.unwrap().height != height {}
    }
    let mut parent = block(7, 10);
    rig.reports.send(Report::Ancestor { operator: 0, head: head(7, 11, parent, false) }).await.unwrap();
    for height in 11..=16 {
        let new = head(7, height, parent, false);
        parent = new.block;
        rig.head(0, new.clone()).await;
        rig.head(1, new).await;
    }
    let undone = rig.next(&mut faults).await;
    let heights: Vec<u64> = undone.observations.iter().map(|o| o.position().height).collect();
    assert_eq!(heights, [16, 15, 14, 13, 12], "all that the window holds");
    assert_eq!(undone.progress.unwrap().height, 11);
    while rig.next(&mut faults).await.progress.unwrap().height != 16 {}
    assert!(faults.contains(&(None, FaultKind::DeepReorg)));
}
