//! `crypto`, without Filecoin's proofs: signatures and hashes.

use anyhow::Context as _;
use fvm::kernel::prelude::CryptoOps as _;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm::syscall_error;
use fvm_shared::crypto::signature::{
    BLS_PUB_LEN, BLS_SIG_LEN, SECP_PUB_LEN, SECP_SIG_LEN, SECP_SIG_MESSAGE_HASH_SIZE, SignatureType,
};
use num_traits::FromPrimitive as _;

use super::Ctx;
use crate::machine::VmMachine;

/// What a verification answers: 0 for valid, -1 for not.
pub(super) fn verdict(is_valid: bool) -> i32 {
    if is_valid { 0 } else { -1 }
}

/// Verifies a signature of an address.
#[allow(clippy::too_many_arguments)] // The protocol's.
pub(super) fn verify_signature<M: VmMachine>(
    ctx: Ctx<'_, M>,
    kind: u32,
    signature: u32,
    signature_len: u32,
    signer: u32,
    signer_len: u32,
    text: u32,
    text_len: u32,
) -> Result<i32> {
    let kind = SignatureType::from_u32(kind)
        .with_context(|| format!("there is no signature type {kind}"))
        .or_illegal_argument()?;
    let signature = ctx.memory.try_slice(signature, signature_len)?;
    let signer = ctx.memory.read_address(signer, signer_len)?;
    let text = ctx.memory.try_slice(text, text_len)?;
    ctx.kernel.verify_signature(kind, signature, &signer, text).map(verdict)
}

/// Verifies a BLS aggregate of so many signers. The lengths of their texts are 32-bit numbers one after the other, as
/// are keys and texts.
pub(super) fn verify_bls_aggregate<M: VmMachine>(
    ctx: Ctx<'_, M>,
    signers: u32,
    signature: u32,
    keys: u32,
    texts: u32,
    lengths: u32,
) -> Result<i32> {
    let keys_len = signers
        .checked_mul(BLS_PUB_LEN as u32)
        .ok_or_else(|| syscall_error!(IllegalArgument; "{} signers are too many", signers))?;
    let signature: &[u8; BLS_SIG_LEN] =
        ctx.memory.try_slice(signature, BLS_SIG_LEN as u32)?.try_into().or_illegal_argument()?;
    let keys: &[[u8; BLS_PUB_LEN]] = ctx.memory.try_chunks(keys, keys_len)?;
    // Keys are longer than lengths, so this product does not overflow either.
    let lengths: Vec<u32> = ctx
        .memory
        .try_slice(lengths, signers * 4)?
        .chunks_exact(4)
        .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    // The reference panics on this overflow, which its call manager turns into a fatal error.
    let texts_len = lengths
        .iter()
        .try_fold(0u32, |sum, length| sum.checked_add(*length))
        .context("the texts are longer than any memory")
        .or_fatal()?;
    let texts = ctx.memory.try_slice(texts, texts_len)?;
    ctx.kernel.verify_bls_aggregate(signature, keys, texts, &lengths).map(verdict)
}

/// The public key behind a secp256k1 signature of a hash.
pub(super) fn recover_secp_public_key<M: VmMachine>(
    ctx: Ctx<'_, M>,
    hash: u32,
    signature: u32,
) -> Result<[u8; SECP_PUB_LEN]> {
    let hash: &[u8; SECP_SIG_MESSAGE_HASH_SIZE] =
        ctx.memory.try_slice(hash, SECP_SIG_MESSAGE_HASH_SIZE as u32)?.try_into().or_illegal_argument()?;
    let signature: &[u8; SECP_SIG_LEN] =
        ctx.memory.try_slice(signature, SECP_SIG_LEN as u32)?.try_into().or_illegal_argument()?;
    ctx.kernel.recover_secp_public_key(hash, signature)
}

/// Hashes bytes and writes as much of the digest as there is room for; its length.
pub(super) fn hash<M: VmMachine>(
    ctx: Ctx<'_, M>,
    function: u64,
    data: u32,
    data_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    ctx.memory.check_bounds(out, out_len)?;
    let digest = ctx.kernel.hash(function, ctx.memory.try_slice(data, data_len)?)?;
    let out = ctx.memory.try_slice_mut(out, out_len)?;
    let length = out.len().min(digest.digest().len());
    out[..length].copy_from_slice(&digest.digest()[..length]);
    Ok(length as u32)
}
