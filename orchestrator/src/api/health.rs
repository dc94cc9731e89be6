//! `/healthz`: whether the service does its work now, not whether its process exists.
//!
//! A 503 is a reason to look and, behind a balancer, to ask another replica. It is no reason to restart: what watches
//! and closes gates goes on without a database, and a chain that stands still stands still after a restart too.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use portcullis_verifier::ChainId;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use crate::telemetry::{ChainStatus, GroupStatus, Phase, Snapshot, now_ms};

/// Oldest input that may wait to be durable, milliseconds: some hundred times what a commit takes.
const QUEUE_AGE_MS: u64 = 5_000;

/// What is configured for a chain, as far as its health goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// No block for so long is a stall, milliseconds.
    pub stall_after_ms: u64,
    /// How many operators are configured.
    pub operators: usize,
    /// How many of them must agree.
    pub quorum: u16,
    /// Whether gates on it can be closed from here.
    pub can_contain: bool,
}

/// Everything that is configured to be watched, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// By chain.
    pub chains: BTreeMap<ChainId, Watched>,
    /// Start of the service, milliseconds since 1970.
    pub since_ms: u64,
}

/// Whether the service does its work now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// Whether all is well.
    pub ok: bool,
    /// What is not well, one sentence each; empty when all is.
    pub reasons: Vec<String>,
    /// Every chain that is observed.
    pub chains: Vec<Chain>,
    /// Every group that is worked on.
    pub groups: Vec<Group>,
    /// Whether the database answered last.
    pub database: bool,
}

/// A chain as it is observed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Chain {
    /// CAIP-2 id.
    pub chain: String,
    /// Newest block that was delivered; null before the first.
    pub height: Option<u64>,
    /// Newest block that the chain calls safe.
    pub safe_height: Option<u64>,
    /// Newest block that the chain calls final.
    pub final_height: Option<u64>,
    /// Time of the newest block.
    pub block_time_s: Option<u64>,
    /// Since when nothing new was delivered, milliseconds; counted from the start before the first block.
    pub silent_ms: u64,
    /// No block for so long is a stall, milliseconds.
    pub stall_after_ms: u64,
    /// How many operators are configured.
    pub operators: usize,
    /// How many of them must agree.
    pub quorum: u16,
    /// Operators (or `chain`) that misbehave, and how.
    #[schema(value_type = BTreeMap<String, String>)]
    pub faults: BTreeMap<String, serde_json::Value>,
    /// True while fewer operators than the quorum tell.
    pub dark: bool,
    /// Why its adapter ended last, while it is being started again.
    pub adapter_error: Option<String>,
    /// Whether gates on it can be closed from here.
    pub can_contain: bool,
}

/// A group as it is worked on now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Group {
    /// Name.
    pub group: String,
    /// `starting`, `waiting` (for the database: without its log it decides nothing), `standby` (another process works on
    /// it), `rebuilding`, `running` or `failed`.
    pub phase: String,
    /// Records of its log.
    pub records: u64,
    /// Head of its log.
    pub head: String,
    /// Batches that wait for its engine.
    pub batches_waiting: usize,
    /// Age of the oldest input that is not durable yet, milliseconds.
    pub queue_age_ms: u64,
    /// Claims that wait for evidence or are judged.
    pub evidence_waiting: usize,
    /// Claims whose last verdict was undecided.
    pub evidence_undecided: usize,
    /// Actions that are not known to be in effect.
    pub actions_open: usize,
    /// Records that lie in the journal and not in the database.
    pub journal_records: usize,
    /// Why it was started again last.
    pub error: Option<String>,
}

fn chain(id: ChainId, watched: Watched, status: &ChainStatus, since_ms: u64, now_ms: u64) -> Chain {
    let progress = status.progress.as_ref();
    let faults = status.faults.iter();
    Chain {
        chain: id.to_string(),
        height: progress.map(|p| p.height),
        safe_height: progress.map(|p| p.safe_height),
        final_height: progress.map(|p| p.final_height),
        block_time_s: progress.map(|p| p.time),
        silent_ms: now_ms.saturating_sub(status.received_at_ms.max(since_ms)),
        stall_after_ms: watched.stall_after_ms,
        operators: watched.operators,
        quorum: watched.quorum,
        faults: faults.map(|(who, kind)| (who.clone(), serde_json::json!(kind))).collect(),
        dark: status.dark,
        adapter_error: status.adapter_error.clone(),
        can_contain: watched.can_contain,
    }
}

fn chains(expected: &Expected, snapshot: &Snapshot, now_ms: u64) -> Vec<Chain> {
    let unseen = ChainStatus::default();
    expected
        .chains
        .iter()
        .map(|(id, watched)| {
            let status = snapshot.chains.get(id).unwrap_or(&unseen);
            chain(*id, *watched, status, expected.since_ms, now_ms)
        })
        .collect()
}

