//! A cross message's way, put together from what each chain knows of it.

use std::collections::BTreeMap;
use std::fmt;

use client::api::{CrossEvent, CrossStepInfo, CrossTraceInfo};
use serde::Serialize;
use subnet_types::bytes::Digest;
use subnet_types::{Height, Nonce, Sequence, SubnetId, TimestampMs};

/// When something happened on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// In which block.
    pub height: Height,
    /// At what time.
    pub time_ms: TimestampMs,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// No chain that was asked has seen it.
    Unknown,
    /// Between two chains.
    OnItsWay,
    /// Its destination has it.
    Delivered,
    /// It was refused, and what it carried goes back or lies in the unclaimed ledger.
    Refused,
}

/// One edge that a message crosses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// From this chain.
    pub from: SubnetId,
    /// To that one; unknown when the node of `from` does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<SubnetId>,
    /// Its position on the edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// It left.
    pub queued: Moment,
    /// Up: the checkpoint that carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Sequence>,
    /// Up: that checkpoint was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpointed: Option<Moment>,
    /// Up: the parent accepted the checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Moment>,
    /// A block that brings it was proposed at the far end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Moment>,
    /// What that block did is committed to by the one after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Moment>,
    /// Zero, or why the far end refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
}

/// A message's whole way, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Journey {
    /// The message.
    pub id: Digest,
    /// Where it stands.
    pub standing: Standing,
    /// Why it was refused, or zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its answer came back to the chain that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Moment>,
    /// That answer, a message of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Digest>,
    /// The edges, in the order in which it crosses them.
    pub hops: Vec<Hop>,
}

/// When parents accepted checkpoints, by child and sequence.
pub type Acceptances = BTreeMap<(SubnetId, Sequence), Moment>;

impl Journey {
    /// Puts together what the chains know. One trace for each chain.
    pub fn of(id: Digest, traces: &[CrossTraceInfo], acceptances: &Acceptances) -> Self {
        let mut hops: Vec<Hop> = traces.iter().filter_map(|trace| hop(trace, traces, acceptances)).collect();
        hops.sort_by_key(|hop| hop.queued.time_ms);
        let steps = || traces.iter().flat_map(|trace| &trace.steps);
        let answered = steps().find(|step| step.event == CrossEvent::Answered);
        let (standing, exit_code) = standing(traces);
        Self {
            id,
            standing,
            exit_code,
            reason: None,
            settled: answered.map(block_of),
            receipt: answered.and_then(|step| step.receipt),
            hops,
        }
    }

    /// Whether its destination has it or a chain refused it.
    pub fn is_decided(&self) -> bool {
        matches!(self.standing, Standing::Delivered | Standing::Refused)
    }
}

fn is_queued(step: &CrossStepInfo) -> bool {
    matches!(step.event, CrossEvent::QueuedDown | CrossEvent::QueuedUp)
}

fn is_applied(step: &&CrossStepInfo) -> bool {
    step.event == CrossEvent::Applied
}

/// The block in which a step was made.
fn block_of(step: &CrossStepInfo) -> Moment {
    Moment { height: step.height, time_ms: step.timestamp_ms }
}

fn standing(traces: &[CrossTraceInfo]) -> (Standing, Option<u32>) {
    let steps = || traces.iter().flat_map(|trace| &trace.steps);
    let codes = |event| steps().filter(move |step| step.event == event).filter_map(|step| step.exit_code);
    // The answer knows the outcome also where nobody was asked on the chain that decided it.
    if let Some(code) = codes(CrossEvent::Answered).next() {
        return (if code == 0 { Standing::Delivered } else { Standing::Refused }, Some(code));
    }
    if let Some(code) = codes(CrossEvent::Applied).find(|code| *code != 0) {
        return (Standing::Refused, Some(code));
    }
    if steps().any(|step| step.event == CrossEvent::Unclaimed) {
        return (Standing::Refused, None);
    }
    // A chain that took it and did not send it on is where it went.
    let is_end =
        |trace: &CrossTraceInfo| trace.steps.iter().any(|step| is_applied(&step)) && !trace.steps.iter().any(is_queued);
    if traces.iter().any(is_end) {
        return (Standing::Delivered, Some(0));
    }
    (if steps().next().is_some() { Standing::OnItsWay } else { Standing::Unknown }, None)
}

