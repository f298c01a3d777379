//! Signed messages of users.

use cid::Cid;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::message::Message;
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::hash::{cid_of, encode};
use crate::identity::ChainIdentity;

/// A Filecoin message and its sender's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SignedMessage {
    /// The message.
    pub message: Message,
    /// Over [`signing_bytes`], or over the bare CID where the chain allows that.
    pub signature: Signature,
}

/// What account signatures of a chain must cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignaturePolicy {
    /// The message CID and the chain's identity. Nothing signed for another chain is valid here.
    Bound,
    /// As `Bound`, and stock Filecoin signatures over the bare CID too. For devnets and stock clients only: such a
    /// message is valid on every chain where the key has that nonce.
    BareAllowed,
}

impl SignedMessage {
    /// CID that names the message in blocks, receipts and queries: that of the signed form for secp256k1, and of the
    /// bare message for BLS, as on Filecoin.
    pub fn cid(&self) -> Cid {
        match self.signature.signature_type() {
            fvm_shared::crypto::signature::SignatureType::BLS => message_cid(&self.message),
            fvm_shared::crypto::signature::SignatureType::Secp256k1 => cid_of(self),
        }
    }

    /// The bytes as they stand in payloads and gossip.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}

/// CID of an unsigned message.
pub fn message_cid(message: &Message) -> Cid {
    cid_of(message)
}

/// What a sender signs on the chain `identity`: message CID ‖ chain identity.
pub fn signing_bytes(message: &Message, identity: &ChainIdentity) -> Vec<u8> {
    [message_cid(message).to_bytes().as_slice(), identity.as_bytes()].concat()
}

/// What a stock Filecoin client signs: the message CID alone.
pub fn bare_signing_bytes(message: &Message) -> Vec<u8> {
    message_cid(message).to_bytes()
}
