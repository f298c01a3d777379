//! Fixed-length byte strings, each in its own type so that a key is never taken for a digest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text or byte string is not one of this module's types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// The text is not hexadecimal.
    #[error("expected {expected} bytes in hexadecimal, got text that is not hexadecimal: {text:?}")]
    NotHex {
        /// How many bytes the type holds.
        expected: usize,
        /// What came, cut to a readable length.
        text: String,
    },
    /// The length is another one.
    #[error("expected {expected} bytes, got {actual}")]
    Length {
        /// How many bytes the type holds.
        expected: usize,
        /// How many came.
        actual: usize,
    },
}

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = BytesError;
            fn try_from(bytes: &[u8]) -> Result<Self, BytesError> {
                let actual = bytes.len();
                bytes.try_into().map(Self).map_err(|_| BytesError::Length { expected: $len, actual })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BytesError;
            fn from_str(text: &str) -> Result<Self, BytesError> {
                let digits = text.strip_prefix("0x").unwrap_or(text);
                let bytes = hex::decode(digits).map_err(|_| BytesError::NotHex {
                    expected: $len,
                    text: text.chars().take(80).collect(),
                })?;
                Self::try_from(bytes.as_slice())
            }
        }

        // Binary formats carry a byte string, human-readable ones hexadecimal.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} bytes", $len)
                    }
                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        $name::try_from(bytes).map_err(E::custom)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Visitor)
                } else {
                    deserializer.deserialize_bytes(Visitor)
                }
            }
        }
    };
}

fixed_bytes!(
    /// A 32-byte hash. Which hash function made it is fixed by the field it stands in.
    Digest, 32
);
fixed_bytes!(
    /// Ed25519 public key with which a validator signs proposals and votes. It is also the validator's id inside
    /// consensus.
    VoteKey, 32
);
fixed_bytes!(
    /// Ed25519 signature.
    Ed25519Signature, 64
);
fixed_bytes!(
    /// Compressed BLS12-381 public key in G1 (min-pk), with which a validator signs checkpoint digests.
    BlsPublicKey, 48
);
fixed_bytes!(
    /// Compressed BLS12-381 signature in G2.
    BlsSignature, 96
);

impl Digest {
    /// All zero: "nothing", as in the root of an empty message batch.
    pub const ZERO: Self = Self([0; 32]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_round_trips_in_binary_and_text() {
        let digest = Digest([7; 32]);
        let bytes = fvm_ipld_encoding::to_vec(&digest).expect("encodes");
        assert_eq!(bytes.len(), 34, "a CBOR byte string, not a list of integers");
        assert_eq!(fvm_ipld_encoding::from_slice::<Digest>(&bytes).expect("decodes"), digest);
        assert_eq!(digest.to_string().parse::<Digest>().expect("parses"), digest);
    }

    #[test]
    fn wrong_length_is_named() {
        let error = "0xabcd".parse::<Digest>().expect_err("two bytes are no digest");
        assert_eq!(error, BytesError::Length { expected: 32, actual: 2 });
    }
}
