// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {CallActorMock, Receiver, Refuser, ResolveAddressMock, Token} from "./base/Recipients.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ISubnet} from "../src/ISubnet.sol";
import {Registry} from "../src/Registry.sol";
import {Errors} from "../src/Errors.sol";
import {Addresses} from "../src/libraries/Addresses.sol";
import {Protocol} from "../src/libraries/Protocol.sol";
import "../src/Types.sol";

/// @notice Messages down and the receipts that come back for them.
contract SendingTest is World {
    address private constant ALICE = address(0xA11CE00);
    bytes private constant F1 = hex"01bccafce0b3010a52143dc6f093151d131e1a3fcf";
    bytes private constant F2 = hex"02cecc05fe567ed3c4ad02d41f186978e7edadd891";

    function setUp() public {
        beginActive(4);
        vm.deal(ALICE, 1000 ether);
    }

    function plain() private pure returns (ISubnet.Send memory request) {
        request.account = F1;
    }

    function send(ISubnet.Send memory request, uint256 amount) private returns (uint64) {
        vm.prank(ALICE);
        return subnet.send{value: amount}(request, amount);
    }

    function refuseSend(ISubnet.Send memory request, uint256 amount, bytes memory reason) private {
        vm.prank(ALICE);
        vm.expectRevert(reason);
        subnet.send{value: amount}(request, amount);
    }

    function test_funds_are_locked_and_queued() public {
        vm.prank(ALICE);
        uint64 nonce = subnet.fund{value: 5 ether}(F1, 5 ether);
        same(nonce, 0, "nonce");
        QueuedMessage memory message = subnet.queued(0);
        same(message.kind, KIND_TRANSFER, "kind");
        same(message.value, 5 ether, "value");
        same(message.origin, Addresses.ofEthereum(ALICE), "sender");
        same(message.destination, F1, "recipient");
        same(message.queuedAt, 1000, "when");
        same(custody(), 5 ether, "custody");
        vm.prank(ALICE);
        same(subnet.fund{value: 1 ether}(F1, 1 ether), 1, "the next nonce");
        checkMoney();
    }

    function test_native_senders_go_by_their_ids() public {
        address native = Addresses.maskedId(1234);
        vm.deal(native, 1 ether);
        vm.prank(native);
        subnet.fund{value: 1 ether}(F1, 1 ether);
        same(subnet.queued(0).origin, hex"00d209", "f01234");
    }

    function test_amount_is_what_comes() public {
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.AmountMismatch.selector, 2 ether, 1 ether));
        subnet.fund{value: 1 ether}(F1, 2 ether);
    }

    function test_fee_pays_the_way_there_and_back() public {
        Parameters memory params = chosen(4);
        params.crossGasPrice = 100;
        beginActive(params);
        uint256 fee = 2 * 100 * uint256(HOP_GAS);
        vm.prank(ALICE);
        subnet.fund{value: 1 ether}(F1, 1 ether);
        same(subnet.queued(0).fee, fee, "fee");
        same(subnet.queued(0).value, 1 ether - fee, "value");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.FeeTooLow.selector, fee, fee));
        subnet.fund{value: fee}(F1, fee);
        ISubnet.Send memory request = plain();
        request.fee = fee - 1;
        refuseSend(request, 1 ether, abi.encodeWithSelector(Errors.FeeTooLow.selector, fee - 1, fee));
        request.fee = fee;
        send(request, 1 ether);
        request.isCall = true;
        request.gasLimit = 5;
        request.params = hex"0102";
        uint256 there = HOP_GAS + 5 + 20_000_000 + 50_000_000 + 2 * 4_000;
        uint256 back = HOP_GAS + 60_000_000 + 20_000_000 + 50_000_000 + 4096 * 4_000;
        uint256 callFee = 100 * (there + back);
        refuseSend(request, 1 ether, abi.encodeWithSelector(Errors.FeeTooLow.selector, fee, callFee));
        request.fee = callFee;
        send(request, callFee);
        request = plain();
        request.wantsReceipt = true;
        request.fee = 100 * (2 * HOP_GAS + 130_000_000);
        send(request, 1 ether);
        request.fee -= 1;
        refuseSend(
            request, 1 ether, abi.encodeWithSelector(Errors.FeeTooLow.selector, request.fee, request.fee + 1)
        );
        request.fee = 2 ether;
        refuseSend(request, 1 ether, abi.encodeWithSelector(Errors.FeeTooLow.selector, 1 ether, 2 ether));
        checkMoney();
    }

    function test_call_with_all_its_fields() public {
        ISubnet.Send memory request = plain();
        request.route = new bytes[](1);
        request.route[0] = F2;
        (request.isCall, request.method, request.params, request.gasLimit) = (true, 42, hex"0102", 7);
        (request.fee, request.expires, request.expiresAt) = (3, true, 99);
        send(request, 3);
        QueuedMessage memory message = subnet.queued(0);
        same(message.kind, KIND_CALL, "kind");
        same(message.number, 42, "method");
        same(message.data, hex"0102", "parameters");
        same(message.gasLimit, 7, "gas");
        same(message.value, 0, "value");
        same(message.fee, 3, "fee");
        same(message.expiresAt, 99, "expiry");
        same(bytes(message.route), bytes.concat("/", bytes(Addresses.stepText(F2))), "way");
    }

    function test_what_no_node_could_read_is_refused() public {
        ISubnet.Send memory request = plain();
        refuseSend(request, 0, abi.encodeWithSelector(Errors.NoValue.selector));
        bytes[6] memory bad = [
            bytes(""), hex"00d209", hex"0102", hex"05", hex"040b00", abi.encodePacked(hex"040a", Addresses.maskedId(7))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            request.account = bad[i];
            refuseSend(request, 1, abi.encodeWithSelector(Errors.RecipientKind.selector, bad[i]));
        }
        request = plain();
        request.route = new bytes[](1);
        request.route[0] = F1;
        refuseSend(request, 1, abi.encodeWithSelector(Errors.RouteStep.selector, F1));
        request.route = new bytes[](9);
        refuseSend(request, 1, abi.encodeWithSelector(Errors.RouteTooLong.selector, 9, 8));
        request = plain();
        request.gasLimit = CALL_GAS_MAX + 1;
        refuseSend(request, 1, abi.encodeWithSelector(Errors.GasLimit.selector, CALL_GAS_MAX + 1, CALL_GAS_MAX));
        request = plain();
        request.params = new bytes(14 * 1024 + 1);
        refuseSend(request, 1, abi.encodeWithSelector(Errors.DataTooLong.selector, 14 * 1024 + 1, 14 * 1024));
    }

    function test_amounts_beyond_what_counters_hold_are_refused() public {
        uint256 amount = 2 ** 120;
        vm.deal(ALICE, amount);
        refuseSend(plain(), amount, abi.encodeWithSelector(Errors.AmountTooLarge.selector, amount, amount - 1));
    }

    function test_nothing_is_sent_before_activation() public {
        begin(chosen(2));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotActive.selector, 0, 2));
        subnet.fund{value: 1 ether}(F1, 1 ether);
    }

    // --- receipts
    // -----------------------------------------------------------------------------------------------------

    /// @dev A receipt for the message of this nonce, from where that went.
    function receiptOf(uint64 nonce, uint64 exitCode, uint256 value)
        private
        view
        returns (CrossMessage memory receipt)
    {
        QueuedMessage memory sent = subnet.queued(nonce);
        receipt = transfer(subnet.status().cursor.nextBatchNonce, sent.origin, value);
        receipt.kind = KIND_RECEIPT;
        receipt.origin.account = sent.destination;
        receipt.number = exitCode;
        receipt.answeredSequence = subnet.ORIGIN_SEQUENCE_BASE() + nonce;
        receipt.answered = Protocol.messageId(subnet.PARENT(), sent.origin, receipt.answeredSequence);
    }

    /// @dev Delivers messages of a subnet that has applied all that is queued.
    function answer(CrossMessage[] memory messages) private {
        Checkpoint memory checkpoint = nextCheckpoint(messages);
        checkpoint.appliedNonce = subnet.status().life.nextNonce;
        submit(checkpoint, messages);
    }

    /// @dev Otherwise a refund after an exit and an answer could both be missing, or both be paid.
    function test_message_that_was_not_applied_is_not_answered() public {
        send(plain(), 5 ether);
        CrossMessage memory receipt = receiptOf(0, 107, 1 ether);
        submit(one(receipt));
        same(subnet.unclaimedOf(receipt.destination.account), 1 ether, "kept");
        holds(!subnet.queued(0).isSettled, "not answered");
        answer(one(receiptOf(0, 107, 1 ether)));
        holds(subnet.queued(0).isSettled, "answered");
        checkMoney();
    }

    function expectKept(CrossMessage memory receipt) private {
        uint256 kept = subnet.unclaimedOf(receipt.destination.account);
        uint256 before = ALICE.balance;
        answer(one(receipt));
        same(subnet.unclaimedOf(receipt.destination.account), kept + receipt.value, "kept");
        same(ALICE.balance, before, "not paid");
        checkMoney();
    }

    function test_refund_is_credited_once() public {
        send(plain(), 5 ether);
        answer(one(receiptOf(0, 107, 5 ether)));
        same(ALICE.balance, 1000 ether, "back");
        holds(subnet.queued(0).isSettled, "settled");
        send(plain(), 5 ether);
        expectKept(receiptOf(0, 107, 5 ether));
        subnet.claimUnclaimed(Addresses.ofEthereum(ALICE));
        same(ALICE.balance, 1000 ether, "what was kept is hers");
        vm.expectPartialRevert(Errors.NothingUnclaimed.selector);
        subnet.claimUnclaimed(Addresses.ofEthereum(ALICE));
        checkMoney();
    }

    function test_receipts_that_answer_nothing_do_not_count() public {
        send(plain(), 5 ether);
        // A delivered transfer is not answered.
        expectKept(receiptOf(0, 0, 1 ether));
        CrossMessage memory receipt = receiptOf(0, 107, 1 ether);
        receipt.answered = bytes32(uint256(1));
        expectKept(receipt);
        receipt = receiptOf(0, 107, 1 ether);
        receipt.answeredSequence += 1;
        expectKept(receipt);
        receipt = receiptOf(0, 107, 1 ether);
        receipt.destination.account = Addresses.ofEthereum(address(0xBAD));
        expectKept(receipt);
        holds(!subnet.queued(0).isSettled, "none of them counted");
    }

    function test_receipt_comes_from_the_way_and_brings_no_more_than_was_sent() public {
        send(plain(), 5 ether);
        send(plain(), 5 ether);
        CrossMessage memory receipt = receiptOf(0, 107, 1 ether);
        receipt.origin.account = F2;
        expectKept(receipt);
        receipt = receiptOf(0, 107, 1 ether);
        receipt.origin.subnet = string.concat(ownName, "/f2abc");
        expectKept(receipt);
        expectKept(receiptOf(0, 107, 5 ether + 1));
        holds(!subnet.queued(0).isSettled, "none of them counted");
    }

    function test_only_the_destination_says_success() public {
        ISubnet.Send memory request = plain();
        request.route = new bytes[](1);
        request.route[0] = F2;
        request.wantsReceipt = true;
        send(request, 1 ether);
        send(plain(), 1 ether);
        expectKept(receiptOf(0, 0, 1));
        CrossMessage memory receipt = receiptOf(0, 0, 1);
        receipt.origin.subnet = string.concat(ownName, "/", Addresses.stepText(F2));
        answer(one(receipt));
        holds(subnet.queued(0).isSettled, "settled");
    }

    function test_chain_on_the_way_says_failure() public {
        ISubnet.Send memory request = plain();
        request.route = new bytes[](1);
        request.route[0] = F2;
        send(request, 1 ether);
        answer(one(receiptOf(0, 108, 1 ether)));
        holds(subnet.queued(0).isSettled, "settled");
        same(ALICE.balance, 1000 ether, "back");
    }

    function test_contract_is_told_after_it_was_credited() public {
        Receiver receiver = new Receiver();
        ISubnet.Send memory request = plain();
        (request.isCall, request.method) = (true, 1);
        vm.deal(address(this), 2 ether);
        receiver.sendDown{value: 2 ether}(subnet, request, 2 ether);
        CrossMessage memory receipt = receiptOf(0, 33, 2 ether);
        answer(one(receipt));
        same(address(receiver).balance, 2 ether, "credited");
        same(receiver.answered(), receipt.answered, "told of which message");
        same(receiver.outcome(), 33, "outcome");
        same(receiver.cameBack(), 2 ether, "what came back");
        same(receiver.caller(), subnet.COURIER(), "by the courier");
        checkMoney();
    }

    function test_contract_that_refuses_its_refund_claims_it_elsewhere() public {
        Refuser refuser = new Refuser();
        ISubnet.Send memory request = plain();
        vm.deal(address(refuser), 2 ether);
        refuser.sendDown(subnet, request, 2 ether);
        answer(one(receiptOf(0, 107, 2 ether)));
        bytes memory account = Addresses.ofEthereum(address(refuser));
        same(subnet.unclaimedOf(account), 2 ether, "kept");
        vm.expectPartialRevert(Errors.PaymentFailed.selector);
        subnet.claimUnclaimed(account);
        refuser.claimTo(subnet, address(0xBEEF00));
        same(address(0xBEEF00).balance, 2 ether, "paid elsewhere");
        checkMoney();
    }

    function test_arrival_pays_the_submitter() public {
        Parameters memory params = chosen(4);
        params.crossGasPrice = 100;
        beginActive(params);
        fund(10 ether);
        CrossMessage memory message = transferTo(0, address(0xCAFE00), 1 ether);
        message.fee = 100 * uint256(HOP_GAS) + 7;
        uint256 before = SUBMITTER.balance;
        answer(one(message));
        same(SUBMITTER.balance - before, 100 * uint256(HOP_GAS), "earned");
        same(subnet.status().ledger.burned, 7, "nobody is told of the rest");
        message = transferTo(1, address(0xCAFE00), 1 ether);
        message.fee = 100 * uint256(HOP_GAS) - 1;
        answer(one(message));
        same(subnet.queued(1).number, EXIT_FEE_TOO_LOW, "too low");
        same(subnet.queued(1).value, 1 ether, "the value goes back");
        same(subnet.queued(1).fee, 0, "a refusal is as much work, so its fee is the submitter's");
        same(SUBMITTER.balance - before, 200 * uint256(HOP_GAS) - 1, "earned twice");
        message = transferTo(2, address(subnet), 1 ether);
        message.fee = 100 * uint256(HOP_GAS) + 7;
        answer(one(message));
        same(subnet.queued(2).number, EXIT_FORBIDDEN, "refused");
        same(subnet.queued(2).fee, 7, "the rest of the fee goes back");
        checkMoney();
    }
}

