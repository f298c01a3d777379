//! What a block did to cross messages: the events of gateway and checkpoint actors, with the messages that they name, read
//! from the state.

use std::collections::BTreeMap;

use anyhow::Context;
use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_encoding::{CborStore as _, from_slice};
use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use fvm_shared::event::ActorEvent;
use gateway_actor::types::QueuedMessage;
use serde::de::DeserializeOwned;
use subnet_node::app::ChainReader;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::events::{TYPE_KEY, checkpoint, gateway};
use subnet_types::{CrossMessage, Digest, Nonce};

use super::Edge;
use crate::chain::Chain;

/// One thing that happened to a cross message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It waits for the child of this actor (downwards), or for a checkpoint (upwards).
    Queued {
        /// The child's checkpoint actor; `None` upwards.
        actor: Option<ActorID>,
        /// The message.
        message: Box<CrossMessage>,
    },
    /// It was delivered, went on, or was refused.
    Settled {
        /// Its id.
        id: Digest,
        /// Zero, or why it was refused.
        exit_code: ExitCode,
        /// Of a receipt that counts: what it answers, and the outcome it brings.
        answered: Option<(Digest, ExitCode)>,
    },
    /// The gateway would not take it from this checkpoint actor.
    SetAside {
        /// The actor.
        actor: ActorID,
        /// The message's number from that child.
        nonce: Nonce,
        /// How the gateway failed.
        exit_code: ExitCode,
    },
    /// What it brought is kept for an address.
    Kept {
        /// Its id.
        id: Digest,
    },
}

/// What the block that `chain` has just committed did, in order.
///
/// # Errors
/// When the chain cannot be read, or an event names a message that the state does not have.
pub fn of(edges: &[Edge], chain: &Chain) -> anyhow::Result<Vec<Fact>> {
    let reader = chain.reader()?;
    let mut facts = Vec::new();
    let mut up = None;
    for stamped in reader.events(reader.tip().height)?.iter().flatten() {
        let (emitter, event) = (stamped.emitter, &stamped.event);
        if emitter != GATEWAY_ID {
            let is_actor = edges.iter().any(|edge| edge.parent == chain.number && edge.actor == emitter);
            if is_actor && field::<String>(event, TYPE_KEY)? == checkpoint::MESSAGE_UNCLAIMED {
                let (nonce, exit_code) = (field(event, "nonce")?, field(event, "exit-code")?);
                facts.push(Fact::SetAside { actor: emitter, nonce, exit_code });
            }
            continue;
        }
        match field::<String>(event, TYPE_KEY)?.as_str() {
            gateway::MESSAGE_QUEUED_DOWN => {
                let actor = field(event, "actor")?;
                let message = queued_down(reader, actor, field(event, "nonce")?)?;
                facts.push(named(Fact::Queued { actor: Some(actor), message: Box::new(message) }, event)?);
            }
            gateway::MESSAGE_QUEUED_UP => {
                let waiting = match &mut up {
                    Some(waiting) => waiting,
                    none => none.insert(queued_up(reader)?),
                };
                let nonce: Nonce = field(event, "nonce")?;
                let message = waiting.get(&nonce).cloned();
                let message = message.with_context(|| format!("message {nonce} waits nowhere"))?;
                facts.push(named(Fact::Queued { actor: None, message: Box::new(message) }, event)?);
            }
            gateway::MESSAGE_SETTLED => {
                let (id, exit_code) = (field(event, "id")?, field(event, "exit-code")?);
                let of: Option<Digest> = maybe(event, "of")?;
                let answered = match of {
                    Some(of) => Some((of, field(event, "outcome")?)),
                    None => None,
                };
                facts.push(Fact::Settled { id, exit_code, answered });
            }
            gateway::VALUE_UNCLAIMED => facts.push(Fact::Kept { id: field(event, "id")? }),
            _ => {}
        }
    }
    Ok(facts)
}

/// The message that stands where the event says must be the one that the event names.
fn named(fact: Fact, event: &ActorEvent) -> anyhow::Result<Fact> {
    if let Fact::Queued { message, .. } = &fact {
        let id: Digest = field(event, "id")?;
        anyhow::ensure!(message.id == id, "message {} stands where {id} was queued", message.id);
    }
    Ok(fact)
}

fn queued_down(reader: &ChainReader, actor: ActorID, nonce: Nonce) -> anyhow::Result<CrossMessage> {
    let child = reader.latest_state()?.gateway()?.child(reader.store(), actor)?;
    let child = child.with_context(|| format!("a message for {actor}, which is no child"))?;
    let queued = Amt::<QueuedMessage, _>::load(&child.messages, reader.store())?.get(nonce.get())?.cloned();
    let queued = queued.with_context(|| format!("message {nonce} for {actor} is not in its queue"))?;
    message_in(reader, &queued.message)
}

/// The message in the block `cid`.
///
/// # Errors
/// When there is none.
pub(super) fn message_in(reader: &ChainReader, cid: &Cid) -> anyhow::Result<CrossMessage> {
    reader.store().get_cbor(cid)?.with_context(|| format!("the message {cid} is missing"))
}

/// The messages whose blocks an AMT names, in its order.
///
/// # Errors
/// When one is missing.
pub(super) fn messages_in(reader: &ChainReader, root: &Cid) -> anyhow::Result<Vec<CrossMessage>> {
    let mut cids = Vec::new();
    Amt::<Cid, _>::load(root, reader.store())?.for_each(|_, cid| {
        cids.push(*cid);
        Ok(())
    })?;
    cids.iter().map(|cid| message_in(reader, cid)).collect()
}

/// What waits for a checkpoint, or was cut just now, by nonce.
fn queued_up(reader: &ChainReader) -> anyhow::Result<BTreeMap<Nonce, CrossMessage>> {
    let gateway = reader.latest_state()?.gateway()?;
    let cut = gateway.last_cut.filter(|cut| cut.height == reader.tip().height).map(|cut| cut.messages_amt);
    let mut waiting = BTreeMap::new();
    for root in [Some(gateway.outbox.messages), cut].into_iter().flatten() {
        waiting.extend(messages_in(reader, &root)?.into_iter().map(|message| (message.nonce, message)));
    }
    Ok(waiting)
}

fn field<T: DeserializeOwned>(event: &ActorEvent, key: &str) -> anyhow::Result<T> {
    maybe(event, key)?.with_context(|| format!("event without {key}"))
}

fn maybe<T: DeserializeOwned>(event: &ActorEvent, key: &str) -> anyhow::Result<Option<T>> {
    let entry = event.entries.iter().find(|entry| entry.key == key);
    Ok(entry.map(|entry| from_slice(&entry.value)).transpose()?)
}

#[cfg(test)]
mod tests {
    use fvm_shared::event::{Entry, Flags};
    use subnet_types::hash::encode;

    use super::*;
    use crate::checks::journeys::tests::message;

    fn event(key: &str, id: &Digest) -> ActorEvent {
        let entry = Entry { flags: Flags::empty(), key: key.to_owned(), codec: 0x51, value: encode(id) };
        ActorEvent { entries: vec![entry] }
    }

    #[test]
    fn events_that_name_another_message_than_the_state_has_are_found() {
        let queued = || Fact::Queued { actor: None, message: Box::new(message(0)) };
        named(queued(), &event("id", &message(0).id)).unwrap();
        let found = named(queued(), &event("id", &message(1).id)).unwrap_err();
        assert!(found.to_string().contains("stands where"), "{found}");
        let found = named(queued(), &event("of", &message(0).id)).unwrap_err();
        assert!(found.to_string().contains("event without id"), "{found}");
    }
}
