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

    /// @dev Entries that one answer has at the most.
    uint64 private constant PAGE_MAX = 256;
    /// @dev Bytes of parameters and return data of one answer's messages: those behind the one that reaches it come later.
    uint256 private constant PAGE_BYTES_MAX = 64 * 1024;

    /// @dev How many entries an answer has: `count`, as far as there are so many from `from` on.
    function _page(uint256 from, uint256 count, uint256 end) private pure returns (uint256) {
        if (from >= end) return 0;
        uint256 left = end - from;
        if (left > PAGE_MAX) left = PAGE_MAX;
        return count < left ? count : left;
    }

    /// @notice Messages down from a nonce on: up to `count`, 256 and as many as have 64 KiB of data.
    function queuedRange(uint64 from, uint64 count) external view returns (QueuedMessage[] memory messages) {
        uint256 length = _page(from, count, _life.nextNonce);
        uint256 total = 0;
        uint256 fit = 0;
        while (fit < length && total < PAGE_BYTES_MAX) {
            total += _queue[from + fit].data.length;
            ++fit;
        }
        messages = new QueuedMessage[](fit);
        for (uint256 i = 0; i < fit; ++i) {
            messages[i] = _queue[from + i];
        }
    }

    /// @notice Changes from a position on, up to `count` and 256. The last power of each settlement key up to a
    /// configuration makes that configuration's list.
    function changeRange(uint256 from, uint256 count) external view returns (Change[] memory found) {
        found = new Change[](_page(from, count, _changes.length));
        for (uint256 i = 0; i < found.length; ++i) {
            found[i] = _changes[from + i];
        }
    }

    /// @notice Position of the first change that belongs to a configuration: the number of changes where there is none.
    function changeIndex(uint64 number) external view returns (uint256) {
        if (number < 2) return 0;
        uint256 index = uint256(_life.changesAtActivation) + number - 2;
        return _life.activatedAt == 0 || index > _changes.length ? _changes.length : index;
    }

    /// @notice Members from a position on, up to `count` and 256. Those with power make the newest list.
    function memberRange(uint256 from, uint256 count)
        external
        view
        returns (address[] memory owners, Member[] memory found)
    {
        uint256 length = _page(from, count, _owners.length);
        (owners, found) = (new address[](length), new Member[](length));
        for (uint256 i = 0; i < length; ++i) {
            owners[i] = _owners[from + i];
            found[i] = _members[owners[i]];
        }
    }

    /// @notice Confirmations from a position on, up to `count` and 256.
    function confirmationRange(uint256 from, uint256 count) external view returns (Confirmation[] memory found) {
        found = new Confirmation[](_page(from, count, _confirmations.length));
        for (uint256 i = 0; i < found.length; ++i) {
            found[i] = _confirmations[from + i];
        }
    }

    /// @notice Batches of the checkpoints from a sequence on, up to `count` and 256; zeros for those of which nothing waits.
    /// Nonces have no gap, so that whoever reads backwards from the last checkpoint has them all with the one that holds
    /// the next nonce to deliver.
    function batchRange(uint64 from, uint64 count) external view returns (Batch[] memory found) {
        found = new Batch[](_page(from, count, uint256(_head.sequence) + 1));
        for (uint256 i = 0; i < found.length; ++i) {
            found[i] = _batches[from + i];
        }
    }
}
