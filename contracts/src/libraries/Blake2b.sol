// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title BLAKE2b-256 (RFC 7693) by the precompile of its compression function (EIP-152)
library Blake2b {
    /// @dev Rounds (4), state (64), block (128), bytes so far (16, little-endian), last (1).
    uint256 private constant INPUT_BYTES = 213;

    /// @notice The hash of `data`.
    function hash(bytes memory data) internal view returns (bytes32 result) {
        bytes memory input = abi.encodePacked(
            uint32(12),
            // The first word is 0x6a09e667f3bcc908 ^ 0x01010020, little-endian: no key, 32 bytes of output.
            hex"28c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5",
            hex"d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b",
            new bytes(145)
        );
        bool isDone = true;
        assembly ("memory-safe") {
            let length := mload(data)
            let state := add(input, 36)
            let body := add(input, 100)
            for { let from := 0 } 1 {} {
                let rest := sub(length, from)
                let taken := rest
                if gt(taken, 128) { taken := 128 }
                let source := add(add(data, 32), from)
                for { let i := 0 } lt(i, 128) { i := add(i, 32) } {
                    let word := 0
                    if lt(i, taken) {
                        word := mload(add(source, i))
                        // What stands behind the data in memory is not part of it.
                        let present := sub(taken, i)
                        if lt(present, 32) {
                            let unused := mul(8, sub(32, present))
                            word := shl(unused, shr(unused, word))
                        }
                    }
                    mstore(add(body, i), word)
                }
                from := add(from, taken)
                // Blocks are far shorter than 2^32 bytes, so that four bytes of the counter are enough.
                mstore8(add(body, 128), and(from, 0xff))
                mstore8(add(body, 129), and(shr(8, from), 0xff))
                mstore8(add(body, 130), and(shr(16, from), 0xff))
                mstore8(add(body, 131), and(shr(24, from), 0xff))
                let isLast := eq(from, length)
                mstore8(add(body, 144), isLast)
                isDone := and(isDone, staticcall(gas(), 9, add(input, 32), INPUT_BYTES, state, 64))
                if isLast { break }
            }
            result := mload(state)
        }
        assert(isDone);
    }
}
