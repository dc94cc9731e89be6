//! Watching one operator: by push where it has a socket, by polling where it has none or the socket is down.
//!
//! Three things are subscribed to: slots as they are worked through (and, where the node offers it, as they are confirmed),
//! roots, and what watched programs log. Servers are known to drop pushes in silence, so that none is relied on: slots only say
//! how far to ask, and what lies between is asked for.

use std::{
    collections::BTreeMap,
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
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Report, preview::Preview};
use crate::{
    address,
    config::Compiled,
    error::chain_of,
    limits,
    transport::{AT_CONFIRMED, AT_FINALIZED, AT_PROCESSED, Network, genesis, is_of, slot},
};

/// Watches one operator until told to stop.
pub(crate) struct Watcher {
    pub(crate) operator: usize,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) network: Arc<Network>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) stop: CancellationToken,
}

/// What a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// Slots that are worked through.
    Slots,
    /// What becomes of slots.
    Updates,
    /// Roots.
    Roots,
    /// What a watched program logs.
    Logs,
}

#[derive(Deserialize)]
struct SlotPush {
    slot: u64,
}

#[derive(Deserialize)]
struct UpdatePush {
    slot: u64,
    #[serde(rename = "type")]
    kind: String,
}

/// Asks an operator how far its confirmed and its rooted blocks reach.
pub(crate) async fn poll(network: &Network, operator: usize) -> Report {
    let Some(endpoint) = network.operators.get(operator) else {
        return Report::Trouble { operator, kind: FaultKind::Dark, what: String::new() };
    };
    let client = &endpoint.lanes.prove;
    let (confirmed, root) = tokio::join!(slot(client, AT_CONFIRMED), slot(client, AT_FINALIZED));
    match (confirmed, root) {
        (Ok(slot), root) => Report::Head { operator, slot, root: root.unwrap_or(0), at: Instant::now() },
        (Err(error), _) => {
            let what = format!("polling: {}", chain_of(&error));
            Report::Trouble { operator, kind: kind_of(&error), what }
        }
    }
}

impl Watched for Watcher {
    type Last = u64;

    async fn session(&self) -> (End, Option<u64>) {
        let Some((endpoint, url)) = self.socket() else { return (End::Stop, None) };
        let (client, mut pushes, topics) = match self.open(endpoint, url).await {
            Ok(open) => open,
            Err(error) => return (error.into(), None),
        };
        // What happened between two sockets is found from the newest slot: everything below is asked for.
        if !self.poll_once().await {
            return (End::Stop, None);
        }
        let confirms = topics.values().any(|topic| *topic == Topic::Updates);
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        let mut last = None;
        loop {
            let Ok(push) = timeout(silence, pushes.recv()).await else { return (End::Silent, last) };
            let Some(push) = push else { return (End::of(&client), last) };
            let Some(topic) = topics.get(&push.subscription) else {
                ws::unasked(endpoint.name, "push");
                continue;
            };
            match self.take(*topic, &push, confirms).await {
                Ok(Some(slot)) => last = last.max(Some(slot)),
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
            Report::Head { slot, .. } if last.is_some_and(|last| slot <= last) => {}
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
        let _observer_gone = self.reports.send(Report::Trouble { operator: self.operator, kind, what }).await;
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
        if !self.right_chain(endpoint).await {
            return;
        }
        if endpoint.ws.is_some() {
            push::keep_open(endpoint.name, self).await;
        } else {
            push::keep_polling(self, Duration::from_millis(self.compiled.config.poll_ms)).await;
        }
    }

    /// Waits until the operator serves the configured cluster; who serves another one is named, and counts for nothing. False
    /// when the observer is gone.
    async fn right_chain(&self, endpoint: &Operator) -> bool {
        loop {
            let report = match genesis(&endpoint.lanes.prove).await {
                Ok(genesis) if is_of(&genesis, self.network.chain) => return true,
                Ok(genesis) => {
                    let what = format!("PC-0951: it serves the cluster with the genesis hash {genesis}");
                    Report::Trouble { operator: self.operator, kind: FaultKind::Garbage, what }
                }
                Err(error) => {
                    let (kind, what) = (kind_of(&error), format!("genesis hash: {}", chain_of(&error)));
                    Report::Trouble { operator: self.operator, kind, what }
                }
            };
            if self.reports.send(report).await.is_err() {
                return false;
            }
            sleep(Duration::from_millis(rpc_limits::RECONNECT_MAX_MS)).await;
        }
    }

    async fn open(
        &self,
        endpoint: &Operator,
        url: &url::Url,
    ) -> Result<(WsClient, mpsc::Receiver<Push>, BTreeMap<String, Topic>), RpcError> {
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        let settings = push::settings(limits::PUSHES_QUEUE, silence);
        let (client, pushes) = ws::connect(endpoint.name, url, settings).await?;
        let mut topics = BTreeMap::new();
        let subscribe = |method, params| client.subscribe(RpcRequest::read(method, params, ReplySize::Small));
        topics.insert(subscribe("slotSubscribe", json!([])).await?, Topic::Slots);
        topics.insert(subscribe("rootSubscribe", json!([])).await?, Topic::Roots);
        // Not every node offers it; without it each slot is a reason to ask what is confirmed.
        if let Ok(id) = subscribe("slotsUpdatesSubscribe", json!([])).await {
            topics.insert(id, Topic::Updates);
        }
        if self.compiled.config.pending {
            for program in self.compiled.decoder.watched() {
                let mentions =
                    json!([{ "mentions": [address::shown(program)] }, { "commitment": AT_PROCESSED }]);
                topics.insert(subscribe("logsSubscribe", mentions).await?, Topic::Logs);
            }
        }
        Ok((client, pushes, topics))
    }

    async fn take(&self, topic: Topic, push: &Push, confirms: bool) -> Result<Option<u64>, End> {
        let text = push.result.get();
        let garbage = |expected, source| RpcError::Garbage { expected, source: Some(Box::new(source)) };
        let (report, slot) = match topic {
            Topic::Roots => {
                let root = serde_json::from_str(text).map_err(|source| garbage("root", source))?;
                (Report::Root { operator: self.operator, root }, None)
            }
            Topic::Updates => {
                let update: UpdatePush =
                    serde_json::from_str(text).map_err(|source| garbage("update of a slot", source))?;
                if update.kind != "optimisticConfirmation" {
                    return Ok(None);
                }
                let slot = update.slot;
                (Report::Head { operator: self.operator, slot, root: 0, at: push.at }, Some(slot))
            }
            Topic::Slots => {
                let pushed: SlotPush =
                    serde_json::from_str(text).map_err(|source| garbage("slot", source))?;
                let slot = pushed.slot;
                if confirms {
                    let report = Report::Processed { operator: self.operator, slot };
                    self.reports.send(report).await.map_err(|_observer_gone| End::Stop)?;
                    return Ok(Some(slot));
                }
                return if self.poll_once().await { Ok(Some(slot)) } else { Err(End::Stop) };
            }
            Topic::Logs => match Preview::read(&self.compiled.decoder, text, push.at)? {
                Some(preview) => (Report::Preview(preview), None),
                None => return Ok(None),
            },
        };
        self.reports.send(report).await.map_err(|_observer_gone| End::Stop)?;
        Ok(slot)
    }
}
