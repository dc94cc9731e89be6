//! What every family's configuration has in common: whose nodes are asked, what an event means, what can be closed,
//! and how all mistakes of a chain are told at once.
//!
//! *Who is in the play.* A family's own configuration is built of these parts and of what only the family has. Its
//! `compile` hands the common parts to [`check_endpoints`] and [`meaning()`], adds its own findings to the same
//! [`Mistakes`], and returns something that only a checked configuration can become.

mod checks;
mod endpoint;
mod mapping;
mod problem;
mod target;

pub use checks::{Mistakes, check_endpoints, number};
pub use endpoint::{Endpoint, PrivateEndpoint, SignerSource, Submission, redacted};
pub use mapping::{
    ConstantField, EventMapping, FieldNames, FieldSource, MappingKind, Meaning, Places, WatchedContract,
    meaning,
};
pub use problem::{ConfigError, ConfigErrors, ConfigProblem};
pub use target::{GateKind, GateTarget};
