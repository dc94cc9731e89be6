// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker, IGuard} from "../src/IGuard.sol";
import {GuardFixture} from "./support/GuardFixture.sol";

/// @notice What asking costs a bridge: the whole external call, guard and storage cold.
/// Run `forge test --match-contract Gas -vv` for the table.
contract GasTest is GuardFixture {
    /// @dev The promise of the interface: a cold level check without limits, at most one kind of scope in force.
    uint256 private constant BOUND = 10_000;

    /// @notice Forge makes these calls as transactions of their own before the test, so that the test finds all slots cold.
    function beforeTestSetup(bytes4 test) public pure returns (bytes[] memory calls) {
        if (test == this.test_gas_another_corridor_is_closed.selector) return _only(this.prepareOneCorridor.selector);
        if (test == this.test_gas_three_kinds_in_force.selector) return _only(this.prepareThreeKinds.selector);
        if (test == this.test_gas_after_expiry.selector) return _only(this.prepareExpiry.selector);
        if (test == this.test_gas_limited.selector) return _only(this.prepareLimited.selector);
        if (test == this.test_gas_held_limited.selector) return _only(this.prepareHold.selector);
        if (test == this.test_gas_with_limits_first.selector) return _only(this.prepareLimits.selector);
        if (test == this.test_gas_with_limits_next.selector) {
            calls = new bytes[](2);
            calls[0] = abi.encodeWithSelector(this.prepareLimits.selector);
            calls[1] = abi.encodeWithSelector(this.prepareUse.selector);
        }
    }

    function prepareOneCorridor() external {
        close(north, 1 hours);
    }

    function prepareThreeKinds() external {
        close(north, 1 hours);
        close(gold, 1 hours);
        close(northGold, 1 hours);
    }

    function prepareExpiry() external {
        this.prepareThreeKinds();
        vm.warp(START + 10 hours);
    }

    function prepareLimited() external {
        IBreaker.TripRequest memory r = request(everything, 1, block.timestamp + 1 hours, 0);
        vm.prank(TRIPPER);
        guard.trip(r);
    }

    function prepareHold() external {
        vm.prank(GUARDIAN);
        guard.hold(everything, 1);
    }

    function prepareLimits() external {
        IGuard.Limits memory all = IGuard.Limits(1000, 1000, 10_000, 50_000);
        ownerLater(abi.encodeCall(IGuard.setLimits, (BRIDGE, ANY, GOLD, all, all)));
        ownerLater(abi.encodeCall(IGuard.setLimits, (BRIDGE, NORTH, GOLD, all, all)));
    }

    function prepareUse() external {
        asker.ask(NORTH, GOLD, 1);
    }

    function test_gas_nothing_in_force() public {
        _below("nothing in force", NORTH, GOLD, BOUND);
    }

    function test_gas_another_corridor_is_closed() public {
        _below("another corridor is closed", SOUTH, TIN, BOUND);
    }

    function test_gas_limited() public {
        _below("the whole bridge is limited", NORTH, GOLD, BOUND);
    }

    function test_gas_held_limited() public {
        _below("the whole bridge is held limited", NORTH, GOLD, BOUND);
    }

    function test_gas_after_expiry() public {
        _below("three scopes were closed once", NORTH, GOLD, BOUND);
    }

    // Beyond the promise: several kinds of scope at once, and limits.

    function test_gas_three_kinds_in_force() public {
        _below("three kinds of scope are in force elsewhere", SOUTH, TIN, 15_000);
    }

    function test_gas_with_limits_first() public {
        _below("two sets of limits, three windows each, first", NORTH, GOLD, 220_000);
    }

    function test_gas_with_limits_next() public {
        _below("two sets of limits, three windows each, next", NORTH, GOLD, 100_000);
    }

    /// @dev The failure twin of the bounds: what is measured is cold. A warm call costs two cold reads less.
    function test_gas_is_measured_cold() public {
        uint256 cold = _measure(NORTH, GOLD);
        uint256 warm = _measure(NORTH, GOLD);
        yes(cold > warm + 4000, "account and slot were cold");
    }

    function test_gas_trip_first() public {
        _trip("trip, first", 90_000);
    }

    /// @dev The second trip finds everything warm; it is here to show that repeating is cheap.
    function test_gas_trip_again() public {
        close(everything, 1 hours);
        uint256 before = gasleft();
        no(close(everything, 1 hours), "nothing to extend");
        _line("trip, nothing to extend (warm)", before - gasleft());
        yes(before - gasleft() < 40_000, "a repetition is cheap");
    }

    function _trip(string memory what, uint256 bound) private {
        IBreaker.TripRequest memory r = request(everything, 2, block.timestamp + 1 hours, 0);
        vm.prank(TRIPPER);
        uint256 before = gasleft();
        guard.trip(r);
        uint256 gas = before - gasleft();
        _line(what, gas);
        yes(gas <= bound, what);
    }

    function _below(string memory what, bytes32 corridor, bytes32 asset, uint256 bound) private {
        uint256 gas = _measure(corridor, asset);
        _line(what, gas);
        yes(gas <= bound, what);
    }

    /// @dev The call as a bridge makes it, from its own address.
    function _measure(bytes32 corridor, bytes32 asset) private returns (uint256) {
        IGuard target = guard;
        vm.prank(address(asker));
        uint256 before = gasleft();
        target.check(BRIDGE, corridor, asset, 1);
        return before - gasleft();
    }

    function _only(bytes4 selector) private pure returns (bytes[] memory calls) {
        calls = new bytes[](1);
        calls[0] = abi.encodeWithSelector(selector);
    }

    function _line(string memory what, uint256 gas) private view {
        print(string.concat(what, ": ", vm.toString(gas)));
    }
}
