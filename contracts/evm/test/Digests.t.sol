// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guard} from "../src/Guard.sol";
import {IBreaker} from "../src/IGuard.sol";
import {Cast} from "../src/lib/Cast.sol";
import {ScopeId} from "../src/lib/ScopeId.sol";
import {GuardFixture} from "./support/GuardFixture.sol";

/// @notice `contracts/vectors/digests.json` against this machine: the digests of other chains too, because services
/// compute them for all of them.
contract DigestsTest is GuardFixture {
    string private file;

    function setUp() public override {
        file = vm.readFile("../vectors/digests.json");
        super.setUp();
    }

    /// @dev Scopes of every chain; and for EVM chains the hash of the chain's name from its number.
    function test_digests_scopes() public view {
        uint256 count;
        for (; _has("scopes", count); ++count) {
            bytes32 caip2 = _word("scopes", count, "caip2Hash");
            eq(keccak256(bytes(_text("scopes", count, "caip2"))), caip2, "caip2");
            bytes32 scope = ScopeId.hash(
                caip2,
                _label("scopes", count, "bridge"),
                _direction(count),
                _label("scopes", count, "corridor"),
                _label("scopes", count, "asset")
            );
            eq(scope, _word("scopes", count, "scope"), "scope");
        }
        eq(ScopeId.caip2Hash(1), keccak256("eip155:1"), "one digit");
        eq(ScopeId.caip2Hash(31_337), keccak256("eip155:31337"), "five digits");
        eq(ScopeId.caip2Hash(4_294_967_295), keccak256("eip155:4294967295"), "ten digits");
        yes(count >= 20, "scopes of several chains");
    }

    /// @dev Actions of EVM chains are computed by the guard itself, at the address and on the chain that they name.
    function test_digests_actions() public {
        uint256 count;
        uint256 here;
        for (; _has("actions", count); ++count) {
            IBreaker.TripRequest memory r = _request(count);
            bytes32 guardWord = _word("actions", count, "guard");
            bytes32 caip2 = keccak256(bytes(_text("actions", count, "caip2")));
            bytes32 id = keccak256(
                abi.encode(
                    ScopeId.ACTION_DOMAIN,
                    caip2,
                    guardWord,
                    r.scope,
                    r.level,
                    r.until,
                    r.untilHeight,
                    r.incident,
                    r.generation
                )
            );
            eq(id, _word("actions", count, "actionId"), "action id");
            if (caip2 == keccak256("eip155:31337")) {
                ++here;
                _atGuard(count, r, address(uint160(uint256(guardWord))));
            }
        }
        yes(here >= 2 && count > here, "actions of this chain and of others");
    }

    /// @dev Any part of an action changes its id.
    function test_digests_every_field_counts() public view {
        IBreaker.TripRequest memory r = request(everything, 2, START + 60, HEIGHT + 5);
        bytes32 id = guard.actionId(r);
        bytes32 digest = guard.tripDigest(r, 1);
        no(digest == guard.tripDigest(r, 2), "deadline");
        r.record = "other";
        eq(guard.actionId(r), id, "the record is not part of the id");
        no(digest == guard.tripDigest(r, 1), "but it is signed");
        r = request(north, 2, START + 60, HEIGHT + 5);
        no(guard.actionId(r) == id, "scope");
        r = request(everything, 1, START + 60, HEIGHT + 5);
        no(guard.actionId(r) == id, "level");
        r = request(everything, 2, START + 61, HEIGHT + 5);
        no(guard.actionId(r) == id, "until");
        r = request(everything, 2, START + 60, HEIGHT + 6);
        no(guard.actionId(r) == id, "height");
        r = request(everything, 2, START + 60, HEIGHT + 5);
        r.incident = "other";
        no(guard.actionId(r) == id, "incident");
        r = request(everything, 2, START + 60, HEIGHT + 5);
        r.generation = 1;
        no(guard.actionId(r) == id, "generation");
    }

    function _atGuard(uint256 count, IBreaker.TripRequest memory r, address account) private {
        vm.chainId(31_337);
        Guard local = new Guard(config());
        // The chain is an immutable and comes with the code; the address is where it lies.
        vm.etch(account, address(local).code);
        eq(Guard(account).actionId(r), _word("actions", count, "actionId"), "the guard's action id");
        uint64 deadline = Cast.u64(vm.parseUint(_text("actions", count, "deadline")));
        eq(Guard(account).tripDigest(r, deadline), _word("actions", count, "eip191"), "what is signed");
    }

    function _request(uint256 count) private view returns (IBreaker.TripRequest memory) {
        return IBreaker.TripRequest({
            scope: _word("actions", count, "scope"),
            level: Cast.u8(vm.parseJsonUint(file, _path("actions", count, ".level"))),
            until: Cast.u64(vm.parseUint(_text("actions", count, "until"))),
            untilHeight: Cast.u64(vm.parseUint(_text("actions", count, "untilHeight"))),
            incident: _label("actions", count, "incident"),
            record: _label("actions", count, "record"),
            generation: Cast.u32(vm.parseJsonUint(file, _path("actions", count, ".generation")))
        });
    }

    function _direction(uint256 count) private view returns (uint8) {
        bytes32 name = keccak256(bytes(_text("scopes", count, "direction")));
        if (name == keccak256("any")) return 0;
        return name == keccak256("in") ? 1 : 2;
    }

    function _has(string memory list, uint256 count) private view returns (bool) {
        return vm.keyExistsJson(file, _path(list, count, ""));
    }

    function _text(string memory list, uint256 count, string memory key) private view returns (string memory) {
        return vm.parseJsonString(file, _path(list, count, string.concat(".", key)));
    }

    function _word(string memory list, uint256 count, string memory key) private view returns (bytes32) {
        return abi.decode(vm.parseJson(file, _path(list, count, string.concat(".", key))), (bytes32));
    }

    /// @dev Text as 32 bytes; "*" is ANY.
    function _label(string memory list, uint256 count, string memory key) private view returns (bytes32 word) {
        string memory text = _text(list, count, key);
        if (keccak256(bytes(text)) == keccak256("*")) return ANY;
        assembly ("memory-safe") {
            word := mload(add(text, 32))
        }
    }

    function _path(string memory list, uint256 count, string memory rest) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(count), "]", rest);
    }
}
