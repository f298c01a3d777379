// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20, IERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Payments} from "./Payments.sol";
import {Queue} from "./Queue.sol";
import {Addresses} from "../libraries/Addresses.sol";
import "../Types.sol";

/// @title What anyone sends to the subnet
abstract contract Door is Payments, Queue {
    using SafeERC20 for IERC20;

    /// @notice A message to the subnet or to one below it.
    struct Send {
        /// @dev Checkpoint actors on the way below the subnet, as addresses (f2 or f410); empty for the subnet itself.
        bytes[] route;
        /// @dev Whom it is for: f1, f2, f3 or f410 there.
        bytes account;
        /// @dev Whether it calls the account with `method`, `params` and `gasLimit`, which are nothing otherwise.
        bool isCall;
        uint64 method;
        bytes params;
        uint64 gasLimit;
        /// @dev How much of the amount is the fee; the rest is for the recipient.
        uint256 fee;
        /// @dev Height of the delivering chain from which on it is refused; only when `expires`.
        bool expires;
        uint64 expiresAt;
        /// @dev Whether a delivered transfer is answered. A call always is.
        bool wantsReceipt;
    }

    /// @notice Sends value to an account on the subnet. What the way needs is taken out of it as the fee.
    /// @param account f1, f2, f3 or f410 address there.
    /// @param amount Of the supply; must come as coins where these are the supply.
    /// @return nonce Position in the queue.
    function fund(bytes calldata account, uint256 amount) external payable returns (uint64 nonce) {
        uint256 received = _receive(amount);
        uint256 fee = _departureFee(_departureGas(KIND_TRANSFER, 0, 0, false));
        if (fee >= received) revert FeeTooLow(received, fee);
        _requireRecipient(account);
        QueuedMessage memory message;
        message.destination = account;
        (message.value, message.fee) = (uint128(received - fee), uint128(fee));
        return _queueFromUser(message);
    }

    /// @notice Sends value, a call, or both, to the subnet or one below it. Allowed while a delivery runs, where coins
    /// are the supply: a contract that is called may call others.
    /// @param request What to send.
    /// @param amount Value and fee together.
    /// @return nonce Position in the queue.
    function send(Send calldata request, uint256 amount) external payable returns (uint64 nonce) {
        uint256 received = _receive(amount);
        if (request.fee > received) revert FeeTooLow(received, request.fee);
        if (!request.isCall && received == request.fee) revert NoValue();
        if (request.gasLimit > CALL_GAS_MAX) revert GasLimit(request.gasLimit, CALL_GAS_MAX);
        if (request.params.length > DATA_BYTES_MAX) revert DataTooLong(request.params.length, DATA_BYTES_MAX);
        _requireRecipient(request.account);
        QueuedMessage memory message;
        if (request.isCall) {
            message.kind = KIND_CALL;
            (message.number, message.data, message.gasLimit) = (request.method, request.params, request.gasLimit);
        }
        uint256 needed = _departureFee(
            _departureGas(message.kind, message.data.length, message.gasLimit, request.wantsReceipt)
        );
        if (request.fee < needed) revert FeeTooLow(request.fee, needed);
        message.destination = request.account;
        message.route = _routeText(request.route);
        (message.value, message.fee) = (uint128(received - request.fee), uint128(request.fee));
        (message.expires, message.expiresAt) = (request.expires, request.expires ? request.expiresAt : 0);
        message.wantsReceipt = request.wantsReceipt;
        return _queueFromUser(message);
    }

    /// @dev Takes in `amount` of the supply from the caller. Returns what arrived: tokens may keep a part for
    /// themselves.
    function _collect(uint256 amount) private returns (uint256 received) {
        if (address(_token()) == address(0)) {
            if (msg.value != amount) revert AmountMismatch(amount, msg.value);
            received = amount;
        } else {
            if (msg.value != 0) revert AmountMismatch(0, msg.value);
            // Whatever the token lets others do meanwhile, they cannot make a deposit of their own count twice.
            if (_cursor.isDelivering) revert Delivering();
            _cursor.isDelivering = true;
            uint256 before = _token().balanceOf(address(this));
            _token().safeTransferFrom(msg.sender, address(this), amount);
            received = _token().balanceOf(address(this)) - before;
            _cursor.isDelivering = false;
            if (received > amount) received = amount;
        }
        if (received > AMOUNT_MAX - _min(_money.custody, AMOUNT_MAX)) {
            revert AmountTooLarge(received + _money.custody, AMOUNT_MAX);
        }
    }

    function _min(uint256 one, uint256 other) private pure returns (uint256) {
        return one < other ? one : other;
    }

    function _receive(uint256 amount) private returns (uint256 received) {
        _requireOpen();
        _requireActive();
        received = _collect(amount);
    }

    function _queueFromUser(QueuedMessage memory message) private returns (uint64) {
        message.origin = Addresses.ofEthereum(msg.sender);
        return _queueDown(message);
    }

    /// @dev An address that no node could read would hold up the queue for ever; ids mean something else on every
    /// chain.
    function _requireRecipient(bytes calldata account) private pure {
        (Addresses.Kind kind,) = Addresses.parse(account);
        if (kind == Addresses.Kind.Unknown || kind == Addresses.Kind.Id) revert RecipientKind(account);
    }

    function _routeText(bytes[] calldata route) private view returns (string memory text) {
        if (route.length > ROUTE_STEPS_MAX) revert RouteTooLong(route.length, ROUTE_STEPS_MAX);
        for (uint256 i = 0; i < route.length; ++i) {
            string memory step = Addresses.stepText(route[i]);
            if (bytes(step).length == 0) revert RouteStep(route[i]);
            text = string.concat(text, "/", step);
        }
    }

    function _departureFee(uint256 gas) private view returns (uint256) {
        return uint256(_parameters.crossGasPrice) * gas;
    }
}
