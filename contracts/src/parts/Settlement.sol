// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Queue} from "./Queue.sol";
import {Courier} from "../Courier.sol";
import {IRegistry} from "../IRegistry.sol";
import {Addresses} from "../libraries/Addresses.sol";
import {Protocol} from "../libraries/Protocol.sol";
import {Validators} from "../libraries/Validators.sol";
import "../Types.sol";

/// @title What makes a checkpoint the next one, and what its acceptance changes
/// @notice The rules of the native checkpoint actor, each with an error of its own. Acceptance runs nobody's code and
/// looks at no clock: a subnet that could not reach this chain for a while does not find its checkpoints worthless
/// afterwards.
abstract contract Settlement is Queue {
    /// @notice Which made this contract.
    IRegistry public immutable REGISTRY;
    /// @notice Brings payments and calls to accounts of this chain, and has no other rights.
    Courier public immutable COURIER;
    /// @notice Identity of this chain, part of every digest.
    bytes32 public immutable PARENT;
    /// @notice The first origin sequence of messages that set out here. Subnets of one registry share one count: each
    /// has 2^40 of it.
    uint64 public immutable ORIGIN_SEQUENCE_BASE;
    /// @notice Price of a unit of delivery gas.
    uint128 public immutable CROSS_GAS_PRICE;
    /// @notice Zero for the native coin.
    IERC20 public immutable SUPPLY_TOKEN;
    bytes32 internal immutable ACTOR_HASH;
    uint64 internal immutable CHECKPOINT_PERIOD;
    uint64 internal immutable VALIDATORS_MIN;
    uint64 internal immutable PARENT_LAG_MAX;

    event CheckpointAccepted(uint64 indexed sequence, bytes32 indexed digest, uint64 height, uint64 configuration);

    constructor(Parameters memory chosen) {
        REGISTRY = IRegistry(msg.sender);
        COURIER = new Courier();
        PARENT = REGISTRY.IDENTITY();
        ORIGIN_SEQUENCE_BASE = uint64(REGISTRY.subnetCount()) << 40;
        CROSS_GAS_PRICE = chosen.crossGasPrice;
        SUPPLY_TOKEN = IERC20(chosen.supplyToken);
        (_storedRegistry, _storedCourier, _storedParent) = (REGISTRY, COURIER, PARENT);
        _storedOriginSequenceBase = ORIGIN_SEQUENCE_BASE;
        _parameters = chosen;
        ACTOR_HASH = keccak256(Addresses.ofEthereum(address(this)));
        CHECKPOINT_PERIOD = chosen.checkpointPeriod;
        VALIDATORS_MIN = chosen.validatorsMin;
        PARENT_LAG_MAX = chosen.parentLagMax;
    }

    function _registry() internal view override returns (IRegistry) {
        return REGISTRY;
    }

    function _courier() internal view override returns (Courier) {
        return COURIER;
    }

    function _token() internal view override returns (IERC20) {
        return SUPPLY_TOKEN;
    }

    function _parent() internal view override returns (bytes32) {
        return PARENT;
    }

    function _originSequenceBase() internal view override returns (uint64) {
        return ORIGIN_SEQUENCE_BASE;
    }

    function _validatorsMin() internal view override returns (uint64) {
        return VALIDATORS_MIN;
    }

    /// @dev Accepts the next checkpoint. Returns the batch that waits for delivery, if it has messages.
    function _accept(Checkpoint calldata checkpoint, ValidatorList calldata list, bytes calldata signatures)
        internal
        returns (Batch memory batch)
    {
        _requireActive();
        // Balances are proved against the last state root from then on, and a stake that is free backs no signature.
        _requireOpen();
        Head memory head = _head;
        Life memory life = _life;
        bytes32 chain = _checkIdentity(checkpoint, head);
        Cursor memory cursor = _cursor;
        _checkBatch(checkpoint, cursor);
        _checkApplied(checkpoint, head, life);
        _checkConfiguration(checkpoint, head, life);
        bytes32 expected = _configurations[head.configuration];
        bytes32 actual = Validators.hash(head.configuration, list);
        if (actual != expected) revert ValidatorsMismatch(head.configuration, expected, actual);
        bytes32 digest = Protocol.digest(PARENT, ACTOR_HASH, checkpoint);
        Validators.requireQuorum(digest, list, signatures);
        _takeOut(checkpoint.messagesValue, checkpoint.burned);
        if (checkpoint.configuration != head.configuration) {
            _confirmations.push(Confirmation(checkpoint.configuration, uint64(block.number)));
        }
        if (chain == 0) _chain = checkpoint.chain;
        _lastDigest = digest;
        _stateRoot = checkpoint.stateRoot;
        _head = Head(
            uint48(checkpoint.sequence),
            uint48(checkpoint.appliedNonce),
            checkpoint.parentHeight,
            uint48(checkpoint.configuration),
            uint48(block.number)
        );
        batch = Batch(
            checkpoint.messagesRoot,
            checkpoint.messagesFirstNonce,
            checkpoint.messagesCount,
            uint128(checkpoint.messagesValue)
        );
        if (batch.count != 0) _cursor.nextBatchNonce = batch.firstNonce + batch.count;
        emit CheckpointAccepted(checkpoint.sequence, digest, checkpoint.height, checkpoint.configuration);
    }

    /// @dev The subnet's identity follows from its genesis, which this chain does not know: the first checkpoint says
    /// it under a quorum of the first validators, and it never changes again.
    function _checkIdentity(Checkpoint calldata checkpoint, Head memory head) private view returns (bytes32 chain) {
        if (checkpoint.version != CHECKPOINT_VERSION) revert VersionMismatch(CHECKPOINT_VERSION, checkpoint.version);
        chain = _chain;
        if (chain != 0 && checkpoint.chain != chain) revert WrongChain(chain, checkpoint.chain);
        if (checkpoint.chain == 0) revert WrongChain(chain, 0);
        uint64 next = uint64(head.sequence) + 1;
        if (checkpoint.sequence < next) revert CheckpointRepeated(head.sequence, checkpoint.sequence);
        if (checkpoint.sequence > next) revert CheckpointGap(next, checkpoint.sequence);
        bytes32 previous = head.sequence == 0 ? checkpoint.chain : _lastDigest;
        if (checkpoint.previous != previous) revert PreviousMismatch(previous, checkpoint.previous);
        uint256 height = uint256(next) * CHECKPOINT_PERIOD;
        if (checkpoint.height != height) revert HeightMismatch(height, checkpoint.height);
        if (checkpoint.upgrade != 0) revert UnknownUpgrade(checkpoint.upgrade);
    }

    function _checkBatch(Checkpoint calldata checkpoint, Cursor memory cursor) private pure {
        if (checkpoint.messagesFirstNonce != cursor.nextBatchNonce) {
            revert BatchNonceMismatch(cursor.nextBatchNonce, checkpoint.messagesFirstNonce);
        }
        uint64 count = checkpoint.messagesCount;
        if (count > MESSAGES_PER_CHECKPOINT_MAX) revert BatchTooLong(count, MESSAGES_PER_CHECKPOINT_MAX);
        bool isEmpty = checkpoint.messagesRoot == 0;
        if (isEmpty != (count == 0) || (isEmpty && checkpoint.messagesValue != 0)) {
            revert BatchShape(count, checkpoint.messagesRoot, checkpoint.messagesValue);
        }
    }

    function _checkApplied(Checkpoint calldata checkpoint, Head memory head, Life memory life) private view {
        uint64 applied = checkpoint.appliedNonce;
        uint64 followed = checkpoint.parentHeight;
        if (applied < head.appliedNonce) revert AppliedGoesBack(head.appliedNonce, applied);
        if (applied > life.nextNonce) revert AppliedAhead(life.nextNonce, applied);
        if (followed < head.parentHeight) revert ParentHeightGoesBack(head.parentHeight, followed);
        if (followed > block.number) revert ParentHeightAhead(block.number, followed);
        if (applied < life.nextNonce) _checkLag(followed, _queue[applied].queuedAt);
        uint64 configuration = checkpoint.configuration;
        if (configuration < life.configurationLast && configuration != 0) {
            _checkLag(followed, _changes[life.changesAtActivation + configuration - 1].loggedAt);
        }
    }

    /// @dev All that was queued more than the allowed number of blocks before the followed height must be applied.
    function _checkLag(uint64 followed, uint64 waitingSince) private view {
        if (followed > waitingSince && followed - waitingSince > PARENT_LAG_MAX) {
            revert ParentLag(followed, waitingSince, PARENT_LAG_MAX);
        }
    }

    function _checkConfiguration(Checkpoint calldata checkpoint, Head memory head, Life memory life) private view {
        uint64 number = checkpoint.configuration;
        if (number < head.configuration || number > life.configurationLast) {
            revert ConfigurationUnknown(head.configuration, life.configurationLast, number);
        }
        bytes32 expected = _configurations[number];
        if (checkpoint.validatorsHash != expected) {
            revert ValidatorsMismatch(number, expected, checkpoint.validatorsHash);
        }
    }

    /// @dev The firewall: what a checkpoint takes out of circulation leaves the custody.
    function _takeOut(uint256 value, uint256 burned) private {
        if (value == 0 && burned == 0) return;
        if (value > AMOUNT_MAX) revert AmountTooLarge(value, AMOUNT_MAX);
        Money memory money = _money;
        // Compared one by one: two words together could overflow.
        if (value > money.custody || burned > money.custody - value) {
            revert BeyondCustody(value, burned, money.custody);
        }
        money.custody -= uint128(value + burned);
        money.reserved += uint128(value);
        _money = money;
        if (burned != 0) _ledger.burned += uint128(burned);
    }
}
