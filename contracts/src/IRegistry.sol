// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What a subnet contract asks of the registry that made it
interface IRegistry {
    /// @notice Identity of this chain as a parent.
    function IDENTITY() external view returns (bytes32);
    /// @notice Name of this chain: `/r` and its chain id.
    function name() external view returns (string memory);
    /// @notice How many subnets there are.
    function subnetCount() external view returns (uint256);
    /// @notice Whether a contract was made here.
    function isSubnet(address account) external view returns (bool);
    /// @notice The code of the rarer half of all subnet contracts.
    function OFFICE() external view returns (address);
}
