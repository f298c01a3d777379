//! `cross status`: asks every chain what it knows of a message, and puts it together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use client::api::{CrossEvent, CrossTraceInfo};
use client::{RpcError, Waiting};
use subnet_types::bytes::Digest;
use subnet_types::{Sequence, SubnetId};

use super::journey::{Acceptances, Hop, Journey, Moment, Standing};
use super::send::describe;
use super::{Chains, StatusArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::table;

/// Pause between two looks of `--watch`. A block takes about as long.
const POLL: Duration = Duration::from_secs(1);

/// How long a node of the chain that sent a message may not know of it while others do: it may be some blocks behind.
const LAG: Duration = Duration::from_secs(15);

impl StatusArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let chains = Chains::ask(context, &self.endpoints).await?;
        let mut view = View::new(&chains, self.id);
        let journey = if self.watch { self.watch(context, &mut view).await? } else { view.look().await? };
        context.output.result(&journey, || text(&journey));
        self.conclude(context, &chains, &journey)
    }

    /// Asks until it is decided, and over when that is wanted, or until the time is up.
    async fn watch(&self, context: &Context, view: &mut View<'_>) -> Result<Journey, CliError> {
        let (timeout, start) = (context.wait_options().timeout, Instant::now());
        let progress = context.output.progress("following it");
        let (mut last, mut hinted) = (None, None);
        loop {
            match view.look().await {
                Ok(journey) if self.is_done(&journey) => return Ok(journey),
                Ok(journey) => {
                    if start.elapsed() >= LAG {
                        self.check_sender(&journey)?;
                    }
                    let blind = blind(view.chains, &journey);
                    if blind.is_some() && blind != hinted {
                        context.output.note(&blind_hint(blind.as_ref()));
                        hinted = blind;
                    }
                    last = Some(journey);
                }
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error.into()),
            }
            let elapsed = start.elapsed();
            if elapsed >= timeout {
                break;
            }
            progress.tell(&Waiting { elapsed, stage: last.as_ref().map_or_else(String::new, stage) });
            tokio::time::sleep(POLL.min(timeout.saturating_sub(elapsed))).await;
        }
        match last {
            Some(journey) => Ok(journey),
            None => Ok(view.look().await?),
        }
    }

    fn is_done(&self, journey: &Journey) -> bool {
        journey.is_decided() && (!self.settled || journey.is_over())
    }

    /// Whether there is somebody to ask for the answer.
    fn check_sender(&self, journey: &Journey) -> Result<(), CliError> {
        if !self.settled || journey.sender.is_some() || journey.standing == Standing::Unknown {
            return Ok(());
        }
        let id = self.id;
        Err(CliError::usage(format!("no chain that was asked has sent {id}, so nobody can tell of its answer"))
            .hint("name a node of the chain that sent it with --rpc or --endpoint URL, or leave out --settled"))
    }

    /// What the exit code says. The result is printed already.
    fn conclude(&self, context: &Context, chains: &Chains, journey: &Journey) -> Result<(), CliError> {
        let id = self.id;
        let seconds = context.wait_options().timeout.as_secs();
        let (exit, message) = match journey.standing {
            Standing::Unknown => (Exit::Rejected, format!("no chain that was asked knows a cross message {id}")),
            Standing::Ambiguous => (Exit::Rejected, format!("several messages go by the id {id}")),
            Standing::Refused => {
                let reason = journey.reason.clone().unwrap_or_else(|| "the chain does not say why".to_owned());
                (Exit::Rejected, format!("{id} was refused: {reason}"))
            }
            Standing::OnItsWay if self.watch => {
                (Exit::TooLate, format!("{id} is still on its way after {seconds} s; it may still arrive"))
            }
            Standing::Delivered if self.watch && !self.is_done(journey) => {
                (Exit::TooLate, format!("{id} is delivered, and its answer not back after {seconds} s"))
            }
            Standing::OnItsWay | Standing::Delivered => {
                if let Some(chain) = blind(chains, journey) {
                    context.output.note(&blind_hint(Some(&chain)));
                }
                return Ok(());
            }
        };
        let error = CliError { exit, ..CliError::reported(message) };
        Err(match (journey.standing, blind(chains, journey)) {
            (Standing::Unknown, _) => error.hint("name nodes of other chains with --endpoint URL"),
            (Standing::Ambiguous, _) => error.hint("name a node of the chain that sent it with --endpoint URL"),
            (_, Some(chain)) => error.hint(blind_hint(Some(&chain))),
            _ => error,
        })
    }
}

