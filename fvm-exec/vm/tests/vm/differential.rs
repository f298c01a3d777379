//! Messages on both executors: receipts, gas, events, fees, traces and the state root are equal.

use fvm::executor::{ApplyKind, ApplyRet};
use fvm::trace::ExecutionEvent;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;

use crate::common::accounts::{bls, ethereum, secp};
use crate::support::compare::Pair;
use crate::support::deep;
use crate::support::script::{NO_LIMIT, PARAMS, Script};
use crate::support::world::{NOBODY, SCRIPTS, World, alice, bob, carol, fil, message, script_message};

/// Runs messages with and without traces. What they have come to, without.
fn run(messages: &[Message]) -> Vec<ApplyRet> {
    run_as(messages, ApplyKind::Explicit)
}

fn run_as(messages: &[Message], kind: ApplyKind) -> Vec<ApplyRet> {
    deep(|| {
        let mut results = Vec::new();
        for traces in [true, false] {
            let mut pair = Pair::new(traces);
            results = messages.iter().map(|message| pair.apply(message, kind).unwrap()).collect();
            pair.flush();
        }
        results
    })
}

/// Runs scripts one after the other; their exit codes.
fn scripts(scripts: &[Script]) -> Vec<ExitCode> {
    let messages: Vec<_> = scripts.iter().zip(0..).map(|(script, nonce)| script_message(nonce, script)).collect();
    codes(&run(&messages))
}

fn codes(results: &[ApplyRet]) -> Vec<ExitCode> {
    results.iter().map(|ret| ret.msg_receipt.exit_code).collect()
}

/// The errors that the steps of a script have returned.
fn errors(ret: &ApplyRet, steps: usize) -> Vec<u32> {
    let bytes = ret.msg_receipt.return_data.bytes();
    (0..steps)
        .map(|step| {
            let at = 0x200 + 4 * step;
            u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
        })
        .collect()
}

fn script(script: &Script) -> ApplyRet {
    run(&[script_message(0, script)]).remove(0)
}

fn other(index: usize) -> Address {
    Address::new_id(SCRIPTS[index])
}

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
fn every_error_of_memory_and_blocks() {
    let end = 3 * 65_536;
    let script = Script::new()
        .step("ipld::block_create", &[0x500, 0x55, end - 4, 5])
        .step("ipld::block_create", &[end - 3, 0x55, 0, 5])
        .step("ipld::block_create", &[end + 1, 0x55, 0, 5])
        .step("ipld::block_create", &[u64::from(u32::MAX), 0x55, 0, 5])
        .call("ipld::block_create", &[0x99, 0, 5])
        .call("ipld::block_create", &[0x71, 0, 5])
        .call("ipld::block_create", &[0x55, 0, 100])
        .call("ipld::block_read", &[2, 0, 0x600, 10])
        .call("ipld::block_read", &[2, 95, 0x600, 10])
        .call("ipld::block_read", &[2, 200, 0x600, 10])
        .call("ipld::block_read", &[9, 0, 0x600, 10])
        .call("ipld::block_read", &[2, 0, end - 5, 10])
        .call("ipld::block_read", &[2, u64::from(u32::MAX), 0x600, 10])
        .call("ipld::block_stat", &[2])
        .call("ipld::block_stat", &[0])
        .call("ipld::block_link", &[2, 0xb220, 32, 0x700, 60])
        .call("ipld::block_link", &[2, 0xb220, 32, 0x700, 10])
        .call("ipld::block_link", &[2, 0xb220, 20, 0x700, 60])
        .call("ipld::block_link", &[2, 0x12, 32, 0x700, 60])
        .call("ipld::block_link", &[7, 0xb220, 32, 0x700, 60])
        .call("ipld::block_open", &[0x700])
        .call("ipld::block_open", &[0x900])
        .step("self::set_root", &[0x700])
        .step("self::set_root", &[end - 2])
        .call("self::root", &[0x700, 60])
        .call("self::root", &[0x700, 3])
        .call("self::root", &[end - 3, 60])
        .call("ipld::block_open", &[0x700]);
    let ret = script_checked(&script);
    assert_eq!(errors(&ret, 4), [1, 1, 1, 1]);
}

fn script_checked(script_: &Script) -> ApplyRet {
    let ret = script(script_);
    assert!(ret.msg_receipt.exit_code.is_success(), "{ret:?}");
    ret
}

#[test]
fn results_without_room_are_charged_as_in_the_reference() {
    let end = 3 * 65_536;
    let script = Script::new()
        .step("count", &[1_000])
        .step("gas::available", &[end - 7])
        .step("count", &[1_000])
        .step("gas::available", &[end - 7])
        .step("gas::available", &[0x800])
        .step("gas::available", &[end - 8])
        .step("self::current_balance", &[end])
        .step("gas::available", &[0x840]);
    script_checked(&script);
}

