// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGate} from "./IGate.sol";
import {IBreaker} from "./IGuard.sol";
import {ScopeWord, ScopeWordLib} from "./lib/ScopeWord.sol";
import {Switches} from "./lib/Switches.sol";
import {Breaker} from "./parts/Breaker.sol";

interface IOwnable {
    function transferOwnership(address to) external;
    function acceptOwnership() external;
}

/// @title Gate: the breaker that holds the pausing power over contracts that exist already
/// @notice A target that refuses does not undo the trip: the scope's state stands, the refusal is an event, and anyone
/// may call `enforce` until it is closed. What of the state the targets followed is a second word of the scope, and that is
/// what a proof of the gate reads. Nothing is opened that the gate did not close itself.
contract Gate is Breaker, IGate {
    using Switches for Target;

    /// @dev Bounds the gas of a trip.
    uint256 private constant MAX_TARGETS = 16;

    /// @param ours The gate closed it; only then may it be opened again.
    /// @param memo What the switch needs to know to be taken back.
    struct Entry {
        Target target;
        bool ours;
        bool memo;
    }

    /// @dev SECURITY: storage slot 8. Proofs read `keccak256(abi.encode(scope, 8))`; nothing may be declared before it.
    mapping(bytes32 scope => ScopeWord) private _enforced;

    mapping(bytes32 scope => Entry[]) private _entries;
    mapping(bytes32 identity => bool) private _taken;
    mapping(address account => uint256) private _listed;

    constructor(Config memory config) Breaker(config) {}

    /// @inheritdoc IGate
    function enforce(bytes32 scope) external {
        _enforce(scope, _known(scope));
    }

    /// @inheritdoc IGate
    function restore(bytes32 scope) external {
        _restore(scope, _known(scope));
    }

    /// @inheritdoc IBreaker
    function registerScope(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset)
        external
        onlyOwnerDelayed
        returns (bytes32 scope)
    {
        scope = _register(bridge, direction, corridor, asset, 0);
        _attest(scope, _scopes[scope]);
    }

    /// @inheritdoc IGate
    function addTarget(bytes32 scope, Target calldata target) external onlyOwnerDelayed {
        ScopeWord word = _known(scope);
        Entry[] storage entries = _entries[scope];
        if (entries.length == MAX_TARGETS) revert TooManyTargets(scope);
        if ((target.fromLevel != 1 && target.fromLevel != 2) || !target.sound()) revert InvalidTarget(target.account);
        (bool known,) = target.isClosed();
        if (!known) revert TargetSilent(target.account);
        // SECURITY: a switch in two scopes would be opened by one while the other wants it closed.
        bytes32 id = target.identity();
        if (_taken[id]) revert TargetTaken(target.account);
        _taken[id] = true;
        ++_listed[target.account];
        entries.push(Entry(target, false, false));
        emit TargetAdded(scope, target.account, target.kind, target.fromLevel, target.argument);
        _attest(scope, word);
    }

    /// @inheritdoc IGate
    function removeTarget(bytes32 scope, uint256 index) external onlyOwnerDelayed {
        Entry[] storage entries = _entries[scope];
        if (index >= entries.length) revert TargetUnknown(scope, index);
        Entry memory entry = entries[index];
        // SECURITY: who leaves the list closed would never be opened again.
        if (entry.ours) revert TargetHeld(entry.target.account);
        delete _taken[entry.target.identity()];
        --_listed[entry.target.account];
        entries[index] = entries[entries.length - 1];
        entries.pop();
        emit TargetRemoved(scope, entry.target.account, entry.target.kind, entry.target.argument);
        _attest(scope, _scopes[scope]);
    }

    /// @inheritdoc IGate
    function handBack(address account, address to) external onlyOwnerDelayed {
        if (to == address(0)) revert ZeroAccount();
        if (_listed[account] != 0) revert TargetHeld(account);
        if (account.code.length == 0) revert InvalidTarget(account);
        emit HandedBack(account, to);
        try IOwnable(account).transferOwnership(to) {}
        catch {
            revert HandBackFailed(account);
        }
    }

    /// @inheritdoc IGate
    function takeOver(address account) external onlyOwner {
        IOwnable(account).acceptOwnership();
    }

    /// @inheritdoc IGate
    function targetsOf(bytes32 scope) external view returns (TargetView[] memory views) {
        Entry[] storage entries = _entries[scope];
        views = new TargetView[](entries.length);
        for (uint256 i; i < entries.length; ++i) {
            (bool known, bool closed) = entries[i].target.isClosed();
            views[i] = TargetView(entries[i].target, entries[i].ours, known, closed);
        }
    }

    /// @inheritdoc IGate
    function enforcedOf(bytes32 scope) external view returns (ScopeState memory) {
        return _enforced[scope].unpack();
    }

    /// @dev SECURITY: a target may close at the limited level already, and a stolen key must not do that for ever.
    function _limitedCosts() internal pure override returns (bool) {
        return true;
    }

    function _onSeal() internal override {}

    /// @dev A repetition enforces too: what refused before is tried again.
    function _afterTrip(bytes32 scope, ScopeWord word, bool) internal override {
        _enforce(scope, word);
    }

    function _afterHold(bytes32 scope, ScopeWord, ScopeWord word) internal override {
        _enforce(scope, word);
    }

    function _afterRelease(bytes32 scope, ScopeWord, ScopeWord word) internal override {
        _restore(scope, word);
    }

    function _enforce(bytes32 scope, ScopeWord word) private {
        uint8 level = word.level();
        Entry[] storage entries = _entries[scope];
        for (uint256 i; i < entries.length; ++i) {
            if (level >= entries[i].target.fromLevel) _close(scope, entries[i]);
        }
        _attest(scope, word);
    }

    function _restore(bytes32 scope, ScopeWord word) private {
        uint8 level = word.level();
        Entry[] storage entries = _entries[scope];
        for (uint256 i; i < entries.length; ++i) {
            if (level < entries[i].target.fromLevel && entries[i].ours) _open(scope, entries[i]);
        }
        _attest(scope, word);
    }

    /// @dev Writes down what of a scope's word its targets follow: after every change of the word or of the targets, and
    /// after every attempt.
    /// SECURITY: who proves that a gate is closed reads this and not the word, which says only what was asked for. A scope
    /// without targets closes nothing, and one target that does not say that it is closed takes back what the others are
    /// worth.
    function _attest(bytes32 scope, ScopeWord word) private {
        Entry[] storage entries = _entries[scope];
        bool closes = entries.length != 0;
        bool limits = closes;
        for (uint256 i; i < entries.length; ++i) {
            Target memory t = entries[i].target;
            // SECURITY: a target that is starved cannot answer, and anyone could have it written that it is open.
            if (gasleft() < 2 * Switches.TARGET_GAS) revert GasTooLow();
            (bool known, bool closed) = t.isClosed();
            if (known && closed) continue;
            closes = false;
            if (t.fromLevel == ScopeWordLib.LIMITED) limits = false;
        }
        _enforced[scope] = word.followed(closes, limits);
    }

    function _close(bytes32 scope, Entry storage entry) private {
        Target memory t = entry.target;
        // SECURITY: of the gas here at most 63/64 reach the target. With too little, it would fail and the trip succeed.
        if (gasleft() < 4 * Switches.TARGET_GAS) revert GasTooLow();
        (bool known, bool closed) = t.isClosed();
        if (closed && entry.ours) return;
        // A global curse answers for every subject; whether this one is cursed, only the call itself can tell.
        if (closed && t.kind != Kind.Curse) {
            emit TargetFound(scope, t.account, t.kind, t.argument);
            return;
        }
        bool memo = t.memo();
        bool done = t.close();
        (bool knownNow, bool closedNow) = t.isClosed();
        if (done && knownNow && closedNow) {
            entry.ours = known;
            entry.memo = memo;
            emit TargetClosed(scope, t.account, t.kind, t.argument, known);
        } else if (closedNow) {
            emit TargetFound(scope, t.account, t.kind, t.argument);
        } else {
            emit TargetFailed(scope, t.account, t.kind, t.argument, true);
        }
    }

    function _open(bytes32 scope, Entry storage entry) private {
        Target memory t = entry.target;
        (bool known, bool closed) = t.isClosed();
        bool opened = known && !closed;
        if (!opened && !(t.open(entry.memo) && !_visiblyClosed(t))) {
            emit TargetFailed(scope, t.account, t.kind, t.argument, false);
            return;
        }
        entry.ours = false;
        emit TargetRestored(scope, t.account, t.kind, t.argument, !opened);
    }

    /// @dev Whether it is certainly still closed by its own switch. A subject can be cursed for all, an id paused by
    /// default: then the switch itself may be open although the answer is yes.
    function _visiblyClosed(Target memory t) private view returns (bool) {
        if (t.kind == Kind.Curse || t.kind == Kind.PauseById) return false;
        (bool known, bool closed) = t.isClosed();
        return known && closed;
    }
}
