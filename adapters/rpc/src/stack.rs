//! Lanes: each purpose has its own connections, limits and patience, so that a flood of reads cannot delay a
//! proof, and a proof cannot delay a trip.

use core::{fmt, time::Duration};
use std::{sync::Arc, time::Instant};

use futures::future::{BoxFuture, join_all};
use portcullis_adapter::Class;
use portcullis_verifier::OperatorId;
use tower::{BoxError, ServiceBuilder, ServiceExt, retry::Policy, util::BoxCloneSyncService};
use url::Url;

use crate::{Kind, Reply, RpcError, RpcRequest, http::HttpTransport};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Watching and catching up.
    Read,
    /// Gathering evidence.
    Prove,
    /// Closing gates.
    Contain,
}

impl Lane {
    /// Name for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Prove => "prove",
            Self::Contain => "contain",
        }
    }
}

/// Spreads retries of many callers: from the attempt's number (1 for the first retry) and the wait so far to the
/// wait to use. A parameter, so that tests are exact and nothing here draws random numbers.
pub type Jitter = Arc<dyn Fn(u32, Duration) -> Duration + Send + Sync>;

/// Limits of one lane at one endpoint.
#[derive(Clone)]
pub struct LaneSettings {
    /// Longest wait for one attempt, queueing included.
    pub timeout: Duration,
    /// Requests under way at one time.
    pub concurrency: usize,
    /// Attempts after the first, for reads only.
    pub retries: u32,
    /// Wait before the first retry; doubles with each.
    pub backoff: Duration,
    /// See [`Jitter`].
    pub jitter: Jitter,
}

impl fmt::Debug for LaneSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneSettings")
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .field("retries", &self.retries)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

impl LaneSettings {
    /// What suits a lane at a public endpoint.
    ///
    /// Reading is patient. Proving tries once more, because other operators are asked at the same time.
    /// Containing never retries: the lane above decides.
    #[must_use]
    pub fn of(lane: Lane) -> Self {
        let (timeout_ms, concurrency, retries, backoff_ms) = match lane {
            Lane::Read => (20_000, 16, 3, 200),
            Lane::Prove => (4_000, 32, 1, 50),
            Lane::Contain => (3_000, 32, 0, 0),
        };
        Self {
            timeout: Duration::from_millis(timeout_ms),
            concurrency,
            retries,
            backoff: Duration::from_millis(backoff_ms),
            jitter: Arc::new(|_, wait| wait),
        }
    }
}

type Stack = BoxCloneSyncService<RpcRequest, Reply, RpcError>;

/// One operator's endpoint in one lane. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    operator: OperatorId,
    lane: Lane,
    stack: Stack,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, {})", self.operator, self.lane.name())
    }
}

impl Client {
    /// A client for `url`, which `operator` runs.
    ///
    /// # Errors
    /// [`RpcError::Setup`] when no HTTP client can be made.
    pub fn new(
        operator: OperatorId,
        url: Url,
        lane: Lane,
        settings: &LaneSettings,
    ) -> Result<Self, RpcError> {
        let transport = HttpTransport::new(url, settings.concurrency)?;
        let timeout = settings.timeout;
        let limited = ServiceBuilder::new().concurrency_limit(settings.concurrency).service(transport);
        // The place is waited for inside the call, so that waiting counts against the time of the attempt.
        let placed = tower::service_fn(move |request: RpcRequest| limited.clone().oneshot(request));
        let stack = ServiceBuilder::new()
            .retry(ReadRetry { attempt: 0, settings: settings.clone() })
            // The order matters: each attempt has its own time.
            .map_err(move |error| typed(error, timeout))
            .timeout(timeout)
            .service(placed);
        Ok(Self { operator, lane, stack: BoxCloneSyncService::new(stack) })
    }

    /// Who runs the endpoint.
    #[must_use]
    pub fn operator(&self) -> OperatorId {
        self.operator
    }

    /// Asks. Reads are retried within the lane's bounds; submissions are sent once.
    ///
    /// # Errors
    /// [`RpcError`]; its class says what to do.
    pub async fn call(&self, request: RpcRequest) -> Result<Reply, RpcError> {
        let method = request.method;
        let started = Instant::now();
        let result = self.stack.clone().oneshot(request).await;
        let outcome = result.as_ref().map_or_else(RpcError::label, |_| "ok");
        record(self.operator, self.lane.name(), method, outcome, started.elapsed());
        result
    }

    /// Asks and decodes.
    ///
    /// # Errors
    /// As [`Client::call`]; [`RpcError::Garbage`] when the result is no `T`.
    pub async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: RpcRequest,
        expected: &'static str,
    ) -> Result<T, RpcError> {
        let method = request.method;
        let reply = self.call(request).await?;
        reply.decode(expected).inspect_err(|_no_such_value| garbage(self.operator, self.lane.name(), method))
    }
}

/// Counts an answer that was well formed as a message, and not what was asked for.
pub fn garbage(operator: OperatorId, lane: &'static str, method: &'static str) {
    metrics::counter!(
        "portcullis_rpc_garbage_total",
        "operator" => operator.as_str().to_owned(), "lane" => lane, "method" => method
    )
    .increment(1);
}

