//! Requests.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Lie, Mode, Shared};

/// Longest request or answer that is passed on, bytes.
const BODY_LIMIT: usize = 64 << 20;

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
    match shared.mode() {
        Mode::Faithful => {}
        Mode::Silent => std::future::pending::<()>().await,
        Mode::Dark => return answer(StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
        Mode::Garbage => return answer(StatusCode::OK, Bytes::from_static(b"<html>\0{]")),
    }
    shared.note_request(&body);
    if !shared.passes(&body) {
        std::future::pending::<()>().await;
    }
    let sent = shared
        .client
        .post(&shared.node_http)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.clone())
        .send()
        .await;
    let Ok(reply) = sent else { return answer(StatusCode::BAD_GATEWAY, Bytes::new()) };
    let status = reply.status();
    let Ok(mut bytes) = reply.bytes().await else { return answer(StatusCode::BAD_GATEWAY, Bytes::new()) };
    if let Some(lie) = shared.lie() {
        bytes = rewrite(&body, bytes, &lie);
    }
    answer(status, bytes)
}

fn answer(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// Applies a lie to an answer or to each of a batch.
fn rewrite(request: &[u8], reply: Bytes, lie: &Lie) -> Bytes {
    let (Ok(asked), Ok(mut said)) =
        (serde_json::from_slice::<Value>(request), serde_json::from_slice::<Value>(&reply))
    else {
        return reply;
    };
    match (asked.as_array(), said.as_array_mut()) {
        (Some(asked), Some(said)) => {
            for answer in said {
                if let Some(call) = asked.iter().find(|call| call.get("id") == answer.get("id")) {
                    change(call, answer, lie);
                }
            }
        }
        _ => change(&asked, &mut said, lie),
    }
    serde_json::to_vec(&said).map_or(reply, Bytes::from)
}

fn change(call: &Value, answer: &mut Value, lie: &Lie) {
    let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = call.get("params").unwrap_or(&Value::Null);
    if let Some(result) = answer.get_mut("result") {
        lie(method, params, result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn liar() -> Lie {
        Arc::new(|method, _params, result| {
            if method == "eth_blockNumber" {
                *result = Value::from("0x7");
            }
        })
    }

    #[test]
    fn a_lie_changes_what_it_is_about_and_nothing_else() {
        let out = rewrite(
            br#"[{"id":1,"method":"eth_blockNumber"},{"id":2,"method":"eth_chainId"}]"#,
            Bytes::from_static(br#"[{"id":2,"result":"0x1"},{"id":1,"result":"0x2"}]"#),
            &liar(),
        );
        let out: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(out[0]["result"], "0x1");
        assert_eq!(out[1]["result"], "0x7");
    }

    #[test]
    fn what_is_no_json_passes_unchanged() {
        let reply = Bytes::from_static(b"oops");
        assert_eq!(rewrite(b"{}", reply.clone(), &liar()), reply);
    }
}
