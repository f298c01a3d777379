// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What crosses the border of a subnet
/// @notice The nouns of the protocol (`docs/protocol/`) as the contracts take them. Amounts are in the smallest unit of
/// the supply: attoFIL, or a token's.

/// @notice A subnet's state at the end of a period. The order of the fields is that of the digest's words.
struct Checkpoint {
    /// @dev `CHECKPOINT_VERSION`.
    uint64 version;
    /// @dev Identity of the subnet.
    bytes32 chain;
    /// @dev Counts from 1 without a gap.
    uint64 sequence;
    /// @dev The block after which this is the state: sequence times period.
    uint64 height;
    /// @dev Hash in that block's CID.
    bytes32 blockHash;
    /// @dev Hash in the CID of the state root after that block.
    bytes32 stateRoot;
    /// @dev Digest of the checkpoint before; for the first, the subnet's identity.
    bytes32 previous;
    /// @dev Merkle root over the leaves of the bottom-up messages; zero when there are none.
    bytes32 messagesRoot;
    /// @dev Nonce of the first of them, or of the next to come.
    uint64 messagesFirstNonce;
    /// @dev How many.
    uint64 messagesCount;
    /// @dev Sum of their values and fees.
    uint256 messagesValue;
    /// @dev What left circulation for good.
    uint256 burned;
    /// @dev The next top-down nonce that the subnet applies.
    uint64 appliedNonce;
    /// @dev Block of this chain that the subnet followed last.
    uint64 parentHeight;
    /// @dev The configuration that follows.
    uint64 configuration;
    /// @dev Its hash, as `Validators.hash` computes it.
    bytes32 validatorsHash;
    /// @dev Reserved; zero.
    bytes32 upgrade;
}

/// @notice An account or contract on a chain of the hierarchy.
struct CrossAddress {
    /// @dev The chain's name, such as `/r314/f410f…`.
    string subnet;
    /// @dev Filecoin address, protocol byte first.
    bytes account;
}

/// @notice One message on its way from chain to chain.
struct CrossMessage {
    bytes32 id;
    CrossAddress origin;
    uint64 originSequence;
    CrossAddress destination;
    uint256 value;
    /// @dev `KIND_TRANSFER`, `KIND_CALL` or `KIND_RECEIPT`.
    uint8 kind;
    /// @dev The message that a receipt answers, otherwise zero.
    bytes32 answered;
    /// @dev Its origin sequence, otherwise zero.
    uint64 answeredSequence;
    /// @dev Method of a call or exit code of a receipt, otherwise zero.
    uint64 number;
    /// @dev Parameters of a call or return data of a receipt.
    bytes data;
    uint64 nonce;
    uint64 gasLimit;
    uint256 fee;
    bool expires;
    uint64 expiresAt;
    bool wantsReceipt;
}

/// @notice A validator set as calldata: storage has its hash only.
struct ValidatorList {
    /// @dev Sum of the powers.
    uint64 totalPower;
    /// @dev 28 bytes each: settlement address (20) and power (8), in ascending order of the addresses.
    bytes entries;
}

/// @notice What the creator of a subnet chooses. Nothing of it ever changes.
struct Parameters {
    /// @dev Rules of the subnet's own chain for its nodes, in their encoding (`ChainParameters`). Opaque here.
    bytes chain;
    /// @dev Blocks of the subnet between two checkpoints.
    uint64 checkpointPeriod;
    /// @dev Validators needed for activation.
    uint64 validatorsMin;
    /// @dev Least stake of one validator, in attoFIL.
    uint128 stakeMin;
    /// @dev How many blocks of this chain a message or change may wait until checkpoints that ignore it are rejected.
    uint64 parentLagMax;
    /// @dev Blocks of this chain between the checkpoint that confirms a withdrawal of stake and its payment.
    uint64 unbondingBlocks;
    /// @dev Blocks of this chain without a checkpoint after which anyone may begin the exit.
    uint64 silenceBlocks;
    /// @dev Price of a unit of delivery gas on this edge.
    uint128 crossGasPrice;
    /// @dev ERC-20 token that the subnet's supply consists of; zero for the native coin.
    address supplyToken;
    /// @dev Whether nobody joins or leaves after activation.
    bool isStatic;
}

/// @notice The bottom-up messages of an accepted checkpoint that wait for delivery.
struct Batch {
    bytes32 root;
    uint64 firstNonce;
    uint64 count;
    uint128 value;
}

