// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @notice Assertions that say what differs.
abstract contract Check {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Different(string what, uint256 actual, uint256 expected);
    error DifferentBytes(string what, bytes actual, bytes expected);
    error Untrue(string what);

    function same(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) revert Different(what, actual, expected);
    }

    function same(bytes32 actual, bytes32 expected, string memory what) internal pure {
        if (actual != expected) revert DifferentBytes(what, abi.encode(actual), abi.encode(expected));
    }

    function same(address actual, address expected, string memory what) internal pure {
        if (actual != expected) revert DifferentBytes(what, abi.encode(actual), abi.encode(expected));
    }

    function same(bytes memory actual, bytes memory expected, string memory what) internal pure {
        if (keccak256(actual) != keccak256(expected)) revert DifferentBytes(what, actual, expected);
    }

    function holds(bool condition, string memory what) internal pure {
        if (!condition) revert Untrue(what);
    }
}
