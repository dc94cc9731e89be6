//! JSON-RPC and websockets in front of a chain: one HTTP path per operator, pushes for everybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::Address;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use eyre::{Result, WrapErr, bail};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::block::Block;
use super::chain::Chain;
use super::rpc;
use crate::clock;

/// Longest request that is read, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// The endpoints of a chain. Dropping them ends them.
#[derive(Debug)]
pub struct Endpoints {
    http: u16,
    ws: u16,
    stop: CancellationToken,
}

impl Endpoints {
    /// Opens the endpoints.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn open(chain: &Arc<Chain>) -> Result<Self> {
        let listen = async || TcpListener::bind("127.0.0.1:0").await.wrap_err("no port for a chain");
        let (http, ws) = (listen().await?, listen().await?);
        let stop = CancellationToken::new();
        let open = Self { http: http.local_addr()?.port(), ws: ws.local_addr()?.port(), stop: stop.clone() };
        tokio::spawn(serve_http(http, Arc::clone(chain), stop.clone()));
        tokio::spawn(serve_ws(ws, Arc::clone(chain), stop));
        Ok(open)
    }

    /// Where an operator answers.
    #[must_use]
    pub fn http(&self, operator: usize) -> String {
        format!("http://127.0.0.1:{}/{operator}", self.http)
    }

    /// Where an operator pushes.
    #[must_use]
    pub fn ws(&self, operator: usize) -> String {
        format!("ws://127.0.0.1:{}/{operator}", self.ws)
    }
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve_http(listener: TcpListener, chain: Arc<Chain>, stop: CancellationToken) {
    let app = Router::new()
        .route("/{operator}", post(asked))
        .with_state(chain)
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream: &mut TcpStream| {
        // Small answers must not wait for the next ones.
        let _unsupported = stream.set_nodelay(true);
    });
    tokio::select! {
        () = stop.cancelled() => {}
        _ended = async { axum::serve(listener, app).await } => {}
    }
}

async fn asked(
    State(chain): State<Arc<Chain>>,
    Path(operator): Path<usize>,
    body: Bytes,
) -> impl IntoResponse {
    let answer = match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Array(calls)) => {
            let all: Vec<String> = calls.iter().map(|call| said(&chain, operator, call)).collect();
            format!("[{}]", all.join(","))
        }
        Ok(call) => said(&chain, operator, &call),
        Err(_garbage) => {
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#.to_owned()
        }
    };
    ([(CONTENT_TYPE, "application/json")], answer)
}

/// One answer with its envelope.
fn said(chain: &Chain, operator: usize, call: &Value) -> String {
    let id = call.get("id").unwrap_or(&Value::Null);
    let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = call.get("params").unwrap_or(&Value::Null);
    match rpc::answer(chain, operator, method, params) {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        Err((code, message)) => {
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}}}}}"#,
                Value::from(message)
            )
        }
    }
}

async fn serve_ws(listener: TcpListener, chain: Arc<Chain>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => stream,
                Err(_transient) => continue,
            },
        };
        let (chain, stop) = (Arc::clone(&chain), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ended = talk(stream, chain) => {}
            }
        });
    }
}

type Writer = SplitSink<WebSocketStream<TcpStream>, Message>;
type Reader = SplitStream<WebSocketStream<TcpStream>>;

/// What one socket wants to hear.
#[derive(Debug, Default)]
struct Wanted {
    heads: Option<String>,
    logs: BTreeMap<String, Vec<Address>>,
    made: u64,
}

/// Carries one socket until either side ends it.
async fn talk(stream: TcpStream, chain: Arc<Chain>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut writer, mut reader): (Writer, Reader) = tokio_tungstenite::accept_async(stream).await?.split();
    let mut blocks = chain.follow();
    let mut wanted = Wanted::default();
    loop {
        tokio::select! {
            message = reader.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let reply = wanted.take(&chain, &text);
                    writer.send(Message::text(reply)).await?;
                }
                Some(Ok(Message::Ping(data))) => writer.send(Message::Pong(data)).await?,
                Some(Ok(_other)) => {}
                _ended => bail!("the client left"),
            },
            block = blocks.recv() => match block {
                Ok(block) => wanted.push(&block, &mut writer).await?,
                // As nodes do: who is too slow is cut off, and back-fills.
                Err(RecvError::Lagged(_)) => bail!("the client is too slow"),
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

impl Wanted {
    /// Answers a request; subscriptions are noted.
    fn take(&mut self, chain: &Chain, text: &str) -> String {
        let call: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        if call.get("method").and_then(Value::as_str) != Some("eth_subscribe") {
            return said(chain, 0, &call);
        }
        let id = call.get("id").unwrap_or(&Value::Null);
        self.made += 1;
        let name = format!("{:#x}", self.made);
        match call.pointer("/params/0").and_then(Value::as_str) {
            Some("newHeads") => self.heads = Some(name.clone()),
            Some("logs") => {
                let filter = call.pointer("/params/1/address").cloned().unwrap_or_default();
                self.logs.insert(name.clone(), serde_json::from_value(filter).unwrap_or_default());
            }
            _ => {
                return format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no such subscription"}}}}"#
                );
            }
        }
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"{name}"}}"#)
    }

    /// Tells a block: its head, then its logs one by one, as nodes do.
    async fn push(&self, block: &Block, writer: &mut Writer) -> Result<()> {
        let told = |name: &str, result: &str| {
            Message::text(format!(
                r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"{name}","result":{result}}}}}"#
            ))
        };
        if let Some(name) = &self.heads {
            block.pushed.get_or_init(|| (Instant::now(), clock::now_us()));
            writer.send(told(name, &block.header)).await?;
        }
        for (name, addresses) in &self.logs {
            for log in block.logs.iter().filter(|log| addresses.contains(&log.address)) {
                writer.feed(told(name, &log.json)).await?;
            }
        }
        writer.flush().await?;
        Ok(())
    }
}
