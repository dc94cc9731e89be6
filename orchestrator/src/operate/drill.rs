//! Drills: whether containing would work tonight.
//!
//! A rehearsal simulates the way to a gate with everything that is real about it: endpoints, role, key, nonce, fee,
//! gas, balance. A canary goes the whole way: a scope that nobody asks is closed through the lane, its row before its
//! bytes, and proven. Both happen on schedule; what fails is an input of the log, and so an incident until it works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_adapter::{Contain, GateReport, Readiness};
use portcullis_core::config::Target;
use portcullis_core::input::{Check, CheckKind};
use portcullis_core::{Body, Command};
use portcullis_verifier::{Action, ActionClass, ActionId, B256, ChainId, IncidentId, Level, Slug};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Operate;
use crate::budget;
use crate::service::ChainWiring;
use crate::store::{LogName, Store};
use crate::telemetry::{millis, now_ms};
use portcullis_adapter::error::chain_of;

/// One way of containing, tried without sending anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Configured name of the gate.
    pub target: Slug,
    /// Its chain.
    pub chain: ChainId,
    /// How tight.
    pub level: Level,
    /// What was looked at; empty where no signer is configured, and people close this gate.
    pub checks: Vec<Readiness>,
}

impl Way {
    /// Whether nothing would fail.
    #[must_use]
    pub fn works(&self) -> bool {
        !self.checks.iter().any(|check| self.fails(check))
    }

    /// Whether a check makes the way fail. Trips go to every endpoint: one that is dark costs nothing while another
    /// takes them, and is an alarm of its own. Without a durable nonce a trip is signed in the usual way, and closes as well.
    #[must_use]
    pub fn fails(&self, check: &Readiness) -> bool {
        let endpoint = |check: &Readiness| check.check.as_str() == "endpoint";
        let spare = self.checks.iter().any(|other| endpoint(other) && other.ok);
        let spared = endpoint(check) && spare;
        let optional = check.check.as_str() == "durable";
        !(check.ok || spared || optional)
    }

    /// What would fail, one sentence each.
    pub fn failing(&self) -> impl Iterator<Item = String> {
        let level = level_word(self.level);
        self.checks
            .iter()
            .filter(|check| self.fails(check))
            .map(move |c| format!("{level}: {}: {}", c.check, c.detail))
    }
}

/// A level as people write it.
#[must_use]
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Open => "open",
        Level::Limited => "limited",
        Level::Closed => "closed",
    }
}

/// Rehearses every level of one gate.
pub async fn rehearse(contain: Option<&dyn Contain>, target: &Target) -> Vec<Way> {
    let way = |level, checks| Way { target: target.id, chain: target.chain, level, checks };
    let levels = [Level::Limited, Level::Closed];
    let Some(contain) = contain else { return levels.map(|level| way(level, Vec::new())).to_vec() };
    let gate = within(contain.gate(target.address, target.scope)).await;
    let gate = match gate {
        Ok(gate) if gate.registered => gate,
        Ok(_) => {
            let detail = "the gate does not know the scope; its owner must register it".to_owned();
            return levels.map(|level| way(level, failed("scope", detail.clone()))).to_vec();
        }
        Err(why) => return levels.map(|level| way(level, failed("gate", why.clone()))).to_vec(),
    };
    let mut ways = Vec::with_capacity(levels.len());
    for level in levels {
        let checks = match within(contain.rehearse(&closure(target, level, &gate))).await {
            Ok(checks) => checks,
            Err(why) => failed("endpoint", why),
        };
        ways.push(way(level, checks));
    }
    ways
}

async fn within<T>(
    question: impl Future<Output = Result<T, portcullis_adapter::AdapterError>>,
) -> Result<T, String> {
    match tokio::time::timeout(budget::REHEARSAL, question).await {
        Ok(answer) => answer.map_err(|error| chain_of(&error)),
        Err(_elapsed) => Err(format!("no answer within {} s", budget::REHEARSAL.as_secs())),
    }
}

fn failed(check: &str, detail: String) -> Vec<Readiness> {
    Slug::new(check).map(|check| vec![Readiness { check, ok: false, detail }]).unwrap_or_default()
}

/// The shortest closure of a gate, with the highest offer: what would be asked of it on the worst night.
fn closure(target: &Target, level: Level, gate: &GateReport) -> Action {
    Action {
        id: ActionId(B256::ZERO),
        chain: target.chain,
        target: target.address,
        scope: target.scope,
        level,
        // A gate that is closed already is asked for one second more, so that the rehearsal is no repetition.
        until: gate.until.max(gate.time).saturating_add(1),
        until_height: gate.until_height,
        incident: IncidentId(B256::ZERO),
        generation: gate.generation,
        class: ActionClass::Halt,
        value_at_risk_micro_usd: u64::MAX,
        reasons: Vec::new(),
    }
}

/// The command that trips a canary, with its scope's generation as the gate says it.
///
/// # Errors
/// Why it cannot be tripped: cause and fix.
pub async fn canary(
    contain: &dyn Contain,
    target: &Target,
    scope: B256,
    by: Slug,
) -> Result<Command, String> {
    let gate = within(contain.gate(target.address, scope)).await?;
    if !gate.registered {
        return Err(format!(
            "the gate of {} does not know the canary's scope {scope}: its owner must register it",
            target.id
        ));
    }
    Ok(Command::Canary { target: target.id, scope, generation: gate.generation, by })
}

