// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Gate} from "../../src/Gate.sol";
import {IGate} from "../../src/IGate.sol";
import {IBreaker} from "../../src/IGuard.sol";
import {Cast} from "../../src/lib/Cast.sol";
import {TestBase} from "../support/TestBase.sol";
import {AaveMarket, PausableById, Rmn, Vault} from "./Targets.sol";

/// @notice A gate with every role set and one target of every kind, each in a scope of its own.
abstract contract GateFixture is TestBase {
    uint32 internal constant MAX = 4 hours;
    uint32 internal constant TAIL = 2 hours;
    uint32 internal constant BUDGET = 24 hours;
    uint256 internal constant START = 1_700_092_800;

    address internal constant OWNER = address(0x0A);
    address internal constant RELEASER = address(0x0B);
    address internal constant GUARDIAN = address(0x0C);
    address internal constant TRIPPER = address(0x0D);
    address internal constant STRANGER = address(0x0F);
    address internal constant PEOPLE = address(0x10);
    address internal constant ASSET = address(0xA55E7);
    uint256 internal constant ID = 30_101;
    bytes16 internal constant SUBJECT = 0x000000000000000045849994fc9c7b15;

    uint256 internal constant KINDS = 6;
    /// @dev The slot of what is enforced.
    uint256 internal constant ENFORCED = 8;

    Gate internal gate;
    Vault internal vault;
    Vault internal ism;
    AaveMarket internal aave;
    PausableById internal oft;
    Rmn internal rmn;
    /// @dev One scope per kind, in the order of the enum.
    bytes32[KINDS] internal scopes;

    function setUp() public virtual {
        vm.warp(START);
        vm.roll(1_000_000);
        gate = new Gate(IBreaker.Config(OWNER, RELEASER, GUARDIAN, MAX, 1200, TAIL, 600, 48));
        vault = _handedOver();
        ism = _handedOver();
        aave = new AaveMarket(address(gate));
        oft = new PausableById(address(gate));
        rmn = new Rmn(address(gate), PEOPLE);
        vm.startPrank(OWNER);
        gate.grantTripper(TRIPPER, BUDGET);
        gate.takeOver(address(vault));
        gate.takeOver(address(ism));
        for (uint256 i; i < KINDS; ++i) {
            scopes[i] = gate.registerScope("bridge", 2, bytes32(i + 1), bytes32(0));
            gate.addTarget(scopes[i], target(IGate.Kind(i)));
        }
        gate.seal();
        vm.stopPrank();
    }

    function target(IGate.Kind kind) internal view returns (IGate.Target memory) {
        bytes32 asset = bytes32(uint256(uint160(ASSET)));
        if (kind == IGate.Kind.Pausable) return IGate.Target(address(vault), kind, 2, 0, address(0));
        if (kind == IGate.Kind.PausableIsm) return IGate.Target(address(ism), kind, 2, 0, address(0));
        if (kind == IGate.Kind.PauseById) return IGate.Target(address(oft), kind, 2, bytes32(ID), address(0));
        if (kind == IGate.Kind.Curse) return IGate.Target(address(rmn), kind, 2, bytes32(SUBJECT), address(0));
        return IGate.Target(address(aave), kind, 2, asset, address(aave));
    }

    function isClosed(IGate.Kind kind) internal view returns (bool) {
        if (kind == IGate.Kind.Pausable) return vault.paused();
        if (kind == IGate.Kind.PausableIsm) return ism.paused();
        if (kind == IGate.Kind.PauseById) return oft.isPaused(ID);
        if (kind == IGate.Kind.Curse) return rmn.isCursed(SUBJECT);
        return kind == IGate.Kind.AaveFreeze ? aave.frozen(ASSET) : aave.getPaused(ASSET);
    }

    /// @dev Closes it as people with the same power would.
    function closedByPeople(IGate.Kind kind) internal {
        vm.startPrank(PEOPLE);
        if (kind == IGate.Kind.Pausable) vault.pause();
        if (kind == IGate.Kind.PausableIsm) ism.pause();
        if (kind == IGate.Kind.PauseById) oft.setDefaultPaused(true);
        if (kind == IGate.Kind.Curse) rmn.curse(SUBJECT);
        vm.stopPrank();
        // Aave's admin is one contract for many people; here the gate's own address stands for all of them.
        vm.startPrank(address(gate));
        if (kind == IGate.Kind.AaveFreeze) aave.setReserveFreeze(ASSET, true);
        if (kind == IGate.Kind.AavePause) aave.setReservePause(ASSET, true);
        vm.stopPrank();
    }

    function trip(bytes32 scope, uint8 level, uint256 seconds_) internal returns (bool) {
        uint32 generation = gate.stateOf(scope).generation;
        IBreaker.TripRequest memory r = IBreaker.TripRequest(
            scope, level, Cast.u64(block.timestamp + seconds_), 0, "incident", "record", generation
        );
        vm.prank(TRIPPER);
        return gate.trip(r);
    }

    function release(bytes32 scope, uint8 to) internal {
        IBreaker.ScopeState memory state = gate.stateOf(scope);
        vm.prank(RELEASER);
        gate.release(scope, to, state.generation, state.closedUntil);
    }

    function ours(bytes32 scope) internal view returns (bool) {
        return gate.targetsOf(scope)[0].ours;
    }

    /// @dev Whether all of what a scope's word asks for is enforced, as a proof reads it.
    function followed(bytes32 scope) internal view returns (bool) {
        return word(scope, ENFORCED) == word(scope, 0);
    }

    /// @dev A word of a scope, from the mapping that is declared at this slot.
    function word(bytes32 scope, uint256 slot) internal view returns (bytes32) {
        return vm.load(address(gate), keccak256(abi.encode(scope, slot)));
    }

    /// @dev Announces an owner's call, waits, and makes it.
    function ownerLater(bytes memory call) internal returns (bool done, bytes memory data) {
        vm.startPrank(OWNER);
        gate.schedule(call);
        vm.warp(block.timestamp + MAX);
        (done, data) = address(gate).call(call);
        vm.stopPrank();
    }

    function _handedOver() private returns (Vault made) {
        made = new Vault(PEOPLE);
        made.transferOwnership(address(gate));
    }
}
