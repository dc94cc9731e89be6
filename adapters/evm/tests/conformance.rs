//! The family against the suite that every family must pass, on a real node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use alloy::{primitives::Bytes, rpc::types::Header};
use async_trait::async_trait;
use portcullis_adapter::{
    Observe,
    conformance::{Harness, HarnessError, Misbehaviour, TrueEvent, Truth, run_all},
};
use portcullis_evm::{Evm, EvmConfig};
use portcullis_rpc::testing::{Fault, FaultProxy, Rewrite};
use portcullis_verifier::{OperatorId, evm::log_digest};
use serde_json::{Value, json};
use support::{World, names, node_available, true_logs};

struct EvmHarness {
    world: World,
    /// Whether operators have push sockets.
    push: bool,
    /// What the configuration has otherwise than usual.
    change: fn(EvmConfig) -> EvmConfig,
}

fn failed(error: impl std::fmt::Display) -> HarnessError {
    HarnessError(error.to_string())
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

fn misbehave(proxy: &FaultProxy, how: Misbehaviour, push: bool) {
    let no_events: Rewrite = Arc::new(|_, _, _| Some(json!([])));
    let refusal = Fault::Error { code: -32_000, message: "query timeout".to_owned() };
    match how {
        Misbehaviour::LieAboutHeads => {
            for method in ["push:newHeads", "eth_getBlockByNumber"] {
                proxy.set(method, Fault::Lie(another_head()));
            }
        }
        Misbehaviour::LieAboutEvents => proxy.set("eth_getLogs", Fault::Lie(no_events)),
        Misbehaviour::HalfOpen if push => proxy.go_half_open(),
        Misbehaviour::HalfOpen => proxy.set("*", Fault::Silence),
        Misbehaviour::Oversize => {
            proxy.set("eth_getLogs", Fault::Oversize(70 << 20));
            proxy.set("push:logs", Fault::Oversize(70 << 20));
        }
        Misbehaviour::Refuse => proxy.set("eth_getLogs", refusal),
        Misbehaviour::Garbage => proxy.set("*", Fault::Garbage),
        Misbehaviour::Dark => proxy.go_dark(),
        Misbehaviour::Twice => proxy.set("*", Fault::Twice),
    }
}

#[async_trait]
impl Harness for EvmHarness {
    fn operators(&self) -> Vec<OperatorId> {
        names()
    }

    fn reorganises(&self) -> bool {
        true
    }

    async fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError> {
        let evm = Evm::new((self.change)(self.world.config())).map_err(failed)?;
        Ok(Arc::new(evm.observer()))
    }

    async fn produce(&self, blocks: u64, events_each: u32) -> Result<(), HarnessError> {
        self.world.produce(blocks, events_each).await;
        Ok(())
    }

    async fn reorg(&self, depth: u64, events: u32) -> Result<(), HarnessError> {
        self.world.node.reorg(depth).await.map_err(failed)?;
        self.world.produce(1, events).await;
        Ok(())
    }

    async fn misbehave(&self, operator: OperatorId, how: Misbehaviour) -> Result<(), HarnessError> {
        let at =
            names().iter().position(|name| *name == operator).ok_or_else(|| failed("no such operator"))?;
        misbehave(&self.world.proxies[at], how, self.push);
        Ok(())
    }

    async fn hang_up(&self) -> Result<(), HarnessError> {
        self.world.proxies.iter().for_each(FaultProxy::hang_up);
        Ok(())
    }

    async fn heal(&self) -> Result<(), HarnessError> {
        self.world.proxies.iter().for_each(FaultProxy::heal);
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

async fn passes(push: bool, change: fn(EvmConfig) -> EvmConfig) {
    if !node_available() {
        return;
    }
    let harness = EvmHarness { world: World::start().await, push, change };
    let report = run_all(&harness).await;
    println!("{report}");
    assert!(report.passed(), "\n{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_push() {
    passes(true, |config| config).await;
}

/// Without sockets: every operator is polled, and blooms are not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_polling() {
    passes(false, |mut config| {
        config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
        config.bloom = false;
        config
    })
    .await;
}
