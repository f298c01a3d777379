//! Running out of gas at every charge of a message: both executors stop at the same place, with the same left-overs.

use std::collections::BTreeSet;

use fvm::executor::ApplyKind;
use fvm::trace::ExecutionEvent;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;

use crate::common::accounts::{bls, ethereum, secp};
use crate::memo::verifications;
use crate::support::compare::Pair;
use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{SCRIPTS, alice, exec, fil, message, script_message};

/// Limits that are tried for one message: around charges, and spread evenly.
const AROUND_CHARGES: usize = 300;
const EVENLY: u64 = 60;

/// Gas limits just below, at and just above the sums of the message's charges.
fn limits(message: &Message) -> (Vec<u64>, u64) {
    let ret = Pair::new(true).apply(message, ApplyKind::Explicit).unwrap();
    let mut used = 0;
    let mut limits = BTreeSet::new();
    for event in &ret.exec_trace {
        if let ExecutionEvent::GasCharge(charge) = event {
            used += charge.total().as_milligas();
            let gas = used.div_ceil(1000);
            limits.extend([gas.saturating_sub(1), gas, gas + 1]);
        }
    }
    let gas_used = ret.msg_receipt.gas_used;
    let every = limits.len().div_ceil(AROUND_CHARGES).max(1);
    let mut limits: BTreeSet<u64> = limits.into_iter().step_by(every).collect();
    limits.extend((0..=EVENLY).map(|step| gas_used * step / EVENLY));
    limits.extend([gas_used - 1, gas_used, gas_used + 1]);
    (limits.into_iter().filter(|limit| *limit > 0).collect(), gas_used)
}

fn sweep(message: &Message) {
    deep(|| {
        let (limits, gas_used) = limits(message);
        let mut stopped = 0;
        for limit in &limits {
            let mut pair = Pair::new(false);
            let limited = Message { gas_limit: *limit, ..message.clone() };
            let ret = pair.apply(&limited, ApplyKind::Explicit).unwrap();
            stopped += u32::from(ret.msg_receipt.exit_code == ExitCode::SYS_OUT_OF_GAS);
            assert_eq!(*limit < gas_used, ret.msg_receipt.exit_code == ExitCode::SYS_OUT_OF_GAS, "at {limit}");
            pair.flush();
        }
        assert!(stopped > 5, "{stopped} of {}", limits.len());
    });
}

#[test]
fn transfer_that_creates_an_account() {
    sweep(&message(alice(), 0, secp(70), fil(1)));
}

#[test]
fn transfer_that_creates_a_placeholder() {
    sweep(&message(alice(), 0, ethereum(71), fil(1)));
}

#[test]
fn exec_of_an_actor() {
    sweep(&exec(0));
}

/// The first of the many runs finds the answers, the others know them.
#[test]
fn verifications_whose_answers_are_known() {
    sweep(&script_message(0, &verifications()));
}

#[test]
fn script_of_all_sorts() {
    let inner = Script::new()
        .emit(&[(3, "key", 0x55, b"value")])
        .step("count", &[500])
        .pay(bls(72), &fil(1))
        .step("grow", &[3]);
    let script = Script::new()
        .call("self::root", &[0x700, 60])
        .call("ipld::block_open", &[0x700])
        .block(0x71, &[0x82, 1, 2])
        .call("ipld::block_link", &[3, 0xb220, 32, 0x700, 60])
        .step("self::set_root", &[0x700])
        .step("gas::available", &[0x3_0000 - 3])
        .call("crypto::hash", &[0xb220, 64, 20, 0x780, 32])
        .call("self::current_balance", &[])
        .run(Address::new_id(SCRIPTS[1]), &inner, &fil(1), NO_LIMIT, 0)
        .run(Address::new_id(SCRIPTS[2]), &inner.clone().exit(40, 0, "no"), &fil(1), NO_LIMIT, 0)
        .step("fill", &[0x2_0000, 7, 1_000]);
    sweep(&script_message(0, &script));
}
