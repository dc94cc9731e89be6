//! What this program calls and reads of a gate.

use alloy::sol;

sol! {
    #![sol(all_derives = true)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    interface IGate {
        struct ScopeState {
            bool registered;
            uint8 hold;
            uint64 closedUntil;
            uint64 closedUntilHeight;
            uint64 limitedUntil;
            uint64 limitedUntilHeight;
            uint32 generation;
        }
        event Tripped(
            bytes32 indexed scope,
            bytes32 indexed incident,
            uint8 level,
            uint64 until,
            uint64 untilHeight,
            bytes32 record,
            uint32 generation,
            bytes32 actionId,
            address tripper
        );
        event Held(bytes32 indexed scope, uint8 level, address guardian);
        error StaleRelease(uint32 generation, uint64 closedUntil);
        error ScopeUnregistered(bytes32 scope);
        error InvalidLevel(uint8 level);
        error NotReleaser(address caller);
        function release(bytes32 scope, uint8 to, uint32 generation, uint64 closedUntil) external;
        function stateOf(bytes32 scope) external view returns (ScopeState memory);
        function owner() external view returns (address);
        function releaser() external view returns (address);
        function guardian() external view returns (address);
        function tripperOf(address account)
            external view returns (bool active, uint32 budgetSeconds, uint32 leftSeconds);
        function isSealed() external view returns (bool);
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        json_abi::JsonAbi,
        primitives::{B256, keccak256},
        sol_types::{SolEvent, SolInterface},
    };

    use super::IGate::{self, IGateCalls, IGateErrors};

    fn built(name: &str) -> JsonAbi {
        let path = format!("{}/../../contracts/artifacts/evm/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the built contract");
        let artifact: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        serde_json::from_value(artifact["abi"].clone()).expect("an interface")
    }

    /// SECURITY: a selector that no contract has would be found out on the day on which the way back is needed.
    #[test]
    fn what_is_called_and_read_is_what_the_built_contracts_have() {
        for name in ["Guard", "Gate"] {
            let abi = built(name);
            let functions: Vec<[u8; 4]> = abi.functions().map(|function| function.selector().0).collect();
            for selector in IGateCalls::selectors() {
                assert!(functions.contains(&selector), "{name} has no function {selector:02x?}");
            }
            let errors: Vec<[u8; 4]> = abi.errors().map(|error| error.selector().0).collect();
            for selector in IGateErrors::selectors() {
                assert!(errors.contains(&selector), "{name} has no error {selector:02x?}");
            }
            let events: Vec<B256> = abi.events().map(|event| event.selector()).collect();
            for topic in [IGate::Tripped::SIGNATURE_HASH, IGate::Held::SIGNATURE_HASH] {
                assert!(events.contains(&topic), "{name} has no event {topic}");
            }
        }
    }

    #[test]
    fn what_is_indexed_and_returned_is_declared_alike() {
        for name in ["Guard", "Gate"] {
            let abi = built(name);
            let tripped = abi.events().find(|event| event.name == "Tripped").expect("an event");
            let indexed: Vec<bool> = tripped.inputs.iter().map(|input| input.indexed).collect();
            assert_eq!(indexed, [true, true, false, false, false, false, false, false, false], "{name}");
            let state = abi.functions().find(|function| function.name == "stateOf").expect("a function");
            let fields: Vec<(&str, &str)> =
                state.outputs[0].components.iter().map(|c| (c.ty.as_str(), c.name.as_str())).collect();
            let ours = [
                ("bool", "registered"),
                ("uint8", "hold"),
                ("uint64", "closedUntil"),
                ("uint64", "closedUntilHeight"),
                ("uint64", "limitedUntil"),
                ("uint64", "limitedUntilHeight"),
                ("uint32", "generation"),
            ];
            assert_eq!(fields, ours, "{name}");
            let signature = "release(bytes32,uint8,uint32,uint64)";
            let release = abi.functions().find(|function| function.name == "release").expect("a function");
            assert_eq!(release.selector().0, keccak256(signature)[..4], "{name}");
        }
    }
}
