//! The modules in the repository fit their record and their sources.

use std::path::PathBuf;

use test_actors::MODULES;
use test_actors::record::{Record, RecordedModule};

fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"))
        .join("../../..")
        .canonicalize()
        .expect("the package lies in the workspace")
}

fn record() -> Record {
    toml::from_str(test_actors::RECORD).expect("record.toml parses")
}

fn modules() -> Vec<RecordedModule> {
    MODULES.iter().map(|module| RecordedModule::of(module.name, module.wasm)).collect()
}

#[test]
fn modules_are_built_from_these_sources() {
    let mismatches = record().mismatches(&root(), &modules()).expect("the sources are readable");
    assert_eq!(mismatches, [""; 0], "stale: run scripts/build-test-actors.sh");
}

#[test]
fn a_record_of_other_sources_versions_or_code_is_found() {
    let mut record = record();
    record.sources = "00".repeat(32);
    record.dependencies = vec!["cid 0.0.1 feed".to_owned()];
    record.modules[0].bytes += 1;
    let mismatches = record.mismatches(&root(), &modules()).expect("the sources are readable");
    assert_eq!(mismatches.len(), 3, "{mismatches:?}");
}
