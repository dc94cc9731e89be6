//! From names in a mapping to places in an event.

use portcullis_adapter::config::{Mistakes, Places};
use portcullis_verifier::B256;

use super::ConfigProblem;
use crate::decode::{Form, Path, Pattern, Place};

/// Reads a pattern: `type`, or `type(attribute, attribute=value, attribute.member=value)`.
pub(super) fn pattern(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<Pattern> {
    let fix = "write the event's type and what its attributes must be: wasm(action=release)";
    let mut wrong = |detail| {
        mistakes.add(place, text, ConfigProblem::Signature { detail: str::to_owned(detail) }, fix);
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

/// The attributes of an event, which are known only when it happens: any name may be one.
pub(super) struct Attributes;

impl Places for Attributes {
    type Place = Place;

    const PART: &'static str = "attribute";

    fn constant(&self, word: B256) -> Place {
        Place::Constant(word)
    }

    fn named(&self, field: &'static str, name: &str) -> Result<Place, (ConfigProblem, String)> {
        attribute(field, name).map_err(|problem| (problem, FIX.to_owned()))
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
