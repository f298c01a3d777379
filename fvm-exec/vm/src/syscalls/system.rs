//! `vm`, `gas` and `debug`: the invocation itself.

use std::str;

use fvm::Kernel as _;
use fvm::gas::Gas;
use fvm::kernel::prelude::{DebugOps as _, MessageOps as _};
use fvm::kernel::{ClassifyResult as _, Result};
use fvm::syscalls::Abort;
use fvm_shared::error::ExitCode;
use fvm_shared::sys::out::vm::MessageContext;

use super::Ctx;
use crate::machine::VmMachine;

/// Bytes of an actor's last words that are kept: with 1,024 calls on the stack, 1 MiB.
const LAST_WORDS_BYTES_MAX: usize = 1024;

/// Ends the actor with an exit code, a block and a message for people.
pub(super) fn exit<M: VmMachine>(ctx: Ctx<'_, M>, code: u32, block: u32, text: u32, text_len: u32) -> Abort {
    let code = ExitCode::new(code);
    // Codes of the system are not for actors to give.
    if !code.is_success() && code.is_system_error() {
        return Abort::Exit(ExitCode::SYS_ILLEGAL_EXIT_CODE, format!("the actor aborted with code {code}"), block);
    }
    let message = match ctx.memory.try_slice(text, text_len) {
        _ if text_len == 0 => "the actor aborted".to_owned(),
        Ok(words) => last_words(words),
        Err(error) => format!("the actor's message cannot be read: {error}"),
    };
    Abort::Exit(code, message, block)
}

fn last_words(words: &[u8]) -> String {
    if words.len() <= LAST_WORDS_BYTES_MAX {
        return String::from_utf8_lossy(words).into_owned();
    }
    let (head, tail) = (&words[..LAST_WORDS_BYTES_MAX / 2], &words[words.len() - LAST_WORDS_BYTES_MAX / 2..]);
    let skipped = words.len() - LAST_WORDS_BYTES_MAX;
    format!("{} … ({skipped} bytes) … {}", String::from_utf8_lossy(head), String::from_utf8_lossy(tail))
}

/// Who called, with what value.
pub(super) fn message_context<M: VmMachine>(ctx: Ctx<'_, M>) -> Result<MessageContext> {
    ctx.kernel.msg_context()
}

/// Charges the actor's own account of its work, in whole gas.
pub(super) fn charge_gas<M: VmMachine>(ctx: Ctx<'_, M>, name: u32, name_len: u32, gas: u64) -> Result<()> {
    let name = str::from_utf8(ctx.memory.try_slice(name, name_len)?).or_illegal_argument()?;
    ctx.kernel.charge_gas(name, Gas::new(gas))?;
    Ok(())
}

/// Gas that is left, in whole gas.
pub(super) fn gas_available<M: VmMachine>(ctx: Ctx<'_, M>) -> Result<u64> {
    Ok(ctx.kernel.gas_available().round_down())
}

/// Logs a line, when the network allows debugging.
pub(super) fn debug_log<M: VmMachine>(ctx: Ctx<'_, M>, text: u32, text_len: u32) -> Result<()> {
    if !ctx.kernel.debug_enabled() {
        return Ok(());
    }
    let text = String::from_utf8(ctx.memory.try_slice(text, text_len)?.to_vec()).or_illegal_argument()?;
    ctx.kernel.log(text);
    Ok(())
}

/// 0 when the network allows debugging, -1 otherwise.
pub(super) fn debug_enabled<M: VmMachine>(ctx: Ctx<'_, M>) -> Result<i32> {
    Ok(if ctx.kernel.debug_enabled() { 0 } else { -1 })
}

/// Writes a file, when the network allows debugging and the node wants such files.
pub(super) fn debug_store_artifact<M: VmMachine>(
    ctx: Ctx<'_, M>,
    name: u32,
    name_len: u32,
    data: u32,
    data_len: u32,
) -> Result<()> {
    if !ctx.kernel.debug_enabled() {
        return Ok(());
    }
    let data = ctx.memory.try_slice(data, data_len)?;
    let name = str::from_utf8(ctx.memory.try_slice(name, name_len)?).or_illegal_argument()?;
    ctx.kernel.store_artifact(name, data)
}
