// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";

/// @title Where everything stands, in one answer
/// @notice What every node asks before it submits anything.
abstract contract StatusView is Base {
    /// @notice Where everything stands.
    struct Status {
        Head head;
        Cursor cursor;
        Life life;
        Money money;
        Ledger ledger;
        Stakes stakes;
        uint128 slashed;
        /// @dev Zero before the first checkpoint.
        bytes32 chain;
        bytes32 lastDigest;
        bytes32 stateRoot;
        /// @dev Hash of the configuration whose validators sign the next checkpoint, and of the newest.
        bytes32 confirmedHash;
        bytes32 newestHash;
        uint256 changes;
        uint256 confirmations;
        uint256 owners;
    }

    /// @notice Where everything stands.
    function status() external view returns (Status memory) {
        return Status(
            _head,
            _cursor,
            _life,
            _money,
            _ledger,
            _stakes,
            _slashed,
            _chain,
            _lastDigest,
            _stateRoot,
            _configurations[_head.configuration],
            _configurations[_life.configurationLast],
            _changes.length,
            _confirmations.length,
            _owners.length
        );
    }
}
