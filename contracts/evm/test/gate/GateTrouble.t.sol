// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGate} from "../../src/IGate.sol";
import {IBreaker} from "../../src/IGuard.sol";
import {Vm} from "../support/Vm.sol";
import {GateFixture} from "./GateFixture.sol";
import {Difficult, Vault} from "./Targets.sol";

/// @notice What a gate does when a target does not do as it is told, and how targets come and go.
contract GateTroubleTest is GateFixture {
    Difficult private difficult;
    bytes32 private scope;

    function setUp() public override {
        super.setUp();
        difficult = new Difficult();
        (bool done,) = ownerLater(abi.encodeCall(IBreaker.registerScope, ("bridge", 2, "difficult", bytes32(0))));
        yes(done, "scope");
        scope = gate.scopeOf("bridge", 2, "difficult", bytes32(0));
        _add(address(difficult));
        Vault fair = new Vault(PEOPLE);
        fair.transferOwnership(address(gate));
        vm.prank(OWNER);
        gate.takeOver(address(fair));
        _add(address(fair));
    }

    function test_a_refusal_does_not_undo_the_trip_nor_stop_the_next_target() public {
        Difficult.Mood[4] memory moods =
            [Difficult.Mood.Refuses, Difficult.Mood.Lies, Difficult.Mood.Greedy, Difficult.Mood.Noisy];
        for (uint256 i; i < moods.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            difficult.setMood(moods[i]);
            yes(trip(scope, 2, 1 hours), "the trip stands");
            eq(gate.levelOf(scope), 2, "closed in the state");
            IGate.TargetView[] memory views = gate.targetsOf(scope);
            no(views[0].ours, "not closed, not ours");
            eq(gate.enforcedOf(scope).closedUntil, 0, "and nothing says that the scope is closed");
            yes(views[1].ours && views[1].closed, "the next target was closed");
            difficult.setMood(Difficult.Mood.Fair);
            vm.prank(STRANGER);
            gate.enforce(scope);
            yes(difficult.paused() && gate.targetsOf(scope)[0].ours, "tried again until closed");
            yes(followed(scope), "and now it is told");
            vm.revertToState(snapshot);
        }
    }

    function test_a_refusal_is_an_event() public {
        difficult.setMood(Difficult.Mood.Refuses);
        vm.recordLogs();
        trip(scope, 2, 1 hours);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[1].topics[0], IGate.TargetFailed.selector, "failed");
    }

    function test_a_target_that_cannot_say_is_closed_and_stays_so() public {
        difficult.setMood(Difficult.Mood.Silent);
        trip(scope, 2, 1 hours);
        yes(difficult.isPausedInside(), "it was told to close");
        eq(gate.enforcedOf(scope).closedUntil, 0, "whether it is, nobody knows");
        no(gate.targetsOf(scope)[0].ours, "whether it had been open, nobody knows");
        difficult.setMood(Difficult.Mood.Fair);
        vm.warp(block.timestamp + 10 hours);
        gate.restore(scope);
        yes(difficult.paused(), "so the gate does not open it");
    }

    function test_a_target_that_says_only_afterwards_that_it_is_closed_stays_so() public {
        difficult.setMood(Difficult.Mood.Shy);
        vm.recordLogs();
        trip(scope, 2, 1 hours);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[1].topics[0], IGate.TargetClosed.selector, "closed");
        (,, bool own) = abi.decode(logs[1].data, (IGate.Kind, bytes32, bool));
        no(own || gate.targetsOf(scope)[0].ours, "but perhaps not by the gate");
        vm.warp(block.timestamp + 10 hours);
        gate.restore(scope);
        yes(difficult.paused(), "so the gate does not open it");
    }

    function test_a_failed_restoration_is_tried_again() public {
        trip(scope, 2, 1 hours);
        vm.warp(block.timestamp + 1 hours);
        Difficult.Mood[2] memory moods = [Difficult.Mood.Refuses, Difficult.Mood.Lies];
        for (uint256 i; i < moods.length; ++i) {
            difficult.setMood(moods[i]);
            gate.restore(scope);
            yes(difficult.paused() && gate.targetsOf(scope)[0].ours, "still ours");
        }
        no(gate.targetsOf(scope)[1].closed, "the next target is open");
        difficult.setMood(Difficult.Mood.Fair);
        gate.restore(scope);
        no(difficult.paused(), "open");
    }

    /// @dev Whoever submits must not be able to make a target fail by sending too little gas.
    function test_too_little_gas_reverts_the_whole_trip() public {
        IBreaker.TripRequest memory r =
            IBreaker.TripRequest(scope, 2, uint64(block.timestamp + 1 hours), 0, "incident", "record", 0);
        vm.prank(TRIPPER);
        (bool done,) = address(gate).call{gas: 1_500_000}(abi.encodeCall(IBreaker.trip, (r)));
        no(done, "refused");
        eq(gate.stateOf(scope).closedUntil, 0, "nothing was written");
        vm.prank(TRIPPER);
        (done,) = address(gate).call{gas: 2_500_000}(abi.encodeCall(IBreaker.trip, (r)));
        yes(done && difficult.paused(), "enough gas");
    }

    /// @dev Nor have it written that a closed target is open, because it was starved when it was asked. Of the gas 1/64 stays
    /// with the gate, just enough to write, when the last target needs nearly all that it may have.
    function test_too_little_gas_cannot_have_it_written_that_a_target_is_open() public {
        (bool removed,) = ownerLater(abi.encodeCall(IGate.removeTarget, (scope, 1)));
        yes(removed, "alone");
        trip(scope, 2, 1 hours);
        difficult.setMood(Difficult.Mood.Slow);
        gate.restore(scope);
        yes(followed(scope), "it answers with nearly all of its gas");
        uint256 told;
        for (uint256 gas_ = 380_000; gas_ < 480_000; gas_ += 250) {
            vm.prank(STRANGER);
            (bool done,) = address(gate).call{gas: gas_}(abi.encodeCall(IGate.restore, (scope)));
            yes(followed(scope), "told as it is, or not at all");
            if (done) ++told;
        }
        vm.prank(STRANGER);
        (bool enough,) = address(gate).call{gas: 900_000}(abi.encodeCall(IGate.restore, (scope)));
        yes(enough && told == 0, "with enough gas it is");
    }

    function test_who_comes_takes_back_what_is_enforced_and_who_leaves_gives_it() public {
        trip(scope, 2, MAX);
        yes(followed(scope), "closed");
        Difficult late = new Difficult();
        IGate.Target memory t = IGate.Target(address(late), IGate.Kind.Pausable, 2, 0, address(0));
        vm.prank(OWNER);
        gate.schedule(abi.encodeCall(IGate.addTarget, (scope, t)));
        vm.prank(OWNER);
        gate.schedule(abi.encodeCall(IGate.removeTarget, (scope, 2)));
        vm.warp(block.timestamp + MAX);
        trip(scope, 2, 1 hours);
        vm.prank(OWNER);
        gate.addTarget(scope, t);
        eq(gate.enforcedOf(scope).closedUntil, 0, "the new one is open");
        vm.prank(OWNER);
        gate.removeTarget(scope, 2);
        yes(followed(scope), "the others are closed");
    }

    function test_one_switch_belongs_to_one_scope() public {
        IGate.Target memory again = target(IGate.Kind.Pausable);
        _refused(
            abi.encodeCall(IGate.addTarget, (scope, again)), abi.encodeWithSelector(IGate.TargetTaken.selector, vault)
        );
        // The ISM kind is the same switch under another name.
        again.kind = IGate.Kind.PausableIsm;
        _refused(
            abi.encodeCall(IGate.addTarget, (scope, again)), abi.encodeWithSelector(IGate.TargetTaken.selector, vault)
        );
    }

    function test_targets_must_have_the_form_of_their_kind() public {
        IGate.Target memory t = target(IGate.Kind.Pausable);
        t.argument = "something";
        _invalid(t);
        t = target(IGate.Kind.Pausable);
        t.status = address(aave);
        _invalid(t);
        t = target(IGate.Kind.Pausable);
        t.fromLevel = 0;
        _invalid(t);
        t.fromLevel = 3;
        _invalid(t);
        t = target(IGate.Kind.Pausable);
        t.account = STRANGER;
        _invalid(t);
        t = target(IGate.Kind.AaveFreeze);
        t.argument = bytes32(type(uint256).max);
        _invalid(t);
        t = target(IGate.Kind.AaveFreeze);
        t.status = address(0);
        _invalid(t);
        t = target(IGate.Kind.Curse);
        t.argument = bytes32(uint256(1));
        _invalid(t);
    }

    function test_a_target_that_does_not_answer_is_not_added() public {
        IGate.Target memory t = IGate.Target(address(aave), IGate.Kind.Pausable, 2, 0, address(0));
        _refused(abi.encodeCall(IGate.addTarget, (scope, t)), abi.encodeWithSelector(IGate.TargetSilent.selector, aave));
        t = IGate.Target(address(vault), IGate.Kind.AavePause, 2, 0, address(vault));
        _refused(
            abi.encodeCall(IGate.addTarget, (scope, t)), abi.encodeWithSelector(IGate.TargetSilent.selector, vault)
        );
    }

    function test_a_target_leaves_only_when_it_is_open() public {
        trip(scope, 2, MAX);
        vm.prank(OWNER);
        gate.schedule(abi.encodeCall(IGate.removeTarget, (scope, 0)));
        vm.warp(block.timestamp + MAX);
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IGate.TargetHeld.selector, difficult));
        gate.removeTarget(scope, 0);
        gate.restore(scope);
        vm.prank(OWNER);
        gate.removeTarget(scope, 0);
        eq(gate.targetsOf(scope).length, 1, "gone");
        no(gate.targetsOf(scope)[0].target.account == address(difficult), "the right one is gone");
        trip(scope, 2, 1 hours);
        no(difficult.paused(), "and is not closed any more");
        _refused(
            abi.encodeCall(IGate.removeTarget, (scope, 5)),
            abi.encodeWithSelector(IGate.TargetUnknown.selector, scope, 5)
        );
    }

    function test_ownership_is_handed_back_late_and_only_when_no_switch_is_listed() public {
        bytes memory call = abi.encodeCall(IGate.handBack, (address(vault), PEOPLE));
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotScheduled.selector, keccak256(call)));
        gate.handBack(address(vault), PEOPLE);
        _refused(call, abi.encodeWithSelector(IGate.TargetHeld.selector, vault));
        (bool done,) = ownerLater(abi.encodeCall(IGate.removeTarget, (scopes[0], 0)));
        yes(done, "removed");
        (done,) = ownerLater(call);
        yes(done, "handed back");
        vm.prank(PEOPLE);
        vault.acceptOwnership();
        eq(vault.owner(), PEOPLE, "people own it again");
        _refused(call, abi.encodeWithSelector(IGate.HandBackFailed.selector, vault));
    }

    function test_a_scope_has_room_for_sixteen_targets() public {
        for (uint256 i = 2; i < 16; ++i) {
            _add(address(new Difficult()));
        }
        IGate.Target memory t = IGate.Target(address(new Difficult()), IGate.Kind.Pausable, 2, 0, address(0));
        _refused(
            abi.encodeCall(IGate.addTarget, (scope, t)), abi.encodeWithSelector(IGate.TooManyTargets.selector, scope)
        );
        yes(trip(scope, 2, 1 hours), "all sixteen in one trip");
        IGate.TargetView[] memory views = gate.targetsOf(scope);
        for (uint256 i; i < views.length; ++i) {
            yes(views[i].closed && views[i].ours, "closed");
        }
    }

    function test_only_the_owner_changes_targets() public {
        IGate.Target memory t = target(IGate.Kind.Pausable);
        bytes memory refusal = abi.encodeWithSelector(IBreaker.NotOwner.selector, STRANGER);
        vm.startPrank(STRANGER);
        vm.expectRevert(refusal);
        gate.addTarget(scope, t);
        vm.expectRevert(refusal);
        gate.removeTarget(scope, 0);
        vm.expectRevert(refusal);
        gate.handBack(address(vault), STRANGER);
        vm.expectRevert(refusal);
        gate.takeOver(address(vault));
        vm.expectRevert(refusal);
        gate.registerScope("bridge", 2, "mine", bytes32(0));
        vm.stopPrank();
    }

    function test_unknown_scopes_are_refused() public {
        bytes memory refusal = abi.encodeWithSelector(IBreaker.ScopeUnregistered.selector, bytes32("none"));
        vm.expectRevert(refusal);
        gate.enforce("none");
        vm.expectRevert(refusal);
        gate.restore("none");
        _refused(abi.encodeCall(IGate.addTarget, ("none", target(IGate.Kind.Pausable))), refusal);
    }

    function _add(address account) private {
        IGate.Target memory t = IGate.Target(account, IGate.Kind.Pausable, 2, 0, address(0));
        (bool done,) = ownerLater(abi.encodeCall(IGate.addTarget, (scope, t)));
        yes(done, "added");
    }

    function _invalid(IGate.Target memory t) private {
        _refused(
            abi.encodeCall(IGate.addTarget, (scope, t)), abi.encodeWithSelector(IGate.InvalidTarget.selector, t.account)
        );
    }

    function _refused(bytes memory call, bytes memory error_) private {
        (bool done, bytes memory data) = ownerLater(call);
        no(done, "refused");
        eq(keccak256(data), keccak256(error_), "for that reason");
    }
}
