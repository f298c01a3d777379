// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CrossAddress, EXIT_BAD_RETURN, EXIT_RETURN_TOO_LARGE, EXIT_REVERTED, RETURN_BYTES_MAX} from "./Types.sol";

/// @title What a contract implements to take part in calls between chains
/// @notice Only the word of a subnet's courier counts: check `msg.sender` against `Subnet.COURIER` of a subnet that you
/// trust.
interface ICrossReceiver {
    /// @notice A call from another chain. No message is delivered twice.
    /// @param id Of the message.
    /// @param origin Who calls, from where.
    /// @param method What is asked for. Means something to the receiver only.
    /// @param params Its parameters.
    /// @param value What came with it: native coins in `msg.value`, or tokens that are the receiver's already.
    /// @return What the caller gets to see, at most 4 KiB.
    function receiveCrossCall(
        bytes32 id,
        CrossAddress calldata origin,
        uint64 method,
        bytes calldata params,
        uint256 value
    ) external payable returns (bytes memory);

    /// @notice The outcome of a message that this contract sent. What came back is credited already, and how this ends
    /// changes nothing.
    function receiveCrossReceipt(
        bytes32 answered,
        CrossAddress calldata from,
        uint64 exitCode,
        bytes calldata returnData,
        uint256 value
    ) external;
}

/// @title Brings payments and calls from a subnet to accounts of this chain
/// @notice Code that somebody on another chain has chosen never runs under the subnet contract, which has value. The
/// courier has neither value nor rights: what comes with a call leaves with it or goes back with its failure.
contract Courier {
    /// @notice Nothing was delivered, and the value is back where it came from.
    error Undelivered(uint64 exitCode);
    error NotSubnet(address caller);

    /// @notice The subnet contract whose courier this is, and which alone may use it.
    address public immutable SUBNET;

    /// @dev Filecoin's precompile that calls actors by any address (builtin-actors,
    /// `evm/src/interpreter/precompiles/fvm.rs`). It answers to DELEGATECALL only, and then sends from the contract
    /// that executes.
    address private constant CALL_ACTOR = 0xfe00000000000000000000000000000000000003;

    constructor() {
        SUBNET = msg.sender;
    }

    modifier onlySubnet() {
        if (msg.sender != SUBNET) revert NotSubnet(msg.sender);
        _;
    }

    /// @notice Pays an Ethereum address.
    function pay(address to, uint256 gasLimit) external payable onlySubnet {
        bool isPaid;
        // No byte of what the receiver returns is copied: it could be made to cost more than the payment's gas.
        assembly ("memory-safe") {
            isPaid := call(gasLimit, to, callvalue(), 0, 0, 0, 0)
        }
        if (!isPaid) revert Undelivered(EXIT_REVERTED);
    }

    /// @notice Pays an actor by its Filecoin address: a bare transfer (method 0), which runs no code.
    /// @dev The precompile succeeds although the transfer fails; the exit code tells. Where there is no such
    /// precompile, nothing comes back and nothing was paid.
    function payActor(bytes calldata account) external payable onlySubnet {
        (bool isDone, bytes memory output) =
            CALL_ACTOR.delegatecall(abi.encode(uint64(0), msg.value, uint64(0), uint64(0), bytes(""), account));
        if (!isDone || output.length < 32) revert Undelivered(EXIT_REVERTED);
        int256 exitCode = int256(uint256(bytes32(output)));
        if (exitCode == 0) return;
        bool isActors = exitCode > 0 && exitCode < 2 ** 32;
        revert Undelivered(isActors ? uint64(uint256(exitCode)) : EXIT_REVERTED);
    }

    /// @notice Calls a contract with the value that comes.
    /// @return data What it returned.
    function carry(address to, uint256 gasLimit, bytes calldata input)
        external
        payable
        onlySubnet
        returns (bytes memory data)
    {
        bytes memory output = _call(to, gasLimit, input);
        // The outer word has to point at the next one, and the data to be there: `abi.decode` ends otherwise.
        if (output.length < 64 || uint256(bytes32(output)) != 32) revert Undelivered(EXIT_BAD_RETURN);
        uint256 length;
        assembly ("memory-safe") {
            length := mload(add(output, 64))
        }
        if (length > output.length - 64) revert Undelivered(EXIT_BAD_RETURN);
        data = abi.decode(output, (bytes));
        if (data.length > RETURN_BYTES_MAX) revert Undelivered(EXIT_RETURN_TOO_LARGE);
    }

    /// @notice Calls a contract that returns nothing.
    function notify(address to, uint256 gasLimit, bytes calldata input) external onlySubnet {
        _call(to, gasLimit, input);
    }

    function _call(address to, uint256 gasLimit, bytes memory input) private returns (bytes memory output) {
        bool isDone;
        uint256 size;
        assembly ("memory-safe") {
            isDone := call(gasLimit, to, callvalue(), add(input, 32), mload(input), 0, 0)
            size := returndatasize()
        }
        if (!isDone) revert Undelivered(EXIT_REVERTED);
        // Two words around the data, which is padded to whole ones.
        if (size > RETURN_BYTES_MAX + 64 + 31) revert Undelivered(EXIT_RETURN_TOO_LARGE);
        output = new bytes(size);
        assembly ("memory-safe") {
            returndatacopy(add(output, 32), 0, size)
        }
    }
}
