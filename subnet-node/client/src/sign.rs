//! Signing messages for one chain.

use fvm_shared::message::Message;
use subnet_types::message::signing_bytes;
use subnet_types::{ChainIdentity, SignedMessage};

use crate::keys::AccountKey;

/// Signs `message` for the chain `identity`; on any other chain the signature is worth nothing.
pub fn sign_message(message: &Message, key: &AccountKey, identity: &ChainIdentity) -> SignedMessage {
    SignedMessage { message: message.clone(), signature: key.sign(&signing_bytes(message, identity)) }
}
