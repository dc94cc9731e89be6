//! Execution proofs of the EVM family.
