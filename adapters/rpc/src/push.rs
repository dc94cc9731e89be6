//! Keeping a push socket open: what follows when one ends, alike in every family.

use core::{future::Future, time::Duration};
use std::time::Instant;

use portcullis_verifier::{FaultKind, OperatorId};
use tokio::time::sleep;

use crate::{
    RpcError,
    faults::{chain_of, kind_of},
    limits,
    ws::{WsClient, WsSettings},
};

/// Why a socket ended.
#[derive(Debug)]
pub enum End {
    /// Nobody listens any more.
    Stop,
    /// The socket failed.
    Failed(FaultKind, String),
    /// Nothing was pushed for longer than the bound.
    Silent,
}

impl End {
    /// Of a socket that brings nothing more.
    #[must_use]
    pub fn of(client: &WsClient) -> Self {
        client.reason().map_or_else(|| Self::Failed(FaultKind::Dark, "it ended".to_owned()), Self::because)
    }

    fn because(error: &RpcError) -> Self {
        Self::Failed(kind_of(error), chain_of(error))
    }
}

impl From<RpcError> for End {
    fn from(error: RpcError) -> Self {
        Self::because(&error)
    }
}

/// One operator that is watched by push.
pub trait Watched: Sync {
    /// What tells how far a socket has come.
    type Last: Send;

    /// One socket from opening to its end, and what it told last.
    fn session(&self) -> impl Future<Output = (End, Option<Self::Last>)> + Send;
    /// Asks for the newest head over HTTP; false when nobody listens any more.
    fn poll_once(&self) -> impl Future<Output = bool> + Send;
    /// Says why a socket was silent: it is half open when the node itself has moved on; else the chain stands still.
    fn explain_silence(&self, last: Option<Self::Last>) -> impl Future<Output = ()> + Send;
    /// Tells that something is wrong.
    fn trouble(&self, kind: FaultKind, what: String) -> impl Future<Output = ()> + Send;
}

/// Opens a socket of an operator, and another one when it ends, until nobody listens any more.
pub async fn keep_open(operator: OperatorId, watched: &impl Watched) {
    let mut pause_ms = limits::RECONNECT_MIN_MS;
    let mut failures = 0u32;
    loop {
        let began = Instant::now();
        let (end, last) = watched.session().await;
        if began.elapsed() > Duration::from_millis(limits::RECONNECT_MAX_MS) {
            (pause_ms, failures) = (limits::RECONNECT_MIN_MS, 0);
        }
        failures = failures.saturating_add(1);
        match end {
            End::Stop => return,
            // A socket that breaks and opens again is the network's way; one that does not is trouble.
            End::Failed(FaultKind::Dark, what) if failures < limits::SOCKET_FAILURES => {
                tracing::debug!(%operator, what, "a push socket ended");
            }
            End::Failed(kind, what) => watched.trouble(kind, format!("push socket: {what}")).await,
            End::Silent => watched.explain_silence(last).await,
        }
        metrics::counter!("portcullis_push_reconnects_total", "operator" => operator.as_str().to_owned())
            .increment(1);
        // The chain goes on while the socket is away.
        if !watched.poll_once().await {
            return;
        }
        sleep(Duration::from_millis(pause_ms)).await;
        pause_ms = longer(pause_ms);
    }
}

/// Asks over HTTP, for who has no socket, until nobody listens any more.
pub async fn keep_polling(watched: &impl Watched, period: Duration) {
    while watched.poll_once().await {
        sleep(period).await;
    }
}

/// The next pause before something that failed is tried again, milliseconds.
#[must_use]
pub fn longer(pause_ms: u64) -> u64 {
    pause_ms.saturating_mul(2).min(limits::RECONNECT_MAX_MS)
}

/// Bounds of a socket that pushes: `pushes` may wait to be read, and after `silence` without any frame it is half open.
#[must_use]
pub fn settings(pushes: usize, silence: Duration) -> WsSettings {
    let ping = silence.checked_div(4).unwrap_or(silence);
    WsSettings { pushes, ping, silence, ..WsSettings::default() }
}
