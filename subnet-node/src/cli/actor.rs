//! `actor`: the code that a chain has, and making actors of it.

use std::path::{Path, PathBuf};

use actor_bundle::archive::Archive;
use cid::Cid;
use clap::{Args, Subcommand};
use client::api::{ActorCode, JsonAddress, JsonCid};
use client::subnet;
use fvm_exec::{Engine, genesis_file};
use fvm_ipld_blockstore::{Blockstore as _, MemoryBlockstore};
use fvm_shared::econ::TokenAmount;
use serde::Serialize;

use super::context::{Context, SenderArgs};
use super::error::CliError;
use super::output::{columns, table};
use super::{files, parse};

/// Shows the code that a chain has, makes actors of it, and gives a new chain code of its own.
///
/// A chain has the code that its genesis brought, and no other: the system's actors, and those that its founders put
/// behind them. Of these anybody makes as many actors as they like.
#[derive(Subcommand, Debug)]
pub enum ActorCommand {
    /// Make an actor bundle with code of your own, for the genesis of a new chain
    ///
    /// Takes WebAssembly modules as they are compiled for the FVM. `genesis new --bundle` starts a root with the file,
    /// `subnet create --bundle` a child, whose validators then need the same file for `genesis from-parent`.
    #[command(after_help = "Example:\n  \
        subnet-node actor bundle --add dex=./dex.wasm --add oracle=./oracle.wasm --out ./bundle.car")]
    Bundle(BundleArgs),
    /// List the code that the chain has
    #[command(after_help = "Example:\n  subnet-node actor list --json")]
    List,
    /// Make an actor of code that the chain has of its own
    #[command(after_help = "Example:\n  subnet-node actor create dex --params 8101 --from alice")]
    Create(Box<CreateArgs>),
}

/// Options of `actor bundle`.
#[derive(Args, Debug)]
pub struct BundleArgs {
    /// A module and the name it shall have: small letters, digits and hyphens; repeatable
    #[arg(long = "add", value_name = "NAME=FILE", value_parser = parse::named_file, required = true)]
    added: Vec<(String, PathBuf)>,
    /// Where to write the bundle
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Options of `actor create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name of the code, as `actor list` shows it
    name: String,
    /// Parameters of its constructor: their encoding in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = parse::bytes, default_value = "", hide_default_value = true)]
    params: std::vec::Vec<u8>,
    /// What it gets from its creator
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount, default_value = "0 FIL")]
    value: TokenAmount,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Bundled {
    bundle: JsonCid,
    file: PathBuf,
    actors: Vec<ActorCode>,
}

#[derive(Serialize)]
struct Made {
    name: String,
    /// Address that no reorganization and no other chain gives to another actor.
    actor: JsonAddress,
    id: JsonAddress,
    height: u64,
}

impl ActorCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Bundle(args) => bundle(context, args),
            Self::List => {
                let actors = context.client()?.actors().await?;
                context.output.result(&actors, || text(&actors));
                Ok(())
            }
            Self::Create(args) => create(context, *args).await,
        }
    }
}

fn bundle(context: &Context, args: BundleArgs) -> Result<(), CliError> {
    let mut modules = Vec::new();
    for (name, path) in args.added {
        let wasm = files::read_bounded(&path, genesis_file::GENESIS_FILE_BYTES_MAX)?;
        modules.push((name, wasm));
    }
    let unusable = |error: actor_bundle::archive::ArchiveError| CliError::usage(error.to_string());
    let base = Archive::read(actor_bundle::BUNDLE_CAR).map_err(unusable)?;
    let builtin = base.actors.len();
    let archive = base.with_own(modules).map_err(unusable)?;
    compile(&archive)?;
    files::write_new(&args.out, &archive.to_car().map_err(unusable)?)?;
    let code = |(name, code): &(String, Cid)| ActorCode { name: name.clone(), code: (*code).into(), is_own: true };
    let actors = archive.actors.iter().skip(builtin).map(code).collect();
    let bundled = Bundled { bundle: archive.manifest.into(), file: args.out, actors };
    context.output.result(&bundled, || {
        format!("{}\n\nbundle {} written to {}", text(&bundled.actors), bundled.bundle, bundled.file.display())
    });
    Ok(())
}

/// Compiles all of it, so that what the VM would refuse is refused here and not at the first start of a chain.
fn compile(archive: &Archive) -> Result<(), CliError> {
    let store = MemoryBlockstore::new();
    store
        .put_many_keyed(archive.blocks.iter().map(|(cid, block)| (*cid, block)))
        .map_err(|error| CliError::failure(error.to_string()))?;
    let engine = Engine::new(1).map_err(|error| CliError::failure(error.to_string()))?;
    engine.compile(&store, &archive.manifest, || true).map_err(|error| {
        CliError::usage(error.to_string()).hint("modules must be compiled for wasm32 with what the FVM allows")
    })
}

async fn create(context: &Context, args: CreateArgs) -> Result<(), CliError> {
    let sender = context.sender(&args.sender).await?;
    let actors = sender.client().actors().await?;
    let own: Vec<&ActorCode> = actors.iter().filter(|actor| actor.is_own).collect();
    let Some(found) = own.iter().find(|actor| actor.name == args.name) else {
        let names: Vec<&str> = own.iter().map(|actor| actor.name.as_str()).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(CliError::usage(format!("{:?}: this chain's own code is {known}", args.name))
            .hint("code comes with a chain's genesis: see `actor bundle --help`"));
    };
    let progress = context.output.progress("making the actor");
    let tell = |waiting: &client::Waiting| progress.tell(waiting);
    let created =
        subnet::create_actor(&sender, found.code.0, args.params.into(), args.value, context.wait_options(), tell)
            .await?;
    drop(progress);
    let made =
        Made { name: args.name, actor: created.actor.into(), id: created.id.into(), height: created.done.height };
    context.output.result(&made, || {
        table(&[("actor", made.actor.to_string()), ("id", made.id.to_string()), ("height", made.height.to_string())])
    });
    Ok(())
}

fn text(actors: &[ActorCode]) -> String {
    let rows: Vec<[String; 3]> = actors
        .iter()
        .map(|actor| {
            let whose = if actor.is_own { "its own" } else { "system" };
            [actor.name.clone(), whose.to_owned(), actor.code.to_string()]
        })
        .collect();
    columns(["NAME", "OF", "CODE"], &rows)
}

/// A bundle in a file, with the CID of its manifest.
pub(super) fn read_bundle(path: &Path) -> Result<(Vec<u8>, Cid), CliError> {
    let bytes = files::read_bounded(path, genesis_file::GENESIS_FILE_BYTES_MAX)?;
    let archive = Archive::read(&bytes).map_err(|reason| CliError::file("use", path, reason))?;
    Ok((bytes, archive.manifest))
}
