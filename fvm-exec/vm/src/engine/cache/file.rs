//! One file of the cache.
//!
//! ```text
//! "vm actor" │ key, 32 bytes │ BLAKE2b-256 of key and rest │ code │ names, CBOR │ length of names, 4 bytes
//! ```

use anyhow::{Context as _, ensure};
use blake2b_simd::Params;
use fvm_ipld_encoding::{from_slice, to_vec};

use super::key::{Key, digest_of};
use crate::engine::instrument::AddedExports;

const MAGIC: &[u8; 8] = b"vm actor";
const HASH_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + 2 * HASH_BYTES;

/// What is kept of an actor.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) struct Compiled {
    /// What wasmtime has made of it.
    pub(in crate::engine) code: Vec<u8>,
    /// What it exports beyond its own.
    pub(in crate::engine) added: AddedExports,
}

/// The file with `compiled` under `key`.
///
/// # Errors
/// When a name is too long.
pub(super) fn encode(key: Key, compiled: &Compiled) -> anyhow::Result<Vec<u8>> {
    let names = to_vec(&compiled.added)?;
    let length = u32::try_from(names.len())?.to_le_bytes();
    let rest = [&compiled.code[..], &names, &length].concat();
    Ok([&MAGIC[..], &key.0, &digest(key, &rest), &rest].concat())
}

/// What is kept in a file that should have this key.
///
/// # Errors
/// When it has another one, or is not what was written.
pub(super) fn decode(key: Key, mut bytes: Vec<u8>) -> anyhow::Result<Compiled> {
    let rest = bytes.get(HEADER_BYTES..).context("it is cut off")?;
    ensure!(bytes.starts_with(MAGIC), "it is no compiled actor");
    ensure!(bytes[MAGIC.len()..].starts_with(&key.0), "it is another actor's or another engine's");
    let expected = &bytes[MAGIC.len() + HASH_BYTES..HEADER_BYTES];
    ensure!(digest(key, rest) == expected, "it is damaged");

    let (rest, length) = rest.split_last_chunk().context("it has no names")?;
    let names_at = rest.len().checked_sub(usize::try_from(u32::from_le_bytes(*length))?);
    let names_at = names_at.context("its names have no beginning")?;
    let added = from_slice(&rest[names_at..]).context("its names do not decode")?;
    bytes.truncate(HEADER_BYTES + names_at);
    bytes.drain(..HEADER_BYTES);
    Ok(Compiled { code: bytes, added })
}

fn digest(key: Key, rest: &[u8]) -> [u8; HASH_BYTES] {
    digest_of(
        Params::new().hash_length(HASH_BYTES).personal(b"compiled actor f").to_state().update(&key.0).update(rest),
    )
}
