//! A proxy that lies, stalls and breaks on demand, and a server without a node: the way every family's tests meet
//! bad endpoints.

mod faults;
mod proxy;
mod read;
mod stub;
pub mod suite;

pub use faults::{Fault, Rewrite};
pub use proxy::FaultProxy;
pub use read::{read_answer, read_push};
pub use stub::{Answer, Stub};
