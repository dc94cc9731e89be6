// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Narrowing that refuses what does not fit
/// @notice Every value that is narrowed here is bounded where it comes from; the assertion holds that promise.
library Cast {
    function u8(uint256 value) internal pure returns (uint8) {
        assert(value <= type(uint8).max);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint8(value);
    }

    function u32(uint256 value) internal pure returns (uint32) {
        assert(value <= type(uint32).max);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint32(value);
    }

    function u40(uint256 value) internal pure returns (uint40) {
        assert(value <= type(uint40).max);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(value);
    }

    function u64(uint256 value) internal pure returns (uint64) {
        assert(value <= type(uint64).max);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(value);
    }
}
