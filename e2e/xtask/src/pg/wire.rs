//! The simple-query part of the Postgres protocol (version 3.0), over a Unix socket and with trust authentication.
//! It is here so that no `psql` is needed: the servers that setup can bring come without one.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use eyre::{Result, WrapErr, bail, eyre};

/// Protocol 3.0, as the start-up packet carries it.
const PROTOCOL: i32 = 196_608;

/// A reply larger than this is not from the server that was started; in bytes.
const MESSAGE_MAX: usize = 64 << 20;

/// A migration of an empty database ends in far less.
const TIMEOUT: Duration = Duration::from_secs(120);

/// One session.
pub(crate) struct Connection {
    stream: UnixStream,
}

/// A row of a result: text or null per column.
pub(crate) type Row = Vec<Option<String>>;

impl Connection {
    /// Connects and waits until the server is ready for a query.
    ///
    /// # Errors
    /// When the socket is not there, the server refuses, or it asks for a password.
    pub(crate) fn open(socket: &Path, user: &str, database: &str) -> Result<Self> {
        let stream =
            UnixStream::connect(socket).wrap_err_with(|| format!("no connection to {}", socket.display()))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut connection = Self { stream };
        let mut body = PROTOCOL.to_be_bytes().to_vec();
        for word in ["user", user, "database", database] {
            body.extend_from_slice(word.as_bytes());
            body.push(0);
        }
        body.push(0);
        connection.stream.write_all(&length_of(&body)?)?;
        connection.stream.write_all(&body)?;
        connection.drain("")?;
        Ok(connection)
    }

    /// Sends one text of SQL statements and returns the rows of all of them.
    /// Several statements without BEGIN are one transaction, as the migration runner sends a file.
    ///
    /// # Errors
    /// The server's own words, with the line that it points at.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.stream.write_all(b"Q")?;
        self.stream.write_all(&length_of(&body)?)?;
        self.stream.write_all(&body)?;
        self.drain(sql)
    }

    /// Reads until the server is ready again; keeps the first error, since later ones follow from it.
    fn drain(&mut self, sql: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut error = None;
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'Z' => break,
                b'D' => rows.push(row(&body)?),
                b'E' => {
                    let refusal = eyre!("{}", refusal(&body, sql));
                    if sql.is_empty() {
                        // Before the first query the server closes the connection after an error.
                        return Err(refusal);
                    }
                    error.get_or_insert(refusal);
                }
                b'R' if body != 0i32.to_be_bytes() => bail!("the server asks for a password"),
                _ => {}
            }
        }
        match error {
            Some(error) => Err(error),
            None => Ok(rows),
        }
    }

    fn message(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut kind = [0u8; 1];
        self.stream.read_exact(&mut kind).wrap_err("the server closed the connection")?;
        let mut length = [0u8; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        let length = length.checked_sub(4).filter(|length| *length <= MESSAGE_MAX);
        let length = length.ok_or_else(|| eyre!("the server's reply has an impossible length"))?;
        let mut body = vec![0u8; length];
        self.stream.read_exact(&mut body)?;
        let [kind] = kind;
        Ok((kind, body))
    }
}

/// The length field counts itself.
fn length_of(body: &[u8]) -> Result<[u8; 4]> {
    Ok(i32::try_from(body.len() + 4)?.to_be_bytes())
}

/// Decodes a DataRow message.
fn row(body: &[u8]) -> Result<Row> {
    let short = || eyre!("the server's row is cut short");
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(short)?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        rest = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            row.push(None);
            continue;
        };
        let (value, after) = rest.split_at_checked(length).ok_or_else(short)?;
        row.push(Some(String::from_utf8(value.to_vec())?));
        rest = after;
    }
    Ok(row)
}

/// The text of an ErrorResponse: message, hint, and the line that the position points at.
fn refusal(body: &[u8], sql: &str) -> String {
    let mut text = String::new();
    for field in body.split(|byte| *byte == 0) {
        let Some((code, value)) = field.split_first() else { continue };
        let value = String::from_utf8_lossy(value);
        match code {
            b'M' => text.push_str(&value),
            b'D' | b'H' => text.push_str(&format!("; {value}")),
            b'P' => {
                let position = value.parse::<usize>().unwrap_or(1);
                let before: String = sql.chars().take(position.saturating_sub(1)).collect();
                text.push_str(&format!(" (line {})", before.matches('\n').count() + 1));
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_decodes_text_and_null_and_a_cut_one_is_refused() {
        let body = [0, 2, 0, 0, 0, 1, b'x', 255, 255, 255, 255];
        assert_eq!(row(&body).unwrap(), vec![Some("x".to_owned()), None]);
        assert!(row(&body[..6]).is_err());
        assert!(row(&[]).is_err());
    }

    #[test]
    fn an_error_names_the_line_it_points_at() {
        let body = b"SERROR\0MIt is wrong\0P12\0\0";
        assert_eq!(refusal(body, "select 1;\n\nselekt 2;"), "It is wrong (line 3)");
    }
}
