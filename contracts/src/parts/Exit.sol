// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Payments} from "./Payments.sol";
import {BalanceProofs} from "../BalanceProofs.sol";
import {Addresses} from "../libraries/Addresses.sol";
import "../Types.sol";

/// @title The end of a subnet that fell silent
/// @notice One transition without return. Nobody joins, leaves or funds afterwards, and no checkpoint is accepted;
/// accepted batches are still delivered; what was queued and not applied goes back to its senders; then each account is
/// paid by a proof of its balance; stake is paid after the unbonding period.
abstract contract Exit is Payments {
    event ExitBegun(uint64 height, uint64 appliedNonce);
    event MessageRefunded(uint64 indexed nonce, uint256 amount);
    event BalanceClaimed(bytes account, uint64 indexed id, uint256 amount);

    /// @dev Which reads balances out of proofs.
    function _proofs() internal view virtual returns (BalanceProofs);

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
    /// cannot be paid is kept for that address. What an answer brought is kept for whom it was for.
    function refund(uint64 nonce) external notDelivering {
        _requireRefundable(nonce);
        if (_queue[nonce].isSettled) revert AlreadySettled(nonce);
        _refund(nonce);
    }

    /// @notice The same for `count` messages from `nonce` on, but for those that were refunded before.
    function refundRange(uint64 nonce, uint64 count) external notDelivering {
        _requireRefundable(nonce);
        uint64 end = _life.nextNonce;
        if (count < end - nonce) end = nonce + count;
        for (; nonce < end; ++nonce) {
            if (!_queue[nonce].isSettled) _refund(nonce);
        }
    }

    function _requireRefundable(uint64 nonce) private view {
        if (_life.exitedAt == 0) revert NotExited();
        if (nonce < _head.appliedNonce || nonce >= _life.nextNonce) {
            revert NotRefundable(nonce, _head.appliedNonce, _life.nextNonce);
        }
    }

    function _refund(uint64 nonce) private {
        QueuedMessage storage message = _queue[nonce];
        // Validators that signed away more than circulated took it from these messages.
        uint256 amount = uint256(message.value) + message.fee;
        if (amount > _money.custody) amount = _money.custody;
        message.isSettled = true;
        _refunded += 1;
        _money.custody -= uint128(amount);
        emit MessageRefunded(nonce, amount);
        if (message.kind == KIND_RECEIPT) {
            _keepFromBelow(message.destination, amount);
            return;
        }
        bytes memory account = message.origin;
        (Addresses.Kind kind, address ethereum) = Addresses.parse(account);
        _cursor.isDelivering = true;
        if (_credit(kind, ethereum, account, amount) != EXIT_OK) _keep(account, amount);
        _cursor.isDelivering = false;
    }

    /// @notice After the exit and all refunds anyone has the balance that an account had on the subnet paid to its address
    /// here, once. A balance is proved against the state of the last accepted checkpoint.
    /// @param account f1, f3 or f410: addresses of keys, which are the same somebody's on every chain.
    /// @param proof Blocks of that state, in any order: those that lead from its root to the account's balance.
    /// @return amount The balance, or as much of it as the custody still has.
    function claimBalance(bytes calldata account, bytes[] calldata proof)
        external
        notDelivering
        returns (uint256 amount)
    {
        if (_life.exitedAt == 0) revert NotExited();
        if (_head.sequence == 0) revert NoCheckpoint();
        uint64 waiting = _life.nextNonce - _head.appliedNonce - _refunded;
        if (waiting != 0) revert RefundsFirst(waiting);
        (Addresses.Kind kind, address ethereum) = Addresses.parse(account);
        if (kind != Addresses.Kind.Account && kind != Addresses.Kind.Ethereum) revert RecipientKind(account);
        (uint64 id, uint256 balance) = _proofs().balanceOf(_stateRoot, account, proof);
        if (_balancesPaid[id] != 0) revert BalancePaid(id, _balancesPaid[id] - 1);
        amount = balance < _money.custody ? balance : _money.custody;
        if (amount == 0) revert NothingToPay();
        _balancesPaid[id] = amount + 1;
        _money.custody -= uint128(amount);
        emit BalanceClaimed(account, id, amount);
        _cursor.isDelivering = true;
        uint64 exitCode = _isForbidden(kind, ethereum) ? EXIT_FORBIDDEN : _credit(kind, ethereum, account, amount);
        if (exitCode != EXIT_OK) _keep(account, amount);
        _cursor.isDelivering = false;
    }

    /// @notice How many messages have to be refunded before balances are paid.
    function refundsLeft() external view returns (uint64) {
        return _life.exitedAt == 0 ? 0 : _life.nextNonce - _head.appliedNonce - _refunded;
    }

    /// @notice What was paid for the balance of an account, by its id on the subnet, and whether.
    function balancePaid(uint64 id) external view returns (bool isPaid, uint256 amount) {
        uint256 paid = _balancesPaid[id];
        return paid == 0 ? (false, 0) : (true, paid - 1);
    }
}
