//! Keys on disk: one encrypted file for each.
//!
//! A file is a JSON envelope. Its public part (kind, and public key or address) is readable without the password, so
//! that a node can name itself and a list can be shown; it is bound to the secret by the cipher, so that a changed
//! public part is found out when the file is opened. Files are written at once or not at all, are readable by their
//! owner only, and never replace another key.

mod envelope;
mod file;
mod key;
mod password;
#[cfg(test)]
mod tests;

pub use envelope::{Envelope, KdfCost};
pub use file::{list, load, public_part, save};
pub use key::{Key, KeyKind, PublicPart};
pub use password::{PASSWORD_VARIABLE, Password, PasswordError, PasswordSource};

use std::path::PathBuf;

/// Why a key cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The system refuses.
    #[error("cannot {action} {path}: {reason}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is a key already.
    #[error("{path} exists already, and a key is never replaced; move it away first")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// Others on this machine can read the file.
    #[error("{path} can be read by others (mode {mode:03o}); close it with: chmod 600 {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key file.
    #[error("{path} is no key file: {reason}")]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password does not open it, or the file was changed.
    #[error("the password does not open {path}, or the file was changed after it was written")]
    Password {
        /// Which file.
        path: PathBuf,
    },
    /// A key of another kind than the one wanted.
    #[error("{path} holds a {actual} key, expected a {expected} key")]
    Kind {
        /// Which file.
        path: PathBuf,
        /// What was wanted.
        expected: &'static str,
        /// What it holds.
        actual: &'static str,
    },
}
