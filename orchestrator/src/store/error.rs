//! What can go wrong with the record, and what to do about it.

use portcullis_adapter::Class;
use portcullis_verifier::B256;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or no connection became free in time.
    #[error("PC-0201: the database does not answer")]
    Unreachable(#[source] sqlx::Error),
    /// The database answered with an error.
    #[error("PC-0202: the database refuses {what}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("PC-0203: the schema cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The schema lacks what this program needs.
    #[error(
        "PC-0252: the schema of the database is at version {found}, and this program needs {needed}: run \
         `portcullis migrate`"
    )]
    SchemaOlder {
        /// Newest migration that was applied.
        found: i64,
        /// Newest migration of this program.
        needed: i64,
    },
    /// The schema is ahead of this program.
    #[error(
        "PC-0253: the schema of the database is at version {found}{}, and portcullis {} knows it up to {known}: run \
         that version or a newer one",
        made_by(program),
        super::schema::PROGRAM
    )]
    SchemaNewer {
        /// Newest migration that was applied.
        found: i64,
        /// Newest migration of this program.
        known: i64,
        /// Version of the program that applied it; empty when nobody wrote it down.
        program: String,
    },
    /// Another process has appended to the log.
    #[error("PC-0204: the log of {group}/{replica} does not end at {expected}: another process writes it")]
    EndMoved {
        /// Linked group.
        group: String,
        /// Name of the log.
        replica: String,
        /// Sequence number at which this process would have gone on.
        expected: u64,
    },
    /// A statement changed another number of rows than the one it had to.
    #[error("PC-0205: {what} changed {found} rows instead of one")]
    NotOneRow {
        /// What was asked.
        what: &'static str,
        /// How many rows it changed.
        found: u64,
    },
    /// A row holds what this version cannot read.
    #[error("PC-0206: {what} in the database cannot be read: {detail}")]
    Unreadable {
        /// Which value.
        what: &'static str,
        /// Expected and found.
        detail: String,
    },
    /// The chain of hashes does not hold.
    #[error(
        "PC-0207: the log of {group}/{replica} is broken at record {seq}: expected {expected}, found {found}"
    )]
    Broken {
        /// Linked group.
        group: String,
        /// Name of the log.
        replica: String,
        /// First record that does not follow from those before it.
        seq: u64,
        /// What the records before it and its content give.
        expected: B256,
        /// What is stored.
        found: B256,
    },
    /// A number is outside of what a column can hold.
    #[error("PC-0208: {what} is out of range: {value}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u64,
    },
}

impl StoreError {
    /// The code under which the documentation explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "PC-0201",
            Self::Refused { .. } => "PC-0202",
            Self::Migrate(_) => "PC-0203",
            Self::EndMoved { .. } => "PC-0204",
            Self::NotOneRow { .. } => "PC-0205",
            Self::Unreadable { .. } => "PC-0206",
            Self::Broken { .. } => "PC-0207",
            Self::Range { .. } => "PC-0208",
            Self::SchemaOlder { .. } => "PC-0252",
            Self::SchemaNewer { .. } => "PC-0253",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable(_) => Class::Transient,
            Self::Refused { source, .. } if is_passing(source) => Class::Transient,
            Self::Broken { .. } => Class::Untrusted,
            Self::Refused { .. }
            | Self::Migrate(_)
            | Self::SchemaOlder { .. }
            | Self::SchemaNewer { .. }
            | Self::EndMoved { .. }
            | Self::NotOneRow { .. }
            | Self::Unreadable { .. }
            | Self::Range { .. } => Class::Permanent,
        }
    }

    /// Sorts an error of the driver: silence is one thing, an answer another.
    pub(crate) fn from_driver(what: &'static str, source: sqlx::Error) -> Self {
        match source {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unreachable(source),
            _ => Self::Refused { what, source },
        }
    }
}

fn made_by(program: &str) -> String {
    if program.is_empty() { String::new() } else { format!(", made by portcullis {program}") }
}

/// Classes of SQLSTATE that pass by themselves: connection, resources, intervention by an operator, rollback.
fn is_passing(error: &sqlx::Error) -> bool {
    let Some(code) = error.as_database_error().and_then(|e| e.code()) else { return false };
    ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_transient_and_a_moved_end_is_not() {
        let silent = StoreError::from_driver("a commit", sqlx::Error::PoolTimedOut);
        assert_eq!((silent.code(), silent.class()), ("PC-0201", Class::Transient));
        let moved = StoreError::EndMoved { group: "g".into(), replica: "r".into(), expected: 4 };
        assert_eq!((moved.code(), moved.class()), ("PC-0204", Class::Permanent));
        assert!(moved.to_string().starts_with(moved.code()));
    }

    #[test]
    fn an_answer_is_not_silence() {
        let refused = StoreError::from_driver("a row", sqlx::Error::RowNotFound);
        assert_eq!((refused.code(), refused.class()), ("PC-0202", Class::Permanent));
        assert!(!refused.to_string().contains("no rows"), "the source is printed by whoever walks the chain");
    }
}
