//! A side on a chain of slots: one development node, the guard and the bridge as programs on it, and everybody who sends.
//!
//! *Who is in the play.* [`node`] runs the chain; [`guard`] and [`program`] know
//! addresses and calls of guard and bridge; [`deploy`] puts
//! them there; [`actors`] send; [`watch`] tells what really happened, in the words of the other sides; [`cluster`] is all of
//! it in one place, and [`config`] what a service is told about it.

pub mod actors;
pub mod cluster;
pub mod config;
pub mod deploy;
pub mod guard;
pub mod keys;
pub mod node;
pub mod program;
pub mod watch;
