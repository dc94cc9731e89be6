// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker, IGuard} from "../../src/IGuard.sol";
import {Cast} from "../../src/lib/Cast.sol";
import {GuardFixture} from "../support/GuardFixture.sol";
import {Vm} from "../support/Vm.sol";

/// @notice Everything that can happen to a guard, in any order. What must hold is computed apart from the contract, from
/// the states before and after each action.
contract GuardInvariantsTest is GuardFixture {
    struct Charge {
        uint256 time;
        uint256 seconds_;
    }

    struct Flow {
        uint256 time;
        uint256 amount;
    }

    bytes32[] private all;
    mapping(address tripper => Charge[]) private charges;
    /// @dev By scope: what left under its limits.
    mapping(bytes32 scope => Flow[]) private flows;
    bool private shortened;
    bool private openedEarly;
    bool private generationMoved;

    uint128 private constant PER_HOUR = 1000;
    uint128 private constant PER_DAY = 4000;
    uint128 private constant PER_WEEK = 9000;
    uint128 private constant ESCROW_FACTOR = 2;

    function setUp() public override {
        super.setUp();
        all.push(everything);
        all.push(north);
        all.push(northGold);
        all.push(gold);
        ownerLater(abi.encodeCall(IBreaker.registerScope, (BRIDGE, 0, ANY, ANY)));
        all.push(guard.scopeOf(BRIDGE, 0, ANY, ANY));
        ownerLater(abi.encodeCall(IBreaker.registerScope, (BRIDGE, 1, ANY, ANY)));
        all.push(guard.scopeOf(BRIDGE, 1, ANY, ANY));
        IGuard.Limits memory limits = IGuard.Limits(MOST, PER_HOUR, PER_DAY, PER_WEEK);
        ownerLater(abi.encodeCall(IGuard.setLimits, (BRIDGE, NORTH, GOLD, limits, limits)));
        limits = IGuard.Limits(MOST, PER_HOUR * ESCROW_FACTOR, PER_DAY * ESCROW_FACTOR, PER_WEEK * ESCROW_FACTOR);
        ownerLater(abi.encodeCall(IGuard.setLimits, (BRIDGE, ANY, GOLD, limits, limits)));
    }

    function targetSelectors() external view returns (Vm.FuzzSelector[] memory selectors) {
        bytes4[] memory actions = new bytes4[](6);
        actions[0] = this.actTrip.selector;
        actions[1] = this.actWait.selector;
        actions[2] = this.actHold.selector;
        actions[3] = this.actRelease.selector;
        actions[4] = this.actOutflow.selector;
        actions[5] = this.actLower.selector;
        selectors = new Vm.FuzzSelector[](1);
        selectors[0] = Vm.FuzzSelector(address(this), actions);
    }

    function targetContracts() external view returns (address[] memory contracts) {
        contracts = new address[](1);
        contracts[0] = address(this);
    }

    // ---- what can happen ----

    function actTrip(uint256 which, bool second, uint8 level, uint256 length, uint256 blocks, bool stale) external {
        bytes32 scope = all[which % all.length];
        address who = second ? SECOND : TRIPPER;
        IBreaker.ScopeState memory before = guard.stateOf(scope);
        IBreaker.TripRequest memory r = request(
            scope,
            uint8(within(level, 1, 2)),
            block.timestamp + within(length, 0, 3 * MAX),
            blocks % 3 == 0 ? 0 : block.number + within(blocks, 0, 3 * MAX_BLOCKS)
        );
        if (stale) r.generation += 1;
        vm.prank(who);
        guard.trip(r);
        IBreaker.ScopeState memory later = guard.stateOf(scope);
        _watch(before, later);
        if (r.level == 2) {
            _charge(who, before.closedUntil, later.closedUntil, before.closedUntilHeight, later.closedUntilHeight);
        }
    }

    function actWait(uint256 seconds_, uint256 blocks) external {
        vm.warp(block.timestamp + within(seconds_, 1, 5 hours));
        vm.roll(block.number + within(blocks, 0, 1500));
    }

    function actHold(uint256 which, uint8 level) external {
        // Seldom, or else everything is held all the time.
        if (which % 5 != 0) return;
        bytes32 scope = all[which / 5 % all.length];
        IBreaker.ScopeState memory before = guard.stateOf(scope);
        vm.prank(GUARDIAN);
        guard.hold(scope, uint8(within(level, 1, 2)));
        IBreaker.ScopeState memory later = guard.stateOf(scope);
        if (later.hold < before.hold) openedEarly = true;
        _watch(before, later);
    }

    function actRelease(uint256 which, bool limited) external {
        bytes32 scope = all[which % all.length];
        IBreaker.ScopeState memory state = guard.stateOf(scope);
        vm.prank(RELEASER);
        guard.release(scope, limited ? 1 : 0, state.generation, state.closedUntil);
        if (guard.stateOf(scope).generation != state.generation + 1) generationMoved = true;
    }

    function actOutflow(bool northward, uint256 amount) external {
        uint256 value = within(amount, 0, 600);
        (bool done,) = address(asker).call(abi.encodeCall(asker.ask, (northward ? NORTH : SOUTH, GOLD, value)));
        if (!done) return;
        flows[gold].push(Flow(block.timestamp, value));
        if (northward) flows[northGold].push(Flow(block.timestamp, value));
    }

    function actLower(uint128 amount, uint256 length) external {
        IGuard.Limits memory lowered = IGuard.Limits(uint128(within(amount, 0, 500)), MOST, MOST, MOST);
        (,,, uint64 before,) = guard.limitsOf(gold);
        vm.prank(TRIPPER);
        guard.lowerLimits(BRIDGE, ANY, GOLD, lowered, Cast.u64(block.timestamp + within(length, 0, MAX)), 0);
        (,,, uint64 later,) = guard.limitsOf(gold);
        _charge(TRIPPER, before, later, 0, 0);
    }

    // ---- what must hold ----

    /// @dev Rule 11.3.
    function invariant_trips_and_holds_never_shorten() public view {
        no(shortened, "a bound moved back");
        no(openedEarly, "a scope opened before its time");
        no(generationMoved, "the generation counts releases, and nothing else");
    }

    /// @dev Rule 11.5: whatever was granted to a tripper within any rolling window is at most its budget. A window that is
    /// full is one that ends with a charge, so only those are looked at.
    function invariant_no_window_holds_more_than_the_budget() public view {
        _withinBudget(TRIPPER);
        _withinBudget(SECOND);
    }

    /// @dev Rule 11.8, for every rolling hour, day and week, in the corridor and in its escrow.
    function invariant_no_window_lets_more_out_than_its_limit() public view {
        _withinLimit(northGold, 1 hours, PER_HOUR);
        _withinLimit(northGold, 1 days, PER_DAY);
        _withinLimit(northGold, 7 days, PER_WEEK);
        _withinLimit(gold, 1 hours, PER_HOUR * ESCROW_FACTOR);
        _withinLimit(gold, 1 days, PER_DAY * ESCROW_FACTOR);
        _withinLimit(gold, 7 days, PER_WEEK * ESCROW_FACTOR);
    }

    /// @dev Rule 11.1: the short cut that `check` takes says what all scopes read one by one say.
    function invariant_the_short_cut_agrees_with_the_scopes() public {
        bytes32[2] memory corridors = [NORTH, SOUTH];
        bytes32[2] memory assets = [GOLD, TIN];
        for (uint256 i; i < 4; ++i) {
            bytes32 corridor = corridors[i / 2];
            bytes32 asset = assets[i % 2];
            (bool done, bytes memory data) = address(asker).call(abi.encodeCall(asker.ask, (corridor, asset, 0)));
            bool closed = guard.levelFor(BRIDGE, 2, corridor, asset) == 2;
            yes(done != closed, "closed exactly when a scope that covers it is");
            if (!done) eq(bytes32(bytes4(data)), bytes32(IGuard.ScopeClosed.selector), "and says so");
        }
    }

    /// @dev Rule 11.1.
    function invariant_what_is_not_registered_is_closed() public view {
        bytes32 unknown = guard.scopeOf(BRIDGE, 2, "west", GOLD);
        eq(guard.levelOf(unknown), 2, "an unregistered scope");
        eq(guard.levelFor("elsewhere", 2, NORTH, GOLD), 2, "an unregistered bridge");
    }

    function _watch(IBreaker.ScopeState memory before, IBreaker.ScopeState memory later) private {
        bool back = later.closedUntil < before.closedUntil || later.closedUntilHeight < before.closedUntilHeight
            || later.limitedUntil < before.limitedUntil || later.limitedUntilHeight < before.limitedUntilHeight;
        if (back) shortened = true;
        if (later.generation != before.generation) generationMoved = true;
        // Never further than MAX from here.
        bool far = later.closedUntil > before.closedUntil && later.closedUntil > block.timestamp + MAX;
        if (far) shortened = true;
    }

    function _charge(address who, uint256 oldTime, uint256 newTime, uint256 oldHeight, uint256 newHeight) private {
        uint256 from = oldTime > block.timestamp ? oldTime : block.timestamp;
        uint256 fromHeight = oldHeight > block.number ? oldHeight : block.number;
        uint256 time = newTime > from && newTime != oldTime ? newTime - from : 0;
        uint256 height = newHeight > fromHeight && newHeight != oldHeight ? newHeight - fromHeight : 0;
        uint256 asSeconds = (height * MAX + MAX_BLOCKS - 1) / MAX_BLOCKS;
        if (time == 0 && height == 0) return;
        charges[who].push(Charge(block.timestamp, time > asSeconds ? time : asSeconds));
    }

    function _withinBudget(address who) private view {
        Charge[] storage list = charges[who];
        for (uint256 last; last < list.length; ++last) {
            uint256 sum;
            for (
                uint256 i = last + 1;
                i != 0 && list[i - 1].time + uint256(WINDOW_HOURS) * 1 hours >= list[last].time;
                --i
            ) {
                sum += list[i - 1].seconds_;
            }
            yes(sum <= BUDGET, "more than the budget");
        }
    }

    function _withinLimit(bytes32 scope, uint256 window, uint256 limit) private view {
        Flow[] storage list = flows[scope];
        for (uint256 last; last < list.length; ++last) {
            uint256 sum;
            for (uint256 i = last + 1; i != 0 && list[i - 1].time + window >= list[last].time; --i) {
                sum += list[i - 1].amount;
            }
            yes(sum <= limit, "more than the limit");
        }
    }
}
