//! The roles that a chain family plays: observe, prove, contain; and the conformance suite that each must pass.
