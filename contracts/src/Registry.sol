// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "./IRegistry.sol";
import {Protocol} from "./libraries/Protocol.sol";
import {Errors} from "./Errors.sol";
import {ATTO_PER_POWER, CHAIN_PARAMETERS_BYTES_MAX, Parameters, VALIDATORS_MAX} from "./Types.sol";

/// @title Makes a contract for each child subnet of this chain
/// @notice Holds nothing and has no owner. The code of subnets is too long to stand in this contract's, so whoever
/// creates one brings it, and its hash decides.
contract Registry is IRegistry {
    error CodeMismatch(bytes32 expected, bytes32 actual);
    error CreationFailed(bytes reason);
    error TooManySubnets(uint256 max);
    error NoToken(address account);

    /// @dev Each subnet has 2^40 origin sequences of 2^64.
    uint256 private constant SUBNETS_MAX = 2 ** 24 - 1;

    /// @inheritdoc IRegistry
    bytes32 public immutable IDENTITY;
    /// @notice Keccak-256 of the subnet contract's creation code, without constructor arguments.
    bytes32 public immutable SUBNET_CODE_HASH;

    /// @inheritdoc IRegistry
    address public immutable OFFICE;

    address[] private _subnets;
    mapping(address subnet => bool) private _isSubnet;

    event SubnetCreated(address indexed subnet, address indexed creator, uint256 index);

    /// @param office A `SubnetOffice`.
    constructor(bytes32 subnetCodeHash, address office) {
        OFFICE = office;
        IDENTITY = Protocol.parentIdentity(block.chainid, address(this));
        SUBNET_CODE_HASH = subnetCodeHash;
    }

    /// @notice Makes a subnet contract. Its address follows from caller, salt, and parameters alone, so that no
    /// reordering of this chain gives it to another subnet.
    /// @param code The creation code that `SUBNET_CODE_HASH` names.
    /// @param parameters What the creator chooses, for ever.
    /// @param salt Sets apart subnets of one creator with the same parameters.
    function create(bytes calldata code, Parameters calldata parameters, bytes32 salt)
        external
        returns (address subnet)
    {
        bytes32 actual = keccak256(code);
        if (actual != SUBNET_CODE_HASH) revert CodeMismatch(SUBNET_CODE_HASH, actual);
        if (_subnets.length >= SUBNETS_MAX) revert TooManySubnets(SUBNETS_MAX);
        _check(parameters);
        address token = parameters.supplyToken;
        if (token != address(0) && token.code.length == 0) revert NoToken(token);
        bytes memory creation = bytes.concat(code, abi.encode(parameters));
        bytes32 ownSalt = keccak256(abi.encode(msg.sender, salt));
        assembly ("memory-safe") {
            subnet := create2(0, add(creation, 32), mload(creation), ownSalt)
        }
        if (subnet == address(0)) {
            bytes memory reason;
            assembly ("memory-safe") {
                reason := mload(0x40)
                mstore(reason, returndatasize())
                returndatacopy(add(reason, 32), 0, returndatasize())
                mstore(0x40, and(add(add(reason, returndatasize()), 63), not(31)))
            }
            revert CreationFailed(reason);
        }
        emit SubnetCreated(subnet, msg.sender, _subnets.length);
        _isSubnet[subnet] = true;
        _subnets.push(subnet);
    }

    function _check(Parameters calldata chosen) private pure {
        _requireWithin("chain", chosen.chain.length, 1, CHAIN_PARAMETERS_BYTES_MAX);
        _requireWithin("checkpointPeriod", chosen.checkpointPeriod, 1, 100_000);
        _requireWithin("validatorsMin", chosen.validatorsMin, 1, VALIDATORS_MAX);
        // A unit of power at least.
        _requireWithin("stakeMin", chosen.stakeMin, ATTO_PER_POWER, type(uint96).max);
        _requireWithin("parentLagMax", chosen.parentLagMax, 1, type(uint32).max);
        _requireWithin("unbondingBlocks", chosen.unbondingBlocks, 1, type(uint32).max);
        _requireWithin("silenceBlocks", chosen.silenceBlocks, 1, type(uint32).max);
        // So that no fee that a price asks for comes near what amounts can be.
        _requireWithin("crossGasPrice", chosen.crossGasPrice, 0, type(uint64).max);
    }

    function _requireWithin(string memory field, uint256 actual, uint256 min, uint256 max) private pure {
        if (actual < min || actual > max) revert Errors.BadParameter(field, actual, min, max);
    }

    /// @inheritdoc IRegistry
    function name() external view returns (string memory) {
        // OpenZeppelin's `Strings` needs an instruction that Shanghai does not have.
        bytes memory digits;
        for (uint256 rest = block.chainid; rest != 0 || digits.length == 0; rest /= 10) {
            digits = abi.encodePacked(uint8(48 + rest % 10), digits);
        }
        return string.concat("/r", string(digits));
    }

    /// @inheritdoc IRegistry
    function subnetCount() external view returns (uint256) {
        return _subnets.length;
    }

    /// @inheritdoc IRegistry
    function isSubnet(address account) external view returns (bool) {
        return _isSubnet[account];
    }

    /// @notice A subnet contract by its index.
    function subnetAt(uint256 index) external view returns (address) {
        return _subnets[index];
    }
}
