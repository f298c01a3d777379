// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {Receiver, Refuser} from "./base/Recipients.sol";
import {ISubnet} from "../src/ISubnet.sol";
import {Addresses} from "../src/libraries/Addresses.sol";
import "../src/Types.sol";

/// @notice Plays users, validators and submitters in any order, and counts what went in and out by itself.
contract Players is World {
    uint256 public fundedTotal;
    uint256 public paidTotal;
    uint256 public stakedTotal;
    uint256 public stakePaidTotal;
    uint64 public sequenceMax;
    uint64 public nonceMax;
    bool public isMonotone = true;
    address private immutable REFUSER = address(new Refuser());
    address private immutable RECEIVER = address(new Receiver());

    constructor() {
        beginActive(4);
        stakedTotal = 4 * STAKE;
        prepareKeysBeyond();
    }

    function prepareKeysBeyond() private view {
        holds(keys.length == 6, "two may still join");
    }

    function subnetAddress() external view returns (ISubnet) {
        return subnet;
    }

    function fundSome(uint96 amount) external {
        if (subnet.status().life.exitedAt != 0) return;
        uint256 value = 1 + amount % 100 ether;
        fund(value);
        fundedTotal += value;
    }

    /// @dev A checkpoint with up to three messages, to somebody who takes them and somebody who does not.
    function release(uint96 amount, uint8 shape, bool isDelivered) external {
        if (subnet.status().life.exitedAt != 0) return;
        uint256 each = custody() / 4 == 0 ? 0 : amount % (custody() / 4);
        uint256 count = shape % 4;
        CrossMessage[] memory messages = new CrossMessage[](count);
        uint64 from = subnet.status().cursor.nextBatchNonce;
        for (uint256 i = 0; i < count; ++i) {
            address to = (shape >> (2 + i)) & 1 == 0 ? RECEIVER : REFUSER;
            messages[i] = transferTo(from + uint64(i), to, each);
            if ((shape >> (5 + i)) & 1 == 1) {
                (messages[i].kind, messages[i].gasLimit) = (KIND_CALL, 1_000_000);
            }
        }
        Checkpoint memory checkpoint = nextCheckpoint(messages);
        checkpoint.burned = (custody() - checkpoint.messagesValue) / 100;
        // Not always all, so that something is left to refund.
        checkpoint.appliedNonce = (shape >> 4) % 2 == 0
            ? subnet.status().life.nextNonce
            : subnet.status().head.appliedNonce;
        uint256 before = RECEIVER.balance;
        if (isDelivered) submit(checkpoint, messages);
        else submit(checkpoint);
        if (!isDelivered && count != 0) {
            vm.prank(SUBMITTER, SUBMITTER);
            (bool isDone,) = address(subnet)
                .call(abi.encodeCall(ISubnet.deliverBatch, (checkpoint.sequence, messages, new bytes32[](0))));
            // An earlier batch may be in turn; then this one waits.
            isDone;
        }
        paidTotal += RECEIVER.balance - before;
        watch();
    }

    function forgeRelease(uint96 amount) external {
        CrossMessage[] memory messages = one(transferTo(subnet.status().cursor.nextBatchNonce, RECEIVER, 1 + amount));
        Checkpoint memory checkpoint = nextCheckpoint(messages);
        // One signature too few.
        bytes memory signatures = certificate(checkpoint, quorum() - 1);
        ValidatorList memory validators = list();
        vm.prank(SUBMITTER, SUBMITTER);
        (bool isAccepted,) = address(subnet)
            .call(abi.encodeCall(ISubnet.submitCheckpoint, (checkpoint, validators, signatures, messages)));
        holds(!isAccepted, "nothing moves without a quorum");
    }

    function joinOne(uint96 amount) external {
        if (subnet.status().life.exitedAt != 0) return;
        for (uint256 i = 4; i < keys.length; ++i) {
            (Member memory member,) = subnet.member(keys[i].owner);
            if (member.settlementKey != address(0)) continue;
            uint256 value = 1 ether + amount % 10 ether;
            change();
            join(i, value);
            stakedTotal += value;
            confirm();
            return;
        }
    }

    function leaveOne(uint8 index) external {
        index %= uint8(keys.length);
        if (subnet.status().life.exitedAt != 0 || powers[index] == 0 || subnet.status().life.voting < 3) return;
        change();
        ValidatorList memory validators = list();
        vm.prank(keys[index].owner);
        subnet.leaveSubnet(validators);
        powers[index] = 0;
        confirm();
    }

    function claimOne(uint8 index) external {
        address owner = keys[index % keys.length].owner;
        uint256 before = owner.balance;
        uint256 last = subnet.status().confirmations;
        vm.roll(block.number + 600);
        vm.prank(owner);
        (bool isPaid,) = address(subnet).call(abi.encodeCall(ISubnet.claim, (0, last == 0 ? 0 : last - 1, owner)));
        isPaid;
        stakePaidTotal += owner.balance - before;
    }

    function slashOne(uint8 index, bytes32 fork) external {
        index %= uint8(keys.length);
        if (powers[index] == 0 || subnet.status().life.voting < 3 || subnet.status().life.exitedAt != 0) return;
        Checkpoint memory checkpoint = nextCheckpoint();
        Checkpoint memory other = nextCheckpoint();
        other.stateRoot = fork;
        ISubnet.Accusation[] memory all = new ISubnet.Accusation[](1);
        uint256 secret = keys[index].secret;
        all[0] = ISubnet.Accusation(signature(secret, digestOf(checkpoint)), signature(secret, digestOf(other)), list());
        address reporter = address(0x4E904000);
        uint256 before = reporter.balance;
        change();
        vm.prank(reporter);
        subnet.proveEquivocation(checkpoint, other, all);
        stakePaidTotal += reporter.balance - before;
        powers[index] = 0;
        confirm();
    }

    function burnAll() external {
        ISubnet.Status memory status = subnet.status();
        uint256 slashed = status.slashed;
        if (uint256(status.ledger.burned) + slashed == 0) return;
        paidTotal += status.ledger.burned;
        stakePaidTotal += slashed;
        subnet.burn();
    }

    /// @dev Seldom: it ends most of what the others do.
    function exit(uint8 chance) external {
        if (chance > 3 || subnet.status().life.exitedAt != 0) return;
        vm.roll(block.number + 5000);
        subnet.beginExit();
    }

    function refundSome(uint8 count) external {
        ISubnet.Status memory status = subnet.status();
        if (status.life.exitedAt == 0 || subnet.refundsLeft() == 0) return;
        // Who funded takes no coins, so that all of it is kept.
        subnet.refundRange(status.head.appliedNonce, 1 + count % 8);
    }

    uint64[] private before_;
    ValidatorList private signers;

    function change() private {
        before_ = powers;
        signers = list();
    }

    /// @dev A checkpoint by those before that confirms the change, so that the model has one set to sign with.
    function confirm() private {
        Checkpoint memory checkpoint = nextCheckpoint();
        ISubnet.Status memory status = subnet.status();
        (checkpoint.configuration, checkpoint.validatorsHash) = (status.life.configurationLast, status.newestHash);
        checkpoint.appliedNonce = status.life.nextNonce;
        uint64[] memory after_ = powers;
        powers = before_;
        bytes memory signatures = certificate(checkpoint, quorum());
        powers = after_;
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.submitCheckpoint(checkpoint, signers, signatures, new CrossMessage[](0));
        watch();
    }

    function watch() private {
        ISubnet.Status memory status = subnet.status();
        if (status.head.sequence <= sequenceMax || status.cursor.nextDeliveryNonce < nonceMax) isMonotone = false;
        (sequenceMax, nonceMax) = (status.head.sequence, status.cursor.nextDeliveryNonce);
    }

    function check() external view {
        checkMoney();
        ISubnet.Status memory status = subnet.status();
        uint256 supply =
            uint256(status.money.custody) + status.money.reserved + status.ledger.unclaimed + status.ledger.burned;
        same(supply + paidTotal, fundedTotal, "what was funded is there or was paid");
        uint256 stakes = uint256(status.stakes.staked) + status.stakes.unbonding + status.slashed;
        same(stakes + stakePaidTotal, stakedTotal, "what was staked is there or was paid");
        holds(isMonotone, "sequences and nonces go up");
        uint256 sum = 0;
        for (uint256 i = 0; i < keys.length; ++i) {
            (Member memory member,) = subnet.member(keys[i].owner);
            sum += member.stake;
        }
        same(sum, status.stakes.staked, "members' stakes make the counter");
        same(subnet.COURIER().balance, 0, "the courier holds nothing");
    }
}

/// @notice What holds after any sequence of what the players do.
contract InvariantsTest {
    Players private players;

    function setUp() public {
        players = new Players();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(players);
    }

    function invariant_money_is_conserved_and_numbers_go_up() public view {
        players.check();
    }
}
