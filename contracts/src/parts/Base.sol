// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20, IERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Courier} from "../Courier.sol";
import {Errors} from "../Errors.sol";
import {IRegistry} from "../IRegistry.sol";
import {Addresses} from "../libraries/Addresses.sol";
import "../Types.sol";

/// @title State, money and callers
/// @notice Both halves of a subnet contract have this state: `Subnet`, which holds everything, and `SubnetOffice`,
/// whose code runs on it by DELEGATECALL, since one contract's code may have 24 KiB only.
///
/// What a checkpoint writes stands together in few slots: on Filecoin a slot costs more than most computations.
/// All money of the subnet is in one of the counters of `Money`, `Ledger` or `Stakes`, and their sum never exceeds the
/// balance. The balance itself decides nothing.
abstract contract Base is Errors {
    using SafeERC20 for IERC20;

    /// @dev The last accepted checkpoint.
    struct Head {
        uint48 sequence;
        uint48 appliedNonce;
        uint64 parentHeight;
        uint48 configuration;
        /// @dev Block of this chain that accepted it, or activated the subnet.
        uint48 acceptedAt;
    }

    /// @dev Where delivery stands. Written before every payment and call.
    struct Cursor {
        uint64 nextBatchNonce;
        uint64 nextDeliveryNonce;
        /// @dev Delivered so far of the batch that the cursor is in.
        uint120 delivered;
        /// @dev Set while code of others may run, so that submissions and deliveries do not nest.
        bool isDelivering;
    }

    /// @dev What waits for the subnet to follow, and how far the subnet's life has come.
    struct Life {
        uint64 nextNonce;
        uint48 configurationLast;
        /// @dev Zero before.
        uint48 activatedAt;
        /// @dev Zero before.
        uint48 exitedAt;
        uint16 voting;
        /// @dev How many changes made configuration 1.
        uint32 changesAtActivation;
    }

    /// @dev In units of the supply.
    struct Money {
        /// @dev What circulates on the subnet or is on its way down.
        uint128 custody;
        /// @dev What accepted messages bring that wait for delivery.
        uint128 reserved;
    }

    /// @dev In units of the supply.
    struct Ledger {
        /// @dev What could not be credited and waits to be claimed.
        uint128 unclaimed;
        /// @dev What left circulation for good and was not burned yet.
        uint128 burned;
    }

    /// @dev In attoFIL.
    struct Stakes {
        uint128 staked;
        uint128 unbonding;
    }

    /// @dev Sums of amounts stay far from overflow. A thousand million times all the coins that there can be.
    uint256 internal constant AMOUNT_MAX = type(uint120).max;
    /// @dev Filecoin's burnt-funds actor, f099.
    address internal constant BURNT_FUNDS = 0xff00000000000000000000000000000000000063;
    /// @dev Gas for the code of a receiver of coins.
    uint256 internal constant PAY_GAS = 20_000_000;

    Head internal _head;
    bytes32 internal _lastDigest;
    Cursor internal _cursor;
    Life internal _life;
    Money internal _money;
    Ledger internal _ledger;
    Stakes internal _stakes;
    /// @dev Slashed stake that was not burned yet, in attoFIL.
    uint128 internal _slashed;
    /// @dev Identity of the subnet, from its first checkpoint on.
    bytes32 internal _chain;
    bytes32 internal _stateRoot;
    Parameters internal _parameters;
    /// @dev What the half without immutables of its own has to know.
    IRegistry internal _storedRegistry;
    Courier internal _storedCourier;
    bytes32 internal _storedParent;
    uint64 internal _storedOriginSequenceBase;

    // Arrays that no index leaves stand in consecutive slots, which cost a fraction of a mapping's on Filecoin.
    /// @dev Hash of each configuration, by number.
    bytes32[2 ** 48] internal _configurations;
    /// @dev By sequence, while they wait.
    Batch[2 ** 48] internal _batches;
    /// @dev By nonce.
    QueuedMessage[2 ** 40] internal _queue;
    Change[] internal _changes;
    Confirmation[] internal _confirmations;
    address[] internal _owners;
    mapping(address owner => Member) internal _members;
    mapping(address owner => Unbonding[]) internal _unbondings;
    mapping(address settlementKey => address owner) internal _ownerOfKey;
    mapping(bytes32 voteKey => address owner) internal _ownerOfVoteKey;
    /// @dev By keccak-256 of the Filecoin address.
    mapping(bytes32 account => uint256 amount) internal _unclaimed;
    /// @dev Block of a member's last own change of its stake. Pauses keep one member from making everybody else's lists
    /// stale, block after block.
    mapping(address owner => uint64 height) internal _changedAt;
    /// @dev What was paid out for the balance of an account of the subnet, by its id there, plus one.
    mapping(uint64 id => uint256 amountPlusOne) internal _balancesPaid;
    /// @dev How many of the messages that the subnet never applied were refunded.
    uint64 internal _refunded;

    event ValueUnclaimed(bytes account, uint256 amount);

    // --- what each half knows in its own way
    // ----------------------------------------------------------------------------

    function _registry() internal view virtual returns (IRegistry);

    function _courier() internal view virtual returns (Courier);

    /// @dev Zero for the native coin.
    function _token() internal view virtual returns (IERC20);

    /// @dev Identity of this chain.
    function _parent() internal view virtual returns (bytes32);

    /// @dev The first origin sequence of messages that set out here.
    function _originSequenceBase() internal view virtual returns (uint64);

    function _validatorsMin() internal view virtual returns (uint64);

    // --- callers
    // ------------------------------------------------------------------------------------------------------

    /// @dev Not from within a payment or call that this contract made, and not from a contract: one that used the stack
    /// of calls up before could make a delivery fail.
    modifier onlyDirect() {
        // Whoever signed the transaction and whoever calls are compared, and neither is given any right.
        if (msg.sender != tx.origin) revert NotDirect(msg.sender, tx.origin);
        if (_cursor.isDelivering) revert Delivering();
        _;
    }

    function _requireActive() internal view {
        if (_life.activatedAt == 0) revert NotActive(_life.voting, _validatorsMin());
    }

    function _requireOpen() internal view {
        if (_life.exitedAt != 0) revert Exited(_life.exitedAt);
    }

    // --- money
    // --------------------------------------------------------------------------------------------------------

    /// @dev Adds to the custody. What comes in anew was compared with the limit; what comes back has room above it, for
    /// it must never fail.
    function _lock(uint256 amount) internal {
        if (amount != 0) _money.custody += uint128(amount);
    }

    /// @dev Credits an address of this chain. What has a counter must have left it; when this fails nothing moved.
    /// @return exitCode Zero when it was paid.
    function _credit(Addresses.Kind kind, address account, bytes memory text, uint256 amount)
        internal
        returns (uint64 exitCode)
    {
        if (amount == 0) return EXIT_OK;
        if (address(_token()) != address(0)) {
            // Tokens know Ethereum addresses only; natives among them by their masked ids.
            if (account == address(0)) return EXIT_RECIPIENT;
            return _token().trySafeTransfer(account, amount) ? EXIT_OK : EXIT_REVERTED;
        }
        if (kind == Addresses.Kind.Ethereum) {
            try _courier().pay{value: amount}(account, PAY_GAS) {
                return EXIT_OK;
            } catch {
                return EXIT_REVERTED;
            }
        }
        bytes memory native = kind == Addresses.Kind.Id ? Addresses.ofId(uint64(uint160(account))) : text;
        try _courier().payActor{value: amount}(native) {
            return EXIT_OK;
        } catch (bytes memory reason) {
            return _exitCode(reason);
        }
    }

    /// @dev The code in the courier's error. Nothing else reaches this: the courier passes on no bytes of others.
    function _exitCode(bytes memory reason) internal pure returns (uint64 exitCode) {
        if (reason.length != 36 || bytes4(reason) != Courier.Undelivered.selector) return EXIT_REVERTED;
        assembly ("memory-safe") {
            exitCode := mload(add(reason, 36))
        }
    }

    /// @dev Keeps value for an address until somebody claims it for that address.
    function _keep(bytes memory account, uint256 amount) internal {
        if (amount == 0) return;
        _unclaimed[keccak256(account)] += amount;
        _ledger.unclaimed += uint128(amount);
        emit ValueUnclaimed(account, amount);
    }

    /// @dev Keeps what comes back for an address of the subnet, which is the same somebody's here when it is of a key. An
    /// id is somebody else's here: what would be kept for one is burned.
    function _keepFromBelow(bytes memory account, uint256 amount) internal {
        (Addresses.Kind kind,) = Addresses.parse(account);
        if (kind == Addresses.Kind.Id || kind == Addresses.Kind.Unknown) _ledger.burned += uint128(amount);
        else _keep(account, amount);
    }

    /// @dev Whether value sent there would be lost or counted twice, or calls there are not for other chains.
    function _isForbidden(Addresses.Kind kind, address account) internal view returns (bool) {
        if (kind == Addresses.Kind.Id) return uint64(uint160(account)) < 100 || _isOwnId(account);
        if (kind != Addresses.Kind.Ethereum) return false;
        uint160 number = uint160(account);
        // Precompiles: Ethereum's at the bottom, Filecoin's at 0xfe.
        bool isPrecompile = number <= 0xffff || (number >> 152 == 0xfe && (number << 8) >> 16 == 0);
        if (isPrecompile || account == address(this) || account == address(_courier())) return true;
        if (account == address(_registry()) || account == address(_token())) return true;
        return account.code.length != 0 && _registry().isSubnet(account);
    }

    /// @dev Whether an id is this contract's or its courier's: a bare transfer runs no code that could refuse it.
    function _isOwnId(address masked) private view returns (bool) {
        return masked == Addresses.resolve(Addresses.ofEthereum(address(this)))
            || masked == Addresses.resolve(Addresses.ofEthereum(address(_courier())));
    }
}
