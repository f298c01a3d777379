//! The thread that judges what gossip brings. Signatures and state reads take milliseconds, which the network's task
//! must not.

use subnet_types::SignedMessage;
use tokio::sync::mpsc;

use crate::gossip::{GossipHandle, Inbound, PeerId, Verdict};
use crate::limits::{JUDGED_TOGETHER_MAX, PULL_BYTES_MAX, PULL_MESSAGES_MAX};
use crate::pool::Admission;
use crate::rejection::Rejection;
use crate::rules::decode;
use crate::service::{Core, PushError};

/// Until gossip ends. Messages that wait are judged together.
pub(crate) fn run(core: &Core, gossip: &GossipHandle, mut inbound: mpsc::Receiver<Inbound>) {
    let mut next = inbound.blocking_recv();
    while let Some(first) = next.take() {
        match first {
            Inbound::Message { peer, id, bytes } => {
                let (mut sources, mut batch) = (vec![(peer, id)], vec![bytes]);
                while batch.len() < JUDGED_TOGETHER_MAX && next.is_none() {
                    match inbound.try_recv() {
                        Ok(Inbound::Message { peer, id, bytes }) => {
                            sources.push((peer, id));
                            batch.push(bytes);
                        }
                        Ok(other) => next = Some(other),
                        Err(_) => break,
                    }
                }
                for ((peer, id), verdict) in sources.into_iter().zip(judge(core, &batch)) {
                    gossip.report(peer, id, verdict);
                }
            }
            Inbound::Pulled { peer, messages } => accept_pulled(core, gossip, peer, messages),
            Inbound::PullAsked { answer } => gossip.answer(answer, core.sample(PULL_MESSAGES_MAX, PULL_BYTES_MAX)),
        }
        if next.is_none() {
            next = inbound.blocking_recv();
        }
    }
}

/// What is new here may be new to this node's other peers, who may have asked before it came: it is published once.
fn accept_pulled(core: &Core, gossip: &GossipHandle, peer: PeerId, messages: Vec<Vec<u8>>) {
    for batch in messages.chunks(JUDGED_TOGETHER_MAX) {
        for (bytes, verdict) in batch.iter().zip(judge(core, batch)) {
            match verdict {
                // Too much at once: whoever pushed it publishes it again.
                Verdict::Accept => drop(gossip.publish(bytes.clone())),
                Verdict::Ignore => {}
                // One bad message spoils the rest: an honest peer admitted each of them itself.
                Verdict::Fault => return gossip.fault(peer),
            }
        }
    }
}

/// Judges messages in their order, each when its verdict is asked for; their signatures before that on all cores.
fn judge<'a>(core: &'a Core, batch: &[Vec<u8>]) -> impl Iterator<Item = Verdict> + use<'a> {
    let decoded: Vec<Result<SignedMessage, Rejection>> = batch.iter().map(|bytes| decode(bytes)).collect();
    if batch.len() > 1 {
        core.learn(decoded.iter().flatten());
    }
    decoded.into_iter().map(|decoded| judge_decoded(core, decoded))
}

fn judge_decoded(core: &Core, decoded: Result<SignedMessage, Rejection>) -> Verdict {
    let signed = match decoded {
        Ok(signed) => signed,
        Err(rejection) => {
            core.count_garbage();
            tracing::debug!(%rejection, "message refused");
            return Verdict::Fault;
        }
    };
    let (from, nonce) = (signed.message.from, signed.message.sequence);
    match core.admit(signed) {
        Ok(Admission::Added { .. }) => Verdict::Accept,
        Ok(Admission::Duplicate { .. }) => Verdict::Ignore,
        Err(PushError::Rejected(rejection)) => {
            tracing::debug!(%from, nonce, %rejection, "message refused");
            if rejection.is_fault() { Verdict::Fault } else { Verdict::Ignore }
        }
        Err(PushError::Fatal(failure)) => {
            tracing::error!(%failure, "the state cannot be read; the node must stop");
            Verdict::Ignore
        }
    }
}
