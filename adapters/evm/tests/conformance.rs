//! The family against the suite that every family must pass, on a real node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use alloy::{primitives::Bytes, rpc::types::Header};
use async_trait::async_trait;
use portcullis_adapter::{
    Observe,
    conformance::{HarnessError, TrueEvent, Truth},
};
use portcullis_evm::{Evm, EvmConfig};
use portcullis_rpc::testing::{
    FaultProxy, Rewrite,
    suite::{Stage, Tongue, failed, passes},
};
use portcullis_verifier::{OperatorId, evm::log_digest};
use serde_json::{Value, json};
use support::{World, names, node_available, true_logs};

struct EvmStage {
    world: World,
    push: bool,
    /// What the configuration has otherwise than usual.
    change: fn(EvmConfig) -> EvmConfig,
}

/// A head that is well formed, with its own hash, but not the chain's.
fn another_head() -> Rewrite {
    Arc::new(|_, params, honest| {
        // Only the newest block is lied about; the past is left alone.
        let about_latest = params.is_null() || params.get(0) == Some(&json!("latest"));
        let Ok(mut header) = serde_json::from_value::<Header>(honest.clone()) else { return Some(honest) };
        if about_latest {
            header.inner.extra_data = Bytes::from_static(b"not this one");
            header.hash = header.inner.hash_slow();
        }
        Some(serde_json::to_value(header).unwrap())
    })
}

#[async_trait]
impl Stage for EvmStage {
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
            heads: vec![("push:newHeads", another_head()), ("eth_getBlockByNumber", another_head())],
            events: ("eth_getLogs", Arc::new(|_, _, _| Some(json!([])))),
            pushed: vec!["push:logs"],
            refusal: (-32_000, "query timeout"),
        }
    }

    fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError> {
        let evm = Evm::new((self.change)(self.world.config())).map_err(failed)?;
        Ok(Arc::new(evm.observer()))
    }

    async fn produce(&self, blocks: u64, events_each: u32) {
        self.world.produce(blocks, events_each).await;
    }

    fn reorganises(&self) -> bool {
        true
    }

    async fn reorg(&self, depth: u64, events: u32) -> Result<(), HarnessError> {
        self.world.node.reorg(depth).await.map_err(failed)?;
        self.world.produce(1, events).await;
        Ok(())
    }

    async fn truth(&self) -> Result<Truth, HarnessError> {
        let head: Value =
            self.world.node.ask("eth_getBlockByNumber", json!(["latest", false])).await.map_err(failed)?;
        let head: Header = serde_json::from_value(head).map_err(failed)?;
        let events = true_logs(&self.world).await;
        let events = events.iter().map(|log| TrueEvent {
            height: log.block_number.unwrap(),
            index: u32::try_from(log.log_index.unwrap()).unwrap(),
            block_hash: log.block_hash.unwrap(),
            raw: log_digest(log.address(), log.topics(), &log.data().data),
        });
        Ok(Truth { height: head.inner.number, block_hash: head.hash, events: events.collect() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_push() {
    if node_available() {
        passes(EvmStage { world: World::start().await, push: true, change: |config| config }).await;
    }
}

/// Without sockets: every operator is polled, and blooms are not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_polling() {
    let change = |mut config: EvmConfig| {
        config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
        config.bloom = false;
        config
    };
    if node_available() {
        passes(EvmStage { world: World::start().await, push: false, change }).await;
    }
}
