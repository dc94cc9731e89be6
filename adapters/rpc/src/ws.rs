//! A push socket: requests with answers by id, subscriptions into a bounded queue, and an honest end.
//!
//! *Who is in the play.* [`connect`] starts one task that owns the socket. [`WsClient`] asks it; the receiver
//! yields [`Push`]es until the socket ends, and [`WsClient::reason`] then says why. The socket is never opened
//! again in secret: who reads must know that a gap may lie between two connections, and back-fill.

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Instant,
};

use futures::{SinkExt, StreamExt};
use portcullis_verifier::OperatorId;
use serde_json::value::RawValue;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Bytes, Message, protocol::WebSocketConfig},
};
use url::Url;

use crate::{
    Reply, RpcError, RpcRequest, install_crypto, limits,
    stack::record,
    wire::{Incoming, Via, cut, encode, name_of},
};

/// Bounds of one socket.
#[derive(Debug, Clone, Copy)]
pub struct WsSettings {
    /// Longest message that is accepted, bytes.
    pub message_bytes: usize,
    /// Pushes that may wait to be read; one more ends the socket.
    pub pushes: usize,
    /// Pause between pings.
    pub ping: Duration,
    /// Longest time without any frame from the server before the socket is taken for half open. Longer than
    /// `ping`, because a pong is a frame.
    pub silence: Duration,
    /// Longest wait for one answer.
    pub answer: Duration,
}

impl Default for WsSettings {
    fn default() -> Self {
        Self {
            message_bytes: limits::PUSH_BYTES,
            pushes: 8_192,
            ping: Duration::from_secs(5),
            silence: Duration::from_secs(15),
            answer: Duration::from_secs(10),
        }
    }
}

/// One message of a subscription.
#[derive(Debug)]
pub struct Push {
    /// Id of the subscription as the server named it.
    pub subscription: String,
    /// What it says.
    pub result: Box<RawValue>,
    /// When it was read from the socket.
    pub at: Instant,
}

struct Command {
    request: RpcRequest,
    answer: oneshot::Sender<Result<Reply, RpcError>>,
    /// Whether more answers follow under the same id, which then are pushes.
    stream: bool,
}

/// A request that waits for its answer.
struct Pending {
    answer: oneshot::Sender<Result<Reply, RpcError>>,
    stream: bool,
}

/// Asks over a push socket. The socket closes when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct WsClient {
    operator: OperatorId,
    commands: mpsc::Sender<Command>,
    reason: Arc<OnceLock<RpcError>>,
    answer: Duration,
}

impl WsClient {
    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// [`RpcError`]; [`RpcError::Closed`] when the socket ended, see [`WsClient::reason`].
    pub async fn call(&self, request: RpcRequest) -> Result<Reply, RpcError> {
        let started = Instant::now();
        let method = request.method;
        let result = self.exchange(request, false).await;
        let outcome = result.as_ref().map_or_else(RpcError::label, |_| "ok");
        record(self.operator, "push", method, outcome, started.elapsed());
        result
    }

    async fn exchange(&self, request: RpcRequest, stream: bool) -> Result<Reply, RpcError> {
        let (answer, answered) = oneshot::channel();
        let limit_bytes = request.size.bytes();
        let gone = || RpcError::Closed("it ended before the answer came".to_owned());
        self.commands.send(Command { request, answer, stream }).await.map_err(|_closed| gone())?;
        let reply = match timeout(self.answer, answered).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_dropped)) => return Err(gone()),
            Err(_elapsed) => return Err(RpcError::Timeout(self.answer)),
        };
        if reply.0.get().len() > limit_bytes {
            return Err(RpcError::Oversize { limit_bytes });
        }
        Ok(reply)
    }

    /// Subscribes and returns the server's name for the subscription.
    ///
    /// # Errors
    /// As [`WsClient::call`].
    pub async fn subscribe(&self, request: RpcRequest) -> Result<String, RpcError> {
        let id: serde_json::Value = self.call(request).await?.decode("subscription id")?;
        Ok(name_of(&id))
    }

    /// Subscribes where the server names no subscription, but answers one request again and again: every answer after
    /// the first is a push under the returned name.
    ///
    /// # Errors
    /// As [`WsClient::call`]. An error among the later answers ends the socket: the subscription is over.
    pub async fn stream(&self, request: RpcRequest) -> Result<String, RpcError> {
        let id: serde_json::Value = self.exchange(request, true).await?.decode("subscription id")?;
        Ok(name_of(&id))
    }

    /// Why the socket ended; none while it is open.
    #[must_use]
    pub fn reason(&self) -> Option<&RpcError> {
        self.reason.get()
    }
}

