//! `run`: the node itself.

use cid::Cid;
use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use super::parse;
use crate::config::LANES_MAX;
use crate::node::{self, Overrides};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    is_stopped: bool,
}

/// Options of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Cores that execute one block, 1 to 64. Default: limits.lanes in config.toml, or all there are
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(LANES_MAX)))]
    lanes: Option<u32>,
    /// Id of a parent block that you know to be final, from people you trust. The log asks for one where proofs of the
    /// parent's nodes alone lead no further. Default: parent.trusted_header in config.toml
    #[arg(long, value_name = "CID", value_parser = parse::cid)]
    trusted_header: Option<Cid>,
}

/// Runs the home's node until it is asked to end.
pub(super) async fn run(context: &Context, args: &RunArgs) -> Result<(), CliError> {
    if context.password_file().is_some() {
        return Err(CliError::usage(
            "`run` takes its password from config.toml or the environment, not --password-file",
        )
        .hint("set keys.password_file in config.toml, or SUBNET_PASSWORD"));
    }
    let home = &context.home;
    if !home.config().exists() {
        return Err(CliError::failure(format!("{} is no node's home: there is no config.toml", home.root().display()))
            .hint("`subnet-node init` makes one"));
    }
    node::run(home, Overrides { lanes: args.lanes, trusted_header: args.trusted_header }).await.map_err(|error| {
        CliError::failure(error.to_string()).hint("`subnet-node doctor` checks the home and says what to do")
    })?;
    context.output.result(&Stopped { is_stopped: true }, || "stopped".to_owned());
    Ok(())
}
