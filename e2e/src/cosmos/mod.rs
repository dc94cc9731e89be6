//! A side of the bridge on a chain of another family: its own node, contracts, accounts and transactions.
//!
//! *Who is in the play.* [`node`] runs `wasmd` with one validator; [`rpc`] asks it; [`keys`] gives everybody of the play
//! an account there, from the same secrets. [`deploy`] puts guard and bridge there and fills the bridge, [`actors`] play
//! the script, [`watch`] reads what really happened. [`zone`] holds all of it. What is told of a block is told in the
//! words of the other sides: a trip is the same event everywhere, so whoever reads the play need not know the family.

pub mod actors;
pub mod config;
pub mod deploy;
pub mod genesis;
pub mod keys;
pub mod node;
pub mod rpc;
pub mod watch;
pub mod zone;
