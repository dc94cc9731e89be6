//! From bytes to words of 32 bytes. Pure.

use std::borrow::Cow;

use portcullis_verifier::B256;

/// How many bytes a value has, and how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A number of so many bytes, the least significant first.
    Little(usize),
    /// A number of so many bytes, the most significant first.
    Big(usize),
    /// An address.
    Key,
    /// So many bytes, left padded.
    Bytes(usize),
}

impl Form {
    /// Reads a type's name; none when there is no such type.
    pub(crate) fn read(name: &str) -> Option<Self> {
        let bits = |text: &str| match text {
            "8" => Some(1),
            "16" => Some(2),
            "32" => Some(4),
            "64" => Some(8),
            "128" => Some(16),
            "256" => Some(32),
            _ => None,
        };
        if name == "key" {
            return Some(Self::Key);
        }
        if let Some(count) = name.strip_prefix("bytes") {
            let count = count.parse().ok().filter(|count| (1..=32).contains(count));
            return count.map(Self::Bytes);
        }
        let number = name.strip_prefix('u')?;
        match number.strip_suffix("be") {
            Some(number) => bits(number).map(Self::Big),
            None => bits(number).map(Self::Little),
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Little(_) | Self::Big(_))
    }

    fn length(self) -> usize {
        match self {
            Self::Little(length) | Self::Big(length) | Self::Bytes(length) => length,
            Self::Key => 32,
        }
    }

    fn word(self, bytes: &[u8]) -> B256 {
        match self {
            Self::Little(_) => {
                let turned: Vec<u8> = bytes.iter().rev().copied().collect();
                B256::left_padding_from(&turned)
            }
            Self::Big(_) | Self::Key | Self::Bytes(_) => B256::left_padding_from(bytes),
        }
    }
}

/// What a record begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum First {
    /// These bytes, whatever follows.
    Bytes(Vec<u8>),
    /// A part of logged data that is exactly this name, and nothing else.
    Name(String),
}

/// How data, or what a call is given, is laid out: fixed lengths, one behind the other. What comes behind is not looked at,
/// so that a program may add to its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What it begins with.
    pub(crate) first: First,
    /// Values behind that, in order; with a value that it must have, where one is said.
    pub(crate) values: Vec<(String, Form, Option<B256>)>,
    /// Names of a call's accounts, in order; with the one that it must be, where one is said.
    pub(crate) accounts: Vec<(String, Option<B256>)>,
}

/// Whether a record is the one that a layout means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// It is.
    Yes,
    /// It begins so, and has other values than it must have: it is somebody else's.
    Foreign,
    /// It is another kind of record.
    No,
}

impl Layout {
    /// What stands behind the beginning; none where it begins otherwise.
    fn rest<'a>(&self, parts: &'a [Vec<u8>]) -> Option<Cow<'a, [u8]>> {
        match &self.first {
            First::Name(name) => {
                let (first, rest) = parts.split_first()?;
                (first == name.as_bytes()).then(|| Cow::Owned(rest.concat()))
            }
            First::Bytes(bytes) => match parts {
                [one] => one.strip_prefix(bytes.as_slice()).map(Cow::Borrowed),
                many => many.concat().strip_prefix(bytes.as_slice()).map(|rest| Cow::Owned(rest.to_vec())),
            },
        }
    }

    /// Whether a record is meant.
    pub(crate) fn matches(&self, parts: &[Vec<u8>], accounts: &[B256]) -> Match {
        let Some(rest) = self.rest(parts) else { return Match::No };
        let values = self.values.iter().enumerate();
        let mut wanted = values.filter_map(|(at, (_, _, wanted))| Some((at, (*wanted)?)));
        let named = self.accounts.iter().enumerate();
        let mut named = named.filter_map(|(at, (_, wanted))| Some((at, (*wanted)?)));
        let own = wanted.all(|(at, wanted)| self.value_in(at, &rest) == Ok(wanted))
            && named.all(|(at, wanted)| accounts.get(at) == Some(&wanted));
        if own { Match::Yes } else { Match::Foreign }
    }

    /// The value at a place.
    pub(crate) fn value(&self, at: usize, parts: &[Vec<u8>]) -> Result<B256, &'static str> {
        let rest = self.rest(parts).ok_or("it begins otherwise")?;
        self.value_in(at, &rest)
    }

    fn value_in(&self, at: usize, rest: &[u8]) -> Result<B256, &'static str> {
        let before = self.values.get(..at).unwrap_or_default();
        let start: usize = before.iter().map(|(_, form, _)| form.length()).sum();
        let (_, form, _) = self.values.get(at).ok_or("the layout has no such value")?;
        let end = start.saturating_add(form.length());
        rest.get(start..end).map(|bytes| form.word(bytes)).ok_or("the bytes end before it")
    }
}
