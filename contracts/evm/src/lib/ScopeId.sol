// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title How scopes and actions are named
/// @notice The same hash on every machine: domain, chain, bridge, direction, corridor, asset, each one word.
library ScopeId {
    bytes32 internal constant SCOPE_DOMAIN = keccak256("portcullis.scope.v1");
    bytes32 internal constant ACTION_DOMAIN = keccak256("portcullis.action.v1");
    /// @dev The explicit wildcard for corridor and asset.
    bytes32 internal constant ANY = bytes32(0);

    uint8 internal constant DIRECTION_ANY = 0;
    uint8 internal constant DIRECTION_IN = 1;
    uint8 internal constant DIRECTION_OUT = 2;

    function hash(bytes32 caip2, bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SCOPE_DOMAIN, caip2, bridge, direction, corridor, asset));
    }

    /// @notice keccak256 of "eip155:" and the chain id in decimal (CAIP-2).
    function caip2Hash(uint256 chainId) internal pure returns (bytes32) {
        uint256 digits = 1;
        for (uint256 rest = chainId / 10; rest != 0; rest /= 10) {
            ++digits;
        }
        bytes memory text = new bytes(digits);
        uint256 left = chainId;
        for (uint256 i = digits; i != 0; --i) {
            // The sum is at most 57, so that it fits one byte.
            // forge-lint: disable-next-line(unsafe-typecast)
            text[i - 1] = bytes1(uint8(48 + left % 10));
            left /= 10;
        }
        return keccak256(abi.encodePacked("eip155:", text));
    }
}
