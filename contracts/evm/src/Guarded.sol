// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuard} from "./IGuard.sol";

/// @title What a bridge inherits
/// @notice Ask before value leaves, and only then: refunds, acknowledgements, time-outs and repayments stay open.
/// The guard and the bridge's id in it are fixed at deployment, so that asking costs one external call and no read here.
abstract contract Guarded {
    IGuard public immutable guard;
    /// @notice The name under which the guard knows this contract.
    bytes32 public immutable bridgeId;

    constructor(IGuard guard_, bytes32 bridgeId_) {
        guard = guard_;
        bridgeId = bridgeId_;
    }

    /// @param corridor The other side, as the guard's scopes name it; for EVM domains `bytes32(uint256(domain))`.
    /// @param asset The asset that leaves; for ERC-20 `bytes32(uint256(uint160(token)))`.
    /// @param amount Base units.
    modifier guardedOutflow(bytes32 corridor, bytes32 asset, uint256 amount) {
        _checkOutflow(corridor, asset, amount);
        _;
    }

    /// @dev Reverts when the outflow may not happen. SECURITY: a guard without code, or one that cannot answer, refuses.
    function _checkOutflow(bytes32 corridor, bytes32 asset, uint256 amount) internal {
        guard.check(bridgeId, corridor, asset, amount);
    }
}
