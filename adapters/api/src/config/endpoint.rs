//! Whose nodes are asked, where trips go, and whose key signs them.

use std::path::PathBuf;

use portcullis_verifier::OperatorId;
use serde::Deserialize;
use url::Url;

/// A URL as it may stand in a log: scheme, host and port. Path, query and user part may hold keys.
#[must_use]
pub fn redacted(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// One node of one operator.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Who runs it.
    pub operator: OperatorId,
    /// JSON-RPC over HTTP. May hold a key: never logged.
    pub http: Url,
    /// JSON-RPC over websocket; without it the endpoint is polled.
    #[serde(default)]
    pub ws: Option<Url>,
    /// Whether trips are handed to it when submission is public.
    #[serde(default = "submits")]
    pub submit: bool,
}

fn submits() -> bool {
    true
}

impl core::fmt::Debug for Endpoint {
    // SECURITY: URLs of RPC vendors carry their key in the path; only scheme and host may reach a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Endpoint")
            .field("operator", &self.operator)
            .field("http", &redacted(&self.http))
            .field("ws", &self.ws.as_ref().map(redacted))
            .field("submit", &self.submit)
            .finish()
    }
}

/// Where trips go. Never both at once: a public copy would give away what a private one hides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submission {
    /// To every endpoint with `submit`.
    #[default]
    Public,
    /// Only to these.
    Private(Vec<PrivateEndpoint>),
}

/// A submission endpoint that is not read from.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateEndpoint {
    /// Who runs it.
    pub operator: OperatorId,
    /// JSON-RPC over HTTP. May hold a key: never logged.
    pub http: Url,
}

impl core::fmt::Debug for PrivateEndpoint {
    // SECURITY: as for [`Endpoint`].
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PrivateEndpoint")
            .field("operator", &self.operator)
            .field("http", &redacted(&self.http))
            .finish()
    }
}

/// Where the signing key comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignerSource {
    /// An encrypted keystore file (Web3 Secret Storage) and a file with its password.
    Keystore {
        /// The encrypted key.
        path: PathBuf,
        /// The password; a trailing line break is ignored.
        password_file: PathBuf,
    },
}
