//! `cross`: value between a chain and its children.

use clap::Subcommand;
use client::api::{CrossStage, CrossStatus, JsonAmount};
use client::subnet::{self, Enqueued};
use client::{Client, Waiting};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde::Serialize;
use subnet_types::bytes::Digest;
use subnet_types::{Nonce, SubnetId};

use super::context::{Context, SenderArgs};
use super::error::CliError;
use super::genesis::fil;
use super::output::table;
use super::parse;

/// Moves value between a chain and its children, and follows it on its way.
///
/// Value sent down is locked here and credited in the child, usually within seconds. Value sent up leaves the child at
/// once and arrives with the next checkpoint that the parent accepts. Each message has an id by which both chains know
/// it.
#[derive(Subcommand, Debug)]
pub enum CrossCommand {
    /// Send value down: from an account on this chain to an address in a child
    ///
    /// With --to-rpc, also waits until the child has credited it.
    #[command(after_help = "Example:\n  \
        subnet-node cross fund /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia \"5 FIL\" --to-rpc http://127.0.0.1:2234")]
    Fund {
        /// The child
        subnet: SubnetId,
        /// How much
        #[arg(value_parser = parse::positive_amount)]
        amount: TokenAmount,
        /// Recipient in the child. Default: the sender's own address there
        #[arg(long, value_name = "ADDRESS", value_parser = parse::address)]
        to: Option<Address>,
        /// A node of the child, to wait for the delivery
        #[arg(long, value_name = "URL")]
        to_rpc: Option<String>,
        #[command(flatten)]
        sender: SenderArgs,
    },
    /// Send value up: from an account on this chain to an address on its parent
    ///
    /// With --to-rpc, also waits until the parent has accepted the checkpoint and paid.
    #[command(after_help = "Example:\n  \
        subnet-node cross release \"2.5 FIL\" --rpc http://127.0.0.1:2234 --to-rpc http://127.0.0.1:1234")]
    Release {
        /// How much
        #[arg(value_parser = parse::positive_amount)]
        amount: TokenAmount,
        /// Recipient on the parent. Default: the sender's own address there
        #[arg(long, value_name = "ADDRESS", value_parser = parse::address)]
        to: Option<Address>,
        /// A node of the parent, to wait for the delivery
        #[arg(long, value_name = "URL")]
        to_rpc: Option<String>,
        #[command(flatten)]
        sender: SenderArgs,
    },
    /// Show where a cross message is, as this chain sees it
    ///
    /// The sending chain says queued, sealed (in a checkpoint) or confirmed; the receiving chain says delivered, or
    /// returned with the reason. Ask both to see both sides.
    #[command(after_help = "Example:\n  \
        subnet-node cross status 9d5f1c8c3a0f7e2b4d6a8c0e1f3b5d7f9a1c3e5b7d9f1a3c5e7b9d1f3a5c7e9b")]
    Status {
        /// Id of the message, as `fund` and `release` print it
        id: Digest,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Crossing {
    id: Digest,
    nonce: Nonce,
    amount: JsonAmount,
    height: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival: Option<CrossStatus>,
}

impl CrossCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Fund { subnet, amount, to, to_rpc, sender } => {
                let receiver = receiver(to_rpc.as_deref(), &subnet).await?;
                let sender = context.sender(&sender).await?;
                let to = to.unwrap_or_else(|| sender.address());
                let progress = context.output.progress("locking");
                let tell = |waiting: &Waiting| progress.tell(waiting);
                let sent = subnet::fund(&sender, &subnet, to, amount.clone(), context.wait_options(), tell).await?;
                drop(progress);
                finish(context, sent, amount, receiver).await
            }
            Self::Release { amount, to, to_rpc, sender } => {
                let sender = context.sender(&sender).await?;
                let chain = sender.client().info().await?.subnet;
                let parent = chain.parent().ok_or_else(|| {
                    CliError::usage(format!("{chain} is a root: there is no parent to release to"))
                        .hint("name a node of the subnet with --rpc URL")
                })?;
                let receiver = receiver(to_rpc.as_deref(), &parent).await?;
                let to = to.unwrap_or_else(|| sender.address());
                let progress = context.output.progress("releasing");
                let tell = |waiting: &Waiting| progress.tell(waiting);
                let sent = subnet::release(&sender, to, amount.clone(), context.wait_options(), tell).await?;
                drop(progress);
                finish(context, sent, amount, receiver).await
            }
            Self::Status { id } => status(context, id).await,
        }
    }
}

/// The node to wait at, on the chain that it must be on.
async fn receiver(url: Option<&str>, expected: &SubnetId) -> Result<Option<Client>, CliError> {
    let Some(url) = url else { return Ok(None) };
    let client = Client::connect(url)?;
    let actual = client.info().await?.subnet;
    if actual != *expected {
        return Err(CliError::usage(format!("--to-rpc {url} is a node of {actual}, expected one of {expected}")));
    }
    Ok(Some(client))
}

async fn finish(
    context: &Context,
    sent: Enqueued,
    amount: TokenAmount,
    receiver: Option<Client>,
) -> Result<(), CliError> {
    let id = sent.message.id;
    let arrival = match receiver {
        Some(receiver) if context.is_waiting => {
            let progress = context.output.progress("on its way");
            Some(receiver.wait_cross(id, context.wait_options(), |waiting| progress.tell(waiting)).await?)
        }
        _ => None,
    };
    if let Some(CrossStatus { stage: CrossStage::Returned, exit_code, .. }) = &arrival {
        let code = exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
        return Err(CliError::rejected(format!(
            "{id} was refused at its destination{code}; the value is on its way back"
        )));
    }
    let crossing = Crossing { id, nonce: sent.message.nonce, amount: amount.into(), height: sent.done.height, arrival };
    context.output.result(&crossing, || crossing.text());
    Ok(())
}

impl Crossing {
    fn text(&self) -> String {
        let mut rows = vec![
            ("id", self.id.to_string()),
            ("nonce", self.nonce.to_string()),
            ("amount", fil(&self.amount.0)),
            ("left at height", self.height.to_string()),
        ];
        match &self.arrival {
            Some(status) => rows.push(("delivered at height", height(status))),
            None => rows.push(("follow it with", format!("subnet-node cross status {}", self.id))),
        }
        table(&rows)
    }
}

fn height(status: &CrossStatus) -> String {
    status.height.map_or_else(|| "unknown".to_owned(), |height| height.to_string())
}

async fn status(context: &Context, id: Digest) -> Result<(), CliError> {
    let client = context.client()?;
    let status = client.cross_status(id).await?;
    if status.stage == CrossStage::Unknown {
        return Err(CliError::rejected(format!("the chain of {} knows no cross message {id}", client.url()))
            .hint("it may not have arrived yet: ask the other chain with --rpc URL"));
    }
    context.output.result(&status, || text(&status));
    Ok(())
}

fn text(status: &CrossStatus) -> String {
    let mut rows = vec![("id", status.id.to_string()), ("stage", status.stage.to_string())];
    if let Some(edge) = &status.edge {
        rows.push(("direction", edge.to_string()));
    }
    if let Some(nonce) = status.nonce {
        rows.push(("nonce", nonce.to_string()));
    }
    if let Some(value) = &status.value {
        rows.push(("value", fil(&value.0)));
    }
    if let Some(checkpoint) = status.checkpoint {
        rows.push(("checkpoint", checkpoint.to_string()));
    }
    if let Some(height) = status.height {
        rows.push(("height", height.to_string()));
    }
    if let Some(code) = status.exit_code {
        rows.push(("exit code", code.to_string()));
    }
    table(&rows)
}
