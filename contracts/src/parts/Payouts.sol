// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20, IERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Payments} from "./Payments.sol";
import {Addresses} from "../libraries/Addresses.sol";
import "../Types.sol";

/// @title What is paid when somebody asks for it
/// @notice Value that could not be credited, and what is to be burned.
abstract contract Payouts is Payments {
    using SafeERC20 for IERC20;

    event Burned(uint256 amount);
    event ValueClaimed(bytes account, bytes paidTo, uint256 amount);

    /// @notice Anyone has value credited that could not be credited when it came.
    /// @param account Filecoin address for which the ledger keeps something.
    function claimUnclaimed(bytes calldata account) external notDelivering {
        _payUnclaimed(account, account);
    }

    /// @notice Whoever cannot be paid has what is kept for the caller paid to another address.
    function claimUnclaimedTo(address to) external notDelivering {
        _payUnclaimed(Addresses.ofEthereum(msg.sender), Addresses.ofEthereum(to));
    }

    /// @notice A native account or actor that cannot be paid has what is kept for its address paid to another one. On a
    /// subnet whose supply is a token that is the only way for f1 and f3.
    /// @param account Its address, which leads to the caller's id.
    function claimUnclaimedAs(bytes calldata account, address to) external notDelivering {
        (Addresses.Kind kind,) = Addresses.parse(account);
        if (kind != Addresses.Kind.Account && kind != Addresses.Kind.Actor) revert RecipientKind(account);
        address holder = Addresses.resolve(account);
        if (holder != msg.sender) revert NotHolder(msg.sender, holder);
        _payUnclaimed(account, Addresses.ofEthereum(to));
    }

    function _payUnclaimed(bytes memory account, bytes memory to) private {
        uint256 amount = _takeUnclaimed(account);
        (Addresses.Kind kind, address ethereum) = Addresses.parse(to);
        if (kind == Addresses.Kind.Unknown || _isForbidden(kind, ethereum)) revert PaymentFailed(ethereum, amount);
        _cursor.isDelivering = true;
        if (_credit(kind, ethereum, to, amount) != EXIT_OK) revert PaymentFailed(ethereum, amount);
        _cursor.isDelivering = false;
        emit ValueClaimed(account, to, amount);
    }

    function _takeUnclaimed(bytes memory account) private returns (uint256 amount) {
        bytes32 key = keccak256(account);
        amount = _unclaimed[key];
        if (amount == 0) revert NothingUnclaimed(account);
        delete _unclaimed[key];
        _ledger.unclaimed -= uint128(amount);
    }

    /// @notice Anyone burns what left circulation. Apart from acceptance, so that a checkpoint pays for no transfer.
    function burn() external notDelivering {
        uint256 amount = _ledger.burned;
        uint256 slashed = _slashed;
        if (amount + slashed == 0) revert NothingToPay();
        (_ledger.burned, _slashed) = (0, 0);
        if (address(_token()) != address(0)) {
            if (amount != 0) _token().safeTransfer(BURNT_FUNDS, amount);
            if (slashed != 0) _payStake(BURNT_FUNDS, slashed);
        } else {
            _payStake(BURNT_FUNDS, amount + slashed);
        }
        emit Burned(amount + slashed);
    }
}
