// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guarded} from "../src/Guarded.sol";
import {IGuard} from "../src/IGuard.sol";
import {DemoToken} from "./DemoToken.sol";
import {IDemoBridge} from "./IDemoBridge.sol";

/// @title Both sides of a bridge that has Nomad's flaw
/// @notice FOR DEMONSTRATION AND TESTS ONLY: it can be robbed, that is its purpose. Messages map to the root under which
/// they were proven, and a message may be processed when that root is acceptable. A message that nobody proved maps to
/// zero. `upgrade` re-initialises with a committed root of zero, and zero becomes acceptable.
contract DemoBridge is IDemoBridge, Guarded {
    enum TokenKind {
        Unknown,
        Home,
        Represented
    }

    address public immutable owner;
    address public immutable updater;

    /// @inheritdoc IDemoBridge
    bytes32 public committedRoot;
    /// @inheritdoc IDemoBridge
    mapping(bytes32 leaf => bytes32 root) public messages;
    /// @inheritdoc IDemoBridge
    mapping(bytes32 leaf => bool) public processed;
    mapping(bytes32 root => bool) private _confirmed;
    mapping(address token => TokenKind) private _kinds;

    modifier onlyOwner() {
        _requireOwner();
        _;
    }

    constructor(IGuard guard_, bytes32 bridgeId_, address updater_) Guarded(guard_, bridgeId_) {
        owner = msg.sender;
        updater = updater_;
        _initialize(keccak256("portcullis.demo.root"));
    }

    /// @inheritdoc IDemoBridge
    function registerToken(address token, bool isHome_) external onlyOwner {
        _kinds[token] = isHome_ ? TokenKind.Home : TokenKind.Represented;
        emit TokenRegistered(token, isHome_);
    }

    /// @inheritdoc IDemoBridge
    function upgrade() external onlyOwner {
        _initialize(bytes32(0));
        emit Upgraded(bytes32(0));
    }

    /// @inheritdoc IDemoBridge
    function prove(bytes32 leaf) external {
        _prove(leaf);
    }

    /// @inheritdoc IDemoBridge
    function proveMany(bytes32[] calldata leaves) external {
        for (uint256 i; i < leaves.length; ++i) {
            _prove(leaves[i]);
        }
    }

    /// @inheritdoc IDemoBridge
    function send(uint32 destination, address token, uint256 amount, address recipient, uint256 messageId) external {
        _send(Send(destination, token, amount, recipient, messageId));
    }

    /// @inheritdoc IDemoBridge
    function sendMany(Send[] calldata sends) external {
        for (uint256 i; i < sends.length; ++i) {
            _send(sends[i]);
        }
    }

    /// @inheritdoc IDemoBridge
    function process(uint32 origin, uint256 messageId, address token, uint256 amount, address recipient, uint256 nonce)
        external
    {
        _process(Message(origin, messageId, token, amount, recipient, nonce));
    }

    /// @inheritdoc IDemoBridge
    function processMany(Message[] calldata many) external {
        for (uint256 i; i < many.length; ++i) {
            _process(many[i]);
        }
    }

    /// @inheritdoc IDemoBridge
    function leafOf(uint32 origin, uint256 messageId, address token, uint256 amount, address recipient, uint256 nonce)
        external
        pure
        returns (bytes32)
    {
        return _leafOf(Message(origin, messageId, token, amount, recipient, nonce));
    }

    /// @inheritdoc IDemoBridge
    function isHome(address token) external view returns (bool) {
        return _kinds[token] == TokenKind.Home;
    }

    /// @inheritdoc IDemoBridge
    function acceptableRoot(bytes32 root) public view returns (bool) {
        return _confirmed[root];
    }

    function _initialize(bytes32 root) private {
        committedRoot = root;
        // The mistake: for a root of zero this makes every message acceptable that was never proven.
        _confirmed[root] = true;
    }

    function _prove(bytes32 leaf) private {
        if (msg.sender != updater) revert NotUpdater(msg.sender);
        messages[leaf] = committedRoot;
    }

    function _send(Send memory s) private {
        TokenKind kind = _kinds[s.token];
        if (kind == TokenKind.Home) {
            _must(s.token, DemoToken(s.token).transferFrom(msg.sender, address(this), s.amount));
            emit Deposited(s.destination, s.messageId, s.token, msg.sender, s.recipient, s.amount);
        } else if (kind == TokenKind.Represented) {
            DemoToken(s.token).burn(msg.sender, s.amount);
            emit Burned(s.destination, s.messageId, s.token, msg.sender, s.recipient, s.amount);
        } else {
            revert TokenUnknown(s.token);
        }
    }

    function _process(Message memory m) private {
        bytes32 leaf = _leafOf(m);
        if (processed[leaf]) revert AlreadyProcessed(leaf);
        if (!acceptableRoot(messages[leaf])) revert NotProven(leaf);
        processed[leaf] = true;
        _checkOutflow(bytes32(uint256(m.origin)), bytes32(uint256(uint160(m.token))), m.amount);
        TokenKind kind = _kinds[m.token];
        if (kind == TokenKind.Home) {
            _must(m.token, DemoToken(m.token).transfer(m.recipient, m.amount));
            emit Released(m.origin, m.messageId, m.token, m.recipient, m.amount);
        } else if (kind == TokenKind.Represented) {
            DemoToken(m.token).mint(m.recipient, m.amount);
            emit Minted(m.origin, m.messageId, m.token, m.recipient, m.amount);
        } else {
            revert TokenUnknown(m.token);
        }
    }

    function _leafOf(Message memory m) private pure returns (bytes32) {
        return keccak256(abi.encode(m.origin, m.messageId, m.token, m.amount, m.recipient, m.nonce));
    }

    function _must(address token, bool done) private pure {
        if (!done) revert TransferFailed(token);
    }

    function _requireOwner() private view {
        if (msg.sender != owner) revert NotOwner(msg.sender);
    }
}