/// @notice A subnet whose supply is a token.
contract TokenSupplyTest is World {
    address private constant ALICE = address(0xA11CE00);
    bytes private constant F1 = hex"01bccafce0b3010a52143dc6f093151d131e1a3fcf";
    Token private token;

    function setUp() public {
        token = new Token();
        Parameters memory params = chosen(4);
        params.supplyToken = address(token);
        beginActive(params);
        token.mint(ALICE, 100);
        vm.prank(ALICE);
        token.approve(address(subnet), 100);
    }

    function lock(uint256 amount) private {
        vm.prank(ALICE);
        subnet.fund(F1, amount);
    }

    function checkTokens() private view {
        ISubnet.Status memory status = subnet.status();
        uint256 sum =
            uint256(status.money.custody) + status.money.reserved + status.ledger.unclaimed + status.ledger.burned;
        same(token.balanceOf(address(subnet)), sum, "counters make the tokens");
        checkMoney();
    }

    function test_tokens_are_locked_and_released() public {
        lock(60);
        same(custody(), 60, "custody");
        submit(one(transferTo(0, address(0xCAFE00), 25)));
        same(token.balanceOf(address(0xCAFE00)), 25, "released");
        checkTokens();
    }

    function test_what_arrived_is_credited() public {
        token.keep(10);
        lock(50);
        same(custody(), 45, "custody");
        same(subnet.queued(0).value, 45, "value");
        checkTokens();
    }

    function test_coins_are_not_taken() public {
        vm.deal(ALICE, 1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.AmountMismatch.selector, 0, 1));
        subnet.fund{value: 1}(F1, 1);
    }

    function test_deposit_within_a_deposit_is_refused() public {
        token.reenter(abi.encodeCall(ISubnet.fund, (F1, 1)));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.Delivering.selector));
        subnet.fund(F1, 50);
    }

    function test_native_accounts_hold_no_tokens() public {
        lock(60);
        submit(one(transfer(0, F1, 10)));
        same(subnet.queued(1).number, EXIT_RECIPIENT, "refused");
        same(custody(), 60, "custody");
        checkTokens();
    }

    function test_token_that_refuses_costs_its_message_only() public {
        lock(60);
        token.refuse(address(0xCAFE00));
        CrossMessage[] memory messages = new CrossMessage[](2);
        messages[0] = transferTo(0, address(0xCAFE00), 10);
        messages[1] = transferTo(1, address(0xD00D00), 10);
        submit(messages);
        same(token.balanceOf(address(0xD00D00)), 10, "the next one");
        same(subnet.queued(1).number, EXIT_REVERTED, "refused");
        checkTokens();
    }

    function test_tokens_come_with_a_call_or_not_at_all() public {
        lock(60);
        Receiver receiver = new Receiver();
        CrossMessage memory message = transferTo(0, address(receiver), 10);
        (message.kind, message.gasLimit) = (KIND_CALL, 1_000_000);
        submit(one(message));
        same(token.balanceOf(address(receiver)), 10, "tokens");
        same(receiver.came(), 10, "told");
        Refuser refuser = new Refuser();
        message = transferTo(1, address(refuser), 10);
        (message.kind, message.gasLimit) = (KIND_CALL, 1_000_000);
        submit(one(message));
        same(token.balanceOf(address(refuser)), 0, "no tokens");
        same(subnet.queued(2).number, EXIT_REVERTED, "refused");
        message = transferTo(2, address(token), 10);
        (message.kind, message.gasLimit) = (KIND_CALL, 1_000_000);
        submit(one(message));
        same(subnet.queued(3).number, EXIT_FORBIDDEN, "the token itself is not called");
        checkTokens();
    }

    function test_token_that_says_false_moves_nothing() public {
        lock(60);
        token.lie();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        subnet.fund(F1, 10);
        same(custody(), 60, "custody");
        submit(one(transferTo(0, address(0xCAFE00), 10)));
        same(subnet.queued(1).number, EXIT_REVERTED, "refused");
        same(custody(), 60, "what could not be paid is back");
        checkTokens();
    }

    /// @dev Such a token breaks its own promise to holders. What is there is paid, first come, and nobody else's.
    function test_token_that_takes_balances_away_costs_its_own_subnet_only() public {
        lock(60);
        token.rebase(address(subnet), 15);
        CrossMessage[] memory messages = new CrossMessage[](2);
        messages[0] = transferTo(0, address(0xCAFE00), 10);
        messages[1] = transferTo(1, address(0xD00D00), 10);
        submit(messages);
        same(token.balanceOf(address(0xCAFE00)), 10, "paid");
        same(token.balanceOf(address(0xD00D00)), 0, "not there any more");
        same(subnet.queued(1).number, EXIT_REVERTED, "answered");
        checkMoney();
    }

    function test_supply_token_is_a_contract() public {
        Parameters memory params = chosen(4);
        params.supplyToken = address(0x7054);
        bytes memory code = codeOf("Subnet");
        vm.expectRevert(abi.encodeWithSelector(Registry.NoToken.selector, address(0x7054)));
        registry.create(code, params, 0);
    }

    function test_only_the_contract_itself_carries_tokens() public {
        vm.expectRevert(abi.encodeWithSelector(ISubnet.OnlySelf.selector, address(this)));
        subnet.carryTokens(ALICE, 1, 1, "");
    }

    function test_burned_tokens_leave() public {
        lock(60);
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.burned = 20;
        submit(checkpoint);
        checkTokens();
        subnet.burn();
        same(token.balanceOf(address(0xff00000000000000000000000000000000000063)), 20, "burned");
        checkTokens();
    }
}

