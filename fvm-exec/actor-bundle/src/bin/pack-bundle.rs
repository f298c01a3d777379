//! Packs wasm modules into `bundle.car` and `bundle.toml`, and checks what is packed. Called by
//! `scripts/build-bundle.sh` and `scripts/check-bundle.sh`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actor_bundle::archive::Archive;
use actor_bundle::record::Record;
use anyhow::{Context, bail};

const USAGE: &str = "\
usage: pack-bundle write   WORKSPACE WASM_FOLDER PACKAGES_FILE TOOLCHAIN   pack the modules and record their sources
       pack-bundle check   WORKSPACE                                       does the record fit the CAR and the sources?
       pack-bundle compare WORKSPACE WASM_FOLDER                           do these modules make the very same CAR?
       pack-bundle toolchain WORKSPACE                                     print what the bundle was built with";

/// Positions that are filled by a module of another name.
const MODULE_NAMES: [(&str, &str); 2] = [("gateway", "gateway-actor"), ("checkpoint", "checkpoint-actor")];
/// The module for positions of actors that this chain does not have.
const ABSENT: &str = "absent";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["write", workspace, wasm, packages, toolchain] => {
            write(Path::new(workspace), Path::new(wasm), Path::new(packages), toolchain)
        }
        ["check", workspace] => check(Path::new(workspace)),
        ["compare", workspace, wasm] => compare(Path::new(workspace), Path::new(wasm)),
        ["toolchain", workspace] => read_record(Path::new(workspace)).map(|record| println!("{}", record.toolchain)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pack-bundle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write(workspace: &Path, wasm: &Path, packages: &Path, toolchain: &str) -> anyhow::Result<()> {
    let archive = pack(wasm)?;
    let car = archive.to_car()?;
    if Archive::read(&car)? != archive {
        bail!("the CAR does not read back as it was written");
    }
    let packages: Vec<String> = read_text(packages)?.lines().map(str::to_owned).collect();
    let record = Record::new(&archive, workspace, toolchain, &packages)?;
    if record.dependencies.is_empty() {
        bail!("none of the listed packages is in Cargo.lock; expected lines like `cid 0.11.1`");
    }
    let (car_path, record_path) = paths(workspace);
    let text = format!("# Written by scripts/build-bundle.sh; do not edit.\n\n{}", toml::to_string_pretty(&record)?);
    fs::write(&record_path, text).with_context(|| record_path.display().to_string())?;
    fs::write(&car_path, &car).with_context(|| car_path.display().to_string())?;
    for actor in &record.actors {
        println!("{:>8} bytes  {:<16} {}", actor.bytes, actor.name, actor.code);
    }
    println!("manifest {}, {} bytes in all", record.manifest, car.len());
    Ok(())
}

fn check(workspace: &Path) -> anyhow::Result<()> {
    let record = read_record(workspace)?;
    let mismatches = record.mismatches(&read_archive(workspace)?, workspace)?;
    for mismatch in &mismatches {
        eprintln!("{mismatch}");
    }
    if !mismatches.is_empty() {
        bail!("the bundle is stale: run scripts/build-bundle.sh");
    }
    println!("bundle {} fits the sources", record.manifest);
    Ok(())
}

fn compare(workspace: &Path, wasm: &Path) -> anyhow::Result<()> {
    let (packed, rebuilt) = (read_archive(workspace)?, pack(wasm)?);
    let mut differing = 0usize;
    for ((name, packed), (_, rebuilt)) in packed.actors.iter().zip(&rebuilt.actors) {
        if packed != rebuilt {
            differing += 1;
            eprintln!("{name}: packed {packed}, rebuilt {rebuilt}");
        }
    }
    if differing > 0 || packed != rebuilt {
        bail!("{differing} actors come out otherwise than they are packed");
    }
    println!("all {} actors come out byte for byte as they are packed", packed.actors.len());
    Ok(())
}

fn pack(wasm: &Path) -> anyhow::Result<Archive> {
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(wasm).with_context(|| wasm.display().to_string())? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(module) = file.strip_suffix(".wasm") else { continue };
        let name = MODULE_NAMES.iter().find(|(_, known)| *known == module).map_or(module, |(name, _)| *name);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        modules.insert(name.to_owned(), bytes);
    }
    let absent = modules.remove(ABSENT).with_context(|| format!("{} has no {ABSENT}.wasm", wasm.display()))?;
    Ok(Archive::from_modules(&modules, &absent))
}

fn paths(workspace: &Path) -> (PathBuf, PathBuf) {
    let folder = workspace.join("fvm-exec/actor-bundle");
    (folder.join("bundle.car"), folder.join("bundle.toml"))
}

fn read_archive(workspace: &Path) -> anyhow::Result<Archive> {
    let (path, _) = paths(workspace);
    let car = fs::read(&path).with_context(|| path.display().to_string())?;
    Archive::read(&car).with_context(|| path.display().to_string())
}

fn read_record(workspace: &Path) -> anyhow::Result<Record> {
    let (_, path) = paths(workspace);
    toml::from_str(&read_text(&path)?).with_context(|| path.display().to_string())
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
