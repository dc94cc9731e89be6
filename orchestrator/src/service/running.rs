//! A running group: supervised until it has to end, and ended in order.

use std::sync::Arc;

use portcullis_core::{Body, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::correlate::rebuild::RebuildError;
use crate::persist::{Durable, DurableError};
use crate::store::StoreError;

/// Why a group has to be started again.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupError {
    #[error("PC-0291: the record cannot be used")]
    Store(#[source] Box<StoreError>),
    #[error("PC-0292: nothing can be made durable")]
    Durable(#[source] Box<DurableError>),
    #[error("PC-0293: the engine cannot be rebuilt")]
    Rebuild(#[source] Box<RebuildError>),
    #[error("PC-0294: another process took the lease")]
    LeaseLost,
    #[error("PC-0295: {0} ended by itself")]
    StepEnded(&'static str),
}

impl From<StoreError> for GroupError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<DurableError> for GroupError {
    fn from(error: DurableError) -> Self {
        Self::Durable(Box::new(error))
    }
}

impl From<RebuildError> for GroupError {
    fn from(error: RebuildError) -> Self {
        Self::Rebuild(Box::new(error))
    }
}

/// A running group.
pub(super) struct Running {
    pub(super) stop: CancellationToken,
    pub(super) steps: JoinSet<&'static str>,
    pub(super) writer: tokio::task::JoinHandle<Result<(), DurableError>>,
    pub(super) correlator: tokio::task::JoinHandle<Result<(), crate::correlate::LoopError>>,
    pub(super) rows: tokio::task::JoinHandle<()>,
    pub(super) engine_in: mpsc::Sender<Body>,
    pub(super) durable: Arc<Durable>,
}

impl Running {
    /// Runs until told to stop or until a step fails; ends every step in either case.
    pub(super) async fn run(
        mut self,
        lost: &CancellationToken,
        commands: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Result<(), GroupError> {
        let result = self.supervise(lost, commands, stop).await;
        self.finish().await;
        result
    }

    async fn supervise(
        &mut self,
        lost: &CancellationToken,
        commands: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Result<(), GroupError> {
        let overtaken = self.durable.overtaken().clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = overtaken.cancelled() => return Err(GroupError::LeaseLost),
                () = lost.cancelled() => return Err(GroupError::LeaseLost),
                ended = &mut self.writer => {
                    return match ended {
                        Ok(Err(error)) => Err(error.into()),
                        _ => Err(GroupError::StepEnded("persist")),
                    };
                }
                _ended = &mut self.correlator => return Err(GroupError::StepEnded("correlate")),
                Some(ended) = self.steps.join_next() => {
                    return Err(GroupError::StepEnded(ended.unwrap_or("a step")));
                }
                Some(command) = commands.recv() => {
                    // The loop ends only with the group.
                    let _told = self.engine_in.send(Body::Command(command)).await;
                }
            }
        }
    }

    /// Ends every step: those that act first, then the loop, which hands over what it consumed, then the writer.
    async fn finish(self) {
        let Self { stop, mut steps, writer, correlator, rows, engine_in, durable: _ } = self;
        stop.cancel();
        drop(engine_in);
        let aborts = [correlator.abort_handle(), writer.abort_handle(), rows.abort_handle()];
        let graceful = async {
            while steps.join_next().await.is_some() {}
            if !correlator.is_finished() {
                let _ended = correlator.await;
            }
            if !writer.is_finished() {
                let _ended = writer.await;
            }
            let _ended = rows.await;
        };
        if tokio::time::timeout(budget::SHUTDOWN, graceful).await.is_err() {
            tracing::warn!("a step did not end in time; what is durable is taken up by the next start");
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}
