// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {Refuser} from "./base/Recipients.sol";
import {ISubnet} from "../src/ISubnet.sol";
import {Registry} from "../src/Registry.sol";
import {SubnetOffice} from "../src/SubnetOffice.sol";
import {Errors} from "../src/Errors.sol";
import {Addresses} from "../src/libraries/Addresses.sol";
import {Protocol} from "../src/libraries/Protocol.sol";
import "../src/Types.sol";

/// @notice Creation, joining, stake, and what is paid when.
contract MembersTest is World {
    function setUp() public {
        beginActive(4);
    }

    // --- creation
    // -----------------------------------------------------------------------------------------------------

    function test_registry_makes_the_code_it_was_made_for_only() public {
        bytes memory code = codeOf("Subnet");
        bytes memory other = bytes.concat(code, hex"00");
        Parameters memory params = chosen(4);
        vm.expectRevert(abi.encodeWithSelector(Registry.CodeMismatch.selector, keccak256(code), keccak256(other)));
        registry.create(other, params, 0);
        address made = registry.create(code, params, "one");
        holds(registry.isSubnet(made) && !registry.isSubnet(address(this)), "what was made here is known");
        same(registry.subnetAt(registry.subnetCount() - 1), made, "the newest");
    }

    function test_parameters_have_their_ranges() public {
        Parameters memory params = chosen(4);
        params.chain = "";
        refuseParameters(params, "chain", 0, 1, 1024);
        params = chosen(4);
        params.checkpointPeriod = 0;
        refuseParameters(params, "checkpointPeriod", 0, 1, 100_000);
        params = chosen(4);
        params.checkpointPeriod = 100_001;
        refuseParameters(params, "checkpointPeriod", 100_001, 1, 100_000);
        refuseParameters(chosen(0), "validatorsMin", 0, 1, 256);
        refuseParameters(chosen(257), "validatorsMin", 257, 1, 256);
        params = chosen(4);
        params.stakeMin = 1e9 - 1;
        refuseParameters(params, "stakeMin", 1e9 - 1, 1e9, type(uint96).max);
        params = chosen(4);
        params.parentLagMax = 0;
        refuseParameters(params, "parentLagMax", 0, 1, type(uint32).max);
        params = chosen(4);
        params.unbondingBlocks = 0;
        refuseParameters(params, "unbondingBlocks", 0, 1, type(uint32).max);
        params = chosen(4);
        params.silenceBlocks = 0;
        refuseParameters(params, "silenceBlocks", 0, 1, type(uint32).max);
        params = chosen(4);
        params.crossGasPrice = 2 ** 64;
        refuseParameters(params, "crossGasPrice", 2 ** 64, 0, type(uint64).max);
    }

    function refuseParameters(Parameters memory params, string memory field, uint256 actual, uint256 min, uint256 max)
        private
    {
        bytes memory code = codeOf("Subnet");
        vm.expectRevert(abi.encodeWithSelector(Errors.BadParameter.selector, field, actual, min, max));
        registry.create(code, params, 0);
    }

    function test_each_subnet_has_its_own_money_and_sequences() public {
        ISubnet first = subnet;
        vm.deal(address(this), 5 ether);
        first.fund{value: 5 ether}(Addresses.ofEthereum(address(1)), 5 ether);
        beginActive(4);
        same(custody(), 0, "the other's custody");
        same(first.status().money.custody, 5 ether, "the first one's custody");
        same(first.ORIGIN_SEQUENCE_BASE(), 0, "the first one's sequences");
        same(subnet.ORIGIN_SEQUENCE_BASE(), 2 ** 40, "the other's sequences");
        same(abi.encode(subnet.parameters()), abi.encode(chosen(4)), "parameters");
    }

    function test_coins_without_a_call_are_refused() public {
        vm.deal(address(this), 1 ether);
        (bool isTaken,) = address(subnet).call{value: 1 ether}("");
        holds(!isTaken, "they would be nobody's");
    }

    function test_office_does_not_work_on_its_own_state() public {
        ISubnet office = ISubnet(subnet.OFFICE());
        vm.expectRevert(abi.encodeWithSelector(ISubnet.NotThroughSubnet.selector));
        office.burn();
        ISubnet.Join memory request = joinOf(4);
        ValidatorList memory none;
        vm.expectRevert(abi.encodeWithSelector(ISubnet.NotThroughSubnet.selector));
        office.joinSubnet(request, none);
        vm.deal(address(this), 1 ether);
        // Nothing ever becomes active there.
        vm.expectRevert(abi.encodeWithSelector(Errors.NotActive.selector, 0, 0));
        office.fund{value: 1 ether}(Addresses.ofEthereum(address(1)), 1 ether);
    }

    // --- joining
    // ------------------------------------------------------------------------------------------------------

    function test_last_missing_validator_activates_the_subnet() public {
        begin(chosen(2));
        prepareKeys(3);
        join(0, STAKE);
        same(subnet.status().life.activatedAt, 0, "one is missing");
        vm.roll(1234);
        join(1, STAKE);
        ISubnet.Status memory status = subnet.status();
        same(status.life.activatedAt, 1234, "activated");
        same(status.life.configurationLast, 1, "configuration");
        same(status.head.parentHeight, 1234, "where it starts to follow");
        same(status.life.changesAtActivation, 2, "changes of configuration 1");
        join(2, STAKE);
        same(subnet.status().life.configurationLast, 2, "the next configuration");
        same(subnet.change(2).number, 2, "its change");
        same(subnet.change(2).settlementKey, keys[2].settlement, "its key");
        checkMoney();
    }

    function refuseJoin(ISubnet.Join memory request, uint256 amount, bytes memory reason) private {
        refuseJoin(keys[4].owner, request, amount, reason);
    }

    function refuseJoin(address owner, ISubnet.Join memory request, uint256 amount, bytes memory reason) private {
        ValidatorList memory validators = list();
        vm.deal(owner, amount);
        vm.prank(owner);
        vm.expectRevert(reason);
        subnet.joinSubnet{value: amount}(request, validators);
    }

    /// @dev A key of `keys` that joined, and one that did not.
    function joined() private view returns (Key memory) {
        return keys[0];
    }

    function test_stake_below_the_minimum_is_refused() public {
        refuseJoin(joinOf(4), 1 ether - 1, abi.encodeWithSelector(Errors.StakeTooLow.selector, 1 ether - 1, 1 ether));
        join(4, 1 ether);
    }

    function test_taken_keys_are_refused() public {
        ISubnet.Join memory request = joinOf(4);
        request.voteKey = joinOf(0).voteKey;
        refuseJoin(
            request, STAKE, abi.encodeWithSelector(Errors.VoteKeyTaken.selector, request.voteKey, joined().owner)
        );
        request = joinOf(4);
        request.settlementKey = joined().settlement;
        refuseJoin(
            request,
            STAKE,
            abi.encodeWithSelector(Errors.SettlementKeyTaken.selector, joined().settlement, joined().owner)
        );
    }

    function test_zero_keys_are_refused() public {
        ISubnet.Join memory request = joinOf(4);
        request.voteKey = 0;
        refuseJoin(request, STAKE, abi.encodeWithSelector(Errors.ZeroKey.selector));
        request = joinOf(4);
        request.settlementKey = address(0);
        refuseJoin(request, STAKE, abi.encodeWithSelector(Errors.ZeroKey.selector));
    }

    function test_settlement_key_has_to_be_held_by_whoever_joins() public {
        ISubnet.Join memory request = joinOf(4);
        request.possession = joinOf(5).possession;
        ValidatorList memory validators = list();
        vm.deal(keys[4].owner, STAKE);
        vm.prank(keys[4].owner);
        vm.expectPartialRevert(Errors.SignatureMismatch.selector);
        subnet.joinSubnet{value: STAKE}(request, validators);
    }

    function test_possession_is_bound_to_owner_and_vote_key() public {
        ISubnet.Join memory request = joinOf(4);
        ValidatorList memory validators = list();
        address thief = address(0x7415F);
        vm.deal(thief, STAKE);
        vm.prank(thief);
        vm.expectPartialRevert(Errors.SignatureMismatch.selector);
        subnet.joinSubnet{value: STAKE}(request, validators);
        request.voteKey = bytes32(uint256(1));
        vm.deal(keys[4].owner, STAKE);
        vm.prank(keys[4].owner);
        vm.expectPartialRevert(Errors.SignatureMismatch.selector);
        subnet.joinSubnet{value: STAKE}(request, validators);
    }

    function test_owner_joins_once() public {
        ISubnet.Join memory request = joinOf(4);
        refuseJoin(joined().owner, request, STAKE, abi.encodeWithSelector(Errors.OwnerTaken.selector, joined().owner));
    }

    function test_owner_is_an_ethereum_address() public {
        address native = Addresses.maskedId(77);
        refuseJoin(native, joinOf(4), STAKE, abi.encodeWithSelector(Errors.OwnerKind.selector, native));
    }

    function test_endpoint_is_short_visible_ascii() public {
        ISubnet.Join memory request = joinOf(4);
        request.endpoint = string(new bytes(257));
        refuseJoin(request, STAKE, abi.encodeWithSelector(Errors.EndpointTooLong.selector, 257, 256));
        request.endpoint = "a b";
        refuseJoin(request, STAKE, abi.encodeWithSelector(Errors.EndpointCharacter.selector, 1, bytes1(" ")));
    }

    function test_list_of_another_configuration_is_refused() public {
        ValidatorList memory old = list();
        join(4, STAKE);
        ISubnet.Join memory request = joinOf(5);
        address owner = keys[5].owner;
        vm.deal(owner, STAKE);
        vm.prank(owner);
        vm.expectPartialRevert(Errors.ValidatorsMismatch.selector);
        subnet.joinSubnet{value: STAKE}(request, old);
    }

    function test_static_subnet_takes_nobody_after_activation() public {
        Parameters memory params = chosen(2);
        params.isStatic = true;
        begin(params);
        prepareKeys(5);
        join(0, STAKE);
        join(1, STAKE);
        refuseJoin(joinOf(4), STAKE, abi.encodeWithSelector(Errors.StaticMembership.selector));
    }

    // --- stake
    // --------------------------------------------------------------------------------------------------------

    function addStake(uint256 index, uint256 amount) private {
        ValidatorList memory validators = list();
        vm.deal(keys[index].owner, amount);
        vm.prank(keys[index].owner);
        subnet.stake{value: amount}(validators);
        powers[index] += uint64(amount / 1e9);
    }

    function unstake(uint256 index, uint128 amount) private {
        ValidatorList memory validators = list();
        vm.prank(keys[index].owner);
        subnet.unstake(amount, validators);
        powers[index] -= uint64(amount / 1e9);
    }

    function leave(uint256 index) private {
        ValidatorList memory validators = list();
        vm.prank(keys[index].owner);
        subnet.leaveSubnet(validators);
        powers[index] = 0;
    }

    /// @dev The next checkpoint confirms the newest configuration; signed by those whom `signers` has.
    function confirm(ValidatorList memory signers, uint64[] memory before) private {
        Checkpoint memory checkpoint = nextCheckpoint();
        ISubnet.Status memory status = subnet.status();
        (checkpoint.configuration, checkpoint.validatorsHash) = (status.life.configurationLast, status.newestHash);
        uint64[] memory now_ = powers;
        powers = before;
        bytes memory signatures = certificate(checkpoint, quorum());
        powers = now_;
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.submitCheckpoint(checkpoint, signers, signatures, new CrossMessage[](0));
    }

    function test_stake_is_power() public {
        addStake(0, 5 ether);
        (Member memory member,) = subnet.member(keys[0].owner);
        same(member.power, 15e9, "power");
        same(member.stake, 15 ether, "stake");
        same(subnet.status().newestHash, this.hashOf(2, list()), "the next configuration");
        vm.prank(address(0xABC));
        vm.expectRevert(abi.encodeWithSelector(Errors.NotMember.selector, address(0xABC)));
        subnet.stake(list());
        checkMoney();
    }

    function hashOf(uint64 number, ValidatorList calldata validators) external pure returns (bytes32) {
        bytes32 tag = keccak256("subnet-runtime/settlement-validators/v1");
        return keccak256(abi.encode(tag, number, validators.totalPower, keccak256(validators.entries)));
    }

    function test_part_of_a_stake_is_paid_after_confirmation_and_unbonding() public {
        (ValidatorList memory signers, uint64[] memory before) = (list(), powers);
        unstake(0, 4 ether);
        address owner = keys[0].owner;
        same(subnet.status().stakes.unbonding, 4 ether, "unbonding");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotConfirmed.selector, 2, 1));
        subnet.claim(0, 0, owner);
        vm.roll(1100);
        confirm(signers, before);
        vm.roll(2099);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.StillUnbonding.selector, 2099, 2100));
        subnet.claim(0, 0, owner);
        vm.roll(2100);
        vm.prank(owner);
        subnet.claim(0, 0, address(0xBEEF00));
        same(address(0xBEEF00).balance, 4 ether, "paid");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoUnbonding.selector, 0, 0));
        subnet.claim(0, 0, owner);
        checkMoney();
    }

    function test_confirmation_of_an_earlier_configuration_does_not_count() public {
        (ValidatorList memory signers, uint64[] memory before) = (list(), powers);
        unstake(0, 1 ether);
        confirm(signers, before);
        (signers, before) = (list(), powers);
        vm.roll(1060);
        unstake(0, 2 ether);
        vm.roll(9000);
        address owner = keys[0].owner;
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotConfirmed.selector, 3, 2));
        subnet.claim(1, 0, owner);
        vm.prank(owner);
        subnet.claim(0, 0, owner);
        same(owner.balance, 1 ether, "the first one");
        checkMoney();
    }

    function test_rest_of_a_stake_is_at_least_the_minimum() public {
        ValidatorList memory validators = list();
        vm.prank(keys[0].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.StakeTooLow.selector, 1 ether - 1, 1 ether));
        subnet.unstake(9 ether + 1, validators);
        vm.prank(keys[0].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.StakeTooLow.selector, 0, 1 ether));
        subnet.unstake(type(uint128).max, validators);
        unstake(0, 9 ether);
    }

    function test_leaving_takes_power_at_once_and_stake_later() public {
        (ValidatorList memory signers, uint64[] memory before) = (list(), powers);
        leave(0);
        same(subnet.status().life.voting, 3, "voting");
        same(subnet.status().newestHash, this.hashOf(2, list()), "the next configuration");
        confirm(signers, before);
        vm.roll(5000);
        address owner = keys[0].owner;
        vm.prank(owner);
        subnet.claim(0, 0, owner);
        same(owner.balance, STAKE, "paid");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotMember.selector, owner));
        subnet.leaveSubnet(signers);
        // Back with other keys, for old ones are taken for ever.
        refuseJoin(
            owner, joinOf(0), STAKE, abi.encodeWithSelector(Errors.VoteKeyTaken.selector, joinOf(0).voteKey, owner)
        );
        checkMoney();
    }

    function test_last_validator_does_not_leave() public {
        beginActive(1);
        ValidatorList memory validators = list();
        vm.prank(keys[0].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.LastValidator.selector, keys[0].owner));
        subnet.leaveSubnet(validators);
    }

    function test_stake_is_paid_at_once_before_activation() public {
        begin(chosen(2));
        prepareKeys(2);
        join(0, STAKE);
        leave(0);
        same(keys[0].owner.balance, STAKE, "paid");
        same(subnet.status().stakes.staked, 0, "staked");
        join(1, STAKE);
        same(subnet.status().newestHash, this.hashOf(1, list()), "configuration 1");
        checkMoney();
    }

    function test_withdrawals_of_one_owner_are_few() public {
        for (uint256 i = 0; i < 16; ++i) {
            vm.roll(2000 + 60 * i);
            unstake(0, 0.1 ether);
        }
        vm.roll(4000);
        ValidatorList memory validators = list();
        vm.prank(keys[0].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnbondingsFull.selector, 16));
        subnet.unstake(0.1 ether, validators);
    }

    /// @dev Each change makes the lists stale that others have on their way.
    function test_member_does_not_change_its_stake_twice_in_a_row() public {
        addStake(0, 1e9);
        address owner = keys[0].owner;
        ValidatorList memory validators = list();
        vm.roll(1059);
        vm.deal(owner, 1e9);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.TooSoon.selector, 1059, 1060));
        subnet.stake{value: 1e9}(validators);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.TooSoon.selector, 1059, 1060));
        subnet.unstake(1e9, validators);
        // Others are not held up.
        addStake(1, 1e9);
        vm.roll(1060);
        unstake(0, 1e9);
        checkMoney();
    }

    function test_set_is_full() public {
        beginActive(256);
        ISubnet.Join memory request = joinOf(256);
        refuseJoin(
            keys[256].owner, request, STAKE, abi.encodeWithSelector(Errors.Full.selector, 256, 256)
        );
    }

    function test_registry_tells_why_there_is_no_subnet() public {
        bytes memory code = codeOf("Subnet");
        registry.create(code, chosen(4), "same");
        vm.expectRevert(abi.encodeWithSelector(Registry.CreationFailed.selector, ""));
        registry.create(code, chosen(4), "same");
    }

    function test_registry_has_an_end() public {
        bytes memory code = codeOf("Subnet");
        // The length of its list, which is the first of its slots.
        vm.store(address(registry), 0, bytes32(uint256(2 ** 24 - 1)));
        same(registry.subnetCount(), 2 ** 24 - 1, "count");
        vm.expectRevert(abi.encodeWithSelector(Registry.TooManySubnets.selector, 2 ** 24 - 1));
        registry.create(code, chosen(4), 0);
    }

    /// @dev Another caller makes another address of the same parameters and salt.
    function test_nobody_takes_the_address_of_anothers_subnet() public {
        bytes memory code = codeOf("Subnet");
        vm.prank(address(0xA77AC));
        address attackers = registry.create(code, chosen(4), "salt");
        address own = registry.create(code, chosen(4), "salt");
        holds(attackers != own, "addresses differ");
    }

    function test_payment_that_fails_changes_nothing() public {
        (ValidatorList memory signers, uint64[] memory before) = (list(), powers);
        leave(0);
        confirm(signers, before);
        vm.roll(5000);
        address refuser = address(new Refuser());
        vm.prank(keys[0].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.PaymentFailed.selector, refuser, STAKE));
        subnet.claim(0, 0, refuser);
        same(subnet.status().stakes.unbonding, STAKE, "still there");
    }

    function testFuzz_lists_stay_in_order_and_sum(uint256 seed) public {
        for (uint256 step = 0; step < 12; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 index = seed % keys.length;
            (, Unbonding[] memory waiting) = subnet.member(keys[index].owner);
            if (powers[index] == 0) {
                (Member memory member,) = subnet.member(keys[index].owner);
                if (member.settlementKey == address(0) && waiting.length == 0) join(index, 1 ether + seed % 1e19);
            } else if (seed >> 64 & 1 == 0) {
                vm.roll(2000 + 60 * step);
                addStake(index, 1e9 * (1 + (seed >> 80) % 1e9));
            } else if (subnet.status().life.voting > 1 && waiting.length < 16) {
                leave(index);
            }
            same(
                subnet.status().newestHash,
                this.hashOf(subnet.status().life.configurationLast, list()),
                "the contract's list is the model's"
            );
            checkMoney();
        }
    }
}

