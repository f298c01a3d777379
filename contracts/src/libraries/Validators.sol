// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ValidatorList} from "../Types.sol";
import {Errors} from "../Errors.sol";

/// @title Validator lists in calldata and signatures over digests
/// @notice A list has 28 bytes for each validator (settlement address, power), ascending by address, so that a set has
/// one list and one hash. On Filecoin a signature costs 1.7 million gas and a pairing over a thousand million, which is
/// why a certificate is a list of signatures here.
library Validators {
    bytes32 internal constant TAG = keccak256("subnet-runtime/settlement-validators/v1");
    uint256 internal constant ENTRY_BYTES = 28;
    /// @dev Index in the list (1), r (32), s (32), v (1).
    uint256 internal constant SIGNATURE_BYTES = 66;

    /// @notice What a checkpoint reports of a configuration and storage keeps of it.
    function hash(uint64 number, ValidatorList calldata list) internal pure returns (bytes32) {
        return hashOf(number, list.totalPower, list.entries);
    }

    /// @notice The same, of a list in memory.
    function hashOf(uint64 number, uint64 totalPower, bytes memory entries) internal pure returns (bytes32) {
        return keccak256(abi.encode(TAG, number, totalPower, keccak256(entries)));
    }

    /// @notice How many validators a list has.
    function count(bytes calldata entries) internal pure returns (uint256) {
        if (entries.length % ENTRY_BYTES != 0) revert Errors.EntriesLength(entries.length, ENTRY_BYTES);
        return entries.length / ENTRY_BYTES;
    }

    /// @notice Settlement address and power at `index`, which the list has.
    function entryAt(bytes calldata entries, uint256 index) internal pure returns (address key, uint64 power) {
        uint256 offset = index * ENTRY_BYTES;
        key = address(bytes20(entries[offset:offset + 20]));
        power = uint64(bytes8(entries[offset + 20:offset + 28]));
    }

    /// @notice Ends unless validators with more than 2/3 of the power signed `digest`.
    /// @param signatures 66 bytes each, ascending by index. What follows a quorum is not looked at.
    function requireQuorum(bytes32 digest, ValidatorList calldata list, bytes calldata signatures) internal pure {
        uint256 validators = count(list.entries);
        if (signatures.length % SIGNATURE_BYTES != 0) {
            revert Errors.SignaturesLength(signatures.length, SIGNATURE_BYTES);
        }
        uint256 total = list.totalPower;
        uint256 signed = 0;
        uint256 next = 0;
        for (uint256 offset = 0; offset < signatures.length; offset += SIGNATURE_BYTES) {
            uint256 index = uint8(signatures[offset]);
            if (index < next) revert Errors.SignatureOrder(next - 1, index);
            if (index >= validators) revert Errors.SignerUnknown(index, validators);
            next = index + 1;
            (address key, uint64 power) = entryAt(list.entries, index);
            address signer = recover(index, digest, signatures[offset + 1:offset + SIGNATURE_BYTES]);
            if (signer != key) revert Errors.SignatureMismatch(index, key, signer);
            signed += power;
            // Neither side comes near 256 bits: powers have 64.
            if (3 * signed > 2 * total) return;
        }
        revert Errors.BelowQuorum(signed, total);
    }

    /// @notice Who made a signature of 65 bytes (r, s, v) over `digest`; zero when nobody did. `index` names it in
    /// errors.
    /// @dev The upper half of the values of s is refused: of the two forms of a signature one counts.
    function recover(uint256 index, bytes32 digest, bytes calldata signature) internal pure returns (address) {
        if (signature.length != 65) revert Errors.SignaturesLength(signature.length, 65);
        bytes32 s = bytes32(signature[32:64]);
        (address signer, ECDSA.RecoverError problem,) =
            ECDSA.tryRecover(digest, uint8(signature[64]), bytes32(signature[:32]), s);
        if (problem == ECDSA.RecoverError.InvalidSignatureS) revert Errors.SignatureHighS(index, s);
        return signer;
    }

    /// @notice The list with `key` at `power`: put in, reweighed, or taken out at zero. Its order stays.
    /// @return entries The new list.
    /// @return totalPower Its power.
    function replace(ValidatorList calldata list, address key, uint64 power)
        internal
        pure
        returns (bytes memory entries, uint64 totalPower)
    {
        (uint256 low, uint256 high) = (0, count(list.entries));
        while (low < high) {
            uint256 middle = (low + high) / 2;
            (address there,) = entryAt(list.entries, middle);
            if (there < key) low = middle + 1;
            else high = middle;
        }
        uint256 start = low * ENTRY_BYTES;
        uint256 end = start;
        totalPower = list.totalPower;
        if (start < list.entries.length) {
            (address there, uint64 before) = entryAt(list.entries, low);
            if (there == key) {
                end = start + ENTRY_BYTES;
                totalPower -= before;
            }
        }
        totalPower += power;
        bytes memory entry = power == 0 ? bytes("") : abi.encodePacked(key, power);
        entries = bytes.concat(list.entries[:start], entry, list.entries[end:]);
    }
}
