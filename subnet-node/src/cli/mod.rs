//! The command line of the node's binary.
//!
//! One file for each group of commands. Every command prints text, or one JSON object with `--json`; every failure
//! says what happened and, where that is known, what to do; `error::Exit` lists the exit codes.

mod actor;
mod chain;
mod checkpoint;
mod context;
mod cross;
mod doctor;
mod ending;
mod error;
mod files;
mod genesis;
mod genesis_view;
mod init;
mod keys;
mod output;
mod parent;
mod parse;
mod relay;
mod run;
mod send;
mod state;
mod subnet;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use context::{Context, GlobalArgs};
use error::CliError;

/// What the end of every help says.
const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  failed; for doctor: a check failed\n  \
    2  the command line is wrong, or names too few nodes\n  \
    3  not found, or refused by the chain\n  \
    4  cannot reach the node\n  \
    5  waited until --timeout; what is waited for may still come\n\n\
    A root of four validators on this machine:\n  \
    export SUBNET_PASSWORD=secret\n  \
    subnet-node genesis new --chain-id 31415926 --generate 4 --homes ./nodes --owner-balance \"100 FIL\"\n  \
    subnet-node init --home ./nodes/node-0 --port-base 20000 --consensus-peer 127.0.0.1:20010 …\n  \
    subnet-node run --home ./nodes/node-0";

/// A node of a subnet: a blockchain of its own that hangs below a parent chain and settles on it.
///
/// The same program is the node (`init`, `run`, `doctor`) and the tool to use one (`keys`, `send`, `actor`, `subnet`,
/// `cross`, `chain`, `state`, `checkpoint`, `parent`). Ask any command for --help: each has an example.
#[derive(Parser, Debug)]
#[command(name = "subnet-node", version, propagate_version = true, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    #[command(subcommand)]
    Genesis(genesis::GenesisCommand),
    /// Make a node's home: config.toml, keys, and the chain's genesis file
    ///
    /// Nothing that exists is replaced. Settings are explained in the file that is written; edit it as you like.
    #[command(after_help = "Example:\n  \
        subnet-node init --home ./nodes/node-0 --genesis ./genesis.car --moniker alice --port-base 20000 --consensus-peer 127.0.0.1:20010")]
    Init(init::InitArgs),
    /// Run the home's node until Ctrl-C or SIGTERM
    ///
    /// The password of its keys comes from keys.password_file in config.toml, SUBNET_PASSWORD, or the terminal. A
    /// node may be killed at any moment: it goes on where it was. It logs to standard error.
    #[command(after_help = "Example:\n  subnet-node run --home ./nodes/node-0 --lanes 2")]
    Run(run::RunArgs),
    #[command(subcommand)]
    Actor(actor::ActorCommand),
    #[command(subcommand)]
    Subnet(subnet::SubnetCommand),
    #[command(subcommand)]
    Cross(cross::CrossCommand),
    /// Send value, or call a method, from an account in the keystore
    #[command(after_help = "Example:\n  \
        subnet-node send f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za \"0.5 FIL\" --from alice")]
    Send(Box<send::SendArgs>),
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    #[command(subcommand)]
    State(state::StateCommand),
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    #[command(subcommand)]
    Parent(parent::ParentCommand),
    /// Check this node from settings to state, and say what to do about each problem
    ///
    /// Looks at config.toml, the genesis file and its actors, the keys and whether the password opens them, ports, disk
    /// and clock, the parent and the submitter's funds there, the database and the invariants of the latest state. It
    /// does not matter whether the node runs.
    ///
    /// With --supply it checks a running hierarchy instead: whether what is locked for each child is what the child
    /// holds, what is between the two, and what burned. Exit code 0 means that every edge below the chains asked is
    /// conserved, 1 that one is not or could not be read, 2 that a child has no node named and so nobody knows.
    #[command(after_help = "Examples:\n  subnet-node doctor --home ./nodes/node-0 --json\n  \
        subnet-node doctor --supply --rpc http://127.0.0.1:1234 --endpoint http://127.0.0.1:2234")]
    Doctor(DoctorArgs),
}

/// Options of `doctor`.
#[derive(Args, Debug)]
struct DoctorArgs {
    /// Recompute the supply of every edge of which a node is known at both ends
    #[arg(long)]
    supply: bool,
    #[command(flatten)]
    endpoints: cross::EndpointArgs,
}

impl DoctorArgs {
    async fn run(self, context: &Context) -> Result<(), CliError> {
        if self.supply {
            return doctor::supply::run(context, &self.endpoints).await;
        }
        if !self.endpoints.endpoints.is_empty() {
            return Err(CliError::usage("--endpoint names further chains for --supply, which was not given"));
        }
        doctor::run(context).await
    }
}

/// Runs one command line, prints what comes of it, and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && wants_json(&arguments) => {
            let error = CliError::from(error);
            output::Output { is_json: true }.error(&error);
            return ExitCode::from(error.exit as u8);
        }
        Err(error) => {
            // Help and version are answers; everything else is a wrong command line. Clap knows where each goes.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(error::Exit::Usage as u8));
        }
    };
    let output = output::Output { is_json: cli.global.json };
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit as u8)
        }
    }
}

/// Whether a command line that could not be parsed asks for JSON. What follows `--` is no option.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

fn execute(cli: Cli) -> Result<(), CliError> {
    let context = Context::new(cli.global)?;
    let mut builder = match cli.command {
        Command::Run(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| CliError::failure(format!("cannot start the asynchronous runtime: {error}")))?;
    runtime.block_on(dispatch(cli.command, &context))
}

async fn dispatch(command: Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::Keys(command) => command.run(context),
        Command::Genesis(command) => command.run(context).await,
        Command::Init(args) => args.run(context),
        Command::Run(args) => run::run(context, &args).await,
        Command::Actor(command) => command.run(context).await,
        Command::Subnet(command) => command.run(context).await,
        Command::Cross(command) => command.run(context).await,
        Command::Send(args) => args.run(context).await,
        Command::Chain(command) => command.run(context).await,
        Command::State(command) => command.run(context).await,
        Command::Checkpoint(command) => command.run(context).await,
        Command::Parent(command) => command.run(context).await,
        Command::Doctor(args) => args.run(context).await,
    }
}
