//! The proxy itself: HTTP/1.1 and websocket JSON-RPC in front of a real node, on loopback.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};
use url::Url;

use super::faults::{Fault, Faults, Outcome, put, spoil};

/// Longest request that is forwarded, bytes.
const REQUEST_BYTES: usize = 4 << 20;

struct Shared {
    http: Url,
    ws: Url,
    client: reqwest::Client,
    faults: Faults,
    dark: AtomicBool,
    half_open: AtomicBool,
    /// Counts up when connections must end.
    cut: watch::Sender<u64>,
    requests: AtomicU64,
    by_method: Mutex<BTreeMap<String, u64>>,
}

impl Shared {
    fn count(&self, request: &Value) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut counts = self.by_method.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(method).or_default();
        *count = count.saturating_add(1);
    }
}

/// A proxy in front of one node. Faults are set per method, and take effect at once; `*` stands for every method
/// that has none of its own. Pushes count as methods named `push:<kind>`, as they were subscribed to
/// (`push:blocks`), or by the query of the subscription. Ends when dropped.
pub struct FaultProxy {
    shared: Arc<Shared>,
    http: Url,
    ws: Url,
    tasks: Vec<JoinHandle<()>>,
}

impl core::fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FaultProxy").field("http", &self.http.as_str()).finish_non_exhaustive()
    }
}

impl FaultProxy {
    /// Starts a proxy on free ports of loopback.
    ///
    /// # Errors
    /// When no port can be bound or no HTTP client can be made.
    pub async fn start(http: Url, ws: Url) -> io::Result<Self> {
        crate::install_crypto();
        let client = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let (cut, _) = watch::channel(0);
        let shared = Arc::new(Shared {
            http,
            ws,
            client,
            faults: Faults::default(),
            dark: AtomicBool::new(false),
            half_open: AtomicBool::new(false),
            cut,
            requests: AtomicU64::new(0),
            by_method: Mutex::new(BTreeMap::new()),
        });
        let (http_listener, ws_listener) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let http = local_url("http", http_listener.local_addr()?)?;
        let ws = local_url("ws", ws_listener.local_addr()?)?;
        let tasks = vec![
            tokio::spawn(listen(http_listener, Arc::clone(&shared), false)),
            tokio::spawn(listen(ws_listener, Arc::clone(&shared), true)),
        ];
        Ok(Self { shared, http, ws, tasks })
    }

    /// Where it answers HTTP.
    #[must_use]
    pub fn http_url(&self) -> Url {
        self.http.clone()
    }

    /// Where it answers websockets.
    #[must_use]
    pub fn ws_url(&self) -> Url {
        self.ws.clone()
    }

    /// From now on, answers of `method` suffer `fault`.
    pub fn set(&self, method: &str, fault: Fault) {
        self.shared.faults.set(method, fault, None);
    }

    /// The next `times` answers of `method` suffer `fault`.
    pub fn set_times(&self, method: &str, fault: Fault, times: u32) {
        self.shared.faults.set(method, fault, Some(times));
    }

    /// Ends every fault, darkness and half-openness.
    pub fn heal(&self) {
        self.shared.faults.clear();
        self.shared.dark.store(false, Ordering::SeqCst);
        self.shared.half_open.store(false, Ordering::SeqCst);
    }

    /// Closes all connections and refuses new ones until healed.
    pub fn go_dark(&self) {
        self.shared.dark.store(true, Ordering::SeqCst);
        self.hang_up();
    }

    /// Sockets stay open but nothing passes any more, pongs included. HTTP goes on.
    pub fn go_half_open(&self) {
        self.shared.half_open.store(true, Ordering::SeqCst);
    }

    /// Closes all connections; new ones are accepted.
    pub fn hang_up(&self) {
        self.shared.cut.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Requests forwarded so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Requests of one method forwarded so far.
    #[must_use]
    pub fn requests_of(&self, method: &str) -> u64 {
        let counts = self.shared.by_method.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(method).copied().unwrap_or(0)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.hang_up();
        for task in &self.tasks {
            task.abort();
        }
    }
}

pub(super) fn local_url(scheme: &str, address: SocketAddr) -> io::Result<Url> {
    Url::parse(&format!("{scheme}://{address}")).map_err(io::Error::other)
}

async fn listen(listener: TcpListener, shared: Arc<Shared>, push: bool) {
    while let Ok((stream, _)) = listener.accept().await {
        if shared.dark.load(Ordering::SeqCst) {
            continue;
        }
        let _nagle_only_slows = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut cut = shared.cut.subscribe();
            let serving = async {
                if push { serve_socket(stream, &shared).await } else { serve_http(stream, &shared).await }
            };
            tokio::select! {
                result = serving => if let Err(error) = result {
                    tracing::debug!(%error, "proxied connection ended");
                },
                _ = cut.changed() => {}
            }
        });
    }
}

