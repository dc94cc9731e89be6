// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A contract that knows nothing of guards
/// @notice FOR DEMONSTRATION AND TESTS ONLY. Its owner pauses and opens it, as with OpenZeppelin's Pausable; give the
/// ownership to a Gate, and the Gate can close it.
contract DemoPausable {
    address public owner;
    bool public paused;

    event Paused(address account);
    event Unpaused(address account);
    event OwnershipTransferred(address indexed from, address indexed to);

    error NotOwner(address caller);
    error EnforcedPause();
    error ExpectedPause();

    modifier onlyOwner() {
        _requireOwner();
        _;
    }

    constructor() {
        owner = msg.sender;
    }

    function transferOwnership(address to) external onlyOwner {
        emit OwnershipTransferred(owner, to);
        owner = to;
    }

    function pause() external onlyOwner {
        if (paused) revert EnforcedPause();
        paused = true;
        emit Paused(msg.sender);
    }

    function unpause() external onlyOwner {
        if (!paused) revert ExpectedPause();
        paused = false;
        emit Unpaused(msg.sender);
    }

    /// @notice What its users come for.
    function use() external view returns (bool) {
        if (paused) revert EnforcedPause();
        return true;
    }

    function _requireOwner() private view {
        if (msg.sender != owner) revert NotOwner(msg.sender);
    }
}
