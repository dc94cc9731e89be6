//! The roles that a family of chains plays for Portcullis, and the suite that each family must pass.
//!
//! *Who is in the play.* A family's [`Observe`] sends [`Batch`]es of observations with the cursor that commits
//! with them. Its [`Prove`] gathers evidence for claims; the verifier, not the family, judges it. Its [`Contain`]
//! signs and sends what closes gates, and says what must be proven for a gate to count as closed.

pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contain;
pub mod error;
pub mod observe;
pub mod prove;
#[cfg(feature = "keystore")]
pub mod signer;
pub mod trip;
pub mod word;

pub use contain::{Attempt, Broadcast, Checks, Contain, EndpointReply, GateReport, Landing, Readiness};
pub use error::{AdapterError, Class};
pub use observe::{Batch, Cursor, Feed, Observe};
pub use portcullis_verifier::{Action, ActionClass, Level};
pub use prove::Prove;
