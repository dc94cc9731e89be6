//! Words of 32 bytes: scopes, incidents, records, ids. In messages and events they are 64 lower-case hex digits.

use std::fmt;

use cosmwasm_std::HexBinary;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha3::{Digest, Keccak256};

/// 32 bytes. Zero is the wildcard where a corridor or an asset is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Word(pub [u8; 32]);

impl Word {
    /// 32 zero bytes.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads 64 hex digits, without a prefix.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HexBinary::from_hex(text).ok()?;
        bytes.as_slice().try_into().ok().map(Self)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected 64 hex digits"))
    }
}

impl JsonSchema for Word {
    fn schema_name() -> String {
        "Word".to_owned()
    }

    fn json_schema(generator: &mut schemars::r#gen::SchemaGenerator) -> schemars::schema::Schema {
        String::json_schema(generator)
    }
}

/// Keccak-256 of the parts, one after the other.
#[must_use]
pub fn keccak256(parts: &[&[u8]]) -> Word {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    Word(hasher.finalize().into())
}
