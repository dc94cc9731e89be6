//! What really happened, read from the nodes themselves, block by block, without asking the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolEvent;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::chain::{Receipt, Rpc};
use crate::contracts::Guard;
use crate::lab::World;
use crate::nodes::{Head, Heads};
use crate::scenario::Domain;

/// A block with everything in it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// On which chain.
    pub side: Domain,
    /// Its head, and when it was seen here.
    pub head: Head,
    /// What its transactions did.
    pub receipts: Vec<Receipt>,
}

/// A trip that took effect.
#[derive(Debug, Clone, Copy)]
pub struct Tripped {
    /// Scope.
    pub scope: B256,
    /// On whose behalf.
    pub incident: B256,
    /// 1 limited, 2 closed.
    pub level: u8,
    /// Until when, chain time.
    pub until: u64,
    /// Height of the block.
    pub height: u64,
    /// Place in the block.
    pub index: u64,
    /// Transaction.
    pub hash: B256,
}

/// Follows every chain. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    /// Blocks as they come.
    pub blocks: mpsc::UnboundedReceiver<Seen>,
    tasks: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Begins with the next block of each chain.
    #[must_use]
    pub fn start(world: &World) -> Self {
        let (send, blocks) = mpsc::unbounded_channel();
        let mut tasks: Vec<JoinHandle<()>> = world
            .sides()
            .into_iter()
            .map(|side| {
                let (rpc, heads) = (Arc::clone(&side.node.rpc), side.heads.latest.clone());
                tokio::spawn(follow(side.deployed.domain, rpc, heads, send.clone()))
            })
            .collect();
        if let Some(zone) = &world.zone {
            let (rpc, guard) = (Arc::clone(&zone.node.rpc), zone.deployed.guard.clone());
            let heads = zone.heads.latest.clone();
            tasks.push(tokio::spawn(crate::cosmos::watch::follow(rpc, guard, heads, send.clone())));
        }
        if let Some(cluster) = &world.cluster {
            let (node, breaker) = (Arc::clone(&cluster.node), cluster.deployed.bridge.guard.breaker);
            let heads = cluster.heads.latest.clone();
            tasks.push(tokio::spawn(crate::solana::watch::follow(node, breaker, heads, send)));
        }
        Self { blocks, tasks }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn follow(
    side: Domain,
    rpc: Arc<Rpc>,
    mut heads: watch::Receiver<Option<Head>>,
    send: mpsc::UnboundedSender<Seen>,
) {
    let mut next = None;
    while let Ok(head) = Heads::next(&mut heads).await {
        // Heads that came while receipts were read were skipped by the channel: they are read now.
        for height in next.unwrap_or(head.height)..=head.height {
            let Ok(receipts) = rpc.receipts(height).await else { return };
            if send.send(Seen { side, head: Head { height, ..head }, receipts }).is_err() {
                return;
            }
        }
        next = Some(head.height + 1);
    }
}

/// Trips in a block, in order.
#[must_use]
pub fn trips(seen: &Seen, guard: Address) -> Vec<Tripped> {
    let mut out = Vec::new();
    for receipt in &seen.receipts {
        for log in receipt.logs.iter().filter(|log| log.address == guard) {
            let Ok(event) = Guard::Tripped::decode_raw_log(log.topics.iter().copied(), &log.data) else {
                continue;
            };
            out.push(Tripped {
                scope: event.scope,
                incident: event.incident,
                level: event.level,
                until: event.until,
                height: receipt.block_number,
                index: receipt.transaction_index,
                hash: receipt.transaction_hash,
            });
        }
    }
    out
}

/// Everything seen of the chains, in one place.
#[derive(Debug, Default)]
pub struct Chronicle {
    blocks: BTreeMap<Domain, BTreeMap<u64, Seen>>,
}

impl Chronicle {
    /// Adds a block.
    pub fn add(&mut self, seen: Seen) {
        self.blocks.entry(seen.side).or_default().insert(seen.head.height, seen);
    }

    /// When a block was seen here.
    #[must_use]
    pub fn head(&self, side: Domain, height: u64) -> Option<Head> {
        Some(self.blocks.get(&side)?.get(&height)?.head)
    }

    /// The newest height of a chain that was seen at or before a moment.
    #[must_use]
    pub fn height_at(&self, side: Domain, at_us: i64) -> Option<u64> {
        let blocks = self.blocks.get(&side)?;
        blocks.values().rev().find(|seen| seen.head.seen_us <= at_us).map(|seen| seen.head.height)
    }

    /// The first trip of a chain at or after a height.
    #[must_use]
    pub fn first_trip(&self, side: Domain, guard: Address, from: u64) -> Option<Tripped> {
        self.blocks.get(&side)?.range(from..).flat_map(|(_, seen)| trips(seen, guard)).next()
    }

    /// Receipts of a block.
    #[must_use]
    pub fn receipts(&self, side: Domain, height: u64) -> &[Receipt] {
        self.blocks.get(&side).and_then(|blocks| blocks.get(&height)).map_or(&[], |seen| &seen.receipts)
    }
}

/// Whole tokens for people.
#[must_use]
pub fn amount(value: U256, decimals: u8) -> String {
    let text = alloy::primitives::utils::format_units(value, decimals).unwrap_or_default();
    let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    match text.split_once('.') {
        Some((whole, fraction)) if whole.len() > 3 => {
            format!("{whole}.{}", fraction.get(..2).unwrap_or(fraction))
        }
        _ => text,
    }
}
