// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Payments} from "./Payments.sol";
import {Addresses} from "../libraries/Addresses.sol";
import "../Types.sol";

/// @title The end of a subnet that fell silent
/// @notice One transition without return. Nobody joins, leaves or funds afterwards; accepted batches are still
/// delivered; what was queued and not applied goes back to its senders; stake is paid after the unbonding period.
/// Checkpoints wind down: the confirmed validators can still release what circulates, but apply and confirm nothing
/// new.
abstract contract Exit is Payments {
    event ExitBegun(uint64 height, uint64 appliedNonce);
    event MessageRefunded(uint64 indexed nonce, uint256 amount);

    /// @notice Anyone begins the exit when no checkpoint was accepted for as long as the subnet's parameters say.
    function beginExit() external notDelivering {
        _requireActive();
        _requireOpen();
        uint256 silentAt = uint256(_head.acceptedAt) + _parameters.silenceBlocks;
        if (block.number < silentAt) revert NotSilent(block.number, silentAt);
        _life.exitedAt = uint48(block.number);
        emit ExitBegun(uint64(block.number), _head.appliedNonce);
    }

    /// @notice After the exit anyone has the amount of a message that the subnet never applied paid to its sender; what
    /// cannot be paid is kept for that address. Receipts are not refunded: what they bring is the subnet's and stays in
    /// custody.
    function refund(uint64 nonce) external notDelivering {
        Life memory life = _life;
        if (life.exitedAt == 0) revert NotExited();
        if (nonce < _head.appliedNonce || nonce >= life.nextNonce) {
            revert NotRefundable(nonce, _head.appliedNonce, life.nextNonce);
        }
        QueuedMessage storage message = _queue[nonce];
        if (message.kind == KIND_RECEIPT) revert NotRefundable(nonce, _head.appliedNonce, life.nextNonce);
        if (message.isSettled) revert AlreadySettled(nonce);
        uint256 amount = uint256(message.value) + message.fee;
        message.isSettled = true;
        _money.custody -= uint128(amount);
        bytes memory account = message.origin;
        (Addresses.Kind kind, address ethereum) = Addresses.parse(account);
        _cursor.isDelivering = true;
        if (_credit(kind, ethereum, account, amount) != EXIT_OK) _keep(account, amount);
        _cursor.isDelivering = false;
        emit MessageRefunded(nonce, amount);
    }
}
