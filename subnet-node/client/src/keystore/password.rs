//! Where the password of a keystore comes from.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Environment variable that holds the password.
pub const PASSWORD_VARIABLE: &str = "SUBNET_PASSWORD";

/// Bytes of a password file. A password of this length is a mistaken path.
const FILE_BYTES_MAX: u64 = 4096;

/// A password, wiped from memory when dropped.
pub type Password = Zeroizing<String>;

/// Where to look, in this order: the file when one is named, the environment, and the terminal when there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordSource {
    /// File whose first line is the password.
    pub file: Option<PathBuf>,
    /// Whether to ask on the terminal.
    pub may_prompt: bool,
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file cannot be used.
    #[error("password file {path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The variable is not text.
    #[error("{PASSWORD_VARIABLE} is not valid UTF-8")]
    Variable,
    /// The terminal fails.
    #[error("cannot ask for the password: {0}")]
    Prompt(String),
    /// Two different passwords were typed.
    #[error("the two passwords differ")]
    Differ,
    /// Nobody could be asked.
    #[error("no password: set {PASSWORD_VARIABLE}, name a file with --password-file, or run on a terminal")]
    Nowhere,
}

impl PasswordSource {
    /// The password of existing keys.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&self) -> Result<Password, PasswordError> {
        if let Some(password) = self.unattended()? {
            return Ok(password);
        }
        self.terminal()?;
        prompt("Password of the keystore: ")
    }

    /// The password for new keys; on a terminal it is asked for twice.
    ///
    /// # Errors
    /// When there is none, or the two differ.
    pub fn choose(&self) -> Result<Password, PasswordError> {
        if let Some(password) = self.unattended()? {
            return Ok(password);
        }
        self.terminal()?;
        let password = prompt("New password for the keystore: ")?;
        if prompt("The same again: ")? != password {
            return Err(PasswordError::Differ);
        }
        Ok(password)
    }

    fn unattended(&self) -> Result<Option<Password>, PasswordError> {
        if let Some(path) = &self.file {
            return first_line(path).map(Some);
        }
        match std::env::var(PASSWORD_VARIABLE) {
            Ok(password) => Ok(Some(Zeroizing::new(password))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(PasswordError::Variable),
        }
    }

    fn terminal(&self) -> Result<(), PasswordError> {
        if self.may_prompt && std::io::stdin().is_terminal() { Ok(()) } else { Err(PasswordError::Nowhere) }
    }
}

fn prompt(question: &str) -> Result<Password, PasswordError> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|error| PasswordError::Prompt(error.to_string()))
}

fn first_line(path: &Path) -> Result<Password, PasswordError> {
    let wrong = |reason: String| PasswordError::File { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(wrong("its first line is empty".to_owned())),
    }
}
