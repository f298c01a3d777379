//! Real signature checks, as the VM's system calls make them.

use bls_signatures::{PublicKey, Serialize, Signature as BlsPoint, verify_messages};
use fvm_shared::address::{Address, Payload};
use fvm_shared::crypto::signature::{Signature, SignatureType};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, Secp256k1};
use subnet_types::hash::blake2b_256;
use subnet_types::{BlsPublicKey, BlsSignature};

pub(super) fn verify_bls_aggregate(signature: &BlsSignature, keys: &[BlsPublicKey], messages: &[&[u8]]) -> bool {
    if keys.is_empty() || keys.len() != messages.len() {
        return false;
    }
    let Ok(signature) = BlsPoint::from_bytes(signature.as_bytes()) else { return false };
    let keys: Result<Vec<_>, _> = keys.iter().map(|key| PublicKey::from_bytes(key.as_bytes())).collect();
    keys.is_ok_and(|keys| verify_messages(&signature, messages, &keys))
}

pub(super) fn verify_signature(signature: &Signature, signer: &Address, message: &[u8]) -> bool {
    match (signature.signature_type(), signer.payload()) {
        (SignatureType::BLS, Payload::BLS(key)) => {
            let Ok(signature) = BlsSignature::try_from(signature.bytes()) else { return false };
            verify_bls_aggregate(&signature, &[BlsPublicKey(*key)], &[message])
        }
        (SignatureType::Secp256k1, Payload::Secp256k1(_)) => {
            recover_address(signature.bytes(), message) == Some(*signer)
        }
        _ => false,
    }
}

/// The f1 address whose key made a 65-byte recoverable signature over blake2b-256 of `message`.
fn recover_address(signature: &[u8], message: &[u8]) -> Option<Address> {
    let (recovery, compact) = signature.split_last()?;
    let recovery = RecoveryId::try_from(i32::from(*recovery)).ok()?;
    let signature = RecoverableSignature::from_compact(compact, recovery).ok()?;
    let digest = Message::from_digest(blake2b_256(message).0);
    let key = Secp256k1::verification_only().recover_ecdsa(digest, &signature).ok()?;
    Address::new_secp256k1(&key.serialize_uncompressed()).ok()
}
