//! A family's node behind fault proxies: what the suite that every family must pass asks of endpoints is alike for all of
//! them, up to the names of methods.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_adapter::{
    Observe,
    conformance::{Harness, HarnessError, Misbehaviour, Truth, run_all},
};
use portcullis_verifier::OperatorId;

use super::{Fault, FaultProxy, Rewrite};

/// Far more than anybody asked for, bytes.
const OVERSIZE: usize = 70 << 20;

/// Anything that went wrong, as the suite tells it.
#[must_use]
pub fn failed(error: impl std::fmt::Display) -> HarnessError {
    HarnessError(error.to_string())
}

/// What a family's endpoints say when they lie, and by which methods they are asked.
pub struct Tongue {
    /// Methods by which heads are told, each with what is said instead.
    pub heads: Vec<(&'static str, Rewrite)>,
    /// The method that is asked for events, with what is said instead.
    pub events: (&'static str, Rewrite),
    /// Methods by which events are pushed.
    pub pushed: Vec<&'static str>,
    /// What an endpoint says that will not answer: code and text.
    pub refusal: (i64, &'static str),
}

/// A family's real node, and what of the suite only the family knows.
#[async_trait]
pub trait Stage: Send + Sync {
    /// Whose endpoints there are, in the order of the proxies.
    fn operators(&self) -> Vec<OperatorId>;
    /// The endpoints.
    fn proxies(&self) -> &[FaultProxy];
    /// Whether operators have push sockets.
    fn push(&self) -> bool;
    /// What they say when they lie.
    fn tongue(&self) -> Tongue;
    /// As [`Harness::observer`].
    ///
    /// # Errors
    /// When the configuration is none.
    fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError>;
    /// As [`Harness::produce`].
    async fn produce(&self, blocks: u64, events_each: u32);
    /// As [`Harness::reorg`], where the chain can.
    ///
    /// # Errors
    /// When the node does not.
    async fn reorg(&self, depth: u64, events: u32) -> Result<(), HarnessError> {
        Err(failed(format!("nothing replaces {depth} blocks and makes {events} events here")))
    }
    /// As [`Harness::reorganises`].
    fn reorganises(&self) -> bool {
        false
    }
    /// As [`Harness::far_blocks`].
    fn far_blocks(&self) -> u64 {
        200
    }
    /// As [`Harness::truth`].
    ///
    /// # Errors
    /// When the node does not answer.
    async fn truth(&self) -> Result<Truth, HarnessError>;
}

/// Runs the whole suite and prints its report.
///
/// # Panics
/// Where a check was not passed.
#[expect(clippy::panic, reason = "a failed suite is a failed test")]
pub async fn passes(stage: impl Stage) {
    let report = run_all(&Behind(stage)).await;
    println!("{report}");
    if !report.passed() {
        panic!("\n{report}");
    }
}

struct Behind<S>(S);

impl<S: Stage> Behind<S> {
    fn heads(&self, proxy: &FaultProxy) {
        for (method, lie) in self.0.tongue().heads {
            proxy.set(method, Fault::Lie(lie));
        }
    }

    fn oversize(&self, proxy: &FaultProxy) {
        let tongue = self.0.tongue();
        for method in tongue.pushed.into_iter().chain([tongue.events.0]) {
            proxy.set(method, Fault::Oversize(OVERSIZE));
        }
    }

    fn refuse(&self, proxy: &FaultProxy) {
        let tongue = self.0.tongue();
        let (code, message) = tongue.refusal;
        proxy.set(tongue.events.0, Fault::Error { code, message: message.to_owned() });
    }
}

#[async_trait]
impl<S: Stage> Harness for Behind<S> {
    fn operators(&self) -> Vec<OperatorId> {
        self.0.operators()
    }

    fn reorganises(&self) -> bool {
        self.0.reorganises()
    }

    fn far_blocks(&self) -> u64 {
        self.0.far_blocks()
    }

    async fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError> {
        self.0.observer()
    }

    async fn produce(&self, blocks: u64, events_each: u32) -> Result<(), HarnessError> {
        self.0.produce(blocks, events_each).await;
        Ok(())
    }

    async fn reorg(&self, depth: u64, events: u32) -> Result<(), HarnessError> {
        self.0.reorg(depth, events).await
    }

    async fn misbehave(&self, operator: OperatorId, how: Misbehaviour) -> Result<(), HarnessError> {
        let at = self.0.operators().iter().position(|name| *name == operator);
        let proxy = at.and_then(|at| self.0.proxies().get(at)).ok_or_else(|| failed("no such operator"))?;
        match how {
            Misbehaviour::LieAboutHeads => self.heads(proxy),
            Misbehaviour::LieAboutEvents => {
                let (method, lie) = self.0.tongue().events;
                proxy.set(method, Fault::Lie(lie));
            }
            Misbehaviour::HalfOpen if self.0.push() => proxy.go_half_open(),
            Misbehaviour::HalfOpen => proxy.set("*", Fault::Silence),
            Misbehaviour::Oversize => self.oversize(proxy),
            Misbehaviour::Refuse => self.refuse(proxy),
            Misbehaviour::Garbage => proxy.set("*", Fault::Garbage),
            Misbehaviour::Dark => proxy.go_dark(),
            Misbehaviour::Twice => proxy.set("*", Fault::Twice),
        }
        Ok(())
    }

    async fn hang_up(&self) -> Result<(), HarnessError> {
        self.0.proxies().iter().for_each(FaultProxy::hang_up);
        Ok(())
    }

    async fn heal(&self) -> Result<(), HarnessError> {
        self.0.proxies().iter().for_each(FaultProxy::heal);
        Ok(())
    }

    async fn truth(&self) -> Result<Truth, HarnessError> {
        self.0.truth().await
    }
}
