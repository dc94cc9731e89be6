// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @notice OpenZeppelin's own Pausable and two-step Ownable, as a bridge or an ISM uses them. `people` may pause, too.
contract Vault is Pausable, Ownable2Step {
    address public immutable people;
    /// @dev Who paused last, and whether anybody else ever opened what people had paused.
    address public closedBy;
    bool public openedAnothers;

    error NotAllowed();

    constructor(address people_) Ownable(msg.sender) {
        people = people_;
    }

    function pause() external {
        _allowed();
        closedBy = msg.sender;
        _pause();
    }

    function unpause() external {
        _allowed();
        if (msg.sender != people && closedBy != msg.sender) openedAnothers = true;
        _unpause();
    }

    function withdraw() external view whenNotPaused returns (bool) {
        return true;
    }

    function _allowed() private view {
        if (msg.sender != owner() && msg.sender != people) revert NotAllowed();
    }
}

/// @notice Aave v3's configurator and data provider in one, for one admin. Since v3.1 freezing twice spoils the stored
/// loan-to-value: that is counted here as an accident.
contract AaveMarket {
    address public immutable admin;
    mapping(address asset => bool) public frozen;
    mapping(address asset => bool) public getPaused;
    uint256 public accidents;

    error NotAdmin();

    constructor(address admin_) {
        admin = admin_;
    }

    function setReserveFreeze(address asset, bool freeze) external {
        if (msg.sender != admin) revert NotAdmin();
        if (frozen[asset] == freeze) ++accidents;
        frozen[asset] = freeze;
    }

    function setReservePause(address asset, bool paused) external {
        if (msg.sender != admin) revert NotAdmin();
        getPaused[asset] = paused;
    }

    /// @dev Ten words, as the real one answers: decimals, ratios and flags, and last whether the reserve is frozen.
    function getReserveConfigurationData(address asset) external view returns (uint256[10] memory words) {
        words = [uint256(18), 8000, 8500, 10_500, 1000, 1, 1, 0, 1, frozen[asset] ? 1 : 0];
    }
}

/// @notice Pausing by destination id with a default, as LayerZero's extension does it.
contract PausableById {
    struct Pause {
        uint256 id;
        bool paused;
        bool enabled;
    }

    struct Setting {
        bool paused;
        bool enabled;
    }

    address public immutable admin;
    bool public defaultPaused;
    mapping(uint256 id => Setting) public pauseConfig;

    error NotAdmin();

    constructor(address admin_) {
        admin = admin_;
    }

    /// @dev Set by people, for the test.
    function setDefaultPaused(bool paused) external {
        defaultPaused = paused;
    }

    function setPaused(Pause[] calldata pauses) external {
        if (msg.sender != admin) revert NotAdmin();
        for (uint256 i; i < pauses.length; ++i) {
            pauseConfig[pauses[i].id] = Setting(pauses[i].paused, pauses[i].enabled);
        }
    }

    function isPaused(uint256 id) external view returns (bool) {
        Setting memory setting = pauseConfig[id];
        return setting.enabled ? setting.paused : defaultPaused;
    }
}

/// @notice CCIP's RMNRemote: cursing twice and lifting what is not cursed are errors; a global curse answers for all.
contract Rmn {
    bytes16 public constant GLOBAL = 0x01000000000000000000000000000001;

    address public immutable admin;
    address public immutable people;
    mapping(bytes16 subject => bool) public cursed;

    error AlreadyCursed(bytes16 subject);
    error NotCursed(bytes16 subject);
    error NotAdmin();

    constructor(address admin_, address people_) {
        admin = admin_;
        people = people_;
    }

    function curse(bytes16 subject) external {
        if (msg.sender != admin && msg.sender != people) revert NotAdmin();
        if (cursed[subject]) revert AlreadyCursed(subject);
        cursed[subject] = true;
    }

    function uncurse(bytes16 subject) external {
        if (msg.sender != admin && msg.sender != people) revert NotAdmin();
        if (!cursed[subject]) revert NotCursed(subject);
        cursed[subject] = false;
    }

    function isCursed(bytes16 subject) external view returns (bool) {
        return cursed[subject] || cursed[GLOBAL];
    }
}

/// @notice A pausable that misbehaves as the test says.
contract Difficult {
    enum Mood {
        Fair,
        Refuses,
        Lies,
        Silent,
        /// Answers only when it is paused.
        Shy,
        Greedy,
        Noisy,
        /// Answers, at a price close to what the gate allows.
        Slow
    }

    Mood public mood;
    bool private _paused;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function pause() external {
        if (mood == Mood.Refuses) revert("no");
        if (mood == Mood.Greedy) _burn();
        if (mood == Mood.Noisy) _bomb();
        if (mood != Mood.Lies) _paused = true;
    }

    function unpause() external {
        if (mood == Mood.Refuses) revert("no");
        if (mood != Mood.Lies) _paused = false;
    }

    function paused() external view returns (bool) {
        if (mood == Mood.Silent || (mood == Mood.Shy && !_paused)) revert("who asks?");
        if (mood == Mood.Greedy) _burn();
        if (mood == Mood.Slow) _burn(390_000);
        return _paused;
    }

    function isPausedInside() external view returns (bool) {
        return _paused;
    }

    function _burn() private view {
        uint256 word;
        while (gasleft() > 100) {
            word = uint256(keccak256(abi.encode(word)));
        }
    }

    function _burn(uint256 amount) private view {
        uint256 begun = gasleft();
        uint256 word;
        while (begun - gasleft() < amount) {
            word = uint256(keccak256(abi.encode(word)));
        }
    }

    /// @dev An answer as long as the gas allows.
    function _bomb() private pure {
        assembly ("memory-safe") {
            revert(0, 100000)
        }
    }
}
