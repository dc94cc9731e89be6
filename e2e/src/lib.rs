//! Real nodes, a real database, the service as its own process, scripted attacks and faults.
//!
//! *Who is in the play.* [`nodes`] runs two chains; [`proxy`] stands between them and whoever watches, one endpoint per
//! operator, and lies or falls silent when told to. [`deploy`] puts guards, tokens and the bridge with Nomad's flaw
//! there; [`history`] lays down what happened before anybody watched. [`actors`] are the users, the relayer, the crowd
//! of attackers. [`service`] is `portcullis run`, started and killed like a stranger would. [`timeline`] and [`report`]
//! tell what happened. [`trial`] is a short play for tests, and [`chaos`] every fault that the whole has to survive.
//! [`cosmos`] and [`solana`]
//! are sides on chains of other families. [`stub`] is for rates that no development node carries, and [`soak`] for half an hour of them.

pub mod actors;
pub mod bench;
pub mod books;
pub mod chain;
pub mod chaos;
pub mod client;
pub mod clock;
pub mod contracts;
pub mod cosmos;
pub mod demo;
pub mod deploy;
pub mod history;
pub mod keys;
pub mod lab;
pub mod nodes;
pub mod process;
pub mod proxy;
pub mod report;
pub mod scenario;
pub mod screen;
pub mod service;
pub mod soak;
pub mod solana;
pub mod stub;
pub mod timeline;
pub mod tools;
pub mod trial;
pub mod vitals;
pub mod watch;
