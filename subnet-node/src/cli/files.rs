//! Files that commands read and write: bounded, and never replaced.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::error::CliError;
use crate::regular;

/// The content of a regular file that may not be larger than `bytes_max`.
pub fn read_bounded(path: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    regular::read(path, bytes_max).map_err(|error| CliError::file("read", path, error))
}

/// Writes a file that does not exist yet; one with the same content is left as it is.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| CliError::file("make", folder, error))?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| CliError::file("write", path, error))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if fs::read(path).is_ok_and(|existing| existing == bytes) {
                return Ok(());
            }
            Err(CliError::file("write", path, "it exists with other content").hint("move it away first"))
        }
        Err(error) => Err(CliError::file("write", path, error)),
    }
}
