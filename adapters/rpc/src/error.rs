//! What can go wrong when an endpoint is asked, and what to do about it.

use core::time::Duration;

use portcullis_adapter::Class;

use crate::limits;

/// Why there is no answer.
///
/// No variant holds a URL: vendors put keys into them.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The connection could not be opened, or broke.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The socket was closed, or is closing.
    #[error("the socket is closed: {0}")]
    Closed(String),
    /// Nothing came for longer than the bound although the connection looks open.
    #[error("the socket was silent for {} ms", .0.as_millis())]
    Silent(Duration),
    /// More pushes arrived than the reader took.
    #[error("{0} pushes were waiting; the socket was closed so that the gap is seen")]
    Overrun(usize),
    /// The server answered with an HTTP status that is no success.
    #[error("HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
        /// What the server asked to wait, where it did.
        retry_after: Option<Duration>,
    },
    /// The server answered with a JSON-RPC error object.
    #[error("the server refused with {code}: {message}")]
    Server {
        /// JSON-RPC error code.
        code: i64,
        /// Its text, at most [`limits::MESSAGE_BYTES`].
        message: String,
        /// Its data, where it is text; at most [`limits::BLOCK_REPLY_BYTES`].
        data: Option<String>,
        /// HTTP status that came with it; 200 on a socket.
        status: u16,
        /// What the server asked to wait, where it did.
        retry_after: Option<Duration>,
    },
    /// The answer is longer than its class allows.
    #[error("the answer is longer than {limit_bytes} bytes")]
    Oversize {
        /// The bound.
        limit_bytes: usize,
    },
    /// The answer is not what was asked for.
    #[error("the answer is no {expected}")]
    Garbage {
        /// What was expected.
        expected: &'static str,
        /// Where it broke.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The answer carries another request's id.
    #[error("the answer has id {found}, the request had {expected}")]
    WrongId {
        /// Id that was sent.
        expected: u64,
        /// Id that came back.
        found: String,
    },
    /// The answer is what was asked for, and this version cannot read it.
    #[error("a {0} cannot be read by this version")]
    Unsupported(String),
    /// The client could not be made.
    #[error("the client could not be made")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RpcError {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Connection(_) | Self::Timeout(_) | Self::Closed(_) | Self::Silent(_) | Self::Overrun(_) => {
                Class::Transient
            }
            Self::Status { status, retry_after } => class_of_status(*status, *retry_after),
            Self::Server { code, status, retry_after, .. } => class_of_code(*code, *status, *retry_after),
            Self::Oversize { .. } | Self::Garbage { .. } | Self::WrongId { .. } => Class::Untrusted,
            Self::Setup(_) | Self::Unsupported(_) => Class::Permanent,
        }
    }

    /// Garbage without a deeper cause.
    #[must_use]
    pub fn garbage(expected: &'static str) -> Self {
        Self::Garbage { expected, source: None }
    }

    /// A short name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Timeout(_) => "timeout",
            Self::Closed(_) => "closed",
            Self::Silent(_) => "silent",
            Self::Overrun(_) => "overrun",
            Self::Status { .. } => "status",
            Self::Server { .. } => "refused",
            Self::Oversize { .. } => "oversize",
            Self::Garbage { .. } => "garbage",
            Self::WrongId { .. } => "wrong_id",
            Self::Unsupported(_) => "unsupported",
            Self::Setup(_) => "setup",
        }
    }
}

fn limited(retry_after: Option<Duration>) -> Class {
    Class::RateLimited(retry_after.unwrap_or(limits::RATE_LIMIT_DEFAULT).min(limits::RATE_LIMIT_MAX))
}

fn class_of_status(status: u16, retry_after: Option<Duration>) -> Class {
    match status {
        429 => limited(retry_after),
        503 if retry_after.is_some() => limited(retry_after),
        408 | 425 | 500..=599 => Class::Transient,
        _ => Class::Permanent,
    }
}

/// Codes of JSON-RPC 2.0 and EIP-1474; -32005 is "limit exceeded", 3 is a reverted call.
fn class_of_code(code: i64, status: u16, retry_after: Option<Duration>) -> Class {
    match code {
        -32005 | -32029 | 429 => limited(retry_after),
        _ if status == 429 => limited(retry_after),
        -32700 | -32600 | -32601 | -32602 | -32004 | -32006 | 3 => Class::Permanent,
        _ => Class::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: i64, status: u16, retry_after: Option<Duration>) -> RpcError {
        RpcError::Server { code, message: String::new(), data: None, status, retry_after }
    }

    #[test]
    fn the_class_follows_code_and_status_never_text() {
        let two = Some(Duration::from_secs(2));
        assert_eq!(server(-32005, 200, None).class(), Class::RateLimited(limits::RATE_LIMIT_DEFAULT));
        assert_eq!(server(-32000, 429, two).class(), Class::RateLimited(Duration::from_secs(2)));
        assert_eq!(server(-32601, 200, None).class(), Class::Permanent);
        assert_eq!(server(-32000, 200, None).class(), Class::Transient);
        assert_eq!(RpcError::Status { status: 502, retry_after: None }.class(), Class::Transient);
        assert_eq!(RpcError::Status { status: 401, retry_after: None }.class(), Class::Permanent);
        assert_eq!(RpcError::Oversize { limit_bytes: 1 }.class(), Class::Untrusted);
    }

    #[test]
    fn a_server_cannot_park_us_for_long() {
        let day = Some(Duration::from_secs(86_400));
        let error = RpcError::Status { status: 429, retry_after: day };
        assert_eq!(error.class(), Class::RateLimited(limits::RATE_LIMIT_MAX));
    }
}
