//! What people are told of a step of the log. Pure: the same step gives the same messages, with the same keys.

use portcullis_core::effect::{Cause, Decision, IncidentChange, Notice};
use portcullis_core::input::Outcome;
use portcullis_core::{Body, Effect};
use portcullis_verifier::{ActionClass, keccak256};
use serde::Serialize;
use serde_json::{Value, json};

use crate::store::{LogName, Step};

/// Whether a person is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be read in the morning.
    Notify,
    /// Wakes a person.
    Page,
}

impl Severity {
    /// As it stands in tables and documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Page => "page",
        }
    }

    fn of(class: ActionClass) -> Self {
        if class >= ActionClass::Hold { Self::Page } else { Self::Notify }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Derived from what it is about: the same message has the same key, however often it is sent.
    pub key: String,
    /// Whether a person is woken.
    pub severity: Severity,
    /// The JSON document that is sent.
    pub body: String,
    /// When it happened, milliseconds since 1970.
    pub at_ms: u64,
}

/// What a message says, before it has a place.
struct Said {
    kind: &'static str,
    severity: Severity,
    text: String,
    detail: Value,
}

/// A message of the service about itself, of which the log knows nothing. Said again, it is the same message.
#[must_use]
pub fn operational(severity: Severity, kind: &str, text: &str, at_ms: u64) -> Message {
    let key = keccak256(format!("{kind}\0{text}")).to_string();
    let body = json!({
        "version": 1, "key": key, "kind": kind, "severity": severity, "text": text, "at_ms": at_ms,
    });
    Message { key, severity, body: body.to_string(), at_ms }
}

/// What people are told of a step, in order.
#[must_use]
pub fn messages(log: &LogName, step: &Step) -> Vec<Message> {
    let said = input_said(step).into_iter().chain(step.effects.list.iter().filter_map(effect_said));
    said.zip(0u32..).map(|(said, ordinal)| place(log, step, ordinal, said)).collect()
}

fn place(log: &LogName, step: &Step, ordinal: u32, said: Said) -> Message {
    let record = &step.record;
    let Said { kind, severity, text, detail } = said;
    // The head covers every input up to this one: two logs, or two histories of one log, never share a key.
    let key = keccak256(format!("{log}\0{}\0{}\0{ordinal}", record.seq, record.head)).to_string();
    let body = json!({
        "version": 1,
        "key": key,
        "kind": kind,
        "severity": severity,
        "group": log.group,
        "replica": log.replica,
        "seq": record.seq,
        "record": record.head,
        "at_ms": record.at_ms,
        "text": text,
        "detail": detail,
    });
    Message { key, severity, body: body.to_string(), at_ms: record.at_ms }
}

fn input_said(step: &Step) -> Option<Said> {
    match &step.input.body {
        Body::Landed { action, outcome } => outcome_said(outcome).map(|(kind, severity, text)| Said {
            kind,
            severity,
            text,
            detail: json!({ "action": action }),
        }),
        Body::Command(command) => Some(Said {
            kind: "command",
            severity: Severity::Notify,
            text: "a person told the engine something".to_owned(),
            detail: json!({ "command": command }),
        }),
        // The first record of a log holds the configuration that it began with.
        Body::ConfigChanged(_) if step.record.seq > 0 => Some(Said {
            kind: "config_changed",
            severity: Severity::Notify,
            text: "the configuration changed".to_owned(),
            detail: Value::Null,
        }),
        _ => None,
    }
}

fn outcome_said(outcome: &Outcome) -> Option<(&'static str, Severity, String)> {
    Some(match outcome {
        Outcome::Effective { .. } => {
            ("effective", Severity::Notify, "the gate is as tight as asked".to_owned())
        }
        Outcome::Reverted { detail } => {
            ("reverted", Severity::Page, format!("a trip failed on chain: {detail}"))
        }
        Outcome::Reorged => {
            ("reorged", Severity::Page, "a trip left the chain again; it is sent again".to_owned())
        }
        Outcome::Delayed { detail } => {
            ("delayed", Severity::Page, format!("a gate is not closed yet; it is tried on: {detail}"))
        }
        Outcome::Stopped { detail } => ("stopped", Severity::Page, format!("a gate is not closed: {detail}")),
        Outcome::Broadcast { .. } | Outcome::Landed { .. } => return None,
    })
}

fn effect_said(effect: &Effect) -> Option<Said> {
    match effect {
        Effect::Open(change) => Some(incident_said("incident_opened", "an incident was opened", change)),
        Effect::Retract(change) => {
            let said = incident_said("incident_retracted", "an incident was retracted", change);
            Some(Said { severity: Severity::Notify, ..said })
        }
        Effect::Contain(decision) => Some(decision_said(decision)),
        Effect::Notify(notice) => Some(notice_said(notice)),
        Effect::Mode(change) => Some(Said {
            kind: "mode_changed",
            severity: Severity::Page,
            text: format!(
                "automation at {} may go as far as {:?} now: {}",
                change.target, change.mode, change.why
            ),
            detail: json!({ "target": change.target, "mode": change.mode, "until_ms": change.until_ms }),
        }),
        // A check that fails is told of by its notice. An incident that grows is told of by its notices, which know when it was quiet.
        Effect::Checked(_)
        | Effect::Upgrade(_)
        | Effect::RequestEvidence { .. }
        | Effect::Deadline { .. } => None,
    }
}

