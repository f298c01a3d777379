// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./base/World.sol";
import {Addresses} from "../src/libraries/Addresses.sol";
import {Protocol} from "../src/libraries/Protocol.sol";
import "../src/Types.sol";

/// @notice The frozen vectors of `docs/protocol/`, which bind this code and the native actor's.
contract VectorsTest is World {
    string private json;

    function setUp() public {
        json = vm.readFile("../docs/protocol/vectors.json");
    }

    function root(bytes32[] memory row, uint256 count, uint256 first, bytes32[] calldata proof)
        external
        pure
        returns (bytes32)
    {
        return Protocol.rangeRoot(count, first, row, proof);
    }

    function text(string memory key) private view returns (string memory) {
        return vm.parseJsonString(json, key);
    }

    function bytesAt(string memory key) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", text(key)));
    }

    function word(string memory key) private view returns (bytes32) {
        bytes memory data = bytesAt(key);
        same(data.length, 32, key);
        return bytes32(data);
    }

    function number(string memory key) private view returns (uint64) {
        return uint64(vm.parseJsonUint(json, key));
    }

    function amount(string memory key) private view returns (uint256) {
        return vm.parseUint(text(key));
    }

    /// @dev The hash in a CID: its last 32 bytes.
    function hashInCid(string memory key) private view returns (bytes32 hash) {
        bytes memory data = bytesAt(key);
        same(data.length, 38, key);
        assembly ("memory-safe") {
            hash := mload(add(data, 38))
        }
    }

    function addressAt(string memory at) private view returns (CrossAddress memory) {
        return CrossAddress(text(string.concat(at, ".subnet")), bytesAt(string.concat(at, ".address")));
    }

    function messageAt(string memory at) private view returns (CrossMessage memory message) {
        message.id = word(string.concat(at, ".id"));
        message.origin = addressAt(string.concat(at, ".origin"));
        message.originSequence = number(string.concat(at, ".origin_sequence"));
        message.destination = addressAt(string.concat(at, ".destination"));
        message.value = amount(string.concat(at, ".value"));
        message.nonce = number(string.concat(at, ".nonce"));
        message.gasLimit = number(string.concat(at, ".gas_limit"));
        message.fee = amount(string.concat(at, ".fee"));
        message.wantsReceipt = vm.parseJsonBool(json, string.concat(at, ".wants_receipt"));
        // Every other one expires, and a JSON null has no number.
        if (message.nonce % 2 == 1) {
            (message.expires, message.expiresAt) = (true, number(string.concat(at, ".expires")));
        }
        if (vm.keyExistsJson(json, string.concat(at, ".kind.call"))) {
            message.kind = KIND_CALL;
            message.number = number(string.concat(at, ".kind.call.method"));
            message.data = bytesAt(string.concat(at, ".kind.call.params"));
        } else if (vm.keyExistsJson(json, string.concat(at, ".kind.receipt"))) {
            message.kind = KIND_RECEIPT;
            message.answered = word(string.concat(at, ".kind.receipt.of"));
            message.answeredSequence = number(string.concat(at, ".kind.receipt.of_sequence"));
            message.number = number(string.concat(at, ".kind.receipt.exit_code"));
            message.data = bytesAt(string.concat(at, ".kind.receipt.return_data"));
        }
    }

    function test_ids_and_leaves_are_those_of_the_vectors() public view {
        for (uint256 i = 0; i < 5; ++i) {
            string memory at = string.concat(".messages[", vm.toString(i), "]");
            CrossMessage memory message = messageAt(at);
            bytes32 chain = word(string.concat(at, ".origin_chain"));
            same(Protocol.messageId(chain, message.origin.account, message.originSequence), message.id, at);
            same(this.leaf(message), word(string.concat(at, ".leaf")), at);
        }
        holds(!vm.keyExistsJson(json, ".messages[5]"), "all messages of the file were read");
    }

    function test_batch_root_is_that_of_the_vectors() public view {
        bytes32[] memory row = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            row[i] = this.leaf(messageAt(string.concat(".messages[", vm.toString(i), "]")));
        }
        same(this.root(row, 5, 0, new bytes32[](0)), word(".checkpoints[0].messages.root"), "root");
    }

    function wordsAt(string memory at) private view returns (bytes32[] memory words) {
        uint256 count = 0;
        while (vm.keyExistsJson(json, string.concat(at, "[", vm.toString(count), "]"))) {
            ++count;
        }
        words = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            words[i] = word(string.concat(at, "[", vm.toString(i), "]"));
        }
    }

    function test_range_proofs_are_those_of_the_vectors() public view {
        for (uint256 i = 0; i < 6; ++i) {
            string memory at = string.concat(".trees[", vm.toString(i), "]");
            bytes32[] memory all = wordsAt(string.concat(at, ".leaves"));
            bytes32[] memory proof = wordsAt(string.concat(at, ".proof"));
            uint256 first = number(string.concat(at, ".first"));
            bytes32[] memory row = new bytes32[](number(string.concat(at, ".end")) - first);
            for (uint256 j = 0; j < row.length; ++j) {
                row[j] = all[first + j];
            }
            same(this.root(row, all.length, first, proof), word(string.concat(at, ".root")), at);
        }
        holds(!vm.keyExistsJson(json, ".trees[6]"), "all trees of the file were read");
    }

    function test_digest_is_that_of_the_vectors() public view {
        string memory at = ".checkpoints[0]";
        Checkpoint memory checkpoint;
        checkpoint.version = number(string.concat(at, ".version"));
        checkpoint.chain = word(string.concat(at, ".chain"));
        checkpoint.sequence = number(string.concat(at, ".sequence"));
        checkpoint.height = number(string.concat(at, ".height"));
        checkpoint.blockHash = hashInCid(string.concat(at, ".block"));
        checkpoint.stateRoot = hashInCid(string.concat(at, ".state_root"));
        checkpoint.previous = word(string.concat(at, ".previous"));
        checkpoint.messagesRoot = word(string.concat(at, ".messages.root"));
        checkpoint.messagesFirstNonce = number(string.concat(at, ".messages.first_nonce"));
        checkpoint.messagesCount = number(string.concat(at, ".messages.count"));
        checkpoint.messagesValue = amount(string.concat(at, ".messages.value"));
        checkpoint.burned = amount(string.concat(at, ".burned"));
        checkpoint.appliedNonce = number(string.concat(at, ".top_down_applied.nonce"));
        checkpoint.parentHeight = number(string.concat(at, ".top_down_applied.parent_height"));
        checkpoint.configuration = number(string.concat(at, ".configuration.number"));
        checkpoint.validatorsHash = word(string.concat(at, ".configuration.validators_hash"));
        checkpoint.upgrade = word(string.concat(at, ".upgrade"));
        bytes32 parent = word(string.concat(at, ".parent"));
        bytes32 actor = keccak256(bytesAt(string.concat(at, ".actor")));
        same(this.digest(parent, actor, checkpoint), word(string.concat(at, ".digest")), "digest");
    }

    /// @dev Text and bytes of f2 addresses stand in the vectors' names of chains.
    function test_text_of_an_f2_address_is_that_of_the_vectors() public view {
        bytes memory name = bytes(text(".chain_identities[0].subnet"));
        bytes memory actor = bytesAt(".checkpoints[0].actor");
        bytes memory step = bytes(Addresses.stepText(actor));
        bytes memory end = new bytes(step.length);
        for (uint256 i = 0; i < end.length; ++i) {
            end[i] = name[name.length - step.length + i];
        }
        same(step, end, "text of the second step");
    }

    /// @dev The expected text was computed by Python's `hashlib.blake2b` and `base64.b32encode`.
    function test_text_of_an_f410_address() public view {
        bytes memory account = Addresses.ofEthereum(0xd388aB098ed3E84c0D808776440B48F685198498);
        same(bytes(Addresses.stepText(account)), bytes("f410f2oekwcmo2pueydmaq53eic2i62crtbeyuzx2gmy"), "text");
    }
}
