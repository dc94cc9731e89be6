// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker} from "../IGuard.sol";
import {Cast} from "./Cast.sol";

/// @dev One scope's state in one storage word; the layout is part of the interface, because it is proven from outside.
type ScopeWord is uint256;

using ScopeWordLib for ScopeWord global;

/// @title Reading and writing the fields of a scope's word
/// @dev Least significant bits first: registered 0..8, hold 8..16, closedUntil 16..56, closedUntilHeight 56..96,
/// limitedUntil 96..136, limitedUntilHeight 136..176, generation 176..208, kind 208..216.
library ScopeWordLib {
    uint256 private constant HOLD = 8;
    uint256 private constant CLOSED_UNTIL = 16;
    uint256 private constant CLOSED_UNTIL_HEIGHT = 56;
    uint256 private constant LIMITED_UNTIL = 96;
    uint256 private constant LIMITED_UNTIL_HEIGHT = 136;
    uint256 private constant GENERATION = 176;
    uint256 private constant KIND = 208;

    uint256 private constant BITS_8 = type(uint8).max;
    uint256 private constant BITS_32 = type(uint32).max;
    uint256 private constant BITS_40 = type(uint40).max;

    uint8 internal constant OPEN = 0;
    uint8 internal constant LIMITED = 1;
    uint8 internal constant CLOSED = 2;

    /// @param kind_ Which of its parts are wildcards; see `Guard`. Zero where nobody asks.
    function create(uint8 kind_) internal pure returns (ScopeWord) {
        return ScopeWord.wrap(1 | (uint256(kind_) << KIND));
    }

    function registered(ScopeWord w) internal pure returns (bool) {
        return ScopeWord.unwrap(w) & 1 != 0;
    }

    function hold(ScopeWord w) internal pure returns (uint8) {
        return Cast.u8((ScopeWord.unwrap(w) >> HOLD) & BITS_8);
    }

    function closedUntil(ScopeWord w) internal pure returns (uint256) {
        return (ScopeWord.unwrap(w) >> CLOSED_UNTIL) & BITS_40;
    }

    function closedUntilHeight(ScopeWord w) internal pure returns (uint256) {
        return (ScopeWord.unwrap(w) >> CLOSED_UNTIL_HEIGHT) & BITS_40;
    }

    function limitedUntil(ScopeWord w) internal pure returns (uint256) {
        return (ScopeWord.unwrap(w) >> LIMITED_UNTIL) & BITS_40;
    }

    function limitedUntilHeight(ScopeWord w) internal pure returns (uint256) {
        return (ScopeWord.unwrap(w) >> LIMITED_UNTIL_HEIGHT) & BITS_40;
    }

    function generation(ScopeWord w) internal pure returns (uint32) {
        return Cast.u32((ScopeWord.unwrap(w) >> GENERATION) & BITS_32);
    }

    function kind(ScopeWord w) internal pure returns (uint8) {
        return Cast.u8((ScopeWord.unwrap(w) >> KIND) & BITS_8);
    }

    function withHold(ScopeWord w, uint8 level_) internal pure returns (ScopeWord) {
        return _set(w, HOLD, BITS_8, level_);
    }

    function withClosed(ScopeWord w, uint256 until, uint256 untilHeight) internal pure returns (ScopeWord) {
        return _set(_set(w, CLOSED_UNTIL, BITS_40, until), CLOSED_UNTIL_HEIGHT, BITS_40, untilHeight);
    }

    function withLimited(ScopeWord w, uint256 until, uint256 untilHeight) internal pure returns (ScopeWord) {
        return _set(_set(w, LIMITED_UNTIL, BITS_40, until), LIMITED_UNTIL_HEIGHT, BITS_40, untilHeight);
    }

    function withGeneration(ScopeWord w, uint256 generation_) internal pure returns (ScopeWord) {
        return _set(w, GENERATION, BITS_32, generation_);
    }

    /// @notice What is left of a word where not all of it was followed.
    /// @param closes Whether everything is closed that closing asks for.
    /// @param limits Whether everything is closed that limiting asks for; so it is where everything is that closing asks for.
    function followed(ScopeWord w, bool closes, bool limits) internal pure returns (ScopeWord rest) {
        uint8 held = w.hold();
        rest = w;
        if (!closes) {
            rest = rest.withClosed(0, 0);
            if (held == CLOSED) held = LIMITED;
        }
        if (!limits) {
            rest = rest.withLimited(0, 0);
            if (held == LIMITED) held = OPEN;
        }
        rest = rest.withHold(held);
    }

    /// @notice The level now: the strictest of hold, closure and limitation. An unregistered scope is closed.
    /// @dev A level holds while `now < until` or `height < untilHeight`.
    function level(ScopeWord w) internal view returns (uint8) {
        uint8 held = w.hold();
        if (!w.registered() || held == CLOSED) return CLOSED;
        if (block.timestamp < w.closedUntil() || block.number < w.closedUntilHeight()) return CLOSED;
        if (block.timestamp < w.limitedUntil() || block.number < w.limitedUntilHeight()) return LIMITED;
        return held;
    }

    function unpack(ScopeWord w) internal pure returns (IBreaker.ScopeState memory) {
        return IBreaker.ScopeState({
            registered: w.registered(),
            hold: w.hold(),
            closedUntil: Cast.u64(w.closedUntil()),
            closedUntilHeight: Cast.u64(w.closedUntilHeight()),
            limitedUntil: Cast.u64(w.limitedUntil()),
            limitedUntilHeight: Cast.u64(w.limitedUntilHeight()),
            generation: w.generation()
        });
    }

    /// @dev SECURITY: a value that does not fit would run into its neighbour. Bounds are checked where the value comes
    /// from, and asserted here.
    /// @param bits The mask of the field before it is shifted.
    function _set(ScopeWord w, uint256 shift, uint256 bits, uint256 value) private pure returns (ScopeWord) {
        assert(value <= bits);
        return ScopeWord.wrap((ScopeWord.unwrap(w) & ~(bits << shift)) | (value << shift));
    }
}
