//! The family against the suite that every family must pass, on a real node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_adapter::{
    Observe,
    conformance::{HarnessError, Truth},
};
use portcullis_rpc::testing::{
    FaultProxy, Rewrite,
    suite::{Stage, Tongue, failed, passes},
};
use portcullis_solana::{Solana, SolanaConfig, limits};
use portcullis_verifier::OperatorId;
use serde_json::json;
use support::{World, names, node_available};

struct SolanaStage {
    world: World,
    push: bool,
    /// What the configuration has otherwise than usual.
    change: fn(SolanaConfig) -> SolanaConfig,
}

/// A block that is well formed, and not the chain's.
fn another_block() -> Rewrite {
    Arc::new(|_, _, mut honest| {
        if let Some(hash) = honest.pointer_mut("/blockhash") {
            *hash = json!("So11111111111111111111111111111111111111112");
        }
        Some(honest)
    })
}

/// A block whose transactions did nothing.
fn no_events() -> Rewrite {
    Arc::new(|_, _, mut honest| {
        let count = honest["transactions"].as_array().map_or(0, Vec::len);
        for at in 0..count {
            honest["transactions"][at]["meta"]["err"] = json!("AccountInUse");
        }
        Some(honest)
    })
}

/// A cluster of one validator confirms what it makes; forks are tested with scripted operators.
#[async_trait]
impl Stage for SolanaStage {
    fn operators(&self) -> Vec<OperatorId> {
        names()
    }

    fn proxies(&self) -> &[FaultProxy] {
        &self.world.proxies
    }

    fn push(&self) -> bool {
        self.push
    }

    fn tongue(&self) -> Tongue {
        Tongue {
            heads: vec![("getBlock", another_block())],
            events: ("getBlock", no_events()),
            pushed: Vec::new(),
            refusal: (-32_603, "Internal error"),
        }
    }

    fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError> {
        let solana = Solana::new((self.change)(self.world.config())).map_err(failed)?;
        Ok(Arc::new(solana.observer()))
    }

    async fn produce(&self, blocks: u64, events_each: u32) {
        self.world.produce(blocks, events_each).await;
    }

    /// With the blocks of events before them more than one list of slots tells of.
    fn far_blocks(&self) -> u64 {
        limits::LIST_SLOTS
    }

    async fn truth(&self) -> Result<Truth, HarnessError> {
        let (head, events) = self.world.truth().await;
        Ok(Truth { height: head.height, block_hash: head.hash, events })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_push() {
    if node_available() {
        passes(SolanaStage { world: World::start().await, push: true, change: |config| config }).await;
    }
}

/// Without sockets: every operator is polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_polling() {
    let change = |mut config: SolanaConfig| {
        config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
        config.poll_ms = 50;
        config
    };
    if node_available() {
        passes(SolanaStage { world: World::start().await, push: false, change }).await;
    }
}
