//! Actors that run, trap and call each other.

use fvm::executor::ApplyKind;
use fvm::trace::ExecutionEvent;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;

use super::{codes, errors, other, run, run_script, script_checked};
use crate::common::accounts::{bls, ethereum, secp};
use crate::support::compare::Pair;
use crate::support::deep;
use crate::support::script::{NO_LIMIT, PARAMS, Script};
use crate::support::world::{NOBODY, SCRIPTS, bob, fil, script_message};

#[test]
fn actors_that_trap() {
    let traps: [(&str, &[u64]); 12] = [
        ("unreachable", &[]),
        ("recurse", &[]),
        ("load", &[3 * 65_536 - 3]),
        ("load", &[u32::MAX as u64]),
        ("divide", &[1, 0]),
        ("divide", &[i32::MIN as u32 as u64, u32::MAX as u64]),
        ("copy", &[0, 3 * 65_536 - 1, 2]),
        ("fill", &[3 * 65_536 - 1, 0, 2]),
        ("truncate", &[0x7ff8_0000_0000_0000]),
        ("indirect", &[0]),
        ("indirect", &[500]),
        ("spin", &[]),
    ];
    for (name, args) in traps {
        let mut message = script_message(0, &Script::new().step(name, args));
        message.gas_limit = 2_000_000_000;
        let ret = run(&[message]).remove(0);
        let expected = if name == "spin" { ExitCode::SYS_OUT_OF_GAS } else { ExitCode::SYS_ILLEGAL_INSTRUCTION };
        assert_eq!(ret.msg_receipt.exit_code, expected, "{name}");
    }
    // A step that there is none of.
    assert_eq!(run_script(&Script::new().any(900, &[])).msg_receipt.exit_code, ExitCode::SYS_ILLEGAL_INSTRUCTION);
}

#[test]
fn memory_that_grows() {
    let script = Script::new()
        .step("grow", &[0])
        .step("grow", &[1])
        .step("fill", &[0x3_0000, 7, 0x1_0000])
        .step("copy", &[0x100, 0x3_0000, 0x80])
        .step("grow", &[100])
        .step("size", &[])
        .step("grow", &[8_000])
        .step("size", &[])
        .step("grow", &[65_535])
        .step("nan", &[0x180])
        .run(other(1), &Script::new().step("grow", &[8_189]).step("grow", &[1]), &fil(0), NO_LIMIT, 0)
        .run(other(1), &Script::new().step("grow", &[8_189]), &fil(0), NO_LIMIT, 0)
        .call("gas::available", &[]);
    let mut message = script_message(0, &script);
    message.gas_limit = 1_000_000_000_000;
    message.gas_fee_cap = TokenAmount::from_atto(200);
    assert!(run(&[message]).remove(0).msg_receipt.exit_code.is_success());
}

