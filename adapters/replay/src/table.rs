//! Reading recorded files: every error names the file and the line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;

/// Most lines that a file of a data set may have; a hundred times the largest known.
pub const MAX_LINES: usize = 5_000_000;

/// Longest line in bytes; ten times the longest known.
pub const MAX_LINE_BYTES: usize = 16_384;

/// Longest time between the first and the last event of a data set, seconds: ten years; ten times the longest known. Progress
/// is made up for every half hour of it.
pub const MAX_SPAN_SECS: u64 = 10 * 365 * 86_400;

/// Why a data set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file is not there, or not readable.
    #[error("{}: cannot be read", .file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}:{line}: {what}", .file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Expected and found.
        what: String,
    },
    /// The file is longer than any data set has reason to be.
    #[error("{}: more than {limit} lines", .file.display())]
    TooLong {
        /// Which file.
        file: PathBuf,
        /// The bound.
        limit: usize,
    },
}

/// Where a record stood, for errors found later.
#[derive(Debug, Clone)]
pub struct Place {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: usize,
}

impl Place {
    /// An error at this place.
    #[must_use]
    pub fn error(&self, what: impl Into<String>) -> DatasetError {
        DatasetError::Line { file: self.file.clone(), line: self.line, what: what.into() }
    }
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, DatasetError> {
    let opened = File::open(file).map_err(|source| DatasetError::Io { file: file.to_owned(), source })?;
    let gzipped = file.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> =
        if gzipped { Box::new(MultiGzDecoder::new(opened)) } else { Box::new(opened) };
    Ok(Box::new(BufReader::with_capacity(1 << 16, reader)))
}

/// All lines of a text file, gzipped when its name ends so, each with its place.
///
/// # Errors
/// See [`DatasetError`]: unreadable, too long, not UTF-8.
pub fn lines(file: &Path) -> Result<Vec<(Place, String)>, DatasetError> {
    let mut reader = open(file)?;
    let mut lines = Vec::new();
    loop {
        let place = Place { file: file.to_owned(), line: lines.len().saturating_add(1) };
        let mut bytes = Vec::new();
        // One byte more than allowed, so that a longer line is seen to be longer.
        let bound = u64::try_from(MAX_LINE_BYTES.saturating_add(1)).unwrap_or(u64::MAX);
        let read = reader.by_ref().take(bound).read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| DatasetError::Io { file: file.to_owned(), source })?;
        if read == 0 {
            return Ok(lines);
        }
        if read > MAX_LINE_BYTES {
            return Err(place.error(format!("more than {MAX_LINE_BYTES} bytes in one line")));
        }
        if lines.len() >= MAX_LINES {
            return Err(DatasetError::TooLong { file: file.to_owned(), limit: MAX_LINES });
        }
        let text = String::from_utf8(bytes).map_err(|_not_text| place.error("the line is not UTF-8"))?;
        lines.push((place, text.trim_end_matches(['\n', '\r']).to_owned()));
    }
}

/// One line of a file of JSON lines.
///
/// # Errors
/// [`DatasetError::Line`] with what the parser says.
pub fn json<T: DeserializeOwned>(place: &Place, text: &str) -> Result<T, DatasetError> {
    serde_json::from_str(text).map_err(|error| place.error(error.to_string()))
}

/// All rows of a separated file, without its heading when it has one.
///
/// # Errors
/// See [`DatasetError`]; a row with another number of fields than `fields` is named.
pub fn rows(
    file: &Path,
    separator: char,
    fields: usize,
    heading: bool,
) -> Result<Vec<(Place, Vec<String>)>, DatasetError> {
    let mut rows = Vec::new();
    for (place, text) in lines(file)?.into_iter().skip(usize::from(heading)) {
        let row: Vec<String> = text.split(separator).map(|field| field.trim().to_owned()).collect();
        if row.len() != fields {
            return Err(place.error(format!("{fields} fields expected, {} found", row.len())));
        }
        rows.push((place, row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn errors_name_file_and_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{{\"a\":1}}\n{{\"a\":2}}\n{{\"a\":\n").unwrap();
        let lines = lines(file.path()).unwrap();
        let records: Vec<_> =
            lines.iter().map(|(place, text)| json::<serde_json::Value>(place, text)).collect();
        assert!(records[..2].iter().all(Result::is_ok));
        let error = records[2].as_ref().unwrap_err();
        assert!(matches!(&error, DatasetError::Line { line: 3, .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("{}:3: ", file.path().display())), "{error}");
    }

    #[test]
    fn rows_count_their_fields_and_skip_the_heading() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "x,y\n1,2\n3\n").unwrap();
        let error = rows(file.path(), ',', 2, true).unwrap_err();
        assert!(matches!(error, DatasetError::Line { line: _, .. }), "{error}");
        let mut good = tempfile::NamedTempFile::new().unwrap();
        write!(good, "x,y\n1,2\n").unwrap();
        assert_eq!(rows(good.path(), ',', 2, true).unwrap().len(), 1);
    }

    #[test]
    fn a_missing_file_and_an_endless_line_are_errors() {
        assert!(matches!(lines(Path::new("no/such/file")), Err(DatasetError::Io { .. })));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![b'x'; MAX_LINE_BYTES + 10]).unwrap();
        assert!(matches!(lines(file.path()), Err(DatasetError::Line { line: 1, .. })));
    }
}
