// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guard} from "../../src/Guard.sol";
import {IBreaker, IGuard} from "../../src/IGuard.sol";
import {ScopeWord, ScopeWordLib} from "../../src/lib/ScopeWord.sol";
import {Asker, GuardFixture} from "../support/GuardFixture.sol";

/// @notice The rules of the guard (design, section 11), each with arbitrary times, amounts and lengths where the vectors
/// have chosen ones, and with what only this machine has: storage places, constructor, signatures.
contract RulesTest is GuardFixture {
    // ---- 11.1 scopes ----

    function testFuzz_rule_11_1_every_part_of_a_scope_counts(bytes32 bridge, uint8 direction, bytes32 a, bytes32 b)
        public
        view
    {
        bytes32 scope = guard.scopeOf(bridge, direction, a, b);
        vm.assume(a != b);
        no(scope == guard.scopeOf(bridge, direction, b, a), "corridor is not asset");
        no(scope == guard.scopeOf(~bridge, direction, a, b), "bridge");
        no(scope == guard.scopeOf(bridge, ~direction, a, b), "direction");
    }

    function test_rule_11_1_a_scope_names_its_chain() public {
        bytes32 here = everything;
        vm.chainId(1);
        Guard other = new Guard(config());
        no(other.scopeOf(BRIDGE, 2, ANY, ANY) == here, "another chain, another scope");
        eq(other.caip2Hash(), keccak256("eip155:1"), "its name");
        eq(guard.scopeOf(BRIDGE, 2, ANY, ANY), here, "fixed at construction");
    }

    function testFuzz_rule_11_1_what_is_not_registered_is_closed(bytes32 bridge, bytes32 corridor, bytes32 asset)
        public
    {
        vm.assume(bridge != BRIDGE);
        eq(guard.levelFor(bridge, 2, corridor, asset), 2, "closed");
        eq(guard.levelOf(guard.scopeOf(bridge, 2, corridor, asset)), 2, "closed");
        vm.expectRevert(abi.encodeWithSelector(IGuard.ForeignCaller.selector, bridge, address(this)));
        guard.check(bridge, corridor, asset, 1);
    }

    // ---- 11.2 levels ----

    function testFuzz_rule_11_2_a_level_holds_while_time_or_height_says_so(
        uint256 length,
        uint256 blocks,
        uint256 waited,
        uint256 passed
    ) public {
        length = within(length, 1, MAX);
        blocks = within(blocks, 1, MAX_BLOCKS);
        waited = within(waited, 0, MAX + TAIL + 10);
        passed = within(passed, 0, MAX_BLOCKS + TAIL_BLOCKS + 10);
        IBreaker.TripRequest memory r = request(everything, 2, START + length, HEIGHT + blocks);
        vm.prank(TRIPPER);
        guard.trip(r);
        vm.warp(START + waited);
        vm.roll(HEIGHT + passed);
        uint8 expected;
        if (waited < length + TAIL || passed < blocks + TAIL_BLOCKS) expected = 1;
        if (waited < length || passed < blocks) expected = 2;
        eq(guard.levelOf(everything), expected, "level");
        eq(guard.levelFor(BRIDGE, 2, SOUTH, TIN), expected, "level of what it covers");
        if (expected == 2) refuses(SOUTH, TIN, closedBy(everything));
        else passes(SOUTH, TIN);
    }

    // ---- 11.3 trips ----

    function testFuzz_rule_11_3_until_is_the_greater_of_old_and_capped(uint64 first, uint64 second, uint256 pause)
        public
    {
        first = uint64(within(first, START - 100, START + 3 * uint256(MAX)));
        second = uint64(within(second, START - 100, START + 6 * uint256(MAX)));
        uint256 old = _expected(0, first);
        _tripAt(first);
        eq(guard.stateOf(everything).closedUntil, old, "first");
        vm.warp(START + within(pause, 0, MAX));
        uint256 next = _expected(old, second);
        _tripAt(second);
        eq(guard.stateOf(everything).closedUntil, next, "second");
    }

    function testFuzz_rule_11_3_a_repetition_changes_nothing(uint256 length, uint256 shorter) public {
        length = within(length, 1, MAX);
        shorter = within(shorter, 0, length);
        close(everything, length);
        bytes32 word = _word(everything);
        no(close(everything, shorter), "no change is reported");
        eq(_word(everything), word, "nothing changed");
    }

    // ---- 11.4 action ids ----

    function testFuzz_rule_11_4_only_the_present_generation_acts(uint32 generation) public {
        vm.prank(RELEASER);
        guard.release(everything, 0, 0, 0);
        IBreaker.TripRequest memory r = request(everything, 2, START + 60, 0);
        r.generation = generation;
        vm.prank(TRIPPER);
        bool changed = guard.trip(r);
        eq(changed ? 1 : 0, generation == 1 ? 1 : 0, "acts");
        eq(guard.levelOf(everything), generation == 1 ? 2 : 0, "level");
    }

    // ---- 11.5 budgets ----

    function testFuzz_rule_11_5_what_is_left_is_the_budget_less_the_extension(uint256 first, uint256 second) public {
        first = within(first, 1, MAX);
        second = within(second, 1, MAX);
        close(everything, first);
        (,, uint32 left) = guard.tripperOf(TRIPPER);
        eq(left, BUDGET - first, "the first in full");
        close(everything, second);
        (,, left) = guard.tripperOf(TRIPPER);
        eq(left, BUDGET - (first > second ? first : second), "the second as far as it extends");
    }

    // ---- 11.6 authority ----

    function testFuzz_rule_11_6_a_signature_is_good_for_what_it_says(uint256 length, bytes32 incident, bytes32 record)
        public
    {
        IBreaker.TripRequest memory r = request(everything, 2, START + within(length, 1, MAX), 0);
        (r.incident, r.record) = (incident, record);
        uint64 deadline = uint64(START + 600);
        bytes memory signature = _sign(SIGNER_KEY, r, deadline);
        vm.prank(STRANGER);
        yes(guard.tripSigned(r, deadline, signature), "accepted");
        eq(guard.levelOf(everything), 2, "closed");
    }

    function testFuzz_rule_11_6_another_keys_signature_is_refused(uint256 key) public {
        key = within(key, 1, type(uint128).max);
        vm.assume(key != SIGNER_KEY);
        IBreaker.TripRequest memory r = request(everything, 2, START + 60, 0);
        bytes memory signature = _sign(key, r, uint64(START + 600));
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotTripper.selector, vm.addr(key)));
        guard.tripSigned(r, uint64(START + 600), signature);
    }

    /// @dev Whatever is changed on the way, another signer is recovered, or none.
    function testFuzz_rule_11_6_a_changed_action_is_refused(uint256 which, uint64 by) public {
        IBreaker.TripRequest memory r = request(everything, 2, START + 60, 0);
        uint64 deadline = uint64(START + 600);
        bytes memory signature = _sign(SIGNER_KEY, r, deadline);
        by = uint64(within(by, 1, 1000));
        which = which % 6;
        if (which == 0) r.until += by;
        if (which == 1) r.untilHeight += by;
        if (which == 2) r.incident = bytes32(uint256(by));
        if (which == 3) r.record = bytes32(uint256(by));
        if (which == 4) r.scope = north;
        if (which == 5) deadline += by;
        (bool done,) = address(guard).call(abi.encodeCall(IBreaker.tripSigned, (r, deadline, signature)));
        no(done, "refused");
        eq(guard.levelOf(everything), 0, "open");
    }

    function test_rule_11_6_a_signature_is_good_for_one_guard_only() public {
        IBreaker.TripRequest memory r = request(everything, 2, START + 60, 0);
        bytes memory signature = _sign(SIGNER_KEY, r, uint64(START + 600));
        Guard twin = new Guard(config());
        vm.startPrank(OWNER);
        twin.grantTripper(signer, BUDGET);
        twin.registerBridge(BRIDGE, address(asker));
        twin.registerScope(BRIDGE, 2, ANY, ANY);
        twin.seal();
        vm.stopPrank();
        (bool done,) = address(twin).call(abi.encodeCall(IBreaker.tripSigned, (r, uint64(START + 600), signature)));
        no(done, "the twin refuses");
        yes(guard.tripSigned(r, uint64(START + 600), signature), "the one that was meant does not");
    }

    // ---- 11.7 roles ----

    function testFuzz_rule_11_7_nobody_else_trips_releases_holds_or_owns(address who) public {
        vm.assume(who != OWNER && who != RELEASER && who != GUARDIAN);
        vm.assume(who != TRIPPER && who != SECOND && who != signer);
        IBreaker.TripRequest memory r = request(everything, 2, START + 60, 0);
        vm.startPrank(who);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotTripper.selector, who));
        guard.trip(r);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotReleaser.selector, who));
        guard.release(everything, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotGuardian.selector, who));
        guard.hold(everything, 2);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotOwner.selector, who));
        guard.grantTripper(who, 1);
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotOwner.selector, who));
        guard.schedule("");
        vm.expectRevert(abi.encodeWithSelector(IBreaker.NotOwner.selector, who));
        guard.cancel(bytes32(0));
        vm.stopPrank();
    }

    function testFuzz_rule_11_7_changes_wait_max(uint256 waited) public {
        bytes memory call = abi.encodeCall(IBreaker.grantTripper, (STRANGER, 60));
        vm.startPrank(OWNER);
        guard.schedule(call);
        waited = within(waited, 0, uint256(MAX) + 20 days);
        vm.warp(START + waited);
        (bool done,) = address(guard).call(call);
        eq(done ? 1 : 0, waited >= MAX && waited < MAX + 14 days ? 1 : 0, "done in its time only");
    }

    function test_rule_11_7_a_configuration_that_cannot_hold_is_refused() public {
        IBreaker.Config memory c = config();
        c.maxSeconds = 0;
        _invalid(c, IBreaker.InvalidConfig.selector);
        c.maxSeconds = 366 days;
        _invalid(c, IBreaker.InvalidConfig.selector);
        c = config();
        c.limitedTailSeconds = 366 days;
        _invalid(c, IBreaker.InvalidConfig.selector);
        c = config();
        c.budgetWindowHours = 0;
        _invalid(c, IBreaker.InvalidConfig.selector);
        c.budgetWindowHours = 2161;
        _invalid(c, IBreaker.InvalidConfig.selector);
        c = config();
        c.owner = address(0);
        _invalid(c, IBreaker.ZeroAccount.selector);
        c = config();
        c.releaser = OWNER;
        _invalid(c, IBreaker.RoleConflict.selector);
        c = config();
        c.guardian = RELEASER;
        Guard sound = new Guard(c);
        eq(sound.guardian(), RELEASER, "one set of people may do both");
    }

    // ---- 11.8 limits ----

    function testFuzz_rule_11_8_nothing_beyond_the_limit_passes(uint128 limit, uint256 first, uint256 second) public {
        limit = uint128(within(limit, 0, MOST - 1));
        IGuard.Limits memory limits = IGuard.Limits(MOST, limit, MOST, MOST);
        ownerLater(abi.encodeCall(IGuard.setLimits, (BRIDGE, ANY, GOLD, limits, limits)));
        (bool done,) = address(asker).call(abi.encodeCall(asker.ask, (NORTH, GOLD, first)));
        eq(done ? 1 : 0, first <= limit ? 1 : 0, "first");
        uint256 left = done ? limit - first : limit;
        (done,) = address(asker).call(abi.encodeCall(asker.ask, (SOUTH, GOLD, second)));
        eq(done ? 1 : 0, second <= left ? 1 : 0, "second");
    }

    // ---- 11.9 state lies at documented places ----

    function testFuzz_rule_11_9_the_word_lies_at_slot_zero_with_its_fields_in_place(uint256 length, uint256 blocks)
        public
    {
        length = within(length, 1, MAX);
        blocks = within(blocks, 1, MAX_BLOCKS);
        vm.prank(RELEASER);
        guard.release(everything, 0, 0, 0);
        IBreaker.TripRequest memory r = request(everything, 2, START + length, HEIGHT + blocks);
        vm.prank(TRIPPER);
        guard.trip(r);
        vm.prank(GUARDIAN);
        guard.hold(everything, 1);
        uint256 word = uint256(_word(everything));
        eq(word & 0xff, 1, "registered 0..8");
        eq((word >> 8) & 0xff, 1, "hold 8..16");
        eq((word >> 16) & 0xffffffffff, START + length, "closedUntil 16..56");
        eq((word >> 56) & 0xffffffffff, HEIGHT + blocks, "closedUntilHeight 56..96");
        eq((word >> 96) & 0xffffffffff, START + length + TAIL, "limitedUntil 96..136");
        eq((word >> 136) & 0xffffffffff, HEIGHT + blocks + TAIL_BLOCKS, "limitedUntilHeight 136..176");
        eq((word >> 176) & 0xffffffff, 1, "generation 176..208");
        eq(word >> 216, 0, "nothing above");
    }

    function test_rule_11_9_what_is_not_registered_is_a_zero_word() public view {
        eq(_word(guard.scopeOf(BRIDGE, 2, SOUTH, TIN)), bytes32(0), "zero");
        no(guard.stateOf(guard.scopeOf(BRIDGE, 2, SOUTH, TIN)).registered, "not registered");
    }

    function testFuzz_rule_11_9_fields_do_not_touch_each_other(uint40 a, uint40 b, uint40 c, uint40 d, uint32 g)
        public
        pure
    {
        ScopeWord w = ScopeWordLib.create(5).withClosed(a, b).withLimited(c, d).withGeneration(g).withHold(2);
        eq(w.closedUntil(), a, "closedUntil");
        eq(w.closedUntilHeight(), b, "closedUntilHeight");
        eq(w.limitedUntil(), c, "limitedUntil");
        eq(w.limitedUntilHeight(), d, "limitedUntilHeight");
        eq(w.generation(), g, "generation");
        eq(w.hold(), 2, "hold");
        eq(w.kind(), 5, "kind");
        yes(w.registered(), "registered");
    }

    function test_rule_11_9_a_value_that_does_not_fit_is_refused() public {
        vm.expectRevert();
        this.tooLate(uint256(type(uint40).max) + 1);
    }

    function tooLate(uint256 until) external pure returns (uint256) {
        return ScopeWordLib.create(0).withClosed(until, 0).closedUntil();
    }

    // ---- before set-up ends, and with no guard at all ----

    function test_a_guard_that_is_not_sealed_lets_nothing_out() public {
        Guard young = new Guard(config());
        Asker early = new Asker(young, BRIDGE);
        vm.startPrank(OWNER);
        young.registerBridge(BRIDGE, address(early));
        young.registerScope(BRIDGE, 2, ANY, ANY);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IGuard.ForeignCaller.selector, BRIDGE, address(early)));
        early.ask(NORTH, GOLD, 1);
        vm.prank(OWNER);
        young.seal();
        early.ask(NORTH, GOLD, 1);
    }

    function test_set_up_is_bounded() public {
        Guard young = new Guard(config());
        vm.startPrank(OWNER);
        for (uint256 i; i < 32; ++i) {
            young.registerBridge(bytes32(i + 1), address(asker));
        }
        vm.expectRevert(abi.encodeWithSelector(IBreaker.InvalidConfig.selector));
        young.registerBridge(bytes32(uint256(33)), address(asker));
        young.seal();
        vm.stopPrank();
        eq(young.levelFor(bytes32(uint256(7)), 2, NORTH, GOLD), 2, "no scope, closed");
    }

    function test_a_bridge_whose_guard_does_not_exist_lets_nothing_out() public {
        Asker orphan = new Asker(IGuard(STRANGER), BRIDGE);
        vm.expectRevert();
        orphan.ask(NORTH, GOLD, 1);
    }

    function _expected(uint256 old, uint64 asked) private view returns (uint256) {
        uint256 capped = asked < block.timestamp + MAX ? asked : block.timestamp + MAX;
        // What is over already leaves no trace.
        if (capped <= block.timestamp) return old;
        return capped > old ? capped : old;
    }

    function _tripAt(uint64 until) private {
        IBreaker.TripRequest memory r = request(everything, 2, until, 0);
        vm.prank(TRIPPER);
        guard.trip(r);
    }

    function _word(bytes32 scope) private view returns (bytes32) {
        return vm.load(address(guard), keccak256(abi.encode(scope, uint256(0))));
    }

    function _sign(uint256 key, IBreaker.TripRequest memory r, uint64 deadline) private view returns (bytes memory) {
        (uint8 v, bytes32 rr, bytes32 s) = vm.sign(key, guard.tripDigest(r, deadline));
        return abi.encodePacked(rr, s, v);
    }

    function _invalid(IBreaker.Config memory c, bytes4 error_) private {
        try new Guard(c) {
            revert Untrue("accepted");
        } catch (bytes memory data) {
            eq(bytes32(bytes4(data)), bytes32(error_), "reason");
        }
    }
}
