// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Checkpoint, CrossMessage} from "../Types.sol";
import {Errors} from "../Errors.sol";

/// @title Everything that is signed or hashed
/// @notice The preimages of `docs/protocol/`, byte for byte those of the native actor. Frozen vectors bind both sides.
library Protocol {
    bytes32 internal constant CHECKPOINT_TAG = keccak256("subnet-runtime/checkpoint/v1");
    bytes32 internal constant MESSAGE_TAG = keccak256("subnet-runtime/cross-message/v1");
    bytes32 internal constant LEAF_TAG = keccak256("subnet-runtime/cross-message-leaf/v1");
    bytes32 internal constant PARENT_TAG = keccak256("subnet-runtime/evm-parent/v1");
    bytes32 internal constant POSSESSION_TAG = keccak256("subnet-runtime/settlement-possession/v1");

    /// @notice Identity of this chain as a parent. A second registry on the same chain is another parent, so that no
    /// signature, id or proof made under one means anything under the other.
    function parentIdentity(uint256 chainId, address registry) internal pure returns (bytes32) {
        return keccak256(abi.encode(PARENT_TAG, chainId, registry));
    }

    /// @notice What validators sign, as it is: a raw digest, without Ethereum's prefix for messages.
    /// @param actorHash keccak-256 of the subnet contract's f410 address.
    function digest(bytes32 parent, bytes32 actorHash, Checkpoint calldata checkpoint) internal pure returns (bytes32) {
        return keccak256(abi.encode(CHECKPOINT_TAG, parent, actorHash, checkpoint));
    }

    /// @notice What a settlement key signs to show that whoever joins holds it.
    function possession(bytes32 parent, bytes32 actorHash, address owner, bytes32 voteKey, address settlementKey)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(POSSESSION_TAG, parent, actorHash, owner, voteKey, settlementKey));
    }

    /// @notice Id of the `sequence`-th message that `account` sent on the chain `identity`.
    function messageId(bytes32 identity, bytes memory account, uint64 sequence) internal pure returns (bytes32) {
        return keccak256(abi.encode(MESSAGE_TAG, identity, keccak256(account), sequence));
    }

    /// @notice Leaf of a message in its batch: every field in one word of its own.
    function leaf(CrossMessage calldata message) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                abi.encode(
                    LEAF_TAG,
                    message.id,
                    keccak256(bytes(message.origin.subnet)),
                    keccak256(message.origin.account),
                    message.originSequence,
                    keccak256(bytes(message.destination.subnet)),
                    keccak256(message.destination.account),
                    message.value,
                    message.kind,
                    message.answered
                ),
                abi.encode(
                    message.answeredSequence,
                    message.number,
                    keccak256(message.data),
                    message.nonce,
                    message.gasLimit,
                    message.fee,
                    message.expires,
                    message.expiresAt,
                    message.wantsReceipt
                )
            )
        );
    }

    /// @notice Root of a tree of `count` leaves in which `row` stands from position `first` on, as `proof` completes
    /// it.
    /// @dev The proof has row by row the node left of the range and then the one right of it, where their parents are
    /// in the range as well, and nothing else: one range has one proof. `row` is used up. The caller has made sure that
    /// the range is not empty and ends within `count`.
    function rangeRoot(uint256 count, uint256 first, bytes32[] memory row, bytes32[] calldata proof)
        internal
        pure
        returns (bytes32)
    {
        uint256 used = 0;
        uint256 length = row.length;
        for (uint256 i = 0; i < length; ++i) {
            row[i] = keccak256(abi.encodePacked(bytes1(0x00), row[i]));
        }
        while (count > 1) {
            uint256 end = first + length;
            uint256 needed = (first & 1) + (end & 1 == 1 && end < count ? 1 : 0);
            if (used + needed > proof.length) revert Errors.ProofLength(proof.length);
            uint256 read = 0;
            uint256 written = 0;
            if (first & 1 == 1) {
                row[0] = _node(proof[used], row[0]);
                (used, read, written) = (used + 1, 1, 1);
            }
            for (; read + 1 < length; read += 2) {
                row[written++] = _node(row[read], row[read + 1]);
            }
            if (read < length) {
                // The last node of an odd row moves up as it is.
                row[written++] = end < count ? _node(row[read], proof[used++]) : row[read];
            }
            (count, first, length) = ((count + 1) / 2, first / 2, written);
        }
        if (used != proof.length) revert Errors.ProofLength(proof.length);
        return row[0];
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