/// The chain that a message is on its way to, when no node of it was named.
fn blind(chains: &Chains, journey: &Journey) -> Option<SubnetId> {
    journey.next_chain().filter(|chain| chains.get(chain).is_none()).cloned()
}

fn blind_hint(chain: Option<&SubnetId>) -> String {
    let chain = chain.map_or_else(|| "the next chain".to_owned(), ToString::to_string);
    format!("no node of {chain} is asked, so its arrival there is not seen: name one with --endpoint URL")
}

/// What is known of one message, and need not be asked again.
struct View<'a> {
    chains: &'a Chains,
    id: Digest,
    traces: BTreeMap<SubnetId, CrossTraceInfo>,
    /// Chains that it has left for good and that expect no answer to it.
    passed: BTreeSet<SubnetId>,
    /// Digests of the checkpoints that carry it.
    digests: BTreeMap<(SubnetId, Sequence), Digest>,
    acceptances: Acceptances,
}

impl<'a> View<'a> {
    fn new(chains: &'a Chains, id: Digest) -> Self {
        let acceptances = Acceptances::new();
        Self { chains, id, traces: BTreeMap::new(), passed: BTreeSet::new(), digests: BTreeMap::new(), acceptances }
    }

    /// What all chains know now.
    async fn look(&mut self) -> Result<Journey, RpcError> {
        for (subnet, client) in self.chains.iter() {
            if !self.passed.contains(subnet) {
                self.traces.insert(subnet.clone(), client.cross_trace(self.id).await?);
            }
        }
        let mut journey = self.journey();
        let mut is_new = false;
        for hop in &journey.hops {
            is_new |= self.find_acceptance(hop).await?;
            // Of a message whose sender is not known, another one with its id may still come by the same chain.
            if hop.applied.is_some() && journey.sender.as_ref().is_some_and(|sender| *sender != hop.from) {
                self.passed.insert(hop.from.clone());
            }
        }
        if is_new {
            journey = self.journey();
        }
        let reason = journey.exit_code.filter(|code| *code != 0).map(describe);
        Ok(Journey { reason, ..journey })
    }

    fn journey(&self) -> Journey {
        let traces: Vec<CrossTraceInfo> = self.traces.values().cloned().collect();
        Journey::of(self.id, &traces, &self.acceptances)
    }

    /// When the checkpoint that carries it over a hop was accepted: the parent knows it by its digest. Says whether that
    /// has just been learnt.
    async fn find_acceptance(&mut self, hop: &Hop) -> Result<bool, RpcError> {
        let (Some(sequence), None, Some(parent)) = (hop.checkpoint, &hop.accepted, &hop.to) else { return Ok(false) };
        let (Some(child), Some(parent)) = (self.chains.get(&hop.from), self.chains.get(parent)) else {
            return Ok(false);
        };
        let key = (hop.from.clone(), sequence);
        let digest = match self.digests.get(&key) {
            Some(digest) => *digest,
            None => {
                let signed = child.checkpoints(sequence, 1).await?;
                let Some(summary) = signed.first().filter(|summary| summary.sequence == sequence) else {
                    return Ok(false);
                };
                self.digests.insert(key.clone(), summary.digest);
                summary.digest
            }
        };
        let accepted = parent.cross_trace(digest).await?;
        let is_it =
            |event: CrossEvent, child: Option<&SubnetId>| event == CrossEvent::Accepted && child == Some(&hop.from);
        let Some(step) = accepted.steps.iter().find(|step| is_it(step.event, step.child.as_ref())) else {
            return Ok(false);
        };
        let moment = Moment { chain: accepted.subnet.clone(), height: step.height, time_ms: step.timestamp_ms };
        self.acceptances.insert(key, moment);
        Ok(true)
    }
}

