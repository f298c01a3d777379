//! `chain`: blocks and messages.

use cid::Cid;
use clap::Subcommand;
use client::api::{BlockDetails, JsonCid, MessageJson, MessageStage, MessageStatus, SubnetInfo};
use serde::Serialize;
use subnet_types::Height;

use super::context::Context;
use super::error::CliError;
use super::genesis::fil;
use super::output::table;
use super::parse;

/// Shows blocks and messages of the chain.
#[derive(Subcommand, Debug)]
pub enum ChainCommand {
    /// Show which chain and node this is, and where it stands
    #[command(after_help = "Example:\n  subnet-node chain head")]
    Head,
    /// Show a block: by its height, or the last final one
    #[command(after_help = "Example:\n  subnet-node chain block 42 --json")]
    Block {
        /// Its height. Default: the last final one
        height: Option<Height>,
    },
    /// Show a message and what came of it
    #[command(after_help = "Example:\n  \
        subnet-node chain message bafy2bzacea3wsdh6y3a36tb3skempjoxqpuyompjbmfeyf34fi3uy6uue42v4")]
    Message {
        /// CID of the message
        #[arg(value_parser = parse::cid)]
        cid: Cid,
    },
}

#[derive(Serialize)]
struct MessageView {
    status: MessageStatus,
    message: MessageJson,
}

impl ChainCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Head => {
                let info = context.client()?.info().await?;
                context.output.result(&info, || head_text(&info));
            }
            Self::Block { height } => {
                let block = context.client()?.block(height).await?;
                context.output.result(&block, || block_text(&block));
            }
            Self::Message { cid } => message(context, cid).await?,
        }
        Ok(())
    }
}

async fn message(context: &Context, cid: Cid) -> Result<(), CliError> {
    let client = context.client()?;
    let status = client.message_status(cid).await?;
    if status.stage == MessageStage::Unknown {
        return Err(CliError::rejected(format!("the node at {} knows no message {cid}", client.url())));
    }
    let message = MessageJson::from(&client.chain_get_message(cid).await?);
    let view = MessageView { status, message };
    context.output.result(&view, || message_text(&view));
    Ok(())
}

fn head_text(info: &SubnetInfo) -> String {
    let peers = format!("{} in consensus, {} in gossip", info.consensus_peers, info.mempool_peers);
    let mut rows = vec![
        ("subnet", info.subnet.to_string()),
        ("identity", info.identity.to_string()),
        ("height", format!("{}{}", info.height, if info.is_syncing { ", catching up" } else { "" })),
        ("block", info.block_id.to_string()),
        ("time", format!("{} ms since 1970", info.timestamp_ms)),
        ("block interval", format!("{} ms", info.block_interval_ms)),
    ];
    if let Some(parent) = &info.parent {
        rows.push(("parent", parent.subnet.to_string()));
        rows.push(("checkpoint period", format!("{} blocks", info.checkpoint_period_blocks)));
    }
    rows.extend([
        ("node", format!("{} {}", info.moniker, info.version)),
        ("peers", peers),
        ("mempool", format!("{} messages", info.mempool_messages)),
    ]);
    table(&rows)
}

fn block_text(block: &BlockDetails) -> String {
    let header = &block.header;
    let mut rows = vec![
        ("block", block.id.to_string()),
        ("height", header.height.to_string()),
        ("parent", header.parent.to_string()),
        ("time", format!("{} ms since 1970", header.timestamp_ms)),
        ("proposer", header.proposer.to_string()),
        ("base fee", fil(&header.base_fee.0)),
        ("gas used", block.gas_used.to_string()),
        ("state after", block.state_root.to_string()),
        ("payload", format!("{} bytes", block.payload_bytes)),
    ];
    if let Some(update) = &block.parent_update {
        let brought = format!("{} messages, {} changes", update.messages, update.changes);
        rows.push(("parent update", format!("to height {}: {brought}", update.parent_height)));
    }
    rows.push(("messages", block.messages.len().to_string()));
    let list: Vec<String> = block.messages.iter().map(JsonCid::to_string).collect();
    format!("{}\n{}", table(&rows), list.join("\n"))
}

fn message_text(view: &MessageView) -> String {
    let (status, message) = (&view.status, &view.message);
    let mut rows = vec![("message", status.message.to_string()), ("stage", status.stage.to_string())];
    if let (Some(height), Some(code), Some(gas)) = (status.height, status.exit_code, status.gas_used) {
        rows.push(("height", height.to_string()));
        rows.push(("exit code", code.to_string()));
        rows.push(("gas used", format!("{gas} of {}", message.gas_limit)));
    }
    rows.extend([
        ("from", message.from.to_string()),
        ("to", message.to.to_string()),
        ("nonce", message.nonce.to_string()),
        ("value", fil(&message.value.0)),
        ("method", message.method.to_string()),
        ("parameters", format!("{} bytes", message.params.0.len())),
    ]);
    table(&rows)
}
