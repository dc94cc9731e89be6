//! Pushes, and requests on the same socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use bytes::Bytes;
use eyre::{Result, bail};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, PAGE};
use super::rule::{Fault, Strike};
use super::{Mode, Shared, What};

/// A message too long for one frame goes in pieces of so many bytes.
const PIECE: usize = 1 << 20;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => stream,
                Err(_transient) => continue,
            },
        };
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ended = carry(stream, &shared) => {}
            }
        });
    }
}

/// What a socket remembers.
#[derive(Default)]
struct Memory {
    /// Requests by id, so that a fault knows what an answer belongs to.
    asked: BTreeMap<String, (Value, Option<Strike>)>,
    /// Nothing passes any more.
    frozen: bool,
    /// A push that changes places with the next one.
    held: Option<Message>,
    /// Messages that are under way for longer than others.
    late: FuturesUnordered<BoxFuture<'static, Message>>,
}

/// Carries one socket until either side ends it or the endpoint goes dark.
async fn carry(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut mode = shared.mode.subscribe();
    if *mode.borrow_and_update() == Mode::Dark {
        bail!("dark");
    }
    let mut client = tokio_tungstenite::accept_async(stream).await?;
    let (mut node, _response) = tokio_tungstenite::connect_async(shared.node().1).await?;
    let mut memory = Memory::default();
    loop {
        let silent = memory.frozen || shared.mode() == Mode::Silent;
        tokio::select! {
            changed = mode.changed() => {
                changed?;
                if *mode.borrow_and_update() == Mode::Dark {
                    bail!("dark");
                }
            }
            // A silent endpoint reads nothing and writes nothing: pings go unanswered too.
            message = client.next(), if !silent => match message {
                Some(Ok(message)) if message.is_ping() || message.is_pong() => {}
                Some(Ok(message)) => match memory.hear(shared, message) {
                    Heard::Pass(message) => node.send(message).await?,
                    Heard::Answer(answer) => say(shared, &mut client, answer).await?,
                    Heard::Nothing => {}
                },
                _ended => bail!("the client left"),
            },
            message = node.next() => match message {
                Some(Ok(_unheard)) if silent => {}
                Some(Ok(message)) if message.is_ping() || message.is_pong() => {}
                Some(Ok(message)) => {
                    for answer in memory.tell(shared, message) {
                        say(shared, &mut client, answer).await?;
                    }
                }
                _ended => bail!("the node left"),
            },
            Some(message) = memory.late.next(), if !memory.late.is_empty() && !silent => {
                client.send(message).await?;
            }
        }
    }
}

/// What becomes of something that the service said.
enum Heard {
    Pass(Message),
    Answer(Answer),
    Nothing,
}

impl Memory {
    fn hear(&mut self, shared: &Shared, message: Message) -> Heard {
        let Ok(text) = message.to_text() else { return Heard::Pass(message) };
        shared.note_request(text.as_bytes());
        if !shared.passes(text.as_bytes()) {
            return Heard::Nothing;
        }
        let Ok(mut call) = serde_json::from_str::<Value>(text) else { return Heard::Pass(message) };
        let (Some(id), Some(method)) = (call.get("id").cloned(), call.get("method").and_then(Value::as_str))
        else {
            return Heard::Pass(message);
        };
        let strike = shared.strike(method);
        match strike.as_ref().map(|strike| &strike.fault) {
            Some(Fault::HalfOpen) => {
                self.frozen = true;
                return Heard::Nothing;
            }
            // On a socket a lost message does not break what carries the others.
            Some(Fault::Lose(super::Leg::Request)) => return Heard::Nothing,
            _ => {}
        }
        if let Some(answer) = strike.as_ref().and_then(|strike| answer::before(strike, &call)) {
            return Heard::Answer(answer);
        }
        let mut pass = message.clone();
        if let Some(Strike { fault: Fault::Ask(twist), .. }) = &strike
            && let Some(params) = call.get_mut("params")
        {
            twist(params);
            pass = Message::text(call.to_string());
        }
        self.asked.insert(id.to_string(), (call, strike));
        Heard::Pass(pass)
    }

    /// What the service gets to see of something that the node said, and in which order.
    fn tell(&mut self, shared: &Shared, message: Message) -> Vec<Answer> {
        if shared.mode() == Mode::Garbage {
            return vec![Answer::Html];
        }
        let Ok(text) = message.to_text() else { return Vec::new() };
        let Ok(value) = serde_json::from_str::<Value>(text) else { return vec![whole(text)] };
        let reply = Bytes::copy_from_slice(text.as_bytes());
        let Some(result) = value.pointer("/params/result") else {
            let asked = value.get("id").and_then(|id| self.asked.remove(&id.to_string()));
            let Some((call, strike)) = asked else {
                // Where pushes come as further answers to the request that asked for them, a block is one of them.
                if let Some((height, hash)) = block(&value) {
                    shared.note(What::Head { height, hash });
                }
                return vec![Answer::Text(reply)];
            };
            let reply = match shared.lie() {
                Some(lie) => answer::rewrite(&call, reply, &lie),
                None => reply,
            };
            return self.struck(shared, strike, &call, reply);
        };
        let kind = if result.get("parentHash").is_some() { "newHeads" } else { "logs" };
        let strike = shared.strike(kind);
        let reply = match shared.lie() {
            Some(lie) => lied(reply, &lie),
            None => reply,
        };
        let push = json!({"method": "eth_subscription"});
        let answers = match &strike {
            Some(Strike { fault: Fault::Lie(lie), .. }) => vec![Answer::Text(lied(reply, lie))],
            _ => self.struck(shared, strike, &push, reply),
        };
        for said in &answers {
            note_head(shared, said);
        }
        answers
    }

