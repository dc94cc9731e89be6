// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker, IGuard} from "./IGuard.sol";
import {ScopeId} from "./lib/ScopeId.sol";
import {ScopeWord, ScopeWordLib} from "./lib/ScopeWord.sol";
import {Breaker} from "./parts/Breaker.sol";
import {LimitBook} from "./parts/LimitBook.sol";

/// @title Guard: the breaker that a bridge asks before value leaves
/// @notice Immutable code, no proxy. A check costs one read while nothing is in force: each bridge has one word that says
/// whether anything may be, and for which kinds of scope.
contract Guard is LimitBook {
    /// @dev One word per bridge, least significant bits first: consumer 0..160, until 160..200, untilHeight 200..240,
    /// kinds 240..248, flags 248..256. `until` and `untilHeight` bound everything in force in the scopes of this bridge
    /// from above; `kinds` says which kinds of scope that may be. It may claim too much, never too little.
    mapping(bytes32 bridge => uint256) private _bridges;
    mapping(bytes32 scope => bytes32) private _bridgeOf;
    mapping(bytes32 bridge => uint256) private _heldScopes;
    /// @dev Bridges registered during set-up; they go live when it ends.
    bytes32[] private _waiting;

    /// @dev Bounds what `seal` has to do.
    uint256 private constant MAX_WAITING = 32;

    uint256 private constant UNTIL = 160;
    uint256 private constant UNTIL_HEIGHT = 200;
    uint256 private constant KINDS = 240;
    uint256 private constant LIVE = 1 << 248;
    /// @dev (ANY, ANY) outflow is registered: every corridor and asset is covered.
    uint256 private constant COVERED = 1 << 249;
    uint256 private constant LIMITED = 1 << 250;
    uint256 private constant HELD = 1 << 251;
    uint256 private constant MASK_40 = (1 << 40) - 1;

    /// @dev A scope's kind: bit 0 any asset, bit 1 any corridor, bit 2 any direction. Inflow is never asked about.
    uint8 private constant KIND_ANY_ASSET = 1;
    uint8 private constant KIND_ANY_CORRIDOR = 2;
    uint8 private constant KIND_ANY_DIRECTION = 4;
    uint8 private constant KIND_INFLOW = 8;

    constructor(Config memory config) Breaker(config) {}

    /// @inheritdoc IGuard
    function check(bytes32 bridge, bytes32 corridor, bytes32 asset, uint256 amount) external {
        uint256 word = _bridges[bridge];
        // SECURITY: only the bridge itself, or else anyone could use up its limits; and nothing before set-up is sealed.
        // The consumer is the lowest 160 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (address(uint160(word)) != msg.sender || word & LIVE == 0) revert ForeignCaller(bridge, msg.sender);
        uint8 level = _inForce(word) ? _strictest(word, bridge, corridor, asset) : ScopeWordLib.OPEN;
        if (word & COVERED == 0) _requireCovered(bridge, corridor, asset);
        if (word & LIMITED != 0) _consume(bridge, corridor, asset, amount, level);
    }

    /// @inheritdoc IGuard
    function levelFor(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset)
        external
        view
        returns (uint8 level)
    {
        if (direction > ScopeId.DIRECTION_OUT) revert InvalidDirection(direction);
        if (_bridges[bridge] & LIVE == 0) return ScopeWordLib.CLOSED;
        bool covered;
        for (uint8 kind; kind < KIND_INFLOW; ++kind) {
            uint8 asked = kind & KIND_ANY_DIRECTION != 0 ? ScopeId.DIRECTION_ANY : direction;
            ScopeWord word = _scopes[_scopeOfKind(kind, bridge, asked, corridor, asset)];
            if (!word.registered()) continue;
            covered = true;
            uint8 own = word.level();
            if (own > level) level = own;
        }
        if (!covered) return ScopeWordLib.CLOSED;
    }

    /// @inheritdoc IGuard
    function registerBridge(bytes32 bridge, address consumer) external onlyOwnerDelayed {
        if (consumer == address(0)) revert ZeroAccount();
        if (_bridges[bridge] != 0) revert BridgeAlreadyRegistered(bridge);
        _bridges[bridge] = uint256(uint160(consumer));
        emit BridgeRegistered(bridge, consumer);
        if (isSealed) {
            _bridges[bridge] |= LIVE;
        } else {
            if (_waiting.length == MAX_WAITING) revert InvalidConfig();
            _waiting.push(bridge);
        }
    }

    /// @inheritdoc IBreaker
    function registerScope(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset)
        external
        onlyOwnerDelayed
        returns (bytes32 scope)
    {
        if (_bridges[bridge] == 0) revert BridgeUnregistered(bridge);
        uint8 kind = direction == ScopeId.DIRECTION_IN ? KIND_INFLOW : 0;
        if (direction == ScopeId.DIRECTION_ANY) kind = KIND_ANY_DIRECTION;
        if (corridor == ScopeId.ANY) kind |= KIND_ANY_CORRIDOR;
        if (asset == ScopeId.ANY) kind |= KIND_ANY_ASSET;
        scope = _register(bridge, direction, corridor, asset, kind);
        _bridgeOf[scope] = bridge;
        if (kind & KIND_INFLOW == 0 && corridor == ScopeId.ANY && asset == ScopeId.ANY) _bridges[bridge] |= COVERED;
    }

    function _limitedCosts() internal pure override returns (bool) {
        return false;
    }

    function _onSeal() internal override {
        for (uint256 i; i < _waiting.length; ++i) {
            _bridges[_waiting[i]] |= LIVE;
        }
    }

    function _onLimits(bytes32 bridge) internal override {
        _bridges[bridge] |= LIMITED;
    }

    function _afterTrip(bytes32 scope, ScopeWord word, bool written) internal override {
        if (written) _widen(_bridgeOf[scope], word);
    }

    function _afterHold(bytes32 scope, ScopeWord old, ScopeWord word) internal override {
        bytes32 bridge = _bridgeOf[scope];
        _widen(bridge, word);
        if (old.hold() != 0) return;
        ++_heldScopes[bridge];
        _bridges[bridge] |= HELD;
    }

    function _afterRelease(bytes32 scope, ScopeWord old, ScopeWord word) internal override {
        bytes32 bridge = _bridgeOf[scope];
        if (word.limitedUntil() == 0) _clearLowered(scope);
        _widen(bridge, word);
        if (old.hold() != 0 && --_heldScopes[bridge] == 0) _bridges[bridge] &= ~HELD;
    }

    /// @dev SECURITY: the bridge's word must bound whatever is in force in any of its scopes. It forgets other kinds only
    /// when nothing at all is in force any more.
    function _widen(bytes32 bridge, ScopeWord scopeWord) private {
        uint8 kind = scopeWord.kind();
        if (kind & KIND_INFLOW != 0) return;
        uint256 word = _bridges[bridge];
        uint256 until = _max(scopeWord.closedUntil(), scopeWord.limitedUntil());
        uint256 untilHeight = _max(scopeWord.closedUntilHeight(), scopeWord.limitedUntilHeight());
        uint256 kinds = 1 << kind;
        if (_inForce(word)) {
            until = _max(until, (word >> UNTIL) & MASK_40);
            untilHeight = _max(untilHeight, (word >> UNTIL_HEIGHT) & MASK_40);
            kinds |= (word >> KINDS) & 0xff;
        }
        word &= ~((MASK_40 << UNTIL) | (MASK_40 << UNTIL_HEIGHT) | (0xff << KINDS));
        _bridges[bridge] = word | (until << UNTIL) | (untilHeight << UNTIL_HEIGHT) | (kinds << KINDS);
    }

    function _inForce(uint256 word) private view returns (bool) {
        return block.timestamp < (word >> UNTIL) & MASK_40 || block.number < (word >> UNTIL_HEIGHT) & MASK_40
            || word & HELD != 0;
    }

    /// @dev The strictest level of the scopes that may be in force and cover the outflow; closed reverts.
    function _strictest(uint256 word, bytes32 bridge, bytes32 corridor, bytes32 asset)
        private
        view
        returns (uint8 level)
    {
        uint256 kinds = (word >> KINDS) & 0xff;
        for (uint8 kind; kinds != 0; kinds >>= 1) {
            if (kinds & 1 != 0) {
                bytes32 scope = _scopeOfKind(kind, bridge, _asked(kind), corridor, asset);
                ScopeWord state = _scopes[scope];
                if (state.registered()) {
                    uint8 own = state.level();
                    if (own == ScopeWordLib.CLOSED) revert ScopeClosed(scope);
                    if (own > level) level = own;
                }
            }
            unchecked {
                // There are eight kinds.
                ++kind;
            }
        }
    }

    /// @dev Without an explicit wildcard over everything, one scope that covers the outflow must be registered.
    function _requireCovered(bytes32 bridge, bytes32 corridor, bytes32 asset) private view {
        for (uint8 kind; kind < KIND_INFLOW; ++kind) {
            if (_scopes[_scopeOfKind(kind, bridge, _asked(kind), corridor, asset)].registered()) return;
        }
        revert ScopeUnregistered(scopeOf(bridge, ScopeId.DIRECTION_OUT, corridor, asset));
    }

    function _asked(uint8 kind) private pure returns (uint8) {
        return kind & KIND_ANY_DIRECTION != 0 ? ScopeId.DIRECTION_ANY : ScopeId.DIRECTION_OUT;
    }

    function _scopeOfKind(uint8 kind, bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset)
        private
        view
        returns (bytes32)
    {
        return scopeOf(
            bridge,
            direction,
            kind & KIND_ANY_CORRIDOR != 0 ? ScopeId.ANY : corridor,
            kind & KIND_ANY_ASSET != 0 ? ScopeId.ANY : asset
        );
    }
}
