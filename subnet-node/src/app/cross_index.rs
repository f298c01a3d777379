//! What a block did to cross messages, read from the actors' events, so that a message can be found by its id, and the
//! acceptance of a child's checkpoint by the checkpoint's digest.

use fvm_ipld_encoding::from_slice;
use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use fvm_shared::event::{ActorEvent, StampedEvent};
use serde::de::DeserializeOwned;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::events::{TYPE_KEY, checkpoint, gateway};
use subnet_types::{Digest, Height};

use crate::storage::{CrossStep, CrossTrace};

/// The traces of a block at `height`, in the order of its events.
pub(super) fn traces(height: Height, events: &[Vec<StampedEvent>]) -> Vec<(Digest, CrossTrace)> {
    events
        .iter()
        .flatten()
        .flat_map(|stamped| {
            if stamped.emitter == GATEWAY_ID {
                [step(&stamped.event), answered(&stamped.event)]
            } else {
                [accepted(stamped.emitter, &stamped.event), None]
            }
        })
        .flatten()
        .map(|(id, step)| (id, CrossTrace { height, step }))
        .collect()
}

/// What a receipt that arrived says of the message that it answers. One that does not count says nothing.
fn answered(event: &ActorEvent) -> Option<(Digest, CrossStep)> {
    if field::<String>(event, TYPE_KEY)? != gateway::MESSAGE_SETTLED || field::<u32>(event, "exit-code")? != 0 {
        return None;
    }
    let (receipt, exit_code) = (field(event, "id")?, ExitCode::new(field(event, "outcome")?));
    Some((field(event, "of")?, CrossStep::Answered { receipt, exit_code }))
}

/// That an actor accepted a checkpoint.
fn accepted(actor: ActorID, event: &ActorEvent) -> Option<(Digest, CrossStep)> {
    if field::<String>(event, TYPE_KEY)? != checkpoint::CHECKPOINT_ACCEPTED {
        return None;
    }
    Some((field(event, "digest")?, CrossStep::Accepted { actor, sequence: field(event, "sequence")? }))
}

/// An event that is about no cross message, or of a form that another version of the gateway writes, leaves no trace.
fn step(event: &ActorEvent) -> Option<(Digest, CrossStep)> {
    let id: Digest = field(event, "id")?;
    let step = match field::<String>(event, TYPE_KEY)?.as_str() {
        gateway::MESSAGE_QUEUED_DOWN => {
            CrossStep::QueuedDown { child: field(event, "actor")?, nonce: field(event, "nonce")? }
        }
        gateway::MESSAGE_QUEUED_UP => CrossStep::QueuedUp { nonce: field(event, "nonce")? },
        gateway::MESSAGE_SETTLED => CrossStep::Settled { exit_code: ExitCode::new(field(event, "exit-code")?) },
        gateway::VALUE_UNCLAIMED => CrossStep::Unclaimed,
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

    #[test]
    fn gateways_events_become_traces_and_others_do_not() {
        let id = Digest([7; 32]);
        let queued = EventBuilder::new(gateway::MESSAGE_QUEUED_DOWN)
            .indexed("actor", &105u64)
            .indexed("id", &id)
            .field("nonce", &Nonce::new(3))
            .build();
        let settled = EventBuilder::new(gateway::MESSAGE_SETTLED)
            .indexed("id", &id)
            .field("exit-code", &ExitCode::new(24).value())
            .build();
        let events = vec![
            vec![],
            vec![stamped(GATEWAY_ID, queued.clone()), stamped(200, settled.clone())],
            vec![stamped(GATEWAY_ID, settled)],
        ];
        let height = Height::new(9);
        let expected = [
            CrossStep::QueuedDown { child: 105, nonce: Nonce::new(3) },
            CrossStep::Settled { exit_code: ExitCode::new(24) },
        ];
        let expected: Vec<_> = expected.into_iter().map(|step| (id, CrossTrace { height, step })).collect();
        assert_eq!(traces(height, &events), expected);
    }

    #[test]
    fn receipts_answer_messages_and_checkpoints_are_accepted() {
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
        let events = vec![
            vec![stamped(GATEWAY_ID, settled(0)), stamped(200, settled(0))],
            vec![stamped(GATEWAY_ID, settled(114)), stamped(GATEWAY_ID, accepted.clone())],
            vec![stamped(200, accepted)],
        ];
        let steps: Vec<_> = traces(Height::new(9), &events).into_iter().map(|(id, trace)| (id, trace.step)).collect();
        let expected = [
            (id, CrossStep::Settled { exit_code: ExitCode::OK }),
            (of, CrossStep::Answered { receipt: id, exit_code: ExitCode::new(103) }),
            (id, CrossStep::Settled { exit_code: ExitCode::new(114) }),
            (digest, CrossStep::Accepted { actor: 200, sequence: Sequence::new(4) }),
        ];
        assert_eq!(steps, expected, "a receipt that does not count answers nothing, and the gateway accepts nothing");
    }

    #[test]
    fn event_without_its_fields_leaves_no_trace() {
        let event = EventBuilder::new(gateway::MESSAGE_QUEUED_UP).indexed("id", &Digest([1; 32])).build();
        assert_eq!(traces(Height::new(1), &[vec![stamped(GATEWAY_ID, event)]]), vec![]);
    }
}
