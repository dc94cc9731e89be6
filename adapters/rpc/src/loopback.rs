//! This machine: ports for development nodes and whatever else is started beside them, and how they are asked.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use crate::stack::{Lane, LaneSettings};

/// How long a node of one's own may take for an answer: it shares its machine with everything that is tested.
const PATIENCE: Duration = Duration::from_secs(30);

/// Settings for asking a node of one's own: its answer is wanted, however crowded the machine is.
#[must_use]
pub fn settings() -> LaneSettings {
    LaneSettings { timeout: PATIENCE, ..LaneSettings::of(Lane::Contain) }
}

/// The lowest port that is tried.
const LOWEST: u16 = 10_000;
/// How many ports are looked among. All lie below those that the system gives to outgoing connections (32768 and up).
const COUNT: u64 = 22_000;
/// How many are tried before none is found.
const TRIES: usize = 256;

/// A port on 127.0.0.1 that was free a moment ago.
///
/// It is none of those that the system gives to outgoing connections: of thousands of requests beside us, one would
/// else take it before its node does.
///
/// # Errors
/// When none of many tried is free.
pub fn free_port() -> io::Result<u16> {
    // Each state is seeded anew, so that processes that start together try different ports.
    let mut tried = (0..TRIES).filter_map(|_| {
        let offset = RandomState::new().hash_one(()).checked_rem(COUNT)?;
        LOWEST.checked_add(u16::try_from(offset).ok()?)
    });
    tried
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no free port found on 127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_none_of_outgoing_connections_and_can_be_bound() {
        for _ in 0..32 {
            let port = free_port().unwrap();
            assert!((10_000..32_768).contains(&port), "{port}");
            let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
