// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICrossReceiver, Courier} from "../Courier.sol";
import {Settlement} from "./Settlement.sol";
import {SafeERC20, IERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Addresses} from "../libraries/Addresses.sol";
import {Protocol} from "../libraries/Protocol.sol";
import "../Types.sol";

/// @title Messages up from the subnet
/// @notice Delivered in nonce order, each once: the cursor moves before the payment or call. A message that fails costs
/// only itself: its value goes back with a receipt, or waits in the ledger of unclaimed value.
abstract contract Delivery is Settlement {
    using SafeERC20 for IERC20;

    /// @notice Gas that must be left beside what a message may use, to take note of its outcome.
    uint256 public constant DELIVERY_GAS_RESERVE = 40_000_000;
    /// @dev What it takes on Filecoin to store the longest answer to a call: 128 slots of a million and their tree.
    uint256 private constant ANSWER_GAS = 150_000_000;

    bytes32 private immutable NAME_HASH;
    uint256 private immutable NAME_LENGTH;
    bytes32 private immutable ROOT_HASH;

    event MessageSettled(bytes32 indexed id, uint64 indexed nonce, uint64 exitCode);
    event ReceiptSettled(bytes32 indexed answered, uint64 outcome);
    event MessagesDelivered(uint64 from, uint64 next);

    error OnlySelf(address caller);

    constructor(Parameters memory chosen) Settlement(chosen) {
        string memory root = REGISTRY.name();
        bytes memory own = bytes(string.concat(root, "/", Addresses.stepText(Addresses.ofEthereum(address(this)))));
        (NAME_HASH, NAME_LENGTH, ROOT_HASH) = (keccak256(own), own.length, keccak256(bytes(root)));
    }

    /// @notice Anyone submits the next checkpoint, in a transaction of their own.
    /// @param checkpoint The next one.
    /// @param validators The list of the configuration that the checkpoint before confirmed.
    /// @param signatures More than 2/3 of their power over the digest: 66 bytes each (index, r, s, v), ascending.
    /// @param messages All messages of its batch, or none to deliver them later.
    function submitCheckpoint(
        Checkpoint calldata checkpoint,
        ValidatorList calldata validators,
        bytes calldata signatures,
        CrossMessage[] calldata messages
    ) external onlyDirect {
        Batch memory batch = _accept(checkpoint, validators, signatures);
        if (batch.count == 0 && messages.length == 0) return;
        // Messages of an earlier batch may still wait; these then wait for a later call.
        bool isInTurn = _cursor.nextDeliveryNonce == batch.firstNonce;
        if (messages.length != 0) {
            uint64 from = messages[0].nonce;
            if (from != batch.firstNonce || messages.length != batch.count) {
                _refuseBounds(from, messages.length, batch);
            }
            bytes32[] calldata noProof;
            assembly ("memory-safe") {
                noProof.offset := 0
                noProof.length := 0
            }
            _checkSlice(batch, messages, 0, noProof, 0);
        }
        // Kept only when something of it waits: in the usual case nothing of a batch is ever stored.
        if (messages.length == 0 || !isInTurn || !_deliver(batch, messages, 0)) {
            _batches[checkpoint.sequence] = batch;
        }
    }

    /// @notice Anyone delivers messages of an accepted checkpoint, in a transaction of their own.
    /// @param sequence Of the checkpoint.
    /// @param messages Consecutive ones that begin at or before the cursor and reach beyond it.
    /// @param proof That they stand in the batch; empty for all of it.
    function deliverBatch(uint64 sequence, CrossMessage[] calldata messages, bytes32[] calldata proof)
        external
        onlyDirect
    {
        Batch memory batch = sequence < 2 ** 48 ? _batches[sequence] : Batch(0, 0, 0, 0);
        if (batch.count == 0) revert NothingWaits(sequence);
        if (messages.length == 0) revert BatchEmpty();
        uint64 next = _cursor.nextDeliveryNonce;
        uint64 from = messages[0].nonce;
        if (next < batch.firstNonce) revert NotInTurn(batch.firstNonce, next);
        uint64 batchEnd = batch.firstNonce + batch.count;
        if (from < batch.firstNonce || from >= batchEnd || messages.length > batchEnd - from) {
            _refuseBounds(from, messages.length, batch);
        }
        uint64 end = from + uint64(messages.length);
        // Nothing is hashed before a slice is known to be of use.
        if (end <= next) revert Delivered(end, next);
        if (from > next) revert NotInTurn(from, next);
        uint256 delivered = next == batch.firstNonce ? 0 : _cursor.delivered;
        _checkSlice(batch, messages, next - from, proof, delivered);
        if (_deliver(batch, messages, next - from)) delete _batches[sequence];
    }

    function _refuseBounds(uint64 from, uint256 count, Batch memory batch) private pure {
        revert BatchBounds(from, uint256(from) + count, batch.firstNonce, uint256(batch.firstNonce) + batch.count);
    }

    /// @dev Checks messages against their batch: their order, its root, and its value. Nothing moves before that. The
    /// caller has made sure that they lie within the batch.
    function _checkSlice(
        Batch memory batch,
        CrossMessage[] calldata messages,
        uint256 skipped,
        bytes32[] calldata proof,
        uint256 delivered
    ) private pure {
        uint64 from = messages[0].nonce;
        bytes32[] memory leaves = new bytes32[](messages.length);
        for (uint256 i = 0; i < messages.length; ++i) {
            CrossMessage calldata message = messages[i];
            if (message.nonce != from + i) revert BatchNonces(from + uint64(i), message.nonce);
            leaves[i] = Protocol.leaf(message);
            if (i < skipped) continue;
            // One by one against the rest, for any of them could overflow.
            uint256 rest = batch.value - delivered;
            if (message.value > rest || message.fee > rest - message.value) {
                revert BatchValue(batch.value, message.value > rest ? message.value : message.fee);
            }
            delivered += message.value + message.fee;
        }
        bytes32 root = Protocol.rangeRoot(batch.count, from - batch.firstNonce, leaves, proof);
        if (root != batch.root) revert RootMismatch(batch.root, root);
        bool isLast = from + messages.length == batch.firstNonce + batch.count;
        if (isLast && delivered != batch.value) revert BatchValue(batch.value, delivered);
    }

    /// @dev Delivers checked messages from the cursor on, as far as the gas goes. Before each the gas for whatever it
    /// may do must be there; otherwise this stops, successfully, with the cursor where it is: whoever submits cannot
    /// make a message fail by giving too little. Returns whether the batch has been delivered to its end.
    function _deliver(Batch memory batch, CrossMessage[] calldata messages, uint256 first)
        private
        returns (bool isDone)
    {
        Cursor memory cursor = _cursor;
        uint64 from = cursor.nextDeliveryNonce;
        uint256 earned = 0;
        for (uint256 i = first; i < messages.length; ++i) {
            CrossMessage calldata message = messages[i];
            uint256 gas = _deliveryGas(message.kind, message.data.length, message.gasLimit) + DELIVERY_GAS_RESERVE;
            if (message.kind == KIND_CALL) gas += ANSWER_GAS;
            // A call passes on at most 63/64 of what is left, here and in the courier.
            if (gasleft() < gas + gas / 31) break;
            uint256 amount = message.value + message.fee;
            if (message.nonce == batch.firstNonce) cursor.delivered = 0;
            cursor.delivered += uint120(amount);
            cursor.nextDeliveryNonce = message.nonce + 1;
            cursor.isDelivering = true;
            _cursor = cursor;
            if (amount != 0) _money.reserved -= uint128(amount);
            earned += _take(message);
        }
        if (!cursor.isDelivering) return false;
        if (earned != 0) {
            // Whoever signed this transaction; an account, so nothing but what it is runs.
            bytes memory submitter = Addresses.ofEthereum(msg.sender);
            (Addresses.Kind kind, address account) = Addresses.parse(submitter);
            if (_credit(kind, account, submitter, earned) != EXIT_OK) _keep(submitter, earned);
        }
        cursor.isDelivering = false;
        _cursor = cursor;
        emit MessagesDelivered(from, cursor.nextDeliveryNonce);
        return cursor.nextDeliveryNonce == batch.firstNonce + batch.count;
    }

    /// @dev Does what is to be done with one message, whose amount has left its counter. Never fails by itself.
    /// @return earned What its delivery is worth to whoever brought it.
    function _take(CrossMessage calldata message) private returns (uint256 earned) {
        uint64 exitCode;
        if (message.kind == KIND_RECEIPT) {
            (exitCode, earned) = _takeReceipt(message);
        } else {
            (exitCode, earned) = _takeMessage(message);
        }
        emit MessageSettled(message.id, message.nonce, exitCode);
    }

    /// @dev Why a message is refused wherever it goes.
    function _refusal(CrossMessage calldata message) private view returns (uint64) {
        if (!_isWithin(message.origin.subnet)) return EXIT_FORGED_ORIGIN;
        // An answer holds both addresses. No chain has such long ones, and what no gas can store would hold up the rest.
        if (message.origin.account.length > ACCOUNT_BYTES_MAX) return EXIT_FORGED_ORIGIN;
        if (message.destination.account.length > ACCOUNT_BYTES_MAX) return EXIT_FORGED_ORIGIN;
        if (_isWithin(message.destination.subnet)) return EXIT_WRONG_DIRECTION;
        if (message.kind == KIND_CALL && message.gasLimit > CALL_GAS_MAX) return EXIT_GAS_LIMIT;
        return EXIT_OK;
    }

    function _takeMessage(CrossMessage calldata message) private returns (uint64 exitCode, uint256 earned) {
        exitCode = _refusal(message);
        if (exitCode == EXIT_FORGED_ORIGIN) {
            // Back to where it came from. Nobody below would take an answer.
            _lock(message.value + message.fee);
            return (exitCode, 0);
        }
        // A refusal is as much work as a delivery, so it costs the same, as far as the fee goes.
        uint256 arrival;
        (arrival, earned) = _arrival(message);
        uint256 left = message.fee - earned;
        (Addresses.Kind kind, address account) = Addresses.parse(message.destination.account);
        if (exitCode == EXIT_OK) exitCode = _refusalHere(message, arrival, kind, account);
        if (exitCode != EXIT_OK) {
            _answer(message, exitCode, "", message.value, left);
            return (exitCode, earned);
        }
        bytes memory returned;
        // An account takes any call and answers nothing: to call it is to pay it.
        if (message.kind == KIND_CALL && account.code.length != 0) {
            (exitCode, returned) = _call(message, account);
        } else {
            exitCode = _credit(kind, account, message.destination.account, message.value);
        }
        if (exitCode != EXIT_OK) {
            _answer(message, exitCode, "", message.value, left);
        } else if (message.kind == KIND_CALL || message.wantsReceipt) {
            _answer(message, exitCode, returned, 0, left);
        } else if (left != 0) {
            // Nobody would be told of the rest; a message of its own would cost more than it is.
            _ledger.burned += uint128(left);
        }
    }

    /// @dev What arriving costs, and what of it the fee pays.
    function _arrival(CrossMessage calldata message) private view returns (uint256 arrival, uint256 paid) {
        arrival = uint256(CROSS_GAS_PRICE) * _deliveryGas(message.kind, message.data.length, message.gasLimit);
        paid = arrival < message.fee ? arrival : message.fee;
    }

    function _refusalHere(CrossMessage calldata message, uint256 arrival, Addresses.Kind kind, address account)
        private
        view
        returns (uint64)
    {
        if (message.fee < arrival) return EXIT_FEE_TOO_LOW;
        if (message.kind > KIND_RECEIPT) return EXIT_NO_ROUTE;
        // This parent does not pass messages on between its children.
        if (keccak256(bytes(message.destination.subnet)) != ROOT_HASH) return EXIT_NO_ROUTE;
        if (message.expires && block.number >= message.expiresAt) return EXIT_EXPIRED;
        bool isPlainId = kind == Addresses.Kind.Id && message.destination.account[0] == 0;
        // Ids of this chain come back in receipts alone. The masked form is how Filecoin's Ethereum users know an
        // actor.
        if (kind == Addresses.Kind.Unknown || isPlainId) return EXIT_RECIPIENT;
        if (_isForbidden(kind, account)) return EXIT_FORBIDDEN;
        // Native accounts take calls as payments; other native actors have no method for them.
        bool isNativeActor = kind == Addresses.Kind.Actor || kind == Addresses.Kind.Id;
        if (message.kind == KIND_CALL && isNativeActor) return EXIT_NO_DESTINATION;
        return EXIT_OK;
    }

    function _call(CrossMessage calldata message, address account) private returns (uint64, bytes memory) {
        bytes memory input = abi.encodeCall(
            ICrossReceiver.receiveCrossCall, (message.id, message.origin, message.number, message.data, message.value)
        );
        if (address(SUPPLY_TOKEN) == address(0)) {
            try COURIER.carry{value: message.value}(account, message.gasLimit, input) returns (bytes memory data) {
                return (EXIT_OK, data);
            } catch (bytes memory reason) {
                return (_exitCode(reason), "");
            }
        }
        try this.carryTokens(account, message.value, message.gasLimit, input) returns (bytes memory data) {
            return (EXIT_OK, data);
        } catch (bytes memory reason) {
            return (_exitCode(reason), "");
        }
    }

    /// @notice Only for this contract itself: tokens and a call, both or neither.
    function carryTokens(address account, uint256 value, uint256 gasLimit, bytes calldata input)
        external
        returns (bytes memory)
    {
        if (msg.sender != address(this)) revert OnlySelf(msg.sender);
        if (value != 0) SUPPLY_TOKEN.safeTransfer(account, value);
        return COURIER.carry(account, gasLimit, input);
    }

    /// @dev Queues the answer to a message. After the exit nobody reads the queue: what goes back is kept for the address
    /// that sent it, whose key is somebody's here too.
    function _answer(CrossMessage calldata message, uint64 exitCode, bytes memory data, uint256 value, uint256 fee)
        private
    {
        if (_life.exitedAt != 0) {
            _keepFromBelow(message.origin.account, value + fee);
            return;
        }
        QueuedMessage memory receipt;
        receipt.kind = KIND_RECEIPT;
        receipt.number = exitCode;
        // Under the address that was meant, on the chain that answers.
        receipt.origin = message.destination.account;
        receipt.destination = message.origin.account;
        receipt.route = string(bytes(message.origin.subnet)[NAME_LENGTH:]);
        receipt.data = abi.encodePacked(message.id, message.originSequence, data);
        (receipt.value, receipt.fee) = (uint128(value), uint128(fee));
        _queueDown(receipt);
    }

    function _takeReceipt(CrossMessage calldata receipt) private returns (uint64 exitCode, uint256 earned) {
        exitCode = _refusal(receipt);
        if (exitCode == EXIT_FORGED_ORIGIN) {
            _lock(receipt.value + receipt.fee);
            return (exitCode, 0);
        }
        if (exitCode == EXIT_OK) {
            // A receipt counts whatever is left of its fee: without it the sender would never know.
            (, earned) = _arrival(receipt);
            exitCode = _settle(receipt, receipt.value + receipt.fee - earned);
        }
        uint256 amount = receipt.value + receipt.fee - earned;
        bytes calldata account = receipt.destination.account;
        (Addresses.Kind kind, address ethereum) = Addresses.parse(account);
        if (exitCode == EXIT_OK && _isForbidden(kind, ethereum)) exitCode = EXIT_FORBIDDEN;
        if (exitCode == EXIT_OK) exitCode = _credit(kind, ethereum, account, amount);
        if (exitCode != EXIT_OK) {
            // What nobody here can ever claim goes back to where it came from.
            if (kind == Addresses.Kind.Unknown) _lock(amount);
            else _keep(account, amount);
            return (exitCode, earned);
        }
        emit ReceiptSettled(receipt.answered, receipt.number);
        if (kind == Addresses.Kind.Ethereum && ethereum.code.length != 0) _notify(receipt, ethereum, amount);
    }

    /// @dev Matches a receipt with what was sent; when it counts, that message is settled.
    function _settle(CrossMessage calldata receipt, uint256 amount) private returns (uint64) {
        if (keccak256(bytes(receipt.destination.subnet)) != ROOT_HASH) return EXIT_NO_ROUTE;
        uint64 sequence = receipt.answeredSequence;
        uint64 nonce = sequence & (2 ** 40 - 1);
        bytes calldata account = receipt.destination.account;
        // What the subnet has not applied it cannot answer, and after an exit it is refunded.
        bool isOurs = sequence - nonce == ORIGIN_SEQUENCE_BASE && nonce < _head.appliedNonce;
        if (!isOurs || Protocol.messageId(PARENT, account, sequence) != receipt.answered) return EXIT_RECEIPT_UNKNOWN;
        QueuedMessage storage sent = _queue[nonce];
        bool isAnswered = sent.kind == KIND_CALL || sent.wantsReceipt || receipt.number != EXIT_OK;
        // The id holds whoever is credited, so an id that is right for another sender is one that nobody sent.
        if (sent.kind == KIND_RECEIPT || !isAnswered || keccak256(sent.origin) != keccak256(account)) {
            return EXIT_RECEIPT_UNKNOWN;
        }
        if (sent.isSettled) return EXIT_RECEIPT_REPEATED;
        if (!_canAnswer(sent, receipt)) return EXIT_RECEIPT_SENDER;
        if (amount > uint256(sent.value) + sent.fee) return EXIT_RECEIPT_VALUE;
        sent.isSettled = true;
        return EXIT_OK;
    }

    /// @dev Whether a receipt comes from the destination, or at least, when it says a failure, from a chain on the way.
    function _canAnswer(QueuedMessage storage sent, CrossMessage calldata receipt) private view returns (bool) {
        if (keccak256(sent.destination) != keccak256(receipt.origin.account)) return false;
        bytes calldata from = bytes(receipt.origin.subnet)[NAME_LENGTH:];
        bytes memory to = bytes(sent.route);
        if (from.length > to.length || (from.length < to.length && receipt.number == EXIT_OK)) return false;
        for (uint256 i = 0; i < from.length; ++i) {
            if (from[i] != to[i]) return false;
        }
        return from.length == to.length || to[from.length] == "/";
    }

    function _notify(CrossMessage calldata receipt, address account, uint256 amount) private {
        bytes memory input = abi.encodeCall(
            ICrossReceiver.receiveCrossReceipt, (receipt.answered, receipt.origin, receipt.number, receipt.data, amount)
        );
        // However it ends: what came back is the sender's already.
        try COURIER.notify(account, RECEIPT_GAS, input) {} catch {}
    }

    /// @dev Whether a chain is the subnet or lies below it. Names alone decide.
    function _isWithin(string calldata subnet) private view returns (bool) {
        bytes calldata text = bytes(subnet);
        uint256 length = NAME_LENGTH;
        if (text.length < length || text.length > NAME_BYTES_MAX || keccak256(text[:length]) != NAME_HASH) return false;
        return text.length == length || text[length] == "/";
    }
}
