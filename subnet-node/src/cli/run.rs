//! `run`: the node itself.

use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use crate::node;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    is_stopped: bool,
}

/// Runs the home's node until it is asked to end.
pub(super) async fn run(context: &Context) -> Result<(), CliError> {
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
    node::run(home).await.map_err(|error| {
        CliError::failure(error.to_string()).hint("`subnet-node doctor` checks the home and says what to do")
    })?;
    context.output.result(&Stopped { is_stopped: true }, || "stopped".to_owned());
    Ok(())
}
