//! A proxy that lies, stalls and breaks on demand: the way every family's tests meet bad endpoints.

mod faults;
mod proxy;

pub use faults::{Fault, Rewrite};
pub use proxy::FaultProxy;
