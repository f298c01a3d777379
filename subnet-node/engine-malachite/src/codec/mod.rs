//! Malachite's messages as bytes: on the network, in sync and in the write-ahead log.
//!
//! One codec for all three, since they carry the same nouns. Each message is a version byte and a protobuf message of
//! the `proto` package; every field is checked when it is read, and each kind of message has a size limit, so garbage
//! costs its sender more than us.

mod certificates;
mod consensus;
mod parts;
mod sync;
mod wal;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use proto::convert::{self, FieldError};
use subnet_types::limits::VALIDATORS_MAX;

pub(crate) use parts::{PART_BYTES_MAX, init_from_proto, init_to_proto};
pub(crate) use proto::envelope::DecodeError;
pub(crate) use sync::decided_len;

/// Reads and writes everything Malachite sends or stores.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WireCodec;

/// Bytes of a vote extension. A checkpoint signature has 96.
pub(crate) const EXTENSION_BYTES_MAX: usize = 1024;

/// Bytes of a vote or proposal: keys, signatures and a block id of under 300 bytes in all, and an extension.
pub(crate) const CONSENSUS_BYTES_MAX: usize = 512 + EXTENSION_BYTES_MAX;

/// Bytes of a certificate without extensions: a key, a signature, a block id and framing for each validator.
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 256 + VALIDATORS_MAX * 192;

/// Bytes of a commit certificate with the extensions that checkpoints need, twice over.
const COMMIT_CERTIFICATE_BYTES_MAX: usize = 256 + VALIDATORS_MAX * 512;

/// Bytes of the small messages that greet peers and ask for blocks.
const GREETING_BYTES_MAX: usize = 1024;

/// The signer's entries of a certificate, at most one for each possible validator.
fn bounded<T>(field: &'static str, entries: Vec<T>) -> Result<Vec<T>, FieldError> {
    if entries.len() > VALIDATORS_MAX {
        return Err(FieldError::new(field, format!("{} entries, at most {VALIDATORS_MAX} are allowed", entries.len())));
    }
    Ok(entries)
}

fn key_bytes(key: &subnet_types::VoteKey) -> Bytes {
    convert::bytes_of(key.as_bytes())
}

fn signature_bytes(signature: &subnet_types::Ed25519Signature) -> Bytes {
    convert::bytes_of(signature.as_bytes())
}

/// Implements Malachite's codec trait for one message by a pair of conversion functions.
macro_rules! codec {
    ($message:ty, $proto:ty, $name:literal, $max:expr, $to:path, $from:path) => {
        impl arc_malachitebft_app_channel::app::types::codec::Codec<$message> for crate::codec::WireCodec {
            type Error = crate::codec::DecodeError;

            fn decode(&self, bytes: bytes::Bytes) -> Result<$message, Self::Error> {
                let message: $proto = proto::envelope::decode($name, bytes, $max)?;
                Ok($from(message)?)
            }

            fn encode(&self, message: &$message) -> Result<bytes::Bytes, Self::Error> {
                Ok(proto::envelope::encode(&$to(message)))
            }
        }
    };
}
use codec;
