// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "../Errors.sol";

/// @title As much of DAG-CBOR as a proof of a balance needs
/// @notice Reads one block from its beginning. Whatever the bytes are, each step moves forward or ends with an error.
library DagCbor {
    /// @dev A block and a position in it.
    struct Block {
        bytes32 hash;
        bytes data;
        uint256 at;
    }

    uint256 private constant NUMBER = 0;
    uint256 private constant BYTES = 2;
    uint256 private constant TEXT = 3;
    uint256 private constant ARRAY = 4;
    uint256 private constant MAP = 5;
    uint256 private constant TAG = 6;

    uint256 private constant LINK_BYTES = 43;
    /// @dev Tag 42, a byte string of 39, zero, then CIDv1, DAG-CBOR, BLAKE2b-256 with 32 bytes.
    bytes11 private constant LINK_HEAD = hex"d82a5827000171a0e40220";

    function _malformed(Block memory self) private pure {
        revert Errors.ProofMalformed(self.hash, self.at);
    }

    /// @dev Type and argument of the next item; moves behind them.
    function _head(Block memory self) private pure returns (uint256 kind, uint256 argument) {
        (bytes memory data, uint256 at) = (self.data, self.at);
        if (at >= data.length) _malformed(self);
        uint256 first = uint8(data[at]);
        (kind, argument) = (first >> 5, first & 31);
        ++at;
        if (argument > 23) {
            if (argument > 27) _malformed(self);
            uint256 width = 1 << (argument - 24);
            if (width > data.length - at) _malformed(self);
            assembly ("memory-safe") {
                argument := shr(sub(256, mul(8, width)), mload(add(add(data, 32), at)))
            }
            at += width;
        }
        self.at = at;
    }

    function _expect(Block memory self, uint256 expected) private pure returns (uint256 argument) {
        uint256 kind;
        (kind, argument) = _head(self);
        if (kind != expected) _malformed(self);
    }

    /// @notice The head of an array; its length.
    function array(Block memory self) internal pure returns (uint256) {
        return _expect(self, ARRAY);
    }

    /// @notice The head of an array that has to have this length.
    function expectArray(Block memory self, uint256 length) internal pure {
        if (_expect(self, ARRAY) != length) _malformed(self);
    }

    /// @notice A number of up to 64 bits.
    function number(Block memory self) internal pure returns (uint64) {
        return uint64(_expect(self, NUMBER));
    }

    /// @notice A byte string.
    function text(Block memory self) internal pure returns (bytes memory value) {
        uint256 length = _expect(self, BYTES);
        (bytes memory data, uint256 at) = (self.data, self.at);
        if (length > data.length - at) _malformed(self);
        value = new bytes(length);
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, length) { i := add(i, 32) } {
                mstore(add(add(value, 32), i), mload(add(add(add(data, 32), at), i)))
            }
        }
        self.at = at + length;
    }

    /// @notice A byte string of up to four bytes as a number.
    function bitfield(Block memory self) internal pure returns (uint256) {
        return _magnitude(self, text(self), 0, 4);
    }

    /// @notice A token amount: empty for zero, otherwise a zero byte for "plus" and the magnitude.
    function amount(Block memory self) internal pure returns (uint256) {
        bytes memory value = text(self);
        if (value.length == 0) return 0;
        if (value[0] != 0) _malformed(self);
        return _magnitude(self, value, 1, 33);
    }

    function _magnitude(Block memory self, bytes memory value, uint256 from, uint256 lengthMax)
        private
        pure
        returns (uint256 result)
    {
        if (value.length > lengthMax) _malformed(self);
        for (uint256 i = from; i < value.length; ++i) {
            result = (result << 8) | uint8(value[i]);
        }
    }

    /// @notice Whether a tag comes next, which links are behind.
    function isLink(Block memory self) internal pure returns (bool) {
        return self.at < self.data.length && uint8(self.data[self.at]) >> 5 == TAG;
    }

    /// @notice The hash in a link.
    function link(Block memory self) internal pure returns (bytes32 hash) {
        (bytes memory data, uint256 at) = (self.data, self.at);
        if (at > data.length || LINK_BYTES > data.length - at) _malformed(self);
        bytes32 head;
        assembly ("memory-safe") {
            let start := add(add(data, 32), at)
            head := mload(start)
            hash := mload(add(start, 11))
        }
        if (bytes11(head) != LINK_HEAD) _malformed(self);
        self.at = at + LINK_BYTES;
    }

    /// @notice Moves behind the next item, whatever it is.
    function skip(Block memory self) internal pure {
        for (uint256 left = 1; left > 0; --left) {
            (uint256 kind, uint256 argument) = _head(self);
            if (kind == BYTES || kind == TEXT) {
                if (argument > self.data.length - self.at) _malformed(self);
                self.at += argument;
            } else if (kind == ARRAY || kind == MAP) {
                // Each of them takes a byte at least.
                if (argument > self.data.length) _malformed(self);
                left += kind == MAP ? 2 * argument : argument;
            } else if (kind == TAG) {
                ++left;
            }
        }
    }
}
