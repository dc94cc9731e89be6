//! Watching one operator: by push where it has a socket, by polling where it has none or the socket is down.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_rpc::{
    Operator, ReplySize, RpcError, RpcRequest,
    faults::kind_of,
    ws::{self, Push, WsClient, WsSettings},
};
use portcullis_verifier::FaultKind;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Report;
use crate::{
    config::Compiled,
    error::chain_of,
    limits,
    transport::{Network, read_push, status},
};

/// What is subscribed to.
pub(crate) const NEW_BLOCKS: &str = "tm.event='NewBlock'";

/// Watches one operator until told to stop.
pub(crate) struct Watcher {
    pub(crate) operator: usize,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) network: Arc<Network>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) stop: CancellationToken,
}

/// Why a session ended.
enum End {
    /// The observer is gone.
    Stop,
    /// The socket failed.
    Failed(FaultKind, String),
    /// Nothing was pushed for longer than the bound.
    Silent,
}

impl From<RpcError> for End {
    fn from(error: RpcError) -> Self {
        Self::Failed(kind_of(&error), chain_of(&error))
    }
}

/// Asks an operator for its head once. Who serves another chain is named, and counts for nothing.
pub(crate) async fn poll(network: &Network, operator: usize) -> Report {
    let Some(endpoint) = network.operators.get(operator) else {
        return Report::Trouble { operator: Some(operator), kind: FaultKind::Dark, what: String::new() };
    };
    match status(&endpoint.lanes.prove).await {
        Ok(status) if status.chain != network.name => {
            let what = format!("PC-0901: it serves the chain '{}', not '{}'", status.chain, network.name);
            Report::Trouble { operator: Some(operator), kind: FaultKind::Garbage, what }
        }
        Ok(status) => Report::Head { operator, height: status.height, at: Instant::now(), pushed: None },
        Err(error) => {
            let what = format!("polling: {}", chain_of(&error));
            Report::Trouble { operator: Some(operator), kind: kind_of(&error), what }
        }
    }
}

impl Watcher {
    pub(crate) async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.watch() => {}
        }
    }

    fn endpoint(&self) -> Option<&Operator> {
        self.network.operators.get(self.operator)
    }

    async fn watch(&self) {
        let Some(endpoint) = self.endpoint() else { return };
        if !self.right_chain().await {
            return;
        }
        let Some(url) = &endpoint.ws else {
            loop {
                sleep(Duration::from_millis(self.compiled.config.poll_ms)).await;
                if !self.poll_once().await {
                    return;
                }
            }
        };
        let mut pause_ms = limits::RECONNECT_MIN_MS;
        let mut failures = 0u32;
        loop {
            let began = Instant::now();
            let (end, last) = self.session(endpoint, url).await;
            if began.elapsed() > Duration::from_millis(limits::RECONNECT_MAX_MS) {
                (pause_ms, failures) = (limits::RECONNECT_MIN_MS, 0);
            }
            failures = failures.saturating_add(1);
            match end {
                End::Stop => return,
                // A socket that breaks and opens again is the network's way; one that does not is trouble.
                End::Failed(FaultKind::Dark, _) if failures < limits::SOCKET_FAILURES => {}
                End::Failed(kind, what) => self.trouble(kind, format!("push socket: {what}")).await,
                End::Silent => self.explain_silence(last).await,
            }
            metrics::counter!("portcullis_push_reconnects_total", "operator" => endpoint.name.as_str().to_owned())
                .increment(1);
            // The chain goes on while the socket is away.
            if !self.poll_once().await {
                return;
            }
            sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = pause_ms.saturating_mul(2).min(limits::RECONNECT_MAX_MS);
        }
    }

    /// Returns once the endpoint has shown that it serves this chain; false when the observer is gone.
    async fn right_chain(&self) -> bool {
        let mut pause_ms = limits::RECONNECT_MIN_MS;
        loop {
            let report = poll(&self.network, self.operator).await;
            let right = matches!(report, Report::Head { .. });
            if self.reports.send(report).await.is_err() {
                return false;
            }
            if right {
                return true;
            }
            sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = pause_ms.saturating_mul(2).min(limits::RECONNECT_MAX_MS);
        }
    }

    /// A silent socket is half open when the node itself has moved on; else the chain stands still.
    async fn explain_silence(&self, last: Option<u64>) {
        let silence = self.compiled.config.silence_ms;
        match poll(&self.network, self.operator).await {
            Report::Head { height, .. } if Some(height) == last => {}
            Report::Head { .. } => {
                let what = format!("the push socket was silent for {silence} ms while the node moved on");
                self.trouble(FaultKind::Dark, what).await;
            }
            Report::Trouble { kind, what, .. } => {
                self.trouble(kind, format!("silent for {silence} ms, and: {what}")).await;
            }
            _ => {}
        }
    }

    async fn trouble(&self, kind: FaultKind, what: String) {
        let operator = Some(self.operator);
        let _observer_gone = self.reports.send(Report::Trouble { operator, kind, what }).await;
    }

    /// Asks for the newest block over HTTP; false when the observer is gone.
    async fn poll_once(&self) -> bool {
        self.reports.send(poll(&self.network, self.operator).await).await.is_ok()
    }

    /// One socket from opening to its end, and the height that it told last.
    async fn session(&self, endpoint: &Operator, url: &url::Url) -> (End, Option<u64>) {
        let (client, mut pushes) = match self.open(endpoint, url).await {
            Ok(open) => open,
            Err(error) => return (error.into(), None),
        };
        // What happened between two sockets is found from the newest height: everything below is asked for.
        if !self.poll_once().await {
            return (End::Stop, None);
        }
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        let mut last = None;
        loop {
            let Ok(push) = timeout(silence, pushes.recv()).await else { return (End::Silent, last) };
            let Some(push) = push else {
                let why = client.reason();
                let kind = why.map_or(FaultKind::Dark, kind_of);
                let what = why.map_or_else(|| "it ended".to_owned(), |why| chain_of(why));
                return (End::Failed(kind, what), last);
            };
            match self.take(push).await {
                Ok(Some(height)) => last = Some(height),
                Ok(None) => {}
                Err(end) => return (end, last),
            }
        }
    }

    async fn open(
        &self,
        endpoint: &Operator,
        url: &url::Url,
    ) -> Result<(WsClient, mpsc::Receiver<Push>), RpcError> {
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        let settings = WsSettings {
            pushes: limits::PUSHES_QUEUE,
            ping: silence.checked_div(4).unwrap_or(silence),
            silence,
            ..WsSettings::default()
        };
        let (client, pushes) = ws::connect(endpoint.name, url, settings).await?;
        let subscribe = RpcRequest::read("subscribe", json!({ "query": NEW_BLOCKS }), ReplySize::Small);
        client.stream(subscribe).await?;
        Ok((client, pushes))
    }

    async fn take(&self, push: Push) -> Result<Option<u64>, End> {
        let Some((height, _hash)) = read_push(&push.result)? else { return Ok(None) };
        let pushed = Some(push.result);
        let report = Report::Head { operator: self.operator, height, at: push.at, pushed };
        self.reports.send(report).await.map_err(|_observer_gone| End::Stop)?;
        Ok(Some(height))
    }
}
