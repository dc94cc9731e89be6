//! The service, its API and the command line.

pub mod config;
