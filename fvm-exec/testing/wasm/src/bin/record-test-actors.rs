//! Copies freshly built modules to their place and records what they were built from. Called by
//! `scripts/build-test-actors.sh`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use test_actors::MODULES;
use test_actors::record::{Record, RecordedModule};

const USAGE: &str = "usage: record-test-actors WORKSPACE WASM_FOLDER PACKAGES_FILE TOOLCHAIN";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [workspace, wasm, packages, toolchain] = args[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match write(Path::new(workspace), Path::new(wasm), Path::new(packages), toolchain) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("record-test-actors: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write(workspace: &Path, wasm: &Path, packages: &Path, toolchain: &str) -> anyhow::Result<()> {
    let folder = workspace.join("fvm-exec/testing/wasm");
    let mut modules = Vec::new();
    for module in MODULES {
        let file = format!("{}.wasm", module.name);
        let path = wasm.join(&file);
        let code = fs::read(&path).with_context(|| path.display().to_string())?;
        let recorded = RecordedModule::of(module.name, &code);
        println!("{:>8} bytes  {:<16} {}", recorded.bytes, recorded.name, recorded.code);
        fs::write(folder.join(&file), &code).with_context(|| file)?;
        modules.push(recorded);
    }
    let packages = fs::read_to_string(packages).with_context(|| packages.display().to_string())?;
    let packages: Vec<String> = packages.lines().map(str::to_owned).collect();
    let record = Record::new(workspace, modules, toolchain, &packages)?;
    if record.dependencies.is_empty() {
        bail!("none of the listed packages is in Cargo.lock; expected lines like `cid 0.11.1`");
    }
    let text =
        format!("# Written by scripts/build-test-actors.sh; do not edit.\n\n{}", toml::to_string_pretty(&record)?);
    fs::write(folder.join("record.toml"), text).context("record.toml")
}
