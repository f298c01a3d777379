//! What a block did to cross messages, read from the actors' events, so that a message can be found by its id, and the
//! acceptance of a child's checkpoint by the checkpoint's digest.

use fvm_ipld_encoding::from_slice;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use fvm_shared::event::{ActorEvent, StampedEvent};
use serde::de::DeserializeOwned;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::events::{TYPE_KEY, checkpoint, gateway};
use subnet_types::{Digest, Height};

use crate::storage::{CrossOrigin, CrossStep, CrossTrace};

/// The traces of a block at `height`, in the order of its events. Any actor can emit what a checkpoint actor does, so
/// `is_child` says who is one. It is asked once for each emitter: a block has room for some hundred thousand events of
/// one actor.
///
/// # Errors
/// Those of `is_child`.
pub(super) fn traces<E>(
    height: Height,
    events: &[Vec<StampedEvent>],
    mut is_child: impl FnMut(ActorID) -> Result<bool, E>,
) -> Result<Vec<(Digest, CrossTrace)>, E> {
    let mut traces = Vec::new();
    let mut emitters = BTreeMap::new();
    for StampedEvent { emitter, event } in events.iter().flatten() {
        let steps = if *emitter == GATEWAY_ID {
            [step(event), answered(event)]
        } else {
            if emitters.get(emitter) == Some(&false) {
                continue;
            }
            let Some(found) = of_child(*emitter, event) else { continue };
            let is_known = match emitters.entry(*emitter) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => *unknown.insert(is_child(*emitter)?),
            };
            [is_known.then_some(found), None]
        };
        traces.extend(steps.into_iter().flatten().map(|(id, step)| (id, CrossTrace { height, step })));
    }
    Ok(traces)
}

/// What a receipt that arrived says of the message that it answers. One that does not count says nothing.
fn answered(event: &ActorEvent) -> Option<(Digest, CrossStep)> {
    if field::<String>(event, TYPE_KEY)? != gateway::MESSAGE_SETTLED || field::<u32>(event, "exit-code")? != 0 {
        return None;
    }
    let (receipt, exit_code) = (field(event, "id")?, ExitCode::new(field(event, "outcome")?));
    Some((field(event, "of")?, CrossStep::Answered { receipt, exit_code }))
}

/// What a checkpoint actor did: accepted a checkpoint, or set a message aside.
fn of_child(actor: ActorID, event: &ActorEvent) -> Option<(Digest, CrossStep)> {
    match field::<String>(event, TYPE_KEY)?.as_str() {
        checkpoint::CHECKPOINT_ACCEPTED => {
            Some((field(event, "digest")?, CrossStep::Accepted { actor, sequence: field(event, "sequence")? }))
        }
        checkpoint::MESSAGE_UNCLAIMED => {
            let came = CrossOrigin { child: Some(actor), nonce: field(event, "nonce")? };
            let exit_code = ExitCode::new(field(event, "exit-code")?);
            Some((field(event, "id")?, CrossStep::SetAside { came, exit_code }))
        }
        _ => None,
    }
}

/// By which way a message came; `None` when it set out here.
fn came(event: &ActorEvent) -> Option<CrossOrigin> {
    let nonce = field(event, gateway::FROM_NONCE_KEY)?;
    Some(CrossOrigin { child: field(event, gateway::FROM_ACTOR_KEY), nonce })
}

/// An event that is about no cross message, or of a form that another version of the gateway writes, leaves no trace.
fn step(event: &ActorEvent) -> Option<(Digest, CrossStep)> {
    let id: Digest = field(event, "id")?;
    let step = match field::<String>(event, TYPE_KEY)?.as_str() {
        gateway::MESSAGE_QUEUED_DOWN => {
            CrossStep::QueuedDown { child: field(event, "actor")?, nonce: field(event, "nonce")?, came: came(event) }
        }
        gateway::MESSAGE_QUEUED_UP => CrossStep::QueuedUp { nonce: field(event, "nonce")?, came: came(event) },
        gateway::MESSAGE_SETTLED => {
            CrossStep::Settled { exit_code: ExitCode::new(field(event, "exit-code")?), came: came(event) }
        }
        gateway::VALUE_UNCLAIMED => CrossStep::Unclaimed { came: came(event) },
        gateway::MESSAGE_REFUNDED => {
            CrossStep::Refunded { child: field(event, "actor")?, nonce: field(event, "nonce")? }
        }
        _ => return None,
    };
    Some((id, step))
}

