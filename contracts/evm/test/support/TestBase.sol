// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @notice What every test here needs: the cheat codes, comparisons that say what differs, and a line on the console.
abstract contract TestBase {
    /// @dev Forge takes a contract with this marker for a test contract.
    bool public constant IS_TEST = true;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    /// @dev Where Forge listens for text.
    address private constant CONSOLE = 0x000000000000000000636F6e736F6c652e6c6f67;

    error Unequal(string what, string got, string wanted);
    error Untrue(string what);

    function eq(uint256 got, uint256 wanted, string memory what) internal pure {
        if (got != wanted) revert Unequal(what, vm.toString(got), vm.toString(wanted));
    }

    function eq(bytes32 got, bytes32 wanted, string memory what) internal pure {
        if (got != wanted) revert Unequal(what, vm.toString(got), vm.toString(wanted));
    }

    function eq(address got, address wanted, string memory what) internal pure {
        if (got != wanted) revert Unequal(what, vm.toString(got), vm.toString(wanted));
    }

    function eq(string memory got, string memory wanted, string memory what) internal pure {
        if (keccak256(bytes(got)) != keccak256(bytes(wanted))) revert Unequal(what, got, wanted);
    }

    function yes(bool condition, string memory what) internal pure {
        if (!condition) revert Untrue(what);
    }

    function no(bool condition, string memory what) internal pure {
        if (condition) revert Untrue(what);
    }

    function print(string memory text) internal view {
        // The console is an address without code: whether it listens does not matter.
        (bool heard,) = CONSOLE.staticcall(abi.encodeWithSignature("log(string)", text));
        heard;
    }

    /// @dev `value` brought into [low, high].
    function within(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
