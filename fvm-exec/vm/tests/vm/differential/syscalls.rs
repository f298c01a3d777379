//! Syscalls, with their errors and prices.

use fvm::executor::ApplyKind;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;

use super::{codes, errors, other, run, run_script, script_checked, scripts};
use crate::common::accounts::secp;
use crate::support::compare::Pair;
use crate::support::deep;
use crate::support::script::{NO_LIMIT, PARAMS, Script};
use crate::support::world::{NOBODY, SCRIPTS, World, alice, bob, fil, script_message};

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
    let future = run_script(&Script::new().call("rand::get_chain_randomness", &[11]));
    assert_eq!(future.msg_receipt.exit_code, ExitCode::SYS_OUT_OF_GAS);
    let failing = run_script(&Script::new().call("network::tipset_cid", &[1, 0x700, 60]));
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