fn stage(journey: &Journey) -> String {
    match journey.hops.last() {
        Some(hop) if journey.standing == Standing::OnItsWay => {
            let (name, _) = moments(hop).into_iter().next_back().unwrap_or(("queued", &hop.queued));
            let to = hop.to.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
            format!("{name}, on its way to {to}")
        }
        _ => word(journey.standing).to_owned(),
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Unknown => "unknown",
        Standing::Ambiguous => "not to be told from others with the same id",
        Standing::OnItsWay => "on its way",
        Standing::Delivered => "delivered",
        Standing::Refused => "refused",
    }
}

/// What happened on an edge, in the order in which it happens.
fn moments(hop: &Hop) -> Vec<(&'static str, &Moment)> {
    let steps = [
        ("checkpointed", &hop.checkpointed),
        ("accepted", &hop.accepted),
        ("set aside", &hop.set_aside),
        ("proposed", &hop.proposed),
        ("applied", &hop.applied),
        ("unclaimed", &hop.unclaimed),
        ("refunded", &hop.refunded),
    ];
    let known = steps.into_iter().filter_map(|(name, moment)| Some((name, moment.as_ref()?)));
    [("queued", &hop.queued)].into_iter().chain(known).collect()
}

/// A time of the day by the clock of a chain.
fn at(moment: &Moment) -> String {
    let (seconds, milliseconds) = (moment.time_ms.get() / 1000 % 86_400, moment.time_ms.get() % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}  block {} of {}", moment.height, moment.chain)
}

fn hop_text(hop: &Hop) -> String {
    let to = hop.to.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let rows: Vec<(&str, String)> = moments(hop).into_iter().map(|(name, moment)| (name, at(moment))).collect();
    let rows = table(&rows).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
    format!("{} → {to}\n{rows}", hop.from)
}

fn text(journey: &Journey) -> String {
    let mut parts: Vec<String> = journey.hops.iter().map(hop_text).collect();
    if let Some(settled) = &journey.settled {
        parts.push(format!("settled  {}", at(settled)));
    }
    let word = word(journey.standing);
    parts.push(match (&journey.reason, journey.standing, journey.is_answered) {
        (Some(reason), ..) => format!("{word}: {reason}"),
        (None, Standing::Delivered, Some(false)) => format!("{word}; a plain transfer, which is not answered"),
        (None, Standing::Delivered, Some(true)) if journey.settled.is_none() => format!("{word}; its answer is due"),
        (None, ..) => word.to_owned(),
    });
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use subnet_types::{Height, TimestampMs};

    fn moment(chain: &SubnetId, height: u64) -> Moment {
        Moment { chain: chain.clone(), height: Height::new(height), time_ms: TimestampMs::new(height * 1000) }
    }

    #[test]
    fn each_time_is_told_with_the_chain_whose_clock_it_is() {
        let root = SubnetId::root(1);
        let child = root.child(Address::new_actor(b"child")).unwrap();
        let hop = Hop {
            from: child.clone(),
            to: Some(root.clone()),
            nonce: None,
            queued: moment(&child, 15),
            checkpoint: None,
            checkpointed: Some(moment(&child, 20)),
            accepted: Some(moment(&root, 7)),
            set_aside: None,
            proposed: None,
            applied: None,
            refunded: None,
            unclaimed: None,
            exit_code: None,
        };
        let text = hop_text(&hop);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("{child} → /r1"));
        assert_eq!(lines[1], format!("  queued        00:00:15.000  block 15 of {child}"));
        assert_eq!(lines[3], "  accepted      00:00:07.000  block 7 of /r1");
        assert_eq!(lines.len(), 4);
    }
}
