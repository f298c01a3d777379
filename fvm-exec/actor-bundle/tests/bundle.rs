//! What stands in the repository is a bundle, fits its record and its sources, and the VM takes it.

use std::path::PathBuf;
use std::time::Instant;

use actor_bundle::archive::Archive;
use actor_bundle::record::{Mismatch, Record};
use actor_runtime::builtin;
use fvm::engine::{EngineConfig, EnginePool};
use fvm::machine::{Manifest, NetworkConfig};
use fvm_ipld_blockstore::MemoryBlockstore;
use fvm_shared::version::NetworkVersion;
use subnet_types::actors::manifest_names;

fn root() -> PathBuf {
    // Where the package is now: one build directory may serve several copies of the repository.
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"));
    package.join("../..").canonicalize().expect("the package lies in the workspace")
}

fn record() -> Record {
    toml::from_str(actor_bundle::BUNDLE_RECORD).expect("bundle.toml parses")
}

fn archive() -> Archive {
    Archive::read(actor_bundle::BUNDLE_CAR).expect("bundle.car reads")
}

#[test]
fn bundle_is_built_from_these_sources() {
    let mismatches = record().mismatches(&archive(), &root()).expect("the sources are readable");
    assert_eq!(mismatches, [], "stale: run scripts/build-bundle.sh");
}

#[test]
fn a_record_of_other_sources_versions_or_code_is_found() {
    let mut record = record();
    record.sources = "00".repeat(32);
    record.dependencies = vec!["cid 0.0.1 feed".to_owned()];
    record.actors[3].bytes += 1;
    record.manifest = "bafy".to_owned();
    let mismatches = record.mismatches(&archive(), &root()).expect("the sources are readable");
    let found = |test: fn(&Mismatch) -> bool| mismatches.iter().any(test);
    assert!(found(|mismatch| matches!(mismatch, Mismatch::Sources { .. })));
    assert!(found(|mismatch| matches!(mismatch, Mismatch::Dependency { .. })));
    assert!(found(|mismatch| matches!(mismatch, Mismatch::Actor { name, .. } if name == "account")));
    assert!(found(|mismatch| matches!(mismatch, Mismatch::Car { .. })));
}

#[test]
fn type_numbers_are_filecoins_and_then_ours() {
    let store = MemoryBlockstore::default();
    actor_bundle::load_into(&store).expect("memory takes it");
    let manifest = Manifest::load(&store, &actor_bundle::list_cid(), 1).expect("the VM reads the list");
    for (name, number) in [("system", 1), ("init", 2), ("account", 4), ("reward", 10), ("placeholder", 13)] {
        let code = actor_bundle::code(name).expect("it is there");
        assert_eq!(manifest.id_by_code(&code), number, "{name}");
    }
    assert!(manifest.is_account_actor(&actor_bundle::code("account").expect("it is there")));
    let ours = [
        (manifest_names::GATEWAY, builtin::GATEWAY),
        (manifest_names::CHECKPOINT, builtin::CHECKPOINT),
        (manifest_names::COURIER, builtin::COURIER),
    ];
    for (name, number) in ours {
        assert_eq!(manifest.id_by_code(&actor_bundle::code(name).expect("it is there")), number, "{name}");
    }
    assert_eq!(actor_bundle::code("cthulhu"), None);
}

#[test]
fn the_vm_accepts_and_compiles_every_actor() {
    let store = MemoryBlockstore::default();
    actor_bundle::load_into(&store).expect("memory takes it");
    let pool = EnginePool::new(EngineConfig::from(&NetworkConfig::new(NetworkVersion::V29))).expect("an engine");
    let engine = pool.acquire();
    let started = Instant::now();
    for (name, code) in actor_bundle::actors() {
        let begun = Instant::now();
        let bytes = engine.preload(code, &store).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        println!("{name:<16} {bytes:>7} bytes, compiled in {:?}", begun.elapsed());
    }
    println!("all in {:?}", started.elapsed());
}
