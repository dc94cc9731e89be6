//! Reading the chain's own encodings: fixed-width little-endian numbers, lists behind a count, and the two
//! variable-length numbers. Nothing is allocated for what is not there.

use super::error::{SolanaProofError, wide};
use crate::B256;

/// What is left of some bytes.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `what`, as errors call it.
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], SolanaProofError> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(wide(count))),
        }
    }

    /// The next `count` items of `N` bytes.
    pub(super) fn items<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], SolanaProofError> {
        let bytes = count.checked_mul(N).ok_or_else(|| self.truncated(u64::MAX))?;
        Ok(self.take(bytes)?.as_chunks().0)
    }

    /// Leaves out `count` items of `bytes` each.
    pub(super) fn skip(&mut self, count: usize, bytes: usize) -> Result<(), SolanaProofError> {
        let bytes = count.checked_mul(bytes).ok_or_else(|| self.truncated(u64::MAX))?;
        self.take(bytes).map(|_skipped| ())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], SolanaProofError> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(wide(N))),
        }
    }

    pub(super) fn u8(&mut self) -> Result<u8, SolanaProofError> {
        self.array().map(|[byte]| *byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, SolanaProofError> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, SolanaProofError> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Result<u64, SolanaProofError> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    pub(super) fn i64(&mut self) -> Result<i64, SolanaProofError> {
        self.array().map(|bytes| i64::from_le_bytes(*bytes))
    }

    pub(super) fn b256(&mut self) -> Result<B256, SolanaProofError> {
        self.array().map(|bytes: &[u8; 32]| B256::from(*bytes))
    }

    /// A flag: 0 or 1.
    pub(super) fn flag(&mut self) -> Result<bool, SolanaProofError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(SolanaProofError::encoding(self.what, format!("a flag of {other}"))),
        }
    }

    /// A count of items that take at least `bytes` each. More than the rest can hold is refused before anything is
    /// made of it.
    pub(super) fn count(&mut self, bytes: usize) -> Result<usize, SolanaProofError> {
        let count = self.u64()?;
        let most = self.rest.len().checked_div(bytes).unwrap_or(0);
        usize::try_from(count).ok().filter(|count| *count <= most).ok_or_else(|| SolanaProofError::Limit {
            what: self.what,
            found: count,
            limit: wide(most),
        })
    }

    /// A count in one to three bytes, seven bits each. Each number has one encoding.
    pub(super) fn short(&mut self) -> Result<usize, SolanaProofError> {
        let mut value = 0usize;
        for shift in [0u32, 7, 14] {
            let byte = self.u8()?;
            let part = usize::from(byte & 0x7f);
            value |= part << shift;
            if byte & 0x80 == 0 {
                let padded = shift > 0 && byte == 0;
                return if padded || value > usize::from(u16::MAX) {
                    Err(SolanaProofError::encoding(self.what, "a count that is padded or too large"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(SolanaProofError::encoding(self.what, "a count that is padded or too large"))
    }

    /// A number in one to ten bytes, seven bits each. Each number has one encoding.
    pub(super) fn varint(&mut self) -> Result<u64, SolanaProofError> {
        let mut value = 0u64;
        for shift in (0u32..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            let shifted = part << shift;
            if shifted >> shift != part || (shift > 0 && byte == 0) {
                return Err(SolanaProofError::encoding(self.what, "a number that is padded or too large"));
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(SolanaProofError::encoding(self.what, "a number that is padded or too large"))
    }

    /// Ends the reading; what is left over belongs to nothing.
    pub(super) fn done(self) -> Result<(), SolanaProofError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(SolanaProofError::Trailing { what: self.what, found: wide(self.rest.len()) })
        }
    }

    fn truncated(&self, expected: u64) -> SolanaProofError {
        SolanaProofError::Truncated { what: self.what, expected, found: wide(self.rest.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(bytes: &[u8]) -> Option<usize> {
        let mut reader = Reader::new("count", bytes);
        let value = reader.short().ok()?;
        reader.done().ok().map(|()| value)
    }

    fn varint(bytes: &[u8]) -> Option<u64> {
        let mut reader = Reader::new("number", bytes);
        let value = reader.varint().ok()?;
        reader.done().ok().map(|()| value)
    }

    #[test]
    fn counts_have_one_encoding() {
        let good: [(&[u8], usize); 6] = [
            (&[0], 0),
            (&[0x7f], 127),
            (&[0x80, 1], 128),
            (&[0xff, 0x7f], 16_383),
            (&[0x80, 0x80, 1], 16_384),
            (&[0xff, 0xff, 3], 65_535),
        ];
        for (bytes, value) in good {
            assert_eq!(short(bytes), Some(value), "{bytes:?}");
        }
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 0],
            &[0x81, 0],
            &[0x80, 0x80, 0],
            &[0xff, 0xff, 4],
            &[0x80, 0x80, 0x80],
            &[0x80, 0x80, 0x80, 1],
        ] {
            assert_eq!(short(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_have_one_encoding() {
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        for (bytes, value) in [(&[0][..], 0), (&[0x80, 1], 128), (&most, u64::MAX)] {
            assert_eq!(varint(bytes), Some(value), "{bytes:?}");
        }
        let mut over = most;
        over[9] = 2;
        let mut longer = most.to_vec();
        longer[9] = 0x81;
        longer.push(0);
        for bytes in [&[][..], &[0x80], &[0x80, 0], &[0x81, 0x80, 0], &over, &longer] {
            assert_eq!(varint(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_count_is_bounded_by_what_is_left() {
        let bytes = [[3u8, 0, 0, 0, 0, 0, 0, 0].as_slice(), &[0; 9]].concat();
        assert_eq!(Reader::new("list", &bytes).count(3), Ok(3));
        assert!(matches!(
            Reader::new("list", &bytes).count(4),
            Err(SolanaProofError::Limit { found: 3, limit: 2, .. })
        ));
        assert!(matches!(Reader::new("list", &bytes[..7]).count(1), Err(SolanaProofError::Truncated { .. })));
        assert!(matches!(
            Reader::new("list", &bytes).items::<8>(usize::MAX),
            Err(SolanaProofError::Truncated { .. })
        ));
    }
}
