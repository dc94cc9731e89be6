// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGate} from "../../src/IGate.sol";
import {IBreaker} from "../../src/IGuard.sol";
import {Vm} from "../support/Vm.sol";
import {GateFixture} from "./GateFixture.sol";

/// @notice Everything that can happen to a gate, in any order: trips, time, restoration, enforcement, releases, holds, and
/// people who pause and open by themselves.
contract GateInvariantsTest is GateFixture {
    uint256 private closedByGate;
    uint256 private openedByGate;
    bool private misstated;

    /// @dev Only the actions below are called.
    function targetSelectors() external view returns (Vm.FuzzSelector[] memory selectors) {
        bytes4[] memory actions = new bytes4[](8);
        actions[0] = this.actTrip.selector;
        actions[1] = this.actWait.selector;
        actions[2] = this.actRestore.selector;
        actions[3] = this.actEnforce.selector;
        actions[4] = this.actRelease.selector;
        actions[5] = this.actHold.selector;
        actions[6] = this.actPeoplePause.selector;
        actions[7] = this.actPeopleOpen.selector;
        selectors = new Vm.FuzzSelector[](1);
        selectors[0] = Vm.FuzzSelector(address(this), actions);
    }

    function targetContracts() external view returns (address[] memory contracts) {
        contracts = new address[](1);
        contracts[0] = address(this);
    }

    function actTrip(uint8 level, uint256 length) external {
        bool was = vault.paused();
        trip(scopes[0], uint8(within(level, 1, 2)), within(length, 1, 2 * MAX));
        _count(was);
    }

    function actWait(uint256 length) external {
        vm.warp(block.timestamp + within(length, 1, 3 hours));
    }

    function actRestore() external {
        bool was = vault.paused();
        vm.prank(STRANGER);
        gate.restore(scopes[0]);
        _count(was);
    }

    function actEnforce() external {
        bool was = vault.paused();
        vm.prank(STRANGER);
        gate.enforce(scopes[0]);
        _count(was);
    }

    function actRelease(bool limited) external {
        bool was = vault.paused();
        release(scopes[0], limited ? 1 : 0);
        _count(was);
    }

    function actHold() external {
        // A hold that stands already changes nothing, nor does it look: `enforce` does.
        if (gate.stateOf(scopes[0]).hold == 2) return;
        bool was = vault.paused();
        vm.prank(GUARDIAN);
        gate.hold(scopes[0], 2);
        _count(was);
    }

    /// @dev A pausable does not tell who paused it: when others open and pause again behind the gate's back, the gate
    /// takes their pause for its own. People who want it closed use `hold` (see the test of that name).
    function actPeoplePause() external {
        if (vault.paused() || ours(scopes[0])) return;
        vm.prank(PEOPLE);
        vault.pause();
    }

    function actPeopleOpen() external {
        if (!vault.paused()) return;
        vm.prank(PEOPLE);
        vault.unpause();
    }

    /// @dev The vault remembers who paused it; whoever opens what another paused is found out.
    function invariant_a_gate_never_opens_what_it_did_not_close() public view {
        no(vault.openedAnothers(), "the gate opened what people had closed");
        yes(openedByGate <= closedByGate, "and no more often than it closed");
    }

    /// @dev Whenever the gate has been called, what it says that it enforces is what its target does.
    function invariant_what_is_enforced_is_what_the_target_follows() public view {
        no(misstated, "a word that its target does not follow");
    }

    /// @dev What is marked as the gate's own is never left closed by a restoration once the scope is open.
    function invariant_after_a_restoration_nothing_of_the_gates_is_closed() public {
        uint256 snapshot = vm.snapshotState();
        gate.restore(scopes[0]);
        IGate.TargetView memory seen = gate.targetsOf(scopes[0])[0];
        if (gate.levelOf(scopes[0]) < 2) no(seen.ours, "restored");
        vm.revertToState(snapshot);
    }

    /// @dev While the scope is closed, one call by anybody is enough to have the target closed.
    function invariant_closed_is_enforceable() public {
        if (gate.levelOf(scopes[0]) < 2) return;
        uint256 snapshot = vm.snapshotState();
        gate.enforce(scopes[0]);
        yes(vault.paused(), "enforced");
        vm.revertToState(snapshot);
    }

    function _count(bool was) private {
        bool now_ = vault.paused();
        IBreaker.ScopeState memory state = gate.enforcedOf(scopes[0]);
        misstated = misstated || (now_ ? !followed(scopes[0]) : state.closedUntil != 0 || state.hold == 2);
        if (!was && now_) ++closedByGate;
        if (was && !now_) ++openedByGate;
    }
}
