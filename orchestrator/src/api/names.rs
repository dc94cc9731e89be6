//! Under which names the API answers.
//!
//! SECURITY: a web page can point a name of its own at 127.0.0.1 and let the visitor's browser ask an API that listens
//! there (DNS rebinding). Such a request carries the page's name in its Host header, so only own names are answered.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{ApiState, problem::ApiProblem};

/// Names under which the API answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Addresses of loopback, and `localhost`.
    Loopback,
    /// Any: whoever exposes the API puts a proxy before it that knows its names.
    Any,
}

impl Names {
    /// What suits an address that the API listens on.
    #[must_use]
    pub fn suiting(listen: SocketAddr) -> Self {
        if listen.ip().is_loopback() { Self::Loopback } else { Self::Any }
    }

    fn include(self, host: &str) -> bool {
        if self == Self::Any {
            return true;
        }
        if let Ok(address) = host.parse::<SocketAddr>() {
            return address.ip().is_loopback();
        }
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            // The last colon of a bare IPv6 address begins no port.
            if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') { name } else { host }
        });
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

pub(super) async fn only_own(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    if state.names.include(host) {
        next.run(request).await
    } else {
        ApiProblem::foreign_host(host).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_own_on_loopback() {
        let names = Names::suiting("127.0.0.1:7420".parse().unwrap());
        for own in ["127.0.0.1", "127.0.0.1:7420", "localhost", "LOCALHOST:80", "[::1]", "[::1]:7420", "::1"]
        {
            assert!(names.include(own), "{own}");
        }
        for foreign in ["", "evil.example", "evil.example:7420", "10.0.0.1:7420", "127.0.0.1.evil.example"] {
            assert!(!names.include(foreign), "{foreign}");
        }
        assert!(Names::suiting("10.0.0.1:7420".parse().unwrap()).include("status.example"));
    }
}
