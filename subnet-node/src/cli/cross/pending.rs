//! `cross pending`: what waits on one chain.

use client::Client;
use client::api::{CrossMessageInfo, CrossPending};
use serde::Serialize;
use subnet_types::{Nonce, SubnetId};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::genesis::fil;
use crate::cli::output::{columns, short};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    #[serde(flatten)]
    edges: CrossPending,
    queues: Vec<Queue>,
}

/// The first messages that wait for one chain.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    /// The child; absent for what goes up.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<SubnetId>,
    /// How many wait in all.
    waiting: u64,
    /// Those that one answer of the node holds.
    messages: Vec<CrossMessageInfo>,
}

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let edges = client.cross_pending(None).await?;
    let mut queues = Vec::new();
    for child in &edges.children {
        let waiting = child.next_nonce.saturating_since(child.applied_below);
        queues.extend(queue(&client, &edges, Some(&child.subnet), child.applied_below, waiting).await?);
    }
    if let Some(outbox) = &edges.outbox {
        queues.extend(queue(&client, &edges, None, outbox.first_nonce, outbox.messages).await?);
    }
    let waiting = Waiting { edges, queues };
    context.output.result(&waiting, || waiting.text());
    Ok(())
}

async fn queue(
    client: &Client,
    edges: &CrossPending,
    child: Option<&SubnetId>,
    from: Nonce,
    waiting: u64,
) -> Result<Option<Queue>, CliError> {
    if waiting == 0 {
        return Ok(None);
    }
    let messages = client.cross_queue(child, from, Some(edges.height)).await?;
    Ok(Some(Queue { child: child.cloned(), waiting, messages }))
}

impl Waiting {
    fn text(&self) -> String {
        let mut parts = vec![format!("{} after block {}", self.edges.subnet, self.edges.height)];
        for queue in &self.queues {
            parts.push(queue.text());
        }
        for child in self.edges.children.iter().filter(|child| child.undelivered > 0) {
            let (count, sequence) = (child.undelivered, child.last_sequence);
            parts.push(format!(
                "from {}: {count} messages of checkpoints up to {sequence} are accepted and wait for delivery, with {}",
                child.subnet,
                fil(&child.reserved.0)
            ));
        }
        if !num_traits::Zero::is_zero(&self.edges.unclaimed.0) {
            parts.push(format!("{} lie in the unclaimed ledger", fil(&self.edges.unclaimed.0)));
        }
        if parts.len() == 1 {
            parts.push("nothing waits".to_owned());
        }
        parts.join("\n\n")
    }
}

impl Queue {
    fn text(&self) -> String {
        let title = match &self.child {
            Some(child) => {
                format!("for {child}: {} messages that no accepted checkpoint reports as applied", self.waiting)
            }
            None => format!("for the next checkpoint: {} messages", self.waiting),
        };
        let rows: Vec<[String; 5]> = self
            .messages
            .iter()
            .map(|message| {
                [
                    message.nonce.to_string(),
                    short(&message.id.to_string()),
                    message.kind.to_string(),
                    fil(&message.value.0),
                    message.destination.to_string(),
                ]
            })
            .collect();
        let more = self.waiting.saturating_sub(self.messages.len() as u64);
        let more = if more == 0 { String::new() } else { format!("\nand {more} more") };
        format!("{title}\n{}{more}", columns(["NONCE", "ID", "KIND", "VALUE", "TO"], &rows))
    }
}