// ---- HTTP ----

async fn serve_http(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(body) = read_request(&mut reader).await? {
        let request: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;
        shared.count(&request);
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
        let fault = shared.faults.take(method);
        let answer = forward(shared, &request).await?;
        match spoil(fault, &request, answer).await {
            Outcome::Text(text) => write_response(&mut writer, 200, None, &text).await?,
            Outcome::Status(status, retry_after) => {
                write_response(&mut writer, status, retry_after, "").await?
            }
            Outcome::Flood(bytes, announced) => return flood(&mut writer, bytes, announced).await,
            Outcome::Hangup => return Ok(()),
            Outcome::Never => core::future::pending::<()>().await,
        }
    }
    Ok(())
}

async fn forward(shared: &Shared, request: &Value) -> io::Result<Value> {
    let response =
        shared.client.post(shared.http.as_str()).json(request).send().await.map_err(io::Error::other)?;
    response.json().await.map_err(io::Error::other)
}

pub(super) async fn read_request(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut length = 0usize;
    let mut line = String::new();
    let mut first = true;
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let text = line.trim_end();
        if text.is_empty() && !first {
            break;
        }
        first = false;
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    if length > REQUEST_BYTES {
        return Err(io::Error::other("the request is too long"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(Some(body))
}

pub(super) async fn write_response(
    writer: &mut (impl AsyncWriteExt + Unpin),
    status: u16,
    retry_after: Option<u64>,
    body: &str,
) -> io::Result<()> {
    let retry = retry_after.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{retry}content-length: {}\r\n\r\n",
        body.len()
    );
    writer.write_all(head.as_bytes()).await?;
    writer.write_all(body.as_bytes()).await?;
    writer.flush().await
}

/// Sends a body of so many bytes without ever holding it.
async fn flood(writer: &mut (impl AsyncWriteExt + Unpin), bytes: usize, announced: bool) -> io::Result<()> {
    static CHUNK: [u8; 64 << 10] = [b' '; 64 << 10];
    let how = if announced { format!("content-length: {bytes}") } else { "connection: close".to_owned() };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{how}\r\n\r\n");
    writer.write_all(head.as_bytes()).await?;
    let mut left = bytes;
    while left > 0 {
        let chunk = CHUNK.get(..left.min(CHUNK.len())).unwrap_or(&CHUNK);
        writer.write_all(chunk).await?;
        left = left.saturating_sub(chunk.len());
    }
    writer.flush().await
}

// ---- websocket ----

async fn serve_socket(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let client = accept_async(stream).await.map_err(io::Error::other)?;
    let (upstream, _) = connect_async(shared.ws.as_str()).await.map_err(io::Error::other)?;
    let (mut to_client, mut from_client) = client.split();
    let (mut to_node, mut from_node) = upstream.split();
    // Late answers must not hold up others, so that one task per answer writes into this queue.
    let (outgoing, mut queue) = mpsc::channel::<Option<String>>(1_024);
    let mut asked: BTreeMap<u64, Value> = BTreeMap::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let half_open = || shared.half_open.load(Ordering::SeqCst);
        tokio::select! {
            message = from_client.next() => {
                let Some(Ok(message)) = message else { return Ok(()) };
                if half_open() { continue }
                if let Message::Text(text) = message {
                    let request: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
                    shared.count(&request);
                    if let Some(id) = request.get("id").and_then(Value::as_u64) {
                        asked.insert(id, request);
                    }
                    to_node.send(Message::Text(text)).await.map_err(io::Error::other)?;
                }
            }
            message = from_node.next() => {
                let Some(Ok(message)) = message else { return Ok(()) };
                if half_open() { continue }
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
                let id = message.get("id").and_then(Value::as_u64);
                match id.and_then(|id| asked.remove(&id)) {
                    Some(request) => {
                        note_subscription(&mut kinds, &request, &message);
                        answer(shared, request, message, outgoing.clone());
                    }
                    None => push(shared, &kinds, message, outgoing.clone()),
                }
            }
            text = queue.recv() => {
                let Some(Some(text)) = text else { return Ok(()) };
                if half_open() { continue }
                to_client.send(Message::text(text)).await.map_err(io::Error::other)?;
            }
        }
    }
}

fn note_subscription(kinds: &mut BTreeMap<String, String>, request: &Value, message: &Value) {
    // Some servers name no subscription and answer again under the id of the request.
    if request.get("method").and_then(Value::as_str) == Some("subscribe") {
        let query = request.get("params").and_then(|params| params.get("query")).and_then(Value::as_str);
        if let (Some(query), Some(id)) = (query, request.get("id")) {
            kinds.insert(id.to_string(), query.to_owned());
        }
        return;
    }
    let subscribes = request.get("method").and_then(Value::as_str).is_some_and(|m| m.ends_with("subscribe"));
    let kind = request.get("params").and_then(|params| params.get(0)).and_then(Value::as_str);
    if let (true, Some(kind), Some(id)) = (subscribes, kind, message.get("result")) {
        kinds.insert(id.to_string(), kind.to_owned());
    }
}

fn answer(shared: &Arc<Shared>, request: Value, message: Value, outgoing: mpsc::Sender<Option<String>>) {
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    let fault = shared.faults.take(method);
    if matches!(fault, None | Some(Fault::Twice)) {
        // Without a delay the order of the node's messages is kept.
        let times = if fault.is_none() { 1 } else { 2 };
        for _ in 0..times {
            let _reader_gone = outgoing.try_send(Some(message.to_string()));
        }
        return;
    }
    tokio::spawn(async move {
        let id = request.get("id").cloned().unwrap_or_default();
        let text = match spoil(fault, &request, message).await {
            Outcome::Text(text) => Some(text),
            Outcome::Status(..) => {
                Some(json!({"jsonrpc":"2.0","id":id,"error":{"code":-32000,"message":"busy"}}).to_string())
            }
            Outcome::Flood(bytes, _) => Some(" ".repeat(bytes)),
            Outcome::Hangup => None,
            Outcome::Never => return,
        };
        let _reader_gone = outgoing.send(text).await;
    });
}

fn push(
    shared: &Arc<Shared>,
    kinds: &BTreeMap<String, String>,
    message: Value,
    outgoing: mpsc::Sender<Option<String>>,
) {
    let subscription =
        message.get("params").and_then(|params| params.get("subscription")).or_else(|| message.get("id"));
    let subscription = subscription.map(Value::to_string);
    let kind = subscription.and_then(|id| kinds.get(&id)).map_or("?", String::as_str);
    let method = format!("push:{kind}");
    let fault = match shared.faults.take(&method) {
        Some(Fault::Twice) => {
            for _ in 0..2 {
                let _reader_gone = outgoing.try_send(Some(message.to_string()));
            }
            return;
        }
        None => {
            let _reader_gone = outgoing.try_send(Some(message.to_string()));
            return;
        }
        Some(fault) => fault,
    };
    tokio::spawn(async move {
        let text = match fault {
            Fault::Lie(rewrite) => rewrite_push(&method, &rewrite, message),
            Fault::Delay(by) => {
                tokio::time::sleep(by).await;
                Some(message.to_string())
            }
            Fault::Garbage => Some("<html>busy</html>".to_owned()),
            Fault::Text(text) => Some(text),
            Fault::Oversize(bytes) | Fault::Flood { bytes, .. } => Some("x".repeat(bytes)),
            Fault::Drop => {
                let _reader_gone = outgoing.send(None).await;
                return;
            }
            _ => None,
        };
        if let Some(text) = text {
            let _reader_gone = outgoing.send(Some(text)).await;
        }
    });
}

fn rewrite_push(method: &str, rewrite: &super::Rewrite, mut message: Value) -> Option<String> {
    let params = if message.get("params").is_some() { message.get_mut("params")? } else { &mut message };
    let honest = params.get("result").cloned().unwrap_or_default();
    let lie = rewrite(method, &Value::Null, honest)?;
    put(params, "result", lie);
    Some(message.to_string())
}
