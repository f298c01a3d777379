//! Key files: written at once, private, never replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::envelope::{Envelope, OpenError};
use super::key::{Key, PublicPart};
use super::{KdfCost, KeystoreError};

/// Bytes of a key file; ours have under 1 KiB.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// Encrypts `key` and writes it to `path`, whose folder is made when it is missing.
///
/// # Errors
/// When there is a file already or the system refuses. Then nothing is left behind.
pub fn save(path: &Path, key: &Key, password: &str, cost: KdfCost) -> Result<(), KeystoreError> {
    let exists = || KeystoreError::Exists { path: path.to_owned() };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| io("make the folder", folder, &error))?;
    let mut text = serde_json::to_vec_pretty(&Envelope::seal(key, password, cost)).expect("an envelope is plain JSON");
    text.push(b'\n');
    let draft = folder.join(format!(".{}.{}", file_name(path), std::process::id()));
    let written = write_private(&draft, &text).and_then(|()| {
        // A link, unlike a rename, fails when the name was taken meanwhile.
        fs::hard_link(&draft, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(),
            _ => io("write", path, &error),
        })
    });
    // The draft is a second name of the finished file, or the remains of a failure.
    let removed = fs::remove_file(&draft).map_err(|error| io("remove", &draft, &error));
    written.and(removed)?;
    let folder_file = File::open(folder).map_err(|error| io("open", folder, &error))?;
    folder_file.sync_all().map_err(|error| io("sync", folder, &error))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn write_private(path: &Path, text: &[u8]) -> Result<(), KeystoreError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| io("write", path, &error))?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(|error| io("write", path, &error))
}

/// Reads the key in `path` and decrypts it.
///
/// # Errors
/// When the file is missing, readable by others, no key file, or the password does not open it.
pub fn load(path: &Path, password: &str) -> Result<Key, KeystoreError> {
    let mode = fs::metadata(path).map_err(|error| io("read", path, &error))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeystoreError::Open { path: path.to_owned(), mode });
    }
    read(path)?.open(password).map_err(|error| match error {
        OpenError::Form(reason) => KeystoreError::Form { path: path.to_owned(), reason },
        OpenError::Password => KeystoreError::Password { path: path.to_owned() },
    })
}

/// Reads the public part of the key in `path`, without a password.
///
/// # Errors
/// When the file is missing or no key file.
pub fn public_part(path: &Path) -> Result<PublicPart, KeystoreError> {
    Ok(read(path)?.public_part().clone())
}

/// The key files of a folder in order of their names, each with its envelope. A missing folder has none.
///
/// # Errors
/// When the folder cannot be read or a `.json` file in it is no key file.
pub fn list(folder: &Path) -> Result<Vec<(PathBuf, Envelope)>, KeystoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("read", folder, &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io("read", folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| read(&path).map(|envelope| (path, envelope))).collect()
}

fn read(path: &Path) -> Result<Envelope, KeystoreError> {
    let form = |reason: String| KeystoreError::Form { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| io("read", path, &error))?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| io("read", path, &error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(form(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    serde_json::from_slice(&text).map_err(|error| form(error.to_string()))
}

fn io(action: &'static str, path: &Path, error: &std::io::Error) -> KeystoreError {
    KeystoreError::Io { action, path: path.to_owned(), reason: error.to_string() }
}
