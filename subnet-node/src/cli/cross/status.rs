//! `cross status`: asks every chain what it knows of a message, and puts it together.

use std::time::Instant;

use client::api::{CrossEvent, CrossTraceInfo};
use client::{RpcError, Waiting};
use subnet_types::bytes::Digest;

use super::journey::{Acceptances, Journey, Moment, Standing};
use super::send::describe;
use super::{Chains, StatusArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};

impl StatusArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let chains = Chains::ask(context, &self.endpoints).await?;
        let journey = if self.watch { self.watch(context, &chains).await? } else { look(&chains, self.id).await? };
        context.output.result(&journey, || text(&journey));
        self.conclude(context, &journey)
    }

    /// Asks until it is decided, and settled when that is wanted, or until the time is up.
    async fn watch(&self, context: &Context, chains: &Chains) -> Result<Journey, CliError> {
        let (options, start) = (context.wait_options(), Instant::now());
        let progress = context.output.progress("following it");
        let mut last = None;
        loop {
            match look(chains, self.id).await {
                Ok(journey) if self.is_done(&journey) => return Ok(journey),
                Ok(journey) => last = Some(journey),
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error.into()),
            }
            let elapsed = start.elapsed();
            if elapsed >= options.timeout {
                break;
            }
            progress.tell(&Waiting { elapsed, stage: last.as_ref().map_or_else(String::new, stage) });
            tokio::time::sleep(options.poll).await;
        }
        match last {
            Some(journey) => Ok(journey),
            None => Ok(look(chains, self.id).await?),
        }
    }

    fn is_done(&self, journey: &Journey) -> bool {
        journey.is_decided() && (journey.settled.is_some() || !self.settled)
    }

    /// What the exit code says. The result is printed already.
    fn conclude(&self, context: &Context, journey: &Journey) -> Result<(), CliError> {
        let id = self.id;
        let seconds = context.wait_options().timeout.as_secs();
        let (exit, message) = match journey.standing {
            Standing::Unknown => (Exit::Rejected, format!("no chain that was asked knows a cross message {id}")),
            Standing::Refused => {
                let reason = journey.reason.clone().unwrap_or_else(|| "its value could not be credited".to_owned());
                (Exit::Rejected, format!("{id} was refused: {reason}"))
            }
            Standing::OnItsWay if self.watch => {
                (Exit::TooLate, format!("{id} is still on its way after {seconds} s; it may still arrive"))
            }
            Standing::Delivered if self.watch && !self.is_done(journey) => {
                (Exit::TooLate, format!("{id} is delivered, and its answer not back after {seconds} s"))
            }
            Standing::OnItsWay | Standing::Delivered => return Ok(()),
        };
        let error = CliError { exit, ..CliError::reported(message) };
        Err(match journey.standing {
            Standing::Unknown => error.hint("name nodes of other chains with --endpoint URL"),
            _ => error,
        })
    }
}

/// What all chains know now.
async fn look(chains: &Chains, id: Digest) -> Result<Journey, RpcError> {
    let mut traces = Vec::new();
    for (_, client) in chains.iter() {
        traces.push(client.cross_trace(id).await?);
    }
    let acceptances = acceptances(chains, &traces).await?;
    let journey = Journey::of(id, &traces, &acceptances);
    let reason = journey.exit_code.filter(|code| *code != 0).map(describe);
    Ok(Journey { reason, ..journey })
}

/// When the checkpoints that carry it were accepted: the parent knows them by their digests.
async fn acceptances(chains: &Chains, traces: &[CrossTraceInfo]) -> Result<Acceptances, RpcError> {
    let mut found = Acceptances::new();
    for trace in traces {
        let cut = trace.steps.iter().find(|step| step.event == CrossEvent::Checkpointed);
        let Some(sequence) = cut.and_then(|step| step.checkpoint) else { continue };
        let parent = trace.subnet.parent().and_then(|parent| chains.get(&parent));
        let (Some(child), Some(parent)) = (chains.get(&trace.subnet), parent) else { continue };
        let Some(record) = child.checkpoint(sequence).await? else { continue };
        let accepted = parent.cross_trace(record.checkpoint.digest).await?.steps;
        let is_it = |step: &&client::api::CrossStepInfo| {
            step.event == CrossEvent::Accepted && step.child.as_ref() == Some(&trace.subnet)
        };
        if let Some(step) = accepted.iter().find(is_it) {
            let moment = Moment { height: step.height, time_ms: step.timestamp_ms };
            found.insert((trace.subnet.clone(), sequence), moment);
        }
    }
    Ok(found)
}

fn stage(journey: &Journey) -> String {
    match journey.hops.last() {
        Some(hop) if journey.standing == Standing::OnItsWay => hop.to_string(),
        _ => journey.standing.to_string(),
    }
}

fn text(journey: &Journey) -> String {
    let mut lines: Vec<String> = journey.hops.iter().map(ToString::to_string).collect();
    if let Some(settled) = &journey.settled {
        lines.push(format!("settled {settled}"));
    }
    lines.push(match &journey.reason {
        Some(reason) => format!("{}: {reason}", journey.standing),
        None => journey.standing.to_string(),
    });
    lines.join("\n")
}
