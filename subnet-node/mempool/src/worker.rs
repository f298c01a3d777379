//! The thread that judges what gossip brings. Signatures and state reads take milliseconds, which the network's task
//! must not.

use tokio::sync::mpsc;

use crate::gossip::{GossipHandle, Inbound, PeerId, Verdict};
use crate::limits::{PULL_BYTES_MAX, PULL_MESSAGES_MAX};
use crate::pool::Admission;
use crate::rules::decode;
use crate::service::{Core, PushError};

/// Until gossip ends.
pub(crate) fn run(core: &Core, gossip: &GossipHandle, mut inbound: mpsc::Receiver<Inbound>) {
    while let Some(inbound) = inbound.blocking_recv() {
        match inbound {
            Inbound::Message { peer, id, bytes } => gossip.report(peer, id, judge(core, &bytes)),
            Inbound::Pulled { peer, messages } => accept_pulled(core, gossip, peer, messages),
            Inbound::PullAsked { answer } => gossip.answer(answer, core.sample(PULL_MESSAGES_MAX, PULL_BYTES_MAX)),
        }
    }
}

/// What is new here may be new to this node's other peers, who may have asked before it came: it is published once.
fn accept_pulled(core: &Core, gossip: &GossipHandle, peer: PeerId, messages: Vec<Vec<u8>>) {
    for bytes in messages {
        match judge(core, &bytes) {
            // Too much at once: whoever pushed it publishes it again.
            Verdict::Accept => drop(gossip.publish(bytes)),
            Verdict::Ignore => {}
            // One bad message spoils the rest: an honest peer admitted each of them itself.
            Verdict::Fault => return gossip.fault(peer),
        }
    }
}

fn judge(core: &Core, bytes: &[u8]) -> Verdict {
    let signed = match decode(bytes) {
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
