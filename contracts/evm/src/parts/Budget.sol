// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker} from "../IGuard.sol";
import {Cast} from "../lib/Cast.sol";
import {Roles} from "./Roles.sol";

/// @title What a tripper may cause
/// @notice Every tripper has its own budget of closed seconds in a rolling window. Only the marginal extension of a
/// closure is charged; what the budget does not cover is cut off. So a stolen key can annoy, not strangle, and a second
/// tripper that is operated apart keeps its own reserve.
abstract contract Budget is Roles {
    /// @param until Unix seconds until which something holds.
    /// @param untilHeight The same as a block number.
    struct Span {
        uint256 until;
        uint256 untilHeight;
    }

    /// @dev Seconds charged per hour: eight hours of 32 bits in a word, least significant first, at `hour / 8`.
    mapping(address tripper => mapping(uint256 hourWord => uint256 seconds8)) private _charged;

    /// @inheritdoc IBreaker
    function tripperOf(address account) external view returns (bool active, uint32 budgetSeconds, uint32 leftSeconds) {
        Tripper storage tripper = _trippers[account];
        active = tripper.active;
        budgetSeconds = tripper.budgetSeconds;
        leftSeconds = active ? Cast.u32(_leftSeconds(account)) : 0;
    }

    /// @dev Cuts an asked span to MAX: never further than `maxSeconds` and `maxBlocks` from now.
    function _capped(uint64 until, uint64 untilHeight) internal view returns (Span memory) {
        uint256 latest = block.timestamp + maxSeconds;
        uint256 highest = block.number + maxBlocks;
        return Span(until < latest ? until : latest, untilHeight < highest ? untilHeight : highest);
    }

    /// @dev Extends `old` towards `asked` as far as the tripper's budget goes, and charges it. Never shortens.
    /// @return next The span that holds now.
    /// @return reason Zero when something was extended, else why not (see `TripIgnored`).
    function _extend(bytes32 scope, address tripper, Span memory old, Span memory asked)
        internal
        returns (Span memory next, uint8 reason)
    {
        uint256 from = _max(old.until, block.timestamp);
        uint256 fromHeight = _max(old.untilHeight, block.number);
        uint256 time = asked.until > from ? asked.until - from : 0;
        uint256 height = asked.untilHeight > fromHeight ? asked.untilHeight - fromHeight : 0;
        if (time == 0 && height == 0) return (old, 2);

        uint256 needed = _max(time, _secondsOf(height));
        uint256 left = _leftSeconds(tripper);
        if (needed > left) {
            time = _min(time, left);
            height = _min(height, _blocksIn(left));
            uint256 granted = _max(time, _secondsOf(height));
            emit TripClipped(scope, tripper, Cast.u64(needed), Cast.u64(granted));
            if (granted == 0) return (old, 3);
            needed = granted;
        }
        _charge(tripper, needed);
        next = Span(time == 0 ? old.until : from + time, height == 0 ? old.untilHeight : fromHeight + height);
    }

    function _max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @dev What blocks cost, rounded up: `maxBlocks` blocks cost as much as `maxSeconds` seconds.
    function _secondsOf(uint256 blocks) private view returns (uint256) {
        if (blocks == 0) return 0;
        return (blocks * maxSeconds + maxBlocks - 1) / maxBlocks;
    }

    /// @dev How many blocks that many seconds of budget buy, rounded down.
    function _blocksIn(uint256 seconds_) private view returns (uint256) {
        return seconds_ * maxBlocks / maxSeconds;
    }

    function _leftSeconds(address account) private view returns (uint256) {
        uint256 budget = _trippers[account].budgetSeconds;
        uint256 spent = _spentSeconds(account);
        return spent < budget ? budget - spent : 0;
    }

    /// @dev The current hour and as many before it as the window has: a rolling window of that length never holds more.
    function _spentSeconds(address account) private view returns (uint256 spent) {
        uint256 hour = block.timestamp / 1 hours;
        uint256 first = hour > budgetWindowHours ? hour - budgetWindowHours : 0;
        if (_trippers[account].lastChargeHour < first) return 0;
        mapping(uint256 => uint256) storage charged = _charged[account];
        for (uint256 index = first / 8; index <= hour / 8; ++index) {
            uint256 word = charged[index];
            // Hours before the window share the first word with hours inside it.
            if (index == first / 8) word = (word >> (first % 8 * 32)) << (first % 8 * 32);
            for (; word != 0; word >>= 32) {
                spent += word & type(uint32).max;
            }
        }
    }

    /// @dev SECURITY: the sum of a window stays within a `uint32` budget, so no hour overflows its 32 bits.
    function _charge(address account, uint256 seconds_) private {
        uint256 hour = block.timestamp / 1 hours;
        _charged[account][hour / 8] += seconds_ << (hour % 8 * 32);
        _trippers[account].lastChargeHour = Cast.u40(hour);
    }
}
