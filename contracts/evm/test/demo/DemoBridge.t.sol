// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DemoBridge} from "../../demo/DemoBridge.sol";
import {DemoToken} from "../../demo/DemoToken.sol";
import {IDemoBridge} from "../../demo/IDemoBridge.sol";
import {Guard} from "../../src/Guard.sol";
import {IBreaker, IGuard} from "../../src/IGuard.sol";
import {GuardFixture} from "../support/GuardFixture.sol";

/// @notice The demonstration bridge: honest ways in and out, the flaw, and the guard that stands before it.
contract DemoBridgeTest is GuardFixture {
    address private constant UPDATER = address(0x21);
    address private constant ALICE = address(0x22);
    address private constant MALLORY = address(0x23);
    uint32 private constant THERE = 1284;

    DemoBridge private bridge;
    DemoToken private home;
    DemoToken private represented;
    bytes32 private wide;

    function setUp() public override {
        vm.warp(START);
        vm.roll(HEIGHT);
        guard = new Guard(config());
        bridge = new DemoBridge(guard, BRIDGE, UPDATER);
        home = new DemoToken("Home", "HOME", 18);
        represented = new DemoToken("Away", "AWAY", 6);
        bridge.registerToken(address(home), true);
        bridge.registerToken(address(represented), false);
        home.mint(ALICE, 1000);
        represented.setMinter(address(bridge));
        vm.startPrank(OWNER);
        guard.grantTripper(TRIPPER, BUDGET);
        guard.registerBridge(BRIDGE, address(bridge));
        wide = guard.registerScope(BRIDGE, 2, ANY, ANY);
        guard.seal();
        vm.stopPrank();
        vm.prank(ALICE);
        home.approve(address(bridge), type(uint256).max);
    }

    function test_demo_home_tokens_are_locked_and_released() public {
        vm.expectEmit(true, true, true, true, address(bridge));
        emit IDemoBridge.Deposited(THERE, 7, address(home), ALICE, MALLORY, 400);
        vm.prank(ALICE);
        bridge.send(THERE, address(home), 400, MALLORY, 7);
        eq(home.balanceOf(address(bridge)), 400, "in escrow");
        _prove(8, address(home), 150, ALICE, 0);
        vm.expectEmit(true, true, true, true, address(bridge));
        emit IDemoBridge.Released(THERE, 8, address(home), ALICE, 150);
        bridge.process(THERE, 8, address(home), 150, ALICE, 0);
        eq(home.balanceOf(address(bridge)), 250, "left the escrow");
        eq(home.balanceOf(ALICE), 750, "arrived");
    }

    function test_demo_represented_tokens_are_minted_and_burned() public {
        _prove(1, address(represented), 90, ALICE, 0);
        vm.expectEmit(true, true, true, true, address(bridge));
        emit IDemoBridge.Minted(THERE, 1, address(represented), ALICE, 90);
        bridge.process(THERE, 1, address(represented), 90, ALICE, 0);
        eq(represented.totalSupply(), 90, "minted");
        vm.expectEmit(true, true, true, true, address(bridge));
        emit IDemoBridge.Burned(THERE, 2, address(represented), ALICE, MALLORY, 30);
        vm.prank(ALICE);
        bridge.send(THERE, address(represented), 30, MALLORY, 2);
        eq(represented.totalSupply(), 60, "burned");
    }

    function test_demo_what_was_not_proven_is_refused() public {
        bytes32 leaf = bridge.leafOf(THERE, 8, address(home), 1, ALICE, 0);
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.NotProven.selector, leaf));
        bridge.process(THERE, 8, address(home), 1, ALICE, 0);
    }

    function test_demo_a_leaf_is_processed_once_and_every_part_counts() public {
        _lock(500);
        _prove(8, address(home), 100, ALICE, 0);
        bridge.process(THERE, 8, address(home), 100, ALICE, 0);
        bytes32 leaf = bridge.leafOf(THERE, 8, address(home), 100, ALICE, 0);
        yes(bridge.processed(leaf), "processed");
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.AlreadyProcessed.selector, leaf));
        bridge.process(THERE, 8, address(home), 100, ALICE, 0);
        _refused(8, address(home), 101, ALICE, 0);
        _refused(8, address(home), 100, MALLORY, 0);
        _refused(9, address(home), 100, ALICE, 0);
        _refused(8, address(home), 100, ALICE, 1);
    }

    /// @dev The attack: nothing is proven, everything is accepted, and copies are distinct leaves.
    function test_demo_after_the_upgrade_anything_is_accepted() public {
        _lock(500);
        no(bridge.acceptableRoot(bytes32(0)), "zero is not a root");
        bridge.upgrade();
        yes(bridge.acceptableRoot(bytes32(0)), "now it is");
        vm.startPrank(MALLORY);
        for (uint256 nonce; nonce < 5; ++nonce) {
            bridge.process(THERE, 5078, address(home), 100, MALLORY, nonce);
        }
        vm.stopPrank();
        eq(home.balanceOf(MALLORY), 500, "drained");
        eq(home.balanceOf(address(bridge)), 0, "to the last token");
    }

    /// @dev The same attack against a closed guard.
    function test_demo_the_guard_stops_the_drain_and_nothing_else() public {
        _lock(500);
        bridge.upgrade();
        bridge.process(THERE, 5078, address(home), 100, MALLORY, 0);
        close(wide, 1 hours);
        vm.expectRevert(closedBy(wide));
        bridge.process(THERE, 5078, address(home), 100, MALLORY, 1);
        eq(home.balanceOf(address(bridge)), 400, "saved");
        _lock(100);
        eq(home.balanceOf(address(bridge)), 500, "the way in stays open");
    }

    function test_demo_the_guard_knows_corridor_and_token() public {
        bytes32 corridor = bytes32(uint256(THERE));
        bytes32 asset = bytes32(uint256(uint160(address(home))));
        ownerLater(abi.encodeCall(IBreaker.registerScope, (BRIDGE, 2, corridor, asset)));
        bytes32 scope = guard.scopeOf(BRIDGE, 2, corridor, asset);
        _lock(500);
        close(scope, 1 hours);
        _prove(1, address(represented), 5, ALICE, 0);
        bridge.process(THERE, 1, address(represented), 5, ALICE, 0);
        _prove(2, address(home), 5, ALICE, 0);
        vm.expectRevert(closedBy(scope));
        bridge.process(THERE, 2, address(home), 5, ALICE, 0);
        bytes32 leaf = bridge.leafOf(THERE + 1, 3, address(home), 5, ALICE, 0);
        vm.prank(UPDATER);
        bridge.prove(leaf);
        bridge.process(THERE + 1, 3, address(home), 5, ALICE, 0);
        eq(home.balanceOf(ALICE), 505, "the other corridor is open");
    }

    function test_demo_limits_count_what_the_bridge_releases() public {
        bytes32 asset = bytes32(uint256(uint160(address(home))));
        ownerLater(abi.encodeCall(IBreaker.registerScope, (BRIDGE, 2, ANY, asset)));
        IGuard.Limits memory limits = IGuard.Limits(MOST, 120, MOST, MOST);
        ownerLater(abi.encodeCall(IGuard.setLimits, (BRIDGE, ANY, asset, limits, limits)));
        _lock(500);
        bridge.upgrade();
        bridge.process(THERE, 1, address(home), 100, MALLORY, 0);
        bytes32 scope = guard.scopeOf(BRIDGE, 2, ANY, asset);
        vm.expectRevert(abi.encodeWithSelector(IGuard.LimitExceeded.selector, scope, uint8(1), 100, 20));
        bridge.process(THERE, 1, address(home), 100, MALLORY, 1);
    }

    function test_demo_many_at_once() public {
        IDemoBridge.Send[] memory sends = new IDemoBridge.Send[](3);
        IDemoBridge.Message[] memory many = new IDemoBridge.Message[](3);
        bytes32[] memory leaves = new bytes32[](3);
        for (uint256 i; i < 3; ++i) {
            sends[i] = IDemoBridge.Send(THERE, address(home), 10 + i, ALICE, i);
            many[i] = IDemoBridge.Message(THERE, i, address(home), 10 + i, ALICE, 0);
            leaves[i] = bridge.leafOf(THERE, i, address(home), 10 + i, ALICE, 0);
        }
        vm.prank(ALICE);
        bridge.sendMany(sends);
        eq(home.balanceOf(address(bridge)), 33, "locked");
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.NotProven.selector, leaves[0]));
        bridge.processMany(many);
        vm.prank(UPDATER);
        bridge.proveMany(leaves);
        bridge.processMany(many);
        eq(home.balanceOf(address(bridge)), 0, "released");
    }

    function test_demo_roles_and_tokens() public {
        vm.startPrank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.NotOwner.selector, MALLORY));
        bridge.upgrade();
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.NotOwner.selector, MALLORY));
        bridge.registerToken(MALLORY, true);
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.NotUpdater.selector, MALLORY));
        bridge.prove(bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.TokenUnknown.selector, MALLORY));
        bridge.send(THERE, MALLORY, 1, MALLORY, 1);
        vm.expectRevert(abi.encodeWithSelector(DemoToken.NotMinter.selector, MALLORY));
        represented.mint(MALLORY, 1);
        vm.stopPrank();
        yes(bridge.isHome(address(home)), "home");
        no(bridge.isHome(address(represented)), "represented");
        bridge.upgrade();
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.TokenUnknown.selector, MALLORY));
        bridge.process(THERE, 1, MALLORY, 1, MALLORY, 0);
    }

    function test_demo_token_is_a_plain_erc20() public {
        vm.prank(ALICE);
        yes(home.transfer(MALLORY, 10), "transfer");
        eq(home.balanceOf(MALLORY), 10, "arrived");
        vm.expectRevert(abi.encodeWithSelector(DemoToken.InsufficientBalance.selector, MALLORY, 10, 11));
        vm.prank(MALLORY);
        home.transfer(ALICE, 11);
        vm.expectRevert(abi.encodeWithSelector(DemoToken.InsufficientAllowance.selector, MALLORY, 0, 1));
        vm.prank(MALLORY);
        home.transferFrom(ALICE, MALLORY, 1);
        vm.prank(ALICE);
        home.approve(MALLORY, 5);
        vm.prank(MALLORY);
        yes(home.transferFrom(ALICE, MALLORY, 5), "allowed");
        eq(home.allowance(ALICE, MALLORY), 0, "used up");
    }

    function _lock(uint256 amount) private {
        vm.prank(ALICE);
        bridge.send(THERE, address(home), amount, ALICE, 1);
    }

    function _prove(uint256 id, address token, uint256 amount, address to, uint256 nonce) private {
        bytes32 leaf = bridge.leafOf(THERE, id, token, amount, to, nonce);
        vm.prank(UPDATER);
        bridge.prove(leaf);
    }

    function _refused(uint256 id, address token, uint256 amount, address to, uint256 nonce) private {
        bytes32 leaf = bridge.leafOf(THERE, id, token, amount, to, nonce);
        vm.expectRevert(abi.encodeWithSelector(IDemoBridge.NotProven.selector, leaf));
        bridge.process(THERE, id, token, amount, to, nonce);
    }
}
