//! Several executors at once on one engine: each comes out as if it were alone.

use fvm::executor::{ApplyKind, ApplyRet, Executor};
use fvm::machine::MachineContext;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use vm::LaneMachine;

use crate::common::accounts::{bls, ethereum, secp};
use crate::support::compare::{ENGINE, Ours, RAW_LENGTH, Store, TestExterns, assert_same, context, ours, stock};
use crate::support::deep;
use crate::support::script::{NO_LIMIT, PARAMS, Script};
use crate::support::world::{SCRIPTS, World, alice, bob, exec, fil, message, script_message};

const LANES: usize = 4;

/// A lane can be given to another thread.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Ours>();
};

fn messages() -> Vec<Message> {
    let other = |index: usize| Address::new_id(SCRIPTS[index]);
    let grows = Script::new().step("grow", &[20]).step("fill", &[0x3_0000, 7, 0x10_0000]);
    let write = Script::new()
        .block(0x71, &[0x81, 5])
        .call("ipld::block_link", &[2, 0xb220, 32, 0x700, 60])
        .step("self::set_root", &[0x700])
        .emit(&[(3, "key", 0x55, b"value")])
        .pay(secp(70), &fil(1));
    let script = Script::new()
        .run(other(1), &grows, &fil(1), NO_LIMIT, 0)
        .run(other(1), &write, &fil(1), NO_LIMIT, 0)
        .run(other(2), &write.clone().exit(40, 0, "no"), &fil(1), NO_LIMIT, 0);
    vec![
        script_message(0, &script),
        message(alice(), 1, bls(71), fil(1)),
        message(alice(), 2, ethereum(72), fil(1)),
        exec(3),
        script_message(4, &script),
        Message { gas_limit: 30_000_000, ..script_message(5, &Script::new().step("spin", &[])) },
        script_message(6, &Script::new().step("unreachable", &[])),
        message(alice(), 7, bob(), fil(1)),
    ]
}

fn run(executor: &mut impl Executor, messages: &[Message]) -> (Vec<ApplyRet>, cid::Cid) {
    let apply = |message: &Message| executor.execute_message(message.clone(), ApplyKind::Explicit, RAW_LENGTH).unwrap();
    let results = messages.iter().map(apply).collect();
    (results, executor.flush().unwrap())
}

#[test]
fn lanes_at_the_same_time_agree_with_the_stock_executor() {
    let messages = messages();
    let root = World::get().root;
    let (expected, expected_root) = deep(|| run(&mut stock(root, false), &messages));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                deep(|| {
                    for _ in 0..10 {
                        let (results, root) = run(&mut ours(root, false), &messages);
                        for (index, message) in messages.iter().enumerate() {
                            assert_same(message, &expected[index], &results[index]);
                        }
                        assert_eq!(root, expected_root);
                    }
                });
            });
        }
    });
}

/// The engine has places for one full call stack and a little; lanes that all want one take turns.
#[test]
fn full_call_stacks_at_the_same_time_take_turns() {
    let deepest =
        Script::new().send_block(Address::new_id(SCRIPTS[0]), 2, PARAMS, &TokenAmount::default(), NO_LIMIT, 0);
    let message = Message { gas_limit: 1_000_000_000, ..script_message(0, &deepest) };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                deep(|| {
                    let mut executor = ours(World::get().root, false);
                    let (results, _) = run(&mut executor, std::slice::from_ref(&message));
                    assert_eq!(results[0].msg_receipt.exit_code, ExitCode::OK);
                });
            });
        }
    });
}

#[test]
fn engine_of_another_network_is_refused() {
    let mut context = context(World::get().root, false);
    let machine = |context: &MachineContext| {
        LaneMachine::new(context, Store::new(World::get().store.clone()), TestExterns, ENGINE.code().unwrap())
    };
    assert!(machine(&context).is_ok());
    context.network.max_wasm_stack += 1;
    assert!(machine(&context).is_err());
}
