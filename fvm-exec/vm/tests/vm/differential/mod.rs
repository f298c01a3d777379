//! Messages on both executors: receipts, gas, events, fees, traces and the state root are equal.

mod calls;
mod messages;
mod syscalls;

use fvm::executor::{ApplyKind, ApplyRet};
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;

use crate::support::compare::Pair;
use crate::support::deep;
use crate::support::script::Script;
use crate::support::world::{SCRIPTS, script_message};

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

fn run_script(script: &Script) -> ApplyRet {
    run(&[script_message(0, script)]).remove(0)
}

fn other(index: usize) -> Address {
    Address::new_id(SCRIPTS[index])
}

fn script_checked(script: &Script) -> ApplyRet {
    let ret = run_script(script);
    assert!(ret.msg_receipt.exit_code.is_success(), "{ret:?}");
    ret
}
