// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Filecoin addresses and their text
/// @notice As the Filecoin address specification has them: protocol byte first. An Ethereum address is f410, but for
/// the form 0xff, eleven zero bytes and an id, which stands for an actor without one (FIP-0054).
library Addresses {
    /// @dev What an address is to this chain.
    enum Kind {
        /// Nothing that can be paid here.
        Unknown,
        /// f0, or f410 around a masked id.
        Id,
        /// f1, f3: an account with a native key.
        Account,
        /// f2: a native actor.
        Actor,
        /// f410.
        Ethereum
    }

    address private constant RESOLVE_ADDRESS = 0xFE00000000000000000000000000000000000001;
    uint160 private constant MASKED_ID = uint160(0xff) << 152;
    bytes32 private constant ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

    /// @notice The address of a caller or contract: f410, or f0 for a masked id.
    function ofEthereum(address account) internal pure returns (bytes memory) {
        if (!isMaskedId(account)) return abi.encodePacked(bytes2(0x040a), account);
        return ofId(uint64(uint160(account)));
    }

    /// @notice f0: a zero byte and the id as a varint.
    function ofId(uint64 id) internal pure returns (bytes memory text) {
        text = hex"00";
        while (id >= 0x80) {
            text = abi.encodePacked(text, uint8(id & 0x7f) | 0x80);
            id >>= 7;
        }
        return abi.encodePacked(text, uint8(id));
    }

    /// @notice Whether an Ethereum address stands for an actor by its id.
    function isMaskedId(address account) internal pure returns (bool) {
        return uint160(account) >> 64 == MASKED_ID >> 64;
    }

    /// @notice The Ethereum address that stands for an id.
    function maskedId(uint64 id) internal pure returns (address) {
        return address(MASKED_ID | id);
    }

    /// @notice The Ethereum form of the actor that an address leads to, by its id; zero when there is none.
    /// @dev Filecoin's precompile takes the address's bytes and returns a word, or nothing (builtin-actors,
    /// `evm/src/interpreter/precompiles/fvm.rs`, `resolve_address`).
    function resolve(bytes memory text) internal view returns (address) {
        (bool isDone, bytes memory output) = RESOLVE_ADDRESS.staticcall(text);
        return isDone && output.length == 32 ? maskedId(uint64(uint256(bytes32(output)))) : address(0);
    }

    /// @notice What an address is. Never fails: whatever is no address is unknown.
    /// @return kind Its kind.
    /// @return account Its Ethereum form, where it has one.
    function parse(bytes memory text) internal pure returns (Kind kind, address account) {
        if (text.length == 0) return (Kind.Unknown, address(0));
        uint8 protocol = uint8(text[0]);
        if (protocol == 0) return _parseId(text);
        if (protocol == 1 && text.length == 21) return (Kind.Account, address(0));
        if (protocol == 2 && text.length == 21) return (Kind.Actor, address(0));
        if (protocol == 3 && text.length == 49) return (Kind.Account, address(0));
        if (protocol == 4 && text.length == 22 && text[1] == 0x0a) {
            assembly ("memory-safe") {
                account := shr(96, mload(add(text, 34)))
            }
            return (isMaskedId(account) ? Kind.Id : Kind.Ethereum, account);
        }
        return (Kind.Unknown, address(0));
    }

    function _parseId(bytes memory text) private pure returns (Kind, address) {
        uint256 id = 0;
        if (text.length < 2 || text.length > 11) return (Kind.Unknown, address(0));
        for (uint256 i = 1; i < text.length; ++i) {
            uint8 part = uint8(text[i]);
            bool isLast = i + 1 == text.length;
            // The shortest form only: the last part is not zero, unless it is the only one.
            if ((part < 0x80) != isLast || (isLast && part == 0 && i > 1)) return (Kind.Unknown, address(0));
            id |= uint256(part & 0x7f) << (7 * (i - 1));
        }
        if (id > type(uint64).max) return (Kind.Unknown, address(0));
        return (Kind.Id, maskedId(uint64(id)));
    }

    /// @notice A step of a chain's name: the text of an f2 or f410 address; empty when it is neither.
    function stepText(bytes memory text) internal view returns (string memory) {
        (Kind kind,) = parse(text);
        if (kind == Kind.Actor) return string.concat("f2", _base32(_tail(text, 1), checksum(text)));
        if (kind == Kind.Ethereum) return string.concat("f410f", _base32(_tail(text, 2), checksum(text)));
        return "";
    }

    function _tail(bytes memory text, uint256 from) private pure returns (bytes memory tail) {
        tail = new bytes(text.length - from);
        for (uint256 i = 0; i < tail.length; ++i) {
            tail[i] = text[from + i];
        }
    }

    /// @dev RFC 4648, lower case, without padding.
    function _base32(bytes memory payload, bytes4 check) private pure returns (string memory) {
        bytes memory data = abi.encodePacked(payload, check);
        bytes memory text = new bytes((data.length * 8 + 4) / 5);
        (uint256 buffer, uint256 bits, uint256 read) = (0, 0, 0);
        for (uint256 i = 0; i < text.length; ++i) {
            if (bits < 5) {
                buffer = (buffer << 8) | (read < data.length ? uint8(data[read]) : 0);
                (read, bits) = (read + 1, bits + 8);
            }
            bits -= 5;
            text[i] = ALPHABET[(buffer >> bits) & 31];
        }
        return string(text);
    }

    /// @notice BLAKE2b with four bytes of output over an address of at most 64 bytes, which is one block of the hash.
    /// @dev By the precompile of EIP-152. The state starts as RFC 7693 says, for this length of output and no key.
    function checksum(bytes memory text) internal view returns (bytes4) {
        bytes memory input = abi.encodePacked(
            uint32(12),
            // 0x6a09e667f3bcc908 ^ 0x01010004, little-endian.
            hex"0cc9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5",
            hex"d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b",
            text,
            new bytes(128 - text.length),
            uint8(text.length),
            new bytes(15),
            uint8(1)
        );
        (bool isDone, bytes memory output) = address(9).staticcall(input);
        assert(isDone && output.length == 64);
        return bytes4(output);
    }
}