/// The edge over which the message left the chain of `trace`, if it did.
fn hop(trace: &CrossTraceInfo, traces: &[CrossTraceInfo], acceptances: &Acceptances) -> Option<Hop> {
    let from = trace.subnet.clone();
    let left = trace.steps.iter().find(|step| is_queued(step))?;
    let is_up = left.event == CrossEvent::QueuedUp;
    let to = if is_up { from.parent() } else { left.child.clone() };
    let cut = trace.steps.iter().find(|step| step.event == CrossEvent::Checkpointed);
    let checkpoint = cut.and_then(|step| step.checkpoint);
    let there = traces.iter().find(|trace| Some(&trace.subnet) == to.as_ref());
    let arrival = there.and_then(|trace| trace.steps.iter().find(is_applied));
    Some(Hop {
        accepted: checkpoint.and_then(|sequence| acceptances.get(&(from.clone(), sequence)).copied()),
        from,
        to,
        nonce: left.nonce,
        queued: block_of(left),
        checkpoint,
        checkpointed: cut.map(block_of),
        proposed: arrival.map(block_of),
        applied: arrival.and_then(|step| Some(Moment { height: step.height, time_ms: step.committed_ms? })),
        exit_code: arrival.and_then(|step| step.exit_code),
    })
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::OnItsWay => "on its way",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
        })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.time_ms.get() / 1000 % 86_400, self.time_ms.get() % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03} (block {})", self.height)
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → ", self.from)?;
        match &self.to {
            Some(to) => write!(f, "{to}")?,
            None => f.write_str("?")?,
        }
        write!(f, ": queued {}", self.queued)?;
        let steps = [
            ("checkpointed", self.checkpointed),
            ("accepted", self.accepted),
            ("proposed", self.proposed),
            ("applied", self.applied),
        ];
        for (name, moment) in steps {
            if let Some(moment) = moment {
                write!(f, ", {name} {moment}")?;
            }
        }
        match self.exit_code {
            Some(code) if code != 0 => write!(f, ", refused with {code}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;

    fn chain(route: &[&str]) -> SubnetId {
        let route = route.iter().map(|name| Address::new_actor(name.as_bytes())).collect();
        SubnetId::new(1, route).unwrap()
    }

    fn step(event: CrossEvent, height: u64) -> CrossStepInfo {
        CrossStepInfo {
            event,
            height: Height::new(height),
            timestamp_ms: TimestampMs::new(height * 1000),
            committed_ms: Some(TimestampMs::new(height * 1000 + 1000)),
            child: None,
            nonce: None,
            checkpoint: None,
            exit_code: None,
            receipt: None,
        }
    }

    fn applied(height: u64, code: u32) -> CrossStepInfo {
        CrossStepInfo { exit_code: Some(code), ..step(CrossEvent::Applied, height) }
    }

    fn down(child: &SubnetId, height: u64) -> CrossStepInfo {
        CrossStepInfo { child: Some(child.clone()), ..step(CrossEvent::QueuedDown, height) }
    }

    fn trace(subnet: &SubnetId, steps: Vec<CrossStepInfo>) -> CrossTraceInfo {
        CrossTraceInfo { id: Digest::ZERO, subnet: subnet.clone(), steps }
    }

    /// From one child to its sibling, as far as the root has it.
    fn on_the_root() -> [CrossTraceInfo; 3] {
        let [root, left, right] = [chain(&[]), chain(&["left"]), chain(&["right"])];
        let sequence = Some(Sequence::new(2));
        let cut = CrossStepInfo { checkpoint: sequence, ..step(CrossEvent::Checkpointed, 20) };
        [
            trace(&right, vec![]),
            trace(&root, vec![down(&right, 30), applied(30, 0)]),
            trace(&left, vec![step(CrossEvent::QueuedUp, 15), cut]),
        ]
    }

    fn journey(traces: &[CrossTraceInfo]) -> Journey {
        let accepted = Moment { height: Height::new(29), time_ms: TimestampMs::new(29_000) };
        let acceptances = Acceptances::from([((chain(&["left"]), Sequence::new(2)), accepted)]);
        Journey::of(Digest::ZERO, traces, &acceptances)
    }

    #[test]
    fn a_message_that_went_on_is_not_delivered_by_the_chain_in_between() {
        let mut traces = on_the_root();
        let on_its_way = journey(&traces);
        assert_eq!((on_its_way.standing, on_its_way.hops.len()), (Standing::OnItsWay, 2));
        let heights = |moment: Option<Moment>| moment.map(|moment| moment.height.get());
        let [up, over] = &on_its_way.hops[..] else { panic!("two edges") };
        assert_eq!((&up.from, up.to.as_ref()), (&chain(&["left"]), Some(&chain(&[]))));
        assert_eq!([up.checkpointed, up.accepted, up.proposed].map(heights), [Some(20), Some(29), Some(30)]);
        assert_eq!((over.to.as_ref(), over.applied), (Some(&chain(&["right"])), None));

        traces[0].steps.push(applied(44, 0));
        let delivered = journey(&traces);
        assert_eq!((delivered.standing, delivered.exit_code), (Standing::Delivered, Some(0)));
        assert_eq!(heights(delivered.hops[1].applied), Some(44));
        assert_eq!(delivered.settled, None);
    }

    #[test]
    fn a_refusal_counts_wherever_it_is_made_and_an_answer_says_it_without_that_chain() {
        let mut traces = on_the_root();
        traces[0].steps.push(applied(44, 107));
        let refused = journey(&traces);
        assert_eq!((refused.standing, refused.exit_code), (Standing::Refused, Some(107)));
        traces[0].steps.clear();
        let answer =
            CrossStepInfo { exit_code: Some(107), receipt: Some(Digest([3; 32])), ..step(CrossEvent::Answered, 60) };
        traces[2].steps.push(answer);
        let answered = journey(&traces);
        assert_eq!((answered.standing, answered.exit_code), (Standing::Refused, Some(107)));
        assert_eq!((answered.settled.map(|at| at.height.get()), answered.receipt), (Some(60), Some(Digest([3; 32]))));
    }

    #[test]
    fn what_nobody_has_seen_is_unknown() {
        assert_eq!(journey(&[]).standing, Standing::Unknown);
        assert_eq!(journey(&[trace(&chain(&[]), vec![])]).standing, Standing::Unknown);
        assert_eq!(journey(&[trace(&chain(&[]), vec![step(CrossEvent::Unclaimed, 3)])]).standing, Standing::Refused);
    }

    #[test]
    fn an_edge_is_one_line() {
        let hop = &journey(&on_the_root()).hops[0];
        let text = hop.to_string();
        assert!(text.contains("queued 00:00:15.000 (block 15), checkpointed 00:00:20.000 (block 20)"), "{text}");
        assert!(!text.contains('\n') && text.ends_with("applied 00:00:31.000 (block 30)"), "{text}");
    }
}
