//! Reading TOML so that every mistake is found, each at its place.
//!
//! A derive-based decoder stops at its first error and cannot say which key was meant. Here a [`Section`] knows
//! which keys were asked of it; whatever remains is unknown, and the nearest asked key is the suggestion.

use std::{cell::RefCell, ops::Range, str::FromStr};

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::problem::{Code, Place, Problem, Severity};
use super::suggest::nearest;

/// A value and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Byte range in the source.
    pub at: Range<usize>,
}

impl<T> Placed<T> {
    /// The same place with another value.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: f(self.value), at: self.at }
    }
}

/// Where problems are collected while one file is read.
#[derive(Debug)]
pub(crate) struct Sink<'s> {
    source: &'s str,
    problems: RefCell<Vec<Problem>>,
}

impl<'s> Sink<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self { source, problems: RefCell::new(Vec::new()) }
    }

    pub(crate) fn error(
        &self,
        code: Code,
        at: &Range<usize>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(code, Severity::Error, Some(at), what.into(), fix.into());
    }

    pub(crate) fn warning(
        &self,
        code: Code,
        at: &Range<usize>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(code, Severity::Warning, Some(at), what.into(), fix.into());
    }

    /// A problem of the whole file.
    pub(crate) fn whole(&self, code: Code, what: impl Into<String>, fix: impl Into<String>) {
        self.push(code, Severity::Error, None, what.into(), fix.into());
    }

    fn push(&self, code: Code, severity: Severity, at: Option<&Range<usize>>, what: String, fix: String) {
        let place = at.map(|span| Place::find(self.source, span));
        self.problems.borrow_mut().push(Problem { code, severity, place, what, fix });
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// One table of the file with the keys that were asked of it.
pub(crate) struct Section<'a> {
    sink: &'a Sink<'a>,
    /// How people call it: `[[chain]]`, `guard`.
    name: String,
    at: Range<usize>,
    table: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(
        sink: &'a Sink<'a>,
        name: impl Into<String>,
        at: Range<usize>,
        table: &'a DeTable<'a>,
    ) -> Self {
        Self { sink, name: name.into(), at, table, asked: RefCell::default() }
    }

    pub(crate) fn sink(&self) -> &'a Sink<'a> {
        self.sink
    }

    pub(crate) fn at(&self) -> &Range<usize> {
        &self.at
    }

    /// Keys and values that are there, in order of key. For tables whose keys are names, not a fixed set.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Placed<&'a str>, &'a Spanned<DeValue<'a>>)> {
        self.table
            .iter()
            .map(|(key, value)| (Placed { value: key.get_ref().as_ref(), at: key.span() }, value))
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, value)| value)
    }

    fn missing(&self, key: &str, example: &str) {
        self.sink.error(
            Code::MissingKey,
            &self.at,
            format!("{} has no `{key}`", self.name),
            format!("add `{key} = {example}`"),
        );
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        self.sink.error(
            Code::WrongType,
            &value.span(),
            format!("`{key}` takes {wanted}, not {}", type_name(value.get_ref())),
            format!("write {wanted}"),
        );
    }

    /// A text that may be absent.
    pub(crate) fn text(&self, key: &'static str) -> Option<Placed<String>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Placed { value: text.to_string(), at: value.span() }),
            _ => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text that must be there; `example` is shown when it is not.
    pub(crate) fn required_text(&self, key: &'static str, example: &str) -> Option<Placed<String>> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key);
            self.missing(key, example);
            return None;
        }
        self.text(key)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(k, _)| k.get_ref() == key)
    }

    /// A name, chain id or other parsed text; its error is reported with the code for bad names.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, key: &'static str) -> Option<Placed<T>> {
        let text = self.text(key)?;
        parse_name(self.sink, text)
    }

    /// The same, and it must be there.
    pub(crate) fn required<T: FromStr<Err: std::fmt::Display>>(
        &self,
        key: &'static str,
        example: &str,
    ) -> Option<Placed<T>> {
        let text = self.required_text(key, example)?;
        parse_name(self.sink, text)
    }

    /// A whole number within a range; absent or wrong gives `default` (wrong is also reported).
    pub(crate) fn number(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        self.optional_number(key, range).map_or(default, |placed| placed.value)
    }

    /// A whole number that must be there.
    pub(crate) fn required_number(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        example: &str,
    ) -> Option<Placed<u64>> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key);
            self.missing(key, example);
            return None;
        }
        self.optional_number(key, range)
    }

    /// A whole number within a range that may be absent.
    pub(crate) fn optional_number(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Placed<u64>> {
        let value = self.value(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, value, "a whole number");
            return None;
        };
        match integer_u64(integer).filter(|n| range.contains(n)) {
            Some(number) => Some(Placed { value: number, at: value.span() }),
            None => {
                let (low, high) = range.into_inner();
                self.sink.error(
                    Code::NotAllowed,
                    &value.span(),
                    format!("`{key}` is {integer}; {low} to {high} is allowed"),
                    format!("write a number from {low} to {high}"),
                );
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        match value.get_ref() {
            DeValue::Boolean(flag) => *flag,
            _ => {
                self.wrong_type(key, value, "true or false");
                default
            }
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<Placed<T>> {
        let text = self.text(key)?;
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text.value) {
            return Some(text.map(|_| *chosen));
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let nearest = nearest(&text.value, choices.iter().map(|(word, _)| *word));
        let fix = nearest.map_or_else(
            || format!("write one of {}", words.join(", ")),
            |word| format!("write \"{word}\" (allowed: {})", words.join(", ")),
        );
        self.sink.error(Code::NotAllowed, &text.at, format!("`{key}` cannot be \"{}\"", text.value), fix);
        None
    }

    /// A decimal number, given as integer, decimal or text, as an integer of `10^-scale` units. Exact: no
    /// floating point is involved.
    pub(crate) fn decimal(&self, key: &'static str, scale: usize) -> Option<Placed<u64>> {
        let value = self.value(key)?;
        placed_decimal(self.sink, key, value, scale)
    }

    /// A table that may be absent.
    pub(crate) fn table(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.sink, format!("`{key}`"), value.span(), table)),
            _ => {
                self.wrong_type(key, value, "a table");
                None
            }
        }
    }

    /// An array of tables; absent is empty. `name` is what people call each.
    pub(crate) fn tables(&self, key: &'static str, name: &str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, value, "a list of tables");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section::new(self.sink, name, item.span(), table)),
                _ => self.wrong_type(key, item, "a list of tables"),
            }
        }
        sections
    }

    /// A list of texts; absent is empty.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<Placed<String>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, value, "a list of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(Placed { value: text.to_string(), at: item.span() }),
                _ => self.wrong_type(key, item, "a list of texts"),
            }
        }
        texts
    }

    /// Whatever stands there, for values that can have several forms.
    pub(crate) fn any(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.value(key)
    }

    /// The same, and it must be there.
    pub(crate) fn required_any(&self, key: &'static str, example: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.value(key);
        if value.is_none() {
            self.missing(key, example);
        }
        value
    }

    /// Reports every key that nothing asked for.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            let text = key.get_ref().as_ref();
            if asked.contains(&text) {
                continue;
            }
            report_unknown(self.sink, &self.name, text, &key.span(), asked.iter().copied());
        }
    }
}

