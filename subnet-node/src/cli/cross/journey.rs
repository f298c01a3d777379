//! A cross message's way, put together from what each chain knows of it.
//!
//! An id alone is the word of whoever sends a message: a corrupt chain can send one with the id of another's. Only the
//! chain that a message set out from knows the id as its own. From there on the way is followed from place to place on
//! the edges, of which every message has one to itself.

use std::collections::BTreeMap;

use client::api::{CrossEvent, CrossPosition, CrossStepInfo, CrossTraceInfo};
use serde::Serialize;
use subnet_types::actors::refusal;
use subnet_types::bytes::Digest;
use subnet_types::limits::SUBNET_DEPTH_MAX;
use subnet_types::{Height, Nonce, Sequence, SubnetId, TimestampMs};

/// Edges on the longest way: up to the root, and down again.
const HOPS_MAX: usize = 2 * SUBNET_DEPTH_MAX;

/// When something happened on a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// On which chain. Each has its own clock.
    pub chain: SubnetId,
    /// In which of its blocks.
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
    /// Several messages go by this id, and no chain that was asked knows it as its own.
    Ambiguous,
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
    /// Up: the parent's gateway would not take it. Anybody may have it delivered again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<Moment>,
    /// A block that brings it was proposed at the far end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Moment>,
    /// What that block did is committed to by the one after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Moment>,
    /// Down: the child ended before it applied it, and it was answered from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Moment>,
    /// At the far end its value could not be credited, and lies in the unclaimed ledger until somebody claims it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclaimed: Option<Moment>,
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
    /// The chain that sent it, when a node of it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<SubnetId>,
    /// Whether its delivery is answered, as the chain says that sent it. A plain transfer is answered when it is refused,
    /// and only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_answered: Option<bool>,
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

/// One chain on the way, and how the message came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stop<'a> {
    trace: &'a CrossTraceInfo,
    /// `None` where it set out.
    came: Option<CrossPosition>,
}

impl Journey {
    /// Puts together what the chains know. One trace for each chain.
    pub fn of(id: Digest, traces: &[CrossTraceInfo], acceptances: &Acceptances) -> Self {
        let unknown = Self {
            id,
            standing: Standing::Unknown,
            exit_code: None,
            reason: None,
            sender: None,
            is_answered: None,
            settled: None,
            receipt: None,
            hops: Vec::new(),
        };
        let start = match &starts(traces)[..] {
            [] => return unknown,
            [start] => start.clone(),
            _ => return Self { standing: Standing::Ambiguous, ..unknown },
        };
        let is_sender = start.came.is_none();
        // Whoever forges an id cannot have the chain that it belongs to count an answer to it.
        let answered = find(start.trace, |step| step.event == CrossEvent::Answered).filter(|_| is_sender);
        let (hops, end) = walk(start.clone(), traces, acceptances);
        let (standing, exit_code) = match answered.and_then(|step| step.exit_code) {
            // The answer knows the outcome also where nobody was asked on the chain that decided it.
            Some(0) => (Standing::Delivered, Some(0)),
            Some(code) => (Standing::Refused, Some(code)),
            None => standing(&hops, &end),
        };
        Self {
            standing,
            exit_code,
            sender: is_sender.then(|| start.trace.subnet.clone()),
            is_answered: is_sender.then(|| start.trace.is_awaited || answered.is_some()),
            settled: answered.map(|step| block_of(start.trace, step)),
            receipt: answered.and_then(|step| step.receipt),
            hops,
            ..unknown
        }
    }

    /// Whether its destination has it or a chain refused it.
    pub fn is_decided(&self) -> bool {
        matches!(self.standing, Standing::Delivered | Standing::Refused)
    }

    /// Whether nothing more comes of it: its answer is back, or it was delivered and is a plain transfer, which nobody
    /// answers.
    pub fn is_over(&self) -> bool {
        self.settled.is_some() || (self.standing == Standing::Delivered && self.is_answered == Some(false))
    }

