//! Requests.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, PAGE};
use super::rule::{Fault, Strike};
use super::{Mode, Shared};

/// Longest request or answer that is passed on, bytes.
const BODY_LIMIT: usize = 64 << 20;
/// A stream of nothing comes in pieces of so many bytes.
const PIECE: usize = 64 << 10;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let app = Router::new()
        .fallback(forward)
        .with_state(shared)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream: &mut tokio::net::TcpStream| {
        // Small answers must not wait for the next ones.
        let _unsupported = stream.set_nodelay(true);
    });
    tokio::select! {
        () = stop.cancelled() => {}
        _ended = async { axum::serve(listener, app).await } => {}
    }
}

async fn forward(State(shared): State<Arc<Shared>>, body: Bytes) -> Response<Body> {
    // What arrived has left the service, whatever becomes of it here.
    shared.note_request(&body);
    match shared.mode() {
        Mode::Faithful => {}
        Mode::Silent => std::future::pending::<()>().await,
        Mode::Dark => return plain(StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
        Mode::Garbage => return plain(StatusCode::OK, Bytes::from_static(b"<html>\0{]")),
    }
    if !shared.passes(&body) {
        std::future::pending::<()>().await;
    }
    // An honest endpoint does not look into what it passes on.
    if !shared.meddles() {
        return match ask(&shared, body).await {
            Some((status, reply)) => plain(status, reply),
            None => plain(StatusCode::BAD_GATEWAY, Bytes::new()),
        };
    }
    let call: Value = serde_json::from_slice(&body).unwrap_or_default();
    let first = call.as_array().and_then(|calls| calls.first()).unwrap_or(&call);
    let method = first.get("method").and_then(Value::as_str).unwrap_or_default();
    let strike = shared.strike(method);
    if let Some(answer) = strike.as_ref().and_then(|strike| answer::before(strike, first)) {
        return say(&shared, answer, StatusCode::OK).await;
    }
    let Some((status, reply)) = ask(&shared, asked(&strike, &call, body)).await else {
        return plain(StatusCode::BAD_GATEWAY, Bytes::new());
    };
    if let Some(strike) = &strike {
        tokio::time::sleep(strike.wait).await;
    }
    let reply = match shared.lie() {
        Some(lie) => answer::rewrite(&call, reply, &lie),
        None => reply,
    };
    say(&shared, answer::after(&shared, strike.as_ref(), &call, reply), status).await
}

/// What the node is asked: perhaps something else.
fn asked(strike: &Option<Strike>, call: &Value, body: Bytes) -> Bytes {
    let Some(Strike { fault: Fault::Ask(twist), .. }) = strike else { return body };
    let mut call = call.clone();
    if let Some(params) = call.get_mut("params") {
        twist(params);
    }
    serde_json::to_vec(&call).map_or(body, Bytes::from)
}

/// What the node says; none when it says nothing.
async fn ask(shared: &Shared, body: Bytes) -> Option<(StatusCode, Bytes)> {
    let sent = shared
        .client
        .post(shared.node().0)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await
        .ok()?;
    Some((sent.status(), sent.bytes().await.ok()?))
}

async fn say(shared: &Arc<Shared>, answer: Answer, status: StatusCode) -> Response<Body> {
    match answer {
        Answer::Text(text) => plain(status, text),
        Answer::Html => {
            let mut page = plain(StatusCode::OK, Bytes::from_static(PAGE.as_bytes()));
            page.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
            page
        }
        Answer::Part(part) => broken(part),
        Answer::Broken => broken(Bytes::new()),
        Answer::Huge(bytes) => {
            let shared = Arc::clone(shared);
            let pieces = stream::iter(answer::pieces(bytes, PIECE)).map(move |piece| {
                shared.count_huge(piece.len());
                Ok::<_, Infallible>(piece)
            });
            streamed(Body::from_stream(pieces))
        }
        Answer::TooMany { id, retry_after_secs } => {
            let said = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32005, "message": "too many requests"}});
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, said.to_string().into());
            response.headers_mut().insert(header::RETRY_AFTER, retry_after_secs.into());
            response
        }
        Answer::Never => std::future::pending().await,
    }
}

/// A part of an answer, and then the connection breaks.
fn broken(part: Bytes) -> Response<Body> {
    let end = io::Error::new(io::ErrorKind::ConnectionReset, "lost on the way");
    streamed(Body::from_stream(stream::iter([Ok(part), Err(end)])))
}

fn streamed(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = streamed(Body::from(body));
    *response.status_mut() = status;
    response
}
