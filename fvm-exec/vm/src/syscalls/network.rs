//! `network` and `rand`: the chain around the message.

use anyhow::Context as _;
use fvm::kernel::filecoin::FilecoinKernel as _;
use fvm::kernel::prelude::{NetworkOps as _, RandomnessOps as _};
use fvm::kernel::{ClassifyResult as _, Result};
use fvm_shared::randomness::RANDOMNESS_LENGTH;
use fvm_shared::sys;
use fvm_shared::sys::out::network::NetworkContext;

use super::Ctx;
use crate::machine::VmMachine;

/// Epoch, time, base fee, chain id and version.
pub(super) fn context<M: VmMachine>(ctx: Ctx<'_, M>) -> Result<NetworkContext> {
    ctx.kernel.network_context()
}

/// The id of the block at an epoch.
pub(super) fn tipset_cid<M: VmMachine>(ctx: Ctx<'_, M>, epoch: i64, out: u32, out_len: u32) -> Result<u32> {
    ctx.memory.check_bounds(out, out_len)?;
    let cid = ctx.kernel.tipset_cid(epoch)?;
    ctx.memory.write_cid(&cid, out, out_len)
}

/// The value in circulation, in attoFIL.
pub(super) fn total_fil_circ_supply<M: VmMachine>(ctx: Ctx<'_, M>) -> Result<sys::TokenAmount> {
    let supply = ctx.kernel.filecoin().total_fil_circ_supply()?;
    supply.try_into().context("the circulating supply exceeds 128 bits").or_fatal()
}

/// Randomness of the chain at an epoch.
pub(super) fn chain_randomness<M: VmMachine>(ctx: Ctx<'_, M>, epoch: i64) -> Result<[u8; RANDOMNESS_LENGTH]> {
    ctx.kernel.get_randomness_from_tickets(epoch)
}

/// Randomness of the beacon at an epoch.
pub(super) fn beacon_randomness<M: VmMachine>(ctx: Ctx<'_, M>, epoch: i64) -> Result<[u8; RANDOMNESS_LENGTH]> {
    ctx.kernel.get_randomness_from_beacon(epoch)
}