#[test]
fn queries_of_the_chain_and_of_actors() {
    let mut script = Script::new();
    let known = script.data(&alice().to_bytes());
    let unknown = script.data(&secp(99).to_bytes());
    let id = script.data(&Address::new_id(5).to_bytes());
    let code = script.data(&actor_bundle::code("account").unwrap().to_bytes());
    let foreign = script.data(&World::get().root.to_bytes());
    let script = script
        .call("vm::message_context", &[])
        .call("network::context", &[])
        .call("network::tipset_cid", &[5, 0x700, 60])
        .call("network::tipset_cid", &[5, 0x700, 5])
        .call("network::tipset_cid", &[10, 0x700, 60])
        .call("network::tipset_cid", &[(-5i64) as u64, 0x700, 60])
        .call("network::total_fil_circ_supply", &[])
        .call("rand::get_chain_randomness", &[5])
        .call("rand::get_beacon_randomness", &[5])
        .call("actor::resolve_address", &[known.0, known.1])
        .call("actor::resolve_address", &[known.0, known.1])
        .call("actor::resolve_address", &[unknown.0, unknown.1])
        .call("actor::resolve_address", &[id.0, id.1])
        .call("actor::resolve_address", &[0, 4])
        .call("actor::lookup_delegated_address", &[SCRIPTS[1], 0x700, 60])
        .call("actor::lookup_delegated_address", &[104, 0x700, 60])
        .call("actor::lookup_delegated_address", &[105, 0x700, 3])
        .call("actor::lookup_delegated_address", &[NOBODY, 0x700, 60])
        .call("actor::get_actor_code_cid", &[SCRIPTS[1], 0x700, 60])
        .call("actor::get_actor_code_cid", &[NOBODY, 0x700, 60])
        .call("actor::next_actor_address", &[0x700, 21])
        .call("actor::next_actor_address", &[0x700, 20])
        .step("actor::create_actor", &[9_000, code.0, 0, 0])
        .step("actor::create_actor", &[9_000, 0, 0, 0])
        .call("actor::get_builtin_actor_type", &[code.0])
        .call("actor::get_builtin_actor_type", &[foreign.0])
        .call("actor::get_code_cid_for_type", &[4, 0x700, 60])
        .call("actor::get_code_cid_for_type", &[40, 0x700, 60])
        .call("actor::balance_of", &[SCRIPTS[2]])
        .call("actor::balance_of", &[NOBODY])
        .call("self::current_balance", &[])
        .step("gas::charge", &[64, 9, 1_000])
        .step("gas::charge", &[0x1_0000, 40, 1_000])
        .call("gas::available", &[])
        .call("debug::enabled", &[])
        .step("debug::log", &[64, 5])
        .step("debug::store_artifact", &[64, 5, 64, 5]);
    script_checked(&script);
    // The future is too far back to pay for.
    let future = self::script(&Script::new().call("rand::get_chain_randomness", &[11]));
    assert_eq!(future.msg_receipt.exit_code, ExitCode::SYS_OUT_OF_GAS);
    let failing = self::script(&Script::new().call("network::tipset_cid", &[1, 0x700, 60]));
    assert_eq!(failing.msg_receipt.exit_code, ExitCode::SYS_ASSERTION_FAILED);
}

#[test]
fn cryptography() {
    let mut script = Script::new();
    let key = script.data(&alice().to_bytes());
    let bls_key = script.data(&bob().to_bytes());
    let signature = script.data(&[7; 96]);
    let lengths = script.data(&[5, 0, 0, 0, 3, 0, 0, 0]);
    let faulty = script.data(b"faulty");
    let none = script.data(&[0x80]);
    for function in [0x12, 0xb220, 0xb240, 0x1b, 0x1053, 0x77] {
        script = script.call("crypto::hash", &[function, 64, 20, 0x700, 64]);
        script = script.call("crypto::hash", &[function, 64, 20, 0x700, 10]);
    }
    let script = script
        .call("crypto::verify_signature", &[1, signature.0, 65, key.0, key.1, 64, 10])
        .call("crypto::verify_signature", &[2, signature.0, 96, bls_key.0, bls_key.1, 64, 10])
        .call("crypto::verify_signature", &[2, signature.0, 65, key.0, key.1, 64, 10])
        .call("crypto::verify_signature", &[9, signature.0, 65, key.0, key.1, 64, 10])
        .call("crypto::verify_bls_aggregate", &[2, signature.0, signature.0, 64, lengths.0])
        .call("crypto::verify_bls_aggregate", &[u64::from(u32::MAX), signature.0, signature.0, 64, lengths.0])
        .call("crypto::recover_secp_public_key", &[64, signature.0])
        .call("crypto::compute_unsealed_sector_cid", &[8, none.0, 1, 0x700, 60])
        .call("crypto::compute_unsealed_sector_cid", &[99, none.0, 1, 0x700, 60])
        .call("crypto::compute_unsealed_sector_cid", &[8, 64, 9, 0x700, 60])
        .call("crypto::verify_post", &[none.0, 1])
        .call("crypto::verify_consensus_fault", &[faulty.0, faulty.1, 64, 5, 64, 0])
        .call("crypto::verify_consensus_fault", &[64, 5, 64, 5, 64, 0])
        .call("crypto::verify_aggregate_seals", &[none.0, 1])
        .call("crypto::verify_replica_update", &[none.0, 1])
        .step("crypto::batch_verify_seals", &[none.0, 1, 0x700]);
    script_checked(&script);
}