/// @notice Evidence against validators that signed twice.
contract EvidenceTest is World {
    Checkpoint private first;
    Checkpoint private second;

    function setUp() public {
        beginActive(4);
        first = nextCheckpoint();
        second = nextCheckpoint();
        second.stateRoot = keccak256("another state");
    }

    function accuse(uint256 index) private view returns (ISubnet.Accusation memory) {
        uint256 secret = keys[index].secret;
        return ISubnet.Accusation(signature(secret, digestOf(first)), signature(secret, digestOf(second)), list());
    }

    function only(ISubnet.Accusation memory accusation) private pure returns (ISubnet.Accusation[] memory all) {
        all = new ISubnet.Accusation[](1);
        all[0] = accusation;
    }

    function test_two_signatures_for_one_sequence_are_slashed() public {
        ISubnet.Accusation[] memory all = only(accuse(0));
        vm.prank(address(0x4E90400));
        subnet.proveEquivocation(first, second, all);
        same(address(0x4E90400).balance, 0.5 ether, "bounty");
        (Member memory member,) = subnet.member(keys[0].owner);
        same(member.stake, 0, "stake");
        same(member.power, 0, "power");
        holds(member.isSlashed, "slashed");
        same(subnet.status().slashed, 9.5 ether, "to burn");
        powers[0] = 0;
        same(subnet.status().life.voting, 3, "voting");
        checkMoney();
        subnet.burn();
        same(address(0xff00000000000000000000000000000000000063).balance, 9.5 ether, "burned");
        checkMoney();
    }

    function test_two_certificates_slash_everybody_in_both() public {
        ISubnet.Accusation[] memory all = new ISubnet.Accusation[](2);
        all[0] = accuse(0);
        powers[0] = 0;
        all[1] = accuse(1);
        powers[1] = 0;
        vm.prank(address(0x4E90400));
        subnet.proveEquivocation(first, second, all);
        same(subnet.status().life.voting, 2, "voting");
        same(subnet.status().life.configurationLast, 3, "a configuration for each");
        same(address(0x4E90400).balance, 1 ether, "bounty");
        checkMoney();
    }

    function test_accepted_checkpoint_and_a_fork_of_it_are_evidence() public {
        submit(first);
        ISubnet.Accusation[] memory all = only(accuse(0));
        vm.prank(SUBMITTER);
        subnet.proveEquivocation(first, second, all);
        checkMoney();
    }

    function test_stake_that_is_unbonding_is_slashed() public {
        ValidatorList memory validators = list();
        vm.prank(keys[0].owner);
        subnet.leaveSubnet(validators);
        powers[0] = 0;
        ISubnet.Accusation[] memory all = only(accuse(0));
        vm.prank(SUBMITTER);
        subnet.proveEquivocation(first, second, all);
        same(subnet.status().slashed, 9.5 ether, "slashed");
        same(subnet.status().stakes.unbonding, 0, "unbonding");
        checkMoney();
    }

    function refuseEvidence(ISubnet.Accusation memory accusation, bytes memory reason) private {
        vm.expectRevert(reason);
        subnet.proveEquivocation(first, second, only(accusation));
    }

    function test_one_checkpoint_twice_is_no_conflict() public {
        second = first;
        ISubnet.Accusation memory accusation = accuse(0);
        refuseEvidence(accusation, abi.encodeWithSelector(Errors.NoConflict.selector, digestOf(first)));
    }

    function test_two_sequences_are_no_conflict() public {
        second.sequence = 2;
        ISubnet.Accusation memory accusation = accuse(0);
        refuseEvidence(accusation, abi.encodeWithSelector(Errors.SequencesDiffer.selector, 1, 2));
    }

    function test_two_signers_are_no_conflict() public {
        ISubnet.Accusation memory accusation = accuse(0);
        accusation.signatureOther = accuse(1).signatureOther;
        refuseEvidence(
            accusation, abi.encodeWithSelector(Errors.SignersDiffer.selector, keys[0].settlement, keys[1].settlement)
        );
    }

    function test_stranger_is_not_slashed() public {
        ISubnet.Accusation memory accusation = accuse(4);
        refuseEvidence(accusation, abi.encodeWithSelector(Errors.SignerNotMember.selector, keys[4].settlement));
        accusation.signatureOne = new bytes(65);
        accusation.signatureOther = new bytes(65);
        refuseEvidence(accusation, abi.encodeWithSelector(Errors.SignerNotMember.selector, address(0)));
    }

    function test_nobody_is_slashed_twice_and_the_slashed_do_not_return() public {
        ISubnet.Accusation memory accusation = accuse(0);
        vm.prank(SUBMITTER);
        subnet.proveEquivocation(first, second, only(accusation));
        refuseEvidence(accusation, abi.encodeWithSelector(Errors.AlreadySlashed.selector, keys[0].owner));
        powers[0] = 0;
        ISubnet.Join memory request = joinOf(5);
        ValidatorList memory validators = list();
        vm.deal(keys[0].owner, STAKE);
        vm.prank(keys[0].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.Jailed.selector, keys[0].owner));
        subnet.joinSubnet{value: STAKE}(request, validators);
    }

    /// @dev Whoever changes the set first makes the evidence's list stale. The stake is lost all the same.
    function test_nobody_escapes_by_a_change_of_the_set() public {
        ISubnet.Accusation[] memory all = only(accuse(0));
        join(4, STAKE);
        vm.prank(SUBMITTER);
        subnet.proveEquivocation(first, second, all);
        address owner = keys[0].owner;
        (Member memory member,) = subnet.member(owner);
        same(member.stake, 0, "stake");
        holds(member.isSlashed && member.power != 0, "slashed, and in the set");
        ValidatorList memory validators = list();
        vm.deal(owner, 1 ether);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.Jailed.selector, owner));
        subnet.stake{value: 1 ether}(validators);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotMember.selector, keys[1].owner));
        subnet.expel(keys[1].owner, validators);
        subnet.expel(owner, validators);
        powers[0] = 0;
        same(subnet.status().life.voting, 4, "voting");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotMember.selector, owner));
        subnet.expel(owner, validators);
        checkMoney();
    }

    function test_last_validator_loses_stake_and_keeps_its_power() public {
        beginActive(1);
        first = nextCheckpoint();
        second = nextCheckpoint();
        second.stateRoot = keccak256("another state");
        ISubnet.Accusation[] memory all = only(accuse(0));
        vm.prank(SUBMITTER);
        subnet.proveEquivocation(first, second, all);
        same(subnet.status().life.voting, 1, "voting");
        submit(nextCheckpoint());
        ValidatorList memory validators = list();
        vm.expectRevert(abi.encodeWithSelector(Errors.LastValidator.selector, keys[0].owner));
        subnet.expel(keys[0].owner, validators);
        checkMoney();
    }
}
