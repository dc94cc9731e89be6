//! Scoring: the only place that reads labels.

use std::collections::BTreeMap;

use portcullis_core::{
    Effect, Engine,
    effect::{Cause, Decision},
    money::bps_of,
};
use portcullis_verifier::{ActionClass, ChainId, Level};

use super::{Cost, Report, Run, Said, Saved, Siblings};
use crate::dataset::{Dataset, Label, Scored};

/// Delays between the first false release and closed gates that are asked about, seconds.
const DELAYS_SECS: [u64; 4] = [0, 12, 60, 3_600];

/// Causes that call one release false, as opposed to much, fast or strange.
const FALSE_RELEASE: [Cause; 4] = [Cause::Unbacked, Cause::Replayed, Cause::ValueMismatch, Cause::Premature];

fn is_attack(scored: &Scored) -> bool {
    scored.label == Some(Label::Attack)
}

fn sum<'a>(scored: impl Iterator<Item = &'a Scored>) -> u64 {
    scored.fold(0u64, |total, s| total.saturating_add(s.value_micro_usd.unwrap_or(0)))
}

fn count(items: impl Iterator) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

/// Decisions with the moment at which they were made.
fn decisions(said: &[Said]) -> impl Iterator<Item = (u64, &Decision)> {
    said.iter().filter_map(|said| match &said.effect {
        Effect::Contain(decision) => Some((said.time, decision)),
        _ => None,
    })
}

pub(super) fn score(dataset: &Dataset, run: &Run<'_>) -> Report {
    let engine = &run.engine;
    let scored = &dataset.scored;
    let attacks: Vec<&Scored> = scored.iter().filter(|s| is_attack(s)).collect();
    let first = attacks.iter().map(|s| s.time).min();
    let before = |time: u64| first.is_none_or(|first| time < first);
    let flagged = |s: &Scored| engine.causes_on(s.event).iter().any(|cause| FALSE_RELEASE.contains(cause));
    let closing = |decision: &Decision, class| decision.class == class && !decision.actions.is_empty();
    let false_of = |class| count(decisions(&run.said).filter(|(time, d)| before(*time) && closing(d, class)));
    let alarm = decisions(&run.said).find(|(_, d)| d.class >= ActionClass::Hold).map(|(time, _)| time);
    let notices: Vec<(u64, String)> = run
        .said
        .iter()
        .filter(|said| before(said.time))
        .filter_map(|said| match &said.effect {
            Effect::Notify(notice) => Some((said.time, format!("{:?}: {}", notice.cause, notice.text))),
            _ => None,
        })
        .collect();
    let micros = run.spent.as_micros();
    Report {
        inputs: run.inputs,
        events: count(scored.iter()),
        releases: count(scored.iter().filter(|s| s.is_release && !s.is_sibling)),
        attacks: count(attacks.iter()),
        attacks_flagged: count(attacks.iter().filter(|s| flagged(s))),
        flagged_by: by_cause(engine, &attacks),
        attacks_micro_usd: sum(attacks.iter().copied()),
        first_attack_ts: first,
        first_alarm_ts: alarm,
        false_halts: false_of(ActionClass::Halt),
        false_holds: false_of(ActionClass::Hold),
        notifications: u64::try_from(notices.len()).unwrap_or(u64::MAX),
        notices,
        flagged_without_label: count(
            scored.iter().filter(|s| s.label.is_none() && !s.is_sibling && flagged(s)),
        ),
        evidence_requests: count(
            run.said.iter().filter(|s| matches!(s.effect, Effect::RequestEvidence { .. })),
        ),
        decisions: count(decisions(&run.said).filter(|(time, _)| !before(*time))),
        saved_usd: DELAYS_SECS.iter().map(|delay| saved(&attacks, alarm, *delay)).collect(),
        siblings: first.map(|first| siblings(scored, &run.said, first)).unwrap_or_default(),
        cost: cost(scored, &attacks),
        engine_us: u64::try_from(micros).unwrap_or(u64::MAX),
        engine_ms: u64::try_from(micros.div_ceil(1_000)).unwrap_or(u64::MAX),
        ledger_bytes: u64::try_from(engine.ledger().bytes).unwrap_or(u64::MAX),
        evidence: String::from(
            "recorded: the recording vouches for its own events; inclusion and execution are as reported, no \
             header is proven",
        ),
    }
}

/// How many of the attacks each cause stands on.
fn by_cause(engine: &Engine, attacks: &[&Scored]) -> BTreeMap<Cause, u64> {
    let mut counts = BTreeMap::new();
    for cause in attacks.iter().flat_map(|s| engine.causes_on(s.event)) {
        if FALSE_RELEASE.contains(&cause) {
            let count: &mut u64 = counts.entry(cause).or_default();
            *count = count.saturating_add(1);
        }
    }
    counts
}

/// What the attack took later than `delay` after the alarm.
fn saved(attacks: &[&Scored], alarm: Option<u64>, delay: u64) -> Saved {
    let all = sum(attacks.iter().copied());
    let later = alarm.map(|alarm| alarm.saturating_add(delay));
    let micro_usd = later.map_or(0, |later| sum(attacks.iter().copied().filter(|s| s.time > later)));
    let usd = micro_usd.checked_div(1_000_000).unwrap_or(0);
    Saved { after_secs: delay, micro_usd, usd, bps: bps_of(micro_usd, all.max(1)) }
}

/// Stretches of time in which a chain's gate was asked to be closed.
fn closures(said: &[Said], chain: ChainId) -> Vec<(u64, u64)> {
    let of_chain =
        decisions(said).flat_map(|(time, decision)| decision.actions.iter().map(move |a| (time, a)));
    let closed = of_chain.filter(|(_, action)| action.chain == chain && action.level == Level::Closed);
    closed.map(|(time, action)| (time, action.until)).collect()
}

fn siblings(scored: &[Scored], said: &[Said], first: u64) -> Siblings {
    let of_escrow: Vec<&Scored> = scored.iter().filter(|s| s.is_sibling).collect();
    let Some(chain) = of_escrow.first().map(|s| s.chain) else { return Siblings::default() };
    let closures: Vec<(u64, u64)> =
        closures(said, chain).into_iter().filter(|(from, _)| *from >= first).collect();
    // A gate closes with the block after the decision at best, so the second of the decision itself is lost.
    let open = |s: &&&Scored| !closures.iter().any(|(from, until)| s.time > *from && s.time < *until);
    let earliest = of_escrow.iter().map(|s| s.time).min().unwrap_or(first);
    Siblings {
        releases: count(of_escrow.iter()),
        first_after_secs: earliest.saturating_sub(first),
        closed_after_secs: closures.iter().map(|(from, _)| from.saturating_sub(first)).min(),
        lost_micro_usd: sum(of_escrow.iter().filter(open).copied()),
        priced_micro_usd: sum(of_escrow.iter().copied()),
    }
}

fn cost(scored: &[Scored], attacks: &[&Scored]) -> Cost {
    let (Some(first), Some(last)) =
        (attacks.iter().map(|s| s.time).min(), attacks.iter().map(|s| s.time).max())
    else {
        return Cost::default();
    };
    let honest = scored
        .iter()
        .filter(|s| s.is_release && !s.is_sibling && s.label.is_none() && s.time >= first && s.time <= last);
    Cost { honest_releases: count(honest.clone()), micro_usd: sum(honest) }
}
