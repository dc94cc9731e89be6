//! Pushes.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::B256;
use eyre::{Result, bail};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::{Mode, Shared, What};

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

/// What a socket remembers of its requests, so that a lie knows what an answer belongs to.
type Asked = BTreeMap<String, (String, Value)>;

/// Carries one socket until either side ends it or the endpoint goes dark.
async fn carry(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut mode = shared.mode.subscribe();
    if *mode.borrow_and_update() == Mode::Dark {
        bail!("dark");
    }
    let mut client = tokio_tungstenite::accept_async(stream).await?;
    let (mut node, _response) = tokio_tungstenite::connect_async(&shared.node_ws).await?;
    let mut asked = Asked::new();
    loop {
        let silent = shared.mode() == Mode::Silent;
        tokio::select! {
            changed = mode.changed() => {
                changed?;
                if *mode.borrow_and_update() == Mode::Dark {
                    bail!("dark");
                }
            }
            // A silent endpoint reads nothing and writes nothing: pings go unanswered too.
            message = client.next(), if !silent => match message {
                Some(Ok(message)) => {
                    remember(shared, &message, &mut asked);
                    let passes = message.to_text().map_or(true, |text| shared.passes(text.as_bytes()));
                    if passes && !message.is_ping() && !message.is_pong() {
                        node.send(message).await?;
                    }
                }
                _ended => bail!("the client left"),
            },
            message = node.next() => match message {
                Some(Ok(_unheard)) if silent => {}
                Some(Ok(message)) if message.is_ping() || message.is_pong() => {}
                Some(Ok(message)) => {
                    let message = say(shared, message, &mut asked);
                    client.send(message).await?;
                }
                _ended => bail!("the node left"),
            },
        }
    }
}

fn remember(shared: &Shared, message: &Message, asked: &mut Asked) {
    let Ok(text) = message.to_text() else { return };
    shared.note_request(text.as_bytes());
    if let Ok(call) = serde_json::from_str::<Value>(text)
        && let (Some(id), Some(method)) = (call.get("id"), call.get("method").and_then(Value::as_str))
    {
        let params = call.get("params").cloned().unwrap_or(Value::Null);
        asked.insert(id.to_string(), (method.to_owned(), params));
    }
}

/// Notes a head, and applies the lie.
fn say(shared: &Shared, message: Message, asked: &mut Asked) -> Message {
    if shared.mode() == Mode::Garbage {
        return Message::text("<html>{]");
    }
    let lie = shared.lie();
    let Ok(text) = message.to_text() else { return message };
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return message };
    let mut changed = false;
    if let Some(result) = value.pointer_mut("/params/result") {
        if let Some(lie) = &lie {
            lie("eth_subscription", &Value::Null, result);
            changed = true;
        }
        if let Some((height, hash)) = head(result) {
            shared.note(What::Head { height, hash });
        }
    } else if let Some((method, params)) = value.get("id").and_then(|id| asked.remove(&id.to_string()))
        && let (Some(lie), Some(result)) = (&lie, value.get_mut("result"))
    {
        lie(&method, &params, result);
        changed = true;
    }
    if changed { Message::text(value.to_string()) } else { message }
}

/// Height and hash, when a push is a head.
fn head(result: &Value) -> Option<(u64, B256)> {
    result.get("parentHash")?;
    let number = result.get("number")?.as_str()?;
    let height = u64::from_str_radix(number.trim_start_matches("0x"), 16).ok()?;
    Some((height, result.get("hash")?.as_str()?.parse().ok()?))
}
