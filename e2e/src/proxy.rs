//! One operator's endpoint: in front of a node, honest until told otherwise, and with a good memory.
//!
//! It forwards requests and pushes of a node as they are. It can fall silent, go dark, answer garbage, or rewrite what
//! the node said, all of it or by [`rule`]. It notes when it delivered a head and when it received a transaction, which
//! is how the play and the benchmarks measure the service from outside.

mod answer;
mod http;
mod push;
pub mod rule;
mod submit;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use alloy::primitives::{B256, Bytes};
use eyre::{Result, WrapErr};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::nodes::Node;
use rule::{Rulebook, Strike};

pub use rule::{Fault, Leg, Lie, Nth, Rule, Twist};

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Faithful,
    /// Takes connections and requests and says nothing, as a half-open socket does.
    Silent,
    /// Ends connections and refuses.
    Dark,
    /// Answers with something that is no answer.
    Garbage,
}

/// Looks at a request before it is passed on: its method and its parameters. False swallows it: the node never hears of
/// it, and no answer comes.
pub type Ear = Arc<dyn Fn(&str, &Value) -> bool + Send + Sync>;

/// Something that passed through.
#[derive(Debug, Clone)]
pub struct Note {
    /// When, on the monotonic clock.
    pub at: Instant,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// What.
    pub what: What,
}

/// What passed through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A head was pushed to the service.
    Head {
        /// Height.
        height: u64,
        /// Hash.
        hash: B256,
    },
    /// The service submitted a transaction.
    Submitted {
        /// Its hash.
        hash: B256,
        /// Its bytes.
        raw: Bytes,
    },
}

/// What the endpoint's tasks share.
pub(crate) struct Shared {
    /// Where the node answers, and where it pushes.
    node: Mutex<(String, String)>,
    pub(crate) client: reqwest::Client,
    pub(crate) mode: watch::Sender<Mode>,
    lie: Mutex<Option<Lie>>,
    ear: Mutex<Option<Ear>>,
    rules: Mutex<Rulebook>,
    /// Bytes of endless answers that somebody took.
    huge: AtomicU64,
    notes: Mutex<Vec<Note>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("node", &self.node().0)
            .field("mode", &*self.mode.borrow())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A task that panicked while it held the lock left a vector or an option, both of which are whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Where the node answers, and where it pushes.
    pub(crate) fn node(&self) -> (String, String) {
        lock(&self.node).clone()
    }

    pub(crate) fn lie(&self) -> Option<Lie> {
        lock(&self.lie).clone()
    }

    /// Whether a request may pass.
    pub(crate) fn passes(&self, body: &[u8]) -> bool {
        let Some(ear) = lock(&self.ear).clone() else { return true };
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return true };
        let single = std::slice::from_ref(&value);
        value.as_array().map_or(single, Vec::as_slice).iter().all(|call| {
            let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
            ear(method, call.get("params").unwrap_or(&Value::Null))
        })
    }

    /// Whether answers are looked into at all.
    pub(crate) fn meddles(&self) -> bool {
        lock(&self.lie).is_some() || !lock(&self.rules).is_empty()
    }

    /// What happens to this occurrence of a method.
    pub(crate) fn strike(&self, method: &str) -> Option<Strike> {
        lock(&self.rules).strike(method)
    }

    /// What a rule of stale answers repeats.
    pub(crate) fn stale(&self, rule: usize, now: &Value) -> Value {
        lock(&self.rules).stale(rule, now)
    }

    pub(crate) fn count_huge(&self, bytes: usize) {
        self.huge.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    pub(crate) fn note(&self, what: What) {
        lock(&self.notes).push(Note { at: Instant::now(), at_us: clock::now_us(), what });
    }

    /// Notes submitted transactions in a request.
    pub(crate) fn note_request(&self, body: &[u8]) {
        for (hash, raw) in submit::found(body) {
            self.note(What::Submitted { hash, raw });
        }
    }
}

/// A running endpoint. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    /// Name of the operator.
    pub operator: String,
    http: u16,
    ws: u16,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Proxy {
    /// Starts an endpoint in front of a node.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(operator: &str, node: &Node) -> Result<Self> {
        Self::before(operator, node.rpc.url(), &node.ws()).await
    }

    /// Starts an endpoint in front of anything that speaks like a node.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn before(operator: &str, http: &str, ws: &str) -> Result<Self> {
        let shared = Arc::new(Shared {
            node: Mutex::new((http.to_owned(), ws.to_owned())),
            client: crate::tools::http_client()?,
            mode: watch::Sender::new(Mode::Faithful),
            lie: Mutex::new(None),
            ear: Mutex::new(None),
            rules: Mutex::new(Rulebook::default()),
            huge: AtomicU64::new(0),
            notes: Mutex::new(Vec::new()),
        });
        let stop = CancellationToken::new();
        let listen = async || TcpListener::bind("127.0.0.1:0").await.wrap_err("no port for a proxy");
        let (http, ws) = (listen().await?, listen().await?);
        let proxy = Self {
            operator: operator.to_owned(),
            http: http.local_addr()?.port(),
            ws: ws.local_addr()?.port(),
            shared: Arc::clone(&shared),
            stop: stop.clone(),
        };
        tokio::spawn(http::serve(http, Arc::clone(&shared), stop.clone()));
        tokio::spawn(push::serve(ws, shared, stop));
        Ok(proxy)
    }

    /// Where requests go.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Where pushes come from.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ws)
    }

    /// Changes how it behaves. Open sockets feel it too.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// From now on it stands in front of another node. Open sockets stay with the one before.
    pub fn turn_to(&self, http: &str, ws: &str) {
        *lock(&self.shared.node) = (http.to_owned(), ws.to_owned());
    }

    /// From now on it lies; none makes it honest again.
    pub fn set_lie(&self, lie: Option<Lie>) {
        *lock(&self.shared.lie) = lie;
    }

    /// From now on every request is looked at before it passes; none lets all pass unseen.
    pub fn set_ear(&self, ear: Option<Ear>) {
        *lock(&self.shared.ear) = ear;
    }

    /// Takes those rules that concern this operator, instead of the ones before. Open sockets feel it too.
    pub fn set_rules(&self, seed: u64, rules: &[Rule]) {
        *lock(&self.shared.rules) = Rulebook::new(&self.operator, seed, rules);
    }

    /// How often the present rules did something.
    #[must_use]
    pub fn struck(&self) -> u64 {
        lock(&self.shared.rules).struck()
    }

    /// How many bytes of oversize answers were taken from here, as far as they were handed to the socket.
    #[must_use]
    pub fn oversize_taken(&self) -> u64 {
        self.shared.huge.load(Ordering::Relaxed)
    }

    /// Everything that passed so far.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        lock(&self.shared.notes).clone()
    }

    /// Forgets what passed so far.
    pub fn forget(&self) {
        lock(&self.shared.notes).clear();
    }

    /// Hashes of all transactions that the service submitted here.
    #[must_use]
    pub fn submitted(&self) -> Vec<B256> {
        let hash = |note: &Note| match note.what {
            What::Submitted { hash, .. } => Some(hash),
            What::Head { .. } => None,
        };
        lock(&self.shared.notes).iter().filter_map(hash).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
#[path = "proxy/tests.rs"]
mod tests;
