// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Every reason why a call is refused
/// @notice Each error carries what was expected and what came, so that a node can decode it and say what to do.
interface Errors {
    // --- who and when
    error NotDirect(address caller, address origin);
    error Delivering();
    error NotActive(uint256 members, uint256 needed);
    error Exited(uint64 exitedAt);
    error NotExited();
    error NotSilent(uint256 height, uint256 silentAt);
    error BadParameter(string field, uint256 actual, uint256 min, uint256 max);

    // --- checkpoints
    error VersionMismatch(uint64 expected, uint64 actual);
    error WrongChain(bytes32 expected, bytes32 actual);
    error CheckpointRepeated(uint64 last, uint64 actual);
    error CheckpointGap(uint64 expected, uint64 actual);
    error PreviousMismatch(bytes32 expected, bytes32 actual);
    error HeightMismatch(uint256 expected, uint64 actual);
    error UnknownUpgrade(bytes32 actual);
    error BatchNonceMismatch(uint64 expected, uint64 actual);
    error BatchTooLong(uint64 count, uint64 max);
    error BatchShape(uint64 count, bytes32 root, uint256 value);
    error AppliedGoesBack(uint64 last, uint64 actual);
    error AppliedAhead(uint64 queued, uint64 actual);
    error ParentHeightGoesBack(uint64 last, uint64 actual);
    error ParentHeightAhead(uint256 height, uint64 actual);
    error ParentLag(uint64 followed, uint64 waitingSince, uint64 max);
    error ConfigurationUnknown(uint64 confirmed, uint64 last, uint64 actual);
    error ValidatorsMismatch(uint64 number, bytes32 expected, bytes32 actual);
    error BeyondCustody(uint256 value, uint256 burned, uint256 custody);

    // --- certificates
    error EntriesLength(uint256 bytesActual, uint256 bytesEach);
    error SignaturesLength(uint256 bytesActual, uint256 bytesEach);
    error SignatureOrder(uint256 before, uint256 actual);
    error SignerUnknown(uint256 index, uint256 validators);
    error SignatureHighS(uint256 index, bytes32 s);
    error SignatureMismatch(uint256 index, address expected, address recovered);
    error BelowQuorum(uint256 signed, uint256 total);

    // --- batches
    error NothingWaits(uint64 sequence);
    error NotInTurn(uint64 from, uint64 next);
    error Delivered(uint64 end, uint64 next);
    error BatchEmpty();
    error BatchNonces(uint64 expected, uint64 actual);
    error BatchBounds(uint64 from, uint256 end, uint64 batchFrom, uint256 batchEnd);
    error BatchValue(uint256 declared, uint256 actual);
    error RootMismatch(bytes32 expected, bytes32 actual);
    error ProofLength(uint256 actual);

    // --- members
    error OwnerKind(address owner);
    error StakeTooLow(uint256 actual, uint256 min);
    error EndpointTooLong(uint256 actual, uint256 max);
    error EndpointCharacter(uint256 position, bytes1 character);
    error VoteKeyTaken(bytes32 key, address owner);
    error SettlementKeyTaken(address key, address owner);
    error OwnerTaken(address owner);
    error ZeroKey();
    error StaticMembership();
    error Full(uint256 validators, uint256 max);
    error NotMember(address caller);
    error Jailed(address owner);
    error LastValidator(address owner);
    error UnbondingsFull(uint256 max);
    error NoUnbonding(uint256 index, uint256 count);
    error NotConfirmed(uint64 needed, uint64 confirmed);
    error TooSoon(uint256 height, uint256 from);
    error StillUnbonding(uint256 height, uint256 until);
    error PaymentFailed(address to, uint256 amount);
    error NothingToPay();

    // --- evidence
    error NoConflict(bytes32 digest);
    error SequencesDiffer(uint64 one, uint64 other);
    error SignersDiffer(address one, address other);
    error SignerNotMember(address signer);
    error AlreadySlashed(address owner);

    // --- messages down
    error AmountMismatch(uint256 expected, uint256 actual);
    error AmountTooLarge(uint256 actual, uint256 max);
    error FeeTooLow(uint256 fee, uint256 needed);
    error NoValue();
    error RecipientKind(bytes account);
    error RouteStep(bytes step);
    error RouteTooLong(uint256 steps, uint256 max);
    error GasLimit(uint64 actual, uint64 max);
    error DataTooLong(uint256 actual, uint256 max);
    error NothingUnclaimed(bytes account);
    error NotHolder(address caller, address holder);
    error AlreadySettled(uint64 nonce);
    error NotRefundable(uint64 nonce, uint64 applied, uint64 next);

    // --- balances after the exit
    error NoCheckpoint();
    error RefundsFirst(uint64 waiting);
    error BalancePaid(uint64 id, uint256 amount);
    error ProofTooLong(uint256 blocks, uint256 max);
    error ProofBlockMissing(bytes32 hash);
    error ProofMalformed(bytes32 block_, uint256 position);
    error ProofAbsent(bytes key);
    error SystemAccount(uint64 id);
}
