// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Both sides of a demonstration bridge
/// @notice It carries the flaw of the Nomad bridge of August 2022: after `upgrade`, messages that nobody ever proved are
/// accepted. Its guard and its id there: `Guarded`. FOR DEMONSTRATION AND TESTS ONLY.
interface IDemoBridge {
    /// @notice Tokens at home here were locked in escrow.
    event Deposited(
        uint32 indexed destination,
        uint256 indexed messageId,
        address indexed token,
        address sender,
        address recipient,
        uint256 amount
    );
    /// @notice Represented tokens were burned.
    event Burned(
        uint32 indexed destination,
        uint256 indexed messageId,
        address indexed token,
        address sender,
        address recipient,
        uint256 amount
    );
    /// @notice Tokens at home here left the escrow.
    event Released(
        uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount
    );
    /// @notice Represented tokens were minted.
    event Minted(
        uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount
    );
    event Upgraded(bytes32 committedRoot);
    event TokenRegistered(address indexed token, bool isHome);

    error NotOwner(address caller);
    error NotUpdater(address caller);
    error TokenUnknown(address token);
    error AlreadyProcessed(bytes32 leaf);
    error NotProven(bytes32 leaf);
    error TransferFailed(address token);

    struct Send {
        uint32 destination;
        address token;
        uint256 amount;
        address recipient;
        uint256 messageId;
    }

    struct Message {
        uint32 origin;
        uint256 messageId;
        address token;
        uint256 amount;
        address recipient;
        uint256 nonce;
    }

    /// @notice Owner. `isHome`: the token lives here and is locked; else it is minted and burned.
    function registerToken(address token, bool isHome) external;
    /// @param messageId Chosen by the caller, so that recorded histories can be replayed.
    function send(uint32 destination, address token, uint256 amount, address recipient, uint256 messageId) external;
    function sendMany(Send[] calldata sends) external;
    /// @notice keccak256(abi.encode(origin, messageId, token, amount, recipient, nonce)).
    function leafOf(uint32 origin, uint256 messageId, address token, uint256 amount, address recipient, uint256 nonce)
        external
        pure
        returns (bytes32);
    /// @notice Updater. Maps the leaf to the committed root.
    function prove(bytes32 leaf) external;
    function proveMany(bytes32[] calldata leaves) external;
    /// @param nonce Chosen by the caller: copies of one message are distinct leaves, as they were in reality.
    function process(uint32 origin, uint256 messageId, address token, uint256 amount, address recipient, uint256 nonce)
        external;
    function processMany(Message[] calldata messages) external;
    /// @notice Owner. Re-initialises with a committed root of zero: the mistake.
    function upgrade() external;
    function acceptableRoot(bytes32 root) external view returns (bool);
    function messages(bytes32 leaf) external view returns (bytes32 root);
    function processed(bytes32 leaf) external view returns (bool);
    function committedRoot() external view returns (bytes32);
    function isHome(address token) external view returns (bool);
}
