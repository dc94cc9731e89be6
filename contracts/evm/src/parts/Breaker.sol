// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker} from "../IGuard.sol";
import {Cast} from "../lib/Cast.sol";
import {ScopeId} from "../lib/ScopeId.sol";
import {ScopeWord, ScopeWordLib} from "../lib/ScopeWord.sol";
import {Budget} from "./Budget.sol";
import {Roles} from "./Roles.sol";
import {ScopeStore} from "./ScopeStore.sol";

/// @title Trip, hold, release
/// @notice A trip only extends; it expires by itself, closed into limited into open. Holds are placed by people and stay.
/// Only the releaser shortens.
abstract contract Breaker is Budget {
    uint8 private constant IGNORED_GENERATION = 1;
    uint8 private constant IGNORED_NOTHING = 2;
    uint8 private constant IGNORED_USED = 4;

    /// @dev The greatest s of a signature that is not the mirror image of another (half the order of secp256k1).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @dev Actions that took effect by a signature: the signature must not extend again later.
    mapping(bytes32 actionId => bool) private _used;

    constructor(Config memory config) ScopeStore(config) Roles(config) {}

    /// @inheritdoc IBreaker
    function trip(TripRequest calldata r) external returns (bool changed) {
        _requireTripper(msg.sender);
        return _trip(r, msg.sender, actionId(r));
    }

    /// @inheritdoc IBreaker
    function tripSigned(TripRequest calldata r, uint64 deadline, bytes calldata signature)
        external
        returns (bool changed)
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 id = actionId(r);
        address signer = _recover(_digest(id, deadline, r.record), signature);
        _requireTripper(signer);
        if (_used[id]) {
            emit TripIgnored(r.scope, r.incident, id, IGNORED_USED);
            _afterTrip(r.scope, _scopes[r.scope], false);
            return false;
        }
        changed = _trip(r, signer, id);
        if (changed) _used[id] = true;
    }

    /// @inheritdoc IBreaker
    function actionId(TripRequest calldata r) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                ScopeId.ACTION_DOMAIN,
                caip2Hash,
                address(this),
                r.scope,
                r.level,
                r.until,
                r.untilHeight,
                r.incident,
                r.generation
            )
        );
    }

    /// @inheritdoc IBreaker
    function tripDigest(TripRequest calldata r, uint64 deadline) external view returns (bytes32) {
        return _digest(actionId(r), deadline, r.record);
    }

    /// @inheritdoc IBreaker
    function hold(bytes32 scope, uint8 level) external {
        _requireGuardianOrReleaser();
        if (level != ScopeWordLib.LIMITED && level != ScopeWordLib.CLOSED) revert InvalidLevel(level);
        ScopeWord old = _known(scope);
        if (level <= old.hold()) return;
        ScopeWord word = old.withHold(level);
        _scopes[scope] = word;
        emit Held(scope, level, msg.sender);
        _afterHold(scope, old, word);
    }

    /// @inheritdoc IBreaker
    function release(bytes32 scope, uint8 to, uint32 generation, uint64 closedUntil) external {
        _requireReleaser();
        if (to > ScopeWordLib.LIMITED) revert InvalidLevel(to);
        ScopeWord old = _known(scope);
        // SECURITY: the releaser ends what it saw. A trip that landed in between shows as another `closedUntil`.
        if (old.generation() != generation || old.closedUntil() != closedUntil) {
            revert StaleRelease(old.generation(), Cast.u64(old.closedUntil()));
        }
        ScopeWord word = old.withClosed(0, 0).withHold(0).withGeneration(uint256(generation) + 1);
        word = to == ScopeWordLib.OPEN
            ? word.withLimited(0, 0)
            : word.withLimited(block.timestamp + limitedTailSeconds, block.number + limitedTailBlocks);
        _scopes[scope] = word;
        emit Released(scope, word.generation(), msg.sender);
        _afterRelease(scope, old, word);
    }

    /// @inheritdoc IBreaker
    function levelOf(bytes32 scope) public view returns (uint8) {
        return isSealed ? _scopes[scope].level() : ScopeWordLib.CLOSED;
    }

    /// @dev After a trip; `written` is false when it was ignored as a repetition.
    function _afterTrip(bytes32 scope, ScopeWord word, bool written) internal virtual;

    function _afterHold(bytes32 scope, ScopeWord old, ScopeWord word) internal virtual;

    function _afterRelease(bytes32 scope, ScopeWord old, ScopeWord word) internal virtual;

    /// @dev Whether limiting is charged to the tripper's budget, as closing always is. It must be where the limited level
    /// can close something; where it only applies limits that the owner chose, it need not.
    function _limitedCosts() internal pure virtual returns (bool);

    function _trip(TripRequest calldata r, address tripper, bytes32 id) private returns (bool) {
        ScopeWord old = _known(r.scope);
        if (r.generation != old.generation()) {
            emit TripIgnored(r.scope, r.incident, id, IGNORED_GENERATION);
            return false;
        }
        (ScopeWord word, uint8 reason) = _raise(r, tripper, old);
        if (reason != 0) {
            emit TripIgnored(r.scope, r.incident, id, reason);
            _afterTrip(r.scope, old, false);
            return false;
        }
        _scopes[r.scope] = word;
        _emitTripped(r, tripper, id, word);
        _afterTrip(r.scope, word, true);
        return true;
    }

    function _raise(TripRequest calldata r, address tripper, ScopeWord old) private returns (ScopeWord, uint8) {
        Span memory asked = _capped(r.until, r.untilHeight);
        if (r.level == ScopeWordLib.CLOSED) return _close(r.scope, tripper, old, asked);
        if (r.level == ScopeWordLib.LIMITED) return _limit(r.scope, tripper, old, asked);
        revert InvalidLevel(r.level);
    }

    function _close(bytes32 scope, address tripper, ScopeWord old, Span memory asked)
        private
        returns (ScopeWord word, uint8 reason)
    {
        Span memory next;
        (next, reason) = _extend(scope, tripper, Span(old.closedUntil(), old.closedUntilHeight()), asked);
        if (reason != 0) return (old, reason);
        // Closed runs out into limited. A bound that was not set leaves no tail behind.
        uint256 tail = next.until == 0 ? 0 : next.until + limitedTailSeconds;
        uint256 tailHeight = next.untilHeight == 0 ? 0 : next.untilHeight + limitedTailBlocks;
        word = old.withClosed(next.until, next.untilHeight)
            .withLimited(_max(old.limitedUntil(), tail), _max(old.limitedUntilHeight(), tailHeight));
    }

    function _limit(bytes32 scope, address tripper, ScopeWord old, Span memory asked)
        private
        returns (ScopeWord, uint8 reason)
    {
        Span memory next = Span(old.limitedUntil(), old.limitedUntilHeight());
        if (_limitedCosts()) {
            (next, reason) = _extend(scope, tripper, next, asked);
            return reason == 0 ? (old.withLimited(next.until, next.untilHeight), 0) : (old, reason);
        }
        bool later = asked.until > _max(next.until, block.timestamp);
        bool higher = asked.untilHeight > _max(next.untilHeight, block.number);
        if (!later && !higher) return (old, IGNORED_NOTHING);
        if (later) next.until = asked.until;
        if (higher) next.untilHeight = asked.untilHeight;
        return (old.withLimited(next.until, next.untilHeight), 0);
    }

    function _emitTripped(TripRequest calldata r, address tripper, bytes32 id, ScopeWord word) private {
        bool closed = r.level == ScopeWordLib.CLOSED;
        emit Tripped(
            r.scope,
            r.incident,
            r.level,
            Cast.u64(closed ? word.closedUntil() : word.limitedUntil()),
            Cast.u64(closed ? word.closedUntilHeight() : word.limitedUntilHeight()),
            r.record,
            r.generation,
            id,
            tripper
        );
    }

    function _digest(bytes32 id, uint64 deadline, bytes32 record) private pure returns (bytes32) {
        bytes32 message = keccak256(abi.encode(id, deadline, record));
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", message));
    }

    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        if (signature.length != 65) revert InvalidSignature();
        bytes32 s = bytes32(signature[32:64]);
        // SECURITY: of the two signatures that a key can make for one message only the lower one counts.
        if (uint256(s) > HALF_ORDER) revert InvalidSignature();
        signer = ecrecover(digest, uint8(signature[64]), bytes32(signature[0:32]), s);
        if (signer == address(0)) revert InvalidSignature();
    }
}
