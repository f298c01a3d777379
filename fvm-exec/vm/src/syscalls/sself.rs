//! `self`: the running actor.

use anyhow::Context as _;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm_shared::sys;

use super::Ctx;
use crate::machine::VmMachine;

/// Writes the root of the actor's state; its length in bytes.
pub(super) fn root<M: VmMachine>(ctx: Ctx<'_, M>, out: u32, out_len: u32) -> Result<u32> {
    ctx.memory.check_bounds(out, out_len)?;
    let root = ctx.kernel.root()?;
    ctx.memory.write_cid(&root, out, out_len)
}

/// Replaces the root of the actor's state.
pub(super) fn set_root<M: VmMachine>(ctx: Ctx<'_, M>, cid: u32) -> Result<()> {
    let root = ctx.memory.read_cid(cid)?;
    ctx.kernel.set_root(root)
}

/// What the actor holds, in attoFIL.
pub(super) fn current_balance<M: VmMachine>(ctx: Ctx<'_, M>) -> Result<sys::TokenAmount> {
    let balance = ctx.kernel.current_balance()?;
    balance.try_into().context("a balance exceeds 128 bits").or_fatal()
}

/// Deletes the actor; what it holds is burnt unless `burns_rest` is zero.
pub(super) fn self_destruct<M: VmMachine>(ctx: Ctx<'_, M>, burns_rest: u32) -> Result<()> {
    ctx.kernel.self_destruct(burns_rest > 0)
}
