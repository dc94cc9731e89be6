// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker, IGuard} from "../src/IGuard.sol";
import {Cast} from "../src/lib/Cast.sol";
import {Vm} from "./support/Vm.sol";
import {Schema} from "./vectors/Schema.sol";
import {World} from "./vectors/World.sol";

/// @notice Runs `contracts/vectors` unchanged against the guard: every step's result or error, its events with all
/// fields in order, and the state after it.
contract VectorsTest is World {
    /// @dev The order of secp256k1: s and its difference to it sign the same message.
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function test_vectors_trips() public {
        _run("trips");
    }

    function test_vectors_expiry() public {
        _run("expiry");
    }

    function test_vectors_budget() public {
        _run("budget");
    }

    function test_vectors_signed() public {
        _run("signed");
    }

    function test_vectors_roles() public {
        _run("roles");
    }

    function test_vectors_scopes() public {
        _run("scopes");
    }

    function test_vectors_limits() public {
        _run("limits");
    }

    function test_vectors_release() public {
        _run("release");
    }

    /// @dev The failure twins: vectors with one wrong expectation each, all of which must be found.
    function test_vectors_wrong_expectations_are_found() public {
        file = vm.readFile("test/vectors/wrong.json");
        uint256 count;
        for (; _has(file, _index(".cases", count)); ++count) {
            string memory node = _index(".cases", count);
            try this.runCase(node) {
                revert Unequal("a wrong expectation passed", node, "");
            } catch (bytes memory reason) {
                eq(bytes32(bytes4(reason)), bytes32(Unequal.selector), "the comparison found it");
            }
        }
        yes(count >= 5, "wrong expectations of every sort");
    }

    function runCase(string calldata node) external {
        require(msg.sender == address(this), "tests only");
        build(node);
        _steps(node);
    }

    function _run(string memory name) private {
        file = vm.readFile(string.concat("../vectors/", name, ".json"));
        uint256 count;
        for (; _has(file, _index(".cases", count)); ++count) {
            // A call of its own, so that one case's memory does not burden the next.
            this.runCase(_index(".cases", count));
        }
        print(string.concat(name, ": ", vm.toString(count), " cases"));
        yes(count != 0, "no cases");
    }

    function _steps(string memory node) private {
        string memory title = _s(node, ".name");
        for (uint256 i; _has(file, _index(string.concat(node, ".steps"), i)); ++i) {
            string memory step = _index(string.concat(node, ".steps"), i);
            string memory where = string.concat(title, ", step ", vm.toString(i + 1));
            if (_has(file, string.concat(step, ".time"))) vm.warp(startTime + _u(step, ".time"));
            if (_has(file, string.concat(step, ".height"))) vm.roll(startHeight + _u(step, ".height"));
            if (_has(file, string.concat(step, ".call"))) _call(step, where);
            if (_has(file, string.concat(step, ".after"))) _after(string.concat(step, ".after"), where);
        }
    }

    function _call(string memory step, string memory where) private {
        bytes memory data = _encode(string.concat(step, ".call"), string.concat(step, ".args"));
        address caller = accounts[_s(step, ".by")];
        vm.recordLogs();
        vm.prank(caller);
        (bool done, bytes memory out) = address(guard).call(data);
        Vm.Log[] memory logs = vm.getRecordedLogs();

        if (!done) {
            string memory wanted =
                _has(file, string.concat(step, ".error")) ? _wanted(string.concat(step, ".error")) : "success";
            eq(_error(out), wanted, where);
            return;
        }
        no(_has(file, string.concat(step, ".error")), string.concat(where, ": an error was expected"));
        if (_has(file, string.concat(step, ".returns"))) {
            string memory got = abi.decode(out, (bool)) ? "true" : "false";
            eq(got, vm.toString(vm.parseJsonBool(file, string.concat(step, ".returns"))), where);
        }
        string memory events = string.concat(step, ".events");
        uint256 count;
        for (; _has(file, _index(events, count)); ++count) {
            string memory wanted = _wanted(_index(events, count));
            eq(count < logs.length ? _event(logs[count]) : "no event", wanted, where);
        }
        eq(logs.length > count ? _event(logs[count]) : "no more events", "no more events", where);
    }

    // ---- what a vector calls ----

    function _encode(string memory name, string memory a) private returns (bytes memory) {
        bytes32 call = keccak256(bytes(vm.parseJsonString(file, name)));
        if (call == keccak256("trip")) return abi.encodeCall(IBreaker.trip, (_request(a)));
        if (call == keccak256("tripSigned")) return _signed(a);
        if (call == keccak256("check")) {
            return
                abi.encodeCall(IGuard.check, (text(_bridge(a)), _t(a, ".corridor"), _t(a, ".asset"), _u(a, ".amount")));
        }
        if (call == keccak256("hold")) return abi.encodeCall(IBreaker.hold, (_scope(a), Cast.u8(_u(a, ".level"))));
        if (call == keccak256("release")) return _release(a);
        if (call == keccak256("schedule")) {
            bytes memory inner = _encode(string.concat(a, ".call"), string.concat(a, ".args"));
            return abi.encodeCall(IBreaker.schedule, (inner));
        }
        if (call == keccak256("cancel")) {
            bytes memory inner = _encode(string.concat(a, ".call"), string.concat(a, ".args"));
            return abi.encodeCall(IBreaker.cancel, (keccak256(inner)));
        }
        return _encodeOwner(call, a);
    }

    function _encodeOwner(bytes32 call, string memory a) private view returns (bytes memory) {
        if (call == keccak256("seal")) return abi.encodeCall(IBreaker.seal, ());
        if (call == keccak256("grantTripper")) {
            return abi.encodeCall(IBreaker.grantTripper, (_account(a), Cast.u32(_u(a, ".budgetSeconds"))));
        }
        if (call == keccak256("revokeTripper")) return abi.encodeCall(IBreaker.revokeTripper, (_account(a)));
        if (call == keccak256("setReleaser")) return abi.encodeCall(IBreaker.setReleaser, (_account(a)));
        if (call == keccak256("setGuardian")) return abi.encodeCall(IBreaker.setGuardian, (_account(a)));
        if (call == keccak256("transferOwnership")) return abi.encodeCall(IBreaker.transferOwnership, (_account(a)));
        if (call == keccak256("revokeReleaser")) return abi.encodeCall(IBreaker.revokeReleaser, ());
        if (call == keccak256("revokeGuardian")) return abi.encodeCall(IBreaker.revokeGuardian, ());
        if (call == keccak256("registerBridge")) {
            return abi.encodeCall(IGuard.registerBridge, (text(_bridge(a)), _account(a)));
        }
        if (call == keccak256("registerScope")) {
            return abi.encodeCall(
                IBreaker.registerScope,
                (text(_bridge(a)), directionOf(_s(a, ".direction")), _t(a, ".corridor"), _t(a, ".asset"))
            );
        }
        return _encodeLimits(call, a);
    }

    function _encodeLimits(bytes32 call, string memory a) private view returns (bytes memory) {
        bytes32 bridge = text(_bridge(a));
        (bytes32 corridor, bytes32 asset) = (_t(a, ".corridor"), _t(a, ".asset"));
        if (call == keccak256("lowerLimits")) {
            IGuard.Limits memory lowered = _limits(string.concat(a, ".lowered"));
            uint64 until = absolute(_u(a, ".until"), startTime);
            uint64 untilHeight = absolute(_u(a, ".untilHeight"), startHeight);
            return abi.encodeCall(IGuard.lowerLimits, (bridge, corridor, asset, lowered, until, untilHeight));
        }
        IGuard.Limits memory normal = _limits(string.concat(a, ".normal"));
        IGuard.Limits memory limited = _limits(string.concat(a, ".limited"));
        if (call == keccak256("setLimits")) {
            return abi.encodeCall(IGuard.setLimits, (bridge, corridor, asset, normal, limited));
        }
        require(call == keccak256("tightenLimits"), "unknown call");
        return abi.encodeCall(IGuard.tightenLimits, (bridge, corridor, asset, normal, limited));
    }

    function _request(string memory a) private view returns (IBreaker.TripRequest memory) {
        return IBreaker.TripRequest({
            scope: _scope(a),
            level: Cast.u8(_u(a, ".level")),
            until: absolute(_u(a, ".until"), startTime),
            untilHeight: absolute(_u(a, ".untilHeight"), startHeight),
            incident: _t(a, ".incident"),
            record: _t(a, ".record"),
            generation: Cast.u32(_u(a, ".generation"))
        });
    }

    function _release(string memory a) private view returns (bytes memory) {
        uint64 closedUntil = absolute(_u(a, ".closedUntil"), startTime);
        return abi.encodeCall(
            IBreaker.release, (_scope(a), Cast.u8(_u(a, ".to")), Cast.u32(_u(a, ".generation")), closedUntil)
        );
    }

    /// @dev Signs as "signer"; `spoil` says what is wrong with the submission, if anything.
    function _signed(string memory a) private view returns (bytes memory) {
        IBreaker.TripRequest memory r = _request(a);
        uint64 deadline = absolute(_u(a, ".deadline"), startTime);
        (uint8 v, bytes32 rr, bytes32 s) = vm.sign(SIGNER_KEY, guard.tripDigest(r, deadline));
        bytes32 spoil = _has(file, string.concat(a, ".spoil")) ? keccak256(bytes(_s(a, ".spoil"))) : bytes32(0);
        if (spoil == keccak256("mirrored")) (v, s) = (v == 27 ? 28 : 27, bytes32(ORDER - uint256(s)));
        bytes memory signature = abi.encodePacked(rr, s, v);
        if (spoil == keccak256("short")) signature = abi.encodePacked(rr, s);
        if (spoil == keccak256("empty")) signature = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        return abi.encodeCall(IBreaker.tripSigned, (r, deadline, signature));
    }

    function _limits(string memory node) private view returns (IGuard.Limits memory) {
        return IGuard.Limits(_limit(node, 0), _limit(node, 1), _limit(node, 2), _limit(node, 3));
    }

    function _limit(string memory node, uint256 index) private view returns (uint128) {
        string memory value = vm.parseJsonString(file, _index(node, index));
        if (keccak256(bytes(value)) == keccak256("none")) return type(uint128).max;
        uint256 number = vm.parseUint(value);
        require(number < type(uint128).max, value);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(number);
    }

    // ---- what a vector expects ----

    function _after(string memory node, string memory where) private view {
        string[] memory names = vm.parseJsonKeys(file, node);
        for (uint256 i; i < names.length; ++i) {
            string memory path = string.concat(node, ".", names[i]);
            string memory what = string.concat(where, ", ", names[i]);
            if (accounts[names[i]] != address(0)) {
                (bool active, uint32 budget, uint32 left) = guard.tripperOf(accounts[names[i]]);
                _same(path, ".active", active ? 1 : 0, what);
                _same(path, ".budgetSeconds", budget, what);
                _same(path, ".leftSeconds", left, what);
            } else {
                yes(scopes[names[i]] != bytes32(0), what);
                _afterScope(path, scopes[names[i]], what);
            }
        }
    }

    function _afterScope(string memory path, bytes32 scope, string memory what) private view {
        IBreaker.ScopeState memory state = guard.stateOf(scope);
        _same(path, ".level", guard.levelOf(scope), what);
        _same(path, ".registered", state.registered ? 1 : 0, what);
        _same(path, ".hold", state.hold, what);
        _same(path, ".generation", state.generation, what);
        _same(path, ".closedUntil", _since(state.closedUntil, startTime), what);
        _same(path, ".closedUntilHeight", _since(state.closedUntilHeight, startHeight), what);
        _same(path, ".limitedUntil", _since(state.limitedUntil, startTime), what);
        _same(path, ".limitedUntilHeight", _since(state.limitedUntilHeight, startHeight), what);
        if (_has(file, string.concat(path, ".used"))) {
            (uint256 hour, uint256 day, uint256 week) = guard.usedOf(scope);
            _same(path, ".used[0]", hour, what);
            _same(path, ".used[1]", day, what);
            _same(path, ".used[2]", week, what);
        }
    }

    function _same(string memory path, string memory key, uint256 got, string memory what) private view {
        string memory full = string.concat(path, key);
        if (_has(file, full)) eq(got, vm.parseJsonUint(file, full), string.concat(what, key));
    }

    function _since(uint256 value, uint256 start) private pure returns (uint256) {
        return value == 0 ? 0 : value - start;
    }

    /// @dev The event or error that the vector describes, as the same line that the machine's own becomes.
    function _wanted(string memory node) private view returns (string memory out) {
        out = _s(node, ".name");
        Schema.Shape memory shape = _shapeNamed(out);
        uint256 described = 1;
        for (uint256 i; i < shape.fields.length; ++i) {
            Schema.Field memory field = shape.fields[i];
            if (field.form == Schema.Form.Hidden) continue;
            ++described;
            string memory path = string.concat(node, ".", field.name);
            out = string.concat(out, " ", field.name, "=");
            if (field.form == Schema.Form.Limits) {
                for (uint256 part; part < 4; ++part) {
                    out = string.concat(out, part == 0 ? "" : "/", vm.toString(_limit(path, part)));
                }
            } else {
                out = string.concat(out, _plain(path, field.form));
            }
        }
        eq(vm.parseJsonKeys(file, node).length, described, string.concat(out, ": fields described"));
    }

    function _plain(string memory path, Schema.Form form) private view returns (string memory) {
        bool named = form == Schema.Form.Scope || form == Schema.Form.Account || form == Schema.Form.Text;
        return named ? vm.parseJsonString(file, path) : vm.toString(vm.parseJsonUint(file, path));
    }

    function _shapeNamed(string memory name) private pure returns (Schema.Shape memory) {
        Schema.Shape[] memory shapes = Schema.events();
        for (uint256 i; i < shapes.length; ++i) {
            if (keccak256(bytes(shapes[i].name)) == keccak256(bytes(name))) return shapes[i];
        }
        shapes = Schema.errors();
        for (uint256 i; i < shapes.length; ++i) {
            if (keccak256(bytes(shapes[i].name)) == keccak256(bytes(name))) return shapes[i];
        }
        revert(string.concat("no such event or error: ", name));
    }

    function _event(Vm.Log memory log) private view returns (string memory) {
        eq(log.emitter, address(guard), "emitter");
        Schema.Shape[] memory shapes = Schema.events();
        for (uint256 i; i < shapes.length; ++i) {
            if (shapes[i].id == log.topics[0]) return line(shapes[i], log.topics, log.data);
        }
        return vm.toString(log.topics[0]);
    }

    function _error(bytes memory data) private view returns (string memory) {
        bytes memory fields = new bytes(data.length < 4 ? 0 : data.length - 4);
        for (uint256 i; i < fields.length; ++i) {
            fields[i] = data[i + 4];
        }
        Schema.Shape[] memory shapes = Schema.errors();
        for (uint256 i; i < shapes.length; ++i) {
            if (shapes[i].id == bytes32(bytes4(data))) return line(shapes[i], new bytes32[](1), fields);
        }
        return vm.toString(data);
    }

    // ---- reading the file ----

    function _index(string memory node, uint256 index) private pure returns (string memory) {
        return string.concat(node, "[", vm.toString(index), "]");
    }

    function _s(string memory node, string memory key) private view returns (string memory) {
        return vm.parseJsonString(file, string.concat(node, key));
    }

    /// @dev A number; zero where the key is absent.
    function _u(string memory node, string memory key) private view returns (uint256) {
        string memory path = string.concat(node, key);
        return _has(file, path) ? vm.parseJsonUint(file, path) : 0;
    }

    function _t(string memory node, string memory key) private view returns (bytes32) {
        string memory path = string.concat(node, key);
        return _has(file, path) ? text(vm.parseJsonString(file, path)) : bytes32(0);
    }

    function _bridge(string memory node) private view returns (string memory) {
        string memory path = string.concat(node, ".bridge");
        return _has(file, path) ? vm.parseJsonString(file, path) : "bridge";
    }

    function _scope(string memory node) private view returns (bytes32 scope) {
        scope = scopes[_s(node, ".scope")];
        require(scope != bytes32(0), "no such scope");
    }

    function _account(string memory node) private view returns (address) {
        return accounts[_s(node, ".account")];
    }
}
