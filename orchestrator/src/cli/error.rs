//! Why a command could not do its work. A "no" is an answer, not an error.

use std::{io, net::SocketAddr};

use portcullis_replay::{DatasetError, backtest::BacktestError};
use portcullis_verifier::{GroupId, Slug};

use super::{EXIT_BROKEN, EXIT_CONFIG, EXIT_NO};
use crate::{
    backup::BackupError,
    config::Problems,
    service::ServiceError,
    store::{StoreError, cluster::ClusterError},
};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(Problems),
    /// The record cannot be read or written.
    #[error("the record cannot be used")]
    Store(#[from] StoreError),
    /// A backup cannot be made or brought back.
    #[error("the backup cannot be used")]
    Backup(#[from] BackupError),
    /// The private Postgres cannot be had.
    #[error("no private Postgres")]
    Cluster(#[from] ClusterError),
    /// The API cannot listen.
    #[error(
        "PC-0411: the API cannot listen on {address}; choose another [api] listen, or end what listens there"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The API ended by itself.
    #[error("PC-0412: the API ended by itself")]
    Serve(#[source] io::Error),
    /// Metrics cannot be collected.
    #[error("PC-0413: metrics cannot be collected: {0}")]
    Metrics(String),
    /// The service ended with an error.
    #[error("the service cannot run")]
    Service(#[source] ServiceError),
    /// Signals cannot be received.
    #[error("PC-0414: the signals that end the service cannot be received")]
    Signals(#[source] io::Error),
    /// Nothing has that id.
    #[error("PC-0402: no incident has an id that begins with {0}")]
    NoIncident(String),
    /// More than one thing has an id that begins so.
    #[error("PC-0401: {count} incidents have an id that begins with {prefix}; give more of it")]
    Ambiguous {
        /// What was typed.
        prefix: String,
        /// How many fit.
        count: usize,
    },
    /// No action has that id.
    #[error("PC-0402: no action has an id that begins with {0}")]
    NoAction(String),
    /// More than one action has an id that begins so.
    #[error("PC-0401: {count} actions have an id that begins with {prefix}; give more of it")]
    AmbiguousAction {
        /// What was typed.
        prefix: String,
        /// How many fit.
        count: usize,
    },
    /// Nobody answered a command.
    #[error(
        "PC-0602: no running service took the command within {secs} s; it stays in the table for ten minutes, or start \
         `portcullis run`"
    )]
    Unanswered {
        /// How long was waited, seconds.
        secs: u64,
    },
    /// No service ever wrote for the group.
    #[error("PC-0603: no service has run for the group {0} with this record")]
    NoLog(GroupId),
    /// No guard is called that.
    #[error("PC-0605: no guard is called {name}; known are {known}")]
    NoGate {
        /// What was typed.
        name: Slug,
        /// What there is.
        known: String,
    },
    /// The service refuses a command.
    #[error("PC-0606: the service refuses the command: {0}")]
    CommandRefused(String),
    /// The record does not meet what a mode asks for.
    #[error(
        "PC-0608: the record does not meet what {mode} asks for: {unmet}; add --anyway to ask all the same"
    )]
    UnmetCriteria {
        /// Which mode.
        mode: &'static str,
        /// What it lacks.
        unmet: String,
    },
    /// Trust needs two people.
    #[error("PC-0609: raising a mode needs a second person: add --with NAME")]
    SecondPerson,
    /// A request for trust is not signed by both.
    #[error("PC-0611: the request is not signed as it has to be: {0}")]
    NotApproved(String),
    /// A request for trust, or a signature, cannot be read or written.
    #[error("PC-0612: {what} {}: {why}", path.display())]
    RequestFile {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: std::path::PathBuf,
        /// Why not.
        why: String,
    },
    /// No guard has a canary.
    #[error(
        "PC-0610: no guard has a canary: add `canary = \"canary\"` to a guard and register that scope there"
    )]
    NoCanary,
    /// The recording cannot be read.
    #[error("PC-0418: the recording cannot be read; --data names its folder")]
    Recording(#[from] DatasetError),
    /// The engine refuses the recording's configuration.
    #[error("PC-0419: the recording cannot be run")]
    Backtest(#[from] BacktestError),
    /// No table of stakes can be made.
    #[error("PC-0983: no table of stakes: {0}")]
    NoStakes(String),
    /// A file for a table of stakes cannot be read or written.
    #[error("PC-0984: {} cannot be used", path.display())]
    StakesFile {
        /// Which.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("PC-0415: standard output cannot be written")]
    Output(#[source] io::Error),
    /// A value cannot be written as JSON.
    #[error("PC-0416: the answer cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// A task of this program ended unexpectedly.
    #[error("PC-0417: a part of the program ended unexpectedly")]
    Task(#[source] tokio::task::JoinError),
}

/// How an error is reported: its code, and the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Code under which the documentation explains it, where there is one.
    pub code: Option<&'static str>,
    /// Exit code.
    pub exit: u8,
}

impl Kind {
    /// Something broke that has no code of its own.
    pub const BROKEN: Self = Self { code: None, exit: EXIT_BROKEN };
}

impl CliError {
    pub(super) fn json(error: serde_json::Error) -> Self {
        Self::Json(error)
    }

    /// How it is reported.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let (code, exit) = match self {
            // A file has as many codes as mistakes; they stand in its text.
            Self::Config(_) => (None, EXIT_CONFIG),
            Self::Store(error) => (Some(error.code()), EXIT_BROKEN),
            Self::Backup(error) => (Some(error.code()), EXIT_BROKEN),
            Self::Cluster(error) => (Some(error.code()), EXIT_BROKEN),
            Self::Listen { .. } => (Some("PC-0411"), EXIT_BROKEN),
            Self::Serve(_) => (Some("PC-0412"), EXIT_BROKEN),
            Self::Metrics(_) => (Some("PC-0413"), EXIT_BROKEN),
            Self::Service(error) => (Some(error.code()), EXIT_BROKEN),
            Self::Signals(_) => (Some("PC-0414"), EXIT_BROKEN),
            Self::NoIncident(_) => (Some("PC-0402"), EXIT_NO),
            Self::Ambiguous { .. } => (Some("PC-0401"), EXIT_NO),
            Self::NoAction(_) => (Some("PC-0402"), EXIT_NO),
            Self::AmbiguousAction { .. } => (Some("PC-0401"), EXIT_NO),
            Self::Unanswered { .. } => (Some("PC-0602"), EXIT_BROKEN),
            Self::NoLog(_) => (Some("PC-0603"), EXIT_NO),
            Self::NotApproved(_) => (Some("PC-0611"), EXIT_NO),
            Self::RequestFile { .. } => (Some("PC-0612"), EXIT_BROKEN),
            Self::NoGate { .. } => (Some("PC-0605"), EXIT_NO),
            Self::CommandRefused(_) => (Some("PC-0606"), EXIT_NO),
            Self::UnmetCriteria { .. } => (Some("PC-0608"), EXIT_NO),
            Self::SecondPerson => (Some("PC-0609"), EXIT_NO),
            Self::NoCanary => (Some("PC-0610"), EXIT_NO),
            Self::Recording(_) => (Some("PC-0418"), EXIT_BROKEN),
            Self::Backtest(_) => (Some("PC-0419"), EXIT_BROKEN),
            Self::NoStakes(_) => (Some("PC-0983"), EXIT_BROKEN),
            Self::StakesFile { .. } => (Some("PC-0984"), EXIT_BROKEN),
            Self::Output(_) => (Some("PC-0415"), EXIT_BROKEN),
            Self::Json(_) => (Some("PC-0416"), EXIT_BROKEN),
            Self::Task(_) => (Some("PC-0417"), EXIT_BROKEN),
        };
        Kind { code, exit }
    }
}