/// @notice What is kept of a top-down message. What is not here is the same for all of a subnet's.
struct QueuedMessage {
    /// @dev Block in which it was queued.
    uint64 queuedAt;
    uint64 gasLimit;
    uint64 number;
    uint8 kind;
    bool wantsReceipt;
    bool expires;
    /// @dev Whether its outcome has counted: answered, or refunded at the exit.
    bool isSettled;
    uint128 value;
    uint128 fee;
    uint64 expiresAt;
    /// @dev Who sent it, on this chain.
    bytes origin;
    /// @dev Whom it is for.
    bytes destination;
    /// @dev What follows the subnet's own name in the destination chain's: empty, or `/f2…`.
    string route;
    /// @dev Parameters; of a receipt, what it answers (32 bytes), that message's origin sequence (8) and the return
    /// data.
    bytes data;
}

/// @notice One change of the validators.
struct Change {
    /// @dev The configuration that it makes; 1 for all before activation.
    uint64 number;
    /// @dev Block in which it was made.
    uint64 loggedAt;
    /// @dev The validator's power from then on; zero removes it.
    uint64 power;
    address owner;
    address settlementKey;
    bytes32 voteKey;
}

/// @notice Somebody who joined.
struct Member {
    address settlementKey;
    uint64 power;
    bool isSlashed;
    uint128 stake;
    /// @dev Ed25519 key of proposals and votes on the subnet.
    bytes32 voteKey;
    /// @dev Where its consensus listens; informative.
    string endpoint;
}

/// @notice Stake that was withdrawn and is not paid yet.
struct Unbonding {
    uint128 amount;
    /// @dev The configuration whose confirmation starts the clock.
    uint64 number;
}

/// @notice When a checkpoint confirmed a configuration.
struct Confirmation {
    uint64 number;
    uint64 acceptedAt;
}

uint64 constant CHECKPOINT_VERSION = 1;
uint8 constant KIND_TRANSFER = 0;
uint8 constant KIND_CALL = 1;
uint8 constant KIND_RECEIPT = 2;

// Limits of the protocol (`subnet_types::limits`).
uint256 constant VALIDATORS_MAX = 256;
uint256 constant ENDPOINT_BYTES_MAX = 256;
uint256 constant CHAIN_PARAMETERS_BYTES_MAX = 1024;
uint64 constant MESSAGES_PER_CHECKPOINT_MAX = 1024;
/// @dev Room for the other fields of a message within the protocol's 16 KiB.
uint256 constant DATA_BYTES_MAX = 14 * 1024;
uint256 constant RETURN_BYTES_MAX = 4 * 1024;
/// @dev Levels below a direct child of a root that a name can have.
uint256 constant ROUTE_STEPS_MAX = 8;
uint64 constant HOP_GAS = 60_000_000;
uint64 constant CALL_GAS_MAX = 1_000_000_000;
uint64 constant RECEIPT_GAS = 60_000_000;
/// @dev Beside the code of a call or of who is told an outcome: the courier's, and what is left to queue the answer.
uint64 constant CARRY_GAS = 20_000_000;
uint64 constant AFTER_CODE_GAS = 50_000_000;
/// @dev For each byte of parameters or return data.
uint64 constant BYTE_GAS = 4_000;
/// @dev More than any Filecoin address has.
uint256 constant ACCOUNT_BYTES_MAX = 66;
/// @dev More than the name of a chain with all its levels has.
uint256 constant NAME_BYTES_MAX = 1024;
uint64 constant ATTO_PER_POWER = 1_000_000_000;
/// @dev Three times the power of the largest set fits 64 bits.
uint64 constant POWER_MAX = type(uint64).max / 3 / 256;
uint256 constant UNBONDINGS_MAX = 16;

// Codes with which this chain refuses a message (`subnet_types::actors::refusal`).
uint64 constant EXIT_OK = 0;
/// @dev As Filecoin's EVM says it of a contract that reverts.
uint64 constant EXIT_REVERTED = 33;
uint64 constant EXIT_FORGED_ORIGIN = 100;
uint64 constant EXIT_WRONG_DIRECTION = 101;
uint64 constant EXIT_NO_ROUTE = 102;
uint64 constant EXIT_EXPIRED = 103;
uint64 constant EXIT_FEE_TOO_LOW = 104;
uint64 constant EXIT_GAS_LIMIT = 105;
uint64 constant EXIT_RECIPIENT = 106;
uint64 constant EXIT_FORBIDDEN = 107;
uint64 constant EXIT_RETURN_TOO_LARGE = 111;
uint64 constant EXIT_BAD_RETURN = 112;
uint64 constant EXIT_RECEIPT_UNKNOWN = 113;
uint64 constant EXIT_RECEIPT_REPEATED = 114;
uint64 constant EXIT_RECEIPT_SENDER = 115;
uint64 constant EXIT_RECEIPT_VALUE = 116;
uint64 constant EXIT_NO_DESTINATION = 119;
