//! Messages as a whole: transfers, refusals, built-in actors, odd modules.

use fvm::executor::ApplyKind;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;

use super::{codes, run, run_as};
use crate::common::accounts::{bls, ethereum, secp};
use crate::support::compare::Pair;
use crate::support::deep;
use crate::support::script::Script;
use crate::support::world::{CODELESS, NOBODY, SCRIPTS, World, alice, bob, carol, fil, message, script_message};

#[test]
fn transfers_between_all_kinds_of_accounts() {
    let to =
        [bob(), carol(), secp(77), bls(78), ethereum(79), Address::new_id(SCRIPTS[1]), alice(), Address::new_id(99)];
    let mut messages: Vec<_> = to.iter().zip(0..).map(|(to, nonce)| message(alice(), nonce, *to, fil(1))).collect();
    messages.push(message(bob(), 0, secp(77), fil(0)));
    messages.push(message(carol(), 0, ethereum(80), fil(2)));
    messages.push(message(carol(), 1, ethereum(80), fil(2)));
    messages.push(message(secp(77), 0, ethereum(81), TokenAmount::from_nano(5)));
    assert!(codes(&run(&messages)).iter().all(|code| code.is_success()));
}

#[test]
fn transfers_that_fail() {
    let mut zero_key = [0; 48];
    zero_key[0] = 0xc0;
    let nowhere = [
        Address::new_id(NOBODY),
        Address::new_actor(b"nobody"),
        Address::new_delegated(11, b"other space").unwrap(),
        Address::new_bls(&zero_key).unwrap(),
    ];
    let mut messages: Vec<_> =
        nowhere.iter().zip(0..).map(|(to, nonce)| message(alice(), nonce, *to, fil(1))).collect();
    messages.push(message(alice(), 4, bob(), fil(10_000)));
    messages.push(message(alice(), 5, secp(50), fil(10_000)));
    messages.push(Message { params: RawBytes::new(vec![7; 300]), ..message(alice(), 6, bob(), fil(1)) });
    let codes = codes(&run(&messages));
    assert_eq!(codes.iter().filter(|code| code.is_success()).count(), 1, "{codes:?}");
}

#[test]
fn messages_that_must_not_be_in_a_block() {
    let ordinary = message(alice(), 0, bob(), fil(1));
    let messages = [
        Message { sequence: 1, ..ordinary.clone() },
        Message { gas_limit: 10, ..ordinary.clone() },
        Message { from: secp(99), ..ordinary.clone() },
        Message { from: Address::new_id(SCRIPTS[0]), ..ordinary.clone() },
        Message { from: Address::new_id(NOBODY), ..ordinary.clone() },
        Message { gas_fee_cap: fil(1), ..ordinary.clone() },
        Message { gas_fee_cap: TokenAmount::from_atto(50), ..ordinary.clone() },
        Message { sequence: 1, gas_premium: fil(1), ..ordinary.clone() },
        Message {
            sequence: 2,
            gas_fee_cap: TokenAmount::from_atto(0),
            gas_premium: TokenAmount::from_atto(0),
            ..ordinary
        },
    ];
    run(&messages);
}

#[test]
fn malformed_messages_are_errors_on_both() {
    deep(|| {
        let mut pair = Pair::new(false);
        let mut malformed = message(alice(), 0, bob(), fil(1));
        for gas_limit in [0, u64::MAX] {
            malformed.gas_limit = gas_limit;
            assert!(pair.apply(&malformed, ApplyKind::Explicit).is_err());
        }
        pair.apply(&message(alice(), 0, bob(), fil(1)), ApplyKind::Explicit).unwrap();
        pair.flush();
    });
}

#[test]
fn implicit_messages_cost_nothing() {
    let system = Address::new_id(0);
    let script = Script::new().call("vm::message_context", &[]).pay(bob(), &fil(1));
    let messages = [
        message(system, 9, bob(), fil(0)),
        message(system, 9, bob(), fil(5)),
        message(alice(), 77, secp(90), fil(5)),
        Message { from: system, ..script_message(0, &script) },
        Message { from: Address::new_id(NOBODY), ..script_message(0, &script) },
        Message { from: secp(60), ..script_message(0, &script) },
        Message { gas_limit: 100, from: system, ..script_message(0, &script) },
    ];
    run_as(&messages, ApplyKind::Implicit);
}

#[test]
fn methods_of_built_in_actors() {
    let mut messages = Vec::new();
    for id in [0, 1, 2, 3, 10, 64, 99, 100, 101, 102] {
        for method in [1, 2, 3, 5, 90_000_000] {
            let nonce = messages.len() as u64;
            messages.push(Message { method_num: method, ..message(alice(), nonce, Address::new_id(id), fil(0)) });
        }
    }
    run(&messages);
}

#[test]
fn code_that_is_not_there_is_fatal() {
    let to = Address::new_id(CODELESS);
    let call = Message { method_num: 3, ..message(alice(), 0, to, fil(1)) };
    let sent = message(alice(), 1, to, fil(1));
    assert_eq!(codes(&run(&[call, sent])), [ExitCode::SYS_ASSERTION_FAILED, ExitCode::OK]);
}

#[test]
fn odd_modules_are_treated_alike() {
    for (name, id) in &World::get().odd {
        let to = Address::new_id(*id);
        let direct = Message {
            method_num: 2,
            gas_limit: 1_000_000_000,
            gas_fee_cap: TokenAmount::from_atto(200),
            ..message(alice(), 0, to, fil(1))
        };
        let nested = Script::new().send_block(to, 2, 0, &fil(1), 500_000_000, 0).call("gas::available", &[]);
        let nested = Message {
            gas_limit: 1_000_000_000,
            gas_fee_cap: TokenAmount::from_atto(200),
            ..script_message(1, &nested)
        };
        let poor = Message { sequence: 2, gas_limit: 8_000_000, ..direct.clone() };
        println!("{name}");
        run(&[direct, nested, poor]);
    }
}