fn field<T: DeserializeOwned>(event: &ActorEvent, key: &str) -> Option<T> {
    let entry = event.entries.iter().find(|entry| entry.key == key)?;
    from_slice(&entry.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::events::EventBuilder;
    use subnet_types::{Nonce, Sequence};

    fn stamped(emitter: u64, event: ActorEvent) -> StampedEvent {
        StampedEvent::new(emitter, event)
    }

    /// The steps of some events; the children's actors are 200 and above.
    fn steps(events: Vec<StampedEvent>) -> Vec<(Digest, CrossStep)> {
        let is_child = |actor| Ok::<_, std::convert::Infallible>(actor >= 200);
        let Ok(traces) = traces(Height::new(9), &[vec![], events], is_child);
        traces.into_iter().map(|(id, trace)| (id, trace.step)).collect()
    }

    #[test]
    fn gateways_events_become_traces_with_the_way_that_a_message_came() {
        let id = Digest([7; 32]);
        let queued = || {
            EventBuilder::new(gateway::MESSAGE_QUEUED_DOWN)
                .indexed("actor", &105u64)
                .indexed("id", &id)
                .field("nonce", &Nonce::new(3))
        };
        let settled = EventBuilder::new(gateway::MESSAGE_SETTLED).indexed("id", &id).field("exit-code", &24u32);
        let settled = settled.field(gateway::FROM_NONCE_KEY, &Nonce::new(6));
        let from_child = settled.clone().field(gateway::FROM_ACTOR_KEY, &200u64);
        let refunded = EventBuilder::new(gateway::MESSAGE_REFUNDED)
            .indexed("actor", &105u64)
            .indexed("id", &id)
            .field("nonce", &Nonce::new(4));
        let events = [
            queued(),
            queued().field(gateway::FROM_NONCE_KEY, &Nonce::new(1)),
            settled.clone(),
            from_child.clone(),
            refunded,
        ];
        let mut events: Vec<_> = events.into_iter().map(|event| stamped(GATEWAY_ID, event.build())).collect();
        events.push(stamped(200, from_child.build()));
        let (child, nonce, exit_code) = (105, Nonce::new(3), ExitCode::new(24));
        let came = |child, nonce| Some(CrossOrigin { child, nonce: Nonce::new(nonce) });
        let expected = [
            CrossStep::QueuedDown { child, nonce, came: None },
            CrossStep::QueuedDown { child, nonce, came: came(None, 1) },
            CrossStep::Settled { exit_code, came: came(None, 6) },
            CrossStep::Settled { exit_code, came: came(Some(200), 6) },
            CrossStep::Refunded { child, nonce: Nonce::new(4) },
        ];
        assert_eq!(steps(events), expected.map(|step| (id, step)), "only the gateway's word counts");
    }

    #[test]
    fn receipts_answer_messages_and_only_children_accept_checkpoints_and_set_messages_aside() {
        let (id, of, digest) = (Digest([7; 32]), Digest([8; 32]), Digest([9; 32]));
        let settled = |exit_code: u32| {
            EventBuilder::new(gateway::MESSAGE_SETTLED)
                .indexed("id", &id)
                .field("exit-code", &exit_code)
                .field("of", &of)
                .field("outcome", &103u32)
                .build()
        };
        let accepted = EventBuilder::new(checkpoint::CHECKPOINT_ACCEPTED)
            .indexed("sequence", &Sequence::new(4))
            .indexed("digest", &digest)
            .build();
        let aside = EventBuilder::new(checkpoint::MESSAGE_UNCLAIMED)
            .indexed("id", &of)
            .indexed("nonce", &Nonce::new(5))
            .field("exit-code", &7u32)
            .build();
        let events = vec![
            stamped(GATEWAY_ID, settled(0)),
            stamped(200, settled(0)),
            stamped(GATEWAY_ID, settled(114)),
            stamped(GATEWAY_ID, accepted.clone()),
            stamped(199, accepted.clone()),
            stamped(200, accepted),
            stamped(199, aside.clone()),
            stamped(200, aside),
        ];
        let came = CrossOrigin { child: Some(200), nonce: Nonce::new(5) };
        let expected = [
            (id, CrossStep::Settled { exit_code: ExitCode::OK, came: None }),
            (of, CrossStep::Answered { receipt: id, exit_code: ExitCode::new(103) }),
            (id, CrossStep::Settled { exit_code: ExitCode::new(114), came: None }),
            (digest, CrossStep::Accepted { actor: 200, sequence: Sequence::new(4) }),
            (of, CrossStep::SetAside { came, exit_code: ExitCode::new(7) }),
        ];
        assert_eq!(steps(events), expected, "a receipt that does not count answers nothing");
    }

    #[test]
    fn each_emitter_is_looked_up_once() {
        let accepted = EventBuilder::new(checkpoint::CHECKPOINT_ACCEPTED)
            .indexed("sequence", &Sequence::new(4))
            .indexed("digest", &Digest([9; 32]))
            .build();
        let events: Vec<_> = (0..3_000).map(|n| stamped(199 + n % 3, accepted.clone())).collect();
        let mut asked = Vec::new();
        let is_child = |actor| {
            asked.push(actor);
            Ok::<_, std::convert::Infallible>(actor == 200)
        };
        let Ok(found) = traces(Height::new(9), &[events], is_child);
        assert_eq!((found.len(), asked), (1_000, vec![199, 200, 201]));
    }

    #[test]
    fn event_without_its_fields_leaves_no_trace() {
        let event = EventBuilder::new(gateway::MESSAGE_QUEUED_UP).indexed("id", &Digest([1; 32])).build();
        assert_eq!(steps(vec![stamped(GATEWAY_ID, event)]), vec![]);
    }
}
