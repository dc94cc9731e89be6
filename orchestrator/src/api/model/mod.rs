//! What the API says. Ids and hashes are `0x` and hexadecimal; times are milliseconds since 1970 unless they end in
//! `_s` (chain time, seconds); values are integer micro-USD.

mod feed;
mod incident;

pub use feed::{Gate, Notice, TimelineLine, TimelinePage};
pub(super) use incident::belongs;
pub use incident::{Action, Attempt, Decision, Evidence, Incident, IncidentDetail, IncidentPage, LogHead};

fn hex(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode_prefixed(bytes)
}
