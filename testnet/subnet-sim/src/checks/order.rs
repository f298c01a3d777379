//! Every nonce is applied once and in order, where applied means delivered or refused: told from the gateway's events and
//! compared with its cursors.

use anyhow::{Context, bail, ensure};
use subnet_types::Digest;

use super::facts::Fact;
use super::{Edge, Lane, Queued};
use crate::chain::Chain;

/// Over which edge a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The edge's position among all.
    pub edge: usize,
    /// Whether it came from the parent.
    pub is_down: bool,
}

/// Takes in one thing that happened on chain `number`. Returns the edge over which a message arrived, or over which it
/// is to leave.
///
/// # Errors
/// When a nonce is skipped, repeated or out of order.
pub fn take(edges: &mut [Edge], number: usize, fact: &Fact) -> anyhow::Result<Option<Arrival>> {
    match fact {
        Fact::Queued { actor, message } => {
            let is_of = |edge: &Edge| match actor {
                Some(actor) => edge.parent == number && edge.actor == *actor,
                None => edge.child == number,
            };
            let found = edges.iter().position(is_of);
            let edge = found.context("a message for a child that is not there, or up from a root")?;
            let is_down = actor.is_some();
            let lane = if is_down { &mut edges[edge].down } else { &mut edges[edge].up };
            let (nonce, expected) = (message.nonce.get(), lane.queued.len());
            ensure!(nonce == expected as u64, "{} was queued with nonce {nonce}, expected {expected}", message.id);
            let queued = Queued::of(message);
            lane.queued_total += &queued.amount;
            lane.queued.push(queued);
            Ok(Some(Arrival { edge, is_down }))
        }
        Fact::Settled { id, .. } => settled(edges, number, id).map(Some),
        Fact::SetAside { actor, nonce, exit_code } => {
            bail!("the gateway failed at message {nonce} from {actor} with {exit_code}")
        }
        Fact::Kept { .. } => Ok(None),
    }
}

/// A message that settles here is the next of one of the edges on which it can have come.
fn settled(edges: &mut [Edge], number: usize, id: &Digest) -> anyhow::Result<Arrival> {
    for (position, edge) in edges.iter_mut().enumerate() {
        let lanes = [(edge.child == number, true, &mut edge.down), (edge.parent == number, false, &mut edge.up)];
        for (ends_here, is_down, lane) in lanes {
            if ends_here && arrived(lane, id) {
                return Ok(Arrival { edge: position, is_down });
            }
        }
    }
    bail!("message {id} settled, and is the next of no edge")
}

fn arrived(lane: &mut Lane, id: &Digest) -> bool {
    let Some(next) = lane.queued.get(lane.arrived).filter(|next| next.id == *id) else { return false };
    lane.arrived_total += &next.amount;
    lane.arrived += 1;
    true
}

/// Compares the cursors in the state of `chain` with what its events said.
///
/// # Errors
/// When they differ, or a chain cannot be read.
pub fn check_cursors(edges: &[Edge], chain: &Chain) -> anyhow::Result<()> {
    let reader = chain.reader()?;
    let state = reader.latest_state()?;
    let own = state.gateway()?;
    for edge in edges {
        if edge.child == chain.number {
            let cursor = own.parent.as_ref().context("a subnet has a parent")?.next_nonce;
            equal("applied from above", edge.down.arrived, cursor.get())?;
            equal("queued up", edge.up.queued.len(), own.outbox.next_nonce().get())?;
        }
        if edge.parent == chain.number {
            let actor = state.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
            equal("delivered from below", edge.up.arrived, actor.next_delivery_nonce.get())?;
            let child = own.child(reader.store(), edge.actor)?.context("a child does not vanish")?;
            equal("queued down", edge.down.queued.len(), child.next_nonce.get())?;
        }
    }
    Ok(())
}

fn equal(what: &str, counted: usize, cursor: u64) -> anyhow::Result<()> {
    ensure!(cursor == counted as u64, "{what}: {counted} by the events, the cursor is {cursor}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use fvm_shared::ActorID;
    use fvm_shared::error::ExitCode;
    use subnet_types::Nonce;

    use super::*;
    use crate::checks::journeys::tests::message;

    const ROOT: usize = 0;
    const SUBNET: usize = 1;
    const ACTOR: ActorID = 105;

    fn edges() -> Vec<Edge> {
        vec![Edge::new(SUBNET, ROOT, ACTOR, Digest::ZERO)]
    }

    fn down(sequence: u64, nonce: u64) -> Fact {
        let message = subnet_types::CrossMessage { nonce: Nonce::new(nonce), ..message(sequence) };
        Fact::Queued { actor: Some(ACTOR), message: Box::new(message) }
    }

    fn settles(sequence: u64) -> Fact {
        Fact::Settled { id: message(sequence).id, exit_code: ExitCode::OK, answered: None }
    }

    #[test]
    fn messages_settle_once_and_in_the_order_in_which_they_were_queued() {
        let mut edges = edges();
        take(&mut edges, ROOT, &down(1, 0)).unwrap();
        take(&mut edges, ROOT, &down(2, 1)).unwrap();
        assert!(take(&mut edges, SUBNET, &settles(2)).is_err(), "the first one is passed over");
        assert!(take(&mut edges, ROOT, &settles(1)).is_err(), "it goes the other way");
        take(&mut edges, SUBNET, &settles(1)).unwrap();
        assert!(take(&mut edges, SUBNET, &settles(1)).is_err(), "once");
        take(&mut edges, SUBNET, &settles(2)).unwrap();
        assert!(take(&mut edges, SUBNET, &settles(3)).is_err(), "nobody queued it");
        assert_eq!(edges[0].down.arrived_total, edges[0].down.queued_total);
    }

    #[test]
    fn nonces_are_given_without_gap_or_repeat() {
        let mut edges = edges();
        assert!(take(&mut edges, ROOT, &down(1, 1)).is_err(), "a gap");
        take(&mut edges, ROOT, &down(1, 0)).unwrap();
        assert!(take(&mut edges, ROOT, &down(2, 0)).is_err(), "a repeat");
        assert!(take(&mut edges, SUBNET, &down(2, 1)).is_err(), "no child of that chain");
    }

    #[test]
    fn messages_that_no_gateway_takes_are_found() {
        let fact = Fact::SetAside { actor: ACTOR, nonce: Nonce::ZERO, exit_code: ExitCode::USR_ILLEGAL_STATE };
        assert!(take(&mut edges(), ROOT, &fact).is_err());
    }
}
