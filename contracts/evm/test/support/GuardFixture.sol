// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guard} from "../../src/Guard.sol";
import {IBreaker, IGuard} from "../../src/IGuard.sol";
import {Cast} from "../../src/lib/Cast.sol";
import {TestBase} from "./TestBase.sol";

/// @notice A bridge that does nothing but ask.
contract Asker {
    IGuard private immutable GUARD;
    bytes32 private immutable BRIDGE;

    constructor(IGuard guard, bytes32 bridge) {
        GUARD = guard;
        BRIDGE = bridge;
    }

    function ask(bytes32 corridor, bytes32 asset, uint256 amount) external {
        GUARD.check(BRIDGE, corridor, asset, amount);
    }
}

/// @notice A guard with every role set, one bridge, and the scopes that tests speak of.
abstract contract GuardFixture is TestBase {
    uint32 internal constant MAX = 4 hours;
    uint32 internal constant MAX_BLOCKS = 1200;
    uint32 internal constant TAIL = 2 hours;
    uint32 internal constant TAIL_BLOCKS = 600;
    uint16 internal constant WINDOW_HOURS = 48;
    uint32 internal constant BUDGET = 12 hours;
    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant HEIGHT = 1_000_000;

    uint256 internal constant SIGNER_KEY = 0xA11CE;

    address internal constant OWNER = address(0x0A);
    address internal constant RELEASER = address(0x0B);
    address internal constant GUARDIAN = address(0x0C);
    address internal constant TRIPPER = address(0x0D);
    address internal constant SECOND = address(0x0E);
    address internal constant STRANGER = address(0x0F);
    address internal signer;

    bytes32 internal constant BRIDGE = "bridge";
    bytes32 internal constant ANY = bytes32(0);
    bytes32 internal constant NORTH = "north";
    bytes32 internal constant SOUTH = "south";
    bytes32 internal constant GOLD = "gold";
    bytes32 internal constant TIN = "tin";
    uint128 internal constant MOST = type(uint128).max;

    Guard internal guard;
    Asker internal asker;
    bytes32 internal everything;
    bytes32 internal north;
    bytes32 internal northGold;
    bytes32 internal gold;

    function setUp() public virtual {
        vm.warp(START);
        vm.roll(HEIGHT);
        signer = vm.addr(SIGNER_KEY);
        guard = new Guard(config());
        asker = new Asker(guard, BRIDGE);
        vm.startPrank(OWNER);
        guard.grantTripper(TRIPPER, BUDGET);
        guard.grantTripper(SECOND, BUDGET);
        guard.grantTripper(signer, BUDGET);
        guard.registerBridge(BRIDGE, address(asker));
        everything = guard.registerScope(BRIDGE, 2, ANY, ANY);
        north = guard.registerScope(BRIDGE, 2, NORTH, ANY);
        northGold = guard.registerScope(BRIDGE, 2, NORTH, GOLD);
        gold = guard.registerScope(BRIDGE, 2, ANY, GOLD);
        guard.seal();
        vm.stopPrank();
    }

    function config() internal pure returns (IBreaker.Config memory) {
        return IBreaker.Config(OWNER, RELEASER, GUARDIAN, MAX, MAX_BLOCKS, TAIL, TAIL_BLOCKS, WINDOW_HOURS);
    }

    /// @dev A request for the scope's present generation.
    function request(bytes32 scope, uint8 level, uint256 until, uint256 untilHeight)
        internal
        view
        returns (IBreaker.TripRequest memory)
    {
        return IBreaker.TripRequest({
            scope: scope,
            level: level,
            until: Cast.u64(until),
            untilHeight: Cast.u64(untilHeight),
            incident: "incident",
            record: "record",
            generation: guard.stateOf(scope).generation
        });
    }

    function close(bytes32 scope, uint256 seconds_) internal returns (bool) {
        IBreaker.TripRequest memory r = request(scope, 2, block.timestamp + seconds_, 0);
        vm.prank(TRIPPER);
        return guard.trip(r);
    }

    /// @dev Announces an owner's call, waits, and makes it.
    function ownerLater(bytes memory call) internal {
        vm.startPrank(OWNER);
        guard.schedule(call);
        vm.warp(block.timestamp + MAX);
        (bool done, bytes memory data) = address(guard).call(call);
        vm.stopPrank();
        if (!done) {
            assembly ("memory-safe") {
                revert(add(data, 32), mload(data))
            }
        }
    }

    function refuses(bytes32 corridor, bytes32 asset, bytes memory error_) internal {
        vm.expectRevert(error_);
        asker.ask(corridor, asset, 1);
    }

    function passes(bytes32 corridor, bytes32 asset) internal {
        asker.ask(corridor, asset, 1);
    }

    function closedBy(bytes32 scope) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IGuard.ScopeClosed.selector, scope);
    }
}
