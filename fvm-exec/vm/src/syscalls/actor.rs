//! `actor`: other actors.

use anyhow::{Context as _, anyhow};
use fvm::kernel::prelude::ActorOps as _;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm::syscall_error;
use fvm_shared::address::PAYLOAD_HASH_LEN;
use fvm_shared::sys;

use super::Ctx;
use crate::machine::VmMachine;

/// Bytes of an f2 address: its protocol and a hash.
const F2_BYTES: usize = 1 + PAYLOAD_HASH_LEN;

/// The id behind an address.
pub(super) fn resolve_address<M: VmMachine>(ctx: Ctx<'_, M>, address: u32, address_len: u32) -> Result<u64> {
    let address = ctx.memory.read_address(address, address_len)?;
    ctx.kernel.resolve_address(&address)
}

/// Writes the f4 address of an actor; its length in bytes, zero when there is none.
pub(super) fn lookup_delegated_address<M: VmMachine>(ctx: Ctx<'_, M>, id: u64, out: u32, out_len: u32) -> Result<u32> {
    let out = ctx.memory.try_slice_mut(out, out_len)?;
    let Some(address) = ctx.kernel.lookup_delegated_address(id)? else { return Ok(0) };
    let address = address.to_bytes();
    let room = out.get_mut(..address.len());
    room.ok_or_else(|| syscall_error!(BufferTooSmall, "no room for the address"))?.copy_from_slice(&address);
    Ok(address.len() as u32)
}

/// Writes the code of an actor; its length in bytes.
pub(super) fn get_actor_code_cid<M: VmMachine>(ctx: Ctx<'_, M>, id: u64, out: u32, out_len: u32) -> Result<u32> {
    ctx.memory.check_bounds(out, out_len)?;
    let code = ctx.kernel.get_actor_code_cid(id)?;
    ctx.memory.write_cid(&code, out, out_len)
}

/// Writes the f2 address that the next actor will get; its length in bytes.
pub(super) fn next_actor_address<M: VmMachine>(ctx: Ctx<'_, M>, out: u32, out_len: u32) -> Result<u32> {
    let out = ctx.memory.try_slice_mut(out, out_len)?;
    if out.len() < F2_BYTES {
        return Err(syscall_error!(BufferTooSmall; "an address takes {} bytes", F2_BYTES).into());
    }
    let address = ctx.kernel.next_actor_address()?.to_bytes();
    let room = out.get_mut(..address.len());
    // No address that it makes is longer, and it would be too late to say so nicely.
    room.ok_or_else(|| anyhow!("an actor got an address of {} bytes", address.len()))
        .or_fatal()?
        .copy_from_slice(&address);
    Ok(address.len() as u32)
}

/// Creates an actor under an id. The delegated address is left out when its length is zero.
pub(super) fn create_actor<M: VmMachine>(
    ctx: Ctx<'_, M>,
    id: u64,
    code: u32,
    delegated: u32,
    delegated_len: u32,
) -> Result<()> {
    let code = ctx.memory.read_cid(code)?;
    let delegated = if delegated_len > 0 { Some(ctx.memory.read_address(delegated, delegated_len)?) } else { None };
    ctx.kernel.create_actor(code, id, delegated)
}

/// The type number of a built-in actor's code, 0 for other codes.
pub(super) fn get_builtin_actor_type<M: VmMachine>(ctx: Ctx<'_, M>, code: u32) -> Result<i32> {
    let code = ctx.memory.read_cid(code)?;
    Ok(ctx.kernel.get_builtin_actor_type(&code)? as i32)
}

/// Writes the code of a built-in actor by its type number; its length in bytes.
pub(super) fn get_code_cid_for_type<M: VmMachine>(ctx: Ctx<'_, M>, number: i32, out: u32, out_len: u32) -> Result<u32> {
    ctx.memory.check_bounds(out, out_len)?;
    let code = ctx.kernel.get_code_cid_for_type(number as u32)?;
    ctx.memory.write_cid(&code, out, out_len)
}

/// What an actor holds, in attoFIL.
pub(super) fn balance_of<M: VmMachine>(ctx: Ctx<'_, M>, id: u64) -> Result<sys::TokenAmount> {
    let balance = ctx.kernel.balance_of(id)?;
    balance.try_into().context("a balance exceeds 128 bits").or_fatal()
}
