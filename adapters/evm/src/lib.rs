//! The EVM family: observes by push and range, proves by Merkle paths, contains by guard and gate.
