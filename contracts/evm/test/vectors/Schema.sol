// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker, IGuard} from "../../src/IGuard.sol";

/// @notice Which fields events and errors have, in which order, and how the vectors write them.
library Schema {
    /// @dev How a field is written: a scope's or an account's name, seconds or blocks since the start, a number, a short
    /// text, four amounts, or not at all because it differs between machines.
    enum Form {
        Scope,
        Account,
        Time,
        Height,
        Number,
        Text,
        Limits,
        Hidden
    }

    struct Field {
        string name;
        Form form;
        bool topic;
    }

    struct Shape {
        string name;
        bytes32 id;
        Field[] fields;
    }

    function events() internal pure returns (Shape[] memory shapes) {
        shapes = new Shape[](15);
        shapes[0] = _shape("Tripped", IBreaker.Tripped.selector, 9);
        _put(shapes[0], 0, "scope", Form.Scope, true);
        _put(shapes[0], 1, "incident", Form.Text, true);
        _put(shapes[0], 2, "level", Form.Number, false);
        _put(shapes[0], 3, "until", Form.Time, false);
        _put(shapes[0], 4, "untilHeight", Form.Height, false);
        _put(shapes[0], 5, "record", Form.Text, false);
        _put(shapes[0], 6, "generation", Form.Number, false);
        _put(shapes[0], 7, "actionId", Form.Hidden, false);
        _put(shapes[0], 8, "tripper", Form.Account, false);
        shapes[1] = _shape("TripIgnored", IBreaker.TripIgnored.selector, 4);
        _put(shapes[1], 0, "scope", Form.Scope, true);
        _put(shapes[1], 1, "incident", Form.Text, true);
        _put(shapes[1], 2, "actionId", Form.Hidden, false);
        _put(shapes[1], 3, "reason", Form.Number, false);
        shapes[2] = _shape("TripClipped", IBreaker.TripClipped.selector, 4);
        _put(shapes[2], 0, "scope", Form.Scope, true);
        _put(shapes[2], 1, "tripper", Form.Account, true);
        _put(shapes[2], 2, "asked", Form.Number, false);
        _put(shapes[2], 3, "granted", Form.Number, false);
        shapes[3] = _shape("Released", IBreaker.Released.selector, 3);
        _put(shapes[3], 0, "scope", Form.Scope, true);
        _put(shapes[3], 1, "generation", Form.Number, false);
        _put(shapes[3], 2, "releaser", Form.Account, false);
        shapes[4] = _shape("Held", IBreaker.Held.selector, 3);
        _put(shapes[4], 0, "scope", Form.Scope, true);
        _put(shapes[4], 1, "level", Form.Number, false);
        _put(shapes[4], 2, "guardian", Form.Account, false);
        shapes[5] = _shape("RoleSet", IBreaker.RoleSet.selector, 3);
        _put(shapes[5], 0, "role", Form.Number, true);
        _put(shapes[5], 1, "account", Form.Account, true);
        _put(shapes[5], 2, "budgetSeconds", Form.Number, false);
        shapes[6] = _shape("RoleRevoked", IBreaker.RoleRevoked.selector, 2);
        _put(shapes[6], 0, "role", Form.Number, true);
        _put(shapes[6], 1, "account", Form.Account, true);
        shapes[7] = _shape("OperationScheduled", IBreaker.OperationScheduled.selector, 3);
        _put(shapes[7], 0, "id", Form.Hidden, true);
        _put(shapes[7], 1, "call", Form.Hidden, false);
        _put(shapes[7], 2, "readyAt", Form.Time, false);
        shapes[8] = _shape("OperationCancelled", IBreaker.OperationCancelled.selector, 2);
        _put(shapes[8], 0, "id", Form.Hidden, true);
        _put(shapes[8], 1, "by", Form.Account, false);
        shapes[9] = _shape("OperationExecuted", IBreaker.OperationExecuted.selector, 1);
        _put(shapes[9], 0, "id", Form.Hidden, true);
        _limitEvents(shapes);
    }

    function errors() internal pure returns (Shape[] memory shapes) {
        shapes = new Shape[](26);
        shapes[0] = _single("InvalidLevel", IBreaker.InvalidLevel.selector, "level", Form.Number);
        shapes[1] = _single("InvalidDirection", IBreaker.InvalidDirection.selector, "direction", Form.Number);
        shapes[2] = _shape("InvalidSignature", IBreaker.InvalidSignature.selector, 0);
        shapes[3] = _single("SignatureExpired", IBreaker.SignatureExpired.selector, "deadline", Form.Time);
        shapes[4] = _single("ScopeUnregistered", IBreaker.ScopeUnregistered.selector, "scope", Form.Scope);
        shapes[5] = _single("ScopeAlreadyRegistered", IBreaker.ScopeAlreadyRegistered.selector, "scope", Form.Scope);
        shapes[6] = _shape("StaleRelease", IBreaker.StaleRelease.selector, 2);
        _put(shapes[6], 0, "generation", Form.Number, false);
        _put(shapes[6], 1, "closedUntil", Form.Time, false);
        shapes[7] = _single("NotOwner", IBreaker.NotOwner.selector, "caller", Form.Account);
        shapes[8] = _single("NotReleaser", IBreaker.NotReleaser.selector, "caller", Form.Account);
        shapes[9] = _single("NotGuardian", IBreaker.NotGuardian.selector, "caller", Form.Account);
        shapes[10] = _single("NotTripper", IBreaker.NotTripper.selector, "caller", Form.Account);
        shapes[11] = _single("RoleConflict", IBreaker.RoleConflict.selector, "account", Form.Account);
        shapes[12] = _shape("ZeroAccount", IBreaker.ZeroAccount.selector, 0);
        shapes[13] = _shape("AlreadySealed", IBreaker.AlreadySealed.selector, 0);
        shapes[14] = _single("NotScheduled", IBreaker.NotScheduled.selector, "id", Form.Hidden);
        shapes[15] = _shape("NotReady", IBreaker.NotReady.selector, 2);
        _put(shapes[15], 0, "id", Form.Hidden, false);
        _put(shapes[15], 1, "readyAt", Form.Time, false);
        shapes[16] = _shape("OperationExpired", IBreaker.OperationExpired.selector, 2);
        _put(shapes[16], 0, "id", Form.Hidden, false);
        _put(shapes[16], 1, "expiredAt", Form.Time, false);
        shapes[17] = _single("ScopeClosed", IGuard.ScopeClosed.selector, "scope", Form.Scope);
        shapes[18] = _shape("ForeignCaller", IGuard.ForeignCaller.selector, 2);
        _put(shapes[18], 0, "bridge", Form.Text, false);
        _put(shapes[18], 1, "caller", Form.Account, false);
        shapes[19] = _single("BridgeAlreadyRegistered", IGuard.BridgeAlreadyRegistered.selector, "bridge", Form.Text);
        shapes[20] = _single("BridgeUnregistered", IGuard.BridgeUnregistered.selector, "bridge", Form.Text);
        shapes[21] = _shape("AssetRequired", IGuard.AssetRequired.selector, 0);
        shapes[22] = _shape("LimitExceeded", IGuard.LimitExceeded.selector, 4);
        _put(shapes[22], 0, "scope", Form.Scope, false);
        _put(shapes[22], 1, "window", Form.Number, false);
        _put(shapes[22], 2, "amount", Form.Number, false);
        _put(shapes[22], 3, "available", Form.Number, false);
        shapes[23] = _shape("InvalidConfig", IBreaker.InvalidConfig.selector, 0);
        // A panic is never expected; it is named so that a failing vector says what happened.
        shapes[24] = _single("Panic", bytes4(keccak256("Panic(uint256)")), "code", Form.Number);
        shapes[25] = _shape("Error", bytes4(keccak256("Error(string)")), 0);
    }

    function _limitEvents(Shape[] memory shapes) private pure {
        shapes[10] = _shape("Sealed", IBreaker.Sealed.selector, 0);
        shapes[11] = _shape("ScopeRegistered", IBreaker.ScopeRegistered.selector, 5);
        _put(shapes[11], 0, "scope", Form.Scope, true);
        _put(shapes[11], 1, "bridge", Form.Text, true);
        _put(shapes[11], 2, "direction", Form.Number, false);
        _put(shapes[11], 3, "corridor", Form.Text, false);
        _put(shapes[11], 4, "asset", Form.Text, false);
        shapes[12] = _shape("BridgeRegistered", IGuard.BridgeRegistered.selector, 2);
        _put(shapes[12], 0, "bridge", Form.Text, true);
        _put(shapes[12], 1, "consumer", Form.Account, true);
        shapes[13] = _shape("LimitsSet", IGuard.LimitsSet.selector, 3);
        _put(shapes[13], 0, "scope", Form.Scope, true);
        _put(shapes[13], 1, "normal", Form.Limits, false);
        _put(shapes[13], 2, "limited", Form.Limits, false);
        shapes[14] = _shape("LimitsLowered", IGuard.LimitsLowered.selector, 5);
        _put(shapes[14], 0, "scope", Form.Scope, true);
        _put(shapes[14], 1, "tripper", Form.Account, true);
        _put(shapes[14], 2, "lowered", Form.Limits, false);
        _put(shapes[14], 3, "until", Form.Time, false);
        _put(shapes[14], 4, "untilHeight", Form.Height, false);
    }

    function _shape(string memory name, bytes32 id, uint256 count) private pure returns (Shape memory) {
        return Shape(name, id, new Field[](count));
    }

    function _single(string memory name, bytes4 id, string memory field, Form form)
        private
        pure
        returns (Shape memory shape)
    {
        shape = _shape(name, bytes32(id), 1);
        _put(shape, 0, field, form, false);
    }

    function _put(Shape memory shape, uint256 index, string memory name, Form form, bool topic) private pure {
        shape.fields[index] = Field(name, form, topic);
    }
}
