// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {ISubnet} from "../src/ISubnet.sol";
import {Errors} from "../src/Errors.sol";
import {Validators} from "../src/libraries/Validators.sol";
import "../src/Types.sol";

/// @notice Acceptance: each rule in a case where it holds, where it is broken, and where it turns broken.
contract CheckpointsTest is World {
    function setUp() public {
        beginActive(4);
        fund(100 ether);
    }

    function test_checkpoints_follow_each_other() public {
        Checkpoint memory first = nextCheckpoint();
        submit(first);
        ISubnet.Status memory status = subnet.status();
        same(status.head.sequence, 1, "sequence");
        same(status.lastDigest, digestOf(first), "digest");
        same(status.chain, CHAIN, "identity");
        same(status.stateRoot, first.stateRoot, "state root");
        submit(nextCheckpoint());
        same(subnet.status().head.sequence, 2, "sequence");
        checkMoney();
    }

    function test_version_is_ours() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.version = 2;
        refuse(checkpoint, abi.encodeWithSelector(Errors.VersionMismatch.selector, 1, 2));
    }

    function test_identity_is_named_by_the_first_and_never_changes() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        (checkpoint.chain, checkpoint.previous) = (0, 0);
        refuse(checkpoint, abi.encodeWithSelector(Errors.WrongChain.selector, bytes32(0), bytes32(0)));
        submit(nextCheckpoint());
        checkpoint = nextCheckpoint();
        checkpoint.chain = bytes32(uint256(7));
        refuse(checkpoint, abi.encodeWithSelector(Errors.WrongChain.selector, CHAIN, bytes32(uint256(7))));
    }

    function test_repeated_checkpoint_is_refused() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        submit(checkpoint);
        refuse(checkpoint, abi.encodeWithSelector(Errors.CheckpointRepeated.selector, 1, 1));
    }

    function test_skipped_checkpoint_is_refused() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        (checkpoint.sequence, checkpoint.height) = (2, 20);
        refuse(checkpoint, abi.encodeWithSelector(Errors.CheckpointGap.selector, 1, 2));
    }

    function test_checkpoint_of_a_fork_is_refused() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.previous = bytes32(uint256(1));
        refuse(checkpoint, abi.encodeWithSelector(Errors.PreviousMismatch.selector, CHAIN, bytes32(uint256(1))));
        submit(nextCheckpoint());
        bytes32 last = subnet.status().lastDigest;
        checkpoint = nextCheckpoint();
        checkpoint.previous = CHAIN;
        refuse(checkpoint, abi.encodeWithSelector(Errors.PreviousMismatch.selector, last, CHAIN));
    }

    function test_height_is_sequence_times_period() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.height = 11;
        refuse(checkpoint, abi.encodeWithSelector(Errors.HeightMismatch.selector, 10, 11));
    }

    function test_upgrades_are_unknown() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.upgrade = bytes32(uint256(1));
        refuse(checkpoint, abi.encodeWithSelector(Errors.UnknownUpgrade.selector, bytes32(uint256(1))));
    }

    function test_batch_begins_with_the_next_nonce() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.messagesFirstNonce = 1;
        refuse(checkpoint, abi.encodeWithSelector(Errors.BatchNonceMismatch.selector, 0, 1));
        submit(one(transferTo(0, address(0xCAFE00), 1)));
        checkpoint = nextCheckpoint();
        checkpoint.messagesFirstNonce = 0;
        refuse(checkpoint, abi.encodeWithSelector(Errors.BatchNonceMismatch.selector, 1, 0));
    }

    function test_batch_has_a_shape() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.messagesCount = 1025;
        checkpoint.messagesRoot = bytes32(uint256(1));
        refuse(checkpoint, abi.encodeWithSelector(Errors.BatchTooLong.selector, 1025, 1024));
        checkpoint.messagesCount = 0;
        refuse(checkpoint, abi.encodeWithSelector(Errors.BatchShape.selector, 0, bytes32(uint256(1)), 0));
        (checkpoint.messagesCount, checkpoint.messagesRoot) = (1, 0);
        refuse(checkpoint, abi.encodeWithSelector(Errors.BatchShape.selector, 1, bytes32(0), 0));
        (checkpoint.messagesCount, checkpoint.messagesValue) = (0, 1);
        refuse(checkpoint, abi.encodeWithSelector(Errors.BatchShape.selector, 0, bytes32(0), 1));
    }

    function test_applied_nonce_neither_goes_back_nor_ahead() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.appliedNonce = 2;
        refuse(checkpoint, abi.encodeWithSelector(Errors.AppliedAhead.selector, 1, 2));
        checkpoint.appliedNonce = 1;
        submit(checkpoint);
        checkpoint = nextCheckpoint();
        checkpoint.appliedNonce = 0;
        refuse(checkpoint, abi.encodeWithSelector(Errors.AppliedGoesBack.selector, 1, 0));
    }

    function test_followed_height_neither_goes_back_nor_ahead() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.parentHeight = 1001;
        refuse(checkpoint, abi.encodeWithSelector(Errors.ParentHeightAhead.selector, 1000, 1001));
        checkpoint.parentHeight = 999;
        refuse(checkpoint, abi.encodeWithSelector(Errors.ParentHeightGoesBack.selector, 1000, 999));
    }

    function test_what_waits_longer_than_allowed_must_be_applied() public {
        vm.roll(2000);
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.parentHeight = 1101;
        refuse(checkpoint, abi.encodeWithSelector(Errors.ParentLag.selector, 1101, 1000, 100));
        checkpoint.parentHeight = 1100;
        submit(checkpoint);
        checkpoint = nextCheckpoint();
        (checkpoint.parentHeight, checkpoint.appliedNonce) = (2000, 1);
        submit(checkpoint);
    }

    function test_changes_that_wait_longer_than_allowed_must_be_applied() public {
        submit(appliedAll(nextCheckpoint()));
        ValidatorList memory signers = list();
        bytes32 made = joinFifth();
        vm.roll(2000);
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.parentHeight = 1101;
        bytes memory signatures = certificate4(checkpoint);
        vm.prank(SUBMITTER, SUBMITTER);
        vm.expectRevert(abi.encodeWithSelector(Errors.ParentLag.selector, 1101, 1000, 100));
        subnet.submitCheckpoint(checkpoint, signers, signatures, new CrossMessage[](0));
        (checkpoint.configuration, checkpoint.validatorsHash) = (2, made);
        signatures = certificate4(checkpoint);
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.submitCheckpoint(checkpoint, signers, signatures, new CrossMessage[](0));
        same(subnet.status().head.configuration, 2, "configuration");
        same(subnet.confirmation(0).number, 2, "confirmation");
        // From now on the new ones sign.
        refuseList(nextCheckpoint(), signers, made);
        submit(nextCheckpoint());
    }

    function appliedAll(Checkpoint memory checkpoint) private pure returns (Checkpoint memory) {
        checkpoint.appliedNonce = 1;
        return checkpoint;
    }

    function joinFifth() private returns (bytes32) {
        // The one whose address stands last, so that the first four keep their positions.
        join(keys.length - 1, STAKE);
        return subnet.status().newestHash;
    }

    function certificate4(Checkpoint memory checkpoint) private view returns (bytes memory) {
        return certificate(checkpoint, 3);
    }

    function refuseList(Checkpoint memory checkpoint, ValidatorList memory validators, bytes32 expected) private {
        bytes memory signatures = certificate(checkpoint, 3);
        bytes32 actual = this.hashOf(2, validators);
        vm.prank(SUBMITTER, SUBMITTER);
        vm.expectRevert(abi.encodeWithSelector(Errors.ValidatorsMismatch.selector, 2, expected, actual));
        subnet.submitCheckpoint(checkpoint, validators, signatures, new CrossMessage[](0));
    }

    function hashOf(uint64 number, ValidatorList calldata validators) external pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("subnet-runtime/settlement-validators/v1"),
                number,
                validators.totalPower,
                keccak256(validators.entries)
            )
        );
    }

    function test_configuration_is_one_that_was_made_and_its_hash_is_right() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        bytes32 hash = checkpoint.validatorsHash;
        checkpoint.configuration = 2;
        refuse(checkpoint, abi.encodeWithSelector(Errors.ConfigurationUnknown.selector, 1, 1, 2));
        checkpoint.configuration = 0;
        refuse(checkpoint, abi.encodeWithSelector(Errors.ConfigurationUnknown.selector, 1, 1, 0));
        (checkpoint.configuration, checkpoint.validatorsHash) = (1, bytes32(uint256(1)));
        refuse(checkpoint, abi.encodeWithSelector(Errors.ValidatorsMismatch.selector, 1, hash, bytes32(uint256(1))));
    }

    function test_release_above_custody_is_refused() public {
        Checkpoint memory checkpoint = nextCheckpoint(one(transferTo(0, address(0xCAFE00), 100 ether)));
        checkpoint.burned = 1;
        refuse(checkpoint, abi.encodeWithSelector(Errors.BeyondCustody.selector, 100 ether, 1, 100 ether));
        checkpoint.burned = type(uint256).max;
        refuse(
            checkpoint, abi.encodeWithSelector(Errors.BeyondCustody.selector, 100 ether, type(uint256).max, 100 ether)
        );
        checkpoint.burned = 0;
        submit(checkpoint);
        same(custody(), 0, "custody");
        same(subnet.status().money.reserved, 100 ether, "reserved");
        checkMoney();
    }

    function test_what_burned_leaves_the_custody_and_can_be_burned() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.burned = 3 ether;
        submit(checkpoint);
        same(custody(), 97 ether, "custody");
        same(subnet.status().ledger.burned, 3 ether, "burned");
        checkMoney();
        subnet.burn();
        same(address(0xff00000000000000000000000000000000000063).balance, 3 ether, "burnt funds");
        checkMoney();
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToPay.selector));
        subnet.burn();
    }

    function test_contracts_do_not_submit() public {
        Checkpoint memory checkpoint = nextCheckpoint();
        ValidatorList memory validators = list();
        bytes memory signatures = certificate(checkpoint, 3);
        vm.prank(address(this), SUBMITTER);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotDirect.selector, address(this), SUBMITTER));
        subnet.submitCheckpoint(checkpoint, validators, signatures, new CrossMessage[](0));
    }

    function test_nothing_is_accepted_before_activation() public {
        begin(chosen(2));
        prepareKeys(2);
        join(0, STAKE);
        Checkpoint memory checkpoint = nextCheckpoint();
        refuse(checkpoint, abi.encodeWithSelector(Errors.NotActive.selector, 1, 2));
        join(1, STAKE);
        submit(nextCheckpoint());
    }
}

