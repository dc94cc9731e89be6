// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGate} from "../../src/IGate.sol";
import {IBreaker} from "../../src/IGuard.sol";
import {Vm} from "../support/Vm.sol";
import {GateFixture} from "./GateFixture.sol";
import {Difficult, Vault} from "./Targets.sol";

/// @notice Rule 11.10: a gate closes by kind, restores only what it closed, and needs nobody for the way back.
contract GateTest is GateFixture {
    function test_every_kind_closes_with_the_trip_and_opens_after_expiry_at_anyones_call() public {
        for (uint256 i; i < KINDS; ++i) {
            IGate.Kind kind = IGate.Kind(i);
            no(isClosed(kind), "open before");
            yes(trip(scopes[i], 2, 1 hours), "tripped");
            yes(isClosed(kind), "closed by the trip");
            yes(ours(scopes[i]), "ours");
        }
        vm.warp(START + 1 hours - 1);
        for (uint256 i; i < KINDS; ++i) {
            vm.prank(STRANGER);
            gate.restore(scopes[i]);
            yes(isClosed(IGate.Kind(i)), "not before expiry");
        }
        vm.warp(START + 1 hours);
        for (uint256 i; i < KINDS; ++i) {
            vm.prank(STRANGER);
            gate.restore(scopes[i]);
            no(isClosed(IGate.Kind(i)), "open after expiry");
            no(ours(scopes[i]), "nothing left to restore");
        }
        eq(aave.accidents(), 0, "nothing was frozen or opened twice");
    }

    function test_every_kind_opens_with_the_release() public {
        for (uint256 i; i < KINDS; ++i) {
            trip(scopes[i], 2, 1 hours);
            release(scopes[i], 0);
            no(isClosed(IGate.Kind(i)), "open");
        }
    }

    function test_what_others_closed_is_found_and_never_opened() public {
        for (uint256 i; i < KINDS; ++i) {
            closedByPeople(IGate.Kind(i));
            trip(scopes[i], 2, 1 hours);
            no(ours(scopes[i]), "not ours");
        }
        vm.warp(START + 10 hours);
        for (uint256 i; i < KINDS; ++i) {
            gate.restore(scopes[i]);
            yes(isClosed(IGate.Kind(i)), "people's closure stands after expiry");
            release(scopes[i], 0);
            yes(isClosed(IGate.Kind(i)), "and after a release");
        }
        eq(aave.accidents(), 0, "nothing was frozen twice");
    }

    function test_a_found_closure_is_an_event() public {
        closedByPeople(IGate.Kind.Pausable);
        vm.recordLogs();
        trip(scopes[0], 2, 1 hours);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[1].topics[0], IGate.TargetFound.selector, "found");
        eq(logs.length, 2, "after the trip's own event");
    }

    function test_what_others_opened_is_closed_again_by_enforce_and_by_a_repetition() public {
        trip(scopes[0], 2, 1 hours);
        vm.prank(PEOPLE);
        vault.unpause();
        vm.prank(STRANGER);
        gate.enforce(scopes[0]);
        yes(vault.paused(), "enforced");
        vm.prank(PEOPLE);
        vault.unpause();
        no(trip(scopes[0], 2, 1 hours), "nothing to extend");
        yes(vault.paused(), "a repetition enforces, too");
    }

    function test_enforce_closes_nothing_while_the_scope_is_open() public {
        vm.prank(STRANGER);
        gate.enforce(scopes[0]);
        no(vault.paused(), "open");
    }

    function test_what_others_opened_already_is_not_opened_again() public {
        trip(scopes[0], 2, 1 hours);
        vm.prank(PEOPLE);
        vault.unpause();
        vm.warp(START + 1 hours);
        vm.recordLogs();
        gate.restore(scopes[0]);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1, "one event");
        eq(logs[0].topics[0], IGate.TargetRestored.selector, "restored");
        no(ours(scopes[0]), "mark gone");
        vm.prank(PEOPLE);
        vault.pause();
        gate.restore(scopes[0]);
        yes(vault.paused(), "a later pause of people's is theirs");
    }

    function test_a_hold_closes_and_does_not_expire() public {
        vm.prank(GUARDIAN);
        gate.hold(scopes[0], 2);
        vm.warp(START + 3650 days);
        gate.restore(scopes[0]);
        yes(vault.paused(), "held");
        release(scopes[0], 0);
        no(vault.paused(), "released");
    }

    /// @dev The gate's blind spot, and the way around it: who pauses beside the gate may be opened by it, who holds is not.
    function test_people_keep_it_closed_by_a_hold_not_by_a_pause_behind_the_gates_back() public {
        trip(scopes[0], 2, 1 hours);
        vm.startPrank(PEOPLE);
        vault.unpause();
        vault.pause();
        vm.stopPrank();
        vm.warp(START + 1 hours);
        uint256 snapshot = vm.snapshotState();
        gate.restore(scopes[0]);
        no(vault.paused(), "nobody told the gate");
        vm.revertToState(snapshot);
        vm.prank(GUARDIAN);
        gate.hold(scopes[0], 2);
        gate.restore(scopes[0]);
        yes(vault.paused(), "held");
    }

    function test_from_level_limited_closes_through_the_tail() public {
        (bytes32 scope, Vault other) = _limitedTarget();
        trip(scope, 2, 1 hours);
        yes(other.paused(), "closed");
        vm.warp(block.timestamp + 1 hours);
        gate.restore(scope);
        yes(other.paused(), "limited is enough for this target");
        vm.warp(block.timestamp + TAIL);
        gate.restore(scope);
        no(other.paused(), "open when the tail is over");
    }

    function test_release_to_limited_keeps_what_closes_when_limited() public {
        (bytes32 scope, Vault other) = _limitedTarget();
        trip(scope, 2, 1 hours);
        release(scope, 1);
        yes(other.paused(), "still limited");
        release(scope, 0);
        no(other.paused(), "open");
    }

    /// @dev A target that closes at the limited level must not be closed for ever by a stolen key.
    function test_limiting_a_gate_is_charged_to_the_budget() public {
        (bytes32 scope,) = _limitedTarget();
        (,, uint32 before) = gate.tripperOf(TRIPPER);
        trip(scope, 1, 1 hours);
        (,, uint32 left) = gate.tripperOf(TRIPPER);
        eq(before - left, 1 hours, "charged");
        for (uint256 i; i < 10; ++i) {
            vm.warp(block.timestamp + 4 hours);
            trip(scope, 1, 4 hours);
        }
        (,, left) = gate.tripperOf(TRIPPER);
        eq(left, 0, "the budget ends");
        yes(gate.levelOf(scope) == 0, "and the scope opens");
    }

    function test_a_release_does_not_open_before_what_others_ask() public {
        trip(scopes[4], 2, 1 hours);
        trip(scopes[0], 2, 1 hours);
        release(scopes[4], 0);
        yes(vault.paused(), "another scope's target is not touched");
        no(ism.paused(), "its own is open");
    }

    function test_pause_by_id_restores_the_setting_that_was_there() public {
        trip(scopes[3], 2, 1 hours);
        (bool paused, bool enabled) = oft.pauseConfig(ID);
        yes(paused && enabled, "closed by a setting of its own");
        // While it is closed, people pause by default: that must hold after the restoration.
        oft.setDefaultPaused(true);
        vm.warp(START + 1 hours);
        gate.restore(scopes[3]);
        (paused, enabled) = oft.pauseConfig(ID);
        no(paused || enabled, "no setting of its own, as before");
        yes(oft.isPaused(ID), "the default of people stands");
    }

    function test_a_global_curse_hides_nothing() public {
        vm.prank(PEOPLE);
        rmn.curse(0x01000000000000000000000000000001);
        trip(scopes[5], 2, 1 hours);
        yes(rmn.cursed(SUBJECT), "the subject itself is cursed");
        vm.prank(PEOPLE);
        rmn.uncurse(0x01000000000000000000000000000001);
        yes(rmn.isCursed(SUBJECT), "and stays so");
        vm.warp(START + 1 hours);
        gate.restore(scopes[5]);
        no(rmn.isCursed(SUBJECT), "until the gate lifts it");
    }

    function test_trips_and_roles_are_those_of_the_guard() public {
        IBreaker.TripRequest memory r =
            IBreaker.TripRequest(scopes[0], 2, uint64(START + 60), 0, "incident", "record", 0);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotTripper.selector, STRANGER));
        vm.prank(STRANGER);
        gate.trip(r);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotReleaser.selector, TRIPPER));
        vm.prank(TRIPPER);
        gate.release(scopes[0], 0, 0, 0);
        eq(uint256(vm.load(address(gate), keccak256(abi.encode(scopes[0], uint256(0))))) & 1, 1, "same slot as a guard");
    }

    function _limitedTarget() private returns (bytes32 scope, Vault other) {
        other = new Vault(PEOPLE);
        other.transferOwnership(address(gate));
        vm.prank(OWNER);
        gate.takeOver(address(other));
        bytes memory call = abi.encodeCall(IBreaker.registerScope, ("bridge", 2, "limited", bytes32(0)));
        (bool done,) = ownerLater(call);
        yes(done, "scope");
        scope = gate.scopeOf("bridge", 2, "limited", bytes32(0));
        IGate.Target memory t = IGate.Target(address(other), IGate.Kind.Pausable, 1, 0, address(0));
        (done,) = ownerLater(abi.encodeCall(IGate.addTarget, (scope, t)));
        yes(done, "target");
    }
}

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
            yes(views[1].ours && views[1].closed, "the next target was closed");
            difficult.setMood(Difficult.Mood.Fair);
            vm.prank(STRANGER);
            gate.enforce(scope);
            yes(difficult.paused() && gate.targetsOf(scope)[0].ours, "tried again until closed");
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
        no(gate.targetsOf(scope)[0].ours, "whether it had been open, nobody knows");
        difficult.setMood(Difficult.Mood.Fair);
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
