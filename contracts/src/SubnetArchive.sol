// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BalanceProofs} from "./BalanceProofs.sol";
import {Exit} from "./parts/Exit.sol";
import {Payouts} from "./parts/Payouts.sol";
import {Views} from "./parts/Views.sol";

/// @title The rarest part of a subnet contract's code: the end of a subnet, what is kept for somebody, views
/// @notice As `SubnetOffice`, on whose word alone its code runs.
contract SubnetArchive is Exit, Payouts, Views {
    /// @notice Which reads balances of a subnet out of proofs.
    BalanceProofs public immutable PROOFS;

    constructor() {
        PROOFS = new BalanceProofs();
    }

    function _proofs() internal view override returns (BalanceProofs) {
        return PROOFS;
    }
}
