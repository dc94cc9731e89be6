//! The HTTP API: reads only. Nothing here can open, close or change anything, and nobody is asked who they are; it
//! listens on loopback unless the configuration says otherwise.

pub mod health;
pub mod model;
mod names;
pub mod problem;
mod record;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{store::Store, telemetry::Status};
pub use health::{Expected, Watched};
pub use names::Names;
use problem::ApiProblem;
pub use record::details;

/// Time that an answer may take: longer than the database's own patience, so that it can say what is wrong.
const ANSWER: Duration = Duration::from_secs(15);
/// Largest request body, bytes: no request has one.
const BODY_BYTES: usize = 1_024;

#[derive(OpenApi)]
#[openapi(
    info(title = "Portcullis", description = "What was seen, proven, decided, sent and confirmed. Reads only."),
    tags(
        (name = "incidents", description = "Incidents with everything that led to them and came of them"),
        (name = "gates", description = "Gates as they were last read"),
        (name = "service", description = "The service itself")
    )
)]
struct Description;

/// What handlers need.
#[derive(Clone)]
pub struct ApiState {
    /// The record.
    pub store: Store,
    /// What the service knows of itself.
    pub status: Arc<Status>,
    /// What it should be watching, by the configuration that is in use.
    pub expected: watch::Receiver<Expected>,
    /// Collected metrics; none where nobody collects.
    pub metrics: Option<PrometheusHandle>,
    /// Names under which the API answers.
    pub names: Arc<Names>,
}

fn routes() -> OpenApiRouter<ApiState> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(record::incidents))
        .routes(routes!(record::incident))
        .routes(routes!(record::gates))
        .routes(routes!(record::timeline))
        .routes(routes!(record::notices))
        .routes(routes!(health::all_chains));
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(metrics))
        .nest("/api/v1", v1)
}

/// The description of the API (OpenAPI 3.1).
#[must_use]
pub fn description() -> utoipa::openapi::OpenApi {
    routes().split_for_parts().1
}

/// The API as a service.
pub fn router(state: ApiState) -> Router {
    let (router, _description) = routes().split_for_parts();
    router
        .route("/api/v1/openapi.json", get(|| async { axum::Json(description()) }))
        .fallback(|| async { ApiProblem::not_found("nothing has this path; see /api/v1/openapi.json") })
        .layer(middleware::from_fn_with_state(state.clone(), names::only_own))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .with_state(state)
}

/// Answers until told to stop.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, state: ApiState, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(state)).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Metrics for Prometheus, in its text format.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses((status = 200, description = "Metrics in the text format 0.0.4", body = String, content_type = "text/plain"))
)]
async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    let text = state.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

#[cfg(test)]
mod tests;
