//! From names in a mapping to places in an event.

use super::{
    ConfigProblem, EventMapping, FieldSource, MappingKind,
    compile::{Mistakes, number},
};
use crate::decode::{Form, Meaning, Path, Pattern, Place};

/// Reads a pattern: `type`, or `type(attribute, attribute=value, attribute.member=value)`.
pub(super) fn pattern(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<Pattern> {
    let fix = "write the event's type and what its attributes must be: wasm(action=release)";
    let mut wrong = |detail| {
        mistakes.add(place, text, ConfigProblem::Pattern { detail }, fix);
        None
    };
    let (kind, conditions) = match text.trim().split_once('(') {
        None => (text.trim(), ""),
        Some((kind, rest)) => match rest.strip_suffix(')') {
            Some(conditions) => (kind.trim(), conditions),
            None => return wrong("the bracket is not closed"),
        },
    };
    if kind.is_empty() || kind.contains(char::is_whitespace) {
        return wrong("there is no event type in front");
    }
    let mut out = Pattern { kind: kind.to_owned(), conditions: Vec::new() };
    for condition in conditions.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = match condition.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (condition, None),
        };
        let Some(path) = path(name.trim()) else { return wrong("a condition names no attribute") };
        out.conditions.push((path, value));
    }
    Some(out)
}

/// `name` or `name.member`.
fn path(text: &str) -> Option<Path> {
    let (name, member) = match text.split_once('.') {
        Some((name, member)) => (name, Some(member)),
        None => (text, None),
    };
    let named = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    (named(name) && member.is_none_or(named))
        .then(|| Path { name: name.to_owned(), member: member.map(str::to_owned) })
}

/// One mapping, while its fields are looked up.
pub(super) struct Fields<'a> {
    pub(super) place: &'a str,
    pub(super) mapping: &'a EventMapping,
}

impl Fields<'_> {
    /// Looks every field up; all mistakes are collected.
    pub(super) fn meaning(&self, mistakes: &mut Mistakes) -> Option<Meaning> {
        let names = &self.mapping.fields;
        match self.mapping.kind {
            MappingKind::Transfer(kind) => {
                self.refuse("value", names.value.as_ref(), mistakes);
                // All are looked up before any is missed, so that every mistake is shown.
                let remote = self.need("remote", names.remote.as_ref(), mistakes);
                let message_id = self.need("message_id", names.message_id.as_ref(), mistakes);
                let asset = self.need("asset", names.asset.as_ref(), mistakes);
                let amount = self.need("amount", names.amount.as_ref(), mistakes);
                let recipient = self.need("recipient", names.recipient.as_ref(), mistakes);
                let sender = self.maybe("sender", names.sender.as_ref(), mistakes);
                Some(Meaning::Transfer {
                    kind,
                    remote: remote?,
                    message_id: message_id?,
                    asset: asset?,
                    amount: amount?,
                    recipient: recipient?,
                    sender: sender?,
                })
            }
            MappingKind::Admin(kind) => {
                let useless = [
                    ("remote", &names.remote),
                    ("message_id", &names.message_id),
                    ("asset", &names.asset),
                    ("amount", &names.amount),
                    ("recipient", &names.recipient),
                    ("sender", &names.sender),
                ];
                for (field, source) in useless {
                    self.refuse(field, source.as_ref(), mistakes);
                }
                let value = self.maybe("value", names.value.as_ref(), mistakes);
                Some(Meaning::Admin { kind, value: value? })
            }
        }
    }

    fn refuse(&self, field: &'static str, source: Option<&FieldSource>, mistakes: &mut Mistakes) {
        if source.is_some() {
            let problem = ConfigProblem::UselessField { field };
            mistakes.add(format!("{}.fields.{field}", self.place), field, problem, "remove it");
        }
    }

    fn maybe(
        &self,
        field: &'static str,
        source: Option<&FieldSource>,
        mistakes: &mut Mistakes,
    ) -> Option<Option<Place>> {
        match source {
            None => Some(None),
            some => self.need(field, some, mistakes).map(Some),
        }
    }

    fn need(
        &self,
        field: &'static str,
        source: Option<&FieldSource>,
        mistakes: &mut Mistakes,
    ) -> Option<Place> {
        let place = format!("{}.fields.{field}", self.place);
        match source {
            None => {
                let fix = format!("add {field} = \"<attribute>\" to the mapping's fields");
                mistakes.add(place, &self.mapping.signature, ConfigProblem::MissingField { field }, fix);
                None
            }
            Some(FieldSource::Constant(constant)) if matches!(field, "remote" | "asset") => {
                number(&place, &constant.constant, mistakes).map(Place::Constant)
            }
            Some(FieldSource::Constant(constant)) => {
                let problem = ConfigProblem::ConstantField { field };
                mistakes.add(place, &constant.constant, problem, "name an attribute of the event");
                None
            }
            Some(FieldSource::Parameter(text)) => {
                attribute(field, text).map_err(|problem| mistakes.add(place, text, problem, FIX)).ok()
            }
        }
    }
}

const FIX: &str = "write an attribute's name, behind it where needed ` as number`, ` as hex`, ` as account` or \
                   ` as text`";

fn attribute(field: &'static str, text: &str) -> Result<Place, ConfigProblem> {
    let wrong = |detail| ConfigProblem::Source { field, detail };
    let (name, form) = match text.split_once(" as ") {
        None => (text.trim(), usual(field)),
        Some((name, form)) => {
            let form = match form.trim() {
                "number" => Form::Number,
                "hex" => Form::Hex,
                "account" => Form::Account,
                "text" => Form::Text,
                _ => return Err(wrong("there is no such reading")),
            };
            (name.trim(), form)
        }
    };
    if field == "amount" && form != Form::Number {
        return Err(wrong("an amount is a number"));
    }
    if name == "@tx" {
        return if field == "message_id" {
            Ok(Place::Transaction)
        } else {
            Err(wrong("only a message id can be the transaction's hash"))
        };
    }
    path(name).map(|path| Place::Attribute { path, form }).ok_or_else(|| wrong("it names no attribute"))
}

/// How a field is read where nothing is said.
fn usual(field: &str) -> Form {
    match field {
        "amount" => Form::Number,
        "asset" => Form::Text,
        "recipient" | "sender" => Form::Account,
        _ => Form::Word,
    }
}
