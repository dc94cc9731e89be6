//! The family against the suite that every family must pass, on a real node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_adapter::{
    Observe,
    conformance::{HarnessError, Truth},
};
use portcullis_cosmos::{Cosmos, CosmosConfig};
use portcullis_rpc::testing::{
    FaultProxy, Rewrite,
    suite::{Stage, Tongue, failed, passes},
};
use portcullis_verifier::OperatorId;
use serde_json::json;
use support::{World, names, node_available};

struct CosmosStage {
    world: World,
    push: bool,
    /// What the configuration has otherwise than usual.
    change: fn(CosmosConfig) -> CosmosConfig,
}

/// A header that is well formed, and that nobody signed.
fn another_header() -> Rewrite {
    Arc::new(|_, _, mut honest| {
        if let Some(root) = honest.pointer_mut("/signed_header/header/app_hash") {
            *root = json!("AA".repeat(32));
        }
        Some(honest)
    })
}

/// A block whose transactions said nothing.
fn no_events() -> Rewrite {
    Arc::new(|_, _, mut honest| {
        let none = Vec::new();
        let results = honest["txs_results"].as_array().unwrap_or(&none).len();
        for at in 0..results {
            honest["txs_results"][at]["events"] = json!([]);
        }
        Some(honest)
    })
}

/// What is signed stays: it makes no reorganisations.
#[async_trait]
impl Stage for CosmosStage {
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
            heads: vec![("commit", another_header())],
            events: ("block_results", no_events()),
            pushed: Vec::new(),
            refusal: (-32_603, "Internal error"),
        }
    }

    fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError> {
        let cosmos = Cosmos::new((self.change)(self.world.config())).map_err(failed)?;
        Ok(Arc::new(cosmos.observer()))
    }

    /// Three batches of catching up, and eight heights in flight at a time.
    fn far_blocks(&self) -> u64 {
        100
    }

    async fn produce(&self, blocks: u64, events_each: u32) {
        self.world.produce(blocks, events_each).await;
    }

    async fn truth(&self) -> Result<Truth, HarnessError> {
        let (head, events) = self.world.truth().await;
        Ok(Truth { height: head.height, block_hash: head.hash, events })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_push() {
    if node_available() {
        passes(CosmosStage { world: World::start().await, push: true, change: |config| config }).await;
    }
}

/// Without sockets: every operator is polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_polling() {
    let change = |mut config: CosmosConfig| {
        config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
        config.poll_ms = 50;
        config
    };
    if node_available() {
        passes(CosmosStage { world: World::start().await, push: false, change }).await;
    }
}
