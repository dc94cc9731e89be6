//! Reading the record: incidents, gates, the timeline, notices.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use portcullis_verifier::IncidentId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    ApiState,
    model::{Gate, Incident, IncidentDetail, IncidentPage, LogHead, Notice, TimelinePage, belongs},
    problem::ApiProblem,
};
use crate::store::{Store, read::IncidentRow};

/// Entries of a page when nobody asks for another number.
const PAGE: u32 = 50;
/// Most entries of a page: some hundred kilobytes.
const PAGE_MAX: u32 = 200;
/// Lines of the timeline that one incident shows; the rest is paged.
const TIMELINE_MAX: u32 = 1_000;

/// A page that goes back in time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {
    /// Only what is older than this moment, milliseconds since 1970.
    before_ms: Option<u64>,
    /// Entries of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A page that goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Onward {
    /// Only lines after this id.
    after_id: Option<i64>,
    /// Only lines of this incident.
    incident: Option<String>,
    /// Lines of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

fn limit(asked: Option<u32>) -> Result<u32, ApiProblem> {
    let limit = asked.unwrap_or(PAGE);
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiProblem::bad_request(format!("limit is {limit}; 1 to {PAGE_MAX} is allowed")))
    }
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiProblem> {
    query.map(|Query(parameters)| parameters).map_err(|error| ApiProblem::bad_request(error.body_text()))
}

fn incident_id(text: &str) -> Result<IncidentId, ApiProblem> {
    let wrong = |_| ApiProblem::bad_request("an incident's id is 0x and 64 hexadecimal digits".to_owned());
    text.parse().map_err(wrong)
}

/// Incidents, newest first.
#[utoipa::path(
    get, path = "/incidents", tag = "incidents", params(Back),
    responses((status = 200, body = IncidentPage), (status = 400, body = ApiProblem), (status = 503, body = ApiProblem))
)]
pub(super) async fn incidents(
    State(state): State<ApiState>,
    parameters: Result<Query<Back>, QueryRejection>,
) -> Result<Json<IncidentPage>, ApiProblem> {
    let Back { before_ms, limit: asked } = query(parameters)?;
    let limit = limit(asked)?;
    let rows = state.store.incidents(before_ms, limit).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|found| found >= limit);
    let next_before_ms = rows.last().filter(|_| full).map(|row| row.opened_at_ms);
    Ok(Json(IncidentPage { incidents: rows.iter().map(Incident::from).collect(), next_before_ms }))
}

/// One incident: signals, evidence with its assurance, decisions, actions, attempts, timeline, log head; once per
/// log that has it.
#[utoipa::path(
    get, path = "/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident: 0x and 64 hexadecimal digits")),
    responses(
        (status = 200, body = Vec<IncidentDetail>), (status = 400, body = ApiProblem),
        (status = 404, body = ApiProblem), (status = 503, body = ApiProblem)
    )
)]
pub(super) async fn incident(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Vec<IncidentDetail>>, ApiProblem> {
    let details = details(&state.store, incident_id(&id)?).await?;
    if details.is_empty() {
        return Err(ApiProblem::not_found(format!("no incident has the id {id}")));
    }
    Ok(Json(details))
}

/// Everything that the record holds of an incident, once per log that has it.
///
/// # Errors
/// As the database gives them.
pub async fn details(store: &Store, id: IncidentId) -> Result<Vec<IncidentDetail>, crate::store::StoreError> {
    let rows = store.incident(id).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let logs = store.logs().await?;
    let evidence = store.incident_evidence(id).await?;
    let decisions = store.decisions(id).await?;
    let actions = store.actions(id).await?;
    let attempts = store.incident_attempts(id).await?;
    let timeline = store.timeline(Some(id), 0, TIMELINE_MAX).await?;
    let detail = |row: &IncidentRow| IncidentDetail {
        incident: Incident::from(row),
        reasons: row.signals.clone(),
        evidence: evidence.iter().cloned().map(Into::into).collect(),
        decisions: decisions.iter().cloned().map(Into::into).collect(),
        actions: actions.iter().cloned().map(Into::into).collect(),
        attempts: attempts.iter().cloned().map(Into::into).collect(),
        timeline: timeline.iter().cloned().map(Into::into).collect(),
        log: logs.iter().find(|(name, _)| belongs(name, row)).map(|(_, end)| LogHead::from(end)),
    };
    Ok(rows.iter().map(detail).collect())
}

/// Every configured gate as it was last read.
#[utoipa::path(
    get, path = "/gates", tag = "gates",
    responses((status = 200, body = Vec<Gate>), (status = 503, body = ApiProblem))
)]
pub(super) async fn gates(State(state): State<ApiState>) -> Result<Json<Vec<Gate>>, ApiProblem> {
    let rows = state.store.gates().await?;
    Ok(Json(rows.into_iter().map(Gate::from).collect()))
}

/// What happened when, in order of arrival.
#[utoipa::path(
    get, path = "/timeline", tag = "incidents", params(Onward),
    responses((status = 200, body = TimelinePage), (status = 400, body = ApiProblem), (status = 503, body = ApiProblem))
)]
pub(super) async fn timeline(
    State(state): State<ApiState>,
    parameters: Result<Query<Onward>, QueryRejection>,
) -> Result<Json<TimelinePage>, ApiProblem> {
    let Onward { after_id, incident, limit: asked } = query(parameters)?;
    let limit = limit(asked)?;
    let incident = incident.as_deref().map(incident_id).transpose()?;
    let after = after_id.unwrap_or(0);
    let rows = state.store.timeline(incident, after, limit).await?;
    let next_after_id = rows.last().map_or(after, |row| row.id);
    Ok(Json(TimelinePage { lines: rows.into_iter().map(Into::into).collect(), next_after_id }))
}

/// What people were told, newest first.
#[utoipa::path(
    get, path = "/notices", tag = "incidents", params(Back),
    responses((status = 200, body = Vec<Notice>), (status = 400, body = ApiProblem), (status = 503, body = ApiProblem))
)]
pub(super) async fn notices(
    State(state): State<ApiState>,
    parameters: Result<Query<Back>, QueryRejection>,
) -> Result<Json<Vec<Notice>>, ApiProblem> {
    let Back { before_ms, limit: asked } = query(parameters)?;
    let rows = state.store.notices(before_ms, limit(asked)?).await?;
    Ok(Json(rows.into_iter().map(Notice::from).collect()))
}
