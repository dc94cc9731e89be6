//! From an incident and its proofs to the playbook that may be run now.

use portcullis_verifier::{ActionClass, Assurance};

use crate::{config::Playbook, incident::Incident, signals::Signals};

/// What may be done for an incident now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice<'a> {
    /// Nothing: no playbook fits.
    Nothing,
    /// Run this.
    Run(&'a Playbook),
    /// A better playbook waits for evidence until this shell time, milliseconds.
    Wait(u64),
}

/// How well the part of an incident that allows `class` is proven, if at least `floor`.
///
/// A playbook that asks for nothing is met by the signal alone; so is one that runs for a person.
fn supported(signals: &Signals, incident: &Incident, class: ActionClass, floor: &Assurance) -> bool {
    if incident.class().is_none_or(|has| has < class) {
        return false;
    }
    if *floor == Assurance::default() || incident.is_manual() {
        return true;
    }
    incident.proven.iter().filter(|(_, assurance)| assurance.meets(floor)).any(|(event, _)| {
        let mut standing = signals.on_event(event);
        standing.any(|(_, s)| s.incident == incident.id && s.signal.class >= class)
    })
}

/// The best proof of an incident, in words for the record.
pub(crate) fn proof_words(incident: &Incident, floor: &Assurance) -> String {
    match incident.proven.iter().find(|(_, assurance)| assurance.meets(floor)) {
        Some((event, assurance)) => {
            let quorum = assurance.header.quorum.map_or_else(String::new, |quorum| {
                format!(" under a header that {} of {} operators reported", quorum.agreeing, quorum.of)
            });
            format!(
                "event {event}: inclusion {:?}, execution {:?}{quorum}",
                assurance.inclusion, assurance.execution
            )
        }
        None => String::from("no proof was asked for by the playbook"),
    }
}

/// Chooses among the playbooks: the highest class whose floor is met. Where that lacks evidence, a hold (or less)
/// that is proven well enough runs meanwhile; one that asks for nothing only when the wait for evidence is over.
pub(crate) fn choose<'a>(
    signals: &Signals,
    incident: &Incident,
    playbooks: &'a [Playbook],
    evidence_wait_ms: u64,
    now_ms: u64,
) -> Choice<'a> {
    let Some(class) = incident.class() else { return Choice::Nothing };
    let fits = |p: &&Playbook| p.class <= class && p.class > ActionClass::Notify;
    let Some(top) = playbooks.iter().filter(fits).map(|p| p.class).max() else { return Choice::Nothing };
    let met = |p: &&Playbook| supported(signals, incident, p.class, &p.needs);
    if let Some(playbook) = playbooks.iter().filter(fits).filter(|p| p.class == top).find(met) {
        return Choice::Run(playbook);
    }
    let over_ms = incident.class_since_ms.saturating_add(evidence_wait_ms);
    let waited = now_ms >= over_ms;
    // What is proven well enough for less runs at once; what asks for nothing gives the proof its time first.
    let due = |p: &&Playbook| waited || p.needs != Assurance::default();
    let weaker = |p: &&Playbook| fits(p) && due(p) && p.class < top && p.class <= ActionClass::Hold;
    let mut weaker: Vec<&Playbook> = playbooks.iter().filter(weaker).filter(met).collect();
    // Stable: among equals the configuration's order decides.
    weaker.sort_by_key(|p| core::cmp::Reverse(p.class));
    match weaker.first() {
        Some(playbook) => Choice::Run(playbook),
        None if waited => Choice::Nothing,
        None => Choice::Wait(over_ms),
    }
}

/// True when nothing that could still be proven would allow more than what already may run.
pub(crate) fn satisfied(signals: &Signals, incident: &Incident, playbooks: &[Playbook]) -> bool {
    let Some(class) = incident.class() else { return true };
    let fits = |p: &&Playbook| p.class <= class && p.class > ActionClass::Notify;
    let Some(top) = playbooks.iter().filter(fits).map(|p| p.class).max() else { return true };
    let tops = playbooks.iter().filter(|p| p.class == top);
    tops.filter(|p| p.needs != Assurance::default()).all(|p| {
        incident.proven.iter().any(|(event, a)| {
            a.meets(&p.needs)
                && signals.on_event(event).any(|(_, s)| s.incident == incident.id && s.signal.class >= top)
        })
    }) && !incident.proven.is_empty()
}

/// The least that a refutation must show to take a signal away: as much as the strictest playbook asks of a
/// proof of the same event.
pub(crate) fn refutation_floor(playbooks: &[Playbook]) -> Assurance {
    let strictest = playbooks.iter().max_by_key(|p| p.class);
    strictest.map(|p| p.needs).unwrap_or_default()
}
