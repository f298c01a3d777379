//! What fails on this node alone is an error and never a receipt.

use std::sync::Arc;

use fvm::executor::{ApplyKind, ApplyRet, Executor as _};
use fvm::machine::{MachineContext, NetworkConfig};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use vm::WasmEngine;
use wasmtime::{Instance, Module, Store};

use crate::support::compare::{RAW_LENGTH, context, network, ours_on};
use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{SCRIPTS, World, alice, message, script_message};

/// An engine with next to no places, and a context for it.
fn tiny(change: impl Fn(&mut NetworkConfig)) -> (Arc<WasmEngine>, MachineContext) {
    let mut context = context(World::get().root, false);
    context.network = network();
    context.network.max_call_depth = 4;
    change(&mut context.network);
    (WasmEngine::new(&context.network, 1).unwrap(), context)
}

fn apply(engine: &Arc<WasmEngine>, context: &MachineContext, message: &Message) -> anyhow::Result<ApplyRet> {
    deep(|| ours_on(engine, context).execute_message(message.clone(), ApplyKind::Explicit, RAW_LENGTH))
}

/// Takes places in the pool that the engine knows nothing of, all but so many.
fn fill_but(engine: &WasmEngine, left: usize) -> Vec<Store<()>> {
    let wasm = wat::parse_str("(module (memory 1))").unwrap();
    let module = Module::new(engine.wasmtime(), wasm).unwrap();
    let mut taken = Vec::new();
    loop {
        let mut store = Store::new(engine.wasmtime(), ());
        if Instance::new(&mut store, &module, &[]).is_err() {
            break;
        }
        taken.push(store);
    }
    taken.truncate(taken.len() - left);
    taken
}

/// Calls the same script actor, which calls another one, whatever becomes of it.
fn nested() -> Message {
    let other = Address::new_id(SCRIPTS[1]);
    script_message(0, &Script::new().send_block(other, 2, 0, &TokenAmount::default(), NO_LIMIT, 0))
}

#[test]
fn pool_without_a_place_stops_the_message_and_not_the_next() {
    let (engine, context) = tiny(|_| {});
    let expected = apply(&engine, &context, &nested()).unwrap();
    assert!(expected.msg_receipt.exit_code.is_success());
    // The first call has no place; then the second one has none, deep inside the message.
    for left in 0..2 {
        let taken = fill_but(&engine, left);
        let error = format!("{:#}", apply(&engine, &context, &nested()).unwrap_err());
        assert!(error.contains("this node has failed: instantiating an actor"), "{error}");
        drop(taken);
        let again = apply(&engine, &context, &nested()).unwrap();
        assert_eq!(again.msg_receipt, expected.msg_receipt);
    }
}

#[test]
fn pool_without_a_place_stops_a_message_that_runs_out_of_gas_there() {
    let (engine, context) = tiny(|_| {});
    let used = apply(&engine, &context, &nested()).unwrap().msg_receipt.gas_used;
    let taken = fill_but(&engine, 1);
    // Whatever its limit: it never has a receipt for which it would have needed a place.
    for gas_limit in (used / 2..used).step_by(usize::try_from(used / 40).unwrap()) {
        let limited = Message { gas_limit, ..nested() };
        match apply(&engine, &context, &limited) {
            Ok(ret) => assert_eq!(ret.msg_receipt.exit_code, ExitCode::SYS_OUT_OF_GAS),
            Err(error) => assert!(format!("{error:#}").contains("this node has failed"), "{error:#}"),
        }
    }
    drop(taken);
}

#[test]
fn actor_that_wants_too_much_has_a_receipt() {
    let (engine, context) = tiny(|network| network.max_memory_bytes = 1 << 20);
    let call = |name: &str| Message {
        method_num: 2,
        ..message(alice(), 0, Address::new_id(World::get().odd[name]), TokenAmount::default())
    };
    // Too much memory for the machine; segments that do not fit; a start function that traps.
    for name in ["wide image", "large memory", "data out of bounds", "elements out of bounds", "start traps"] {
        let ret = apply(&engine, &context, &call(name)).unwrap();
        assert_eq!(ret.msg_receipt.exit_code, ExitCode::SYS_ILLEGAL_INSTRUCTION, "{name}");
    }
    // Growing beyond the limit only fails.
    let script = Script::new().step("grow", &[20]).step("grow", &[5]).step("grow", &[70_000]);
    let ret = apply(&engine, &context, &script_message(0, &script)).unwrap();
    assert!(ret.msg_receipt.exit_code.is_success());
}

#[test]
fn memory_beyond_an_instances_own_limit_is_refused_without_a_failure() {
    // The machine would grant it, the pool's slot is too small: the same on every node.
    let (engine, context) = tiny(|network| network.max_inst_memory_bytes = 1 << 20);
    let script = Script::new().step("grow", &[5]).step("grow", &[20]).step("grow", &[70_000]).step("grow", &[2]);
    let ret = apply(&engine, &context, &script_message(0, &script)).unwrap();
    assert!(ret.msg_receipt.exit_code.is_success());
    let at = |step: usize| {
        let bytes = ret.msg_receipt.return_data.bytes();
        i32::from_le_bytes(bytes[0x200 + 4 * step..][..4].try_into().unwrap())
    };
    assert_eq!([at(0), at(1), at(2), at(3)], [3, -1, -1, 8]);
}
