//! Between the vocabulary's types and what columns hold. Everything out of range is an error, never a wrap.

use portcullis_verifier::{B256, ChainId, Slug};

use super::StoreError;

pub(crate) fn to_i64(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_too_large| StoreError::Range { what, value })
}

/// For figures that people read: the largest number stands for everything above it.
pub(crate) fn to_i64_capped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn to_i32(what: &'static str, value: u32) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_too_large| StoreError::Range { what, value: u64::from(value) })
}

pub(crate) fn to_u64(what: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_negative| unreadable(what, format!("{value} is negative")))
}

pub(crate) fn to_u32(what: &'static str, value: i64) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_outside| unreadable(what, format!("{value} does not fit")))
}

pub(crate) fn to_b256(what: &'static str, bytes: &[u8]) -> Result<B256, StoreError> {
    B256::try_from(bytes).map_err(|_length| unreadable(what, format!("{} bytes instead of 32", bytes.len())))
}

pub(crate) fn to_chain(text: &str) -> Result<ChainId, StoreError> {
    ChainId::new(text).map_err(|error| unreadable("a chain", error.to_string()))
}

pub(crate) fn to_slug(what: &'static str, text: &str) -> Result<Slug, StoreError> {
    Slug::new(text).map_err(|error| unreadable(what, error.to_string()))
}

pub(crate) fn unreadable(what: &'static str, detail: impl Into<String>) -> StoreError {
    StoreError::Unreadable { what, detail: detail.into() }
}

/// The name that a unit variant has in JSON, such as `closed`.
pub(crate) fn name_of<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        // An enum with content is an object of one key, or has a tag; its key is its name.
        Ok(serde_json::Value::Object(map)) => map.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// A value as JSON that Postgres takes. The vocabulary's types have text keys only, so encoding cannot fail; should
/// that of a later one fail, people see null and the log still holds the truth.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> serde_json::Value {
    let mut value = serde_json::to_value(value).unwrap_or(serde_json::Value::Null);
    without_nul(&mut value);
    value
}

/// Postgres takes no NUL in texts. What an endpoint says may hold one, and must not be able to stop a commit by it.
fn without_nul(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if text.contains('\0') => *text = clean(text),
        serde_json::Value::Array(list) => list.iter_mut().for_each(without_nul),
        serde_json::Value::Object(map) => map.values_mut().for_each(without_nul),
        _ => {}
    }
}

/// A text that Postgres takes: NUL becomes the replacement character.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::Level;

    #[test]
    fn numbers_out_of_range_are_refused_and_named() {
        assert_eq!(to_i64("a height", 7).unwrap(), 7);
        assert!(matches!(
            to_i64("a height", u64::MAX),
            Err(StoreError::Range { what: "a height", value: u64::MAX })
        ));
        assert!(to_u64("a height", -1).is_err());
        assert_eq!(to_i64_capped(u64::MAX), i64::MAX);
    }

    #[test]
    fn hashes_have_32_bytes() {
        assert_eq!(to_b256("a hash", &[7; 32]).unwrap(), B256::repeat_byte(7));
        assert!(to_b256("a hash", &[7; 31]).is_err());
    }

    #[test]
    fn nul_never_reaches_a_text() {
        let value = json(&vec![("a\0b".to_owned(), 1)]);
        assert_eq!(value, serde_json::json!([["a\u{fffd}b", 1]]));
        assert_eq!(clean("plain"), "plain");
    }

    #[test]
    fn names_are_those_of_json() {
        assert_eq!(name_of(&Level::Closed), "closed");
        assert_eq!(name_of(&portcullis_core::input::Body::Tick), "tick");
    }
}
