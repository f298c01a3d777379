// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import "./Types.sol";

/// @title A subnet contract as its callers see it
/// @notice Both halves of its code under one address, for whoever needs one interface.
interface ISubnet is Errors {
    struct Head {
        uint48 sequence;
        uint48 appliedNonce;
        uint64 parentHeight;
        uint48 configuration;
        uint48 acceptedAt;
    }

    struct Cursor {
        uint64 nextBatchNonce;
        uint64 nextDeliveryNonce;
        uint120 delivered;
        bool isDelivering;
    }

    struct Life {
        uint64 nextNonce;
        uint48 configurationLast;
        uint48 activatedAt;
        uint48 exitedAt;
        uint16 voting;
        uint32 changesAtActivation;
    }

    struct Money {
        uint128 custody;
        uint128 reserved;
    }

    struct Ledger {
        uint128 unclaimed;
        uint128 burned;
    }

    struct Stakes {
        uint128 staked;
        uint128 unbonding;
    }

    struct Status {
        Head head;
        Cursor cursor;
        Life life;
        Money money;
        Ledger ledger;
        Stakes stakes;
        uint128 slashed;
        bytes32 chain;
        bytes32 lastDigest;
        bytes32 stateRoot;
        bytes32 confirmedHash;
        bytes32 newestHash;
        uint256 changes;
        uint256 confirmations;
        uint256 owners;
    }

    struct Join {
        bytes32 voteKey;
        address settlementKey;
        bytes possession;
        string endpoint;
    }

    struct Send {
        bytes[] route;
        bytes account;
        bool isCall;
        uint64 method;
        bytes params;
        uint64 gasLimit;
        uint256 fee;
        bool expires;
        uint64 expiresAt;
        bool wantsReceipt;
    }

    struct Accusation {
        bytes signatureOne;
        bytes signatureOther;
        ValidatorList list;
    }

    error NotThroughSubnet();
    error OnlySelf(address caller);

    function REGISTRY() external view returns (address);
    function COURIER() external view returns (address);
    function OFFICE() external view returns (address);
    function ARCHIVE() external view returns (address);
    function PROOFS() external view returns (address);
    function PARENT() external view returns (bytes32);
    function ORIGIN_SEQUENCE_BASE() external view returns (uint64);
    function CROSS_GAS_PRICE() external view returns (uint128);
    function SUPPLY_TOKEN() external view returns (address);
    function DELIVERY_GAS_RESERVE() external view returns (uint256);

    function submitCheckpoint(
        Checkpoint calldata checkpoint,
        ValidatorList calldata validators,
        bytes calldata signatures,
        CrossMessage[] calldata messages
    ) external;
    function deliverBatch(uint64 sequence, CrossMessage[] calldata messages, bytes32[] calldata proof) external;
    function carryTokens(address account, uint256 value, uint256 gasLimit, bytes calldata input)
        external
        returns (bytes memory);

    function fund(bytes calldata account, uint256 amount) external payable returns (uint64 nonce);
    function send(Send calldata request, uint256 amount) external payable returns (uint64 nonce);

    function joinSubnet(Join calldata join, ValidatorList calldata list) external payable;
    function stake(ValidatorList calldata list) external payable;
    function unstake(uint128 amount, ValidatorList calldata list) external;
    function leaveSubnet(ValidatorList calldata list) external;
    function claim(uint256 index, uint256 confirmation, address to) external;
    function claimStake(address to) external;
    function claimUnclaimed(bytes calldata account) external;
    function claimUnclaimedTo(address to) external;
    function claimUnclaimedAs(bytes calldata account, address to) external;
    function burn() external;
    function proveEquivocation(Checkpoint calldata one, Checkpoint calldata other, Accusation[] calldata accusations)
        external;
    function beginExit() external;
    function refund(uint64 nonce) external;
    function refundRange(uint64 nonce, uint64 count) external;
    function claimBalance(bytes calldata account, bytes[] calldata proof) external returns (uint256 amount);
    function expel(address owner, ValidatorList calldata list) external;

    function status() external view returns (Status memory);
    function parameters() external view returns (Parameters memory);
    function queued(uint64 nonce) external view returns (QueuedMessage memory);
    function change(uint256 index) external view returns (Change memory);
    function confirmation(uint256 index) external view returns (Confirmation memory);
    function configurationHash(uint64 number) external view returns (bytes32);
    function batch(uint64 sequence) external view returns (Batch memory);
    function ownerAt(uint256 index) external view returns (address);
    function member(address owner) external view returns (Member memory, Unbonding[] memory);
    function queuedRange(uint64 from, uint64 count) external view returns (QueuedMessage[] memory);
    function changeRange(uint256 from, uint256 count) external view returns (Change[] memory);
    function changeIndex(uint64 number) external view returns (uint256);
    function memberRange(uint256 from, uint256 count) external view returns (address[] memory, Member[] memory);
    function confirmationRange(uint256 from, uint256 count) external view returns (Confirmation[] memory);
    function batchRange(uint64 from, uint64 count) external view returns (Batch[] memory);
    function refundsLeft() external view returns (uint64);
    function balancePaid(uint64 id) external view returns (bool isPaid, uint256 amount);
    function unclaimedOf(bytes calldata account) external view returns (uint256);
}