    /// The chain to which it goes next, as far as is known, while it is between two chains.
    pub fn next_chain(&self) -> Option<&SubnetId> {
        let hop = self.hops.last().filter(|_| self.standing == Standing::OnItsWay)?;
        hop.to.as_ref()
    }
}

fn find(trace: &CrossTraceInfo, is_it: impl Fn(&CrossStepInfo) -> bool) -> Option<&CrossStepInfo> {
    trace.steps.iter().find(|step| is_it(step))
}

fn is_queued(step: &CrossStepInfo) -> bool {
    matches!(step.event, CrossEvent::QueuedDown | CrossEvent::QueuedUp)
}

/// The block in which a step was made.
fn block_of(trace: &CrossTraceInfo, step: &CrossStepInfo) -> Moment {
    Moment { chain: trace.subnet.clone(), height: step.height, time_ms: step.timestamp_ms }
}

/// Where the ways of messages with this id begin. One that is its own chain's is the message; without it each place at
/// which one came from a chain that was not asked.
fn starts(traces: &[CrossTraceInfo]) -> Vec<Stop<'_>> {
    let sets_out = |step: &CrossStepInfo| step.came.is_none() && (is_queued(step) || step.event == CrossEvent::Applied);
    if let Some(trace) = traces.iter().find(|trace| trace.steps.iter().any(sets_out)) {
        return vec![Stop { trace, came: None }];
    }
    let left = |place: &CrossPosition, chain: &SubnetId| {
        traces.iter().any(|trace| trace.steps.iter().any(|step| leaves(trace, step, chain) == Some(place.clone())))
    };
    let mut starts: Vec<Stop<'_>> = Vec::new();
    for trace in traces {
        let arrivals = trace.steps.iter().filter(|step| step.event != CrossEvent::Unclaimed);
        for place in arrivals.filter_map(|step| step.came.as_ref()) {
            let stop = Stop { trace, came: Some(place.clone()) };
            if !left(place, &trace.subnet) && !starts.contains(&stop) {
                starts.push(stop);
            }
        }
    }
    starts
}

/// The place by which a step sends the message to `chain`.
fn leaves(trace: &CrossTraceInfo, step: &CrossStepInfo, chain: &SubnetId) -> Option<CrossPosition> {
    let (to, edge) = match step.event {
        CrossEvent::QueuedDown => (step.child.clone()?, step.child.clone()?),
        CrossEvent::QueuedUp => (trace.subnet.parent()?, trace.subnet.clone()),
        _ => return None,
    };
    (to == *chain).then_some(CrossPosition { edge, nonce: step.nonce? })
}

/// Follows a message from where it is known first. Returns the edges that it left over, and its last stop.
fn walk<'a>(start: Stop<'a>, traces: &'a [CrossTraceInfo], acceptances: &Acceptances) -> (Vec<Hop>, Stop<'a>) {
    let mut stop = start;
    let mut hops = Vec::new();
    while hops.len() < HOPS_MAX {
        let Stop { trace, came } = &stop;
        let Some(left) = find(trace, |step| is_queued(step) && step.came == *came) else { break };
        let is_up = left.event == CrossEvent::QueuedUp;
        let to = if is_up { trace.subnet.parent() } else { left.child.clone() };
        let place = to.as_ref().and_then(|to| leaves(trace, left, to));
        let there = traces.iter().find(|trace| Some(&trace.subnet) == to.as_ref());
        hops.push(hop(trace, left, to, place.as_ref().zip(there), acceptances));
        let Some((place, trace)) = place.zip(there) else { break };
        if trace.arrival(&place).is_none() {
            break;
        }
        stop = Stop { trace, came: Some(place) };
    }
    (hops, stop)
}

