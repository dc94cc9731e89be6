//! The family against the suite that every family must pass, on a real node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_adapter::{
    Observe,
    conformance::{Harness, HarnessError, Misbehaviour, Truth, run_all},
};
use portcullis_rpc::testing::{Fault, FaultProxy, Rewrite};
use portcullis_solana::{Solana, SolanaConfig};
use portcullis_verifier::OperatorId;
use serde_json::json;
use support::{World, names, node_available};

struct SolanaHarness {
    world: World,
    /// Whether operators have push sockets.
    push: bool,
    /// What the configuration has otherwise than usual.
    change: fn(SolanaConfig) -> SolanaConfig,
}

fn failed(error: impl std::fmt::Display) -> HarnessError {
    HarnessError(error.to_string())
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

fn misbehave(proxy: &FaultProxy, how: Misbehaviour, push: bool) {
    let refusal = Fault::Error { code: -32_603, message: "Internal error".to_owned() };
    match how {
        Misbehaviour::LieAboutHeads => proxy.set("getBlock", Fault::Lie(another_block())),
        Misbehaviour::LieAboutEvents => proxy.set("getBlock", Fault::Lie(no_events())),
        Misbehaviour::HalfOpen if push => proxy.go_half_open(),
        Misbehaviour::HalfOpen => proxy.set("*", Fault::Silence),
        Misbehaviour::Oversize => proxy.set("getBlock", Fault::Oversize(70 << 20)),
        Misbehaviour::Refuse => proxy.set("getBlock", refusal),
        Misbehaviour::Garbage => proxy.set("*", Fault::Garbage),
        Misbehaviour::Dark => proxy.go_dark(),
        Misbehaviour::Twice => proxy.set("*", Fault::Twice),
    }
}

#[async_trait]
impl Harness for SolanaHarness {
    fn operators(&self) -> Vec<OperatorId> {
        names()
    }

    fn reorganises(&self) -> bool {
        // A cluster of one validator confirms what it makes; forks are tested with scripted operators.
        false
    }

    async fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError> {
        let solana = Solana::new((self.change)(self.world.config())).map_err(failed)?;
        Ok(Arc::new(solana.observer()))
    }

    async fn produce(&self, blocks: u64, events_each: u32) -> Result<(), HarnessError> {
        self.world.produce(blocks, events_each).await;
        Ok(())
    }

    async fn reorg(&self, _: u64, _: u32) -> Result<(), HarnessError> {
        Err(failed("a cluster of one validator cannot be reorganised"))
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
        let (head, events) = self.world.truth().await;
        Ok(Truth { height: head.height, block_hash: head.hash, events })
    }
}

async fn passes(push: bool, change: fn(SolanaConfig) -> SolanaConfig) {
    if !node_available() {
        return;
    }
    let harness = SolanaHarness { world: World::start().await, push, change };
    let report = run_all(&harness).await;
    println!("{report}");
    assert!(report.passed(), "\n{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_push() {
    passes(true, |config| config).await;
}

/// Without sockets: every operator is polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_family_passes_by_polling() {
    passes(false, |mut config| {
        config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
        config.poll_ms = 50;
        config
    })
    .await;
}
