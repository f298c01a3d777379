//! `crypto`: the proofs of Filecoin's storage, and faults of its consensus.
//!
//! Their arguments are CBOR in the actor's memory. Decoding it is not paid for, as these syscalls are for built-in
//! actors only.

use std::panic::catch_unwind;

use anyhow::{Context as _, anyhow};
use fvm::kernel::filecoin::FilecoinKernel as _;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm::syscall_error;
use fvm::syscalls::Memory;
use fvm_ipld_encoding::de::DeserializeOwned;
use fvm_ipld_encoding::from_slice;
use fvm_shared::piece::PieceInfo;
use fvm_shared::sector::{
    AggregateSealVerifyProofAndInfos, RegisteredSealProof, ReplicaUpdateInfo, SealVerifyInfo, WindowPoStVerifyInfo,
};
use fvm_shared::sys::out::crypto::VerifyConsensusFault;

use super::Ctx;
use super::crypto::verdict;
use crate::machine::VmMachine;

fn read_cbor<T: DeserializeOwned>(memory: &Memory, at: u32, len: u32) -> Result<T> {
    let bytes = memory.try_slice(at, len)?;
    catch_unwind(|| from_slice(bytes).or_illegal_argument())
        .unwrap_or_else(|_| Err(syscall_error!(IllegalArgument, "the decoder panicked").into()))
}

/// Writes the commitment to the unsealed data of a sector; its length in bytes.
pub(super) fn compute_unsealed_sector_cid<M: VmMachine>(
    ctx: Ctx<'_, M>,
    proof: i64,
    pieces: u32,
    pieces_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    let proof = RegisteredSealProof::from(proof);
    if let RegisteredSealProof::Invalid(number) = proof {
        return Err(syscall_error!(IllegalArgument; "there is no proof type {}", number).into());
    }
    let pieces: Vec<PieceInfo> = read_cbor(ctx.memory, pieces, pieces_len)?;
    ctx.memory.check_bounds(out, out_len)?;
    let cid = ctx.kernel.compute_unsealed_sector_cid(proof, &pieces)?;
    ctx.memory.write_cid(&cid, out, out_len)
}

/// Verifies a window proof of spacetime.
pub(super) fn verify_post<M: VmMachine>(ctx: Ctx<'_, M>, info: u32, info_len: u32) -> Result<i32> {
    let info: WindowPoStVerifyInfo = read_cbor(ctx.memory, info, info_len)?;
    ctx.kernel.verify_post(&info).map(verdict)
}

/// Verifies that headers prove a fault of consensus. All zero when they do not.
pub(super) fn verify_consensus_fault<M: VmMachine>(
    ctx: Ctx<'_, M>,
    first: u32,
    first_len: u32,
    second: u32,
    second_len: u32,
    extra: u32,
    extra_len: u32,
) -> Result<VerifyConsensusFault> {
    let first = ctx.memory.try_slice(first, first_len)?;
    let second = ctx.memory.try_slice(second, second_len)?;
    let extra = ctx.memory.try_slice(extra, extra_len)?;
    let Some(fault) = ctx.kernel.filecoin().verify_consensus_fault(first, second, extra)? else {
        return Ok(VerifyConsensusFault { epoch: 0, target: 0, fault: 0 });
    };
    let target = fault.target.id().context("the fault's target is no id").or_fatal()?;
    Ok(VerifyConsensusFault { epoch: fault.epoch, target, fault: fault.fault_type as u32 })
}

/// Verifies an aggregate of seals.
pub(super) fn verify_aggregate_seals<M: VmMachine>(ctx: Ctx<'_, M>, info: u32, info_len: u32) -> Result<i32> {
    let info: AggregateSealVerifyProofAndInfos = read_cbor(ctx.memory, info, info_len)?;
    ctx.kernel.verify_aggregate_seals(&info).map(verdict)
}

/// Verifies a replica update.
pub(super) fn verify_replica_update<M: VmMachine>(ctx: Ctx<'_, M>, info: u32, info_len: u32) -> Result<i32> {
    let info: ReplicaUpdateInfo = read_cbor(ctx.memory, info, info_len)?;
    ctx.kernel.verify_replica_update(&info).map(verdict)
}

/// Verifies seals and writes a byte for each: 1 for valid, 0 for not.
pub(super) fn batch_verify_seals<M: VmMachine>(ctx: Ctx<'_, M>, batch: u32, batch_len: u32, out: u32) -> Result<()> {
    let batch: Vec<SealVerifyInfo> = read_cbor(ctx.memory, batch, batch_len)?;
    let out = ctx.memory.try_slice_mut(out, batch.len() as u32)?;
    let results = ctx.kernel.filecoin().batch_verify_seals(&batch)?;
    if results.len() != out.len() {
        return Err(anyhow!("{} results for {} seals", results.len(), out.len())).or_fatal();
    }
    for (out, result) in out.iter_mut().zip(results) {
        *out = u8::from(result);
    }
    Ok(())
}
