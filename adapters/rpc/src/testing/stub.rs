//! A server without a node behind it: answers by a function and pushes what it is told to.

use std::{io, sync::Arc};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinHandle,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};
use url::Url;

use super::proxy::{read_request, write_response};

/// Answers a method with parameters by a result.
pub type Answer = Arc<dyn Fn(&str, &Value) -> Value + Send + Sync>;

/// A JSON-RPC server on loopback. `*_subscribe` answers with the subscription id `"0x1"`; what is pushed goes to
/// every open socket under that id. Ends when dropped.
#[derive(Debug)]
pub struct Stub {
    http: Url,
    ws: Url,
    pushes: broadcast::Sender<String>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stub {
    /// Starts a server on free ports.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(answer: Answer) -> io::Result<Self> {
        let (pushes, _) = broadcast::channel(65_536);
        let http_listener = TcpListener::bind("127.0.0.1:0").await?;
        let ws_listener = TcpListener::bind("127.0.0.1:0").await?;
        let http = super::proxy::local_url("http", http_listener.local_addr()?)?;
        let ws = super::proxy::local_url("ws", ws_listener.local_addr()?)?;
        let http_answer = Arc::clone(&answer);
        let tasks = vec![
            tokio::spawn(async move {
                while let Ok((stream, _)) = http_listener.accept().await {
                    tokio::spawn(serve_http(stream, Arc::clone(&http_answer)));
                }
            }),
            tokio::spawn({
                let pushes = pushes.clone();
                async move {
                    while let Ok((stream, _)) = ws_listener.accept().await {
                        tokio::spawn(serve_socket(stream, Arc::clone(&answer), pushes.subscribe()));
                    }
                }
            }),
        ];
        Ok(Self { http, ws, pushes, tasks })
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

    /// Pushes a result to every subscriber.
    pub fn push(&self, result: &Value) {
        let params = json!({"subscription": "0x1", "result": result});
        self.push_text(json!({"jsonrpc": "2.0", "method": "subscription", "params": params}).to_string());
    }

    /// Pushes any text to every open socket.
    pub fn push_text(&self, text: String) {
        let _nobody_listens = self.pushes.send(text);
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn reply(answer: &Answer, request: &Value) -> String {
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = request.get("params").cloned().unwrap_or_default();
    let result = if method.ends_with("_subscribe") { json!("0x1") } else { answer(method, &params) };
    json!({"jsonrpc": "2.0", "id": request.get("id"), "result": result}).to_string()
}

async fn serve_http(stream: TcpStream, answer: Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    while let Some(body) = read_request(&mut reader).await? {
        let request: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;
        write_response(&mut writer, 200, None, &reply(&answer, &request)).await?;
    }
    Ok(())
}

async fn serve_socket(
    stream: TcpStream,
    answer: Answer,
    mut pushes: broadcast::Receiver<String>,
) -> io::Result<()> {
    let mut socket = accept_async(stream).await.map_err(io::Error::other)?;
    loop {
        let text = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let request: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
                    reply(&answer, &request)
                }
                Some(Ok(_)) => continue,
                _ => return Ok(()),
            },
            push = pushes.recv() => push.map_err(io::Error::other)?,
        };
        socket.send(Message::text(text)).await.map_err(io::Error::other)?;
    }
}
