//! Why nothing is shown, signed or sent.

use std::{io, path::PathBuf};

use portcullis_rpc::RpcError;

/// Why nothing is shown, signed or sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    /// An endpoint does not answer as it should.
    #[error("endpoint {endpoint} ({url}) does not answer: {what}")]
    Endpoint {
        /// Which, counted from 1 in the order given.
        endpoint: usize,
        /// Without path and key.
        url: String,
        /// What was asked.
        what: &'static str,
        #[source]
        source: RpcError,
    },
    /// Endpoints contradict each other: one of them lies, or is behind a fork.
    #[error("endpoints 1 and {endpoint} disagree about {what}: {first} against {other}")]
    Disagree {
        /// Which contradicts the first.
        endpoint: usize,
        /// About what.
        what: &'static str,
        /// What the first says.
        first: String,
        /// What the other says.
        other: String,
    },
    /// What stands at the address is no gate.
    #[error("{guard} does not answer as a guard or gate does")]
    NoGate {
        /// The address.
        guard: String,
    },
    /// The gate does not know the scope.
    #[error("{guard} does not know the scope {scope}; compare it with `portcullis check`")]
    UnknownScope {
        /// The gate.
        guard: String,
        /// The scope.
        scope: String,
    },
    /// Somebody wants to open what is open.
    #[error("the scope is open already; there is nothing to release")]
    Nothing,
    /// The gate changed since it was looked at.
    #[error("the gate changed since it was looked at: seen {seen}, now {now}; look again with `show`")]
    Changed {
        /// What was seen.
        seen: String,
        /// What is there now.
        now: String,
    },
    /// The key is not the one that may release.
    #[error("{account} may not release; the releaser of this gate is {releaser}")]
    NotReleaser {
        /// The key's account.
        account: String,
        /// Who may.
        releaser: String,
    },
    /// One key would both close and open, or own and open.
    #[error("{account} also is {role} of this gate; one key must not do both")]
    OtherRole {
        /// The key's account.
        account: String,
        /// What else it is.
        role: &'static str,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The keystore does not open.
    #[error("the keystore {} does not open with this password", path.display())]
    Keystore {
        /// Which.
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key does not sign.
    #[error("the key does not sign")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The gate would refuse.
    #[error("the gate would refuse the release: {0}")]
    Refused(String),
    /// No endpoint took the transaction.
    #[error("no endpoint took the transaction: {0}")]
    NotTaken(String),
    /// It was sent and is in no block.
    #[error("the transaction {hash} was sent, but is in no block after {secs} s; look again with `show`")]
    NotLanded {
        /// Its hash.
        hash: String,
        /// How long was waited.
        secs: u64,
    },
    /// It is in a block and failed.
    #[error("the transaction {hash} is in a block and failed")]
    Failed {
        /// Its hash.
        hash: String,
    },
}

impl ReleaseError {
    /// The code under which the documentation explains it.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "PC-0501",
            Self::Disagree { .. } => "PC-0502",
            Self::NoGate { .. } | Self::UnknownScope { .. } => "PC-0503",
            Self::Nothing => "PC-0504",
            Self::Changed { .. } => "PC-0505",
            Self::NotReleaser { .. } => "PC-0506",
            Self::OtherRole { .. } => "PC-0507",
            Self::File { .. } | Self::Keystore { .. } | Self::Sign(_) => "PC-0508",
            Self::Refused(_) => "PC-0509",
            Self::NotTaken(_) | Self::NotLanded { .. } | Self::Failed { .. } => "PC-0510",
        }
    }
}
