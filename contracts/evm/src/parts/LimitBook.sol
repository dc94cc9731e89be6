// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuard} from "../IGuard.sol";
import {Cast} from "../lib/Cast.sol";
import {ScopeId} from "../lib/ScopeId.sol";
import {ScopeWordLib} from "../lib/ScopeWord.sol";
import {Windows} from "../lib/Windows.sol";
import {Breaker} from "./Breaker.sol";

/// @title Limits per transaction, hour, day and week
/// @notice Limits belong to an outflow scope that names its asset. The scope with any corridor is the whole escrow of the
/// asset; a corridor is nested in it, and both count. The owner raises with delay and tightens at once; a tripper lowers
/// with expiry, from its budget, because a limit of zero is a closure by another name.
abstract contract LimitBook is Breaker, IGuard {
    using Windows for Windows.Window;

    /// @param exists False until limits were set or lowered; then all limits below have a meaning.
    /// @param counted One bit per window that has, or had, a limit: only those are counted.
    struct Book {
        bool exists;
        uint8 counted;
        uint64 loweredUntil;
        uint64 loweredUntilHeight;
        Limits normal;
        Limits limited;
        Limits lowered;
        Windows.Window[3] windows;
    }

    mapping(bytes32 scope => Book) private _books;

    /// @inheritdoc IGuard
    function setLimits(bytes32 bridge, bytes32 corridor, bytes32 asset, Limits calldata normal, Limits calldata limited)
        external
        onlyOwnerDelayed
    {
        (bytes32 scope, Book storage book) = _open(bridge, corridor, asset);
        _write(scope, book, normal, limited);
    }

    /// @inheritdoc IGuard
    function tightenLimits(
        bytes32 bridge,
        bytes32 corridor,
        bytes32 asset,
        Limits calldata normal,
        Limits calldata limited
    ) external onlyOwner {
        (bytes32 scope, Book storage book) = _open(bridge, corridor, asset);
        _write(scope, book, _tighter(book.normal, normal), _tighter(book.limited, limited));
    }

    /// @inheritdoc IGuard
    function lowerLimits(
        bytes32 bridge,
        bytes32 corridor,
        bytes32 asset,
        Limits calldata lowered,
        uint64 until,
        uint64 untilHeight
    ) external returns (bool changed) {
        _requireTripper(msg.sender);
        (bytes32 scope, Book storage book) = _open(bridge, corridor, asset);
        Limits memory old = _isLowered(book) ? book.lowered : _unlimited();
        Span memory span = Span(book.loweredUntil, book.loweredUntilHeight);
        uint8 reason;
        (span, reason) = _extend(scope, msg.sender, span, _capped(until, untilHeight));
        // While something is lowered already, going lower costs nothing more: the time is what was paid for.
        if (reason != 0 && !_isLowered(book)) return false;
        Limits memory next = _tighter(old, lowered);
        if (reason != 0 && _equal(old, next)) return false;
        book.lowered = next;
        book.loweredUntil = Cast.u64(span.until);
        book.loweredUntilHeight = Cast.u64(span.untilHeight);
        book.counted |= _limitedWindows(next);
        emit LimitsLowered(scope, msg.sender, next, Cast.u64(span.until), Cast.u64(span.untilHeight));
        return true;
    }

    /// @inheritdoc IGuard
    function limitsOf(bytes32 scope)
        external
        view
        returns (Limits memory normal, Limits memory limited, Limits memory lowered, uint64 until, uint64 untilHeight)
    {
        Book storage book = _books[scope];
        if (!book.exists) return (_unlimited(), _unlimited(), _unlimited(), 0, 0);
        return (book.normal, book.limited, book.lowered, book.loweredUntil, book.loweredUntilHeight);
    }

    /// @inheritdoc IGuard
    function usedOf(bytes32 scope) external view returns (uint256 hour, uint256 day, uint256 week) {
        Book storage book = _books[scope];
        return (_used(book, 0), _used(book, 1), _used(book, 2));
    }

    /// @dev Called when a bridge gets its first limits, so that its checks begin to look for them.
    function _onLimits(bytes32 bridge) internal virtual;

    /// @dev Counts an outflow against the corridor and the escrow that it lies in, or reverts.
    /// @param level The strictest level that covers it.
    function _consume(bytes32 bridge, bytes32 corridor, bytes32 asset, uint256 amount, uint8 level) internal {
        if (asset == ScopeId.ANY) revert AssetRequired();
        _count(scopeOf(bridge, ScopeId.DIRECTION_OUT, ScopeId.ANY, asset), amount, level);
        if (corridor != ScopeId.ANY) _count(scopeOf(bridge, ScopeId.DIRECTION_OUT, corridor, asset), amount, level);
    }

    /// @dev The releaser ends what a tripper lowered, too.
    function _clearLowered(bytes32 scope) internal {
        Book storage book = _books[scope];
        book.loweredUntil = 0;
        book.loweredUntilHeight = 0;
    }

    function _count(bytes32 scope, uint256 amount, uint8 level) private {
        Book storage book = _books[scope];
        if (!book.exists) return;
        Limits memory limits = book.normal;
        if (level == ScopeWordLib.LIMITED) limits = _tighter(limits, book.limited);
        if (_isLowered(book)) limits = _tighter(limits, book.lowered);
        if (amount > limits.perTransaction) revert LimitExceeded(scope, 0, amount, limits.perTransaction);
        uint256[3] memory perWindow = [uint256(limits.perHour), limits.perDay, limits.perWeek];
        uint256 counted = book.counted;
        for (uint256 i; i < Windows.COUNT; ++i) {
            if (counted & (1 << i) == 0) continue;
            (bool fits, uint256 available) = book.windows[i].spend(_quarter(i), amount, perWindow[i]);
            if (!fits) revert LimitExceeded(scope, Cast.u8(i + 1), amount, available);
        }
    }

    function _open(bytes32 bridge, bytes32 corridor, bytes32 asset) private returns (bytes32 scope, Book storage book) {
        if (asset == ScopeId.ANY) revert AssetRequired();
        scope = scopeOf(bridge, ScopeId.DIRECTION_OUT, corridor, asset);
        _known(scope);
        book = _books[scope];
        if (!book.exists) {
            book.exists = true;
            book.normal = _unlimited();
            book.limited = _unlimited();
            book.lowered = _unlimited();
            _onLimits(bridge);
        }
    }

    function _write(bytes32 scope, Book storage book, Limits memory normal, Limits memory limited) private {
        book.normal = normal;
        book.limited = limited;
        book.counted |= _limitedWindows(normal) | _limitedWindows(limited);
        emit LimitsSet(scope, normal, limited);
    }

    function _isLowered(Book storage book) private view returns (bool) {
        return block.timestamp < book.loweredUntil || block.number < book.loweredUntilHeight;
    }

    function _used(Book storage book, uint256 index) private view returns (uint256) {
        return book.windows[index].used(_quarter(index));
    }

    function _quarter(uint256 index) private view returns (uint256) {
        return block.timestamp / Windows.quarterSeconds(index);
    }

    function _unlimited() private pure returns (Limits memory) {
        uint128 most = type(uint128).max;
        return Limits(most, most, most, most);
    }

    function _limitedWindows(Limits memory limits) private pure returns (uint8 bits) {
        if (limits.perHour != Windows.UNLIMITED) bits |= 1;
        if (limits.perDay != Windows.UNLIMITED) bits |= 2;
        if (limits.perWeek != Windows.UNLIMITED) bits |= 4;
    }

    function _tighter(Limits memory a, Limits memory b) private pure returns (Limits memory) {
        return Limits({
            perTransaction: a.perTransaction < b.perTransaction ? a.perTransaction : b.perTransaction,
            perHour: a.perHour < b.perHour ? a.perHour : b.perHour,
            perDay: a.perDay < b.perDay ? a.perDay : b.perDay,
            perWeek: a.perWeek < b.perWeek ? a.perWeek : b.perWeek
        });
    }

    function _equal(Limits memory a, Limits memory b) private pure returns (bool) {
        return a.perTransaction == b.perTransaction && a.perHour == b.perHour && a.perDay == b.perDay
            && a.perWeek == b.perWeek;
    }
}