/// Makes the drills of one group on schedule.
pub struct Drills {
    /// Of which log.
    pub log: LogName,
    /// Its gates.
    pub targets: Vec<Target>,
    /// Adapters.
    pub chains: Arc<BTreeMap<ChainId, ChainWiring>>,
    /// To the engine's loop.
    pub engine: mpsc::Sender<Body>,
    /// For when a canary was proven last.
    pub store: Store,
    /// How the service is operated.
    pub operate: Arc<Operate>,
}

impl Drills {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut next_drill = self.operate.drill_every.map(|_| Instant::now());
        let mut tripped: BTreeMap<Slug, u64> = BTreeMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(budget::DRILL_POLL) => {}
            }
            let round = async {
                if let (Some(at), Some(every)) = (next_drill, self.operate.drill_every)
                    && at <= Instant::now()
                {
                    self.rehearse_all().await;
                    next_drill = Instant::now().checked_add(every);
                }
                if let Some(every) = self.operate.canary_every {
                    self.trip_due(every, &mut tripped).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = round => {}
            }
        }
    }

    fn contain(&self, target: &Target) -> Option<&Arc<dyn Contain>> {
        self.chains.get(&target.chain).and_then(|wiring| wiring.contain.as_ref())
    }

    async fn rehearse_all(&self) {
        for target in &self.targets {
            // Where nobody signs, people close: there is nothing to rehearse.
            let Some(contain) = self.contain(target) else { continue };
            let started = Instant::now();
            let ways = rehearse(Some(contain.as_ref()), target).await;
            let failing = ways.iter().flat_map(Way::failing).collect();
            let took_ms = millis(started.elapsed());
            self.tell(Check { target: target.id, kind: CheckKind::Rehearsal, failing, took_ms }).await;
        }
    }

    /// Trips each canary whose last success, and last try of this process, are long enough ago.
    async fn trip_due(&self, every: Duration, tripped: &mut BTreeMap<Slug, u64>) {
        let due: Vec<(&Target, B256)> = self
            .targets
            .iter()
            .filter_map(|target| Some((target, *self.operate.canaries.get(&target.id)?)))
            .filter(|(target, _)| is_due(tripped.get(&target.id).copied(), every))
            .collect();
        if due.is_empty() {
            return;
        }
        let Ok(rows) = self.store.trust().await else { return };
        for (target, scope) in due {
            let Some(contain) = self.contain(target) else { continue };
            let mine = |row: &&crate::store::trust::TrustRow| {
                row.group_id == self.log.group.as_str()
                    && row.replica == self.log.replica.as_str()
                    && row.target == target.id.as_str()
            };
            let last = rows.iter().find(mine).and_then(|row| row.last_canary_ms);
            let last = last.and_then(|at_ms| u64::try_from(at_ms).ok());
            if !is_due(last, every) {
                tripped.insert(target.id, last.unwrap_or(0));
                continue;
            }
            tripped.insert(target.id, now_ms());
            let Ok(by) = Slug::new("schedule") else { continue };
            match canary(contain.as_ref(), target, scope, by).await {
                // The loop ends only with the group.
                Ok(command) => drop(self.engine.send(Body::Command(command)).await),
                Err(why) => {
                    let (kind, failing) = (CheckKind::Canary, vec![why]);
                    self.tell(Check { target: target.id, kind, failing, took_ms: 0 }).await;
                }
            }
        }
    }

    async fn tell(&self, check: Check) {
        let _told = self.engine.send(Body::Checked(check)).await;
    }
}

fn is_due(last_ms: Option<u64>, every: Duration) -> bool {
    last_ms.is_none_or(|last| now_ms() >= last.saturating_add(millis(every)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_says_what_would_fail_and_at_which_level() {
        let check = |name: &str, ok| Readiness { check: Slug::new(name).unwrap(), ok, detail: "why".into() };
        let way = Way {
            target: Slug::new("home").unwrap(),
            chain: ChainId::new("test:1").unwrap(),
            level: Level::Closed,
            checks: vec![check("role", true), check("balance", false)],
        };
        assert!(!way.works());
        assert_eq!(way.failing().collect::<Vec<_>>(), ["closed: balance: why"]);
        assert!(Way { checks: vec![check("role", true)], ..way }.works());
    }

    #[test]
    fn one_dark_endpoint_is_not_a_way_that_fails_and_all_of_them_are() {
        let endpoint =
            |ok| Readiness { check: Slug::new("endpoint").unwrap(), ok, detail: "does not answer".into() };
        let way = |checks| Way {
            target: Slug::new("home").unwrap(),
            chain: ChainId::new("test:1").unwrap(),
            level: Level::Closed,
            checks,
        };
        assert!(way(vec![endpoint(true), endpoint(false)]).works());
        let durable = |ok| Readiness { check: Slug::new("durable").unwrap(), ..endpoint(ok) };
        assert!(
            way(vec![endpoint(true), durable(false)]).works(),
            "it is shown, and closing does not need it"
        );
        assert!(!way(vec![endpoint(false), durable(true)]).works());
        assert_eq!(way(vec![endpoint(false), endpoint(false)]).failing().count(), 2);
    }

    #[test]
    fn what_was_never_done_is_due_and_what_was_done_is_not() {
        let hour = Duration::from_secs(3_600);
        assert!(is_due(None, hour) && is_due(Some(now_ms() - 3_600_001), hour));
        assert!(!is_due(Some(now_ms() - 3_000_000), hour));
    }
}
