//! The calls and events that the play uses.

#![expect(clippy::too_many_arguments, reason = "the macro makes a constructor from each event's fields")]

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol;
use alloy::sol_types::SolValue;

sol! {
    /// Level and clocks of one scope.
    #[derive(Debug)]
    struct ScopeState {
        bool registered;
        uint8 hold;
        uint64 closedUntil;
        uint64 closedUntilHeight;
        uint64 limitedUntil;
        uint64 limitedUntilHeight;
        uint32 generation;
    }

    /// How a guard is made.
    #[derive(Debug)]
    struct GuardConfig {
        address owner;
        address releaser;
        address guardian;
        uint32 maxSeconds;
        uint32 maxBlocks;
        uint32 limitedTailSeconds;
        uint32 limitedTailBlocks;
        uint16 budgetWindowHours;
    }

    /// The breaker.
    interface Guard {
        event Tripped(bytes32 indexed scope, bytes32 indexed incident, uint8 level, uint64 until, uint64 untilHeight,
            bytes32 record, uint32 generation, bytes32 actionId, address tripper);
        event TripIgnored(bytes32 indexed scope, bytes32 indexed incident, bytes32 actionId, uint8 reason);
        function registerBridge(bytes32 bridge, address consumer) external;
        function registerScope(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) external returns (bytes32);
        function grantTripper(address account, uint32 budgetSeconds) external;
        function seal() external;
        function stateOf(bytes32 scope) external view returns (ScopeState memory);
        function levelOf(bytes32 scope) external view returns (uint8);
        function release(bytes32 scope, uint8 to, uint32 generation, uint64 closedUntil) external;
    }

    /// The part of a guard that a service calls.
    interface Breaker {
        /// What is asked of it.
        #[derive(Debug)]
        struct TripRequest {
            bytes32 scope;
            uint8 level;
            uint64 until;
            uint64 untilHeight;
            bytes32 incident;
            bytes32 record;
            uint32 generation;
        }
        function trip(TripRequest calldata r) external returns (bool changed);
        function isSealed() external view returns (bool);
        function tripperOf(address account) external view returns (bool active, uint32 budgetSeconds, uint32 leftSeconds);
    }

    /// One message on its way out.
    #[derive(Debug)]
    struct Send {
        uint32 destination;
        address token;
        uint256 amount;
        address recipient;
        uint256 messageId;
    }

    /// One message to consume.
    #[derive(Debug)]
    struct Message {
        uint32 origin;
        uint256 messageId;
        address token;
        uint256 amount;
        address recipient;
        uint256 nonce;
    }

    /// The bridge with the flaw.
    interface Bridge {
        event Deposited(uint32 indexed destination, uint256 indexed messageId, address indexed token, address sender, address recipient, uint256 amount);
        event Burned(uint32 indexed destination, uint256 indexed messageId, address indexed token, address sender, address recipient, uint256 amount);
        event Released(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount);
        event Minted(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount);
        function registerToken(address token, bool isHome) external;
        function send(uint32 destination, address token, uint256 amount, address recipient, uint256 messageId) external;
        function sendMany(Send[] calldata sends) external;
        function process(uint32 origin, uint256 messageId, address token, uint256 amount, address recipient, uint256 nonce) external;
        function processMany(Message[] calldata messages) external;
        function proveMany(bytes32[] calldata leaves) external;
        function upgrade() external;
    }

    /// A token of the bridge.
    interface Token {
        function setMinter(address account) external;
        function mint(address to, uint256 value) external;
        function approve(address spender, uint256 value) external returns (bool);
        function transfer(address to, uint256 value) external returns (bool);
        function balanceOf(address account) external view returns (uint256);
    }
}

/// Direction of a scope: what leaves.
pub const DIRECTION_OUT: u8 = 2;

/// The bridge's name in its guards.
#[must_use]
pub fn bridge_id() -> B256 {
    keccak256(b"nomad-demo")
}

/// The name under which the guards know the scope that nobody asks.
#[must_use]
pub fn canary_id() -> B256 {
    keccak256(b"canary")
}

/// The leaf of a message, as the bridge counts it.
#[must_use]
pub fn leaf(message: &Message) -> B256 {
    keccak256(message.abi_encode())
}

/// A scope as the guard of a chain of this family counts it.
#[must_use]
pub fn scope(chain_id: u64, bridge: B256, direction: u8, corridor: B256, asset: B256) -> B256 {
    scope_on(&format!("eip155:{chain_id}"), bridge, direction, corridor, asset)
}

/// A scope as every guard counts it: `portcullis.scope.v1` over the chain's CAIP-2 name and the four parts.
#[must_use]
pub fn scope_on(caip2: &str, bridge: B256, direction: u8, corridor: B256, asset: B256) -> B256 {
    let chain = keccak256(caip2.as_bytes());
    keccak256(
        (keccak256(b"portcullis.scope.v1"), chain, bridge, U256::from(direction), corridor, asset)
            .abi_encode(),
    )
}

/// An address left padded to 32 bytes.
#[must_use]
pub fn word(address: Address) -> B256 {
    address.into_word()
}