/// @notice Certificates: every signature that does not count, by name.
contract CertificatesTest is World {
    Checkpoint private checkpoint;
    ValidatorList private validators;

    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function setUp() public {
        beginActive(4);
        checkpoint = nextCheckpoint();
        validators = list();
    }

    function expect(bytes memory signatures, bytes memory reason) private {
        vm.prank(SUBMITTER, SUBMITTER);
        if (reason.length != 0) vm.expectRevert(reason);
        subnet.submitCheckpoint(checkpoint, validators, signatures, new CrossMessage[](0));
    }

    /// @dev Signatures of the validators at these positions.
    function by(uint8[4] memory positions, uint256 count) private view returns (bytes memory signatures) {
        return byOver(positions, count, digestOf(checkpoint));
    }

    function byOver(uint8[4] memory positions, uint256 count, bytes32 digest_)
        private
        view
        returns (bytes memory signatures)
    {
        for (uint256 i = 0; i < count; ++i) {
            signatures = bytes.concat(
                signatures, abi.encodePacked(positions[i], signature(member(positions[i]).secret, digest_))
            );
        }
    }

    function member(uint256 position) private view returns (Key memory) {
        for (uint256 i = 0; i < keys.length; ++i) {
            if (powers[i] == 0) continue;
            if (position == 0) return keys[i];
            position -= 1;
        }
        revert Untrue("position is in the set");
    }

    function test_three_of_four_are_a_quorum_and_two_are_not() public {
        uint256 total = validators.totalPower;
        expect(by([0, 1, 0, 0], 2), abi.encodeWithSelector(Errors.BelowQuorum.selector, total / 2, total));
        expect("", abi.encodeWithSelector(Errors.BelowQuorum.selector, 0, total));
        expect(by([0, 2, 3, 0], 3), "");
    }

    function test_exactly_two_thirds_are_no_quorum() public {
        beginActive(3);
        (checkpoint, validators) = (nextCheckpoint(), list());
        uint256 total = validators.totalPower;
        expect(by([0, 1, 0, 0], 2), abi.encodeWithSelector(Errors.BelowQuorum.selector, total / 3 * 2, total));
        expect(by([0, 1, 2, 0], 3), "");
    }

    function test_repeated_signer_is_refused() public {
        expect(by([0, 1, 1, 0], 3), abi.encodeWithSelector(Errors.SignatureOrder.selector, 1, 1));
    }

    function test_signers_out_of_order_are_refused() public {
        expect(by([1, 0, 2, 0], 3), abi.encodeWithSelector(Errors.SignatureOrder.selector, 1, 0));
    }

    function test_signer_outside_of_the_set_is_refused() public {
        bytes memory stranger = abi.encodePacked(uint8(4), signature(7, digestOf(checkpoint)));
        expect(bytes.concat(by([0, 1, 0, 0], 2), stranger), abi.encodeWithSelector(Errors.SignerUnknown.selector, 4, 4));
    }

    function test_signature_of_a_stranger_is_refused() public {
        bytes memory stranger = abi.encodePacked(uint8(2), signature(7, digestOf(checkpoint)));
        expect(
            bytes.concat(by([0, 1, 0, 0], 2), stranger),
            abi.encodeWithSelector(Errors.SignatureMismatch.selector, 2, member(2).settlement, vm.addr(7))
        );
    }

    function test_what_is_no_signature_is_refused() public {
        bytes memory broken = abi.encodePacked(uint8(0), bytes32(uint256(1)), bytes32(uint256(1)), uint8(29));
        expect(broken, abi.encodeWithSelector(Errors.SignatureMismatch.selector, 0, member(0).settlement, address(0)));
    }

    function test_high_s_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(member(0).secret, digestOf(checkpoint));
        bytes32 high = bytes32(ORDER - uint256(s));
        bytes memory other = abi.encodePacked(uint8(0), r, high, v == 27 ? uint8(28) : uint8(27));
        expect(other, abi.encodeWithSelector(Errors.SignatureHighS.selector, 0, high));
    }

    function test_signatures_cut_short_are_refused() public {
        bytes memory signatures = by([0, 1, 2, 0], 3);
        assembly ("memory-safe") {
            mstore(signatures, sub(mload(signatures), 1))
        }
        expect(signatures, abi.encodeWithSelector(Errors.SignaturesLength.selector, 197, 66));
    }

    function expectOver(bytes32 other) private {
        bytes memory signatures = byOver([0, 1, 2, 0], 3, other);
        vm.prank(SUBMITTER, SUBMITTER);
        (bool isAccepted, bytes memory reason) = address(subnet)
            .call(abi.encodeCall(ISubnet.submitCheckpoint, (checkpoint, validators, signatures, new CrossMessage[](0))));
        holds(!isAccepted, "signatures over something else are refused");
        same(bytes32(bytes4(reason)), bytes32(Errors.SignatureMismatch.selector), "error");
    }

    function test_signatures_over_another_checkpoint_chain_or_contract_are_refused() public {
        Checkpoint memory other = nextCheckpoint();
        other.stateRoot = bytes32(uint256(1));
        expectOver(digestOf(other));
        expectOver(this.digest(bytes32(uint256(1)), actorHash(), checkpoint));
        expectOver(this.digest(subnet.PARENT(), keccak256("another contract"), checkpoint));
        expect(by([0, 1, 2, 0], 3), "");
    }

    function test_identity_of_the_parent_names_chain_and_registry() public {
        bytes32 tag = keccak256("subnet-runtime/evm-parent/v1");
        same(subnet.PARENT(), keccak256(abi.encode(tag, block.chainid, address(registry))), "this parent");
        bytes32 before = subnet.PARENT();
        holds(deploy().IDENTITY() != before, "another registry is another parent");
        vm.chainId(314);
        registry = deploy();
        same(registry.IDENTITY(), keccak256(abi.encode(tag, 314, address(registry))), "Filecoin as the parent");
    }

    function test_list_that_does_not_match_the_hash_is_refused() public {
        bytes memory signatures = by([0, 1, 2, 0], 3);
        ValidatorList memory other = list();
        other.totalPower -= 1;
        refuseList(other, signatures);
        other = list();
        other.entries[27] = bytes1(uint8(other.entries[27]) + 1);
        refuseList(other, signatures);
        other = list();
        other.entries = bytes.concat(other.entries, bytes28(0));
        refuseList(other, signatures);
    }

    function refuseList(ValidatorList memory other, bytes memory signatures) private {
        vm.prank(SUBMITTER, SUBMITTER);
        (bool isAccepted, bytes memory reason) = address(subnet)
            .call(abi.encodeCall(ISubnet.submitCheckpoint, (checkpoint, other, signatures, new CrossMessage[](0))));
        holds(!isAccepted, "another list is refused");
        same(bytes32(bytes4(reason)), bytes32(Errors.ValidatorsMismatch.selector), "error");
    }

    function countOf(bytes calldata entries) external pure returns (uint256) {
        return Validators.count(entries);
    }

    /// @dev A list of another length never has a configuration's hash; the library does not rely on it.
    function test_list_has_whole_entries() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.EntriesLength.selector, 29, 28));
        this.countOf(new bytes(29));
        same(this.countOf(new bytes(56)), 2, "two of them");
    }

    function test_what_follows_a_quorum_is_not_looked_at() public {
        expect(bytes.concat(by([0, 1, 2, 0], 3), new bytes(66)), "");
    }

    /// @dev Plain arithmetic in more bits than the contract's as the oracle.
    function testFuzz_quorum_is_strictly_more_than_two_thirds(uint64[5] memory stakes, uint8 signers) public {
        Parameters memory params = chosen(5);
        begin(params);
        prepareKeys(5);
        uint256 total = 0;
        for (uint256 i = 0; i < 5; ++i) {
            uint256 amount = 1 ether + uint256(stakes[i]);
            join(i, amount);
            total += amount / 1e9;
        }
        (checkpoint, validators) = (nextCheckpoint(), list());
        uint256 signed = 0;
        bytes memory signatures;
        bytes32 digest_ = digestOf(checkpoint);
        for (uint256 i = 0; i < 5; ++i) {
            if (signers >> i & 1 == 0) continue;
            signatures = bytes.concat(signatures, abi.encodePacked(uint8(i), signature(keys[i].secret, digest_)));
            signed += powers[i];
        }
        bool isQuorum = 3 * signed > 2 * total;
        expect(signatures, isQuorum ? bytes("") : abi.encodeWithSelector(Errors.BelowQuorum.selector, signed, total));
    }
}
