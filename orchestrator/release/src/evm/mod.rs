//! Gates of EVM chains: reading them from several endpoints that must agree.

mod abi;
mod history;
mod read;
mod send;
mod sign;

use std::str::FromStr;

use alloy::primitives::Address;
use portcullis_rpc::{Client, Lane, LaneSettings};
use portcullis_verifier::{B256, OperatorId};
use serde::Serialize;
use url::Url;

use crate::error::ReleaseError;

pub(crate) use send::Landed;
pub(crate) use sign::{Key, Offer, Signed};

/// What a person saw of a gate: the release is for exactly this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) generation: u32,
    pub(crate) closed_until: u64,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.generation, self.closed_until)
    }
}

impl FromStr for Seen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text
            .split_once(':')
            .and_then(|(generation, until)| Some((generation.parse().ok()?, until.parse().ok()?)));
        let (generation, closed_until) =
            parsed.ok_or_else(|| "write it as `show` prints it, such as 0:1659411151".to_owned())?;
        Ok(Self { generation, closed_until })
    }
}

impl Serialize for Seen {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A gate with the endpoints that are asked about it.
#[derive(Debug)]
pub(crate) struct Gate {
    endpoints: Vec<(String, Client)>,
    guard: Address,
    scope: B256,
}

/// Everything that is known of a gate's scope at one block.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct View {
    pub(crate) chain: u64,
    pub(crate) guard: String,
    pub(crate) scope: String,
    /// Strictest that holds now: `open`, `limited`, `closed`.
    pub(crate) level: &'static str,
    /// Held by people without expiry.
    pub(crate) hold: &'static str,
    pub(crate) closed_until: u64,
    pub(crate) closed_until_height: u64,
    pub(crate) limited_until: u64,
    pub(crate) limited_until_height: u64,
    pub(crate) generation: u32,
    pub(crate) sealed: bool,
    pub(crate) owner: String,
    pub(crate) releaser: String,
    pub(crate) guardian: String,
    pub(crate) height: u64,
    pub(crate) block_hash: String,
    /// Time of that block, seconds since 1970.
    pub(crate) time: u64,
    /// How many endpoints say so.
    pub(crate) endpoints: usize,
    pub(crate) seen: Seen,
    /// Who closed it, newest first; why that is not known, where it is not.
    pub(crate) history: Result<Vec<Trip>, String>,
    pub(crate) look_back: u64,
}

/// One trip or hold, as its event says.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trip {
    pub(crate) by: String,
    pub(crate) what: String,
    pub(crate) incident: String,
    pub(crate) record: Option<String>,
    pub(crate) height: u64,
    pub(crate) transaction: String,
}

impl Gate {
    pub(crate) fn new(urls: &[Url], guard: &str, scope: B256) -> Result<Self, ReleaseError> {
        let guard = guard.parse().map_err(|_not_hex| ReleaseError::NoGate { guard: guard.to_owned() })?;
        let mut endpoints = Vec::new();
        for (index, url) in urls.iter().enumerate() {
            let number = index.saturating_add(1);
            let shown = portcullis_rpc::redacted(url);
            let made = OperatorId::new(&format!("endpoint-{number}"))
                .map_err(|error| portcullis_rpc::RpcError::Setup(Box::new(error)))
                .and_then(|name| {
                    Client::new(name, url.clone(), Lane::Read, &LaneSettings::of(Lane::Contain))
                });
            let client = made.map_err(|source| ReleaseError::Endpoint {
                endpoint: number,
                url: shown.clone(),
                what: "a client",
                source,
            })?;
            endpoints.push((shown, client));
        }
        Ok(Self { endpoints, guard, scope })
    }

    fn failed(&self, index: usize, what: &'static str, source: portcullis_rpc::RpcError) -> ReleaseError {
        let url = self.endpoints.get(index).map_or_else(String::new, |(url, _)| url.clone());
        ReleaseError::Endpoint { endpoint: index.saturating_add(1), url, what, source }
    }
}

/// Name of a level.
fn level_name(level: u8) -> &'static str {
    match level {
        0 => "open",
        1 => "limited",
        // Whatever a gate may mean by more is at least as tight.
        _ => "closed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_survives_printing_and_nothing_else_is_taken_for_it() {
        let seen = Seen { generation: 3, closed_until: 1_659_411_151 };
        assert_eq!(seen.to_string().parse(), Ok(seen));
        for bad in ["", "3", "3:", ":3", "3:x", "4294967296:1", "1:1:1"] {
            assert!(bad.parse::<Seen>().is_err(), "{bad}");
        }
    }
}
