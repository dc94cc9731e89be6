//! Watching one operator: by push where it has a socket, by polling where it has none or the socket is down.

use core::time::Duration;
use std::{collections::VecDeque, sync::Arc, time::Instant};

use alloy::{primitives::Address, rpc::types::Header};
use portcullis_rpc::{
    Operator, ReplySize, RpcError, RpcRequest,
    faults::kind_of,
    limits as rpc_limits,
    push::{self, End, Watched},
    ws::{self, Push, WsClient},
};
use portcullis_verifier::{B256, BlockRef, FaultKind};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Report, pending::Previews};
use crate::{
    config::Compiled,
    error::chain_of,
    limits,
    transport::{At, Head, LogSet, Network, Span, block_logs_request, chain_number, head},
    wire::{PushedLog, WireLog, logs_of},
};

/// Blocks whose logs were asked for lately, so that head and pushed log do not both ask.
const ASKED_MAX: usize = 64;

/// Watches one operator until told to stop.
pub(super) struct Watcher {
    pub(super) operator: usize,
    pub(super) compiled: Arc<Compiled>,
    pub(super) network: Arc<Network>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) stop: CancellationToken,
}

/// One open socket.
struct Session {
    client: WsClient,
    heads: String,
    logs: Option<String>,
    pending: Option<(String, Previews)>,
    asked: VecDeque<B256>,
    last: Option<BlockRef>,
}

impl Watched for Watcher {
    type Last = BlockRef;

    async fn session(&self) -> (End, Option<BlockRef>) {
        let Some((endpoint, url)) = self.socket() else { return (End::Stop, None) };
        let (mut session, mut pushes) = match self.open(endpoint, url).await {
            Ok(open) => open,
            Err(error) => return (error.into(), None),
        };
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        // What happened between two sockets is found from the newest head: its ancestors are back-filled.
        let latest = session.client.call(crate::transport::block_request(At::Latest)).await;
        let latest = latest.and_then(|reply| reply.decode::<Option<Header>>("block"));
        match latest {
            Ok(Some(header)) => {
                if let Err(end) = self.take_head(&mut session, &header, Instant::now()).await {
                    return (end, session.last);
                }
            }
            Ok(None) => return (RpcError::garbage("latest block").into(), None),
            Err(error) => return (error.into(), None),
        }
        // Pushes of logs must not count as life: a socket that brings no heads is as good as silent.
        let mut heard = Instant::now();
        loop {
            let left = silence.saturating_sub(heard.elapsed());
            let Ok(push) = timeout(left, pushes.recv()).await else { return (End::Silent, session.last) };
            let Some(push) = push else { return (End::of(&session.client), session.last) };
            if push.subscription == session.heads {
                heard = push.at;
            }
            if let Err(end) = self.take(&mut session, push).await {
                return (end, session.last);
            }
        }
    }

    async fn poll_once(&self) -> bool {
        let Some(endpoint) = self.endpoint() else { return false };
        let report = match head(&endpoint.lanes.prove, At::Latest).await {
            Ok(Some(head)) => {
                Report::Head { operator: self.operator, head, at: Instant::now(), asked: false }
            }
            Ok(None) => Report::Trouble {
                operator: self.operator,
                kind: FaultKind::Garbage,
                what: "it knows no latest block".to_owned(),
            },
            Err(error) => Report::Trouble {
                operator: self.operator,
                kind: kind_of(&error),
                what: format!("polling: {}", chain_of(&error)),
            },
        };
        self.reports.send(report).await.is_ok()
    }

    async fn explain_silence(&self, last: Option<BlockRef>) {
        let Some(endpoint) = self.endpoint() else { return };
        let silence = self.compiled.config.silence_ms;
        match head(&endpoint.lanes.prove, At::Latest).await {
            Ok(Some(now)) if Some(now.block) == last => {}
            Ok(_) => {
                let what = format!("the push socket was silent for {silence} ms while the node moved on");
                self.trouble(FaultKind::Dark, what).await;
            }
            Err(error) => {
                let what = format!("silent for {silence} ms, and: {}", chain_of(&error));
                self.trouble(kind_of(&error), what).await;
            }
        }
    }

    async fn trouble(&self, kind: FaultKind, what: String) {
        let _observer_gone = self.reports.send(Report::Trouble { operator: self.operator, kind, what }).await;
    }
}

