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
