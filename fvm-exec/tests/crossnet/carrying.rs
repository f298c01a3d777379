//! What the courier carries, to whom, and what comes back.

use cross_caller::{Conduct, Deferred, Status, refusal as own, served};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{CallReturn, refusal};
use subnet_types::cross::call_key;
use subnet_types::limits::CROSS_RETURN_BYTES_MAX;

use crate::common::accounts::{bls, ethereum, secp};
use crate::wire::{GAS, GATEWAY_BALANCE, Wire, alice, atto, elsewhere, id_of};

#[test]
fn call_is_served_and_its_value_stays_there() {
    let mut wire = Wire::new();
    for (add, sum) in [(5u64, 5u64), (2, 7)] {
        let carried = wire.call(served::ADD, &add);
        assert_eq!(carried.answer().data.deserialize::<u64>().unwrap(), sum);
        println!("gas of a call that adds to a counter: {}", carried.gas_used);
    }
    assert_eq!(wire.state().counter, 7);
    assert_eq!(wire.balances(), [atto(GATEWAY_BALANCE - 20), atto(0), atto(20)]);
}

#[test]
fn failed_call_changes_nothing_and_its_code_comes_through() {
    let mut wire = Wire::new();
    let before = (wire.state(), wire.balances());
    for code in [16, 40, 100, 1_000_000] {
        assert_eq!(wire.call(served::REVERT, &code).exit_code, ExitCode::new(code));
    }
    assert_eq!(wire.call(99, &()).exit_code, own::NOT_SERVED);
    // An exit code of the VM's is not an actor's to give; the VM says so with one of its own.
    assert_eq!(wire.call(served::REVERT, &7u32).exit_code, refusal::VM_ERROR);
    assert_eq!((wire.state(), wire.balances()), before);
}

#[test]
fn answers_that_cannot_cross_fail_the_call() {
    let mut wire = Wire::new();
    let limit = CROSS_RETURN_BYTES_MAX as u64;
    assert_eq!(wire.call(served::RETURN, &limit).answer().data.len(), CROSS_RETURN_BYTES_MAX);
    let before = wire.balances();
    for bytes in [limit + 1, 10 * limit] {
        let carried = wire.call(served::RETURN, &bytes);
        assert_eq!(carried.exit_code, refusal::RETURN_TOO_LARGE, "{bytes} bytes: {}", carried.failure);
    }
    assert_eq!(wire.call(served::RETURN_GARBAGE, &()).exit_code, refusal::BAD_RETURN);
    assert_eq!(wire.balances(), before);
}

#[test]
fn deferred_call_is_remembered_with_its_value() {
    let mut wire = Wire::new();
    let answer = wire.call(served::DEFER, &()).answer();
    assert_eq!(answer, CallReturn { is_deferred: true, data: RawBytes::default() });
    let key = call_key(&elsewhere().subnet, &subnet_types::Digest([9; 32]));
    let deferred = wire.state().deferred.get(&wire.chain.store, &key).unwrap();
    assert_eq!(deferred, Some(Deferred { origin: elsewhere(), value: atto(10) }));
    assert_eq!(wire.balances()[2], atto(10));
}

#[test]
fn call_of_an_account_or_of_an_address_that_is_new_pays_it() {
    let mut wire = Wire::new();
    let nothing = CallReturn { is_deferred: false, data: RawBytes::default() };
    for to in [alice(), secp(50), bls(51), ethereum(52)] {
        let before = wire.chain.balance(&to);
        assert_eq!(wire.call_with(to, 5, &(), GAS).answer(), nothing, "{to}");
        assert_eq!(wire.chain.balance(&to) - before, atto(10), "{to}");
    }
}

#[test]
fn call_of_nobody_is_refused() {
    let mut wire = Wire::new();
    let before = wire.balances();
    for nobody in [Address::new_actor(b"nobody"), Address::new_id(987_654)] {
        assert_eq!(wire.call_with(nobody, 5, &(), GAS).exit_code, refusal::NO_DESTINATION, "{nobody}");
    }
    assert_eq!(wire.balances(), before);
}

#[test]
fn outcomes_reach_who_waits_for_them_once() {
    let mut wire = Wire::new();
    let of = id_of(Conduct::Take);
    let carried = wire.tell(of, ExitCode::OK);
    assert_eq!(carried.exit_code, ExitCode::OK, "{}", carried.failure);
    println!("gas of a receipt that is noted: {}", carried.gas_used);
    let call = wire.state().call(&wire.chain.store, 0).unwrap();
    let data = RawBytes::serialize(6u64).unwrap();
    assert_eq!((call.status, call.came_back), (Status::Succeeded(data), atto(3)));
    assert_eq!(wire.tell(of, ExitCode::OK).exit_code, ExitCode::USR_NOT_FOUND, "heard of before");
    assert_eq!(wire.tell(subnet_types::Digest([88; 32]), ExitCode::OK).exit_code, ExitCode::USR_NOT_FOUND);
}

#[test]
fn outcome_of_a_call_that_came_too_late_is_its_own() {
    let mut wire = Wire::new();
    assert_eq!(wire.tell(id_of(Conduct::Take), refusal::EXPIRED).exit_code, ExitCode::OK);
    assert_eq!(wire.state().call(&wire.chain.store, 0).unwrap().status, Status::Expired);
}
