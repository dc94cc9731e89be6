//! Checks that are the same for every family; all mistakes are collected, never only the first.

use std::collections::BTreeSet;

use portcullis_verifier::{B256, U256};
use url::Url;

use super::{ConfigError, ConfigErrors, ConfigProblem, Endpoint, Submission, redacted};

/// Longest part of an offending text that is shown, in characters.
const SHOWN_MAX_CHARS: usize = 200;

/// Mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<ConfigError>);

impl Mistakes {
    /// Notes one: where, what is written there (cut to 200 characters), what is wrong, and what to write instead.
    pub fn add(
        &mut self,
        place: impl Into<String>,
        text: &str,
        problem: ConfigProblem,
        fix: impl Into<String>,
    ) {
        let text = text.chars().take(SHOWN_MAX_CHARS).collect();
        self.0.push(ConfigError { place: place.into(), text, problem, fix: fix.into() });
    }

    /// Notes a number that lies outside `least..=most`.
    pub fn range(&mut self, place: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            let problem = ConfigProblem::Range { least, most };
            self.add(place, &value.to_string(), problem, format!("write a number from {least} to {most}"));
        }
    }

    /// `checked`, where there was no mistake.
    ///
    /// # Errors
    /// All mistakes.
    pub fn finish<T>(self, checked: T) -> Result<T, ConfigErrors> {
        if self.0.is_empty() { Ok(checked) } else { Err(ConfigErrors(self.0)) }
    }
}

/// A number of at most 32 bytes, left padded: decimal, or `0x` and up to 64 hex digits.
pub fn number(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<B256> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) if !digits.is_empty() => U256::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None if text.is_empty() => None,
        None => U256::from_str_radix(text, 10).ok(),
    };
    if parsed.is_none() {
        let fix = "write a decimal number, or 0x and up to 64 hex digits";
        mistakes.add(place, text, ConfigProblem::Number, fix);
    }
    parsed.map(B256::from)
}

/// Looks at who is asked and where trips go. `most` is the largest number of endpoints; `closes` says whether anything
/// is closed on this chain, which needs somebody who takes trips.
pub fn check_endpoints(
    endpoints: &[Endpoint],
    most: usize,
    submission: &Submission,
    closes: bool,
    mistakes: &mut Mistakes,
) {
    let count = endpoints.len();
    if count == 0 {
        mistakes.add("endpoints", "", ConfigProblem::Empty, "name at least one endpoint, better three");
    }
    if count > most {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let problem = ConfigProblem::Range { least: 1, most };
        mistakes.add("endpoints", &count.to_string(), problem, "keep the most independent operators");
    }
    let mut seen = BTreeSet::new();
    for (at, endpoint) in endpoints.iter().enumerate() {
        check_scheme(format!("endpoints[{at}].http"), &endpoint.http, "http https", mistakes);
        if let Some(ws) = &endpoint.ws {
            check_scheme(format!("endpoints[{at}].ws"), ws, "ws wss", mistakes);
        }
        if !seen.insert(endpoint.operator) {
            let fix = "give each operator once: two endpoints of one operator are one voice";
            let place = format!("endpoints[{at}].operator");
            mistakes.add(place, endpoint.operator.as_str(), ConfigProblem::Duplicate, fix);
        }
    }
    match submission {
        Submission::Public if closes && !endpoints.iter().any(|endpoint| endpoint.submit) => {
            let fix = "set submit = true on an endpoint, or name private ones";
            mistakes.add("submission", "public", ConfigProblem::Empty, fix);
        }
        Submission::Public => {}
        Submission::Private(list) => {
            if list.is_empty() {
                let fix = "name an endpoint, or use public";
                mistakes.add("submission.private", "", ConfigProblem::Empty, fix);
            }
            for (at, endpoint) in list.iter().enumerate() {
                let place = format!("submission.private[{at}].http");
                check_scheme(place, &endpoint.http, "http https", mistakes);
            }
        }
    }
}

fn check_scheme(place: String, url: &Url, allowed: &'static str, mistakes: &mut Mistakes) {
    if !allowed.split(' ').any(|scheme| scheme == url.scheme()) {
        let problem = ConfigProblem::Scheme { allowed };
        mistakes.add(place, &redacted(url), problem, "change the URL's scheme");
    }
}