/// The edge that a message left over by the step `left`, with its place there and what the far end knows.
fn hop(
    trace: &CrossTraceInfo,
    left: &CrossStepInfo,
    to: Option<SubnetId>,
    far: Option<(&CrossPosition, &CrossTraceInfo)>,
    acceptances: &Acceptances,
) -> Hop {
    let from = trace.subnet.clone();
    let here = |event, is_it: &dyn Fn(&CrossStepInfo) -> bool| {
        find(trace, |step| step.event == event && step.nonce == left.nonce && is_it(step))
    };
    let cut = here(CrossEvent::Checkpointed, &|_| left.event == CrossEvent::QueuedUp);
    let refunded = here(CrossEvent::Refunded, &|step| step.child == left.child);
    let checkpoint = cut.and_then(|step| step.checkpoint);
    let there = |event| {
        let (place, trace) = far?;
        find(trace, |step| step.event == event && step.came.as_ref() == Some(place)).map(|step| (trace, step))
    };
    let moment = |(trace, step): (&CrossTraceInfo, &CrossStepInfo)| block_of(trace, step);
    let arrival = there(CrossEvent::Applied);
    let committed = arrival.and_then(|(trace, step)| Some((trace, step, step.committed_ms?)));
    Hop {
        accepted: checkpoint.and_then(|sequence| acceptances.get(&(from.clone(), sequence)).cloned()),
        to,
        nonce: left.nonce,
        queued: block_of(trace, left),
        checkpoint,
        checkpointed: cut.map(|step| block_of(trace, step)),
        set_aside: there(CrossEvent::SetAside).map(moment),
        proposed: arrival.map(moment),
        applied: committed.map(|(trace, step, time_ms)| Moment { time_ms, ..block_of(trace, step) }),
        refunded: refunded.map(|step| block_of(trace, step)),
        unclaimed: there(CrossEvent::Unclaimed).map(moment),
        exit_code: arrival.and_then(|(_, step)| step.exit_code),
        from,
    }
}