/// A place in the pool that had a large memory is as good as new for the next one.
#[test]
fn memory_after_a_large_one_is_empty() {
    let load = |script: Script, at: u64| script.step("load", &[at]);
    let large = Script::new()
        .step("fill", &[0x2_8000, 7, 0x8000])
        .step("grow", &[1_000])
        .step("fill", &[0x3_0000, 7, 1_000 << 16]);
    let mut small = Script::new().step("grow", &[400]).step("size", &[]);
    for at in [0x2_8000, 0x2_fffc, 0x3_0000, 0x7f_fffc, 0x80_0000, 0x80_1000, 0x192_fffc] {
        small = load(small, at);
    }
    let beyond = load(Script::new().step("grow", &[400]), 0x193_0000);
    let inside = load(Script::new(), 0x3_0000);
    let messages: Vec<_> = [&large, &small, &beyond, &large, &inside, &small]
        .into_iter()
        .zip(0..)
        .map(|(script, nonce)| script_message(nonce, script))
        .collect();
    let results = run(&messages);
    let illegal = ExitCode::SYS_ILLEGAL_INSTRUCTION;
    assert_eq!(codes(&results), [ExitCode::OK, ExitCode::OK, illegal, ExitCode::OK, illegal, ExitCode::OK]);
    for small in [&results[1], &results[5]] {
        assert_eq!(errors(small, 9), [3, 403, 0, 0, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn memory_of_a_whole_call_stack_is_limited() {
    // Each holds 400 MiB while it calls the next: the fifth is one too many for 2 GiB.
    let mut script = Script::new().step("grow", &[6_400]);
    for depth in 0..6 {
        script = Script::new().step("grow", &[6_400]).run(other(depth % 4), &script, &fil(0), NO_LIMIT, 0);
    }
    let mut message = script_message(0, &script);
    message.gas_limit = 2_000_000_000_000;
    message.gas_fee_cap = TokenAmount::from_atto(200);
    run(&[message]);
}

#[test]
fn nested_calls_revert_what_they_did() {
    let pays_and_fails = Script::new().pay(bob(), &fil(1)).pay(secp(70), &fil(1)).exit(50, 0, "take it back");
    let pays =
        Script::new().pay(bob(), &fil(1)).pay(secp(71), &fil(2)).pay(bls(72), &fil(1)).pay(ethereum(73), &fil(1));
    let script = Script::new()
        .run(other(1), &pays_and_fails, &fil(3), NO_LIMIT, 0)
        .run(other(1), &pays, &fil(3), NO_LIMIT, 0)
        .run(other(1), &pays, &fil(0), NO_LIMIT, 1)
        .run(other(1), &Script::new().run(other(2), &pays_and_fails, &fil(1), NO_LIMIT, 0), &fil(1), NO_LIMIT, 0)
        .run(other(1), &Script::new().run(other(0), &pays, &fil(1), NO_LIMIT, 0), &fil(1), NO_LIMIT, 0)
        .run(other(1), &pays, &fil(1_000), NO_LIMIT, 0)
        .run(Address::new_id(NOBODY), &pays, &fil(1), NO_LIMIT, 0)
        .send_block(other(1), 2, 0, &fil(0), NO_LIMIT, 0)
        .send_block(other(1), 2, 99, &fil(0), NO_LIMIT, 0)
        .send_block(other(1), 2, 0, &fil(0), NO_LIMIT, 77)
        .send_block(other(1), 2, 0, &fil(1), NO_LIMIT, 1)
        .send_block(secp(74), 2, 0, &fil(1), NO_LIMIT, 0)
        .send_block(ethereum(75), 2, 0, &fil(1), NO_LIMIT, 0)
        .send_block(secp(76), 0, 0, &fil(0), NO_LIMIT, 1)
        .pay(Address::new_actor(b"nobody"), &fil(1))
        .pay(other(0), &fil(1))
        .pay(other(0), &fil(1_000))
        .call("self::current_balance", &[]);
    script_checked(&script);
}

#[test]
fn gas_limits_of_nested_calls() {
    let work = Script::new().step("count", &[100_000]).pay(secp(70), &fil(1));
    let mut script = Script::new();
    for limit in [0, 1, 1_000, 100_000, 1_000_000, 5_000_000, 20_000_000, 60_000_000, 1 << 40, u64::MAX - 1] {
        script = script.run(other(1), &work, &fil(1), limit, 0);
    }
    let nested = Script::new().run(other(2), &Script::new().step("spin", &[]), &fil(0), 5_000_000, 0);
    let script = script
        .run(other(1), &nested, &fil(0), 100_000_000, 0)
        .run(other(1), &Script::new().step("spin", &[]), &fil(0), 30_000_000, 0)
        .call("gas::available", &[]);
    script_checked(&script);
}

#[test]
fn actors_that_delete_themselves() {
    let gone = Script::new()
        .step("self::self_destruct", &[0])
        .step("self::self_destruct", &[1])
        .step("self::self_destruct", &[1])
        .call("self::current_balance", &[])
        .call("self::root", &[0x700, 60])
        .step("self::set_root", &[0x700])
        .pay(bob(), &fil(1))
        .pay(other(1), &fil(0));
    let script = Script::new()
        .run(other(1), &Script::new().step("self::self_destruct", &[1]).exit(60, 0, "or not"), &fil(0), NO_LIMIT, 0)
        .run(other(1), &Script::new().step("self::self_destruct", &[1]), &fil(0), NO_LIMIT, 1)
        .run(other(1), &gone, &fil(1), NO_LIMIT, 0)
        .run(other(1), &gone, &fil(0), NO_LIMIT, 0)
        .pay(other(1), &fil(1))
        .call("actor::balance_of", &[SCRIPTS[1]]);
    let messages = [script_message(0, &script), script_message(1, &script), script_message(2, &gone)];
    run(&messages);
}

#[test]
fn call_stacks_of_full_depth() {
    // An actor that runs its own parameters again on the next actor, until it is stopped.
    let (to, nothing) = (other(0), TokenAmount::default());
    let script = Script::new().send_block(to, 2, PARAMS, &nothing, NO_LIMIT, 0);
    let mut message = script_message(0, &script);
    message.gas_limit = 400_000_000_000;
    message.gas_fee_cap = TokenAmount::from_atto(200);
    let ret = deep(|| {
        run(std::slice::from_ref(&message));
        Pair::new(true).apply(&message, ApplyKind::Explicit).unwrap()
    });
    assert!(ret.msg_receipt.exit_code.is_success());
    let calls = ret.exec_trace.iter().filter(|event| matches!(event, ExecutionEvent::InvokeActor { .. })).count();
    assert_eq!(calls, 1_024);
}
