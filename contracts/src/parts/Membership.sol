// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Payments} from "./Payments.sol";
import {Addresses} from "../libraries/Addresses.sol";
import {Protocol} from "../libraries/Protocol.sol";
import {Validators} from "../libraries/Validators.sol";
import "../Types.sol";

/// @title Who validates the subnet, and their stake
/// @notice Power is stake. Each change makes the next configuration out of the newest, whose list comes as calldata.
/// Stake that leaves is paid after the checkpoint that confirms the change and the unbonding period, and can be slashed
/// until then.
abstract contract Membership is Payments {
    /// @notice What a validator joins with.
    struct Join {
        /// @dev Ed25519 key for proposals and votes. That it is held shows in its votes: each counts by its own
        /// signature, so a key that nobody holds, or somebody else does, gives no power over others.
        bytes32 voteKey;
        /// @dev Address of the secp256k1 key for checkpoint digests.
        address settlementKey;
        /// @dev That key's signature (r, s, v) over `Protocol.possession`.
        bytes possession;
        /// @dev Where its consensus listens, visible ASCII; informative.
        string endpoint;
    }

    /// @dev Half an hour on Filecoin, between two changes that one validator makes of its own stake.
    uint256 internal constant CHANGE_PAUSE_BLOCKS = 60;

    event Joined(address indexed owner, bytes32 indexed voteKey, address indexed settlementKey, uint64 power);
    event ConfigurationMade(uint64 indexed number, address indexed owner, uint64 power);
    event Activated(uint64 height, bytes32 validatorsHash);
    event StakeAdded(address indexed owner, uint256 amount);
    event UnbondingBegun(address indexed owner, uint256 amount, uint64 number);
    event StakePaid(address indexed owner, address to, uint256 amount);

    /// @notice The caller becomes a validator with the coins that come as its stake.
    /// @param join Keys and endpoint.
    /// @param list The newest configuration's.
    function joinSubnet(Join calldata join, ValidatorList calldata list) external payable notDelivering {
        _requireChangeable();
        if (Addresses.isMaskedId(msg.sender)) revert OwnerKind(msg.sender);
        if (msg.value < _parameters.stakeMin) revert StakeTooLow(msg.value, _parameters.stakeMin);
        if (_life.voting >= VALIDATORS_MAX) revert Full(_life.voting, VALIDATORS_MAX);
        _requireEndpoint(bytes(join.endpoint));
        Member storage member = _members[msg.sender];
        if (member.isSlashed) revert Jailed(msg.sender);
        if (member.power != 0 || _unbondings[msg.sender].length != 0) revert OwnerTaken(msg.sender);
        _requireNewKeys(join);
        if (member.settlementKey == address(0)) _owners.push(msg.sender);
        _ownerOfKey[join.settlementKey] = msg.sender;
        _ownerOfVoteKey[join.voteKey] = msg.sender;
        (member.settlementKey, member.voteKey, member.endpoint) = (join.settlementKey, join.voteKey, join.endpoint);
        emit Joined(msg.sender, join.voteKey, join.settlementKey, _powerOf(msg.value));
        _addStake(msg.sender, list);
    }

    /// @notice The caller, a validator, adds the coins that come to its stake.
    function stake(ValidatorList calldata list) external payable notDelivering {
        _requireChangeable();
        if (_members[msg.sender].power == 0) revert NotMember(msg.sender);
        if (_members[msg.sender].isSlashed) revert Jailed(msg.sender);
        if (msg.value == 0) revert NoValue();
        _pauseChanges();
        _addStake(msg.sender, list);
    }

    /// @notice The caller withdraws a part of its stake. What is left is at least the subnet's minimum.
    function unstake(uint128 amount, ValidatorList calldata list) external notDelivering {
        _requireChangeable();
        Member storage member = _members[msg.sender];
        if (member.power == 0) revert NotMember(msg.sender);
        if (amount == 0) revert NothingToPay();
        _pauseChanges();
        if (amount > member.stake || member.stake - amount < _parameters.stakeMin) {
            revert StakeTooLow(amount > member.stake ? 0 : member.stake - amount, _parameters.stakeMin);
        }
        member.stake -= amount;
        _beginUnbonding(msg.sender, amount, _setPower(msg.sender, _powerOf(member.stake), list));
    }

    /// @notice The caller is a validator no more and withdraws its stake. Before activation it is paid at once.
    function leaveSubnet(ValidatorList calldata list) external notDelivering {
        _requireChangeable();
        Member storage member = _members[msg.sender];
        if (member.power == 0) revert NotMember(msg.sender);
        if (_life.activatedAt != 0 && _life.voting == 1) revert LastValidator(msg.sender);
        uint128 amount = member.stake;
        member.stake = 0;
        uint64 number = _setPower(msg.sender, 0, list);
        if (_life.activatedAt != 0) {
            _beginUnbonding(msg.sender, amount, number);
        } else {
            _stakes.staked -= amount;
            emit StakePaid(msg.sender, msg.sender, amount);
            _payStake(msg.sender, amount);
        }
    }

    /// @notice The caller is paid stake that it withdrew, after the unbonding period.
    /// @param index Which of its withdrawals.
    /// @param confirmation Position in the list of confirmations of one that reached the withdrawal's configuration.
    /// The earliest of them is in the caller's interest; any other only says that it was later.
    /// @param to Who gets it.
    function claim(uint256 index, uint256 confirmation, address to) external notDelivering {
        Unbonding[] storage waiting = _unbondings[msg.sender];
        if (index >= waiting.length) revert NoUnbonding(index, waiting.length);
        Unbonding memory unbonding = waiting[index];
        _requireUnbonded(_confirmedAt(unbonding.number, confirmation));
        waiting[index] = waiting[waiting.length - 1];
        waiting.pop();
        _stakes.unbonding -= unbonding.amount;
        emit StakePaid(msg.sender, to, unbonding.amount);
        _payStake(to, unbonding.amount);
    }

    /// @dev From which block on a withdrawal's clock runs.
    function _confirmedAt(uint64 number, uint256 confirmation) private view returns (uint256) {
        uint256 exitedAt = _life.exitedAt;
        uint64 confirmed = _head.configuration;
        if (confirmation < _confirmations.length) {
            Confirmation memory entry = _confirmations[confirmation];
            if (entry.number >= number) return entry.acceptedAt;
            confirmed = entry.number;
        }
        // The exit confirms whatever no checkpoint has.
        if (exitedAt == 0) revert NotConfirmed(number, confirmed);
        return exitedAt;
    }

    /// @notice After the exit and the unbonding period the caller is paid what it had at stake.
    function claimStake(address to) external notDelivering {
        if (_life.exitedAt == 0) revert NotExited();
        _requireUnbonded(_life.exitedAt);
        uint128 amount = _members[msg.sender].stake;
        _members[msg.sender].stake = 0;
        _stakes.staked -= amount;
        emit StakePaid(msg.sender, to, amount);
        _payStake(to, amount);
    }

    /// @notice Anyone takes the power of a slashed validator away, where the evidence came with a list that was no longer
    /// the newest, or where it was the last validator then.
    /// @param list The newest configuration's.
    function expel(address owner, ValidatorList calldata list) external notDelivering {
        _requireOpen();
        Member storage member = _members[owner];
        if (!member.isSlashed || member.power == 0) revert NotMember(owner);
        if (_life.activatedAt != 0 && _life.voting == 1) revert LastValidator(owner);
        _setPower(owner, 0, list);
    }

    /// @dev A change makes the lists stale that others have on their way. So nobody makes changes of its own stake in a
    /// row: whoever has a few validators only could keep everybody else out with a coin a block.
    function _pauseChanges() private {
        if (_life.activatedAt == 0) return;
        uint256 from = uint256(_changedAt[msg.sender]) + CHANGE_PAUSE_BLOCKS;
        if (_changedAt[msg.sender] != 0 && block.number < from) revert TooSoon(block.number, from);
        _changedAt[msg.sender] = uint64(block.number);
    }

    function _requireUnbonded(uint256 start) private view {
        uint256 until = start + _parameters.unbondingBlocks;
        if (block.number < until) revert StillUnbonding(block.number, until);
    }

    function _requireChangeable() private view {
        _requireOpen();
        if (_parameters.isStatic && _life.activatedAt != 0) revert StaticMembership();
    }

    function _requireEndpoint(bytes calldata endpoint) private pure {
        if (endpoint.length > ENDPOINT_BYTES_MAX) revert EndpointTooLong(endpoint.length, ENDPOINT_BYTES_MAX);
        for (uint256 i = 0; i < endpoint.length; ++i) {
            // Operators read endpoints in terminals and logs, where other characters could pass for something else.
            if (endpoint[i] < 0x21 || endpoint[i] > 0x7e) revert EndpointCharacter(i, endpoint[i]);
        }
    }

    /// @dev Keys are taken for ever: an old signature must never be a new member's.
    function _requireNewKeys(Join calldata join) private view {
        if (join.voteKey == 0 || join.settlementKey == address(0)) revert ZeroKey();
        address owner = _ownerOfVoteKey[join.voteKey];
        if (owner != address(0)) revert VoteKeyTaken(join.voteKey, owner);
        owner = _ownerOfKey[join.settlementKey];
        if (owner != address(0)) revert SettlementKeyTaken(join.settlementKey, owner);
        bytes32 digest = Protocol.possession(_storedParent, _actorHash(), msg.sender, join.voteKey, join.settlementKey);
        address signer = Validators.recover(0, digest, join.possession);
        if (signer != join.settlementKey) revert SignatureMismatch(0, join.settlementKey, signer);
    }

    function _actorHash() internal view returns (bytes32) {
        return keccak256(Addresses.ofEthereum(address(this)));
    }

    function _powerOf(uint256 amount) private pure returns (uint64) {
        uint256 units = amount / ATTO_PER_POWER;
        return units > POWER_MAX ? POWER_MAX : uint64(units);
    }

    function _addStake(address owner, ValidatorList calldata list) private {
        if (_stakes.staked + msg.value > AMOUNT_MAX) revert AmountTooLarge(_stakes.staked + msg.value, AMOUNT_MAX);
        Member storage member = _members[owner];
        member.stake += uint128(msg.value);
        _stakes.staked += uint128(msg.value);
        emit StakeAdded(owner, msg.value);
        _setPower(owner, _powerOf(member.stake), list);
    }

    function _beginUnbonding(address owner, uint128 amount, uint64 number) private {
        if (_unbondings[owner].length >= UNBONDINGS_MAX) revert UnbondingsFull(UNBONDINGS_MAX);
        _unbondings[owner].push(Unbonding(amount, number));
        _stakes.staked -= amount;
        _stakes.unbonding += amount;
        emit UnbondingBegun(owner, amount, number);
    }

    /// @dev Gives a member another power and makes the configuration that this gives; before activation all of them are
    /// number 1. The last validator that is missing activates the subnet. Returns the configuration's number.
    function _setPower(address owner, uint64 power, ValidatorList calldata list) internal returns (uint64 number) {
        Member storage member = _members[owner];
        bool isActive = _life.activatedAt != 0;
        _requireNewest(list);
        if (member.power == 0) _life.voting += 1;
        if (power == 0) _life.voting -= 1;
        member.power = power;
        number = isActive ? _life.configurationLast + 1 : 1;
        (bytes memory entries, uint64 totalPower) = Validators.replace(list, member.settlementKey, power);
        bytes32 made = Validators.hashOf(number, totalPower, entries);
        _configurations[number] = made;
        _life.configurationLast = uint48(number);
        _changes.push(Change(number, uint64(block.number), power, owner, member.settlementKey, member.voteKey));
        emit ConfigurationMade(number, owner, power);
        if (!isActive && _life.voting >= _parameters.validatorsMin) {
            _life.activatedAt = uint48(block.number);
            _life.changesAtActivation = uint32(_changes.length);
            _head.configuration = 1;
            _head.parentHeight = uint64(block.number);
            _head.acceptedAt = uint48(block.number);
            emit Activated(uint64(block.number), made);
        }
    }

    function _requireNewest(ValidatorList calldata list) private view {
        uint64 number = _life.configurationLast;
        (bytes32 expected, bytes32 actual) = _newest(list);
        if (actual != expected) revert ValidatorsMismatch(number, expected, actual);
    }

    /// @dev The newest configuration's hash, and that of a list as the newest.
    function _newest(ValidatorList calldata list) internal view returns (bytes32 expected, bytes32 actual) {
        uint64 number = _life.configurationLast;
        // Before the first join there is no configuration, and its list is empty.
        expected = number == 0 ? Validators.hashOf(0, 0, "") : _configurations[number];
        actual = Validators.hash(number, list);
    }
}
