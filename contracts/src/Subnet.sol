// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Delivery} from "./parts/Delivery.sol";
import {StatusView} from "./parts/StatusView.sol";
import {Parameters} from "./Types.sol";

/// @title What this chain knows of one child subnet: membership, stake, custody, messages, checkpoints
/// @notice All value of the subnet sits here until it is delivered, and nobody else's: nothing that its validators sign
/// can move more. There is no owner, and no way to change the code.
///
/// Checkpoints and deliveries are here. What is rarer (sending, members, evidence, exit, claims, most views) is in
/// `SubnetOffice`, whose code runs on this contract's state: one contract's code has at most 24 KiB. The office's
/// address never changes.
contract Subnet is Delivery, StatusView {
    /// @notice Whose code runs for whatever this contract has no function for.
    address public immutable OFFICE;

    /// @dev Called by the registry, which has checked `chosen`.
    constructor(Parameters memory chosen) Delivery(chosen) {
        OFFICE = REGISTRY.OFFICE();
    }

    /// @dev Coins that come without a call are refused: they would belong to nobody.
    fallback() external payable {
        address office = OFFICE;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let isDone := delegatecall(gas(), office, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if isDone { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}
