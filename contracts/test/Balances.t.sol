// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {Refuser} from "./base/Recipients.sol";
import {ISubnet} from "../src/ISubnet.sol";
import {Errors} from "../src/Errors.sol";
import {BalanceProofs} from "../src/BalanceProofs.sol";
import {Addresses} from "../src/libraries/Addresses.sol";
import {Blake2b} from "../src/libraries/Blake2b.sol";
import "../src/Types.sol";

/// @notice States written by hand: HAMTs of one node, with as many keys as do not meet in one position.
abstract contract States is World {
    bytes[] internal blocks;

    function keep(bytes memory block_) internal returns (bytes32 hash) {
        blocks.push(block_);
        return Blake2b.hash(block_);
    }

    function link(bytes32 hash) internal pure returns (bytes memory) {
        return bytes.concat(hex"d82a5827000171a0e40220", hash);
    }

    /// @dev A CBOR byte string of less than 256 bytes.
    function text(bytes memory value) internal pure returns (bytes memory) {
        return value.length < 24
            ? bytes.concat(bytes1(uint8(0x40 + value.length)), value)
            : bytes.concat(hex"58", bytes1(uint8(value.length)), value);
    }

    function map(bytes[2] memory keys_, bytes[2] memory values) internal returns (bytes32) {
        uint256[2] memory positions = [uint256(sha256(keys_[0])) >> 251, uint256(sha256(keys_[1])) >> 251];
        holds(positions[0] != positions[1], "positions differ");
        (uint256 low, uint256 high) = positions[0] < positions[1] ? (0, 1) : (1, 0);
        bytes4 bits = bytes4(uint32(1 << positions[0] | 1 << positions[1]));
        bytes memory pointers = bytes.concat(
            hex"828182", text(keys_[low]), values[low], hex"8182", text(keys_[high]), values[high]
        );
        return keep(bytes.concat(hex"8244", bits, pointers));
    }

    function actorOf(bytes32 state, bytes memory balance) internal pure returns (bytes memory) {
        // Code, state, sequence, balance, no other address.
        return bytes.concat(hex"85d82a5827000155a0e40220", bytes32(0), link(state), hex"1903e8", balance, hex"f6");
    }
}

