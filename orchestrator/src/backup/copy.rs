//! Reads Postgres's binary `COPY` format: a header, rows of length-prefixed fields, a trailer.
//!
//! Format: <https://www.postgresql.org/docs/15/sql-copy.html>, "Binary Format".

use std::io::{self, Read};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Largest field, bytes: what Postgres itself allows for one value.
const FIELD_BYTES: u32 = 1024 * 1024 * 1024;

/// Rows of a file, one after the other.
pub(super) struct Rows<R> {
    source: R,
}

fn broken(detail: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail.to_owned())
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    pub(super) fn new(mut source: R) -> io::Result<Self> {
        let mut signature = [0; SIGNATURE.len()];
        source.read_exact(&mut signature)?;
        if signature != *SIGNATURE {
            return Err(broken("it does not begin as a binary COPY file does"));
        }
        let _flags: [u8; 4] = array(&mut source)?;
        let extension = u32::from_be_bytes(array(&mut source)?);
        skip(&mut source, extension)?;
        Ok(Self { source })
    }

    /// The fields of the next row into `row`; false at the trailer, behind which nothing may stand.
    pub(super) fn next(&mut self, row: &mut Vec<Option<Vec<u8>>>) -> io::Result<bool> {
        row.clear();
        let Ok(count) = u16::try_from(i16::from_be_bytes(array(&mut self.source)?)) else {
            return match self.source.read(&mut [0])? {
                0 => Ok(false),
                _ => Err(broken("something stands behind its end")),
            };
        };
        for _ in 0..count {
            let length = i32::from_be_bytes(array(&mut self.source)?);
            let Ok(length) = u32::try_from(length) else {
                row.push(None);
                continue;
            };
            if length > FIELD_BYTES {
                return Err(broken("a field is longer than any value can be"));
            }
            let mut field = Vec::new();
            // Not allocated ahead: the length is only a claim until the bytes are there.
            let read = (&mut self.source).take(u64::from(length)).read_to_end(&mut field)?;
            if u32::try_from(read) != Ok(length) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            row.push(Some(field));
        }
        Ok(true)
    }
}

fn array<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(source: &mut impl Read, bytes: u32) -> io::Result<()> {
    let skipped = io::copy(&mut source.take(u64::from(bytes)), &mut io::sink())?;
    if skipped == u64::from(bytes) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        bytes.extend([0, 2, 0, 0, 0, 3]);
        bytes.extend(b"abc");
        bytes.extend([0xff; 4]);
        bytes.extend([0xff, 0xff]);
        bytes
    }

    fn rows(bytes: &[u8]) -> io::Result<Vec<Vec<Option<Vec<u8>>>>> {
        let mut rows = Rows::new(bytes)?;
        let (mut row, mut all) = (Vec::new(), Vec::new());
        while rows.next(&mut row)? {
            all.push(row.clone());
        }
        Ok(all)
    }

    #[test]
    fn rows_are_read_and_every_cut_is_noticed() {
        let bytes = file();
        assert_eq!(rows(&bytes).unwrap(), [vec![Some(b"abc".to_vec()), None]]);
        for end in 0..bytes.len() {
            assert!(rows(&bytes[..end]).is_err(), "cut at {end}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(rows(&longer).is_err());
    }
}