    fn struck(&mut self, shared: &Shared, strike: Option<Strike>, call: &Value, reply: Bytes) -> Vec<Answer> {
        let is_push = call.get("id").is_none();
        let mut out = match strike.as_ref().map(|strike| &strike.fault) {
            Some(Fault::HalfOpen) => {
                self.frozen = true;
                return Vec::new();
            }
            Some(Fault::Lose(_)) => return Vec::new(),
            Some(Fault::Delay { .. }) => {
                let wait = strike.as_ref().map_or(Duration::ZERO, |strike| strike.wait);
                let late = text(&reply);
                self.late.push(
                    async move {
                        tokio::time::sleep(wait).await;
                        late
                    }
                    .boxed(),
                );
                return Vec::new();
            }
            Some(Fault::Swap) if is_push && self.held.is_none() => {
                self.held = Some(text(&reply));
                return Vec::new();
            }
            Some(Fault::Twice) => vec![Answer::Text(reply.clone()), Answer::Text(reply)],
            // What needs no node needs no push either, but a push is what gives it its moment.
            Some(_) => {
                let early = strike.as_ref().and_then(|strike| answer::before(strike, call));
                vec![early.unwrap_or_else(|| answer::after(shared, strike.as_ref(), call, reply))]
            }
            None => vec![Answer::Text(reply)],
        };
        if is_push && let Some(held) = self.held.take() {
            out.push(whole(held.to_text().unwrap_or_default()));
        }
        out
    }
}

fn whole(text: &str) -> Answer {
    Answer::Text(Bytes::copy_from_slice(text.as_bytes()))
}

fn text(bytes: &Bytes) -> Message {
    Message::text(String::from_utf8_lossy(bytes).into_owned())
}

/// Applies a lie to what was pushed.
fn lied(reply: Bytes, lie: &super::Lie) -> Bytes {
    answer::changed(reply, |said| {
        if let Some(result) = said.pointer_mut("/params/result") {
            lie("eth_subscription", &Value::Null, result);
        }
    })
}

async fn say(shared: &Shared, client: &mut WebSocketStream<TcpStream>, answer: Answer) -> Result<()> {
    match answer {
        Answer::Text(bytes) | Answer::Part(bytes) => client.send(text(&bytes)).await?,
        Answer::Html => client.send(Message::text(PAGE)).await?,
        Answer::Broken => bail!("lost on the way"),
        Answer::Huge(bytes) => {
            let mut kind = Data::Text;
            for piece in answer::pieces(bytes, PIECE) {
                shared.count_huge(piece.len());
                client.send(Message::Frame(Frame::message(piece, OpCode::Data(kind), false))).await?;
                kind = Data::Continue;
            }
            let end = Frame::message(Bytes::new(), OpCode::Data(kind), true);
            client.send(Message::Frame(end)).await?;
        }
        Answer::TooMany { id, retry_after_secs } => {
            let data = json!({"backoff_seconds": retry_after_secs});
            let error = json!({"code": -32005, "message": "too many requests", "data": data});
            let said = json!({"jsonrpc": "2.0", "id": id, "error": error});
            client.send(Message::text(said.to_string())).await?;
        }
        Answer::Never => {}
    }
    Ok(())
}

/// Notes a head that the service is about to see.
fn note_head(shared: &Shared, said: &Answer) {
    let Answer::Text(bytes) = said else { return };
    let value = serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    if let Some((height, hash)) = value.pointer("/params/result").and_then(head) {
        shared.note(What::Head { height, hash });
    }
}

/// Height and hash, when a push is a head. A slot that a node calls confirmed is one too, without a hash.
fn head(result: &Value) -> Option<(u64, B256)> {
    if result.get("type").is_some_and(|kind| kind == "optimisticConfirmation") {
        return Some((result.get("slot")?.as_u64()?, B256::ZERO));
    }
    result.get("parentHash")?;
    let number = result.get("number")?.as_str()?;
    let height = u64::from_str_radix(number.trim_start_matches("0x"), 16).ok()?;
    Some((height, result.get("hash")?.as_str()?.parse().ok()?))
}

/// Height and hash, when a further answer is a block.
fn block(said: &Value) -> Option<(u64, B256)> {
    let value = said.pointer("/result/data/value")?;
    let height = value.pointer("/block/header/height")?.as_str()?.parse().ok()?;
    Some((height, value.pointer("/block_id/hash")?.as_str()?.parse().ok()?))
}
