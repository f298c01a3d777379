//! One file of the cache.
//!
//! ```text
//! "vm actor" │ key, 32 bytes │ BLAKE2b-256 of key and code │ code
//! ```

use anyhow::{Context as _, ensure};
use blake2b_simd::{Params, State};

const MAGIC: &[u8; 8] = b"vm actor";
const HASH_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + 2 * HASH_BYTES;

/// What goes before `code`.
pub(super) fn header(key: &[u8; HASH_BYTES], code: &[u8]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let parts = MAGIC.iter().chain(key).copied().chain(digest(key, code));
    header.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    header
}

/// The code in a file that should have this key.
///
/// # Errors
/// When it has another one, or is not what was written.
pub(super) fn decode(key: &[u8; HASH_BYTES], mut bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let code = bytes.get(HEADER_BYTES..).context("it is cut off")?;
    ensure!(bytes.starts_with(MAGIC), "it is no compiled actor");
    ensure!(bytes[MAGIC.len()..].starts_with(key), "it is another actor's or another engine's");
    let expected = &bytes[MAGIC.len() + HASH_BYTES..HEADER_BYTES];
    ensure!(digest(key, code) == expected, "it is damaged");
    bytes.drain(..HEADER_BYTES);
    Ok(bytes)
}

fn digest(key: &[u8; HASH_BYTES], code: &[u8]) -> [u8; HASH_BYTES] {
    digest_of(Params::new().hash_length(HASH_BYTES).personal(b"compiled actor f").to_state().update(key).update(code))
}

/// What a state with a digest of 32 bytes has come to.
pub(super) fn digest_of(state: &State) -> [u8; HASH_BYTES] {
    let hash = state.finalize();
    let mut digest = [0; HASH_BYTES];
    digest.copy_from_slice(hash.as_bytes());
    digest
}
