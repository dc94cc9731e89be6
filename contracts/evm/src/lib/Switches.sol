// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGate} from "../IGate.sol";

interface IPausable {
    function pause() external;
    function unpause() external;
    function paused() external view returns (bool);
}

interface IAaveConfigurator {
    function setReserveFreeze(address asset, bool freeze) external;
    function setReservePause(address asset, bool paused) external;
}

interface IAaveDataProvider {
    /// @dev Ten words; the last one is `isFrozen`.
    function getReserveConfigurationData(address asset)
        external
        view
        returns (uint256, uint256, uint256, uint256, uint256, bool, bool, bool, bool, bool);
    function getPaused(address asset) external view returns (bool);
}

interface IPauseById {
    struct Pause {
        uint256 id;
        bool paused;
        bool enabled;
    }

    function setPaused(Pause[] calldata pauses) external;
    function isPaused(uint256 id) external view returns (bool);
    /// @dev Two words: paused, enabled.
    function pauseConfig(uint256 id) external view returns (bool paused, bool enabled);
}

interface IRmnRemote {
    function curse(bytes16 subject) external;
    function uncurse(bytes16 subject) external;
    function isCursed(bytes16 subject) external view returns (bool);
}

/// @title The switches that a Gate knows
/// @notice For each kind: the call that closes, the call that takes exactly that back, and the question whether it is
/// closed. SECURITY: calls are made here and nowhere else; no configuration can choose a selector.
library Switches {
    /// @dev What one target may use. Aave's freeze, the dearest one known, takes about a third of it.
    uint256 internal constant TARGET_GAS = 400_000;

    /// @notice Two targets with the same identity are one switch.
    function identity(IGate.Target memory t) internal pure returns (bytes32) {
        IGate.Kind kind = t.kind == IGate.Kind.PausableIsm ? IGate.Kind.Pausable : t.kind;
        return keccak256(abi.encode(t.account, kind, t.argument));
    }

    /// @notice Whether account, argument and status have the form that the kind needs.
    function sound(IGate.Target memory t) internal view returns (bool) {
        if (t.account.code.length == 0) return false;
        if (t.kind == IGate.Kind.AaveFreeze || t.kind == IGate.Kind.AavePause) {
            return t.status.code.length != 0 && uint256(t.argument) >> 160 == 0;
        }
        if (t.status != address(0)) return false;
        if (t.kind == IGate.Kind.PauseById) return true;
        if (t.kind == IGate.Kind.Curse) return uint256(t.argument) << 128 == 0;
        return t.argument == bytes32(0);
    }

    /// @notice Asks whether it is closed.
    /// @return known False when it gave no clean answer.
    function isClosed(IGate.Target memory t) internal view returns (bool known, bool closed) {
        if (t.kind == IGate.Kind.AaveFreeze) {
            return _ask(t.status, abi.encodeCall(IAaveDataProvider.getReserveConfigurationData, (_address(t))), 9);
        }
        if (t.kind == IGate.Kind.AavePause) {
            return _ask(t.status, abi.encodeCall(IAaveDataProvider.getPaused, (_address(t))), 0);
        }
        if (t.kind == IGate.Kind.PauseById) {
            return _ask(t.account, abi.encodeCall(IPauseById.isPaused, (uint256(t.argument))), 0);
        }
        if (t.kind == IGate.Kind.Curse) {
            return _ask(t.account, abi.encodeCall(IRmnRemote.isCursed, (_subject(t))), 0);
        }
        return _ask(t.account, abi.encodeCall(IPausable.paused, ()), 0);
    }

    /// @notice What has to be remembered to take a closure back: for PauseById whether the id had a setting of its own.
    function memo(IGate.Target memory t) internal view returns (bool enabled) {
        if (t.kind != IGate.Kind.PauseById) return false;
        (bool known, bool answer) = _ask(t.account, abi.encodeCall(IPauseById.pauseConfig, (uint256(t.argument))), 1);
        return known && answer;
    }

    function close(IGate.Target memory t) internal returns (bool done) {
        if (t.kind == IGate.Kind.AaveFreeze) {
            return _tell(t.account, abi.encodeCall(IAaveConfigurator.setReserveFreeze, (_address(t), true)));
        }
        if (t.kind == IGate.Kind.AavePause) {
            return _tell(t.account, abi.encodeCall(IAaveConfigurator.setReservePause, (_address(t), true)));
        }
        if (t.kind == IGate.Kind.PauseById) return _setPaused(t, true, true);
        if (t.kind == IGate.Kind.Curse) return _tell(t.account, abi.encodeCall(IRmnRemote.curse, (_subject(t))));
        return _tell(t.account, abi.encodeCall(IPausable.pause, ()));
    }

    /// @param enabled What `memo` said before the closure.
    function open(IGate.Target memory t, bool enabled) internal returns (bool done) {
        if (t.kind == IGate.Kind.AaveFreeze) {
            return _tell(t.account, abi.encodeCall(IAaveConfigurator.setReserveFreeze, (_address(t), false)));
        }
        if (t.kind == IGate.Kind.AavePause) {
            return _tell(t.account, abi.encodeCall(IAaveConfigurator.setReservePause, (_address(t), false)));
        }
        if (t.kind == IGate.Kind.PauseById) return _setPaused(t, false, enabled);
        if (t.kind == IGate.Kind.Curse) return _tell(t.account, abi.encodeCall(IRmnRemote.uncurse, (_subject(t))));
        return _tell(t.account, abi.encodeCall(IPausable.unpause, ()));
    }

    function _setPaused(IGate.Target memory t, bool paused, bool enabled) private returns (bool) {
        IPauseById.Pause[] memory pauses = new IPauseById.Pause[](1);
        pauses[0] = IPauseById.Pause(uint256(t.argument), paused, enabled);
        return _tell(t.account, abi.encodeCall(IPauseById.setPaused, (pauses)));
    }

    function _address(IGate.Target memory t) private pure returns (address) {
        return address(uint160(uint256(t.argument)));
    }

    function _subject(IGate.Target memory t) private pure returns (bytes16) {
        // Only subjects whose lower half is empty were let in.
        // forge-lint: disable-next-line(unsafe-typecast)
        return bytes16(t.argument);
    }

    /// @dev Bounded gas, and nothing of the answer is copied: a target can refuse, but not take the others with it.
    function _tell(address account, bytes memory data) private returns (bool done) {
        if (account.code.length == 0) return false;
        uint256 gasLimit = TARGET_GAS;
        assembly ("memory-safe") {
            done := call(gasLimit, account, 0, add(data, 32), mload(data), 0, 0)
        }
    }

    /// @dev Reads one word of the answer; anything but a clean zero or one is no answer.
    function _ask(address account, bytes memory data, uint256 index) private view returns (bool known, bool answer) {
        if (account.code.length == 0) return (false, false);
        uint256 gasLimit = TARGET_GAS;
        uint256 word;
        assembly ("memory-safe") {
            let done := staticcall(gasLimit, account, add(data, 32), mload(data), 0, 0)
            if and(done, gt(returndatasize(), add(mul(index, 32), 31))) {
                returndatacopy(0, mul(index, 32), 32)
                word := mload(0)
                known := 1
            }
        }
        if (word > 1) return (false, false);
        return (known, word == 1);
    }
}
