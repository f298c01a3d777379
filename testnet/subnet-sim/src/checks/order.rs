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

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::econ::TokenAmount;
    use subnet_types::events::EventBuilder;
    use subnet_types::{ConfigurationNumber, Sequence};

    const ROOT: usize = 0;
    const SUBNET: usize = 1;
    const ACTOR: ActorID = 105;

    fn edge() -> Edge {
        Edge {
            child: SUBNET,
            parent: ROOT,
            actor: ACTOR,
            down: Vec::new(),
            applied: 0,
            up: Vec::new(),
            delivered: 0,
            accepted: Sequence::ZERO,
            digest: Digest::ZERO,
            confirmed: ConfigurationNumber::FIRST,
            burned_reported: TokenAmount::default(),
            moved: TokenAmount::default(),
        }
    }

    fn id(number: u8) -> Digest {
        Digest([number; 32])
    }

    fn down(number: u8, nonce: u64) -> ActorEvent {
        EventBuilder::new(gateway::MESSAGE_QUEUED_DOWN)
            .indexed("actor", &ACTOR)
            .indexed("id", &id(number))
            .field("nonce", &Nonce::new(nonce))
            .build()
    }

    fn settles(number: u8) -> ActorEvent {
        EventBuilder::new(gateway::MESSAGE_SETTLED).indexed("id", &id(number)).field("exit-code", &0u32).build()
    }

    #[test]
    fn messages_settle_once_and_in_the_order_in_which_they_were_queued() {
        let mut edges = vec![edge()];
        take(&mut edges, ROOT, &down(1, 0)).unwrap();
        take(&mut edges, ROOT, &down(2, 1)).unwrap();
        assert!(take(&mut edges, SUBNET, &settles(2)).is_err(), "the first one is passed over");
        assert!(take(&mut edges, ROOT, &settles(1)).is_err(), "it goes the other way");
        take(&mut edges, SUBNET, &settles(1)).unwrap();
        assert!(take(&mut edges, SUBNET, &settles(1)).is_err(), "once");
        take(&mut edges, SUBNET, &settles(2)).unwrap();
        assert!(take(&mut edges, SUBNET, &settles(3)).is_err(), "nobody queued it");
    }

    #[test]
    fn nonces_are_given_without_gap_or_repeat() {
        let mut edges = vec![edge()];
        assert!(take(&mut edges, ROOT, &down(1, 1)).is_err(), "a gap");
        take(&mut edges, ROOT, &down(1, 0)).unwrap();
        assert!(take(&mut edges, ROOT, &down(2, 0)).is_err(), "a repeat");
        assert!(take(&mut edges, SUBNET, &down(2, 1)).is_err(), "no child of that chain");
    }
}