/// Reports a key that nothing reads, with the nearest one that something does.
pub(crate) fn report_unknown<'k>(
    sink: &Sink<'_>,
    section: &str,
    key: &str,
    at: &Range<usize>,
    known: impl Iterator<Item = &'k str> + Clone,
) {
    let fix = nearest(key, known.clone()).map_or_else(
        || format!("remove it; known keys are {}", known.collect::<Vec<_>>().join(", ")),
        |near| format!("write `{near}`, or remove it"),
    );
    sink.error(Code::UnknownKey, at, format!("`{key}` is not a key of {section}"), fix);
}

fn parse_name<T: FromStr<Err: std::fmt::Display>>(
    sink: &Sink<'_>,
    text: Placed<String>,
) -> Option<Placed<T>> {
    match text.value.parse() {
        Ok(value) => Some(Placed { value, at: text.at }),
        Err(error) => {
            sink.error(Code::BadName, &text.at, error.to_string(), "write a name that keeps to that rule");
            None
        }
    }
}

/// The value of an integer that is not negative and fits.
pub(crate) fn integer_u64(integer: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Reads `1`, `0.25` or `"0.25"` as an integer of `10^-scale` units.
pub(crate) fn placed_decimal(
    sink: &Sink<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    scale: usize,
) -> Option<Placed<u64>> {
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::String(text) => text.to_string(),
        other => {
            let found = type_name(other);
            sink.error(
                Code::WrongType,
                &value.span(),
                format!("`{key}` takes a decimal number, not {found}"),
                "write a number such as 12.5",
            );
            return None;
        }
    };
    let scaled = scale_decimal(&text, scale);
    if scaled.is_none() {
        sink.error(
            Code::NotAllowed,
            &value.span(),
            format!("`{key}` is {text}, which is not a decimal of at most {scale} places"),
            format!("write a number that is not negative, without exponent, with at most {scale} places"),
        );
    }
    scaled.map(|number| Placed { value: number, at: value.span() })
}

fn scale_decimal(text: &str, scale: usize) -> Option<u64> {
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    let (whole, part) = clean.split_once('.').unwrap_or((clean.as_str(), ""));
    if whole.is_empty() || part.len() > scale || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{part:0<scale$}").parse().ok()
}

/// What people call a kind of TOML value.
pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(scale_decimal("23000.5", 6), Some(23_000_500_000));
        assert_eq!(scale_decimal("1_000", 6), Some(1_000_000_000));
        assert_eq!(scale_decimal("0.000001", 6), Some(1));
        for bad in ["-1", "1e9", "0.0000001", ".5", "nan", "inf", "", "18446744073709551616"] {
            assert_eq!(scale_decimal(bad, 6), None, "{bad}");
        }
    }
}
