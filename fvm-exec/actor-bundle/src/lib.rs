//! The compiled actors as one CAR file, and the record of what they were compiled from.
//!
//! A genesis carries these blocks, so this package is what a *new* network starts with; a running node takes code from
//! its own genesis. The CAR is built by `scripts/build-bundle.sh` and kept in the repository, so that building a node
//! needs no wasm toolchain:
//!
//! ```text
//! bundle.car    root: (1, list) ── list: [(name, code)…] ── code: raw wasm          what a chain gets
//! bundle.toml   manifest, digest of the sources, toolchain, each actor's code       what it came from
//! ```
//!
//! An actor's position in the list is its type number ([`actor_runtime::builtin`]); positions of Filecoin actors that
//! this chain lacks hold the `absent` module. [`record`] and [`sources`] tell whether the CAR still matches the
//! sources.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod archive;
pub mod record;
pub mod sources;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;

use archive::Archive;

/// The bundle, as it stands in the repository and goes into a new network's genesis.
pub const BUNDLE_CAR: &[u8] = include_bytes!("../bundle.car");

/// The record that belongs to [`BUNDLE_CAR`], as TOML.
pub const BUNDLE_RECORD: &str = include_str!("../bundle.toml");

static ARCHIVE: LazyLock<Archive> =
    LazyLock::new(|| Archive::read(BUNDLE_CAR).expect("the packer read the CAR back before it wrote it"));

/// CID of the manifest: what a genesis names as its bundle.
pub fn manifest_cid() -> Cid {
    ARCHIVE.manifest
}

/// CID of the list of actors inside the manifest: what the system actor's state names.
pub fn list_cid() -> Cid {
    ARCHIVE.list
}

/// Code of an actor by its name in the manifest.
pub fn code(name: &str) -> Option<Cid> {
    ARCHIVE.actors.iter().find(|(known, _)| known == name).map(|(_, code)| *code)
}

/// Names and codes in the order of type numbers.
pub fn actors() -> &'static [(String, Cid)] {
    &ARCHIVE.actors
}

/// Every block of the bundle.
pub fn blocks() -> &'static BTreeMap<Cid, Vec<u8>> {
    &ARCHIVE.blocks
}

/// Puts every block of the bundle into a store and returns the manifest's CID.
///
/// # Errors
/// What the store says.
pub fn load_into(store: &impl Blockstore) -> anyhow::Result<Cid> {
    store.put_many_keyed(blocks().iter().map(|(cid, block)| (*cid, block)))?;
    Ok(manifest_cid())
}
