//! Account keys in the form that Lotus exports and imports: hexadecimal of a JSON object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{AccountKey, AccountScheme, SecretError};

/// Longest text that is looked at. An export has under 300 characters.
const TEXT_BYTES_MAX: usize = 4096;

/// An account key in Lotus's form, `7b2254797065…`.
pub struct KeyInfo;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fields {
    r#type: String,
    private_key: String,
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.private_key.zeroize();
    }
}

/// Why a text is no exported key. The text itself is never repeated: it may be a secret with one letter wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyInfoError {
    /// Not hexadecimal.
    #[error("expected a key as Lotus exports it (hexadecimal of a JSON object); the text is not hexadecimal")]
    NotHex,
    /// Not the JSON object.
    #[error("expected hexadecimal of {{\"Type\": …, \"PrivateKey\": …}}: {0}")]
    NotJson(String),
    /// A type this program has no use for.
    #[error("key type {actual:?}, expected secp256k1 or bls")]
    Type {
        /// What came.
        actual: String,
    },
    /// The private key is not base64.
    #[error("the private key is not base64")]
    NotBase64,
    /// The private key is no secret of this type.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl KeyInfo {
    /// Writes `key` in Lotus's form.
    pub fn export(key: &AccountKey) -> Zeroizing<String> {
        let fields = Fields { r#type: key.scheme().to_string(), private_key: STANDARD.encode(key.secret().as_slice()) };
        let json = Zeroizing::new(serde_json::to_vec(&fields).expect("two strings have a JSON form"));
        Zeroizing::new(hex::encode(json.as_slice()))
    }

    /// Reads a key in Lotus's form.
    ///
    /// # Errors
    /// Where the text departs from the form.
    pub fn import(text: &str) -> Result<AccountKey, KeyInfoError> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(KeyInfoError::NotHex);
        }
        let json = Zeroizing::new(hex::decode(text).map_err(|_| KeyInfoError::NotHex)?);
        // The parser's own message would quote the input.
        let fields: Fields = serde_json::from_slice(&json)
            .map_err(|error| KeyInfoError::NotJson(format!("line {}, column {}", error.line(), error.column())))?;
        let scheme: AccountScheme = fields
            .r#type
            .parse()
            .map_err(|_| KeyInfoError::Type { actual: fields.r#type.chars().take(40).collect() })?;
        let secret = Zeroizing::new(STANDARD.decode(&fields.private_key).map_err(|_| KeyInfoError::NotBase64)?);
        Ok(AccountKey::from_secret(scheme, &secret)?)
    }
}
