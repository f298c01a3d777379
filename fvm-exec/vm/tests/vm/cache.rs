//! Compiled actors on disk: they save compiling, and nothing depends on them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fvm::executor::{ApplyKind, ApplyRet, Executor as _};
use fvm::machine::NetworkConfig;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use vm::{ModuleCounts, WasmEngine};

use crate::support::compare::{RAW_LENGTH, assert_same, context, network, ours_on, stock};
use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{World, bob, script_message};

/// Actors that the message below runs: the script, the account, and the one that is next to nothing.
const ACTORS: u64 = 3;

fn message() -> fvm_shared::message::Message {
    let empty = Address::new_id(World::get().odd["empty"]);
    let nothing = TokenAmount::default();
    let script = Script::new()
        .send_block(bob(), 2, 0, &nothing, NO_LIMIT, 0)
        .send_block(empty, 2, 0, &nothing, NO_LIMIT, 0)
        .step("count", &[100]);
    script_message(0, &script)
}

/// A network whose engine reserves little.
fn small() -> NetworkConfig {
    let mut network = network();
    network.max_call_depth = 8;
    network
}

fn run(engine: &Arc<WasmEngine>, network: &NetworkConfig) -> ApplyRet {
    let mut context = context(World::get().root, true);
    context.network = network.clone();
    deep(|| ours_on(engine, &context).execute_message(message(), ApplyKind::Explicit, RAW_LENGTH).unwrap())
}

/// Runs the message on a new engine with this cache, and says where its modules came from.
fn run_with(directory: &Path) -> ModuleCounts {
    let expected = deep(|| {
        let mut stock = stock(World::get().root, true);
        stock.execute_message(message(), ApplyKind::Explicit, RAW_LENGTH).unwrap()
    });
    let engine = WasmEngine::with_cache(&small(), 1, directory).unwrap();
    assert_same(&message(), &expected, &run(&engine, &small()));
    engine.module_counts()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "actor")).collect()
}

const COMPILED: ModuleCounts = ModuleCounts { compiled: ACTORS, loaded: 0 };
const LOADED: ModuleCounts = ModuleCounts { compiled: 0, loaded: ACTORS };

#[test]
fn actors_are_compiled_once_for_all_engines() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("cache/actors");
    assert_eq!(run_with(&directory), COMPILED);
    assert_eq!(run_with(&directory), LOADED);
    // Another limit of the stack is written into the code.
    let mut other = small();
    other.max_wasm_stack *= 2;
    let engine = WasmEngine::with_cache(&other, 1, &directory).unwrap();
    run(&engine, &other);
    assert_eq!(engine.module_counts(), COMPILED);
    assert_eq!(files(&directory).len() as u64, 2 * ACTORS);
}

#[test]
fn damaged_files_are_replaced() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(run_with(home.path()), COMPILED);
    let [damaged, cut, foreign] = files(home.path()).try_into().unwrap();
    let other = fs::read(&cut).unwrap();
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    fs::write(&cut, &other[..other.len() - 1]).unwrap();
    fs::write(&foreign, &other).unwrap();
    assert_eq!(run_with(home.path()), COMPILED);
    assert_eq!(run_with(home.path()), LOADED);
}

#[test]
fn directory_that_cannot_be_used_costs_only_the_cache() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, b"").unwrap();
    assert_eq!(run_with(&file), COMPILED);
    assert_eq!(run_with(&file.join("below")), COMPILED);
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(run_with(home.path()), COMPILED);
    assert_eq!(files(home.path()).len(), 0);
}

#[test]
fn engines_that_start_at_once_share_the_work() {
    let home = tempfile::tempdir().unwrap();
    let counts = std::thread::scope(|scope| {
        let engines: Vec<_> = (0..4).map(|_| scope.spawn(|| run_with(home.path()))).collect();
        engines.into_iter().map(|engine| engine.join().unwrap()).collect::<Vec<_>>()
    });
    let compiled: u64 = counts.iter().map(|counts| counts.compiled).sum();
    let loaded: u64 = counts.iter().map(|counts| counts.loaded).sum();
    assert_eq!((compiled, loaded), (ACTORS, 3 * ACTORS));
}
