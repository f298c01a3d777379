//! Keys of accounts, which sign messages.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use fvm_shared::address::Address;
use fvm_shared::crypto::signature::Signature;
use secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};
use serde::{Deserialize, Serialize};
use subnet_types::bytes::BlsPublicKey;
use subnet_types::hash::blake2b_256;

use super::checkpoint::{bls_public, bls_sign};
use super::{Secret, SecretError, random_secret, secret_from};

/// The signature schemes of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountScheme {
    /// Address f1; cheap to verify one by one.
    Secp256k1,
    /// Address f3.
    Bls,
}

impl fmt::Display for AccountScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secp256k1 => "secp256k1",
            Self::Bls => "bls",
        })
    }
}

impl FromStr for AccountScheme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "secp256k1" => Ok(Self::Secp256k1),
            "bls" => Ok(Self::Bls),
            other => Err(format!("account scheme {other:?}, expected secp256k1 or bls")),
        }
    }
}

/// Secret key of an account.
pub struct AccountKey {
    scheme: AccountScheme,
    secret: Secret,
    address: Address,
}

static SECP256K1: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

impl AccountKey {
    /// A new key from the operating system's randomness.
    pub fn generate(scheme: AccountScheme) -> Self {
        loop {
            // A random string is out of range with probability below 2^-1, for secp256k1 below 2^-127.
            if let Ok(key) = Self::from_secret(scheme, &*random_secret()) {
                return key;
            }
        }
    }

    /// The key with this secret: big-endian for secp256k1, little-endian for BLS, as in Filecoin's key files.
    ///
    /// # Errors
    /// When the length is not 32, or the number is zero or too large.
    pub fn from_secret(scheme: AccountScheme, bytes: &[u8]) -> Result<Self, SecretError> {
        let kind = match scheme {
            AccountScheme::Secp256k1 => "secp256k1",
            AccountScheme::Bls => "bls",
        };
        let secret = secret_from(kind, bytes)?;
        let range = || SecretError::Range { kind };
        let address = match scheme {
            AccountScheme::Secp256k1 => {
                let mut key = SecretKey::from_byte_array(*secret).map_err(|_| range())?;
                let public = PublicKey::from_secret_key(&SECP256K1, &key).serialize_uncompressed();
                key.non_secure_erase();
                Address::new_secp256k1(&public).expect("an uncompressed public key has 65 bytes")
            }
            AccountScheme::Bls => {
                let BlsPublicKey(public) = bls_public(&secret).ok_or_else(range)?;
                Address::new_bls(&public).expect("a compressed G1 point has 48 bytes")
            }
        };
        Ok(Self { scheme, secret, address })
    }

    /// Which scheme the key signs with.
    pub const fn scheme(&self) -> AccountScheme {
        self.scheme
    }

    /// The secret, for the keystore and exports.
    pub fn secret(&self) -> Secret {
        self.secret.clone()
    }

    /// The account's address: f1 or f3.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signature over `bytes` as Filecoin makes it: secp256k1 over their blake2b-256, BLS over the bytes.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        match self.scheme {
            AccountScheme::Secp256k1 => {
                let mut key = SecretKey::from_byte_array(*self.secret).expect("the secret was checked");
                let message = Message::from_digest(blake2b_256(bytes).0);
                let (recovery, compact) = SECP256K1.sign_ecdsa_recoverable(message, &key).serialize_compact();
                key.non_secure_erase();
                let recovery = u8::try_from(i32::from(recovery)).expect("a recovery id is 0 to 3");
                Signature::new_secp256k1([&compact[..], &[recovery]].concat())
            }
            AccountScheme::Bls => Signature::new_bls(bls_sign(&self.secret, bytes).to_vec()),
        }
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", subnet_types::subnet_id::display_address(&self.address))
    }
}
