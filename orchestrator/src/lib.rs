//! The service, its API and the command line.

pub mod budget;
pub mod config;
pub mod store;
