//! `checkpoint relay`: brings what is due on the parent there.

use std::collections::BTreeSet;

use clap::Args;
use client::Client;
use client::api::JsonCid;
use serde::Serialize;
use subnet_types::{Height, Nonce, Sequence, SubnetId};

use super::context::{Context, SenderArgs};
use super::error::CliError;
use super::output::columns;
use crate::checkpoint::plan::Duty;
use crate::checkpoint::relay::{Brought, Load, Payer, Relay, RelayError};

/// Options of `checkpoint relay`.
#[derive(Args, Debug)]
pub struct RelayArgs {
    /// RPC address of a parent node
    #[arg(long, value_name = "URL")]
    parent: String,
    /// Most messages to send to the parent
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    max: u32,
    /// Say what is due, and send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relayed {
    subnet: SubnetId,
    /// What was brought, or with --dry-run what is due.
    steps: Vec<Step>,
    /// Whether nothing is due any more.
    is_complete: bool,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    what: &'static str,
    /// The checkpoint that it is, or is of.
    sequence: Sequence,
    /// The first message that goes along.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_nonce: Option<Nonce>,
    /// Messages that go along.
    messages: usize,
    /// The message to the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<JsonCid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<Height>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_used: Option<u64>,
}

impl RelayArgs {
    pub(super) async fn run(self, context: &Context, child: &Client) -> Result<(), CliError> {
        let info = child.info().await?;
        let (Some(link), Some(actor)) = (&info.parent, info.subnet.checkpoint_actor()) else {
            return Err(CliError::usage(format!("{} is a root: it has no parent", info.subnet)));
        };
        let parent = Client::connect(&self.parent)?;
        let actual = parent.info().await?.identity;
        let expected = context.identity().unwrap_or(link.identity);
        if actual != expected || link.identity != expected {
            let problem = format!("{} belongs to chain {actual}, the parent is {}", self.parent, link.identity);
            return Err(CliError::failure(problem).hint("name an RPC address of a parent node"));
        }
        let relay = Relay {
            child,
            parent: &parent,
            subnet: info.subnet.clone(),
            actor,
            timeout: context.wait_options().timeout,
        };
        let mut relayed = Relayed { subnet: info.subnet, steps: Vec::new(), is_complete: false, failure: None };
        let outcome = if self.dry_run {
            plan(&relay, &mut relayed).await
        } else {
            let account = context.account(&self.sender.from)?;
            let payer = Payer { account, identity: expected, fee_max: self.sender.fee_max.clone() };
            self.bring(context, &relay, &payer, &mut relayed).await
        };
        relayed.failure = outcome.as_ref().err().map(ToString::to_string);
        // What was brought before a failure is told as well.
        context.output.result(&relayed, || text(&relayed));
        outcome.map_err(|error| {
            let hint = "call it again: it goes on where the parent stands";
            CliError::reported(error.to_string()).hint(hint)
        })
    }

    async fn bring(
        &self,
        context: &Context,
        relay: &Relay<'_>,
        payer: &Payer,
        relayed: &mut Relayed,
    ) -> Result<(), RelayError> {
        let mut tried = BTreeSet::new();
        for _ in 0..self.max {
            let Some(load) = relay.due(&tried).await?.into_iter().next() else {
                relayed.is_complete = true;
                return Ok(());
            };
            if let Duty::Retry(nonce) = load.duty {
                tried.insert(nonce);
            }
            context.output.note(&format!("bringing {} of checkpoint {}", what(load.duty), load.sequence));
            match relay.bring(&load, payer).await {
                Ok(brought) => relayed.steps.push(step(&load, Some(&brought))),
                // The gateway fails at it as before. Others may be waiting.
                Err(error @ (RelayError::Rpc(_) | RelayError::Failed { .. }))
                    if matches!(load.duty, Duty::Retry(_)) =>
                {
                    context.output.note(&format!("it stays aside: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

async fn plan(relay: &Relay<'_>, relayed: &mut Relayed) -> Result<(), RelayError> {
    let loads = relay.due(&BTreeSet::new()).await?;
    relayed.is_complete = loads.is_empty();
    relayed.steps = loads.iter().map(|load| step(load, None)).collect();
    Ok(())
}

fn what(duty: Duty) -> &'static str {
    match duty {
        Duty::Submit(_) => "checkpoint",
        Duty::Deliver(_) => "messages",
        Duty::Retry(_) => "message set aside",
    }
}

fn step(load: &Load, brought: Option<&Brought>) -> Step {
    let first_nonce = match load.duty {
        Duty::Submit(_) => None,
        Duty::Deliver(nonce) | Duty::Retry(nonce) => Some(nonce),
    };
    Step {
        what: what(load.duty),
        sequence: load.sequence,
        first_nonce,
        messages: load.messages,
        message: brought.map(|brought| brought.message.into()),
        height: brought.map(|brought| brought.height),
        gas_used: brought.map(|brought| brought.gas_used),
    }
}

fn text(relayed: &Relayed) -> String {
    let row = |step: &Step| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            step.what.to_owned(),
            step.sequence.to_string(),
            or_dash(step.first_nonce.map(|nonce| nonce.to_string())),
            step.messages.to_string(),
            or_dash(step.height.map(|height| height.to_string())),
            or_dash(step.message.as_ref().map(ToString::to_string)),
        ]
    };
    let end = if relayed.is_complete { "nothing is due any more" } else { "more is due" };
    if relayed.steps.is_empty() {
        return end.to_owned();
    }
    let rows: Vec<[String; 6]> = relayed.steps.iter().map(row).collect();
    let table = columns(["WHAT", "CHECKPOINT", "FIRST NONCE", "MESSAGES", "HEIGHT", "MESSAGE TO THE PARENT"], &rows);
    format!("{table}\n{end}")
}
