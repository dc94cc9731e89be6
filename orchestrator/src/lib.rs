//! The service, its API and the command line.

pub mod api;
pub mod background;
pub mod backup;
pub mod budget;
pub mod cli;
pub mod config;
pub mod confirm;
pub mod contain;
pub mod correlate;
pub mod journal;
pub mod killswitch;
pub mod notify;
pub mod observe;
pub mod operate;
pub mod persist;
pub mod recover;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod verify;
pub mod views;
pub mod wiring;
pub mod writer;
