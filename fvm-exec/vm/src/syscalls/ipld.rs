//! `ipld`: blocks of state, by handle.

use fvm::kernel::Result;
use fvm::kernel::prelude::IpldBlockOps as _;
use fvm_shared::sys::out::ipld::{IpldOpen, IpldStat};

use super::Ctx;
use crate::machine::VmMachine;

/// Opens a block that the actor can reach.
pub(super) fn block_open<M: VmMachine>(ctx: Ctx<'_, M>, cid: u32) -> Result<IpldOpen> {
    let cid = ctx.memory.read_cid(cid)?;
    let (id, stat) = ctx.kernel.block_open(&cid)?;
    Ok(IpldOpen { codec: stat.codec, id, size: stat.size })
}

/// Makes a block of the actor's bytes.
pub(super) fn block_create<M: VmMachine>(ctx: Ctx<'_, M>, codec: u64, data: u32, data_len: u32) -> Result<u32> {
    let data = ctx.memory.try_slice(data, data_len)?;
    ctx.kernel.block_create(codec, data)
}

/// Hashes a block and stores it.
pub(super) fn block_link<M: VmMachine>(
    ctx: Ctx<'_, M>,
    id: u32,
    hash: u64,
    hash_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    ctx.memory.check_bounds(out, out_len)?;
    let cid = ctx.kernel.block_link(id, hash, hash_len)?;
    ctx.memory.write_cid(&cid, out, out_len)
}

/// Reads from a block into the actor's memory. What is left of it, or how much too large the buffer was below zero.
pub(super) fn block_read<M: VmMachine>(ctx: Ctx<'_, M>, id: u32, offset: u32, out: u32, out_len: u32) -> Result<i32> {
    let out = ctx.memory.try_slice_mut(out, out_len)?;
    ctx.kernel.block_read(id, offset, out)
}

/// Codec and length of a block.
pub(super) fn block_stat<M: VmMachine>(ctx: Ctx<'_, M>, id: u32) -> Result<IpldStat> {
    let stat = ctx.kernel.block_stat(id)?;
    Ok(IpldStat { codec: stat.codec, size: stat.size })
}
