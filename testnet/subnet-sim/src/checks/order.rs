//! Every nonce is applied once and in order, where applied means delivered or refused: told from the gateway's events and
//! compared with its cursors.

use anyhow::{Context, bail, ensure};
use fvm_ipld_encoding::from_slice;
use fvm_shared::ActorID;
use fvm_shared::event::ActorEvent;
use serde::de::DeserializeOwned;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::events::{TYPE_KEY, gateway};
use subnet_types::{Digest, Nonce};

use super::Edge;
use crate::chain::Chain;

/// Takes in the events of the block that `chain` has just committed.
///
/// # Errors
/// When a nonce is skipped, repeated or out of order, or a cursor does not count what the events say.
pub fn check(edges: &mut [Edge], chain: &Chain) -> anyhow::Result<()> {
    let reader = chain.reader()?;
    for stamped in reader.events(reader.tip().height)?.iter().flatten().filter(|event| event.emitter == GATEWAY_ID) {
        take(edges, chain.number, &stamped.event)?;
    }
    let state = reader.latest_state()?;
    let own = state.gateway()?;
    for edge in edges.iter() {
        if edge.child == chain.number {
            let cursor = own.parent.as_ref().context("a subnet has a parent")?.next_nonce;
            ensure!(cursor.get() == edge.applied as u64, "applied {} from above, cursor {cursor}", edge.applied);
            let next = own.outbox.next_nonce();
            ensure!(next.get() == edge.up.len() as u64, "queued {} up, next nonce {next}", edge.up.len());
        }
        if edge.parent == chain.number {
            let actor = state.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
            let cursor = actor.next_delivery_nonce;
            ensure!(cursor.get() == edge.delivered as u64, "delivered {} from below, cursor {cursor}", edge.delivered);
            let child = own.child(reader.store(), edge.actor)?.context("a child does not vanish")?;
            ensure!(
                child.next_nonce.get() == edge.down.len() as u64,
                "queued {} down, next nonce {}",
                edge.down.len(),
                child.next_nonce
            );
        }
    }
    Ok(())
}

fn take(edges: &mut [Edge], chain: usize, event: &ActorEvent) -> anyhow::Result<()> {
    let kind: String = field(event, TYPE_KEY)?;
    match kind.as_str() {
        gateway::MESSAGE_QUEUED_DOWN => {
            let actor: ActorID = field(event, "actor")?;
            let edge = edges.iter_mut().find(|edge| edge.parent == chain && edge.actor == actor);
            queued(&mut edge.context("a message for a child that is not there")?.down, event)
        }
        gateway::MESSAGE_QUEUED_UP => {
            let edge = edges.iter_mut().find(|edge| edge.child == chain);
            queued(&mut edge.context("a message up from a root")?.up, event)
        }
        gateway::MESSAGE_SETTLED => settled(edges, chain, &field(event, "id")?),
        _ => Ok(()),
    }
}

fn queued(queue: &mut Vec<Digest>, event: &ActorEvent) -> anyhow::Result<()> {
    let (id, nonce): (Digest, Nonce) = (field(event, "id")?, field(event, "nonce")?);
    ensure!(nonce.get() == queue.len() as u64, "message {id} was queued with nonce {nonce}, expected {}", queue.len());
    queue.push(id);
    Ok(())
}

/// A message that settles here is the next of one of the edges on which it can have come.
fn settled(edges: &mut [Edge], chain: usize, id: &Digest) -> anyhow::Result<()> {
    for edge in edges {
        if edge.child == chain && edge.down.get(edge.applied) == Some(id) {
            edge.applied += 1;
            return Ok(());
        }
        if edge.parent == chain && edge.up.get(edge.delivered) == Some(id) {
            edge.delivered += 1;
            return Ok(());
        }
    }
    bail!("message {id} settled, and is the next of no edge")
}

fn field<T: DeserializeOwned>(event: &ActorEvent, key: &str) -> anyhow::Result<T> {
    let entry = event.entries.iter().find(|entry| entry.key == key);
    Ok(from_slice(&entry.with_context(|| format!("event without {key}"))?.value)?)
}
