//! The JSON envelope around one encrypted secret: argon2id makes the key, ChaCha20-Poly1305 seals.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key as CipherKey, Nonce};
use rand::RngCore as _;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::{Key, PublicPart};

/// Version of the envelope that this code writes and reads.
const VERSION: u32 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
/// Upper bounds on what a file may ask for, so that opening a forged one cannot exhaust the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 4;

/// How much work one guess of the password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KdfCost {
    /// 64 MiB and three passes, which RFC 9106 recommends where memory is scarce: a guess takes about a tenth of a
    /// second, and a node opens its four keys in less than one.
    Standard,
    /// 64 KiB and one pass: no protection worth the name. For devnets that start many nodes at once, whose keys are
    /// worth nothing; the envelope says so.
    Devnet,
}

impl KdfCost {
    const fn parameters(self) -> Kdf<()> {
        let (memory_kib, passes) = match self {
            Self::Standard => (64 * 1024, 3),
            Self::Devnet => (64, 1),
        };
        Kdf { name: KdfName::Argon2id, cost: self, memory_kib, passes, lanes: 1, salt: () }
    }
}

/// An encrypted key with its public part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    version: u32,
    key: PublicPart,
    kdf: Kdf<String>,
    cipher: Cipher,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kdf<S> {
    name: KdfName,
    cost: KdfCost,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: S,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KdfName {
    Argon2id,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cipher {
    name: CipherName,
    nonce: String,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CipherName {
    ChaCha20Poly1305,
}

/// Why an envelope does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    /// The file is no envelope of this version, or asks for the impossible.
    Form(String),
    /// Wrong password, or changed bytes.
    Password,
}

impl Envelope {
    /// Encrypts `key` under `password`.
    pub fn seal(key: &Key, password: &str, cost: KdfCost) -> Self {
        let mut salt = [0; SALT_BYTES];
        let mut nonce = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut salt);
        OsRng.fill_bytes(&mut nonce);
        let Kdf { name, cost, memory_kib, passes, lanes, salt: () } = cost.parameters();
        let kdf = Kdf { name, cost, memory_kib, passes, lanes, salt: hex::encode(salt) };
        let cipher = Cipher { name: CipherName::ChaCha20Poly1305, nonce: hex::encode(nonce), text: String::new() };
        let mut envelope = Self { version: VERSION, key: key.public_part(), kdf, cipher };
        let sealing_key = envelope.derive(password).expect("our own parameters are in range");
        let secret = key.secret();
        let header = envelope.header();
        let text = ChaCha20Poly1305::new(CipherKey::from_slice(sealing_key.as_slice()))
            .encrypt(Nonce::from_slice(&nonce), Payload { msg: secret.as_slice(), aad: &header })
            .expect("32 bytes are within the cipher's limit");
        envelope.cipher.text = hex::encode(text);
        envelope
    }

    /// Decrypts the key.
    pub(super) fn open(&self, password: &str) -> Result<Key, OpenError> {
        let form = |reason: &str| OpenError::Form(reason.to_owned());
        if self.version != VERSION {
            return Err(form(&format!("version {}, this program reads {VERSION}", self.version)));
        }
        let nonce = hex::decode(&self.cipher.nonce).map_err(|_| form("the nonce is not hexadecimal"))?;
        if nonce.len() != NONCE_BYTES {
            return Err(form("the nonce has another length than 12 bytes"));
        }
        let text = hex::decode(&self.cipher.text).map_err(|_| form("the encrypted text is not hexadecimal"))?;
        let sealing_key = self.derive(password)?;
        let header = self.header();
        let secret = ChaCha20Poly1305::new(CipherKey::from_slice(sealing_key.as_slice()))
            .decrypt(Nonce::from_slice(&nonce), Payload { msg: &text, aad: &header })
            .map_err(|_| OpenError::Password)?;
        let secret = Zeroizing::new(secret);
        let key = Key::from_secret(self.key.kind, &secret).map_err(|error| OpenError::Form(error.to_string()))?;
        // The cipher authenticates the public part; this finds a file whose writer paired the two wrongly.
        if key.public_part() != self.key {
            return Err(form("the public part belongs to another secret"));
        }
        Ok(key)
    }

    /// The part that everybody may see.
    pub fn public_part(&self) -> &PublicPart {
        &self.key
    }

    /// How much work one guess of the password costs.
    pub fn cost(&self) -> KdfCost {
        self.kdf.cost
    }

    /// Everything but the cipher text, which the cipher authenticates.
    fn header(&self) -> Vec<u8> {
        let cipher = Cipher { text: String::new(), ..self.cipher.clone() };
        serde_json::to_vec(&Self { cipher, ..self.clone() }).expect("strings and numbers have a JSON form")
    }

    fn derive(&self, password: &str) -> Result<Zeroizing<[u8; 32]>, OpenError> {
        let Kdf { memory_kib, passes, lanes, salt, .. } = &self.kdf;
        if *memory_kib > MEMORY_KIB_MAX || *passes > PASSES_MAX || *lanes > LANES_MAX {
            let asked = format!("{memory_kib} KiB, {passes} passes, {lanes} lanes");
            return Err(OpenError::Form(format!("deriving its key takes {asked}: more than any key file needs")));
        }
        let salt = hex::decode(salt).map_err(|_| OpenError::Form("the salt is not hexadecimal".to_owned()))?;
        let out_of_range = |error: argon2::Error| OpenError::Form(format!("key derivation: {error}"));
        let parameters = Params::new(*memory_kib, *passes, *lanes, Some(32)).map_err(out_of_range)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(password.as_bytes(), &salt, key.as_mut())
            .map_err(out_of_range)?;
        Ok(key)
    }
}
