// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBreaker} from "../IGuard.sol";
import {Cast} from "../lib/Cast.sol";
import {ScopeStore} from "./ScopeStore.sol";

/// @title Who may do what
/// @notice Owner, releaser, guardian and trippers are different accounts; only releaser and guardian may be the same one.
/// An unset role refuses. Revocation is instant; every other change of the owner waits `maxSeconds` once set-up is
/// sealed, is visible while it waits, and can be cancelled by the people who would suffer from it.
abstract contract Roles is ScopeStore {
    uint8 internal constant ROLE_OWNER = 0;
    uint8 internal constant ROLE_RELEASER = 1;
    uint8 internal constant ROLE_GUARDIAN = 2;
    uint8 internal constant ROLE_TRIPPER = 3;

    /// @dev A scheduled call that nobody sent for this long after it was ready is void: stale plans are no plans.
    uint256 private constant SCHEDULE_GRACE = 14 days;

    /// @param lastChargeHour Hour (Unix time / 3600) of the last charge, so that an idle budget costs one read.
    struct Tripper {
        bool active;
        uint32 budgetSeconds;
        uint40 lastChargeHour;
    }

    /// @inheritdoc IBreaker
    address public owner;
    /// @inheritdoc IBreaker
    bool public isSealed;
    /// @inheritdoc IBreaker
    address public releaser;
    /// @inheritdoc IBreaker
    address public guardian;

    mapping(address account => Tripper) internal _trippers;
    mapping(bytes32 id => uint256 readyAt) private _readyAt;

    modifier onlyOwner() {
        _requireOwner();
        _;
    }

    /// @dev At once before `seal`; after it only what was scheduled, by the same calldata.
    modifier onlyOwnerDelayed() {
        _requireOwner();
        if (isSealed) _consumeSchedule(keccak256(msg.data));
        _;
    }

    constructor(Config memory config) {
        _setOwner(config.owner);
        if (config.releaser != address(0)) _setReleaser(config.releaser);
        if (config.guardian != address(0)) _setGuardian(config.guardian);
    }

    /// @inheritdoc IBreaker
    function seal() external onlyOwner {
        if (isSealed) revert AlreadySealed();
        isSealed = true;
        emit Sealed();
        _onSeal();
    }

    /// @inheritdoc IBreaker
    function schedule(bytes calldata call) external onlyOwner returns (bytes32 id, uint64 readyAt) {
        id = keccak256(call);
        readyAt = Cast.u64(block.timestamp + maxSeconds);
        _readyAt[id] = readyAt;
        emit OperationScheduled(id, call, readyAt);
    }

    /// @inheritdoc IBreaker
    function cancel(bytes32 id) external {
        // An unset role is address zero, and nobody calls from there.
        if (msg.sender != owner && msg.sender != releaser && msg.sender != guardian) revert NotOwner(msg.sender);
        if (_readyAt[id] == 0) revert NotScheduled(id);
        delete _readyAt[id];
        emit OperationCancelled(id, msg.sender);
    }

    /// @inheritdoc IBreaker
    function transferOwnership(address account) external onlyOwnerDelayed {
        _setOwner(account);
    }

    /// @inheritdoc IBreaker
    function setReleaser(address account) external onlyOwnerDelayed {
        _setReleaser(account);
    }

    /// @inheritdoc IBreaker
    function setGuardian(address account) external onlyOwnerDelayed {
        _setGuardian(account);
    }

    /// @inheritdoc IBreaker
    function grantTripper(address account, uint32 budgetSeconds) external onlyOwnerDelayed {
        if (account == address(0)) revert ZeroAccount();
        if (account == owner || account == releaser || account == guardian) revert RoleConflict(account);
        Tripper storage tripper = _trippers[account];
        tripper.active = true;
        tripper.budgetSeconds = budgetSeconds;
        emit RoleSet(ROLE_TRIPPER, account, budgetSeconds);
    }

    /// @inheritdoc IBreaker
    function revokeReleaser() external onlyOwner {
        emit RoleRevoked(ROLE_RELEASER, releaser);
        releaser = address(0);
    }

    /// @inheritdoc IBreaker
    function revokeGuardian() external onlyOwner {
        emit RoleRevoked(ROLE_GUARDIAN, guardian);
        guardian = address(0);
    }

    /// @inheritdoc IBreaker
    /// @dev What the account spent stays on record, so that granting it anew does not refill its budget.
    function revokeTripper(address account) external onlyOwner {
        if (!_trippers[account].active) revert NotTripper(account);
        _trippers[account].active = false;
        emit RoleRevoked(ROLE_TRIPPER, account);
    }

    /// @dev What a contract has to do once at the end of set-up.
    function _onSeal() internal virtual;

    function _requireTripper(address account) internal view {
        if (!_trippers[account].active) revert NotTripper(account);
    }

    function _requireReleaser() internal view {
        if (msg.sender != releaser) revert NotReleaser(msg.sender);
    }

    function _requireGuardianOrReleaser() internal view {
        if (msg.sender != guardian && msg.sender != releaser) revert NotGuardian(msg.sender);
    }

    function _requireOwner() private view {
        if (msg.sender != owner) revert NotOwner(msg.sender);
    }

    function _consumeSchedule(bytes32 id) private {
        uint256 readyAt = _readyAt[id];
        if (readyAt == 0) revert NotScheduled(id);
        if (block.timestamp < readyAt) revert NotReady(id, Cast.u64(readyAt));
        uint256 expiredAt = readyAt + SCHEDULE_GRACE;
        if (block.timestamp >= expiredAt) revert OperationExpired(id, Cast.u64(expiredAt));
        delete _readyAt[id];
        emit OperationExecuted(id);
    }

    function _setOwner(address account) private {
        if (account == address(0)) revert ZeroAccount();
        if (account == releaser || account == guardian || _trippers[account].active) revert RoleConflict(account);
        owner = account;
        emit RoleSet(ROLE_OWNER, account, 0);
    }

    function _setReleaser(address account) private {
        if (account == address(0)) revert ZeroAccount();
        if (account == owner || _trippers[account].active) revert RoleConflict(account);
        releaser = account;
        emit RoleSet(ROLE_RELEASER, account, 0);
    }

    function _setGuardian(address account) private {
        if (account == address(0)) revert ZeroAccount();
        if (account == owner || _trippers[account].active) revert RoleConflict(account);
        guardian = account;
        emit RoleSet(ROLE_GUARDIAN, account, 0);
    }
}
