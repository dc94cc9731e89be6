// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker} from "./IGuard.sol";

/// @title The breaker for contracts that exist already
/// @notice Where the power to close includes the power to open, a Gate holds that power. It knows closing switches by
/// kind, closes them when a scope is tripped or held, and restores only what it closed itself: after expiry at
/// anyone's call, before it at the releaser's. Trips, state, roles and events are those of `IBreaker`.
interface IGate is IBreaker {
    /// @dev What can be closed. There is no kind for an arbitrary call.
    enum Kind {
        /// OpenZeppelin Pausable behind `pause()` and `unpause()`, asked by `paused()`.
        Pausable,
        /// Aave v3 PoolConfigurator `setReserveFreeze(asset, bool)`, asked at the protocol data provider. Repayment,
        /// withdrawal and liquidation stay open.
        AaveFreeze,
        /// Aave v3 PoolConfigurator `setReservePause(asset, bool)`, asked at the protocol data provider.
        AavePause,
        /// LayerZero pause by destination id: `setPaused((id, paused, enabled)[])`, asked by `isPaused(id)`.
        PauseById,
        /// Hyperlane PausableIsm: the same switch as Pausable.
        PausableIsm,
        /// Chainlink CCIP RMNRemote `curse(subject)` and `uncurse(subject)`, asked by `isCursed(subject)`.
        Curse
    }

    /// @param account The contract that is told.
    /// @param fromLevel The level from which it is closed: 1 (already when limited) or 2 (only when closed).
    /// @param argument Aave: the asset's address; PauseById: the id; Curse: the subject in the upper 16 bytes; else zero.
    /// @param status The contract that is asked; Aave: the data provider; else zero for the account itself.
    struct Target {
        address account;
        Kind kind;
        uint8 fromLevel;
        bytes32 argument;
        address status;
    }

    /// @param ours The gate closed it and will restore it.
    /// @param known It answers whether it is closed.
    struct TargetView {
        Target target;
        bool ours;
        bool known;
        bool closed;
    }

    event TargetAdded(bytes32 indexed scope, address indexed account, Kind kind, uint8 fromLevel, bytes32 argument);
    event TargetRemoved(bytes32 indexed scope, address indexed account, Kind kind, bytes32 argument);
    /// @notice The gate closed it. `ours` is false when it could not tell that it had been open: then it stays closed
    /// until people open it.
    event TargetClosed(bytes32 indexed scope, address indexed account, Kind kind, bytes32 argument, bool ours);
    /// @notice It was closed already, by others: the gate will not open it.
    event TargetFound(bytes32 indexed scope, address indexed account, Kind kind, bytes32 argument);
    /// @notice What the gate had closed is open. `byGate` is false when others had opened it already.
    event TargetRestored(bytes32 indexed scope, address indexed account, Kind kind, bytes32 argument, bool byGate);
    /// @notice It refused, or did not change. The scope's state stands; `enforce` and `restore` try again.
    event TargetFailed(bytes32 indexed scope, address indexed account, Kind kind, bytes32 argument, bool closing);
    event HandedBack(address indexed account, address indexed to);

    error InvalidTarget(address account);
    /// @notice The target does not answer whether it is closed.
    error TargetSilent(address account);
    /// @notice The same switch belongs to a scope already.
    error TargetTaken(address account);
    error TargetUnknown(bytes32 scope, uint256 index);
    /// @notice The gate still keeps it closed.
    error TargetHeld(address account);
    error TooManyTargets(bytes32 scope);
    /// @notice Too little gas was sent for the targets to act or to answer: they would fail while the call counts.
    error GasTooLow();
    error HandBackFailed(address account);

    /// @notice Close what the scope's level asks for and is still open. Anyone.
    function enforce(bytes32 scope) external;
    /// @notice Open what the gate closed and the scope's level does not ask for any more. Anyone.
    function restore(bytes32 scope) external;

    function targetsOf(bytes32 scope) external view returns (TargetView[] memory);

    /// @notice The scope's state with nothing closed, limited or held that one of its targets did not follow when it was
    /// last tried. A gate without targets enforces nothing.
    function enforcedOf(bytes32 scope) external view returns (ScopeState memory);

    // Owner; at once before `seal`, scheduled after it:
    function addTarget(bytes32 scope, Target calldata target) external;
    /// @notice The last target of the scope takes the place of the removed one.
    function removeTarget(bytes32 scope, uint256 index) external;
    /// @notice Gives the ownership that the gate holds over a contract, none of whose switches it lists, to another.
    function handBack(address account, address to) external;

    /// @notice Owner, at once: completes a two-step transfer of ownership to the gate.
    function takeOver(address account) external;
}
