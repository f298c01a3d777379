// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {Burner, CallActorMock, Receiver, Reenterer, Refuser, ResolveAddressMock, Shouter} from "./base/Recipients.sol";
import {Courier, ICrossReceiver} from "../src/Courier.sol";
import {ISubnet} from "../src/ISubnet.sol";
import {Errors} from "../src/Errors.sol";
import {Addresses} from "../src/libraries/Addresses.sol";
import {Protocol} from "../src/libraries/Protocol.sol";
import "../src/Types.sol";

/// @notice Messages up: who is paid, what is refused, and that nobody costs more than their own message.
contract DeliveryTest is World {
    address private constant ALICE = address(0xA11CE00);
    address private constant CALL_ACTOR = 0xfe00000000000000000000000000000000000003;
    bytes private constant F1 = hex"01bccafce0b3010a52143dc6f093151d131e1a3fcf";

    function setUp() public virtual {
        beginActive(4);
        fund(100 ether);
    }

    /// @dev The newest message in the queue down.
    function newest() private view returns (QueuedMessage memory) {
        return subnet.queued(subnet.status().life.nextNonce - 1);
    }

    function expectAnswer(CrossMessage memory message, uint64 exitCode, uint256 value) private view {
        QueuedMessage memory receipt = newest();
        same(receipt.kind, KIND_RECEIPT, "kind");
        same(receipt.number, exitCode, "exit code");
        same(receipt.value, value, "value that goes back");
        same(receipt.destination, message.origin.account, "for the sender");
        same(receipt.origin, message.destination.account, "from the destination");
        same(bytes32(receipt.data), message.id, "answered id");
        checkMoney();
    }

    /// @dev Delivers one message, which is refused with this code: its value is back in the custody.
    function expectRefusal(CrossMessage memory message, uint64 exitCode) private {
        uint256 before = custody();
        submit(one(message));
        expectAnswer(message, exitCode, message.value);
        same(custody(), before, "custody");
    }

    // --- recipients
    // ---------------------------------------------------------------------------------------------------

    function test_transfer_to_an_account_is_paid() public {
        submit(one(transferTo(0, ALICE, 3 ether)));
        same(ALICE.balance, 3 ether, "balance");
        same(custody(), 97 ether, "custody");
        same(subnet.status().cursor.nextDeliveryNonce, 1, "cursor");
        same(subnet.batch(1).count, 0, "nothing of the batch is stored");
        same(subnet.status().life.nextNonce, 1, "nothing goes back");
        checkMoney();
    }

    function test_transfer_to_a_contract_is_paid() public {
        Receiver receiver = new Receiver();
        submit(one(transferTo(0, address(receiver), 3 ether)));
        same(address(receiver).balance, 3 ether, "balance");
        checkMoney();
    }

    function nativeOf(bytes memory account) private pure returns (address) {
        return address(uint160(uint256(keccak256(account))));
    }

    function payNative(bytes memory account) private {
        vm.etch(CALL_ACTOR, address(new CallActorMock()).code);
        submit(one(transfer(subnet.status().cursor.nextBatchNonce, account, 1 ether)));
    }

    function test_native_accounts_are_paid_through_the_precompile() public {
        bytes memory f3 = bytes.concat(hex"03", new bytes(48));
        bytes memory f2 = hex"02cecc05fe567ed3c4ad02d41f186978e7edadd891";
        payNative(F1);
        payNative(f3);
        payNative(f2);
        same(nativeOf(F1).balance, 1 ether, "f1");
        same(nativeOf(f3).balance, 1 ether, "f3");
        same(nativeOf(f2).balance, 1 ether, "f2");
        same(custody(), 97 ether, "custody");
        checkMoney();
    }

    function test_masked_id_is_paid_as_its_actor() public {
        payNative(abi.encodePacked(hex"040a", Addresses.maskedId(1234)));
        same(nativeOf(hex"00d209").balance, 1 ether, "f01234");
        checkMoney();
    }

    /// @dev By its id it would be paid without a call, so that the value would be nobody's.
    function test_ids_of_the_contract_and_its_courier_are_refused() public {
        vm.etch(0xFE00000000000000000000000000000000000001, address(new ResolveAddressMock()).code);
        address[2] memory own = [address(subnet), subnet.COURIER()];
        for (uint64 i = 0; i < 2; ++i) {
            address masked = Addresses.maskedId(uint64(uint16(uint160(own[i]))) + 100);
            expectRefusal(transfer(i, abi.encodePacked(hex"040a", masked), 1 ether), EXIT_FORBIDDEN);
        }
        payNative(abi.encodePacked(hex"040a", Addresses.maskedId(99_999)));
        same(custody(), 99 ether, "another one is paid");
    }

    function test_exit_code_of_a_native_transfer_is_told() public {
        bytes memory refuses = hex"01bccafce0b3010a52143dc6f093151d131e1a3fdd";
        payNative(refuses);
        expectAnswer(transfer(0, refuses, 1 ether), 16, 1 ether);
        bytes memory missing = hex"01bccafce0b3010a52143dc6f093151d131e1a3fee";
        payNative(missing);
        expectAnswer(transfer(1, missing, 1 ether), EXIT_REVERTED, 1 ether);
        same(custody(), 100 ether, "custody");
    }

    function test_native_transfer_fails_where_there_is_no_precompile() public {
        expectRefusal(transfer(0, F1, 1 ether), EXIT_REVERTED);
    }

    // --- what is refused
    // ----------------------------------------------------------------------------------------------

    function test_forged_origin_goes_back_without_an_answer() public {
        CrossMessage memory message = transferTo(0, ALICE, 3 ether);
        message.origin.subnet = rootName;
        submit(one(message));
        message = transferTo(1, ALICE, 3 ether);
        message.origin.subnet = string.concat(ownName, "x");
        submit(one(message));
        same(custody(), 100 ether, "custody");
        same(subnet.status().life.nextNonce, 1, "no answer");
        checkMoney();
    }

    /// @dev An answer stores addresses and the way back: what no gas could store would hold up all behind it.
    function test_addresses_that_no_chain_has_cost_only_their_message() public {
        CrossMessage[] memory messages = new CrossMessage[](4);
        messages[0] = transfer(0, new bytes(67), 1 ether);
        messages[1] = transferTo(1, ALICE, 1 ether);
        messages[1].origin.account = new bytes(20_000);
        messages[2] = transferTo(2, ALICE, 1 ether);
        messages[2].origin.subnet = string.concat(ownName, "/", string(new bytes(2_000)));
        messages[3] = transferTo(3, ALICE, 1 ether);
        submit(messages);
        same(ALICE.balance, 1 ether, "the last one's balance");
        same(subnet.status().life.nextNonce, 1, "no answer");
        same(custody(), 99 ether, "what cannot be answered is back");
        checkMoney();
    }

    function test_fifty_messages_come_with_one_checkpoint() public {
        CrossMessage[] memory all = several(50);
        submit(all);
        same(subnet.status().cursor.nextDeliveryNonce, 50, "cursor");
        same(subnet.batch(1).count, 0, "nothing waits");
        for (uint256 i = 0; i < 50; ++i) {
            same(address(uint160(0xB0B000 + i)).balance, 1 ether, "each was paid once");
        }
        checkMoney();
    }

    function test_courier_says_why_nothing_was_delivered() public {
        Courier courier = Courier(subnet.COURIER());
        address refuser = address(new Refuser());
        vm.deal(address(subnet), address(subnet).balance + 1);
        vm.prank(address(subnet));
        vm.expectRevert(abi.encodeWithSelector(Courier.Undelivered.selector, EXIT_REVERTED));
        courier.pay{value: 1}(refuser, 1_000_000);
    }

    function test_receipt_for_what_is_no_address_goes_back() public {
        CrossMessage memory receipt = transfer(0, hex"05", 1 ether);
        receipt.kind = KIND_RECEIPT;
        submit(one(receipt));
        same(custody(), 100 ether, "custody");
        same(subnet.status().ledger.unclaimed, 0, "nobody could claim it");
        checkMoney();
    }

    function test_origin_below_the_subnet_is_within_it() public {
        CrossMessage memory message = transferTo(0, ALICE, 3 ether);
        message.origin.subnet = string.concat(ownName, "/f2abc");
        message.wantsReceipt = true;
        submit(one(message));
        same(ALICE.balance, 3 ether, "balance");
        expectAnswer(message, 0, 0);
        same(bytes(newest().route), bytes("/f2abc"), "the answer's way");
    }

    function test_message_that_did_not_leave_the_subnet_is_refused() public {
        CrossMessage memory message = transferTo(0, ALICE, 3 ether);
        message.destination.subnet = ownName;
        expectRefusal(message, EXIT_WRONG_DIRECTION);
    }

    function test_message_for_another_chain_is_refused() public {
        CrossMessage memory message = transferTo(0, ALICE, 3 ether);
        message.destination.subnet = "/r1";
        expectRefusal(message, EXIT_NO_ROUTE);
        message = transferTo(1, ALICE, 3 ether);
        message.destination.subnet = string.concat(rootName, "/f2abc");
        expectRefusal(message, EXIT_NO_ROUTE);
    }

    function test_expired_message_is_refused() public {
        CrossMessage memory message = transferTo(0, ALICE, 3 ether);
        (message.expires, message.expiresAt) = (true, 1000);
        expectRefusal(message, EXIT_EXPIRED);
        message = transferTo(1, ALICE, 3 ether);
        (message.expires, message.expiresAt) = (true, 1001);
        submit(one(message));
        same(ALICE.balance, 3 ether, "balance");
    }

    function test_ids_and_what_is_no_address_are_refused() public {
        expectRefusal(transfer(0, hex"00d209", 1 ether), EXIT_RECIPIENT);
        expectRefusal(transfer(1, hex"", 1 ether), EXIT_RECIPIENT);
        expectRefusal(transfer(2, hex"0102", 1 ether), EXIT_RECIPIENT);
        expectRefusal(transfer(3, hex"05", 1 ether), EXIT_RECIPIENT);
        expectRefusal(transfer(4, hex"040b00", 1 ether), EXIT_RECIPIENT);
    }

    function test_contracts_of_the_protocol_are_refused() public {
        uint64 nonce = 0;
        address[7] memory forbidden = [
            address(subnet),
            subnet.COURIER(),
            address(registry),
            address(9),
            CALL_ACTOR,
            address(0xff00000000000000000000000000000000000063),
            address(0)
        ];
        for (; nonce < forbidden.length; ++nonce) {
            bytes memory account = abi.encodePacked(hex"040a", forbidden[nonce]);
            expectRefusal(transfer(nonce, account, 1 ether), EXIT_FORBIDDEN);
        }
        ISubnet ours = subnet;
        bytes memory code = codeOf("Subnet");
        address sibling = registry.create(code, chosen(2), "sibling");
        same(address(ours), address(subnet), "the same subnet");
        expectRefusal(transferTo(nonce, sibling, 1 ether), EXIT_FORBIDDEN);
    }

    // --- calls
    // --------------------------------------------------------------------------------------------------------

    function call(uint64 nonce, address to, uint256 value) private view returns (CrossMessage memory message) {
        message = transferTo(nonce, to, value);
        (message.kind, message.number, message.data, message.gasLimit) = (KIND_CALL, 77, hex"0102", 30_000_000);
    }

    function test_call_reaches_its_contract_through_the_courier() public {
        Receiver receiver = new Receiver();
        CrossMessage memory message = call(0, address(receiver), 2 ether);
        submit(one(message));
        same(receiver.caller(), subnet.COURIER(), "caller");
        same(receiver.calledId(), message.id, "id");
        same(receiver.originHash(), keccak256(abi.encode(message.origin)), "origin");
        same(receiver.method(), 77, "method");
        same(receiver.params(), hex"0102", "parameters");
        same(receiver.came(), 2 ether, "value");
        same(address(receiver).balance, 2 ether, "balance");
        expectAnswer(message, 0, 0);
        same(newest().data, abi.encodePacked(message.id, message.originSequence, hex"a1"), "what it returned");
        same(address(subnet.COURIER()).balance, 0, "the courier holds nothing");
    }

    function test_call_of_an_account_is_a_payment() public {
        CrossMessage memory message = call(0, ALICE, 2 ether);
        submit(one(message));
        same(ALICE.balance, 2 ether, "balance");
        expectAnswer(message, 0, 0);
    }

    function test_call_that_fails_costs_only_itself() public {
        expectRefusal(call(0, address(new Refuser()), 2 ether), EXIT_REVERTED);
        expectRefusal(call(1, address(new Burner()), 2 ether), EXIT_REVERTED);
        expectRefusal(call(2, address(new Shouter(100_000)), 2 ether), EXIT_RETURN_TOO_LARGE);
        expectRefusal(call(3, address(new Shouter(0)), 2 ether), EXIT_BAD_RETURN);
        expectRefusal(call(4, address(new Shouter(64)), 2 ether), EXIT_BAD_RETURN);
        Receiver receiver = new Receiver();
        receiver.setAnswer(new bytes(4097));
        expectRefusal(call(5, address(receiver), 2 ether), EXIT_RETURN_TOO_LARGE);
        receiver.setAnswer(new bytes(4096));
        CrossMessage memory message = call(6, address(receiver), 2 ether);
        submit(one(message));
        expectAnswer(message, 0, 0);
    }

    function test_call_that_asks_for_too_much_gas_is_refused() public {
        CrossMessage memory message = call(0, ALICE, 2 ether);
        message.gasLimit = CALL_GAS_MAX + 1;
        expectRefusal(message, EXIT_GAS_LIMIT);
    }

    function test_native_actors_cannot_be_called() public {
        CrossMessage memory message = call(0, ALICE, 2 ether);
        message.destination.account = hex"02cecc05fe567ed3c4ad02d41f186978e7edadd891";
        expectRefusal(message, EXIT_NO_DESTINATION);
    }

    function test_courier_serves_its_subnet_only() public {
        Courier courier = Courier(subnet.COURIER());
        bytes memory reason = abi.encodeWithSelector(Courier.NotSubnet.selector, address(this));
        vm.expectRevert(reason);
        courier.pay(ALICE, 1);
        vm.expectRevert(reason);
        courier.payActor(F1);
        vm.expectRevert(reason);
        courier.carry(ALICE, 1, "");
        vm.expectRevert(reason);
        courier.notify(ALICE, 1, "");
    }

    // --- hostile recipients
    // -------------------------------------------------------------------------------------------

    function test_hostile_recipient_costs_only_its_own_message() public {
        CrossMessage[] memory messages = new CrossMessage[](5);
        messages[0] = transferTo(0, address(new Refuser()), 1 ether);
        messages[1] = transferTo(1, address(new Burner()), 1 ether);
        messages[2] = transferTo(2, address(new Shouter(1_000_000)), 1 ether);
        messages[3] = transferTo(3, address(subnet), 1 ether);
        messages[4] = transferTo(4, ALICE, 1 ether);
        submit(messages);
        same(ALICE.balance, 1 ether, "the last one's balance");
        same(subnet.status().cursor.nextDeliveryNonce, 5, "cursor");
        // The refuser's, the burner's and the subnet's own are answered; what the shouter returned nobody copied.
        same(subnet.status().life.nextNonce, 4, "answers");
        same(custody(), 98 ether, "custody");
        checkMoney();
    }

    function test_recipient_cannot_nest() public {
        Reenterer reenterer = new Reenterer(subnet);
        CrossMessage[] memory messages = new CrossMessage[](2);
        messages[0] = transferTo(0, address(reenterer), 1 ether);
        messages[1] = transferTo(1, ALICE, 1 ether);
        Checkpoint memory checkpoint = nextCheckpoint(messages);
        ValidatorList memory validators = list();
        bytes memory signatures = certificate(checkpoint, 3);
        reenterer.attempt(
            abi.encodeCall(ISubnet.submitCheckpoint, (checkpoint, validators, signatures, new CrossMessage[](0)))
        );
        reenterer.attempt(abi.encodeCall(ISubnet.deliverBatch, (1, messages, new bytes32[](0))));
        reenterer.attempt(abi.encodeCall(ISubnet.claimUnclaimed, (Addresses.ofEthereum(ALICE))));
        reenterer.attempt(abi.encodeCall(ISubnet.burn, ()));
        reenterer.attempt(abi.encodeCall(ISubnet.beginExit, ()));
        reenterer.attempt(abi.encodeCall(ISubnet.refund, (0)));
        reenterer.attempt(abi.encodeCall(ISubnet.leaveSubnet, (validators)));
        reenterer.attempt(abi.encodeCall(ISubnet.carryTokens, (ALICE, 1, 1, "")));
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.submitCheckpoint(checkpoint, validators, signatures, messages);
        same(reenterer.refused(), 8, "attempts that were refused");
        same(reenterer.passed(), 0, "attempts that passed");
        same(ALICE.balance, 1 ether, "the next one's balance");
        checkMoney();
    }

    function test_contract_that_is_called_may_send() public {
        Relay relay = new Relay(subnet);
        CrossMessage memory message = call(0, address(relay), 2 ether);
        message.gasLimit = 100_000_000;
        submit(one(message));
        same(custody(), 100 ether, "what came went back down");
        same(subnet.status().life.nextNonce, 3, "its message and the answer");
        same(subnet.queued(1).value, 2 ether, "its message");
        same(subnet.queued(1).origin, Addresses.ofEthereum(address(relay)), "its sender");
        checkMoney();
    }

    // --- slices
    // -------------------------------------------------------------------------------------------------------

    function several(uint256 count) private view returns (CrossMessage[] memory messages) {
        messages = new CrossMessage[](count);
        for (uint256 i = 0; i < count; ++i) {
            messages[i] = transferTo(uint64(i), address(uint160(0xB0B000 + i)), 1 ether);
        }
    }

    function deliver(uint64 sequence, CrossMessage[] memory messages, bytes32[] memory proof, bytes memory reason)
        private
    {
        vm.prank(SUBMITTER, SUBMITTER);
        if (reason.length != 0) vm.expectRevert(reason);
        subnet.deliverBatch(sequence, messages, proof);
    }

    function test_batch_is_delivered_in_slices_with_proofs() public {
        CrossMessage[] memory all = several(7);
        submit(nextCheckpoint(all));
        same(subnet.batch(1).count, 7, "the batch waits");
        deliver(1, slice(all, 0, 3), proofOf(all, 0, 3), "");
        same(subnet.status().cursor.nextDeliveryNonce, 3, "cursor");
        // One that overlaps what was delivered goes on from the cursor.
        deliver(1, slice(all, 1, 5), proofOf(all, 1, 5), "");
        same(subnet.status().cursor.nextDeliveryNonce, 5, "cursor");
        deliver(1, slice(all, 5, 7), proofOf(all, 5, 7), "");
        same(subnet.batch(1).count, 0, "nothing waits");
        same(subnet.status().money.reserved, 0, "reserved");
        for (uint256 i = 0; i < 7; ++i) {
            same(address(uint160(0xB0B000 + i)).balance, 1 ether, "each was paid once");
        }
        checkMoney();
    }

    function test_slices_that_bring_nothing_new_or_leave_a_gap_are_refused() public {
        CrossMessage[] memory all = several(5);
        submit(nextCheckpoint(all));
        deliver(1, slice(all, 0, 2), proofOf(all, 0, 2), "");
        deliver(1, slice(all, 0, 2), proofOf(all, 0, 2), abi.encodeWithSelector(Errors.Delivered.selector, 2, 2));
        deliver(1, slice(all, 3, 5), proofOf(all, 3, 5), abi.encodeWithSelector(Errors.NotInTurn.selector, 3, 2));
        deliver(1, new CrossMessage[](0), new bytes32[](0), abi.encodeWithSelector(Errors.BatchEmpty.selector));
        deliver(2, all, new bytes32[](0), abi.encodeWithSelector(Errors.NothingWaits.selector, 2));
        deliver(0, all, new bytes32[](0), abi.encodeWithSelector(Errors.NothingWaits.selector, 0));
        deliver(
            type(uint64).max,
            all,
            new bytes32[](0),
            abi.encodeWithSelector(Errors.NothingWaits.selector, type(uint64).max)
        );
        deliver(1, slice(all, 2, 5), proofOf(all, 2, 5), "");
        deliver(1, slice(all, 2, 5), proofOf(all, 2, 5), abi.encodeWithSelector(Errors.NothingWaits.selector, 1));
    }

    function test_messages_that_do_not_match_the_root_are_refused() public {
        CrossMessage[] memory all = several(5);
        Checkpoint memory checkpoint = nextCheckpoint(all);
        submit(checkpoint);
        bytes32[] memory proof = proofOf(all, 1, 3);
        CrossMessage[] memory part = slice(several(5), 0, 2);
        deliver(1, part, proof, abi.encodeWithSelector(Errors.ProofLength.selector, proof.length));
        part[1].value -= 1;
        part[0].value += 1;
        proof = proofOf(all, 0, 2);
        vm.prank(SUBMITTER, SUBMITTER);
        vm.expectPartialRevert(Errors.RootMismatch.selector);
        subnet.deliverBatch(1, part, proof);
        part = slice(several(5), 0, 2);
        part[1].nonce = 2;
        deliver(1, part, proofOf(all, 0, 2), abi.encodeWithSelector(Errors.BatchNonces.selector, 1, 2));
        bytes32[] memory longer = new bytes32[](1);
        deliver(1, all, longer, abi.encodeWithSelector(Errors.ProofLength.selector, 1));
        deliver(1, all, new bytes32[](0), "");
        same(subnet.status().money.reserved, 0, "reserved");
    }

    function test_messages_with_a_checkpoint_are_its_whole_batch() public {
        CrossMessage[] memory all = several(3);
        Checkpoint memory checkpoint = nextCheckpoint(all);
        refuse(checkpoint, slice(all, 0, 2), abi.encodeWithSelector(Errors.BatchBounds.selector, 0, 2, 0, 3));
        CrossMessage[] memory other = several(3);
        other[2].value += 1;
        refuse(checkpoint, other, abi.encodeWithSelector(Errors.BatchValue.selector, 3 ether, 1 ether + 1));
        refuse(nextCheckpoint(), all, abi.encodeWithSelector(Errors.BatchBounds.selector, 0, 3, 0, 0));
        submit(checkpoint, all);
    }

    /// @dev A pair at an even position further on hashes to the same root; only the bounds tell.
    function test_batch_of_messages_with_other_nonces_is_refused() public {
        CrossMessage[] memory all = several(4);
        CrossMessage[] memory later = slice(all, 2, 4);
        Checkpoint memory checkpoint = nextCheckpoint(later);
        refuse(checkpoint, later, abi.encodeWithSelector(Errors.BatchBounds.selector, 2, 4, 0, 2));
        submit(checkpoint);
        deliver(1, later, new bytes32[](0), abi.encodeWithSelector(Errors.BatchBounds.selector, 2, 4, 0, 2));
    }

    function test_batch_delivers_exactly_its_declared_value() public {
        CrossMessage[] memory all = several(3);
        Checkpoint memory checkpoint = nextCheckpoint(all);
        checkpoint.messagesValue += 1;
        refuse(checkpoint, all, abi.encodeWithSelector(Errors.BatchValue.selector, 3 ether + 1, 3 ether));
        checkpoint.messagesValue -= 2;
        refuse(checkpoint, all, abi.encodeWithSelector(Errors.BatchValue.selector, 3 ether - 1, 1 ether));
        submit(checkpoint);
        deliver(1, slice(all, 0, 2), proofOf(all, 0, 2), "");
        deliver(
            1,
            slice(all, 2, 3),
            proofOf(all, 2, 3),
            abi.encodeWithSelector(Errors.BatchValue.selector, 3 ether - 1, 1 ether)
        );
    }

    function test_amounts_that_overflow_are_refused() public {
        CrossMessage memory message = transferTo(0, ALICE, 1 ether);
        Checkpoint memory checkpoint = nextCheckpoint(one(message));
        message.value = type(uint256).max;
        message.fee = 2;
        checkpoint.messagesRoot = rootOf(one(message));
        refuse(checkpoint, one(message), abi.encodeWithSelector(Errors.BatchValue.selector, 1 ether, type(uint256).max));
    }

    function test_later_batch_waits_for_the_earlier_one() public {
        CrossMessage[] memory first = several(2);
        submit(nextCheckpoint(first));
        CrossMessage[] memory second = one(transferTo(2, ALICE, 1 ether));
        submit(second);
        same(ALICE.balance, 0, "not in turn");
        deliver(2, second, new bytes32[](0), abi.encodeWithSelector(Errors.NotInTurn.selector, 2, 0));
        deliver(1, first, new bytes32[](0), "");
        deliver(2, second, new bytes32[](0), "");
        same(ALICE.balance, 1 ether, "balance");
        checkMoney();
    }

    function test_too_little_gas_fails_no_message() public {
        CrossMessage[] memory all = several(3);
        // The second one needs more than the others.
        (all[1].kind, all[1].gasLimit) = (KIND_CALL, 200_000_000);
        Checkpoint memory checkpoint = nextCheckpoint(all);
        ValidatorList memory validators = list();
        bytes memory signatures = certificate(checkpoint, 3);
        vm.prank(SUBMITTER, SUBMITTER);
        // Enough for acceptance and for none of the messages.
        subnet.submitCheckpoint{gas: 90_000_000}(checkpoint, validators, signatures, all);
        same(subnet.status().cursor.nextDeliveryNonce, 0, "cursor");
        same(subnet.batch(1).count, 3, "the batch waits");
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.deliverBatch{gas: 200_000_000}(1, all, new bytes32[](0));
        same(subnet.status().cursor.nextDeliveryNonce, 1, "one had its gas");
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.deliverBatch{gas: 200_000_000}(1, all, new bytes32[](0));
        same(subnet.status().cursor.nextDeliveryNonce, 1, "the next one never has it, and still does not fail");
        deliver(1, all, new bytes32[](0), "");
        same(subnet.status().cursor.nextDeliveryNonce, 3, "the others later");
        same(subnet.queued(1).number, 0, "the call was answered with success");
        checkMoney();
    }

    function test_deliveries_are_a_transaction_of_their_own() public {
        CrossMessage[] memory all = several(2);
        submit(nextCheckpoint(all));
        vm.prank(address(this), SUBMITTER);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotDirect.selector, address(this), SUBMITTER));
        subnet.deliverBatch(1, all, new bytes32[](0));
    }

    function testFuzz_any_slices_in_any_order_deliver_each_message_once(uint8 count, uint256 seed) public {
        count = uint8(2 + count % 12);
        CrossMessage[] memory all = several(count);
        submit(nextCheckpoint(all));
        for (uint256 step = 0; step < 8; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 first = seed % count;
            uint256 end = first + 1 + (seed >> 8) % (count - first);
            uint64 cursor = subnet.status().cursor.nextDeliveryNonce;
            CrossMessage[] memory part = slice(all, first, end);
            bytes32[] memory proof = proofOf(all, first, end);
            vm.prank(SUBMITTER, SUBMITTER);
            (bool isDone,) = address(subnet).call(abi.encodeCall(ISubnet.deliverBatch, (1, part, proof)));
            holds(isDone == (first <= cursor && end > cursor), "a slice is taken when it reaches beyond the cursor");
            same(subnet.status().cursor.nextDeliveryNonce, isDone ? end : cursor, "cursor");
            checkMoney();
        }
        uint256 delivered = subnet.status().cursor.nextDeliveryNonce;
        for (uint256 i = 0; i < count; ++i) {
            same(address(uint160(0xB0B000 + i)).balance, i < delivered ? 1 ether : 0, "paid once, when delivered");
        }
        same(subnet.status().money.reserved, (count - delivered) * 1 ether, "reserved");
    }

    /// @dev Whatever stands in a message of a signed batch, it costs only itself and no money appears or is lost.
    function testFuzz_no_message_stops_those_behind_it(
        uint8 kind,
        bytes calldata account,
        bytes calldata data,
        uint64 gasLimit,
        uint64 number,
        uint96 value,
        uint96 fee,
        uint8 shape
    ) public {
        CrossMessage[] memory messages = new CrossMessage[](2);
        CrossMessage memory odd = transfer(0, account, value % 10 ether);
        (odd.kind, odd.data, odd.gasLimit, odd.number, odd.fee) = (kind % 4, data, gasLimit, number, fee % 10 ether);
        if (shape & 1 == 1) odd.destination.account = abi.encodePacked(hex"040a", bytes20(keccak256(account)));
        if (shape & 2 == 2) odd.destination.subnet = string(account);
        if (shape & 4 == 4) odd.origin.subnet = string.concat(ownName, "/", string(data));
        if (shape & 8 == 8) odd.origin.account = data;
        if (shape & 16 == 16) (odd.answered, odd.answeredSequence) = (keccak256(data), number);
        (odd.wantsReceipt, odd.expires, odd.expiresAt) = (shape & 32 == 32, shape & 64 == 64, number);
        messages[0] = odd;
        messages[1] = transferTo(1, ALICE, 1 ether);
        submit(messages);
        same(subnet.status().cursor.nextDeliveryNonce, 2, "cursor");
        same(ALICE.balance, 1 ether, "the next one's balance");
        checkMoney();
    }
}

/// @notice Sends what it gets back down.
contract Relay {
    ISubnet private immutable SUBNET;

    constructor(ISubnet subnet) {
        SUBNET = subnet;
    }

    function receiveCrossCall(bytes32, CrossAddress calldata, uint64, bytes calldata, uint256)
        external
        payable
        returns (bytes memory)
    {
        SUBNET.fund{value: msg.value}(Addresses.ofEthereum(address(0xD0)), msg.value);
        return "";
    }
}
