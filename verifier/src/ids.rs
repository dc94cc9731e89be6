//! Identifiers. Those that must be idempotent derive from content; those that people choose are short names.
//!
//! Chains are [CAIP-2](https://chainagnostic.org/CAIPs/caip-2). Accounts and assets travel as 32 bytes, left
//! padded as bridges themselves do, so that a 20-byte address on one chain equals its form inside a message on
//! another; the family that owns the chain renders them as CAIP-10 and CAIP-19 for people.

use core::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{B256, codec::digest};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty or longer than the bound in bytes.
    #[error("'{text}' has {found} bytes; between 1 and {limit} are allowed")]
    Length {
        /// The text as given, cut to 64 characters.
        text: String,
        /// Its length in bytes.
        found: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// A character outside the allowed set.
    #[error("'{text}' has the character {found:?} at byte {at}; {allowed}")]
    Character {
        /// The text as given.
        text: String,
        /// The offending character.
        found: char,
        /// Its byte offset.
        at: usize,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// Not `namespace:reference`.
    #[error("'{text}' is not a CAIP-2 chain id; write namespace:reference, such as eip155:1")]
    NotCaip2 {
        /// The text as given.
        text: String,
    },
}

/// Fixed-capacity ASCII text: `Copy`, ordered as text, no allocation, so that ids are cheap as map keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Inline<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    fn new(text: &str) -> Result<Self, IdError> {
        let length_error =
            || IdError::Length { text: text.chars().take(64).collect(), found: text.len(), limit: N };
        let len = u8::try_from(text.len()).map_err(|_too_long| length_error())?;
        let mut bytes = [0u8; N];
        let place = bytes.get_mut(..text.len()).ok_or_else(length_error)?;
        if text.is_empty() {
            return Err(length_error());
        }
        place.copy_from_slice(text.as_bytes());
        Ok(Self { len, bytes })
    }

    fn as_str(&self) -> &str {
        // Only `new` builds the value, from a &str of exactly `len` bytes, so neither step can fail.
        self.bytes.get(..usize::from(self.len)).and_then(|b| core::str::from_utf8(b).ok()).unwrap_or("")
    }
}

impl<const N: usize> PartialOrd for Inline<N> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for Inline<N> {
    // Padding is zero and texts hold no NUL, so comparing the arrays equals comparing the texts.
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $cap:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Inline<$cap>);

        impl $name {
            /// Parses a text.
            ///
            /// # Errors
            /// [`IdError`] names the place and the rule that the text breaks.
            pub fn new(text: &str) -> Result<Self, IdError> {
                $check(text)?;
                Ok(Self(Inline::new(text)?))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as Deserialize>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }

        impl BorshSerialize for $name {
            fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
                BorshSerialize::serialize(self.as_str(), writer)
            }
        }

        impl BorshDeserialize for $name {
            fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
                let text = String::deserialize_reader(reader)?;
                Self::new(&text)
                    .map_err(|e| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, e.to_string()))
            }
        }
    };
}

fn check_slug(text: &str) -> Result<(), IdError> {
    let bad =
        text.char_indices().find(|(_, c)| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.'));
    match bad {
        Some((at, found)) => Err(IdError::Character {
            text: text.chars().take(64).collect(),
            found,
            at,
            allowed: "letters, digits, '-', '_' and '.' are allowed",
        }),
        None => Ok(()),
    }
}

fn check_caip2(text: &str) -> Result<(), IdError> {
    let not = || IdError::NotCaip2 { text: text.chars().take(64).collect() };
    let (namespace, reference) = text.split_once(':').ok_or_else(not)?;
    let namespace_ok = (3..=8).contains(&namespace.len())
        && namespace.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let reference_ok = (1..=32).contains(&reference.len())
        && reference.bytes().all(|b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'));
    if namespace_ok && reference_ok { Ok(()) } else { Err(not()) }
}

text_id!(
    /// A chain by CAIP-2, such as `eip155:1` or `cosmos:cosmoshub-4`; at most 41 bytes.
    ChainId, 41, check_caip2
);
text_id!(
    /// A short name that a person chose in the configuration; 1 to 32 of letters, digits, `-`, `_`, `.`.
    Slug, 32, check_slug
);

impl ChainId {
    /// The part before the colon, which names the family of chains.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(namespace, _)| namespace)
    }

    /// The part after the colon, which names the chain within its family.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(_, reference)| reference)
    }
}

/// A bridge of the configuration.
pub type BridgeId = Slug;
/// A group of linked bridges, pools and markets that share one engine and one incident.
pub type GroupId = Slug;
/// Who runs an endpoint. Two endpoints of one operator are one voice.
pub type OperatorId = Slug;

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BorshSerialize,
            BorshDeserialize,
        )]
        pub struct $name(pub B256);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = <B256 as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

hash_id!(
    /// One event at one place: H(chain, block hash, transaction, log index, content). Equal whoever reports it.
    EventId
);
hash_id!(
    /// An event together with its status.
    ObservationId
);
hash_id!(
    /// A message of a bridge: H(bridge, origin domain, destination domain, message id).
    MessageKey
);
hash_id!(
    /// An incident: H(group, opening event, cause).
    IncidentId
);
hash_id!(
    /// What is asked of one gate: H(chain, target, scope, level, until, incident, generation).
    ActionId
);

impl MessageKey {
    /// Derives the key of a message.
    ///
    /// `origin` and `destination` are the bridge's own domain numbers, left padded to 32 bytes.
    #[must_use]
    pub fn derive(bridge: BridgeId, origin: B256, destination: B256, message_id: B256) -> Self {
        Self(digest("portcullis.message.v1", &(bridge, origin, destination, message_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caip2_is_accepted_and_anything_else_is_refused_with_its_place() {
        for good in ["eip155:1", "cosmos:cosmoshub-4", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"] {
            assert_eq!(ChainId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "eip155", "eip155:", "EIP155:1", "ab:1", "eip155:1:2", "toolongname:1"] {
            assert!(ChainId::new(bad).is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn slugs_are_bounded_and_survive_both_encodings() {
        let slug = Slug::new("nomad-1.main_net").unwrap();
        assert_eq!(borsh::from_slice::<Slug>(&borsh::to_vec(&slug).unwrap()).unwrap(), slug);
        assert_eq!(serde_json::from_str::<Slug>(&serde_json::to_string(&slug).unwrap()).unwrap(), slug);
        assert!(Slug::new(&"x".repeat(33)).is_err());
        assert!(Slug::new("").is_err());
        assert!(matches!(Slug::new("a b"), Err(IdError::Character { at: 1, .. })));
        let unchecked = borsh::to_vec("a b").unwrap();
        assert!(borsh::from_slice::<Slug>(&unchecked).is_err(), "decoding checks as parsing does");
    }

    #[test]
    fn order_is_text_order() {
        let mut names: Vec<Slug> = ["b", "a", "ab", "B"].iter().map(|t| Slug::new(t).unwrap()).collect();
        names.sort();
        let texts: Vec<&str> = names.iter().map(Slug::as_str).collect();
        assert_eq!(texts, ["B", "a", "ab", "b"]);
    }

    #[test]
    fn message_keys_differ_by_direction() {
        let bridge = Slug::new("b").unwrap();
        let (one, two, id) = (B256::with_last_byte(1), B256::with_last_byte(2), B256::with_last_byte(9));
        assert_ne!(MessageKey::derive(bridge, one, two, id), MessageKey::derive(bridge, two, one, id));
    }
}
