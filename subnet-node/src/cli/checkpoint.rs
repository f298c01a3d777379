//! `checkpoint`: what a subnet committed to its parent.

use clap::Subcommand;
use client::api::{CheckpointRecord, CheckpointSummary};
use serde::Serialize;
use subnet_types::Sequence;

use super::context::Context;
use super::error::CliError;
use super::genesis::fil;
use super::output::{columns, short, table};
use super::relay;

/// Shows the checkpoints that a subnet's validators signed. What the parent accepted of them shows `subnet show` there.
#[derive(Subcommand, Debug)]
pub enum CheckpointCommand {
    /// List checkpoints in order
    #[command(after_help = "Example:\n  subnet-node checkpoint list --from 1 --max 10")]
    List {
        /// Sequence of the first
        #[arg(long, default_value = "1")]
        from: Sequence,
        /// How many at most
        #[arg(long, default_value_t = 20)]
        max: u32,
    },
    /// Show one checkpoint; --json adds everything its submission to the parent needs
    #[command(after_help = "Example:\n  subnet-node checkpoint show 3")]
    Show {
        /// Its sequence
        sequence: Sequence,
    },
    /// Bring what is due on the parent there: checkpoints, waiting messages, and those that were set aside
    ///
    /// The node that --rpc or the home names is one of the subnet and has what is due; nobody has to trust whoever brings
    /// it. The subnet's own nodes do the same all the time. It can be stopped at any moment, and goes on where the parent
    /// stands.
    #[command(after_help = "Examples:\n  \
        subnet-node checkpoint relay --rpc http://127.0.0.1:2234 --parent http://127.0.0.1:1234 --from alice\n  \
        subnet-node checkpoint relay --rpc http://127.0.0.1:2234 --parent http://127.0.0.1:1234 --dry-run --json")]
    Relay(Box<relay::RelayArgs>),
}

#[derive(Serialize)]
struct Checkpoints {
    checkpoints: Vec<CheckpointSummary>,
}

impl CheckpointCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        match self {
            Self::Relay(args) => args.run(context, &client).await?,
            Self::List { from, max } => {
                let checkpoints = client.checkpoints(from, max).await?;
                let rows: Vec<[String; 6]> = checkpoints.iter().map(row).collect();
                context.output.result(&Checkpoints { checkpoints }, || {
                    columns(["SEQUENCE", "HEIGHT", "MESSAGES", "VALUE", "SIGNERS", "DIGEST"], &rows)
                });
            }
            Self::Show { sequence } => {
                let record = client.checkpoint(sequence).await?;
                let record = record
                    .ok_or_else(|| CliError::rejected(format!("checkpoint {sequence} does not exist, or not yet")))?;
                context.output.result(&record, || text(&record));
            }
        }
        Ok(())
    }
}

fn row(checkpoint: &CheckpointSummary) -> [String; 6] {
    [
        checkpoint.sequence.to_string(),
        checkpoint.height.to_string(),
        checkpoint.messages.to_string(),
        fil(&checkpoint.value.0),
        checkpoint.signers.to_string(),
        short(&checkpoint.digest.to_string()),
    ]
}

fn text(record: &CheckpointRecord) -> String {
    let checkpoint = &record.checkpoint;
    table(&[
        ("sequence", checkpoint.sequence.to_string()),
        ("height", checkpoint.height.to_string()),
        ("block", checkpoint.block.to_string()),
        ("state root", checkpoint.state_root.to_string()),
        ("digest", checkpoint.digest.to_string()),
        ("previous", checkpoint.previous.to_string()),
        ("messages up", format!("{} from nonce {}", checkpoint.messages, checkpoint.first_nonce)),
        ("value", fil(&checkpoint.value.0)),
        ("burned", fil(&checkpoint.burned.0)),
        ("applied from parent", format!("all below nonce {}", checkpoint.top_down_applied)),
        ("configuration", checkpoint.configuration.to_string()),
        ("signers", checkpoint.signers.to_string()),
    ])
}
