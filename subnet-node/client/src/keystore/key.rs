//! What a key file can hold.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use subnet_types::subnet_id::display_address;
use zeroize::Zeroizing;

use super::KeystoreError;
use crate::keys::{AccountKey, AccountScheme, CheckpointKeypair, P2pKeypair, SecretError, VoteKeypair};

/// Which kind of key, as the envelope spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// [`VoteKeypair`].
    Vote,
    /// [`CheckpointKeypair`].
    Checkpoint,
    /// [`P2pKeypair`].
    P2p,
    /// [`AccountKey`] with secp256k1.
    AccountSecp256k1,
    /// [`AccountKey`] with BLS.
    AccountBls,
}

impl KeyKind {
    /// The envelope's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Checkpoint => "checkpoint",
            Self::P2p => "p2p",
            Self::AccountSecp256k1 => "account-secp256k1",
            Self::AccountBls => "account-bls",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The part of a key that everybody may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicPart {
    /// Which kind.
    pub kind: KeyKind,
    /// Hexadecimal public key of a vote or checkpoint key, peer id of a p2p key, address of an account key.
    pub public: String,
}

/// A secret key of any kind.
#[derive(Debug)]
pub enum Key {
    /// Signs votes.
    Vote(VoteKeypair),
    /// Signs checkpoints.
    Checkpoint(CheckpointKeypair),
    /// Names the node.
    P2p(P2pKeypair),
    /// Signs messages.
    Account(AccountKey),
}

impl Key {
    /// The key of this kind with this secret.
    ///
    /// # Errors
    /// When the bytes are no such secret.
    pub fn from_secret(kind: KeyKind, secret: &[u8]) -> Result<Self, SecretError> {
        Ok(match kind {
            KeyKind::Vote => Self::Vote(VoteKeypair::from_secret(secret)?),
            KeyKind::Checkpoint => Self::Checkpoint(CheckpointKeypair::from_secret(secret)?),
            KeyKind::P2p => Self::P2p(P2pKeypair::from_secret(secret)?),
            KeyKind::AccountSecp256k1 => Self::Account(AccountKey::from_secret(AccountScheme::Secp256k1, secret)?),
            KeyKind::AccountBls => Self::Account(AccountKey::from_secret(AccountScheme::Bls, secret)?),
        })
    }

    /// A new key of this kind.
    pub fn generate(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Vote => Self::Vote(VoteKeypair::generate()),
            KeyKind::Checkpoint => Self::Checkpoint(CheckpointKeypair::generate()),
            KeyKind::P2p => Self::P2p(P2pKeypair::generate()),
            KeyKind::AccountSecp256k1 => Self::Account(AccountKey::generate(AccountScheme::Secp256k1)),
            KeyKind::AccountBls => Self::Account(AccountKey::generate(AccountScheme::Bls)),
        }
    }

    /// Which kind.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Vote(_) => KeyKind::Vote,
            Self::Checkpoint(_) => KeyKind::Checkpoint,
            Self::P2p(_) => KeyKind::P2p,
            Self::Account(key) => match key.scheme() {
                AccountScheme::Secp256k1 => KeyKind::AccountSecp256k1,
                AccountScheme::Bls => KeyKind::AccountBls,
            },
        }
    }

    /// The part that everybody may see.
    pub fn public_part(&self) -> PublicPart {
        let public = match self {
            Self::Vote(key) => key.public().to_string(),
            Self::Checkpoint(key) => key.public().to_string(),
            Self::P2p(key) => key.peer_id().to_string(),
            Self::Account(key) => display_address(&key.address()),
        };
        PublicPart { kind: self.kind(), public }
    }

    /// The part that nobody may see.
    pub fn secret(&self) -> Zeroizing<[u8; crate::keys::SECRET_BYTES]> {
        match self {
            Self::Vote(key) => key.secret(),
            Self::Checkpoint(key) => key.secret(),
            Self::P2p(key) => key.secret(),
            Self::Account(key) => key.secret(),
        }
    }

    /// The vote key of the file `path`.
    ///
    /// # Errors
    /// When it is of another kind; so for the methods below.
    pub fn into_vote(self, path: &Path) -> Result<VoteKeypair, KeystoreError> {
        match self {
            Self::Vote(key) => Ok(key),
            other => Err(other.unexpected("vote", path)),
        }
    }

    /// The checkpoint key of the file `path`.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn into_checkpoint(self, path: &Path) -> Result<CheckpointKeypair, KeystoreError> {
        match self {
            Self::Checkpoint(key) => Ok(key),
            other => Err(other.unexpected("checkpoint", path)),
        }
    }

    /// The p2p key of the file `path`.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn into_p2p(self, path: &Path) -> Result<P2pKeypair, KeystoreError> {
        match self {
            Self::P2p(key) => Ok(key),
            other => Err(other.unexpected("p2p", path)),
        }
    }

    /// The account key of the file `path`.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn into_account(self, path: &Path) -> Result<AccountKey, KeystoreError> {
        match self {
            Self::Account(key) => Ok(key),
            other => Err(other.unexpected("account", path)),
        }
    }

    fn unexpected(&self, expected: &'static str, path: &Path) -> KeystoreError {
        KeystoreError::Kind { path: path.to_owned(), expected, actual: self.kind().as_str() }
    }
}
