// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Door} from "./parts/Door.sol";
import {Evidence} from "./parts/Evidence.sol";
import {Exit} from "./parts/Exit.sol";
import {Views} from "./parts/Views.sol";

/// @title The rarer half of a subnet contract's code
/// @notice One instance serves all subnets of a registry. It has neither state nor value: its functions run on a
/// subnet's, and refuse to run on its own. Callers use the address of the subnet.
contract SubnetOffice is Door, Evidence, Exit, Views {}
