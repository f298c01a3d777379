// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Membership} from "./Membership.sol";
import {Protocol} from "../libraries/Protocol.sol";
import {Validators} from "../libraries/Validators.sol";
import "../Types.sol";

/// @title Validators that signed two checkpoints of one sequence
/// @notice Everything the evidence needs is in it: the digests follow from the checkpoints, and the signatures name who
/// made them. Two certificates are evidence against everybody whose signature is in both.
abstract contract Evidence is Membership {
    /// @notice One validator's signatures (r, s, v) over both digests.
    struct Accusation {
        bytes signatureOne;
        bytes signatureOther;
        /// @dev The newest configuration's list when this accusation is judged, after those before it. With another one
        /// the validator loses its stake all the same, and its power by `expel` later: nobody escapes by being faster.
        ValidatorList list;
    }

    /// @dev Whoever reports gets a twentieth of what is slashed, up to this.
    uint256 private constant BOUNTY_MAX = 100 ether;

    event Slashed(address indexed owner, uint64 indexed sequence, uint256 amount, uint256 bounty);

    /// @notice Anyone proves that validators signed two different checkpoints of one sequence. They lose their stake,
    /// what of it is unbonding included, and their power.
    function proveEquivocation(Checkpoint calldata one, Checkpoint calldata other, Accusation[] calldata accusations)
        external
        notDelivering
    {
        if (one.sequence != other.sequence) revert SequencesDiffer(one.sequence, other.sequence);
        bytes32 digestOne = Protocol.digest(_storedParent, _actorHash(), one);
        bytes32 digestOther = Protocol.digest(_storedParent, _actorHash(), other);
        if (digestOne == digestOther) revert NoConflict(digestOne);
        uint256 bounty = 0;
        for (uint256 i = 0; i < accusations.length; ++i) {
            address signer = Validators.recover(i, digestOne, accusations[i].signatureOne);
            address again = Validators.recover(i, digestOther, accusations[i].signatureOther);
            if (signer != again) revert SignersDiffer(signer, again);
            bounty += _slash(signer, one.sequence, accusations[i].list);
        }
        _payStake(msg.sender, bounty);
    }

    function _slash(address signer, uint64 sequence, ValidatorList calldata list) private returns (uint256 bounty) {
        address owner = _ownerOfKey[signer];
        if (signer == address(0) || owner == address(0)) revert SignerNotMember(signer);
        Member storage member = _members[owner];
        if (member.isSlashed) revert AlreadySlashed(owner);
        uint128 staked = member.stake;
        uint128 unbonding = 0;
        Unbonding[] storage waiting = _unbondings[owner];
        for (uint256 i = waiting.length; i > 0; --i) {
            unbonding += waiting[i - 1].amount;
            waiting.pop();
        }
        uint256 amount = uint256(staked) + unbonding;
        if (amount == 0) revert NothingToPay();
        member.stake = 0;
        member.isSlashed = true;
        _stakes.staked -= staked;
        _stakes.unbonding -= unbonding;
        bounty = amount / 20 < BOUNTY_MAX ? amount / 20 : BOUNTY_MAX;
        _slashed += uint128(amount - bounty);
        emit Slashed(owner, sequence, amount, bounty);
        // The last validator keeps its power, for a set without any would end the subnet without an exit. After the
        // exit nothing changes any more.
        bool isLast = _life.activatedAt != 0 && _life.voting == 1;
        if (member.power == 0 || isLast || _life.exitedAt != 0) return bounty;
        (bytes32 newest, bytes32 given) = _newest(list);
        if (given == newest) _setPower(owner, 0, list);
    }
}
