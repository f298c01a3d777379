// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SubnetArchive} from "./SubnetArchive.sol";
import {Door} from "./parts/Door.sol";
import {Evidence} from "./parts/Evidence.sol";

/// @title The rarer half of a subnet contract's code: sending, members, evidence
/// @notice One instance serves all subnets of a registry. It has neither state nor value: its functions run on a
/// subnet's, and refuse to run on its own. Callers use the address of the subnet. What is rarer still is in
/// `SubnetArchive`, which this contract makes, and which its code passes everything else on to.
contract SubnetOffice is Door, Evidence {
    /// @notice Whose code runs for whatever this contract has no function for.
    address public immutable ARCHIVE;

    constructor() {
        ARCHIVE = address(new SubnetArchive());
    }

    /// @dev Takes no coins: nothing in the archive does.
    fallback() external {
        if (address(this) == SELF) revert NotThroughSubnet();
        address archive = ARCHIVE;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let isDone := delegatecall(gas(), archive, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if isDone { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}
