// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import "../Types.sol";

/// @title What a node asks of a subnet contract
/// @notice All that it needs to follow, by number: nothing has to be searched for in old logs, which public endpoints
/// of Filecoin do not keep.
abstract contract Views is Base {
    /// @notice What the creator chose.
    function parameters() external view returns (Parameters memory) {
        return _parameters;
    }

    /// @notice A message down by its nonce.
    function queued(uint64 nonce) external view returns (QueuedMessage memory) {
        return _queue[nonce];
    }

    /// @notice A change by its position; those of configuration 1 come first.
    function change(uint256 index) external view returns (Change memory) {
        return _changes[index];
    }

    /// @notice When a checkpoint confirmed which configuration, by position.
    function confirmation(uint256 index) external view returns (Confirmation memory) {
        return _confirmations[index];
    }

    /// @notice Hash of a configuration; zero of one that was never made.
    function configurationHash(uint64 number) external view returns (bytes32) {
        return _configurations[number];
    }

    /// @notice The batch of an accepted checkpoint while something of it waits; zeros otherwise.
    function batch(uint64 sequence) external view returns (Batch memory) {
        return _batches[sequence];
    }

    /// @notice Everybody who ever joined, by position.
    function ownerAt(uint256 index) external view returns (address) {
        return _owners[index];
    }

    /// @notice A member by its owner, with the stake that it withdrew and that was not paid yet.
    function member(address owner) external view returns (Member memory, Unbonding[] memory) {
        return (_members[owner], _unbondings[owner]);
    }

    /// @notice What is kept for a Filecoin address.
    function unclaimedOf(bytes calldata account) external view returns (uint256) {
        return _unclaimed[keccak256(account)];
    }
}
