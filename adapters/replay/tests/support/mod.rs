//! A simulated chain, somebody who follows it, and the ledger that holds them to their promises.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "test support: each test takes what it needs, and fails by panicking"
)]

use std::time::Instant;

use portcullis_adapter::{
    Batch, Cursor,
    conformance::{TrueEvent, Truth, ledger::Ledger},
};
use portcullis_replay::sim::{Delivery, Follower, SimConfig, SimNet};
use portcullis_verifier::{ChainId, OperatorId, Slug};

pub const BOUND: u64 = 8;
pub const GENESIS: u64 = 1_700_000_000;

pub fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

pub fn operators() -> Vec<OperatorId> {
    ["a", "b", "c"].map(slug).to_vec()
}

pub fn net(chain: &str, block_secs: u64) -> SimNet {
    SimNet::new(SimConfig {
        chain: ChainId::new(chain).unwrap(),
        operators: operators(),
        quorum: 2,
        genesis_secs: GENESIS,
        block_secs,
        start_height: 1,
        reorg_bound_blocks: BOUND,
        safe_depth_blocks: 4,
        final_depth_blocks: BOUND,
    })
}

pub fn truth(net: &SimNet) -> Truth {
    let head = net.head();
    let events = net.truth().into_iter().map(|(block, log)| TrueEvent {
        height: block.height,
        index: log.index,
        block_hash: block.hash,
        raw: log.raw,
    });
    Truth { height: head.height, block_hash: head.hash, events: events.collect() }
}

/// Follower and ledger, side by side.
pub struct Receiver {
    pub net: SimNet,
    follower: Follower,
    pub ledger: Ledger,
    pub cursor: Option<Cursor>,
    pub deliveries: Vec<Delivery>,
}

impl Receiver {
    pub fn new(net: &SimNet) -> Self {
        let follower = Follower::new(net.config().clone(), None).unwrap();
        Self { net: net.clone(), follower, ledger: Ledger::default(), cursor: None, deliveries: Vec::new() }
    }

    pub fn round(&mut self) -> bool {
        let Some(delivery) = self.follower.round(&self.net) else { return false };
        let batch = Batch {
            chain: self.net.config().chain,
            seen_at: Instant::now(),
            observations: delivery.observations.clone(),
            progress: delivery.progress,
            cursor: delivery.cursor.clone(),
        };
        self.ledger.take(&batch);
        self.cursor = delivery.cursor.clone().or(self.cursor.take());
        self.deliveries.push(delivery);
        true
    }

    pub fn settle(&mut self) {
        while self.round() {}
    }

    pub fn restart(&mut self) {
        self.follower = Follower::new(self.net.config().clone(), self.cursor.as_ref()).unwrap();
    }
}
