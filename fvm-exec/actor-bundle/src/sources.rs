//! What decides the actors' code: their sources, the settings of their dependencies, and the versions in Cargo.lock.
//!
//! Tests and native-only files do not count, so that writing a test does not make the bundle stale.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use subnet_types::Digest;
use subnet_types::hash::blake2b_256;
use toml::{Table, Value};

/// Folders with packages that end up in the bundle's code; `*` stands for every folder there.
pub const BUNDLE_PACKAGES: [&str; 4] =
    ["checkpoint-actor", "fvm-exec/system-actors/*", "gateway-actor", "proto/subnet-types"];
/// Other files that decide how code comes out, whichever packages it is of.
const FILES: [&str; 2] = ["scripts/build-wasm.sh", "scripts/wasm-env.sh"];
/// Names of files and folders that are never compiled to wasm.
const NATIVE_ONLY: [&str; 4] = ["mock", "mock.rs", "tests", "tests.rs"];

/// Why the sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A TOML file that is none.
    #[error("{}: {problem}", path.display())]
    Toml {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
}

/// Digest of everything in the workspace `root` that decides the code of `folders`, but for the versions of packages
/// from the registry. `folders` are packages of the workspace, with all of its packages that they use; `*` at the end
/// stands for every folder there.
///
/// # Errors
/// When a file cannot be read.
pub fn sources_digest(root: &Path, folders: &[&str]) -> Result<Digest, SourcesError> {
    let mut files: BTreeMap<String, Digest> = BTreeMap::new();
    let mut settings: BTreeSet<String> = BTreeSet::new();
    for package in packages(root, folders)? {
        let manifest = package.join("Cargo.toml");
        settings.extend(dependency_names(&read_toml(&manifest)?));
        add_file(root, &manifest, &mut files)?;
        add_folder(root, &package.join("src"), &mut files)?;
    }
    for file in FILES {
        add_file(root, &root.join(file), &mut files)?;
    }

    let workspace = read_toml(&root.join("Cargo.toml"))?;
    let shared = workspace.get("workspace").and_then(|table| table.get("dependencies"));
    let mut preimage: Vec<String> = files.into_iter().map(|(path, digest)| format!("{path} {digest}\n")).collect();
    for name in settings {
        let entry = shared.and_then(|table| table.get(&name)).map(Value::to_string).unwrap_or_default();
        preimage.push(format!("{name} = {entry}\n"));
    }
    Ok(blake2b_256(preimage.concat().as_bytes()))
}

/// Every package in Cargo.lock that comes from a registry, as `name version checksum`.
///
/// # Errors
/// When Cargo.lock cannot be read.
pub fn locked_dependencies(root: &Path) -> Result<BTreeSet<String>, SourcesError> {
    let lock = read_toml(&root.join("Cargo.lock"))?;
    let packages = lock.get("package").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let line = |package: &Value| {
        let field = |name: &str| package.get(name).and_then(Value::as_str);
        Some(format!("{} {} {}", field("name")?, field("version")?, field("checksum")?))
    };
    Ok(packages.iter().filter_map(line).collect())
}

/// Those of [`locked_dependencies`] that `packages` names, one `name version` each. The others it names are our own.
///
/// # Errors
/// When Cargo.lock cannot be read.
pub fn used_dependencies(root: &Path, packages: &[String]) -> Result<Vec<String>, SourcesError> {
    let packages: BTreeSet<&str> = packages.iter().map(String::as_str).collect();
    let is_used = |dependency: &String| {
        let named = dependency.rsplit_once(' ').map_or(dependency.as_str(), |(named, _)| named);
        packages.contains(named)
    };
    Ok(locked_dependencies(root)?.into_iter().filter(is_used).collect())
}

fn packages(root: &Path, folders: &[&str]) -> Result<Vec<PathBuf>, SourcesError> {
    let mut found = Vec::new();
    for pattern in folders {
        match pattern.strip_suffix("/*") {
            Some(parent) => found.extend(list(&root.join(parent))?.into_iter().filter(|path| path.is_dir())),
            None => found.push(root.join(pattern)),
        }
    }
    Ok(found)
}

/// Names of the dependencies that can reach wasm: the ordinary ones and those of the wasm32 target.
fn dependency_names(manifest: &Table) -> Vec<String> {
    let mut tables: Vec<&Value> = manifest.get("dependencies").into_iter().collect();
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        let wasm = targets.iter().filter(|(name, _)| name.contains("wasm32") && !name.contains("not("));
        tables.extend(wasm.filter_map(|(_, target)| target.get("dependencies")));
    }
    tables.into_iter().filter_map(Value::as_table).flat_map(|table| table.keys().cloned()).collect()
}

fn add_folder(root: &Path, folder: &Path, files: &mut BTreeMap<String, Digest>) -> Result<(), SourcesError> {
    for path in list(folder)? {
        let is_native = path.file_name().is_some_and(|name| NATIVE_ONLY.iter().any(|native| name == *native));
        if is_native {
            continue;
        }
        if path.is_dir() {
            add_folder(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            add_file(root, &path, files)?;
        }
    }
    Ok(())
}

fn add_file(root: &Path, path: &Path, files: &mut BTreeMap<String, Digest>) -> Result<(), SourcesError> {
    let bytes = fs::read(path).map_err(|source| SourcesError::File { path: path.to_owned(), source })?;
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    files.insert(name, blake2b_256(&bytes));
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, SourcesError> {
    let failed = |source| SourcesError::File { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn read_toml(path: &Path) -> Result<Table, SourcesError> {
    let text = fs::read_to_string(path).map_err(|source| SourcesError::File { path: path.to_owned(), source })?;
    text.parse()
        .map_err(|error: toml::de::Error| SourcesError::Toml { path: path.to_owned(), problem: error.to_string() })
}