fn standing(hops: &[Hop], end: &Stop<'_>) -> (Standing, Option<u32>) {
    let killed = refusal::KILLED_SUBNET.value();
    if hops.last().is_some_and(|hop| hop.refunded.is_some()) {
        return (Standing::Refused, Some(killed));
    }
    let arrival = find(end.trace, |step| step.event == CrossEvent::Applied && step.came == end.came);
    let went_on = find(end.trace, |step| is_queued(step) && step.came == end.came).is_some();
    match arrival.and_then(|step| step.exit_code) {
        // A chain that took it and did not send it on is where it went.
        Some(0) if !went_on => (Standing::Delivered, Some(0)),
        Some(0) | None => (Standing::OnItsWay, None),
        Some(code) => (Standing::Refused, Some(code)),
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

    fn place(edge: &SubnetId, nonce: u64) -> CrossPosition {
        CrossPosition { edge: edge.clone(), nonce: Nonce::new(nonce) }
    }

    fn step(event: CrossEvent, height: u64) -> CrossStepInfo {
        CrossStepInfo {
            event,
            height: Height::new(height),
            timestamp_ms: TimestampMs::new(height * 1000),
            committed_ms: Some(TimestampMs::new(height * 1000 + 1000)),
            came: None,
            child: None,
            nonce: None,
            checkpoint: None,
            exit_code: None,
            receipt: None,
        }
    }

    fn applied(height: u64, came: CrossPosition, code: u32) -> CrossStepInfo {
        CrossStepInfo { came: Some(came), exit_code: Some(code), ..step(CrossEvent::Applied, height) }
    }

    fn down(child: &SubnetId, nonce: u64, height: u64, came: Option<CrossPosition>) -> CrossStepInfo {
        let (child, nonce) = (Some(child.clone()), Some(Nonce::new(nonce)));
        CrossStepInfo { child, nonce, came, ..step(CrossEvent::QueuedDown, height) }
    }

    fn up(nonce: u64, height: u64) -> CrossStepInfo {
        CrossStepInfo { nonce: Some(Nonce::new(nonce)), ..step(CrossEvent::QueuedUp, height) }
    }

    fn answered(height: u64, code: u32) -> CrossStepInfo {
        let receipt = Some(Digest([3; 32]));
        CrossStepInfo { exit_code: Some(code), receipt, ..step(CrossEvent::Answered, height) }
    }

    fn trace(subnet: &SubnetId, steps: Vec<CrossStepInfo>) -> CrossTraceInfo {
        CrossTraceInfo { id: Digest::ZERO, subnet: subnet.clone(), is_awaited: false, steps }
    }

    /// From one child to its sibling, as far as the root has it: up at nonce 4, down at nonce 8. The left child's clock is
    /// far ahead of the others'.
    fn on_the_root() -> [CrossTraceInfo; 3] {
        let [root, left, right] = [chain(&[]), chain(&["left"]), chain(&["right"])];
        let (nonce, checkpoint) = (Some(Nonce::new(4)), Some(Sequence::new(2)));
        let cut = CrossStepInfo { nonce, checkpoint, ..step(CrossEvent::Checkpointed, 920) };
        let came = place(&left, 4);
        [
            trace(&right, vec![]),
            trace(&root, vec![down(&right, 8, 30, Some(came.clone())), applied(30, came, 0)]),
            trace(&left, vec![up(4, 915), cut]),
        ]
    }

    fn journey(traces: &[CrossTraceInfo]) -> Journey {
        let (height, time_ms) = (Height::new(29), TimestampMs::new(29_000));
        let accepted = Moment { chain: chain(&[]), height, time_ms };
        let acceptances = Acceptances::from([((chain(&["left"]), Sequence::new(2)), accepted)]);
        Journey::of(Digest::ZERO, traces, &acceptances)
    }

    fn heights(moment: &Option<Moment>) -> Option<u64> {
        moment.as_ref().map(|moment| moment.height.get())
    }

    #[test]
    fn a_message_that_went_on_is_not_delivered_by_the_chain_in_between() {
        let mut traces = on_the_root();
        let on_its_way = journey(&traces);
        assert_eq!((on_its_way.standing, on_its_way.hops.len()), (Standing::OnItsWay, 2));
        assert_eq!((on_its_way.sender, on_its_way.is_answered), (Some(chain(&["left"])), Some(false)));
        let [up, over] = &on_its_way.hops[..] else { panic!("two edges") };
        assert_eq!((&up.from, up.to.as_ref()), (&chain(&["left"]), Some(&chain(&[]))), "whatever the clocks say");
        assert_eq!([&up.checkpointed, &up.accepted, &up.proposed].map(heights), [Some(920), Some(29), Some(30)]);
        assert_eq!(up.proposed.as_ref().map(|moment| &moment.chain), Some(&chain(&[])), "by the root's clock");
        assert_eq!((over.to.as_ref(), &over.applied), (Some(&chain(&["right"])), &None));

        traces[0].steps.push(applied(44, place(&chain(&["right"]), 8), 0));
        let delivered = journey(&traces);
        assert_eq!((delivered.standing, delivered.exit_code), (Standing::Delivered, Some(0)));
        assert_eq!(heights(&delivered.hops[1].applied), Some(44));
        assert!(delivered.settled.is_none() && delivered.is_over(), "nobody answers a plain transfer");
    }

    #[test]
    fn a_message_with_a_forged_id_decides_nothing() {
        let [root, left, right] = [chain(&[]), chain(&["left"]), chain(&["right"])];
        let mut traces = on_the_root();
        // Another child sends a message with the same id: refused on the root, and delivered where the true one goes.
        let evil = chain(&["evil"]);
        let forged = place(&evil, 0);
        traces[1].steps.insert(0, applied(20, forged.clone(), 100));
        traces[1].steps.insert(0, applied(19, place(&evil, 1), 0));
        traces[1].steps.insert(0, down(&right, 6, 19, Some(place(&evil, 1))));
        traces[0].steps.push(applied(21, place(&right, 6), 0));
        assert_eq!(journey(&traces).standing, Standing::OnItsWay);
        assert_eq!(journey(&traces).hops.len(), 2);
        // Where it comes from nobody was asked: nothing tells it from the true one.
        assert_eq!(journey(&traces[..2]).standing, Standing::Ambiguous);
        // One chain at the right place, one at another.
        traces[0].steps.push(applied(44, place(&right, 8), 107));
        assert_eq!((journey(&traces).standing, journey(&traces).exit_code), (Standing::Refused, Some(107)));
        assert_eq!((root.is_root(), left.is_root()), (true, false));
    }

    #[test]
    fn a_refusal_counts_wherever_it_is_made_and_an_answer_says_it_without_that_chain() {
        let mut traces = on_the_root();
        let came = place(&chain(&["right"]), 8);
        traces[0].steps.push(applied(44, came.clone(), 107));
        let refused = journey(&traces);
        assert_eq!((refused.standing, refused.exit_code), (Standing::Refused, Some(107)));
        assert!(!refused.is_over(), "its value is on its way back");
        traces[0].steps.push(CrossStepInfo { came: Some(came), ..step(CrossEvent::Unclaimed, 44) });
        assert_eq!(heights(&journey(&traces).hops[1].unclaimed), Some(44));
        traces[0].steps.clear();
        traces[2].steps.push(answered(60, 107));
        let answered = journey(&traces);
        assert_eq!((answered.standing, answered.exit_code), (Standing::Refused, Some(107)));
        assert_eq!((heights(&answered.settled), answered.receipt), (Some(60), Some(Digest([3; 32]))));
        assert!(answered.is_over());
    }

    #[test]
    fn a_call_is_over_when_its_answer_is_back() {
        let mut traces = on_the_root();
        traces[0].steps.push(applied(44, place(&chain(&["right"]), 8), 0));
        traces[2].is_awaited = true;
        let delivered = journey(&traces);
        assert_eq!((delivered.standing, delivered.is_answered), (Standing::Delivered, Some(true)));
        assert!(!delivered.is_over());
        traces[2].is_awaited = false;
        traces[2].steps.push(answered(60, 0));
        assert!(journey(&traces).is_over());
        // Without a node of the chain that sent it nobody knows whether an answer is to come.
        let elsewhere = journey(&traces[..2]);
        assert_eq!(
            (elsewhere.standing, elsewhere.is_answered, elsewhere.is_over()),
            (Standing::Delivered, None, false)
        );
    }

    #[test]
    fn what_waits_for_somebody_is_shown() {
        let [root, left] = [chain(&[]), chain(&["left"])];
        let mut traces = [trace(&root, vec![]), trace(&left, vec![up(4, 15)])];
        let aside = CrossStepInfo { came: Some(place(&left, 4)), exit_code: Some(7), ..step(CrossEvent::SetAside, 31) };
        traces[0].steps.push(aside);
        let waiting = journey(&traces);
        assert_eq!((waiting.standing, heights(&waiting.hops[0].set_aside)), (Standing::OnItsWay, Some(31)));
        traces[0].steps.push(applied(40, place(&left, 4), 0));
        assert_eq!(journey(&traces).standing, Standing::Delivered, "somebody had it delivered again");

        let refund =
            CrossStepInfo { child: Some(left.clone()), nonce: Some(Nonce::new(1)), ..step(CrossEvent::Refunded, 50) };
        let ended = journey(&[trace(&root, vec![down(&left, 1, 9, None), refund])]);
        assert_eq!((ended.standing, ended.exit_code), (Standing::Refused, Some(109)));
    }

    #[test]
    fn what_nobody_has_seen_is_unknown() {
        assert_eq!(journey(&[]).standing, Standing::Unknown);
        assert_eq!(journey(&[trace(&chain(&[]), vec![])]).standing, Standing::Unknown);
    }
}
