//! Recorded data sets and a deterministic simulated chain, served to the same traits.
