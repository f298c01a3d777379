// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {Addresses} from "./libraries/Addresses.sol";
import {Blake2b} from "./libraries/Blake2b.sol";
import {DagCbor} from "./libraries/DagCbor.sol";

/// @title The balance of an account of a subnet, read from blocks of its state that somebody brings
/// @notice
///   state root -> actors -> init (id 1) -> address map -> id of the account -> (actors) its balance
///
/// Every block is named by BLAKE2b-256 of its bytes, so what is read is what the state holds. That state may say
/// anything where all validators are corrupt: it decides no more than how the subnet's own custody is shared out, and
/// whatever form it has, reading it ends. The same blocks prove a balance to the native checkpoint actor.
contract BalanceProofs {
    using DagCbor for DagCbor.Block;

    /// @dev Blocks by their hashes.
    struct Blocks {
        bytes32[] hashes;
        bytes[] all;
    }

    /// @notice A way has less than twenty at a hundred million accounts.
    uint256 public constant BLOCKS_MAX = 64;
    /// @dev Of the state tree (`StateTreeVersion::V5`).
    uint256 private constant STATE_VERSION = 5;
    uint64 private constant INIT_ID = 1;
    uint64 private constant USER_ID_MIN = 100;
    /// @dev Bits of a key's hash for each level of a HAMT.
    uint256 private constant BIT_WIDTH = 5;

    /// @notice The id and balance that the state with this root has for an account.
    /// @param stateRoot BLAKE2b-256 in the root's CID.
    /// @param account Its Filecoin address, which the address map has.
    /// @param proof The blocks on the way, in any order.
    function balanceOf(bytes32 stateRoot, bytes calldata account, bytes[] calldata proof)
        external
        view
        returns (uint64 id, uint256 balance)
    {
        Blocks memory blocks = _named(proof);
        DagCbor.Block memory root = _load(blocks, stateRoot);
        root.expectArray(3);
        if (root.number() != STATE_VERSION) revert Errors.ProofMalformed(root.hash, 0);
        bytes32 actors = root.link();
        DagCbor.Block memory init = _lookUp(blocks, actors, Addresses.ofId(INIT_ID));
        init.expectArray(5);
        init.skip();
        init = _load(blocks, init.link());
        init.expectArray(3);
        id = _lookUp(blocks, init.link(), account).number();
        if (id < USER_ID_MIN) revert Errors.SystemAccount(id);
        DagCbor.Block memory actor = _lookUp(blocks, actors, Addresses.ofId(id));
        // Code, state, sequence, balance, address.
        actor.expectArray(5);
        actor.skip();
        actor.skip();
        actor.skip();
        balance = actor.amount();
    }

    function _named(bytes[] calldata proof) private view returns (Blocks memory blocks) {
        if (proof.length > BLOCKS_MAX) revert Errors.ProofTooLong(proof.length, BLOCKS_MAX);
        blocks.all = new bytes[](proof.length);
        blocks.hashes = new bytes32[](proof.length);
        for (uint256 i = 0; i < proof.length; ++i) {
            blocks.all[i] = proof[i];
            blocks.hashes[i] = Blake2b.hash(blocks.all[i]);
        }
    }

    function _load(Blocks memory blocks, bytes32 hash) private pure returns (DagCbor.Block memory) {
        for (uint256 i = 0; i < blocks.hashes.length; ++i) {
            if (blocks.hashes[i] == hash) return DagCbor.Block(hash, blocks.all[i], 0);
        }
        revert Errors.ProofBlockMissing(hash);
    }

    /// @dev What a HAMT has for a key: a block that stands at the value. A node is [bitfield, [pointer, ...]], a pointer a
    /// link or a bucket [[key, value], ...]: the IPLD HashMap specification, with Filecoin's parameters.
    function _lookUp(Blocks memory blocks, bytes32 map, bytes memory key)
        private
        pure
        returns (DagCbor.Block memory node)
    {
        uint256 path = uint256(sha256(key));
        for (uint256 level = 1; level * BIT_WIDTH <= 256; ++level) {
            node = _load(blocks, map);
            node.expectArray(2);
            uint256 bits = node.bitfield();
            uint256 position = (path >> (256 - level * BIT_WIDTH)) & 31;
            node.expectArray(_ones(bits));
            if ((bits >> position) & 1 == 0) revert Errors.ProofAbsent(key);
            for (uint256 before = _ones(bits & ((1 << position) - 1)); before > 0; --before) {
                node.skip();
            }
            if (!node.isLink()) {
                _enter(node, key);
                return node;
            }
            map = node.link();
        }
        revert Errors.ProofAbsent(key);
    }

    /// @dev Moves to the value of a key in the bucket that the block stands at.
    function _enter(DagCbor.Block memory node, bytes memory key) private pure {
        for (uint256 entries = node.array(); entries > 0; --entries) {
            node.expectArray(2);
            if (keccak256(node.text()) == keccak256(key)) return;
            node.skip();
        }
        revert Errors.ProofAbsent(key);
    }

    function _ones(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }
}
