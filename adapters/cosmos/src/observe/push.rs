//! Watching one operator: by push where it has a socket, by polling where it has none or the socket is down.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_rpc::{
    Operator, ReplySize, RpcError, RpcRequest,
    faults::kind_of,
    limits as rpc_limits,
    push::{self, End, Watched},
    ws::{self, Push, WsClient},
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

impl Watched for Watcher {
    type Last = u64;

    async fn session(&self) -> (End, Option<u64>) {
        let Some((endpoint, url)) = self.socket() else { return (End::Stop, None) };
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
            let Some(push) = push else { return (End::of(&client), last) };
            match self.take(push).await {
                Ok(Some(height)) => last = Some(height),
                Ok(None) => {}
                Err(end) => return (end, last),
            }
        }
    }

    async fn poll_once(&self) -> bool {
        self.reports.send(poll(&self.network, self.operator).await).await.is_ok()
    }

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

    fn socket(&self) -> Option<(&Operator, &url::Url)> {
        let endpoint = self.endpoint()?;
        Some((endpoint, endpoint.ws.as_ref()?))
    }

    async fn watch(&self) {
        let Some(endpoint) = self.endpoint() else { return };
        if !self.right_chain().await {
            return;
        }
        if endpoint.ws.is_some() {
            push::keep_open(endpoint.name, self).await;
        } else {
            push::keep_polling(self, Duration::from_millis(self.compiled.config.poll_ms)).await;
        }
    }

    /// Returns once the endpoint has shown that it serves this chain; false when the observer is gone.
    async fn right_chain(&self) -> bool {
        let mut pause_ms = rpc_limits::RECONNECT_MIN_MS;
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
            pause_ms = push::longer(pause_ms);
        }
    }

    async fn open(
        &self,
        endpoint: &Operator,
        url: &url::Url,
    ) -> Result<(WsClient, mpsc::Receiver<Push>), RpcError> {
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        let settings = push::settings(limits::PUSHES_QUEUE, silence);
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
