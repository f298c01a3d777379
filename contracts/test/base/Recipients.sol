// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICrossReceiver} from "../../src/Courier.sol";
import {ISubnet} from "../../src/ISubnet.sol";
import "../../src/Types.sol";

/// @notice Takes calls and receipts, and remembers the last of each.
contract Receiver is ICrossReceiver {
    address public caller;
    bytes32 public calledId;
    bytes32 public originHash;
    uint64 public method;
    bytes public params;
    uint256 public came;
    bytes32 public answered;
    uint64 public outcome;
    uint256 public cameBack;
    bytes public answer = hex"a1";

    function receiveCrossCall(
        bytes32 id,
        CrossAddress calldata from,
        uint64 method_,
        bytes calldata params_,
        uint256 value
    ) external payable returns (bytes memory) {
        (caller, calledId, originHash) = (msg.sender, id, keccak256(abi.encode(from)));
        (method, params, came) = (method_, params_, value);
        return answer;
    }

    function receiveCrossReceipt(
        bytes32 answered_,
        CrossAddress calldata,
        uint64 exitCode,
        bytes calldata,
        uint256 value
    ) external {
        (caller, answered, outcome, cameBack) = (msg.sender, answered_, exitCode, value);
    }

    function setAnswer(bytes calldata answer_) external {
        answer = answer_;
    }

    function sendDown(ISubnet subnet, ISubnet.Send calldata request, uint256 amount) external payable {
        subnet.send{value: msg.value}(request, amount);
    }

    receive() external payable {}
}

/// @notice Refuses coins, calls and receipts alike, until told otherwise.
contract Refuser {
    bool public isOpen;

    function open() external {
        isOpen = true;
    }

    fallback() external payable {
        require(isOpen, "closed");
    }

    function claimTo(ISubnet subnet, address to) external {
        subnet.claimUnclaimedTo(to);
    }

    function sendDown(ISubnet subnet, ISubnet.Send calldata request, uint256 amount) external payable {
        subnet.send{value: amount}(request, amount);
    }
}

/// @notice Uses up all the gas that it gets.
contract Burner {
    fallback() external payable {
        while (true) {}
    }
}

/// @notice Returns as much as the gas allows, well or badly formed.
contract Shouter {
    uint256 private immutable SIZE;

    constructor(uint256 size) {
        SIZE = size;
    }

    fallback() external payable {
        uint256 size = SIZE;
        assembly {
            return(0, size)
        }
    }
}

/// @notice Tries every way back into the subnet while it is being paid or called.
contract Reenterer {
    ISubnet private immutable SUBNET;
    bytes[] private attempts;
    uint256 public refused;
    uint256 public passed;

    constructor(ISubnet subnet) {
        SUBNET = subnet;
    }

    function attempt(bytes calldata input) external {
        attempts.push(input);
    }

    fallback() external payable {
        for (uint256 i = 0; i < attempts.length; ++i) {
            (bool isDone,) = address(SUBNET).call(attempts[i]);
            if (isDone) ++passed;
            else ++refused;
        }
    }
}

/// @notice Filecoin's `call_actor` precompile (0xfe…03) as far as these contracts use it, after builtin-actors,
/// `actors/evm/src/interpreter/precompiles/fvm.rs`, `call_actor_shared`:
/// - it runs by DELEGATECALL only, and reverts otherwise;
/// - input is the ABI encoding of (uint64 method, uint256 value, uint64 flags, uint64 codec, bytes params, bytes
/// address), and   an address that does not decode, flags beyond read-only, a method of 1 to 1023, or params without a
/// codec revert it; - output is the ABI encoding of (int256 exit code, uint64 codec, bytes return data): zero for
/// success, positive for the   actor's exit code, negative for the VM's error number; the precompile itself succeeds
/// then. The value leaves the contract that executes. Whom it reaches here is an address made of the hash of the
/// Filecoin address; an f1 that ends in 0xEE does not exist (error 5, NotFound), one that ends in 0xDD exits with 16.
contract CallActorMock {
    address private immutable SELF;

    constructor() {
        SELF = address(this);
    }

    fallback(bytes calldata input) external payable returns (bytes memory) {
        require(address(this) != SELF && address(this) != address(0xfe00000000000000000000000000000000000003));
        (uint64 method, uint256 value, uint64 flags, uint64 codec, bytes memory params, bytes memory account) =
            abi.decode(input, (uint64, uint256, uint64, uint64, bytes, bytes));
        require(flags <= 1 && (method == 0 || method > 1023) && codec == 0 && params.length == 0);
        require(account.length > 1 && uint8(account[0]) <= 4);
        bytes1 last = account[account.length - 1];
        if (last == 0xee) return abi.encode(int256(-5), uint64(0), bytes(""));
        if (last == 0xdd) return abi.encode(int256(16), uint64(0), bytes(""));
        (bool isPaid,) = address(uint160(uint256(keccak256(account)))).call{value: value}("");
        // Error 10: insufficient funds.
        return abi.encode(isPaid ? int256(0) : int256(-10), uint64(0), bytes(""));
    }
}

/// @notice Filecoin's `resolve_address` precompile (0xfe…01), after builtin-actors, `precompiles/fvm.rs`: input is the bytes
/// of a Filecoin address, output the id as one word, or nothing where no actor has it. Here each f1 has id 1234 but for
/// one that ends in 0xEE, which does not exist, and each f410 the id that its last two bytes
/// make, plus 100.
contract ResolveAddressMock {
    fallback(bytes calldata input) external returns (bytes memory) {
        if (input.length == 22 && input[0] == 0x04) return abi.encode(uint256(uint16(bytes2(input[20:22]))) + 100);
        require(input.length == 21 && input[0] == 0x01);
        return input[20] == 0xee ? bytes("") : abi.encode(uint256(1234));
    }
}

/// @notice An ERC-20 token that can keep a part of each transfer, refuse transfers, and call whoever sends.
contract Token {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 public keptPercent;
    address public refused;
    bytes public reentry;
    bool public isLying;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function keep(uint256 percent) external {
        keptPercent = percent;
    }

    function refuse(address account) external {
        refused = account;
    }

    /// @dev Transfers say that they failed, and do nothing.
    function lie() external {
        isLying = true;
    }

    /// @dev Takes tokens away from somebody, as rebasing tokens do.
    function rebase(address account, uint256 balance) external {
        balanceOf[account] = balance;
    }

    function reenter(bytes calldata input) external {
        reentry = input;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        if (reentry.length != 0) {
            (bool isDone, bytes memory reason) = msg.sender.call(reentry);
            if (!isDone) {
                assembly {
                    revert(add(reason, 32), mload(reason))
                }
            }
        }
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        require(to != refused, "refused");
        if (isLying) return false;
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount * keptPercent / 100;
        return true;
    }
}