fn group(name: String, status: &GroupStatus, now_ms: u64) -> Group {
    let phase = match status.phase {
        Phase::Starting => "starting",
        Phase::Waiting => "waiting",
        Phase::Standby => "standby",
        Phase::Rebuilding => "rebuilding",
        Phase::Running => "running",
        Phase::Failed => "failed",
    };
    Group {
        group: name,
        phase: phase.to_owned(),
        records: status.next_seq,
        head: status.head.to_string(),
        batches_waiting: status.batches_waiting,
        queue_age_ms: status.oldest_pending_ms.map_or(0, |since| now_ms.saturating_sub(since)),
        evidence_waiting: status.evidence_waiting,
        evidence_undecided: status.evidence_undecided,
        actions_open: status.actions_open,
        journal_records: status.journal_records,
        error: status.error.clone(),
    }
}

fn chain_reasons(chain: &Chain, reasons: &mut Vec<String>) {
    let name = &chain.chain;
    if chain.dark {
        reasons.push(format!("{name}: fewer operators tell than the quorum of {}", chain.quorum));
    }
    if let Some(error) = &chain.adapter_error {
        reasons.push(format!("{name}: its adapter ended and is started again: {error}"));
    }
    if chain.silent_ms > chain.stall_after_ms {
        let secs = chain.silent_ms.div_euclid(1_000);
        let height = chain.height.map_or_else(|| "the start".into(), |height| format!("block {height}"));
        reasons.push(format!("{name}: nothing new since {height}, {secs} s ago"));
    } else if chain.height.is_none() {
        reasons.push(format!("{name}: no block was delivered yet"));
    }
}

fn group_reasons(group: &Group, reasons: &mut Vec<String>) {
    let name = &group.group;
    match group.phase.as_str() {
        // A spare replica is well: the one that leads is asked for its own health.
        "running" | "standby" => {}
        "failed" => {
            let error = group.error.as_deref().unwrap_or("for an unknown reason");
            reasons.push(format!("{name}: failed, and is started again: {error}"));
        }
        "waiting" => {
            reasons.push(format!(
                "{name}: waits for the database; without its log it neither watches nor closes"
            ));
        }
        phase => reasons.push(format!("{name}: {phase}")),
    }
    if group.queue_age_ms > QUEUE_AGE_MS {
        reasons.push(format!("{name}: an input waits for {} ms to become durable", group.queue_age_ms));
    }
    if group.journal_records > 0 {
        reasons.push(format!("{name}: {} records lie in the local journal only", group.journal_records));
    }
}

/// Judges what is known. Pure.
#[must_use]
pub fn assess(expected: &Expected, snapshot: &Snapshot, now_ms: u64) -> Health {
    let mut reasons = Vec::new();
    if !snapshot.database.ok {
        let error = snapshot.database.error.as_deref().unwrap_or("it was not asked yet");
        let running = snapshot.groups.values().any(|group| group.phase == Phase::Running);
        let meanwhile = if running { ", and the local journal stands in" } else { "" };
        reasons.push(format!("the database does not answer{meanwhile}: {error}"));
    }
    if let Some(refused) = &snapshot.config_refused {
        reasons.push(format!("the configuration file was changed and is not in use: {refused}"));
    }
    let chains = chains(expected, snapshot, now_ms);
    let named = snapshot.groups.iter();
    let groups: Vec<Group> = named.map(|(name, status)| group(name.to_string(), status, now_ms)).collect();
    // A spare replica observes nothing until it leads: that chains are silent there says nothing of them.
    let spare = !groups.is_empty() && groups.iter().all(|group| group.phase == "standby");
    if !spare {
        chains.iter().for_each(|chain| chain_reasons(chain, &mut reasons));
    }
    groups.iter().for_each(|group| group_reasons(group, &mut reasons));
    if groups.is_empty() {
        reasons.push("starting: no group is worked on yet".to_owned());
    }
    Health { ok: reasons.is_empty(), reasons, chains, groups, database: snapshot.database.ok }
}