/// @notice Balances after the exit, from proofs of the last accepted state.
contract BalancesTest is States {
    string private json;
    bytes32 private stateRoot;

    function setUp() public {
        json = vm.readFile("test/balances.json");
        stateRoot = bytes32(bytesAt(".state_root"));
    }

    function bytesAt(string memory key) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(json, key)));
    }

    struct Account {
        bytes name;
        uint64 id;
        uint256 balance;
        bytes[] proof;
    }

    function accountAt(uint256 index) private view returns (Account memory account) {
        string memory at = string.concat(".accounts[", vm.toString(index), "]");
        account.name = bytesAt(string.concat(at, ".address"));
        account.id = uint64(vm.parseJsonUint(json, string.concat(at, ".id")));
        account.balance = vm.parseUint(vm.parseJsonString(json, string.concat(at, ".balance")));
        uint256 count = 0;
        string memory proof = string.concat(at, ".proof[");
        while (vm.keyExistsJson(json, string.concat(proof, vm.toString(count), "]"))) {
            ++count;
        }
        account.proof = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            account.proof[i] = bytesAt(string.concat(proof, vm.toString(i), "]"));
        }
    }

    /// @dev A subnet whose last checkpoint has this state, and that has ended.
    function end(bytes32 root, uint256 custody_) private {
        beginActive(4);
        if (custody_ != 0) fund(custody_);
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.stateRoot = root;
        checkpoint.appliedNonce = subnet.status().life.nextNonce;
        submit(checkpoint);
        vm.roll(6000);
        subnet.beginExit();
    }

    function proofs() private view returns (BalanceProofs) {
        return BalanceProofs(subnet.PROOFS());
    }

    function test_hash_is_blake2b() public view {
        // RFC 7693 gives no vectors for 32 bytes of output; these are of Python's `hashlib.blake2b`.
        same(Blake2b.hash(""), 0x0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8, "nothing");
        same(Blake2b.hash("abc"), 0xbddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319, "abc");
        bytes memory data = new bytes(300);
        for (uint256 i = 0; i < 300; ++i) {
            data[i] = bytes1(uint8(i));
        }
        same(Blake2b.hash(data), HASH_300, "three blocks");
        assembly ("memory-safe") {
            mstore(data, 128)
        }
        same(Blake2b.hash(data), HASH_128, "one whole block");
    }

    bytes32 private constant HASH_300 = 0x3a486e3fe3ee414853000269ac020030aeef748cb05cd62ba85939ec298ef25c;
    bytes32 private constant HASH_128 = 0xc3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1;

    function test_balances_that_a_node_proved_are_paid_once() public {
        end(stateRoot, 10 ether);
        Account memory account = accountAt(0);
        same(subnet.claimBalance(account.name, account.proof), account.balance, "amount");
        (, address ethereum) = Addresses.parse(account.name);
        same(ethereum.balance, account.balance, "paid");
        same(custody(), 10 ether - account.balance, "custody");
        (bool isPaid, uint256 amount) = subnet.balancePaid(account.id);
        holds(isPaid && amount == account.balance, "recorded");
        vm.expectRevert(abi.encodeWithSelector(Errors.BalancePaid.selector, account.id, account.balance));
        subnet.claimBalance(account.name, account.proof);
        checkMoney();
    }

    function test_account_with_a_native_key_is_kept_for_where_it_cannot_be_paid() public {
        end(stateRoot, 10 ether);
        Account memory account = accountAt(1);
        // This chain has no precompile that pays such accounts.
        same(subnet.claimBalance(account.name, account.proof), account.balance, "amount");
        same(subnet.unclaimedOf(account.name), account.balance, "kept");
        checkMoney();
    }

    function test_proof_costs_what_a_block_has_room_for() public {
        end(stateRoot, 10 ether);
        Account memory account = accountAt(0);
        BalanceProofs reader = proofs();
        uint256 gas = gasleft();
        reader.balanceOf(stateRoot, account.name, account.proof);
        gas -= gasleft();
        uint256 size = 0;
        for (uint256 i = 0; i < account.proof.length; ++i) {
            size += account.proof[i].length;
        }
        string memory figures = string.concat('{"evm_gas":', vm.toString(gas), ',"blocks":');
        figures = string.concat(figures, vm.toString(account.proof.length), ',"bytes":', vm.toString(size), "}\n");
        vm.writeFile("out/balance-gas.json", figures);
        holds(gas < 3_000_000, figures);
    }

    function test_no_more_is_paid_than_the_custody_has() public {
        end(stateRoot, 0.4 ether);
        Account memory account = accountAt(0);
        same(subnet.claimBalance(account.name, account.proof), 0.4 ether, "what is left");
        account = accountAt(1);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToPay.selector));
        subnet.claimBalance(account.name, account.proof);
        checkMoney();
    }

    function test_balances_wait_for_exit_checkpoint_and_refunds() public {
        Account memory account = accountAt(0);
        beginActive(4);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotExited.selector));
        subnet.claimBalance(account.name, account.proof);
        vm.roll(6000);
        subnet.beginExit();
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCheckpoint.selector));
        subnet.claimBalance(account.name, account.proof);
        vm.roll(1000);
        beginActive(4);
        Checkpoint memory checkpoint = nextCheckpoint();
        checkpoint.stateRoot = stateRoot;
        submit(checkpoint);
        fund(1 ether);
        vm.roll(6000);
        subnet.beginExit();
        vm.expectRevert(abi.encodeWithSelector(Errors.RefundsFirst.selector, 1));
        subnet.claimBalance(account.name, account.proof);
        subnet.refund(0);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToPay.selector));
        subnet.claimBalance(account.name, account.proof);
        checkMoney();
    }

    function test_only_addresses_of_keys_have_balances_here() public {
        end(stateRoot, 1 ether);
        bytes memory actor = hex"02cecc05fe567ed3c4ad02d41f186978e7edadd891";
        vm.expectRevert(abi.encodeWithSelector(Errors.RecipientKind.selector, actor));
        subnet.claimBalance(actor, new bytes[](0));
    }

    function test_proof_of_another_state_or_account_is_refused() public {
        end(stateRoot, 1 ether);
        Account memory account = accountAt(0);
        BalanceProofs reader = proofs();
        vm.expectRevert(abi.encodeWithSelector(Errors.ProofBlockMissing.selector, bytes32(uint256(1))));
        reader.balanceOf(bytes32(uint256(1)), account.name, account.proof);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProofTooLong.selector, 65, 64));
        reader.balanceOf(stateRoot, account.name, new bytes[](65));
        // Every block is needed, and every byte of it.
        for (uint256 i = 0; i < account.proof.length; ++i) {
            account.proof[i][account.proof[i].length / 2] ^= 0x01;
            vm.expectPartialRevert(Errors.ProofBlockMissing.selector);
            reader.balanceOf(stateRoot, account.name, account.proof);
            account.proof[i][account.proof[i].length / 2] ^= 0x01;
        }
        (uint64 id, uint256 balance) = reader.balanceOf(stateRoot, account.name, account.proof);
        same(id, account.id, "id");
        same(balance, account.balance, "balance");
    }

    // --- states that no runtime makes
    // ---------------------------------------------------------------------------------

    bytes private constant NAME = hex"040a1111111111111111111111111111111111111111";

    /// @dev A state in which `NAME` has this id (as CBOR) and balance.
    function state(bytes memory idText, bytes memory idKey, bytes memory balance, bytes1 version)
        private
        returns (bytes32)
    {
        delete blocks;
        bytes32 addresses = map([NAME, bytes(hex"0166")], [idText, bytes(hex"18c8")]);
        bytes32 init = keep(bytes.concat(hex"83", link(addresses), hex"1903e8", hex"6161"));
        bytes32 actors = map([bytes(hex"0001"), idKey], [actorOf(init, hex"40"), actorOf(init, balance)]);
        bytes32 info = keep(hex"80");
        return keep(bytes.concat(hex"83", version, link(actors), link(info)));
    }

    function read(bytes32 root) private view returns (uint64, uint256) {
        return proofs().balanceOf(root, NAME, blocks);
    }

    function expectMalformed(bytes32 root) private {
        bytes[] memory proof = blocks;
        BalanceProofs reader = proofs();
        vm.expectPartialRevert(Errors.ProofMalformed.selector);
        reader.balanceOf(root, NAME, proof);
    }

    function test_state_by_hand_is_read() public {
        beginActive(1);
        (uint64 id, uint256 balance) = read(state(hex"18c8", hex"00c801", hex"43000102", hex"05"));
        same(id, 200, "id");
        same(balance, 0x0102, "balance");
        (, balance) = read(state(hex"18c8", hex"00c801", hex"40", hex"05"));
        same(balance, 0, "nothing");
    }

    function test_states_of_another_form_are_refused() public {
        beginActive(1);
        expectMalformed(state(hex"18c8", hex"00c801", hex"43000102", hex"04"));
        // Below zero, longer than a word, and no amount at all.
        expectMalformed(state(hex"18c8", hex"00c801", hex"430101", hex"05"));
        expectMalformed(state(hex"18c8", hex"00c801", bytes.concat(hex"5822", new bytes(34)), hex"05"));
        expectMalformed(state(hex"18c8", hex"00c801", hex"01", hex"05"));
        // An id that is no number, and one that goes on behind its block.
        expectMalformed(state(hex"41aa", hex"00c801", hex"40", hex"05"));
        expectMalformed(keep(hex"83"));
        expectMalformed(keep(hex"8305d82a"));
        expectMalformed(keep(""));
        bytes32 fan = keep(hex"8244000000018401020304");
        expectMalformed(keep(bytes.concat(hex"8305", link(fan), link(fan))));
        bytes32 endless = keep(hex"8244ffffffff98209bffffffffffffffff");
        expectMalformed(keep(bytes.concat(hex"8305", link(endless), link(endless))));
    }

    function test_accounts_that_are_not_there_have_no_balance() public {
        beginActive(1);
        bytes32 root = state(hex"18c8", hex"00c801", hex"40", hex"05");
        bytes[] memory proof = blocks;
        BalanceProofs reader = proofs();
        bytes memory other = hex"040a2222222222222222222222222222222222222222";
        vm.expectRevert(abi.encodeWithSelector(Errors.ProofAbsent.selector, other));
        reader.balanceOf(root, other, proof);
        // The address map has an id that the actors do not.
        root = state(hex"18c9", hex"00c801", hex"40", hex"05");
        proof = blocks;
        vm.expectRevert(abi.encodeWithSelector(Errors.ProofAbsent.selector, hex"00c901"));
        reader.balanceOf(root, NAME, proof);
    }

    function test_system_actors_are_nobodys() public {
        beginActive(1);
        bytes32 root = state(hex"1863", hex"0063", hex"40", hex"05");
        bytes[] memory proof = blocks;
        BalanceProofs reader = proofs();
        vm.expectRevert(abi.encodeWithSelector(Errors.SystemAccount.selector, 99));
        reader.balanceOf(root, NAME, proof);
    }

    /// @dev Whatever blocks are brought, reading ends with an error or the right balance.
    function testFuzz_blocks_of_any_form_end(bytes calldata one, bytes calldata other) public {
        beginActive(1);
        delete blocks;
        bytes32 root = keep(bytes.concat(hex"8305", link(keep(one)), link(keep(other))));
        bytes[] memory proof = blocks;
        (bool isDone,) = address(proofs()).staticcall{gas: 50_000_000}(
            abi.encodeCall(BalanceProofs.balanceOf, (root, NAME, proof))
        );
        holds(!isDone, "no such state has an account");
    }

    function test_contract_that_refuses_has_its_balance_kept() public {
        Refuser refuser = new Refuser();
        bytes memory name = Addresses.ofEthereum(address(refuser));
        delete blocks;
        bytes32 addresses = map([name, bytes(hex"0166")], [bytes(hex"18c8"), bytes(hex"18c9")]);
        bytes32 init = keep(bytes.concat(hex"83", link(addresses), hex"1903e8", hex"6161"));
        bytes32 actors =
            map([bytes(hex"0001"), hex"00c801"], [actorOf(init, hex"40"), actorOf(init, hex"43000102")]);
        end(keep(bytes.concat(hex"8305", link(actors), link(init))), 1 ether);
        same(subnet.claimBalance(name, blocks), 0x0102, "amount");
        same(subnet.unclaimedOf(name), 0x0102, "kept");
        refuser.claimTo(subnet, address(0xBEEF00));
        same(address(0xBEEF00).balance, 0x0102, "paid elsewhere");
        checkMoney();
    }
}
