//! A small actor in native code: same transaction, gas and depth as any other.

use std::sync::Arc;

use fvm::Kernel as _;
use fvm::executor::{ApplyKind, ApplyRet, Executor};
use fvm::gas::Gas;
use fvm::syscalls::Abort;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use fvm_shared::sys::SendFlags;
use vm::LaneKernel;
use vm::VmMachine as _;
use vm::native::{Entrypoint, NativeActor, Natives};

use crate::common::accounts::secp;
use crate::support::compare::{OurMachine, Ours, RAW_LENGTH, ours_with};
use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{SCRIPTS, World, alice, bob, fil, message, script_message};

const ECHO: u64 = 2;
const PAY_AND_FAIL: u64 = 3;
const SPIN: u64 = 4;
const PANIC: u64 = 5;
const RECURSE: u64 = 6;
const CHARGE: u64 = 7_000;

struct Tiny;

impl NativeActor<OurMachine> for Tiny {
    fn run(&self, kernel: &mut LaneKernel<OurMachine>, entrypoint: Entrypoint, params: u32) -> Result<u32, Abort> {
        let Entrypoint::Invoke(method) = entrypoint else { return Ok(0) };
        let failed = |error| Abort::from_error(ExitCode::USR_ILLEGAL_STATE, error);
        kernel.charge_gas("tiny", Gas::new(CHARGE)).map_err(failed)?;
        let pay = |kernel: &mut LaneKernel<OurMachine>, to: Address, method| {
            kernel.send(&to, method, 0, &fil(1), None, SendFlags::empty()).map_err(failed)
        };
        match method {
            ECHO => {
                let data = kernel.block(params).map_err(failed)?.data().to_vec();
                kernel.create_block(0x55, &data).map_err(failed)
            }
            PAY_AND_FAIL => {
                pay(kernel, bob(), 0)?;
                Err(Abort::Exit(ExitCode::new(42), "as asked".to_owned(), 0))
            }
            SPIN => loop {
                kernel.charge_gas("tiny", Gas::new(CHARGE)).map_err(failed)?;
            },
            PANIC => panic!("as asked"),
            _ => {
                let deeper = pay(kernel, Address::new_id(kernel.actor_id), RECURSE);
                deeper.map(|_| 0)
            }
        }
    }
}

/// The odd actor that is native in these tests.
fn tiny() -> Address {
    Address::new_id(World::get().odd["empty"])
}

fn executor() -> Ours {
    let world = World::get();
    let probe = ours_with(world.root, false, Natives::default());
    let code = probe.state().actor(tiny().id().unwrap()).unwrap().unwrap().code;
    let mut natives = Natives::default();
    natives.insert(code, Arc::new(Tiny));
    ours_with(world.root, false, natives)
}

fn apply(executor: &mut Ours, message: Message) -> ApplyRet {
    executor.execute_message(message, ApplyKind::Explicit, RAW_LENGTH).unwrap()
}

fn call(sequence: u64, method_num: u64) -> Message {
    let params = Script::new().encode();
    let gas_limit = 1_000_000_000;
    Message { method_num, params, gas_limit, ..message(alice(), sequence, tiny(), TokenAmount::default()) }
}

#[test]
fn native_actor_answers_charges_and_reverts() {
    deep(|| {
        let mut executor = executor();
        let echoed = apply(&mut executor, call(0, ECHO));
        assert_eq!(echoed.msg_receipt.return_data, Script::new().encode());
        let bobs = |executor: &Ours| {
            let id = executor.state().resolve(&bob()).unwrap().unwrap();
            executor.state().actor(id).unwrap().unwrap().balance
        };
        let before = bobs(&executor);
        let failed = apply(&mut executor, call(1, PAY_AND_FAIL));
        assert_eq!(failed.msg_receipt.exit_code, ExitCode::new(42));
        assert_eq!(bobs(&executor), before);
        let spun = apply(&mut executor, call(2, SPIN));
        assert_eq!((spun.msg_receipt.exit_code, spun.msg_receipt.gas_used), (ExitCode::SYS_OUT_OF_GAS, 1_000_000_000));
        let panicked = apply(&mut executor, call(3, PANIC));
        assert_eq!(panicked.msg_receipt.exit_code, ExitCode::SYS_ASSERTION_FAILED);
        // And everything goes on as before.
        assert!(apply(&mut executor, call(4, ECHO)).msg_receipt.exit_code.is_success());
        assert!(apply(&mut executor, message(alice(), 5, secp(70), fil(1))).msg_receipt.exit_code.is_success());
    });
}

#[test]
fn native_and_wasm_actors_call_each_other() {
    deep(|| {
        let mut executor = executor();
        let script = Script::new()
            .send_block(tiny(), ECHO, 1, &TokenAmount::default(), NO_LIMIT, 0)
            .send_block(tiny(), PAY_AND_FAIL, 0, &fil(2), NO_LIMIT, 0)
            .send_block(tiny(), SPIN, 0, &fil(2), 5_000_000, 0);
        let (result, access) =
            executor.execute_recorded(&script_message(0, &script), ApplyKind::Explicit, RAW_LENGTH).unwrap();
        assert!(result.msg_receipt.exit_code.is_success());
        // The exit code comes first in what `send` returns.
        let codes: Vec<_> = [0x800, 0x840, 0x880]
            .map(|at| u32::from_le_bytes(result.msg_receipt.return_data.bytes()[at..at + 4].try_into().unwrap()))
            .to_vec();
        assert_eq!(codes, [0, 42, ExitCode::SYS_OUT_OF_GAS.value()]);
        assert!(access.actors.contains_key(&SCRIPTS[0]));
        assert!(access.actors.contains_key(&tiny().id().unwrap()));
    });
}

#[test]
fn native_actor_is_stopped_at_the_depth_of_calls() {
    deep(|| {
        let mut executor = executor();
        let mut message = call(0, RECURSE);
        message.gas_limit = 10_000_000_000;
        let ret = apply(&mut executor, message);
        // The last call is refused, which the actor that made it turns into an abort; those above return.
        assert!(ret.msg_receipt.exit_code.is_success());
        assert!(ret.msg_receipt.gas_used > 1_000 * CHARGE);
    });
}
