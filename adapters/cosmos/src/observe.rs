//! Observing one chain through all its operators.
//!
//! *Who is in the play.* One [`push`] watcher per operator brings heights, by websocket or by polling. For each height
//! every operator is asked for all that it tells of the block ([`fetch`]), and the [`book`] keeps their words until one
//! header is verified by the light client ([`crate::finality`]) and a quorum tells its events alike: blocks of this
//! family commit to headers, transactions and state, and not to events. The [`assembler`] keeps the [`health`] of
//! operators and is the only one that sends batches. All of them speak to the assembler in [`Report`]s over one
//! bounded queue: a slow feed slows the sockets down and nothing is dropped.
//!
//! What is delivered is final: nothing is ever retracted. Two verified headers of one height freeze the light client
//! and end the delivery, because then nothing of the chain is proven any more.

mod assembler;
pub(crate) mod batch;
mod book;
mod clocks;
pub(crate) mod fetch;
mod health;
pub(crate) mod push;
mod validators;
mod words;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use async_trait::async_trait;
use futures::future::join_all;
use portcullis_adapter::{AdapterError, Class, Cursor, Feed, Observe};
use portcullis_verifier::{ChainId, FaultKind};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Compiled,
    finality::{self, Tip},
    limits,
    transport::{Network, status},
};

use assembler::Assembler;
use fetch::{Answer, Missing};
use validators::Watch;

/// What the watchers tell the assembler.
#[derive(Debug)]
pub(crate) enum Report {
    /// An operator's height, with the block as it was pushed where it was.
    Head { operator: usize, height: u64, at: Instant, pushed: Option<Box<RawValue>> },
    /// What an operator tells of a block.
    Block { operator: usize, height: u64, answer: Result<Box<Answer>, Missing> },
    /// An operator's endpoint fails, or, where none is named, the light client cannot go on.
    Trouble { operator: Option<usize>, kind: FaultKind, what: String },
    /// The light client has been brought to where watching begins.
    Began(Box<Tip>),
}

/// Watches one chain.
#[derive(Debug, Clone)]
pub struct CosmosObserver {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
}

impl CosmosObserver {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>) -> Self {
        Self { compiled, network }
    }

    /// Refuses to begin when so many endpoints serve another chain that no quorum can ever agree. Who does not
    /// answer now may come back: its watcher asks again.
    async fn check_chains(&self) -> Result<(), AdapterError> {
        let asks = self.network.operators.iter().map(|operator| async move {
            tokio::time::timeout(limits::CHAIN_CHECK, status(&operator.lanes.prove)).await
        });
        let answers = join_all(asks).await;
        let wrong = |name: &str| name != self.network.name;
        let foreign =
            answers.iter().filter(|answer| matches!(answer, Ok(Ok(status)) if wrong(&status.chain))).count();
        let left = self.network.operators.len().saturating_sub(foreign);
        if left < self.network.quorum {
            let what = format!(
                "PC-0901: {foreign} of {} endpoints serve another chain and {} must agree; correct their URLs",
                self.network.operators.len(),
                self.network.quorum
            );
            return Err(AdapterError::new(self.network.chain, None, Class::Permanent, what));
        }
        Ok(())
    }

    /// Brings the light client to the block before `first`, behind the back of the assembler, which tells meanwhile
    /// what goes wrong.
    fn begin(&self, first: u64, reports: mpsc::Sender<Report>, stop: CancellationToken) {
        let network = Arc::clone(&self.network);
        tokio::spawn(async move {
            let place = |name| network.operators.iter().position(|operator| operator.name == name);
            let tell = |operator: Option<&portcullis_rpc::Operator>, kind, what| {
                let operator = operator.and_then(|operator| place(operator.name));
                // A full queue means that there is enough to tell already; it is told again at the next try.
                let _full = reports.try_send(Report::Trouble { operator, kind, what });
            };
            if let Some(tip) = finality::begin(&network, first, &stop, tell).await {
                let _observer_gone = reports.send(Report::Began(Box::new(tip))).await;
            }
        });
    }
}

#[async_trait]
impl Observe for CosmosObserver {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        self.check_chains().await?;
        let config = &self.compiled.config;
        let (recent, next) = match from {
            Some(cursor) => {
                let recent = batch::window(self.network.chain, &cursor)?;
                let next = recent.back().map_or(0, |block| block.height.saturating_add(1));
                (recent, next)
            }
            None => (VecDeque::new(), config.start_height.max(config.trust.height.saturating_add(1))),
        };
        let delivered = recent.back().map(|block| block.height);
        let validators =
            Watch::open(config.state_dir.clone(), self.network.chain, delivered).map_err(|why| {
                let what = "from which validators on power is counted is not known";
                AdapterError::new(self.network.chain, None, Class::Permanent, what).caused_by(why)
            })?;
        // The watchers end with this call, however it ends.
        let watching = stop.child_token();
        let _ends_watchers = watching.clone().drop_guard();
        let (reports, inbox) = mpsc::channel(limits::REPORTS_QUEUE);
        for operator in 0..self.network.operators.len() {
            let watcher = push::Watcher {
                operator,
                compiled: Arc::clone(&self.compiled),
                network: Arc::clone(&self.network),
                reports: reports.clone(),
                stop: watching.clone(),
            };
            tokio::spawn(watcher.run());
        }
        self.begin(next, reports.clone(), watching.clone());
        let assembler = Assembler::new(
            Arc::clone(&self.compiled),
            Arc::clone(&self.network),
            (recent, next),
            validators,
            reports,
            watching,
        );
        assembler.run(inbox, feed).await
    }
}
