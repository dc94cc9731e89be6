//! What a proxy can do to an answer.

use core::{fmt, time::Duration};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

/// Rewrites a result: method, parameters, honest result; none swallows a push, and answers null to a request.
pub type Rewrite = Arc<dyn Fn(&str, &Value, Value) -> Option<Value> + Send + Sync>;

/// What is done to the answers of one method.
#[derive(Clone)]
pub enum Fault {
    /// A JSON-RPC error.
    Error {
        /// Its code.
        code: i64,
        /// Its text.
        message: String,
    },
    /// An HTTP status without a body; on a socket, the same as `Error` with code -32000.
    Status {
        /// The status.
        status: u16,
        /// Seconds in `Retry-After`.
        retry_after: Option<u64>,
    },
    /// Bytes that are no JSON.
    Garbage,
    /// This text instead of the answer. `$ID` in it stands for the request's id, `$RESULT` for the right result.
    Text(String),
    /// A result of so many bytes.
    Oversize(usize),
    /// A body that goes on for so many bytes, made while it is sent.
    Flood {
        /// How many.
        bytes: usize,
        /// Whether its length stands in front of it.
        announced: bool,
    },
    /// The right result under another id.
    WrongId,
    /// The right answer, later.
    Delay(Duration),
    /// The connection is closed instead of an answer.
    Drop,
    /// Never an answer.
    Silence,
    /// The right answer twice; over HTTP, once.
    Twice,
    /// Another result.
    Lie(Rewrite),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Error { .. } => "Error",
            Self::Status { .. } => "Status",
            Self::Garbage => "Garbage",
            Self::Text(_) => "Text",
            Self::Oversize(_) => "Oversize",
            Self::Flood { .. } => "Flood",
            Self::WrongId => "WrongId",
            Self::Delay(_) => "Delay",
            Self::Drop => "Drop",
            Self::Silence => "Silence",
            Self::Twice => "Twice",
            Self::Lie(_) => "Lie",
        };
        f.write_str(name)
    }
}

/// What happens to one answer.
pub(super) enum Outcome {
    Text(String),
    Status(u16, Option<u64>),
    Flood(usize, bool),
    Hangup,
    Never,
}

/// Faults in force, shared by all connections of a proxy.
#[derive(Debug, Default)]
pub(super) struct Faults {
    by_method: Mutex<BTreeMap<String, (Fault, Option<u32>)>>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Fault, Option<u32>)>> {
        self.by_method.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, method: &str, fault: Fault, times: Option<u32>) {
        self.lock().insert(method.to_owned(), (fault, times));
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The fault for a method, else the one for `*`; counts it down.
    pub(super) fn take(&self, method: &str) -> Option<Fault> {
        let mut faults = self.lock();
        let key = if faults.contains_key(method) { method } else { "*" };
        let (fault, times) = faults.get_mut(key)?;
        let fault = fault.clone();
        match times {
            None => {}
            Some(0) => return None,
            Some(left) => *left = left.saturating_sub(1),
        }
        Some(fault)
    }
}

/// Applies a fault to one answer. `message` is the server's whole answer.
pub(super) async fn spoil(fault: Option<Fault>, request: &Value, mut message: Value) -> Outcome {
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    let id = request.get("id").cloned().unwrap_or_default();
    match fault {
        None | Some(Fault::Twice) => {}
        Some(Fault::Error { code, message }) => {
            return Outcome::Text(
                json!({"jsonrpc":"2.0","id":id,"error":{"code":code,"message":message}}).to_string(),
            );
        }
        Some(Fault::Status { status, retry_after }) => return Outcome::Status(status, retry_after),
        Some(Fault::Garbage) => return Outcome::Text("<html>busy</html>".to_owned()),
        Some(Fault::Text(text)) => {
            let result = message.get("result").cloned().unwrap_or_default();
            return Outcome::Text(
                text.replace("$ID", &id.to_string()).replace("$RESULT", &result.to_string()),
            );
        }
        Some(Fault::Flood { bytes, announced }) => return Outcome::Flood(bytes, announced),
        Some(Fault::Oversize(bytes)) => {
            return Outcome::Text(json!({"jsonrpc":"2.0","id":id,"result":"x".repeat(bytes)}).to_string());
        }
        Some(Fault::WrongId) => put(&mut message, "id", json!(u64::MAX)),
        Some(Fault::Delay(by)) => tokio::time::sleep(by).await,
        Some(Fault::Drop) => return Outcome::Hangup,
        Some(Fault::Silence) => return Outcome::Never,
        Some(Fault::Lie(rewrite)) => {
            let params = request.get("params").cloned().unwrap_or_default();
            if let Some(result) = message.get("result").cloned() {
                let lie = rewrite(method, &params, result).unwrap_or_default();
                put(&mut message, "result", lie);
            }
        }
    }
    Outcome::Text(message.to_string())
}

pub(super) fn put(message: &mut Value, key: &str, value: Value) {
    if let Some(map) = message.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}