fn incident_said(kind: &'static str, what: &str, change: &IncidentChange) -> Said {
    let first = change.signals.first().map_or_else(String::new, |signal| format!(": {}", signal.detail));
    Said {
        kind,
        severity: Severity::of(change.class),
        text: format!("{what}{first}"),
        detail: json!({
            "incident": change.incident, "class": change.class, "value_micro_usd": change.value_micro_usd,
        }),
    }
}

fn decision_said(decision: &Decision) -> Said {
    let (closing, held_back) = (decision.actions.len(), decision.withheld.len());
    let actions: Vec<Value> = decision
        .actions
        .iter()
        .map(|action| json!({ "action": action.id, "chain": action.chain, "target": action.target, "until": action.until }))
        .collect();
    let withheld: Vec<Value> = decision
        .withheld
        .iter()
        .map(|held| json!({ "target": held.target, "reason": held.reason }))
        .collect();
    Said {
        kind: "decision",
        severity: Severity::Page,
        text: format!(
            "playbook {}: {closing} gates are being closed, {held_back} withheld",
            decision.playbook
        ),
        detail: json!({
            "incident": decision.incident, "class": decision.class, "reasons": decision.reasons, "actions": actions,
            "withheld": withheld,
        }),
    }
}

fn notice_said(notice: &Notice) -> Said {
    Said {
        kind: "notice",
        // Overload only limits, but it is our own failing, and somebody may be hiding behind it.
        severity: if notice.cause == Cause::Overload { Severity::Page } else { Severity::of(notice.class) },
        text: notice.text.clone(),
        detail: json!({
            "bridge": notice.bridge, "cause": notice.cause, "class": notice.class, "incident": notice.incident,
        }),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Effects, Input};
    use portcullis_verifier::{ActionId, B256, Slug};

    use super::*;
    use crate::store::LogRecord;

    fn step(body: Body, effects: Vec<Effect>) -> Step {
        let head = B256::repeat_byte(7);
        let record =
            LogRecord { seq: 4, at_ms: 9, encoded: Vec::new(), head, engine_version: 1, effects: Vec::new() };
        Step { record, input: Input { at_ms: 9, body }, effects: Effects { list: effects } }
    }

    fn log(replica: &str) -> LogName {
        LogName { group: Slug::new("g").unwrap(), replica: Slug::new(replica).unwrap() }
    }

    fn notice(class: ActionClass) -> Effect {
        let bridge = Slug::new("b").unwrap();
        Effect::Notify(Notice { bridge, cause: Cause::Unbacked, text: "t".into(), incident: None, class })
    }

    #[test]
    fn each_message_has_its_own_key_and_the_record_and_is_the_same_when_made_again() {
        let effects = vec![notice(ActionClass::Notify), notice(ActionClass::Halt)];
        let step = step(Body::Tick, effects);
        let made = messages(&log("main"), &step);
        assert_eq!(made, messages(&log("main"), &step));
        assert_eq!([made[0].severity, made[1].severity], [Severity::Notify, Severity::Page]);
        assert_ne!(made[0].key, made[1].key);
        assert_ne!(made[0].key, messages(&log("other"), &step)[0].key);
        let body: Value = serde_json::from_str(&made[0].body).unwrap();
        assert_eq!(body["record"], B256::repeat_byte(7).to_string());
        assert_eq!((&body["key"], &body["seq"]), (&json!(made[0].key), &json!(4)));
    }

    #[test]
    fn what_keeps_a_gate_open_pages_and_what_is_in_order_does_not() {
        let of = |outcome| {
            let step = step(Body::Landed { action: ActionId(B256::ZERO), outcome }, Vec::new());
            messages(&log("main"), &step).first().map(|message| message.severity)
        };
        assert_eq!(of(Outcome::Delayed { detail: "x".into() }), Some(Severity::Page));
        assert_eq!(of(Outcome::Stopped { detail: "x".into() }), Some(Severity::Page));
        assert_eq!(of(Outcome::Reverted { detail: "x".into() }), Some(Severity::Page));
        assert_eq!(of(Outcome::Broadcast { accepted: 1, asked: 3 }), None);
        assert_eq!(messages(&log("main"), &step(Body::Tick, Vec::new())), Vec::new());
    }

    #[test]
    fn the_same_word_about_itself_is_one_message() {
        let (one, two) = (operational(Severity::Page, "k", "t", 1), operational(Severity::Page, "k", "t", 2));
        assert_eq!(one.key, two.key);
        assert_ne!(one.key, operational(Severity::Page, "k", "u", 1).key);
    }
}