/// Opens a socket.
///
/// # Errors
/// [`RpcError::Connection`] or [`RpcError::Timeout`] when it cannot be opened.
pub async fn connect(
    operator: OperatorId,
    url: &Url,
    settings: WsSettings,
) -> Result<(WsClient, mpsc::Receiver<Push>), RpcError> {
    install_crypto();
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::WS_READ_BYTES)
        .max_message_size(Some(settings.message_bytes))
        .max_frame_size(Some(settings.message_bytes));
    let opening = connect_async_with_config(url.as_str(), Some(config), true);
    let (socket, _response) = timeout(limits::CONNECT_TIMEOUT, opening)
        .await
        .map_err(|_elapsed| RpcError::Timeout(limits::CONNECT_TIMEOUT))?
        .map_err(broken)?;
    let (commands, inbox) = mpsc::channel(limits::WS_COMMANDS);
    let (pushes, outbox) = mpsc::channel(settings.pushes);
    let reason = Arc::new(OnceLock::new());
    let client = WsClient { operator, commands, reason: Arc::clone(&reason), answer: settings.answer };
    let task = SocketTask {
        operator,
        socket,
        inbox,
        pushes,
        settings,
        pending: BTreeMap::new(),
        streams: BTreeSet::new(),
        next_id: 1,
        heard: Instant::now(),
    };
    tokio::spawn(async move {
        let mut task = task;
        let why = task.run().await;
        tracing::debug!(%operator, %why, "push socket ended");
        // The reason stands before the reader's queue ends, so that who reads to the end can tell.
        let _first_reason_stays = reason.set(why);
        drop(task);
    });
    Ok((client, outbox))
}

fn broken(error: tungstenite::Error) -> RpcError {
    match error {
        tungstenite::Error::Capacity(tungstenite::error::CapacityError::MessageTooLong {
            max_size, ..
        }) => RpcError::Oversize { limit_bytes: max_size },
        tungstenite::Error::Http(response) => {
            RpcError::Status { status: response.status().as_u16(), retry_after: None }
        }
        tungstenite::Error::Utf8(_) | tungstenite::Error::Protocol(_) => {
            RpcError::Garbage { expected: "websocket frame", source: Some(Box::new(error)) }
        }
        other => RpcError::Connection(Box::new(other)),
    }
}

/// Servers that leave Nagle's algorithm on hold a second small message until the first is acknowledged, and the
/// kernel delays that by 40 ms where there is nothing to send along. The option does not last, so it is set after
/// each message; where it cannot be set, only time is lost.
#[cfg(target_os = "linux")]
fn acknowledge_at_once(stream: &MaybeTlsStream<TcpStream>) {
    let _only_slower = match stream {
        MaybeTlsStream::Plain(stream) => stream.set_quickack(true),
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0.set_quickack(true),
        _ => Ok(()),
    };
}

#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &MaybeTlsStream<TcpStream>) {}

/// The name of a subscription that goes by the id of its request.
fn name_reply(id: u64) -> Result<Reply, RpcError> {
    serde_json::value::to_raw_value(&id).map(Reply).map_err(|source| RpcError::Setup(Box::new(source)))
}

/// Counts what a server sent on a socket without having been asked.
pub fn unasked(operator: OperatorId, what: &'static str) {
    metrics::counter!("portcullis_push_unasked_total", "operator" => operator.as_str().to_owned(), "what" => what)
        .increment(1);
}

struct SocketTask {
    operator: OperatorId,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    inbox: mpsc::Receiver<Command>,
    pushes: mpsc::Sender<Push>,
    settings: WsSettings,
    pending: BTreeMap<u64, Pending>,
    /// Requests that are answered again and again.
    streams: BTreeSet<u64>,
    next_id: u64,
    heard: Instant,
}

