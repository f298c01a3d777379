// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Check} from "./Check.sol";
import {ISubnet} from "../../src/ISubnet.sol";
import {Registry} from "../../src/Registry.sol";
import {Addresses} from "../../src/libraries/Addresses.sol";
import {Protocol} from "../../src/libraries/Protocol.sol";
import {Validators} from "../../src/libraries/Validators.sol";
import "../../src/Types.sol";

/// @notice A chain with a registry, a subnet, and validators whose keys this contract has. It plays the subnet's side:
/// it keeps the list of validators and makes and signs checkpoints.
abstract contract World is Check {
    struct Key {
        uint256 secret;
        address settlement;
        address owner;
    }

    uint256 internal constant STAKE = 10 ether;
    bytes32 internal constant CHAIN = keccak256("the subnet's identity");
    address internal constant SUBMITTER = address(0x5AB100);

    Registry internal registry;
    ISubnet internal subnet;
    string internal ownName;
    string internal rootName;
    /// @dev By settlement address, ascending.
    Key[] internal keys;
    /// @dev Powers in the newest configuration, in the order of `keys`; zero for who is not in it.
    uint64[] internal powers;

    /// @dev Creation code as it is deployed.
    function codeOf(string memory name) internal view returns (bytes memory) {
        return vm.getCode(string.concat("out/release/", name, ".sol/", name, ".json"));
    }

    function deploy() internal returns (Registry) {
        bytes memory arguments = abi.encode(keccak256(codeOf("Subnet")), create(codeOf("SubnetOffice")));
        return Registry(create(bytes.concat(codeOf("Registry"), arguments)));
    }

    function create(bytes memory code) internal returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        holds(made != address(0), "contract was made");
    }

    function chosen(uint64 validators) internal pure returns (Parameters memory) {
        return Parameters({
            chain: hex"8901",
            checkpointPeriod: 10,
            validatorsMin: validators,
            stakeMin: 1 ether,
            parentLagMax: 100,
            unbondingBlocks: 1000,
            silenceBlocks: 5000,
            crossGasPrice: 0,
            supplyToken: address(0),
            isStatic: false
        });
    }

    /// @dev A subnet with these parameters, without validators.
    function begin(Parameters memory params) internal {
        if (address(registry) == address(0)) registry = deploy();
        subnet = ISubnet(registry.create(codeOf("Subnet"), params, bytes32(registry.subnetCount())));
        rootName = registry.name();
        ownName = string.concat(rootName, "/", Addresses.stepText(Addresses.ofEthereum(address(subnet))));
        delete keys;
        delete powers;
        vm.deal(SUBMITTER, 1 ether);
    }

    /// @dev An active subnet of `count` validators with equal stake.
    function beginActive(uint256 count) internal {
        beginActive(chosen(uint64(count)));
    }

    function beginActive(Parameters memory params) internal {
        begin(params);
        prepareKeys(uint256(params.validatorsMin) + 2);
        for (uint256 i = 0; i < params.validatorsMin; ++i) {
            join(i, STAKE);
        }
    }

    function prepareKeys(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            Key memory key = Key(1000 + i, vm.addr(1000 + i), vm.addr(5000 + i));
            uint256 place = keys.length;
            keys.push(key);
            powers.push(0);
            for (; place > 0 && keys[place - 1].settlement > key.settlement; --place) {
                keys[place] = keys[place - 1];
            }
            keys[place] = key;
        }
    }

    // --- the subnet's validators
    // --------------------------------------------------------------------------------------

    function actorHash() internal view returns (bytes32) {
        return keccak256(Addresses.ofEthereum(address(subnet)));
    }

    function joinOf(uint256 index) internal view returns (ISubnet.Join memory) {
        Key memory key = keys[index];
        bytes32 voteKey = keccak256(abi.encode("vote key", key.secret));
        bytes32 request = Protocol.possession(subnet.PARENT(), actorHash(), key.owner, voteKey, key.settlement);
        return ISubnet.Join(voteKey, key.settlement, signature(key.secret, request), "/ip4/127.0.0.1/tcp/1");
    }

    function join(uint256 index, uint256 amount) internal {
        ISubnet.Join memory request = joinOf(index);
        ValidatorList memory validators = list();
        vm.deal(keys[index].owner, amount);
        vm.prank(keys[index].owner);
        subnet.joinSubnet{value: amount}(request, validators);
        powers[index] = uint64(amount / 1e9);
    }

    /// @dev The newest configuration's list.
    function list() internal view returns (ValidatorList memory validators) {
        bytes memory entries;
        for (uint256 i = 0; i < keys.length; ++i) {
            if (powers[i] == 0) continue;
            entries = bytes.concat(entries, abi.encodePacked(keys[i].settlement, powers[i]));
            validators.totalPower += powers[i];
        }
        validators.entries = entries;
    }

    // --- the subnet's checkpoints
    // -------------------------------------------------------------------------------------

    /// @dev The next checkpoint without messages.
    function nextCheckpoint() internal view returns (Checkpoint memory checkpoint) {
        ISubnet.Status memory status = subnet.status();
        uint64 sequence = uint64(status.head.sequence) + 1;
        checkpoint.version = 1;
        checkpoint.chain = CHAIN;
        checkpoint.sequence = sequence;
        checkpoint.height = sequence * 10;
        checkpoint.blockHash = keccak256(abi.encode("block", sequence));
        checkpoint.stateRoot = keccak256(abi.encode("state", sequence));
        checkpoint.previous = sequence == 1 ? CHAIN : status.lastDigest;
        checkpoint.messagesFirstNonce = status.cursor.nextBatchNonce;
        checkpoint.appliedNonce = status.head.appliedNonce;
        checkpoint.parentHeight = status.head.parentHeight;
        checkpoint.configuration = status.head.configuration;
        checkpoint.validatorsHash = status.confirmedHash;
    }

    function nextCheckpoint(CrossMessage[] memory messages) internal view returns (Checkpoint memory checkpoint) {
        checkpoint = nextCheckpoint();
        checkpoint.messagesCount = uint64(messages.length);
        checkpoint.messagesRoot = rootOf(messages);
        for (uint256 i = 0; i < messages.length; ++i) {
            checkpoint.messagesValue += messages[i].value + messages[i].fee;
        }
    }

    function digestOf(Checkpoint memory checkpoint) internal view returns (bytes32) {
        return this.digest(subnet.PARENT(), actorHash(), checkpoint);
    }

    function digest(bytes32 parent, bytes32 actor, Checkpoint calldata checkpoint) external pure returns (bytes32) {
        return Protocol.digest(parent, actor, checkpoint);
    }

    function leaf(CrossMessage calldata message) external pure returns (bytes32) {
        return Protocol.leaf(message);
    }

    function signature(uint256 secret, bytes32 digest_) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest_);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Signatures of the first `count` validators of the newest configuration.
    function certificate(Checkpoint memory checkpoint, uint256 count) internal view returns (bytes memory signatures) {
        bytes32 digest_ = digestOf(checkpoint);
        uint256 position = 0;
        for (uint256 i = 0; i < keys.length && count > 0; ++i) {
            if (powers[i] == 0) continue;
            signatures = bytes.concat(signatures, abi.encodePacked(uint8(position), signature(keys[i].secret, digest_)));
            position += 1;
            count -= 1;
        }
    }

    function quorum() internal view returns (uint256) {
        return 2 * (list().entries.length / 28) / 3 + 1;
    }

    function submit(Checkpoint memory checkpoint, CrossMessage[] memory messages) internal {
        ValidatorList memory validators = list();
        bytes memory signatures = certificate(checkpoint, quorum());
        vm.prank(SUBMITTER, SUBMITTER);
        subnet.submitCheckpoint(checkpoint, validators, signatures, messages);
    }

    function submit(Checkpoint memory checkpoint) internal {
        submit(checkpoint, new CrossMessage[](0));
    }

    function submit(CrossMessage[] memory messages) internal {
        submit(nextCheckpoint(messages), messages);
    }

    function refuse(Checkpoint memory checkpoint, bytes memory reason) internal {
        refuse(checkpoint, new CrossMessage[](0), reason);
    }

    function refuse(Checkpoint memory checkpoint, CrossMessage[] memory messages, bytes memory reason) internal {
        ValidatorList memory validators = list();
        bytes memory signatures = certificate(checkpoint, quorum());
        vm.prank(SUBMITTER, SUBMITTER);
        vm.expectRevert(reason);
        subnet.submitCheckpoint(checkpoint, validators, signatures, messages);
    }

    // --- the subnet's messages
    // ----------------------------------------------------------------------------------------

    function transfer(uint64 nonce, bytes memory to, uint256 value)
        internal
        view
        returns (CrossMessage memory message)
    {
        message.origin = CrossAddress(ownName, hex"01bccafce0b3010a52143dc6f093151d131e1a3fcf");
        message.originSequence = 500 + nonce;
        message.id = Protocol.messageId(CHAIN, message.origin.account, message.originSequence);
        message.destination = CrossAddress(rootName, to);
        message.value = value;
        message.nonce = nonce;
    }

    function transferTo(uint64 nonce, address to, uint256 value) internal view returns (CrossMessage memory) {
        return transfer(nonce, Addresses.ofEthereum(to), value);
    }

    function one(CrossMessage memory message) internal pure returns (CrossMessage[] memory messages) {
        messages = new CrossMessage[](1);
        messages[0] = message;
    }

    function leavesOf(CrossMessage[] memory messages) internal view returns (bytes32[] memory row) {
        row = new bytes32[](messages.length);
        for (uint256 i = 0; i < messages.length; ++i) {
            row[i] = keccak256(bytes.concat(hex"00", this.leaf(messages[i])));
        }
    }

    /// @dev Written apart from the contract's: by rows of the whole tree.
    function rootOf(CrossMessage[] memory messages) internal view returns (bytes32) {
        if (messages.length == 0) return 0;
        bytes32[] memory row = leavesOf(messages);
        while (row.length > 1) {
            row = above(row);
        }
        return row[0];
    }

    function above(bytes32[] memory row) internal pure returns (bytes32[] memory next) {
        next = new bytes32[]((row.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] = 2 * i + 1 < row.length ? keccak256(bytes.concat(hex"01", row[2 * i], row[2 * i + 1])) : row[2 * i];
        }
    }

    function proofOf(CrossMessage[] memory messages, uint256 first, uint256 end)
        internal
        view
        returns (bytes32[] memory proof)
    {
        bytes32[] memory row = leavesOf(messages);
        bytes32[] memory found = new bytes32[](64);
        uint256 count = 0;
        while (row.length > 1) {
            if (first % 2 == 1) found[count++] = row[first - 1];
            if (end % 2 == 1 && end < row.length) found[count++] = row[end];
            (first, end) = (first / 2, (end + 1) / 2);
            row = above(row);
        }
        proof = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            proof[i] = found[i];
        }
    }

    function slice(CrossMessage[] memory messages, uint256 first, uint256 end)
        internal
        pure
        returns (CrossMessage[] memory part)
    {
        part = new CrossMessage[](end - first);
        for (uint256 i = first; i < end; ++i) {
            part[i - first] = messages[i];
        }
    }

    // --- money
    // --------------------------------------------------------------------------------------------------------

    function fund(uint256 amount) internal {
        vm.deal(address(this), amount);
        subnet.fund{value: amount}(Addresses.ofEthereum(address(0xF00D)), amount);
    }

    function custody() internal view returns (uint256) {
        return subnet.status().money.custody;
    }

    /// @dev All counters of coins together are never more than the coins.
    function checkMoney() internal view {
        ISubnet.Status memory status = subnet.status();
        uint256 supply =
            uint256(status.money.custody) + status.money.reserved + status.ledger.unclaimed + status.ledger.burned;
        uint256 stakes = uint256(status.stakes.staked) + status.stakes.unbonding + status.slashed;
        holds(!status.cursor.isDelivering, "no delivery is running");
        if (subnet.SUPPLY_TOKEN() == address(0)) {
            same(address(subnet).balance, supply + stakes, "counters make the balance");
        } else {
            same(address(subnet).balance, stakes, "stakes make the balance");
        }
    }
}
