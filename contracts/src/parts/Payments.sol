// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Base} from "./Base.sol";
import {Addresses} from "../libraries/Addresses.sol";
import {Courier} from "../Courier.sol";
import {IRegistry} from "../IRegistry.sol";
import "../Types.sol";

/// @title What every half of the code that has no immutables of its own knows, and how it pays
abstract contract Payments is Base {
    /// @dev This code's own address.
    address internal immutable SELF;

    error NotThroughSubnet();

    constructor() {
        SELF = address(this);
    }

    /// @dev On the state of a subnet, and not from within a payment or call that it made.
    modifier notDelivering() {
        if (address(this) == SELF) revert NotThroughSubnet();
        if (_cursor.isDelivering) revert Delivering();
        _;
    }

    /// @dev Pays native coins that are the receiver's own business: it stays with a payment that fails.
    function _payStake(address to, uint256 amount) internal {
        if (amount == 0) revert NothingToPay();
        _cursor.isDelivering = true;
        (bool isPaid,) = to.call{value: amount}("");
        _cursor.isDelivering = false;
        if (!isPaid) revert PaymentFailed(to, amount);
    }

    function _registry() internal view override returns (IRegistry) {
        return _storedRegistry;
    }

    function _courier() internal view override returns (Courier) {
        return _storedCourier;
    }

    function _token() internal view override returns (IERC20) {
        return IERC20(_parameters.supplyToken);
    }

    function _parent() internal view override returns (bytes32) {
        return _storedParent;
    }

    function _originSequenceBase() internal view override returns (uint64) {
        return _storedOriginSequenceBase;
    }

    function _validatorsMin() internal view override returns (uint64) {
        return _parameters.validatorsMin;
    }
}
