//! The engine: ledger, detectors, incident, policy, plan. Pure: same inputs, same bytes.