#[test]
fn lengths_whose_sum_overflows_are_fatal() {
    let mut script = Script::new();
    let long = script.data(&[255; 400]).0;
    let message = script_message(0, &script.call("crypto::verify_bls_aggregate", &[2, long, long, 64, long]));
    deep(|| {
        // Without traces: the stock kernel panics, and leaves out the charge for the code that ran before.
        let mut pair = Pair::new(false);
        let ret = pair.apply(&message, ApplyKind::Explicit).unwrap();
        assert_eq!(ret.msg_receipt.exit_code, ExitCode::SYS_ASSERTION_FAILED);
        pair.flush();
    });
}

#[test]
fn events_and_their_root() {
    let entry: (u64, &str, u64, &[u8]) = (3, "key", 0x55, b"value");
    let script = Script::new()
        .emit(&[entry, (1, "other", 0x51, &[0x80])])
        .emit(&[])
        .emit(&[(4, "flags", 0x55, b"")])
        .emit(&[(0, "codec", 0x71, b"")])
        .emit(&[(0, "a key that is longer than it may be", 0x55, b"")])
        .emit(&[(0, "large", 0x55, &[1; 9_000])])
        .emit(&vec![entry; 256])
        .run(other(1), &Script::new().emit(&[entry]).exit(40, 0, "gone"), &fil(0), NO_LIMIT, 0)
        .run(other(1), &Script::new().emit(&[entry, entry]), &fil(0), NO_LIMIT, 0)
        .run(other(1), &Script::new().emit(&[entry]), &fil(0), NO_LIMIT, 1)
        .step("event::emit_event", &[0x2_fff0, 1, 0, 0, 0, 0])
        .step("event::emit_event", &[0, u64::from(u32::MAX), 0, 0, 0, 0])
        .emit(&[entry]);
    let ret = script_checked(&script);
    assert_eq!(ret.events.len(), 3, "{:?}", errors(&ret, 40));
    assert!(ret.msg_receipt.events_root.is_some());
}

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
    assert_eq!(script(&Script::new().any(900, &[])).msg_receipt.exit_code, ExitCode::SYS_ILLEGAL_INSTRUCTION);
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
fn exits_with_all_kinds_of_codes() {
    let long = "x".repeat(3_000);
    let exits = [
        Script::new().exit(0, 0, ""),
        Script::new().exit(0, PARAMS, "fine"),
        Script::new().exit(40, 0, "no"),
        Script::new().exit(40, PARAMS, &long),
        Script::new().exit(40, 9, "no such block"),
        Script::new().exit(5, 0, "a code of the system"),
        Script::new().exit(5, PARAMS, "a code of the system"),
        Script::new().exit(31, 9, "a code of the system"),
        Script::new().exit(u64::from(u32::MAX), 0, "large"),
        Script::new().step("vm::exit", &[33, 0, 0xffff_ffff, 10]),
        Script::new().call("ipld::block_open", &[0]).exit(44, 0, "after an error"),
    ];
    let found = scripts(&exits);
    assert_eq!(found[2], ExitCode::new(40));
    assert_eq!(found[5], ExitCode::SYS_ILLEGAL_EXIT_CODE);
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
fn state_that_is_written_and_read_back() {
    let cbor = |number: u8| vec![0x82, number, 0x63, b'a', b'b', b'c'];
    let write = |number: u8| {
        Script::new()
            .call("self::root", &[0x700, 60])
            .call("ipld::block_open", &[0x700])
            .block(0x71, &cbor(number))
            .call("ipld::block_link", &[3, 0xb220, 32, 0x700, 60])
            .step("self::set_root", &[0x700])
            .call("self::root", &[0x780, 60])
            .call("ipld::block_open", &[0x780])
            .call("ipld::block_read", &[4, 0, 0x600, 40])
    };
    let both = write(3).run(other(1), &write(4), &fil(0), NO_LIMIT, 0).run(other(1), &write(5), &fil(0), NO_LIMIT, 1);
    let reverted = Script::new().run(other(1), &write(6).exit(45, 0, "no"), &fil(0), NO_LIMIT, 0);
    let messages = [&write(1), &write(2), &both, &reverted, &write(7)];
    let messages: Vec<_> = messages.iter().zip(0..).map(|(script, nonce)| script_message(nonce, script)).collect();
    assert!(codes(&run(&messages)).iter().all(|code| code.is_success()));
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

#[test]
fn code_that_is_not_there() {
    // Account code does not run on an id that has none, and a code that the store lacks is fatal: both are above.
    let params = RawBytes::new(vec![1, 2, 3]);
    let message = Message { method_num: 3, params, ..message(alice(), 0, bob(), fil(1)) };
    run(&[message]);
}
