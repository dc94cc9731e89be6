//! Errors of the API: `application/problem+json` (RFC 9457) with a code that the documentation explains.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::StoreError;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiProblem {
    /// `urn:portcullis:error:` and the code.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub kind: String,
    /// The kind of problem, the same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This occurrence.
    pub detail: String,
    /// The page under `docs/errors` that explains it.
    pub code: String,
}

impl ApiProblem {
    fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:portcullis:error:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
        }
    }

    /// A parameter that cannot be understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PC-0401", "a parameter cannot be understood", detail)
    }

    /// Nothing has that id or path.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "PC-0402", "there is no such thing", detail)
    }

    /// A browser was talked into asking for somebody else.
    pub(super) fn foreign_host(host: &str) -> Self {
        let detail =
            format!("'{}' is not a name of this service", host.chars().take(100).collect::<String>());
        Self::new(StatusCode::FORBIDDEN, "PC-0403", "asked under a foreign name", detail)
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(code = error.code(), %error, "the record could not be read for the API");
        // The driver's own words stay in the log: they can hold names of servers and users.
        let detail = "the database did not answer; what watches and closes gates goes on without it";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), "the record cannot be read", detail)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, Json(self)).into_response()
    }
}