pub(crate) fn record(
    operator: OperatorId,
    lane: &'static str,
    method: &'static str,
    outcome: &'static str,
    took: Duration,
) {
    let operator = operator.as_str().to_owned();
    metrics::counter!(
        "portcullis_rpc_requests_total",
        "operator" => operator.clone(), "lane" => lane, "method" => method, "outcome" => outcome
    )
    .increment(1);
    metrics::histogram!("portcullis_rpc_seconds", "operator" => operator, "lane" => lane, "method" => method)
        .record(took);
}

fn typed(error: BoxError, timeout: Duration) -> RpcError {
    match error.downcast::<RpcError>() {
        Ok(own) => *own,
        // The only other error in the stack is the timeout layer's.
        Err(_elapsed) => RpcError::Timeout(timeout),
    }
}

/// Retries reads that failed for a passing reason, with the wait that the server asked for.
#[derive(Clone)]
struct ReadRetry {
    attempt: u32,
    settings: LaneSettings,
}

impl ReadRetry {
    fn wait(&self, class: Class) -> Option<Duration> {
        let doubled =
            self.settings.backoff.saturating_mul(1u32.checked_shl(self.attempt).unwrap_or(u32::MAX));
        match class {
            Class::Transient => Some((self.settings.jitter)(self.attempt.saturating_add(1), doubled)),
            // Never sooner than asked.
            Class::RateLimited(after) => {
                Some((self.settings.jitter)(self.attempt.saturating_add(1), doubled).max(after))
            }
            Class::Permanent | Class::Untrusted => None,
        }
    }
}

impl Policy<RpcRequest, Reply, RpcError> for ReadRetry {
    type Future = BoxFuture<'static, ()>;

    fn retry(
        &mut self,
        request: &mut RpcRequest,
        result: &mut Result<Reply, RpcError>,
    ) -> Option<Self::Future> {
        let error = result.as_ref().err()?;
        if request.kind != Kind::Read || self.attempt >= self.settings.retries {
            return None;
        }
        let wait = self.wait(error.class())?;
        self.attempt = self.attempt.saturating_add(1);
        metrics::counter!("portcullis_rpc_retries_total", "method" => request.method).increment(1);
        Some(Box::pin(tokio::time::sleep(wait)))
    }

    fn clone_request(&mut self, request: &RpcRequest) -> Option<RpcRequest> {
        // SECURITY: a submission is never kept for a second try.
        (request.kind == Kind::Read).then(|| request.clone())
    }
}

/// All lanes to one operator's endpoint, none sharing a connection with another.
#[derive(Debug, Clone)]
pub struct Lanes {
    /// Watching and catching up.
    pub read: Client,
    /// Gathering evidence.
    pub prove: Client,
    /// Closing gates.
    pub contain: Client,
}

impl Lanes {
    /// Lanes with the usual settings.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(operator: OperatorId, url: &Url) -> Result<Self, RpcError> {
        let client = |lane| Client::new(operator, url.clone(), lane, &LaneSettings::of(lane));
        Ok(Self { read: client(Lane::Read)?, prove: client(Lane::Prove)?, contain: client(Lane::Contain)? })
    }

    /// Who runs the endpoint.
    #[must_use]
    pub fn operator(&self) -> OperatorId {
        self.read.operator()
    }
}

/// Hands one request to all clients at once and waits for every answer, each within its lane's bound.
pub async fn broadcast(
    clients: &[Client],
    request: &RpcRequest,
) -> Vec<(OperatorId, Result<Reply, RpcError>)> {
    let sends =
        clients.iter().map(|client| async { (client.operator(), client.call(request.clone()).await) });
    join_all(sends).await
}

/// Asks `first`, and `second` too when `first` has not answered within `after` or has failed. The first good
/// answer counts, with whose it is.
///
/// For reads that feed no verdict: what feeds one is compared by [`crate::quorum`], never failed over.
///
/// # Errors
/// [`first`'s error](RpcError) when both fail; submissions are refused by being sent to `first` alone.
pub async fn hedged(
    first: &Client,
    second: &Client,
    after: Duration,
    request: RpcRequest,
) -> Result<(OperatorId, Reply), RpcError> {
    if request.kind == Kind::Submit {
        return first.call(request).await.map(|reply| (first.operator(), reply));
    }
    let main = first.call(request.clone());
    tokio::pin!(main);
    let early = tokio::select! {
        biased;
        result = &mut main => Some(result),
        () = tokio::time::sleep(after) => None,
    };
    if let Some(Ok(reply)) = early {
        return Ok((first.operator(), reply));
    }
    metrics::counter!("portcullis_rpc_hedges_total", "method" => request.method).increment(1);
    let spare = second.call(request);
    tokio::pin!(spare);
    if let Some(Err(error)) = early {
        return spare.await.map(|reply| (second.operator(), reply)).map_err(|_also_failed| error);
    }
    tokio::select! {
        result = &mut main => match result {
            Ok(reply) => Ok((first.operator(), reply)),
            Err(error) => {
                spare.await.map(|reply| (second.operator(), reply)).map_err(|_also_failed| error)
            }
        },
        result = &mut spare => match result {
            Ok(reply) => Ok((second.operator(), reply)),
            Err(_spare_failed) => main.await.map(|reply| (first.operator(), reply)),
        },
    }
}

#[cfg(test)]
#[path = "stack_tests.rs"]
mod tests;