impl SocketTask {
    /// Runs until the socket ends and says why.
    async fn run(&mut self) -> RpcError {
        let mut ping = interval(self.settings.ping);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                biased;
                message = self.socket.next() => match message {
                    None => Err(RpcError::Closed("the server hung up".to_owned())),
                    Some(Err(error)) => Err(broken(error)),
                    Some(Ok(message)) => self.take(message),
                },
                command = self.inbox.recv() => match command {
                    None => Err(RpcError::Closed("nobody needs it any more".to_owned())),
                    Some(command) => self.send(command).await,
                },
                _ = ping.tick() => self.beat().await,
            };
            if let Err(why) = step {
                // Best effort: a half-open socket takes no goodbye.
                let _unsent = timeout(Duration::from_millis(100), self.socket.close(None)).await;
                return why;
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<(), RpcError> {
        self.heard = Instant::now();
        acknowledge_at_once(self.socket.get_ref());
        match message {
            Message::Text(text) => self.dispatch(text.as_bytes()),
            Message::Binary(bytes) => self.dispatch(&bytes),
            Message::Close(frame) => {
                let why = frame.map_or_else(String::new, |frame| cut(frame.reason.as_str()));
                Err(RpcError::Closed(format!("the server closed it: {why}")))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn dispatch(&mut self, bytes: &[u8]) -> Result<(), RpcError> {
        let incoming = Incoming::parse(bytes)?;
        if let Some(id) = incoming.number() {
            // An answer to nothing is either late (its asker gave up) or a lie; neither reaches anybody.
            match self.pending.remove(&id) {
                Some(Pending { answer, stream: false }) => {
                    drop(answer.send(incoming.answer(id, Via::SOCKET)));
                }
                Some(Pending { answer, stream: true }) => {
                    let named = incoming.answer(id, Via::SOCKET).and_then(|_begun| name_reply(id));
                    if named.is_ok() {
                        self.streams.insert(id);
                    }
                    drop(answer.send(named));
                }
                None if self.streams.contains(&id) => {
                    let Reply(result) = incoming.answer(id, Via::SOCKET)?;
                    return self.push(id.to_string(), result);
                }
                None => unasked(self.operator, "answer"),
            }
            return Ok(());
        }
        let (subscription, result) = incoming.push()?;
        self.push(subscription, result)
    }

    fn push(&self, subscription: String, result: Box<RawValue>) -> Result<(), RpcError> {
        let push = Push { subscription, result, at: self.heard };
        self.pushes.try_send(push).map_err(|error| match error {
            // Waiting here would leave pings unanswered; dropping would hide a gap.
            mpsc::error::TrySendError::Full(_) => RpcError::Overrun(self.settings.pushes),
            mpsc::error::TrySendError::Closed(_) => RpcError::Closed("nobody reads it any more".to_owned()),
        })
    }

    async fn send(&mut self, command: Command) -> Result<(), RpcError> {
        self.pending.retain(|_, pending| !pending.answer.is_closed());
        if self.pending.len() >= limits::WS_PENDING_MAX {
            let full = RpcError::Overrun(limits::WS_PENDING_MAX);
            let _asker_gave_up = command.answer.send(Err(full));
            return Ok(());
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let text = match encode(&command.request, id) {
            Ok(text) => text,
            Err(error) => {
                let _asker_gave_up = command.answer.send(Err(error));
                return Ok(());
            }
        };
        self.pending.insert(id, Pending { answer: command.answer, stream: command.stream });
        self.write(Message::text(text)).await
    }

    async fn beat(&mut self) -> Result<(), RpcError> {
        if self.heard.elapsed() > self.settings.silence {
            return Err(RpcError::Silent(self.settings.silence));
        }
        self.write(Message::Ping(Bytes::new())).await
    }

    /// SECURITY: bounded in time, because a peer that stops reading would else stop the whole task, its silence
    /// check included.
    async fn write(&mut self, message: Message) -> Result<(), RpcError> {
        match timeout(self.settings.silence, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(broken),
            Err(_elapsed) => Err(RpcError::Silent(self.settings.silence)),
        }
    }
}

#[cfg(test)]
#[path = "ws_tests.rs"]
mod tests;
