//! One error for all families: it knows where it happened and what to do about it.

use core::time::Duration;

use portcullis_verifier::{ChainId, OperatorId};

/// What a caller should do about an error. Decided where the error is made, never by reading its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again soon.
    Transient,
    /// Try again after so long; the server said so.
    RateLimited(Duration),
    /// Trying again the same way will not help.
    Permanent,
    /// The endpoint answered with something false or broken: do not believe it, tell people.
    Untrusted,
}

/// Why a family could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{chain}: {what}{}", operator_suffix(.operator))]
pub struct AdapterError {
    /// On which chain.
    pub chain: ChainId,
    /// Whose endpoint, where it is one.
    pub operator: Option<OperatorId>,
    /// What to do about it.
    pub class: Class,
    /// What was asked, what was expected, what was found; does not repeat the source.
    pub what: String,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

fn operator_suffix(operator: &Option<OperatorId>) -> String {
    operator.map_or_else(String::new, |name| format!(" (operator {name})"))
}

impl AdapterError {
    /// An error without a source.
    pub fn new(chain: ChainId, operator: Option<OperatorId>, class: Class, what: impl Into<String>) -> Self {
        Self { chain, operator, class, what: what.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

/// Longest explanation that is kept of a fault, a refusal, a finding or an unreadable event, bytes.
pub const DETAIL_MAX_BYTES: usize = 512;

/// Text cut to `most` bytes at a character boundary.
#[must_use]
pub fn detail(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most.min(text.len()));
    text.get(..end).unwrap_or_default().to_owned()
}

/// An error with all its causes, on one line.
#[must_use]
pub fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(detail("aé", 2), "a");
        assert_eq!(detail("aé", 3), "aé");
    }
}
