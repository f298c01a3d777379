// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {ISubnet} from "../src/ISubnet.sol";
import "../src/Types.sol";

/// @notice What the submission of a checkpoint costs: the third one, without messages, all storage cold. Writes the
/// figures to `out/gas.json`, which `make bench-contracts` shows.
contract GasTableTest is World {
    // Filecoin gas, as measured on its EVM actor.
    /// @dev A transaction that touches one slot, and its inclusion.
    uint256 private constant FEVM_BASE = 4_700_000;
    /// @dev An ecrecover and the interpretation around it.
    uint256 private constant FEVM_SIGNATURE = 2_250_000;
    uint256 private constant FEVM_READ = 350_000;
    uint256 private constant FEVM_WRITE = 1_000_000;

    function measure(uint256 validators) private returns (string memory row, uint256 estimate) {
        beginActive(validators);
        submit(nextCheckpoint());
        submit(nextCheckpoint());
        Checkpoint memory checkpoint = nextCheckpoint();
        ValidatorList memory signers = list();
        bytes memory signatures = certificate(checkpoint, quorum());
        bytes memory input =
            abi.encodeCall(ISubnet.submitCheckpoint, (checkpoint, signers, signatures, new CrossMessage[](0)));
        address target = address(subnet);
        vm.cool(target);
        vm.record();
        vm.prank(SUBMITTER, SUBMITTER);
        uint256 gas = gasleft();
        (bool isAccepted,) = target.call(input);
        gas -= gasleft();
        holds(isAccepted, "accepted");
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(target);
        (uint256 readSlots, uint256 writtenSlots) = (distinct(reads), distinct(writes));
        // Head, digest, state root: what no checkpoint can do without.
        same(writtenSlots, 3, "slots written");
        holds(readSlots <= 7, "slots read");
        // What a transaction pays besides: its own 21,000 and 16 for a byte that is not zero, 4 for one that is.
        gas += 21_000;
        for (uint256 i = 0; i < input.length; ++i) {
            gas += input[i] == 0 ? 4 : 16;
        }
        estimate = FEVM_BASE + FEVM_SIGNATURE * quorum() + FEVM_READ * readSlots + FEVM_WRITE * writtenSlots;
        row = string.concat(
            '{"validators":',
            vm.toString(validators),
            ',"signatures":',
            vm.toString(quorum()),
            ',"evm_gas":',
            vm.toString(gas)
        );
        row = string.concat(
            row,
            ',"calldata_bytes":',
            vm.toString(input.length),
            ',"slots_read":',
            vm.toString(readSlots),
            ',"slots_written":',
            vm.toString(writtenSlots),
            ',"fevm_gas_estimate":',
            vm.toString(estimate),
            "}"
        );
    }

    function distinct(bytes32[] memory slots) private pure returns (uint256 count) {
        for (uint256 i = 0; i < slots.length; ++i) {
            bool isNew = true;
            for (uint256 j = 0; j < i; ++j) {
                if (slots[j] == slots[i]) isNew = false;
            }
            if (isNew) ++count;
        }
    }

    /// @dev What a checkpoint costs that brings and delivers fifty transfers to accounts that have a balance.
    function test_fifty_transfers_with_a_checkpoint() public {
        beginActive(4);
        fund(100 ether);
        CrossMessage[] memory messages = new CrossMessage[](50);
        for (uint256 i = 0; i < 50; ++i) {
            address to = address(uint160(0xB0B000 + i));
            vm.deal(to, 1);
            messages[i] = transferTo(uint64(i), to, 1 ether);
        }
        Checkpoint memory checkpoint = nextCheckpoint(messages);
        ValidatorList memory signers = list();
        bytes memory signatures = certificate(checkpoint, quorum());
        bytes memory input = abi.encodeCall(ISubnet.submitCheckpoint, (checkpoint, signers, signatures, messages));
        address target = address(subnet);
        vm.cool(target);
        vm.record();
        vm.prank(SUBMITTER, SUBMITTER);
        uint256 gas = gasleft();
        (bool isAccepted,) = target.call(input);
        gas -= gasleft();
        holds(isAccepted && subnet.status().cursor.nextDeliveryNonce == 50, "accepted and delivered");
        (, bytes32[] memory writes) = vm.accesses(target);
        // Head, digest, state root, identity (the first one names it), cursor, money.
        same(distinct(writes), 6, "slots written");
        gas += 21_000;
        for (uint256 i = 0; i < input.length; ++i) {
            gas += input[i] == 0 ? 4 : 16;
        }
        string memory figures = string.concat('{"evm_gas":', vm.toString(gas), ',"calldata_bytes":');
        figures = string.concat(figures, vm.toString(input.length), "}\n");
        vm.writeFile("out/messages-gas.json", figures);
    }

    function test_checkpoints_stay_within_their_goals() public {
        uint256[6] memory sizes = [uint256(4), 16, 32, 64, 100, 200];
        uint256[6] memory goals = [uint256(20e6), 0, 65e6, 0, 170e6, 0];
        string memory rows;
        for (uint256 i = 0; i < sizes.length; ++i) {
            (string memory row, uint256 estimate) = measure(sizes[i]);
            rows = string.concat(rows, i == 0 ? "" : ",\n    ", row);
            holds(goals[i] == 0 || estimate <= goals[i], row);
        }
        vm.writeFile("out/gas.json", string.concat('{\n  "checkpoints": [\n    ', rows, "\n  ]\n}\n"));
    }
}