/// Whether the service does its work now: heads, queues, evidence, the database.
#[utoipa::path(
    get, path = "/healthz", tag = "service",
    responses(
        (status = 200, description = "All is well", body = Health),
        (status = 503, description = "Something is not: see reasons. No cause for a restart.", body = Health)
    )
)]
pub(super) async fn healthz(State(state): State<ApiState>) -> (StatusCode, Json<Health>) {
    let health = assess(&state.expected.borrow(), &state.status.snapshot(), now_ms());
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

/// Every chain as it is observed now.
#[utoipa::path(get, path = "/chains", tag = "service", responses((status = 200, body = Vec<Chain>)))]
pub(super) async fn all_chains(State(state): State<ApiState>) -> Json<Vec<Chain>> {
    Json(chains(&state.expected.borrow(), &state.status.snapshot(), now_ms()))
}

#[cfg(test)]
mod tests {
    use portcullis_verifier::{B256, FaultKind, Progress};

    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn id() -> ChainId {
        ChainId::new("eip155:1").unwrap()
    }

    fn expected() -> Expected {
        let watched = Watched { stall_after_ms: 60_000, operators: 3, quorum: 2, can_contain: true };
        Expected { chains: [(id(), watched)].into(), since_ms: NOW_MS - 500_000 }
    }

    fn well() -> Snapshot {
        let progress = Progress {
            chain: id(),
            height: 7,
            block_hash: B256::ZERO,
            time: 1,
            safe_height: 6,
            final_height: 5,
            head_time: 1,
        };
        let chain = ChainStatus {
            progress: Some(progress),
            received_at_ms: NOW_MS - 12_000,
            ..ChainStatus::default()
        };
        let group = GroupStatus { phase: Phase::Running, ..GroupStatus::default() };
        let mut snapshot = Snapshot::default();
        snapshot.chains.insert(id(), chain);
        snapshot.groups.insert("g".parse().unwrap(), group);
        snapshot.database.ok = true;
        snapshot
    }

    fn reasons(change: impl FnOnce(&mut ChainStatus, &mut GroupStatus)) -> Vec<String> {
        let mut snapshot = well();
        let (chain, group) = (snapshot.chains.first_entry(), snapshot.groups.first_entry());
        change(chain.unwrap().get_mut(), group.unwrap().get_mut());
        let health = assess(&expected(), &snapshot, NOW_MS);
        assert_eq!(health.ok, health.reasons.is_empty());
        health.reasons
    }

    #[test]
    fn all_is_well_until_something_is_not() {
        assert!(reasons(|_, _| ()).is_empty());
        assert_eq!(reasons(|chain, _| chain.received_at_ms = NOW_MS - 60_001).len(), 1, "a stall");
        assert_eq!(reasons(|chain, _| chain.dark = true).len(), 1, "a dark source");
        assert_eq!(reasons(|chain, _| chain.progress = None).len(), 1, "no head");
        assert_eq!(reasons(|chain, _| chain.adapter_error = Some("x".into())).len(), 1, "no adapter");
        assert_eq!(
            reasons(|_, group| group.oldest_pending_ms = Some(NOW_MS - 5_001)).len(),
            1,
            "an old input"
        );
        assert_eq!(reasons(|_, group| group.journal_records = 1).len(), 1, "a journal");
        assert_eq!(reasons(|_, group| group.phase = Phase::Failed).len(), 1, "a failed group");
        assert_eq!(reasons(|_, group| group.phase = Phase::Rebuilding).len(), 1, "not yet");
        assert_eq!(reasons(|_, group| group.phase = Phase::Waiting).len(), 1, "no log to read");
    }

    #[test]
    fn a_spare_replica_and_one_bad_operator_are_no_cause() {
        assert!(reasons(|_, group| group.phase = Phase::Standby).is_empty());
        let dark = [("beta".to_owned(), FaultKind::Dark)];
        assert!(reasons(|chain, _| chain.faults.extend(dark)).is_empty());
    }

    #[test]
    fn a_spare_replica_that_has_observed_nothing_is_well() {
        let mut snapshot = well();
        snapshot.chains.clear();
        snapshot.groups.values_mut().for_each(|group| group.phase = Phase::Standby);
        assert!(assess(&expected(), &snapshot, NOW_MS).ok);
        snapshot
            .groups
            .insert("h".parse().unwrap(), GroupStatus { phase: Phase::Running, ..GroupStatus::default() });
        assert!(!assess(&expected(), &snapshot, NOW_MS).ok, "one group is worked on here");
    }

    #[test]
    fn a_refused_configuration_is_a_cause() {
        let mut snapshot = well();
        snapshot.config_refused = Some("PC-0262".into());
        assert_eq!(assess(&expected(), &snapshot, NOW_MS).reasons.len(), 1);
    }

    #[test]
    fn a_missing_database_and_a_chain_never_seen_are_causes() {
        let mut snapshot = well();
        snapshot.database.ok = false;
        assert!(!assess(&expected(), &snapshot, NOW_MS).ok);
        let mut snapshot = well();
        snapshot.chains.clear();
        let health = assess(&expected(), &snapshot, NOW_MS);
        assert_eq!((health.ok, health.chains.len()), (false, 1), "configured chains are always listed");
        assert!(!assess(&Expected::default(), &Snapshot::default(), NOW_MS).ok, "nothing is not well");
    }
}
