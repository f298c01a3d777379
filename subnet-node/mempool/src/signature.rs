//! Signatures of account messages.
//!
//! f1: 65 bytes `r ‖ s ‖ v`, ECDSA over secp256k1 of the blake2b-256 of the signed bytes; the address is that of the
//! recovered public key. f3: BLS over the signed bytes themselves. The signed bytes are those of
//! [`subnet_types::message`]: bound to one chain, or bare as stock Filecoin clients sign.
//!
//! **High `s` is refused.** From a valid `(r, s, v)` anyone can make `(r, n − s, v ⊕ 1)`, which verifies as well and
//! gives the signed message another CID. Filecoin takes both; here the same message must not travel, wait or be
//! looked up under two names, and every signer in use already writes the low form.

use std::cmp::Ordering;
use std::sync::LazyLock;

use bls_signatures::Serialize as _;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::crypto::signature::{BLS_SIG_LEN, SECP_SIG_LEN, SignatureType};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Secp256k1, VerifyOnly};
use subnet_types::ChainIdentity;
use subnet_types::SignedMessage;
use subnet_types::hash::blake2b_256;
use subnet_types::message::{SignaturePolicy, bare_signing_bytes, signing_bytes};

pub use crate::verifier::{BatchError, Verifier, verify_all};

/// Why a signature does not prove its message's sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The sender's kind of address cannot sign.
    #[error("sender {from} is no f1 or f3 address, so no signature can be checked against it")]
    SenderKind {
        /// The sender.
        from: String,
    },
    /// The signature is of another kind than the sender's key.
    #[error("sender {from} needs a {expected} signature, got {actual:?}")]
    Kind {
        /// The sender.
        from: String,
        /// What its address asks for.
        expected: &'static str,
        /// What came.
        actual: SignatureType,
    },
    /// The signature has another length.
    #[error("a {kind} signature has {expected} bytes, got {actual}")]
    Length {
        /// Which kind.
        kind: &'static str,
        /// Its length.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// The bytes have the right length and are still no signature, or the address holds no public key.
    #[error("the bytes are no {kind} signature or key: {reason}")]
    Encoding {
        /// Which kind.
        kind: &'static str,
        /// What does not decode.
        reason: String,
    },
    /// The second form of a secp256k1 signature.
    #[error("the signature has a high s; only the low form is taken, so that a message has one CID")]
    HighS,
    /// Signed for no chain in particular.
    #[error("signature is for a bare message; this chain requires it over message CID and chain identity {identity}")]
    Bare {
        /// Identity of this chain.
        identity: ChainIdentity,
    },
    /// Signed by another key, over another message, or for another chain.
    #[error("signature does not verify for {from} on chain {identity}: another key, message or chain")]
    Mismatch {
        /// The sender.
        from: String,
        /// Identity of this chain.
        identity: ChainIdentity,
    },
}

/// Tables that verification needs; made once, shared by all threads.
static CONTEXT: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

const SECP256K1: &str = "secp256k1";
const BLS: &str = "BLS";

/// Checks that the sender signed the message, for the chain `identity` under its `policy`.
///
/// # Errors
/// Why it does not prove the sender. A bare signature on a chain that requires bound ones has its own answer, at the
/// price of a second check for signatures that are wrong anyway.
pub fn verify(signed: &SignedMessage, identity: &ChainIdentity, policy: SignaturePolicy) -> Result<(), SignatureError> {
    let check = Check::parse(signed)?;
    if check.covers(&signing_bytes(&signed.message, identity)) {
        return Ok(());
    }
    let is_bare = check.covers(&bare_signing_bytes(&signed.message));
    match (is_bare, policy) {
        (true, SignaturePolicy::BareAllowed) => Ok(()),
        (true, SignaturePolicy::Bound) => Err(SignatureError::Bare { identity: *identity }),
        (false, _) => Err(SignatureError::Mismatch { from: signed.message.from.to_string(), identity: *identity }),
    }
}

/// A signature that has the form its sender's address asks for.
enum Check {
    Secp256k1 { from: Address, signature: RecoverableSignature },
    Bls { key: bls_signatures::PublicKey, signature: bls_signatures::Signature },
}

impl Check {
    fn parse(signed: &SignedMessage) -> Result<Self, SignatureError> {
        let from = signed.message.from;
        let (actual, bytes) = (signed.signature.signature_type(), signed.signature.bytes());
        match (from.protocol(), actual) {
            (Protocol::Secp256k1, SignatureType::Secp256k1) => {
                Ok(Self::Secp256k1 { from, signature: parse_secp256k1(bytes)? })
            }
            (Protocol::BLS, SignatureType::BLS) => {
                let (key, signature) = parse_bls(&from, bytes)?;
                Ok(Self::Bls { key, signature })
            }
            (Protocol::Secp256k1, _) => {
                Err(SignatureError::Kind { from: from.to_string(), expected: SECP256K1, actual })
            }
            (Protocol::BLS, _) => Err(SignatureError::Kind { from: from.to_string(), expected: BLS, actual }),
            _ => Err(SignatureError::SenderKind { from: from.to_string() }),
        }
    }

    fn covers(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Secp256k1 { from, signature } => {
                let digest = secp256k1::Message::from_digest(*blake2b_256(bytes).as_bytes());
                let Ok(key) = CONTEXT.recover_ecdsa(digest, signature) else { return false };
                Address::new_secp256k1(&key.serialize_uncompressed()).is_ok_and(|address| address == *from)
            }
            Self::Bls { key, signature } => bls_signatures::verify_messages(signature, &[bytes], &[*key]),
        }
    }
}

fn parse_secp256k1(bytes: &[u8]) -> Result<RecoverableSignature, SignatureError> {
    let encoding = |reason: &str| SignatureError::Encoding { kind: SECP256K1, reason: reason.to_owned() };
    let bytes: &[u8; SECP_SIG_LEN] = bytes.try_into().map_err(|_| SignatureError::Length {
        kind: SECP256K1,
        expected: SECP_SIG_LEN,
        actual: bytes.len(),
    })?;
    let (compact, id) = bytes.split_at(SECP_SIG_LEN - 1);
    if compact[32..].cmp(&HALF_ORDER) == Ordering::Greater {
        return Err(SignatureError::HighS);
    }
    let id = RecoveryId::try_from(i32::from(id[0])).map_err(|_| encoding("the recovery id is not 0 to 3"))?;
    RecoverableSignature::from_compact(compact, id).map_err(|_| encoding("r or s is not below the curve's order"))
}

/// Half of the order of the curve's group, rounded down: the greatest low `s` (SEC 2, section 2.4.1, `n`).
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

fn parse_bls(
    from: &Address,
    bytes: &[u8],
) -> Result<(bls_signatures::PublicKey, bls_signatures::Signature), SignatureError> {
    if bytes.len() != BLS_SIG_LEN {
        return Err(SignatureError::Length { kind: BLS, expected: BLS_SIG_LEN, actual: bytes.len() });
    }
    let encoding = |what: &str, error: bls_signatures::Error| SignatureError::Encoding {
        kind: BLS,
        reason: format!("{what}: {error}"),
    };
    // Both decoders check the curve and the subgroup; the verification refuses the identity as a key.
    let key = bls_signatures::PublicKey::from_bytes(&from.payload_bytes()).map_err(|e| encoding("key", e))?;
    let signature = bls_signatures::Signature::from_bytes(bytes).map_err(|e| encoding("signature", e))?;
    Ok((key, signature))
}