/// @notice The end of a subnet that fell silent.
contract ExitTest is World {
    address private constant ALICE = address(0xA11CE00);
    bytes private constant F1 = hex"01bccafce0b3010a52143dc6f093151d131e1a3fcf";

    function setUp() public {
        beginActive(4);
        vm.deal(ALICE, 10 ether);
        vm.prank(ALICE);
        subnet.fund{value: 4 ether}(F1, 4 ether);
        vm.prank(ALICE);
        subnet.fund{value: 3 ether}(F1, 3 ether);
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.appliedNonce = 1;
        submit(checkpoint);
    }

    function exit() private {
        vm.roll(6000);
        subnet.beginExit();
    }

    function test_exit_begins_after_silence_and_once() public {
        vm.roll(5999);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotSilent.selector, 5999, 6000));
        subnet.beginExit();
        exit();
        same(subnet.status().life.exitedAt, 6000, "exited");
        vm.expectRevert(abi.encodeWithSelector(Errors.Exited.selector, 6000));
        subnet.beginExit();
    }

    function test_checkpoint_ends_the_silence() public {
        vm.roll(5500);
        Checkpoint memory checkpoint = nextCheckpoint();
        (checkpoint.parentHeight, checkpoint.appliedNonce) = (5500, 2);
        submit(checkpoint);
        vm.roll(10_499);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotSilent.selector, 10_499, 10_500));
        subnet.beginExit();
    }

    function test_nothing_comes_in_any_more() public {
        exit();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.Exited.selector, 6000));
        subnet.fund{value: 1 ether}(F1, 1 ether);
        ISubnet.Join memory request = joinOf(4);
        ValidatorList memory validators = list();
        vm.deal(keys[4].owner, STAKE);
        vm.prank(keys[4].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.Exited.selector, 6000));
        subnet.joinSubnet{value: STAKE}(request, validators);
        vm.prank(keys[0].owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.Exited.selector, 6000));
        subnet.leaveSubnet(validators);
    }

    function test_unapplied_messages_are_refunded_once() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotExited.selector));
        subnet.refund(1);
        exit();
        vm.expectRevert(abi.encodeWithSelector(Errors.NotRefundable.selector, 0, 1, 2));
        subnet.refund(0);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotRefundable.selector, 2, 1, 2));
        subnet.refund(2);
        subnet.refund(1);
        same(ALICE.balance, 6 ether, "refunded");
        same(custody(), 4 ether, "custody");
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadySettled.selector, 1));
        subnet.refund(1);
        checkMoney();
    }

    function test_no_checkpoint_is_accepted_after_the_exit() public {
        exit();
        refuse(nextCheckpoint(), abi.encodeWithSelector(Errors.Exited.selector, 6000));
    }

    function test_accepted_batches_are_delivered_after_the_exit() public {
        Refuser refuser = new Refuser();
        CrossMessage[] memory messages = new CrossMessage[](3);
        messages[0] = transferTo(0, address(refuser), 1 ether);
        messages[1] = transferTo(1, address(refuser), 1 ether);
        messages[1].origin.account = hex"0065";
        messages[2] = transferTo(2, address(0xCAFE00), 1 ether);
        Checkpoint memory checkpoint = nextCheckpoint(messages);
        submit(checkpoint);
        exit();
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.deliverBatch(2, messages, new bytes32[](0));
        same(address(0xCAFE00).balance, 1 ether, "paid");
        same(subnet.unclaimedOf(messages[0].origin.account), 1 ether, "what failed is kept for whoever sent it");
        same(subnet.status().ledger.burned, 1 ether, "an id of another chain is nobody's here");
        same(subnet.status().life.nextNonce, 2, "nobody would read an answer");
        same(custody(), 4 ether, "custody");
        checkMoney();
    }

    function test_native_account_has_what_is_kept_for_it_paid_elsewhere() public {
        CrossMessage[] memory messages = one(transferTo(0, address(new Refuser()), 1 ether));
        submit(nextCheckpoint(messages));
        exit();
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.deliverBatch(2, messages, new bytes32[](0));
        bytes memory account = messages[0].origin.account;
        address holder = Addresses.maskedId(1234);
        // Where there is no such precompile no address leads anywhere.
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotHolder.selector, holder, address(0)));
        subnet.claimUnclaimedAs(account, address(0xBEEF00));
        vm.etch(0xFE00000000000000000000000000000000000001, address(new ResolveAddressMock()).code);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotHolder.selector, address(this), holder));
        subnet.claimUnclaimedAs(account, address(0xBEEF00));
        bytes memory missing = hex"01bccafce0b3010a52143dc6f093151d131e1a3fee";
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotHolder.selector, holder, address(0)));
        subnet.claimUnclaimedAs(missing, address(0xBEEF00));
        bytes memory ethereum = Addresses.ofEthereum(ALICE);
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(Errors.RecipientKind.selector, ethereum));
        subnet.claimUnclaimedAs(ethereum, address(0xBEEF00));
        vm.prank(holder);
        subnet.claimUnclaimedAs(account, address(0xBEEF00));
        same(address(0xBEEF00).balance, 1 ether, "paid");
        checkMoney();
    }

    function test_answers_that_the_subnet_never_applied_are_kept_for_their_recipients() public {
        submit(one(transferTo(0, address(subnet), 1 ether)));
        same(subnet.queued(2).kind, KIND_RECEIPT, "an answer waits");
        exit();
        same(subnet.refundsLeft(), 2, "the fund and the answer");
        subnet.refundRange(1, 9);
        same(subnet.refundsLeft(), 0, "nothing left");
        same(subnet.unclaimedOf(subnet.queued(2).destination), 1 ether, "kept for whoever sent it");
        same(ALICE.balance, 6 ether, "refunded");
        subnet.refundRange(1, 9);
        same(ALICE.balance, 6 ether, "once");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotRefundable.selector, 3, 1, 3));
        subnet.refundRange(3, 1);
        checkMoney();
    }

    /// @dev The firewall is the custody: a corrupt quorum can sign away what was never applied.
    function test_refunds_share_what_the_validators_left() public {
        submit(one(transferTo(0, address(0xCAFE00), 6 ether)));
        exit();
        subnet.refund(1);
        same(ALICE.balance, 4 ether, "what was left");
        same(custody(), 0, "custody");
        checkMoney();
    }

    function test_clock_of_a_confirmed_withdrawal_runs_on_after_the_exit() public {
        ValidatorList memory validators = list();
        address owner = keys[0].owner;
        Checkpoint memory checkpoint = nextCheckpoint();
        vm.prank(owner);
        subnet.leaveSubnet(validators);
        ISubnet.Status memory status = subnet.status();
        (checkpoint.configuration, checkpoint.validatorsHash) = (2, status.newestHash);
        bytes memory signatures = certificate(checkpoint, 3);
        vm.roll(1500);
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.submitCheckpoint(checkpoint, validators, signatures, new CrossMessage[](0));
        vm.roll(6500);
        subnet.beginExit();
        vm.prank(owner);
        subnet.claim(0, 0, owner);
        same(owner.balance, STAKE, "confirmed long before the exit");
        checkMoney();
    }

    function test_stake_is_paid_after_the_unbonding_period() public {
        address owner = keys[0].owner;
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotExited.selector));
        subnet.claimStake(owner);
        exit();
        vm.roll(6999);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.StillUnbonding.selector, 6999, 7000));
        subnet.claimStake(owner);
        vm.roll(7000);
        vm.prank(owner);
        subnet.claimStake(owner);
        same(owner.balance, STAKE, "paid");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToPay.selector));
        subnet.claimStake(owner);
        checkMoney();
    }

    function test_withdrawals_that_no_checkpoint_confirmed_are_paid_after_the_exit() public {
        ValidatorList memory validators = list();
        address owner = keys[0].owner;
        vm.prank(owner);
        subnet.leaveSubnet(validators);
        exit();
        vm.roll(7000);
        vm.prank(owner);
        subnet.claim(0, 0, owner);
        same(owner.balance, STAKE, "paid");
        checkMoney();
    }
}
