// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker} from "../IGuard.sol";
import {ScopeId} from "../lib/ScopeId.sol";
import {ScopeWord, ScopeWordLib} from "../lib/ScopeWord.sol";

/// @title Scopes, their state, and the constants that bound every closure
abstract contract ScopeStore is IBreaker {
    /// @dev SECURITY: storage slot 0. Proofs read `keccak256(abi.encode(scope, 0))`; nothing may be declared before it.
    mapping(bytes32 scope => ScopeWord) internal _scopes;

    /// @inheritdoc IBreaker
    bytes32 public immutable caip2Hash;
    /// @inheritdoc IBreaker
    uint32 public immutable maxSeconds;
    /// @inheritdoc IBreaker
    uint32 public immutable maxBlocks;
    uint32 public immutable limitedTailSeconds;
    uint32 public immutable limitedTailBlocks;
    uint16 public immutable budgetWindowHours;

    /// @dev Keeps every sum of a time and a bound inside 40 bits, and waits inside what people can live with.
    uint32 private constant MAX_SECONDS_BOUND = 365 days;
    /// @dev 90 days of hours: what a sum over a budget's window may cost.
    uint16 private constant MAX_WINDOW_HOURS = 2160;

    constructor(Config memory config) {
        bool sound = config.maxSeconds != 0 && config.maxSeconds <= MAX_SECONDS_BOUND
            && config.limitedTailSeconds <= MAX_SECONDS_BOUND && config.budgetWindowHours != 0
            && config.budgetWindowHours <= MAX_WINDOW_HOURS;
        if (!sound) revert InvalidConfig();
        caip2Hash = ScopeId.caip2Hash(block.chainid);
        maxSeconds = config.maxSeconds;
        maxBlocks = config.maxBlocks;
        limitedTailSeconds = config.limitedTailSeconds;
        limitedTailBlocks = config.limitedTailBlocks;
        budgetWindowHours = config.budgetWindowHours;
    }

    /// @inheritdoc IBreaker
    function scopeOf(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) public view returns (bytes32) {
        return ScopeId.hash(caip2Hash, bridge, direction, corridor, asset);
    }

    /// @inheritdoc IBreaker
    function stateOf(bytes32 scope) external view returns (ScopeState memory) {
        return _scopes[scope].unpack();
    }

    /// @dev The word of a scope that must exist.
    function _known(bytes32 scope) internal view returns (ScopeWord word) {
        word = _scopes[scope];
        if (!word.registered()) revert ScopeUnregistered(scope);
    }

    function _register(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset, uint8 kind)
        internal
        returns (bytes32 scope)
    {
        if (direction > ScopeId.DIRECTION_OUT) revert InvalidDirection(direction);
        scope = scopeOf(bridge, direction, corridor, asset);
        if (_scopes[scope].registered()) revert ScopeAlreadyRegistered(scope);
        _scopes[scope] = ScopeWordLib.create(kind);
        emit ScopeRegistered(scope, bridge, direction, corridor, asset);
    }
}
