//! `send`: calls to other actors.

use anyhow::Context as _;
use fvm::gas::Gas;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm_shared::econ::TokenAmount;
use fvm_shared::sys::SendFlags;
use fvm_shared::sys::out::send::Send;

use super::Ctx;
use crate::machine::VmMachine;

/// The gas limit that means all there is.
const ALL_GAS: u64 = u64::MAX;

/// Calls an actor. The value is in attoFIL, in two halves; the gas limit in whole gas.
#[allow(clippy::too_many_arguments)] // The protocol's.
pub(super) fn send<M: VmMachine>(
    ctx: Ctx<'_, M>,
    to: u32,
    to_len: u32,
    method: u64,
    params: u32,
    value_high: u64,
    value_low: u64,
    gas_limit: u64,
    flags: u64,
) -> Result<Send> {
    let to = ctx.memory.read_address(to, to_len)?;
    let value = TokenAmount::from_atto((u128::from(value_high) << 64) | u128::from(value_low));
    let gas_limit = (gas_limit < ALL_GAS).then(|| Gas::new(gas_limit));
    let flags = SendFlags::from_bits(flags).with_context(|| format!("no such flags: {flags}")).or_illegal_argument()?;
    let result = ctx.kernel.send(&to, method, params, &value, gas_limit, flags)?;
    Ok(Send {
        exit_code: result.exit_code.value(),
        return_id: result.block_id,
        return_codec: result.block_stat.codec,
        return_size: result.block_stat.size,
    })
}
