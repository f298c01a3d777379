// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {Protocol} from "../libraries/Protocol.sol";
import "../Types.sol";

/// @title The queue of messages down to the subnet
/// @notice Their value and fee are locked in the custody from here on. The subnet's nodes read the queue by nonce;
/// nothing in it is ever removed, so no search through old logs is needed.
abstract contract Queue is Base {
    event MessageQueued(bytes32 indexed id, uint64 indexed nonce, address indexed sender, uint256 amount);
    event ValueLocked(uint256 amount, uint256 custody);

    /// @dev Locks a message's amount, which came in or left another counter, and puts it into the queue.
    function _queueDown(QueuedMessage memory message) internal returns (uint64 nonce) {
        uint256 amount = uint256(message.value) + message.fee;
        _lock(amount);
        nonce = _life.nextNonce;
        _life.nextNonce = nonce + 1;
        message.queuedAt = uint64(block.number);
        _queue[nonce] = message;
        bytes32 id = Protocol.messageId(_parent(), message.origin, _originSequenceBase() | nonce);
        emit MessageQueued(id, nonce, msg.sender, amount);
        emit ValueLocked(amount, _money.custody);
    }

    /// @dev The most gas that a message's delivery may use, which is what fees count (`CrossMessage::delivery_gas`).
    /// @param dataBytes Length of its parameters or return data.
    function _deliveryGas(uint8 kind, uint256 dataBytes, uint64 gasLimit) internal pure returns (uint256) {
        if (kind != KIND_CALL && kind != KIND_RECEIPT) return HOP_GAS;
        uint256 codeGas = kind == KIND_RECEIPT ? RECEIPT_GAS : gasLimit < CALL_GAS_MAX ? gasLimit : CALL_GAS_MAX;
        return HOP_GAS + BYTE_GAS * dataBytes + codeGas + CARRY_GAS + AFTER_CODE_GAS;
    }

    /// @dev The gas that a fee must pay for to set out (`CrossMessage::departure_gas`): there, and back with the dearest
    /// answer; a plain transfer, which is answered only when it is refused, pays as much again.
    function _departureGas(uint8 kind, uint256 dataBytes, uint64 gasLimit, bool wantsReceipt)
        internal
        pure
        returns (uint256)
    {
        uint256 there = _deliveryGas(kind, dataBytes, gasLimit);
        if (kind == KIND_CALL) return there + _deliveryGas(KIND_RECEIPT, RETURN_BYTES_MAX, 0);
        return there + (wantsReceipt ? _deliveryGas(KIND_RECEIPT, 0, 0) : there);
    }
}
