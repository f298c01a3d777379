//! Values inside a state whose CIDs are names and not links.
//!
//! The VM lets an actor store a block only when every link in it leads to a block of the chain. A CID that names a block of
//! another chain (a state root below, a block above, a bundle) is no such link, so what contains one is kept as a byte
//! string that holds its encoding: `#[serde(with = "subnet_types::unlinked")]`.

use fvm_ipld_encoding::BytesDe;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes `value` as a byte string; in human-readable formats as itself.
///
/// # Errors
/// When `value` has no DAG-CBOR form.
pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return value.serialize(serializer);
    }
    serializer.serialize_bytes(&fvm_ipld_encoding::to_vec(value).map_err(S::Error::custom)?)
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// When the bytes do not encode a `T`.
pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    if deserializer.is_human_readable() {
        return T::deserialize(deserializer);
    }
    let BytesDe(bytes) = BytesDe::deserialize(deserializer)?;
    fvm_ipld_encoding::from_slice(&bytes).map_err(D::Error::custom)
}

/// A whole block of such a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlinked<T>(pub T);

impl<T: Serialize> Serialize for Unlinked<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Unlinked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::cid_of_bytes;
    use cid::Cid;

    #[test]
    fn a_foreign_cid_is_bytes_and_comes_back() {
        let value = Unlinked(Some(cid_of_bytes(b"elsewhere")));
        let bytes = fvm_ipld_encoding::to_vec(&value).expect("encodes");
        assert_eq!(bytes[0] >> 5, 2, "a byte string");
        assert_eq!(fvm_ipld_encoding::from_slice::<Unlinked<Option<Cid>>>(&bytes).expect("decodes"), value);
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        let bytes = fvm_ipld_encoding::to_vec(&fvm_ipld_encoding::BytesSer(&[0xff])).expect("encodes");
        assert!(fvm_ipld_encoding::from_slice::<Unlinked<u64>>(&bytes).is_err());
    }
}
