//! How addresses, amounts, CIDs and bytes look in JSON.
//!
//! Each is a wrapper with one JSON form, because the wrapped types' own serde forms are those of DAG-CBOR.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cid::Cid;
use fvm_shared::address::Address;
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use subnet_types::subnet_id::{display_address, parse_address};

/// Digits of an amount in a message or answer. 256 bits have 78; anything longer is no amount and is not parsed.
pub const AMOUNT_DIGITS_MAX: usize = 78;

macro_rules! wrapper {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $inner {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

wrapper!(
    /// `{"/": "bafy…"}`.
    JsonCid(Cid)
);
wrapper!(
    /// Text with the prefix `f`; `t` is read as well.
    JsonAddress(Address)
);
wrapper!(
    /// AttoFIL as a decimal string, never below zero.
    JsonAmount(TokenAmount)
);
wrapper!(
    /// Base64 with padding; `null` is read as no bytes.
    #[derive(Default)]
    JsonBytes(Vec<u8>)
);

impl Copy for JsonCid {}
impl Copy for JsonAddress {}

#[derive(Serialize, Deserialize)]
struct CidLink {
    #[serde(rename = "/")]
    link: String,
}

impl Serialize for JsonCid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CidLink { link: self.0.to_string() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonCid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let CidLink { link } = CidLink::deserialize(deserializer)?;
        let cid = Cid::from_str(&link)
            .map_err(|error| de::Error::custom(format!("{:?} is no CID: {error}", shortened(&link))))?;
        Ok(Self(cid))
    }
}

impl fmt::Display for JsonCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for JsonAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&display_address(&self.0))
    }
}

impl<'de> Deserialize<'de> for JsonAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = parse_address(&text)
            .map_err(|error| de::Error::custom(format!("{:?} is no address: {error}", shortened(&text))))?;
        Ok(Self(address))
    }
}

impl fmt::Display for JsonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display_address(&self.0))
    }
}

impl Serialize for JsonAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0.atto())
    }
}

impl<'de> Deserialize<'de> for JsonAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            |problem: &str| de::Error::custom(format!("amount {:?} {problem}, expected attoFIL", shortened(&text)));
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong("is not a string of decimal digits"));
        }
        if text.len() > AMOUNT_DIGITS_MAX {
            return Err(wrong("has more than 78 digits"));
        }
        let atto = BigInt::from_str(&text).map_err(|_| wrong("is no number"))?;
        Ok(Self(TokenAmount::from_atto(atto)))
    }
}

impl fmt::Display for JsonAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.atto().fmt(f)
    }
}

impl Default for JsonAmount {
    fn default() -> Self {
        Self(TokenAmount::from_atto(0))
    }
}

impl Serialize for JsonBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for JsonBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(&text).map(Self).map_err(|error| de::Error::custom(format!("bytes are not base64: {error}")))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
