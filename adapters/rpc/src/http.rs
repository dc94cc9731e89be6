//! JSON-RPC over HTTP, with the body bounded while it arrives.

use core::{
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};
use std::sync::Arc;

use futures::{StreamExt, future::BoxFuture};
use reqwest::header;
use tower::Service;
use url::Url;

use crate::{
    Reply, RpcError, RpcRequest, install_crypto, limits,
    wire::{Incoming, Via, encode},
};

/// One endpoint, with its own pool of connections. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    url: Arc<Url>,
    next_id: Arc<AtomicU64>,
}

impl core::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HttpTransport").field("url", &crate::redacted(&self.url)).finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// A transport to `url` with at most `idle` open connections kept.
    ///
    /// SECURITY: redirects are not followed and proxies of the environment are not used: neither a server nor a
    /// variable may choose who answers for an operator.
    ///
    /// # Errors
    /// [`RpcError::Setup`] when no client can be made.
    pub fn new(url: Url, idle: usize) -> Result<Self, RpcError> {
        install_crypto();
        let client = reqwest::Client::builder()
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .pool_max_idle_per_host(idle)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|source| RpcError::Setup(Box::new(source)))?;
        Ok(Self { client, url: Arc::new(url), next_id: Arc::new(AtomicU64::new(1)) })
    }

    async fn exchange(self, request: RpcRequest) -> Result<Reply, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = encode(&request, id)?;
        let response = self
            .client
            .post(self.url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .map_err(connection)?;
        let status = response.status();
        let via = Via { status: status.as_u16(), retry_after: retry_after(response.headers()) };
        let limit = if status.is_success() { request.size.bytes() } else { limits::ERROR_REPLY_BYTES };
        let bytes = bounded_body(response, limit).await;
        if status.is_success() {
            return Incoming::parse(&bytes?)?.answer(id, via);
        }
        // Some servers put the JSON-RPC error into the body of a failed HTTP answer; it says more than the status.
        match bytes.and_then(|bytes| Incoming::parse(&bytes)) {
            Ok(incoming) if incoming.has_error() => incoming.answer(id, via),
            _ => Err(RpcError::Status { status: via.status, retry_after: via.retry_after }),
        }
    }
}

fn connection(error: reqwest::Error) -> RpcError {
    RpcError::Connection(Box::new(error.without_url()))
}

/// Seconds; the date form of the header is taken for "some time".
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(text.trim().parse().map_or(limits::RATE_LIMIT_DEFAULT, Duration::from_secs))
}

async fn bounded_body(response: reqwest::Response, limit_bytes: usize) -> Result<Vec<u8>, RpcError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if announced > limit_bytes {
        return Err(RpcError::Oversize { limit_bytes });
    }
    // SECURITY: the announced length is within the bound here, so it may size the buffer.
    let mut bytes = Vec::with_capacity(announced);
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(connection)?;
        if bytes.len().saturating_add(chunk.len()) > limit_bytes {
            return Err(RpcError::Oversize { limit_bytes });
        }
        make_room(&mut bytes, chunk.len(), limit_bytes);
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Doubles what is reserved, like the vector does by itself, but never beyond the bound: an answer that ends just
/// below it would else take twice as much.
fn make_room(bytes: &mut Vec<u8>, more: usize, limit_bytes: usize) {
    let wanted = bytes.len().saturating_add(more);
    if wanted > bytes.capacity() {
        let next = bytes.capacity().saturating_mul(2).clamp(wanted, limit_bytes.max(wanted));
        bytes.reserve_exact(next.saturating_sub(bytes.len()));
    }
}

impl Service<RpcRequest> for HttpTransport {
    type Response = Reply;
    type Error = RpcError;
    type Future = BoxFuture<'static, Result<Reply, RpcError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RpcRequest) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}
