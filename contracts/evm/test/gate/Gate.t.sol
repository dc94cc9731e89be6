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
            yes(followed(scopes[i]), "and followed");
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

    function test_what_is_enforced_is_a_word_of_its_own_with_the_scopes_fields() public {
        yes(trip(scopes[0], 2, 1 hours), "tripped");
        IBreaker.ScopeState memory asked = gate.stateOf(scopes[0]);
        IBreaker.ScopeState memory done = gate.enforcedOf(scopes[0]);
        eq(keccak256(abi.encode(done)), keccak256(abi.encode(asked)), "the same fields");
        eq(done.closedUntil, START + 1 hours, "closed");
        yes(followed(scopes[0]), "in the slot that proofs read");
        vm.prank(GUARDIAN);
        gate.hold(scopes[0], 2);
        eq(gate.enforcedOf(scopes[0]).hold, 2, "a hold is enforced, too");
        release(scopes[0], 0);
        eq(gate.enforcedOf(scopes[0]).hold, 0, "until it is released");
        eq(gate.enforcedOf(scopes[0]).generation, 1, "the generation goes with it");
    }

    function test_a_scope_without_targets_enforces_nothing() public {
        (bool done,) = ownerLater(abi.encodeCall(IBreaker.registerScope, ("bridge", 2, "empty", bytes32(0))));
        yes(done, "scope");
        bytes32 scope = gate.scopeOf("bridge", 2, "empty", bytes32(0));
        yes(word(scope, ENFORCED) != 0, "the gate says so from the beginning");
        yes(trip(scope, 2, 1 hours), "tripped");
        eq(gate.levelOf(scope), 2, "closed in the state");
        IBreaker.ScopeState memory state = gate.enforcedOf(scope);
        eq(uint256(state.closedUntil) + state.limitedUntil + state.hold, 0, "and nowhere else");
        yes(state.registered, "registered");
    }

    /// @dev What limiting asks for can stand where closing does not.
    function test_a_refused_closure_leaves_the_limitation_enforced() public {
        (bytes32 scope,) = _limitedTarget();
        Difficult difficult = new Difficult();
        IGate.Target memory t = IGate.Target(address(difficult), IGate.Kind.Pausable, 2, 0, address(0));
        (bool done,) = ownerLater(abi.encodeCall(IGate.addTarget, (scope, t)));
        yes(done, "target");
        difficult.setMood(Difficult.Mood.Refuses);
        trip(scope, 2, 1 hours);
        vm.prank(GUARDIAN);
        gate.hold(scope, 2);
        IBreaker.ScopeState memory state = gate.enforcedOf(scope);
        eq(state.closedUntil, 0, "not closed");
        eq(state.limitedUntil, block.timestamp + 1 hours + TAIL, "limited");
        eq(state.hold, 1, "and held so");
        difficult.setMood(Difficult.Mood.Fair);
        vm.prank(STRANGER);
        gate.enforce(scope);
        yes(followed(scope), "until it follows");
        difficult.setMood(Difficult.Mood.Silent);
        vm.prank(STRANGER);
        gate.restore(scope);
        eq(gate.enforcedOf(scope).closedUntil, 0, "what does not answer is not known to be closed");
    }

    function test_what_others_opened_is_not_enforced_any_more() public {
        trip(scopes[0], 2, 1 hours);
        vm.prank(PEOPLE);
        vault.unpause();
        vm.prank(STRANGER);
        gate.restore(scopes[0]);
        eq(gate.enforcedOf(scopes[0]).closedUntil, 0, "told by whoever looks");
        vm.prank(STRANGER);
        gate.enforce(scopes[0]);
        yes(followed(scopes[0]), "enforced again");
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
