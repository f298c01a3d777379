//! Messages and signatures in Lotus's shape.

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::crypto::signature::{Signature, SignatureType};
use fvm_shared::message::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subnet_types::SignedMessage;
use subnet_types::message::message_cid;

use super::scalar::{JsonAddress, JsonAmount, JsonBytes, JsonCid};

/// A message, signed or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageJson {
    /// Always 0.
    #[serde(default)]
    pub version: u64,
    /// Receiver.
    pub to: JsonAddress,
    /// Sender.
    pub from: JsonAddress,
    /// The sender's count of messages before this one.
    #[serde(default)]
    pub nonce: u64,
    /// Value to transfer.
    #[serde(default)]
    pub value: JsonAmount,
    /// Gas the message may use.
    #[serde(default)]
    pub gas_limit: u64,
    /// Most the sender pays for a unit of gas.
    #[serde(default)]
    pub gas_fee_cap: JsonAmount,
    /// What the proposer gets for a unit of gas.
    #[serde(default)]
    pub gas_premium: JsonAmount,
    /// Method number at the receiver; 0 is a plain transfer.
    #[serde(default)]
    pub method: u64,
    /// Parameters of the method.
    #[serde(default)]
    pub params: JsonBytes,
    /// CID of the message; written in answers, not read.
    #[serde(rename = "CID", default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<JsonCid>,
}

impl From<&Message> for MessageJson {
    fn from(message: &Message) -> Self {
        Self {
            version: message.version,
            to: message.to.into(),
            from: message.from.into(),
            nonce: message.sequence,
            value: message.value.clone().into(),
            gas_limit: message.gas_limit,
            gas_fee_cap: message.gas_fee_cap.clone().into(),
            gas_premium: message.gas_premium.clone().into(),
            method: message.method_num,
            params: JsonBytes(message.params.bytes().to_vec()),
            cid: Some(message_cid(message).into()),
        }
    }
}

impl From<MessageJson> for Message {
    fn from(json: MessageJson) -> Self {
        Self {
            version: json.version,
            to: json.to.0,
            from: json.from.0,
            sequence: json.nonce,
            value: json.value.0,
            gas_limit: json.gas_limit,
            gas_fee_cap: json.gas_fee_cap.0,
            gas_premium: json.gas_premium.0,
            method_num: json.method,
            params: RawBytes::new(json.params.0),
        }
    }
}

/// A signature. The type is written as Lotus's number and read as number or name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SignatureJson {
    /// Which scheme.
    #[serde(rename = "Type", serialize_with = "write_type", deserialize_with = "read_type")]
    pub signature_type: SignatureType,
    /// The signature's bytes, without the type.
    pub data: JsonBytes,
}

fn write_type<S: Serializer>(signature_type: &SignatureType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(*signature_type as u8)
}

fn read_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignatureType, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Name(String),
    }
    match Form::deserialize(deserializer)? {
        Form::Number(1) => Ok(SignatureType::Secp256k1),
        Form::Number(2) => Ok(SignatureType::BLS),
        Form::Name(name) if name.eq_ignore_ascii_case("secp256k1") => Ok(SignatureType::Secp256k1),
        Form::Name(name) if name.eq_ignore_ascii_case("bls") => Ok(SignatureType::BLS),
        Form::Number(number) => Err(de::Error::custom(format!("signature type {number}, expected 1 or 2"))),
        Form::Name(name) => {
            let name: String = name.chars().take(40).collect();
            Err(de::Error::custom(format!("signature type {name:?}, expected Secp256k1 or Bls")))
        }
    }
}

impl From<&Signature> for SignatureJson {
    fn from(signature: &Signature) -> Self {
        Self { signature_type: signature.signature_type(), data: JsonBytes(signature.bytes().to_vec()) }
    }
}

impl From<SignatureJson> for Signature {
    fn from(json: SignatureJson) -> Self {
        Self { sig_type: json.signature_type, bytes: json.data.0 }
    }
}

/// A message and its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SignedMessageJson {
    /// The message.
    pub message: MessageJson,
    /// Of its sender.
    pub signature: SignatureJson,
    /// CID that names the message in blocks; written in answers, not read.
    #[serde(rename = "CID", default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<JsonCid>,
}

impl From<&SignedMessage> for SignedMessageJson {
    fn from(signed: &SignedMessage) -> Self {
        let cid: Cid = signed.cid();
        Self { message: (&signed.message).into(), signature: (&signed.signature).into(), cid: Some(cid.into()) }
    }
}

impl From<SignedMessageJson> for SignedMessage {
    fn from(json: SignedMessageJson) -> Self {
        Self { message: json.message.into(), signature: json.signature.into() }
    }
}

/// Bounds for a gas estimate.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageSendSpec {
    /// Most the message may cost in gas fees; zero leaves it open.
    #[serde(default)]
    pub max_fee: JsonAmount,
}
