//! A plain JSON-RPC client of one node: what a person with `curl` would ask.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eyre::{Result, WrapErr, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node, asked directly.
#[derive(Debug)]
pub struct Client {
    url: String,
    http: reqwest::Client,
    next: AtomicU64,
}

impl Client {
    /// A client for a node at `url`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(url: String) -> Result<Self> {
        Ok(Self { url, http: crate::tools::http_client()?, next: AtomicU64::new(1) })
    }

    /// Where the node listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call.
    ///
    /// # Errors
    /// When nobody answers, the answer is an error, or it has another shape.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let answer: Value = self
            .http
            .post(&self.url)
            .timeout(PATIENCE)
            .json(&body)
            .send()
            .await
            .wrap_err_with(|| format!("{method}: no answer"))?
            .json()
            .await
            .wrap_err_with(|| format!("{method}: not JSON"))?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            bail!("{method}: {error}");
        }
        let result = answer.get("result").cloned().unwrap_or(Value::Null);
        serde_json::from_value(result).wrap_err_with(|| format!("{method}: unexpected shape"))
    }
}
