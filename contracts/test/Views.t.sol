// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {ISubnet} from "../src/ISubnet.sol";
import "../src/Types.sol";

/// @notice Everything that a node follows can be read by number, in answers of bounded size.
contract ViewsTest is World {
    bytes private constant F1 = hex"01bccafce0b3010a52143dc6f093151d131e1a3fcf";

    function setUp() public {
        beginActive(4);
    }

    function test_queue_is_read_in_pages() public {
        for (uint256 i = 0; i < 5; ++i) {
            fund(1 + i);
        }
        QueuedMessage[] memory page = subnet.queuedRange(1, 3);
        same(page.length, 3, "as many as were asked for");
        for (uint64 i = 0; i < 3; ++i) {
            same(abi.encode(page[i]), abi.encode(subnet.queued(1 + i)), "message");
        }
        same(subnet.queuedRange(3, type(uint64).max).length, 2, "as many as there are");
        same(subnet.queuedRange(5, 1).length, 0, "none");
        same(subnet.queuedRange(type(uint64).max, type(uint64).max).length, 0, "none");
    }

    function test_page_ends_with_the_message_that_fills_it() public {
        ISubnet.Send memory request;
        (request.account, request.isCall, request.params) = (F1, true, new bytes(14 * 1024));
        for (uint256 i = 0; i < 7; ++i) {
            subnet.send(request, 0);
        }
        same(subnet.queuedRange(0, 7).length, 5, "70 KiB, of which the last 6 were too many");
        same(subnet.queuedRange(5, 7).length, 2, "the rest");
    }

    function test_page_has_an_end() public {
        for (uint256 i = 0; i < 258; ++i) {
            fund(1);
        }
        same(subnet.queuedRange(0, 1000).length, 256, "a page");
        same(subnet.queuedRange(256, 1000).length, 2, "the rest");
    }

    function test_changes_and_members_make_the_list() public {
        join(4, 3 ether);
        ValidatorList memory validators = list();
        vm.prank(keys[1].owner);
        subnet.leaveSubnet(validators);
        powers[1] = 0;
        same(subnet.changeIndex(1), 0, "those of configuration 1 come first");
        same(subnet.changeIndex(2), 4, "the join");
        same(subnet.changeIndex(3), 5, "the leave");
        same(subnet.changeIndex(4), 6, "none");
        same(subnet.changeIndex(type(uint64).max), 6, "none");
        Change[] memory changes = subnet.changeRange(4, 9);
        same(changes.length, 2, "changes");
        same(changes[0].number, 2, "number");
        same(abi.encode(changes[1]), abi.encode(subnet.change(5)), "the other");
        same(subnet.changeRange(6, 1).length, 0, "none");
        (address[] memory owners, Member[] memory members) = subnet.memberRange(0, 9);
        same(owners.length, 5, "everybody who joined");
        uint256 total = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            (Member memory member,) = subnet.member(owners[i]);
            same(abi.encode(members[i]), abi.encode(member), "member");
            total += member.power;
        }
        same(total, list().totalPower, "the newest configuration's power");
        (owners,) = subnet.memberRange(3, 1);
        same(owners[0], subnet.ownerAt(3), "a part");
    }

    function test_list_of_any_configuration_follows_from_changes() public {
        join(4, 3 ether);
        bytes32 second = subnet.configurationHash(2);
        ValidatorList memory expected = list();
        join(5, 2 ether);
        // The last power of each key up to configuration 2.
        uint64[] memory found = new uint64[](keys.length);
        Change[] memory changes = subnet.changeRange(0, subnet.changeIndex(3));
        for (uint256 i = 0; i < changes.length; ++i) {
            for (uint256 j = 0; j < keys.length; ++j) {
                if (keys[j].settlement == changes[i].settlementKey) found[j] = changes[i].power;
            }
        }
        powers = found;
        same(abi.encode(list()), abi.encode(expected), "list");
        bytes32 tag = keccak256("subnet-runtime/settlement-validators/v1");
        same(second, keccak256(abi.encode(tag, 2, list().totalPower, keccak256(list().entries))), "hash");
    }

    function test_waiting_batches_and_confirmations_are_read_in_pages() public {
        fund(10 ether);
        CrossMessage[] memory messages = one(transferTo(0, address(0xCAFE00), 1 ether));
        submit(nextCheckpoint());
        submit(nextCheckpoint(messages));
        submit(nextCheckpoint());
        Batch[] memory batches = subnet.batchRange(1, 9);
        same(batches.length, 3, "up to the last checkpoint");
        same(batches[0].count, 0, "had none");
        same(batches[1].count, 1, "waits");
        same(batches[2].count, 0, "had none");
        ValidatorList memory signers = list();
        Checkpoint memory checkpoint = nextCheckpoint();
        bytes memory signatures;
        join(4, 3 ether);
        ISubnet.Status memory status = subnet.status();
        (checkpoint.configuration, checkpoint.validatorsHash) = (2, status.newestHash);
        uint64[] memory now_ = powers;
        powers[4] = 0;
        signatures = certificate(checkpoint, 3);
        powers = now_;
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.submitCheckpoint(checkpoint, signers, signatures, new CrossMessage[](0));
        Confirmation[] memory confirmations = subnet.confirmationRange(0, 5);
        same(confirmations.length, 1, "confirmations");
        same(abi.encode(confirmations[0]), abi.encode(subnet.confirmation(0)), "confirmation");
    }

    function test_code_of_every_contract_is_within_the_limit() public view {
        address[6] memory contracts = [
            address(registry),
            address(subnet),
            subnet.OFFICE(),
            subnet.ARCHIVE(),
            subnet.PROOFS(),
            subnet.COURIER()
        ];
        for (uint256 i = 0; i < contracts.length; ++i) {
            holds(contracts[i].code.length != 0 && contracts[i].code.length < 24 * 1024, "EIP-170");
        }
    }

    function test_parts_of_the_code_do_not_work_on_their_own_state() public {
        address[2] memory parts = [subnet.OFFICE(), subnet.ARCHIVE()];
        for (uint256 i = 0; i < 2; ++i) {
            ISubnet part = ISubnet(parts[i]);
            (bool isDone,) = address(part).call(abi.encodeCall(ISubnet.beginExit, ()));
            holds(!isDone, "no exit");
            (isDone,) = address(part).call(abi.encodeCall(ISubnet.burn, ()));
            holds(!isDone, "no burning");
        }
    }
}
