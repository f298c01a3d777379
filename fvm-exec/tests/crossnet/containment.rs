//! Code from elsewhere uses no more gas than it was given, and leaves nothing behind when it fails.

use cross_caller::{Conduct, served};
use fvm_shared::error::ExitCode;
use subnet_types::actors::refusal;
use subnet_types::limits::{CROSS_CALL_GAS_MAX, CROSS_CARRY_GAS, CROSS_RECEIPT_GAS};

use crate::wire::{Carried, GAS, Wire, id_of};

/// Makes a call that must fail with one of `codes` and leave the chain as it was, and then one that must succeed.
fn contained(method: u64, gas_limit: u64, codes: &[ExitCode]) -> Carried {
    let mut wire = Wire::new();
    let before = (wire.state(), wire.balances());
    let carried = wire.call_with(wire.callee(), method, &0u64, gas_limit);
    println!("method {method}: exit {}, {} of {gas_limit} gas", carried.exit_code, carried.gas_used);
    assert!(codes.contains(&carried.exit_code), "exit {}: {}", carried.exit_code, carried.failure);
    assert_eq!((wire.state(), wire.balances()), before);
    assert_eq!(wire.call(served::ADD, &1u64).answer().data.deserialize::<u64>().unwrap(), 1);
    carried
}

#[test]
fn endless_loop_ends_with_its_gas() {
    for gas_limit in [GAS, CROSS_CALL_GAS_MAX] {
        let carried = contained(served::LOOP, gas_limit, &[refusal::OUT_OF_GAS]);
        assert!(carried.gas_used > gas_limit, "the loop has had all of its gas");
        let courier = carried.gas_used - gas_limit;
        println!("the courier's own gas: {courier}");
        assert!(2 * courier < CROSS_CARRY_GAS, "{courier}");
    }
}

#[test]
fn memory_without_end_ends() {
    contained(served::EXHAUST_MEMORY, CROSS_CALL_GAS_MAX, &[refusal::OUT_OF_GAS, refusal::TRAPPED]);
}

#[test]
fn stack_without_end_ends() {
    contained(served::OVERFLOW_STACK, CROSS_CALL_GAS_MAX, &[refusal::TRAPPED]);
    contained(served::OVERFLOW_STACK, 10_000_000, &[refusal::OUT_OF_GAS, refusal::TRAPPED]);
}

#[test]
fn calls_within_calls_end() {
    contained(served::RECURSE, GAS, &[refusal::OUT_OF_GAS, ExitCode::USR_UNSPECIFIED, ExitCode::USR_FORBIDDEN]);
    contained(
        served::RECURSE,
        CROSS_CALL_GAS_MAX,
        &[refusal::OUT_OF_GAS, ExitCode::USR_UNSPECIFIED, ExitCode::USR_FORBIDDEN],
    );
}

#[test]
fn call_without_gas_fails_by_itself() {
    contained(served::ADD, 0, &[refusal::OUT_OF_GAS]);
    contained(served::ADD, 100_000, &[refusal::OUT_OF_GAS]);
}

#[test]
fn receipts_that_fail_or_loop_are_contained() {
    let mut wire = Wire::new();
    let before = (wire.state(), wire.balances());
    assert_eq!(wire.tell(id_of(Conduct::Fail), ExitCode::OK).exit_code, cross_caller::refusal::TOLD_TO_FAIL);
    let looped = wire.tell(id_of(Conduct::Loop), ExitCode::OK);
    assert_eq!(looped.exit_code, refusal::OUT_OF_GAS, "{}", looped.failure);
    assert!(looped.gas_used > CROSS_RECEIPT_GAS);
    assert_eq!((wire.state(), wire.balances()), before);
}

#[test]
fn return_that_is_enormous_costs_no_more_than_was_given() {
    let mut wire = Wire::new();
    let before = (wire.state(), wire.balances());
    // The VM takes no block above 1 MiB: the destination then fails by itself. Below, the courier has to pay for looking.
    let codes = [refusal::RETURN_TOO_LARGE, refusal::OUT_OF_GAS, ExitCode::USR_ASSERTION_FAILED];
    for bytes in [1u64 << 19, (1 << 20) - 64, 8 << 20] {
        let carried = wire.call_with(wire.callee(), served::RETURN, &bytes, CROSS_CALL_GAS_MAX);
        println!("{bytes} bytes returned: exit {}, {} gas", carried.exit_code, carried.gas_used);
        assert!(codes.contains(&carried.exit_code), "exit {}: {}", carried.exit_code, carried.failure);
    }
    assert_eq!((wire.state(), wire.balances()), before);
}