impl Watcher {
    pub(super) async fn run(self) {
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

    fn addresses(&self) -> Vec<Address> {
        self.compiled.decoder.addresses().collect()
    }

    async fn watch(&self) {
        let Some(endpoint) = self.endpoint() else { return };
        self.right_chain(endpoint).await;
        if endpoint.ws.is_some() {
            push::keep_open(endpoint.name, self).await;
        } else {
            push::keep_polling(self, Duration::from_millis(self.compiled.config.poll_ms)).await;
        }
    }

    /// Returns once the endpoint has shown that it serves this chain.
    async fn right_chain(&self, endpoint: &Operator) {
        let mut pause_ms = rpc_limits::RECONNECT_MIN_MS;
        loop {
            match chain_number(&endpoint.lanes.prove).await {
                Ok(number) if number == self.compiled.chain_number => return,
                Ok(number) => {
                    let what = format!("it serves chain {number}, not {}", self.compiled.chain_number);
                    self.trouble(FaultKind::Garbage, what).await;
                }
                Err(error) => self.trouble(kind_of(&error), chain_of(&error)).await,
            }
            sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = push::longer(pause_ms);
        }
    }

    async fn open(
        &self,
        endpoint: &Operator,
        url: &url::Url,
    ) -> Result<(Session, mpsc::Receiver<Push>), RpcError> {
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        let settings = push::settings(limits::PUSHES_QUEUE, silence);
        let (client, pushes) = ws::connect(endpoint.name, url, settings).await?;
        let subscribe = |params| RpcRequest::read("eth_subscribe", params, ReplySize::Small);
        let heads = client.subscribe(subscribe(json!(["newHeads"]))).await?;
        let addresses = self.addresses();
        let logs = if addresses.is_empty() {
            None
        } else {
            Some(client.subscribe(subscribe(json!(["logs", { "address": &addresses }]))).await?)
        };
        let pending = if self.compiled.config.pending && !addresses.is_empty() {
            let id = client.subscribe(subscribe(json!(["newPendingTransactions", true]))).await?;
            Some((id, Previews::new(addresses)))
        } else {
            None
        };
        Ok((Session { client, heads, logs, pending, asked: VecDeque::new(), last: None }, pushes))
    }

    async fn take(&self, session: &mut Session, push: Push) -> Result<(), End> {
        let broken = |expected| {
            move |source: serde_json::Error| {
                End::from(RpcError::Garbage { expected, source: Some(Box::new(source)) })
            }
        };
        if push.subscription == session.heads {
            let header: Header = serde_json::from_str(push.result.get()).map_err(broken("pushed header"))?;
            return self.take_head(session, &header, push.at).await;
        }
        if Some(&push.subscription) == session.logs.as_ref() {
            let log: PushedLog = serde_json::from_str(push.result.get()).map_err(broken("pushed log"))?;
            return self.take_log(session, &log).await;
        }
        if let Some((_, previews)) = session.pending.as_ref().filter(|(id, _)| *id == push.subscription) {
            previews.start(session.client.clone(), push.result, push.at, self.reports.clone());
            return Ok(());
        }
        // A push of a subscription that was never made carries no meaning; that it came is counted.
        if let Some(endpoint) = self.endpoint() {
            ws::unasked(endpoint.name, "push");
        }
        Ok(())
    }

    async fn take_head(&self, session: &mut Session, header: &Header, at: Instant) -> Result<(), End> {
        let head = Head::check(header)?;
        session.last = Some(head.block);
        let concerns = !self.compiled.config.bloom || head.may_concern(&self.compiled.decoder);
        let block = head.block;
        let asked = concerns && !self.compiled.decoder.contracts.is_empty();
        // The question leaves before the head is reported: its answer is what everything waits for.
        if asked {
            self.ask_logs(session, block);
        }
        self.send(Report::Head { operator: self.operator, head, at, asked }).await
    }

    /// A pushed log names its block, often before the head does.
    async fn take_log(&self, session: &mut Session, log: &PushedLog) -> Result<(), End> {
        let (Some(height), Some(hash)) = (log.block_number, log.block_hash) else {
            return Err(RpcError::garbage("pushed log with its place").into());
        };
        // A removed log announces a reorganisation; the head that follows proves it.
        if log.removed {
            return Ok(());
        }
        if !self.compiled.decoder.contracts.contains_key(&log.address) {
            return Err(RpcError::garbage("pushed log of a watched contract").into());
        }
        let block = BlockRef { height, hash };
        if !self.ask_logs(session, block) {
            // It says what its head's bloom, or an earlier log of the block, has said: a busy block pushes hundreds.
            return Ok(());
        }
        self.send(Report::Hint { operator: self.operator, block }).await
    }

    async fn send(&self, report: Report) -> Result<(), End> {
        self.reports.send(report).await.map_err(|_observer_gone| End::Stop)
    }

    /// Asks for a block's logs; false when that was done already.
    fn ask_logs(&self, session: &mut Session, block: BlockRef) -> bool {
        if session.asked.contains(&block.hash) {
            return false;
        }
        if session.asked.len() >= ASKED_MAX {
            session.asked.pop_front();
        }
        session.asked.push_back(block.hash);
        let (client, reports, operator) = (session.client.clone(), self.reports.clone(), self.operator);
        let addresses = self.addresses();
        tokio::spawn(async move {
            let reply = client.call(block_logs_request(&addresses, block.hash)).await;
            drop(client);
            let answer = reply
                .and_then(|reply| reply.decode::<Vec<WireLog>>("list of logs"))
                .and_then(|logs| LogSet::check(logs_of(logs), &addresses, Span::Block(block)));
            let _observer_gone = reports.send(Report::Logs { operator, block, answer }).await;
        });
        true
    }
}
