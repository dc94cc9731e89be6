//! One message to one webhook: a signed POST, and what became of it.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;
use url::Url;

use super::{Message, Webhook};
use crate::budget;
use crate::telemetry::now_ms;

/// Why a message is not known to have arrived. It is sent again, whatever the reason: only a 2xx confirms.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nobody answered, or not in time.
    #[error("PC-0701: nobody answers")]
    Unreachable(#[source] reqwest::Error),
    /// Somebody answered, and did not confirm it.
    #[error("PC-0702: the answer is {status} and not a confirmation")]
    Refused {
        /// HTTP status.
        status: u16,
        /// How long the other side asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The client cannot be made on this machine.
    #[error("PC-0703: no HTTP client can be made on this machine")]
    Setup(#[source] reqwest::Error),
}

impl SendError {
    /// The code under which the documentation explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "PC-0701",
            Self::Refused { .. } => "PC-0702",
            Self::Setup(_) => "PC-0703",
        }
    }
}

/// Sends messages.
#[derive(Debug, Clone)]
pub struct Sender {
    client: reqwest::Client,
}

impl Sender {
    /// A client with bounded patience.
    ///
    /// SECURITY: redirects are not followed, so that what is signed for one address goes nowhere else.
    ///
    /// # Errors
    /// [`SendError::Setup`] when none can be made.
    pub fn new() -> Result<Self, SendError> {
        // Another part of the program may have installed it already: it is the same one.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(budget::NOTIFY_TIME)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { client: client.map_err(SendError::Setup)? })
    }

    /// Sends a message once; it has arrived only where this returns without an error.
    ///
    /// # Errors
    /// [`SendError`]; then it may have arrived all the same, and is sent again with the same key.
    pub async fn send(&self, webhook: &Webhook, message: &Message) -> Result<(), SendError> {
        let at_secs = now_ms().div_euclid(1_000);
        let sent = self
            .client
            .post(webhook.url.clone())
            .header("content-type", "application/json")
            .header("idempotency-key", &message.key)
            .header("portcullis-signature", signature(webhook.secret.expose_secret(), at_secs, &message.body))
            .body(message.body.clone())
            .send()
            .await;
        confirmed(sent)
    }

    /// Tells a dead man's switch that this service is alive and does its work.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn beat(&self, url: &Url) -> Result<(), SendError> {
        confirmed(self.client.post(url.clone()).body(String::new()).send().await)
    }
}

fn confirmed(sent: Result<reqwest::Response, reqwest::Error>) -> Result<(), SendError> {
    // A URL may hold a key: it stands in no message of ours.
    let response = sent.map_err(|error| SendError::Unreachable(error.without_url()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    Err(SendError::Refused { status: status.as_u16(), retry_after })
}

/// The header by which the other side knows that a message is ours and new: `t=<seconds>,v1=<hex>`, with HMAC-SHA-256
/// (RFC 2104) of `<seconds>.<body>` under the shared secret.
#[must_use]
pub fn signature(secret: &str, at_secs: u64, body: &str) -> String {
    let tag = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mut mac| {
        mac.update(at_secs.to_string().as_bytes());
        mac.update(b".");
        mac.update(body.as_bytes());
        alloy_primitives::hex::encode(mac.finalize().into_bytes())
    });
    // HMAC takes keys of every length; were it otherwise, an empty tag verifies nowhere.
    format!("t={at_secs},v1={}", tag.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        // printf '7.{}' | openssl dgst -sha256 -hmac secret
        let expected = "t=7,v1=76aad9429f417882918162a1928a38769fff65cc07b6bfa344ac9c5fb1e3448e";
        assert_eq!(signature("secret", 7, "{}"), expected);
        assert_ne!(signature("secret", 8, "{}"), expected);
        assert_ne!(signature("other", 7, "{}"), expected);
        assert_ne!(signature("secret", 7, "{ }"), expected);
    }
}
