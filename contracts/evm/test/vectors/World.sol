// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guard} from "../../src/Guard.sol";
import {IBreaker, IGuard} from "../../src/IGuard.sol";
import {Cast} from "../../src/lib/Cast.sol";
import {TestBase} from "../support/TestBase.sol";
import {Schema} from "./Schema.sol";

/// @notice The world that the vectors speak of: accounts, scopes and times by name, and the guard under test.
abstract contract World is TestBase {
    uint256 internal constant SIGNER_KEY = 0xA11CE;

    Guard internal guard;
    /// @dev The text of `world.json`, and of the file that is being run.
    string internal world;
    string internal file;
    uint256 internal startTime;
    uint256 internal startHeight;

    string[] private _names;
    mapping(string name => address) internal accounts;
    string[] internal scopeNames;
    mapping(string name => bytes32) internal scopes;

    constructor() {
        world = vm.readFile("../vectors/world.json");
        startTime = vm.parseJsonUint(world, ".start.time");
        startHeight = vm.parseJsonUint(world, ".start.height");
        string[10] memory names =
            ["owner", "releaser", "guardian", "tripper", "second", "stranger", "bridge", "other", "heir", "nobody"];
        for (uint256 i; i < names.length; ++i) {
            _names.push(names[i]);
            accounts[names[i]] = address(uint160(0x1000 + i));
        }
        accounts["nobody"] = address(0);
        _names.push("signer");
        accounts["signer"] = vm.addr(SIGNER_KEY);
    }

    /// @dev A guard as `world.json` describes it, with what the case at `node` overrides.
    function build(string memory node) internal {
        vm.warp(startTime);
        vm.roll(startHeight);
        guard = new Guard(_config(node));
        string[] memory trippers = vm.parseJsonKeys(world, ".trippers");
        vm.startPrank(accounts["owner"]);
        for (uint256 i; i < trippers.length; ++i) {
            uint256 budget = vm.parseJsonUint(world, string.concat(".trippers.", trippers[i]));
            guard.grantTripper(accounts[trippers[i]], Cast.u32(budget));
        }
        guard.registerBridge(text("bridge"), accounts["bridge"]);
        scopeNames = vm.parseJsonKeys(world, ".scopes");
        for (uint256 i; i < scopeNames.length; ++i) {
            string memory path = string.concat(".scopes.", scopeNames[i]);
            bytes32 scope = _scopeAt(path);
            scopes[scopeNames[i]] = scope;
            if (vm.parseJsonBool(world, string.concat(path, ".registered")) && !_excluded(node, scopeNames[i])) {
                (bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) = _parts(path);
                guard.registerScope(bridge, direction, corridor, asset);
            }
        }
        if (!_has(file, string.concat(node, ".unsealed"))) guard.seal();
        vm.stopPrank();
    }

    function _config(string memory node) private view returns (IBreaker.Config memory) {
        return IBreaker.Config({
            owner: accounts["owner"],
            releaser: _has(file, string.concat(node, ".unset")) ? address(0) : accounts["releaser"],
            guardian: _has(file, string.concat(node, ".unset")) ? address(0) : accounts["guardian"],
            maxSeconds: Cast.u32(_setting(node, "maxSeconds")),
            maxBlocks: Cast.u32(_setting(node, "maxBlocks")),
            limitedTailSeconds: Cast.u32(_setting(node, "limitedTailSeconds")),
            limitedTailBlocks: Cast.u32(_setting(node, "limitedTailBlocks")),
            // forge-lint: disable-next-line(unsafe-typecast)
            budgetWindowHours: uint16(_setting(node, "budgetWindowHours"))
        });
    }

    function _setting(string memory node, string memory name) private view returns (uint256) {
        string memory own = string.concat(node, ".config.", name);
        if (_has(file, own)) return vm.parseJsonUint(file, own);
        return vm.parseJsonUint(world, string.concat(".config.", name));
    }

    function _excluded(string memory node, string memory name) private view returns (bool) {
        return _has(file, string.concat(node, ".without.", name));
    }

    function _scopeAt(string memory path) private view returns (bytes32) {
        (bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) = _parts(path);
        return guard.scopeOf(bridge, direction, corridor, asset);
    }

    function _parts(string memory path) private view returns (bytes32, uint8, bytes32, bytes32) {
        return (
            text(vm.parseJsonString(world, string.concat(path, ".bridge"))),
            directionOf(vm.parseJsonString(world, string.concat(path, ".direction"))),
            text(vm.parseJsonString(world, string.concat(path, ".corridor"))),
            text(vm.parseJsonString(world, string.concat(path, ".asset")))
        );
    }

    // ---- from names to values ----

    function _has(string memory json, string memory path) internal view returns (bool) {
        return vm.keyExistsJson(json, path);
    }

    /// @dev Text of up to 32 bytes, left-aligned; "*" is ANY.
    function text(string memory value) internal pure returns (bytes32 word) {
        if (keccak256(bytes(value)) == keccak256("*")) return bytes32(0);
        require(bytes(value).length <= 32, value);
        assembly ("memory-safe") {
            word := mload(add(value, 32))
        }
        if (bytes(value).length == 0) return bytes32(0);
    }

    function directionOf(string memory value) internal pure returns (uint8) {
        if (keccak256(bytes(value)) == keccak256("any")) return 0;
        if (keccak256(bytes(value)) == keccak256("in")) return 1;
        if (keccak256(bytes(value)) == keccak256("out")) return 2;
        return 3;
    }

    /// @dev Zero is "none"; the vectors count from the start. The greatest value of 64 bits stays what it is.
    function absolute(uint256 value, uint256 start) internal pure returns (uint64) {
        if (value == 0 || value == type(uint64).max) return Cast.u64(value);
        return Cast.u64(start + value);
    }

    // ---- from values to names ----

    /// @dev An event or a revert as one line, with the names of the vectors.
    function line(Schema.Shape memory shape, bytes32[] memory topics, bytes memory data)
        internal
        view
        returns (string memory out)
    {
        out = shape.name;
        uint256 nextTopic = 1;
        uint256 offset;
        for (uint256 i; i < shape.fields.length; ++i) {
            Schema.Field memory field = shape.fields[i];
            string memory value;
            if (field.form == Schema.Form.Limits) {
                for (uint256 part; part < 4; ++part) {
                    value = string.concat(value, part == 0 ? "" : "/", vm.toString(uint256(_word(data, offset))));
                    offset += 32;
                }
            } else {
                bytes32 word;
                if (field.topic) {
                    word = topics[nextTopic++];
                } else {
                    word = _word(data, offset);
                    offset += 32;
                }
                value = _write(field.form, word);
            }
            if (field.form != Schema.Form.Hidden) out = string.concat(out, " ", field.name, "=", value);
        }
    }

    function _write(Schema.Form form, bytes32 word) private view returns (string memory) {
        uint256 number = uint256(word);
        if (form == Schema.Form.Scope) return _scopeName(word);
        if (form == Schema.Form.Account) return _accountName(address(uint160(number)));
        if (form == Schema.Form.Time) return vm.toString(number < startTime ? number : number - startTime);
        if (form == Schema.Form.Height) return vm.toString(number < startHeight ? number : number - startHeight);
        if (form == Schema.Form.Text) return _textName(word);
        return vm.toString(number);
    }

    function _scopeName(bytes32 scope) private view returns (string memory) {
        for (uint256 i; i < scopeNames.length; ++i) {
            if (scopes[scopeNames[i]] == scope) return scopeNames[i];
        }
        return vm.toString(scope);
    }

    function _accountName(address account) private view returns (string memory) {
        for (uint256 i; i < _names.length; ++i) {
            if (accounts[_names[i]] == account) return _names[i];
        }
        return vm.toString(account);
    }

    function _textName(bytes32 word) private pure returns (string memory) {
        if (word == bytes32(0)) return "*";
        uint256 length;
        while (length < 32 && word[length] != 0) {
            ++length;
        }
        bytes memory out = new bytes(length);
        for (uint256 i; i < length; ++i) {
            out[i] = word[i];
        }
        return string(out);
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        require(data.length >= offset + 32, "data ends early");
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }
}
