//! The tower stack under every family: bounded bodies, timeouts, retries, hedges, quorums and lanes.
