//! How a gate names what it closes: the same hash on every machine.

use portcullis_verifier::{B256, ChainId, keccak256};

/// What of a bridge's traffic a scope covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    Any,
    /// Only what leaves.
    Out,
}

/// The scope of all corridors and all assets of a bridge on a chain.
///
/// keccak256 of six words: the domain tag, the chain's CAIP-2 name hashed, the bridge's key, the direction, and
/// zero twice for the wildcards of corridor and asset.
#[must_use]
pub fn whole_bridge(chain: ChainId, bridge_key: B256, direction: Direction) -> B256 {
    let direction = B256::with_last_byte(match direction {
        Direction::Any => 0,
        Direction::Out => 2,
    });
    let words = [
        keccak256("portcullis.scope.v1"),
        keccak256(chain.as_str()),
        bridge_key,
        direction,
        B256::ZERO,
        B256::ZERO,
    ];
    keccak256(words.map(|word| word.0).concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_differ_by_chain_bridge_and_direction() {
        let (one, ten) = (ChainId::new("eip155:1").unwrap(), ChainId::new("eip155:10").unwrap());
        let key = keccak256("demo");
        let base = whole_bridge(one, key, Direction::Out);
        assert_ne!(base, whole_bridge(ten, key, Direction::Out));
        assert_ne!(base, whole_bridge(one, keccak256("other"), Direction::Out));
        assert_ne!(base, whole_bridge(one, key, Direction::Any));
        assert_eq!(base, whole_bridge(one, key, Direction::Out));
    }
}
