//! What a block did to cross messages, read from the gateway's events, so that a message can be found by its id.

use fvm_ipld_encoding::from_slice;
use fvm_shared::error::ExitCode;
use fvm_shared::event::{ActorEvent, StampedEvent};
use serde::de::DeserializeOwned;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::events::{TYPE_KEY, gateway};
use subnet_types::{Digest, Height};

use crate::storage::{CrossStep, CrossTrace};

/// The traces of a block at `height`, in the order of its events.
pub(super) fn traces(height: Height, events: &[Vec<StampedEvent>]) -> Vec<(Digest, CrossTrace)> {
    events
        .iter()
        .flatten()
        .filter(|stamped| stamped.emitter == GATEWAY_ID)
        .filter_map(|stamped| {
            let (id, step) = step(&stamped.event)?;
            Some((id, CrossTrace { height, step }))
        })
        .collect()
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
    use subnet_types::Nonce;
    use subnet_types::events::EventBuilder;

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
    fn event_without_its_fields_leaves_no_trace() {
        let event = EventBuilder::new(gateway::MESSAGE_QUEUED_UP).indexed("id", &Digest([1; 32])).build();
        assert_eq!(traces(Height::new(1), &[vec![stamped(GATEWAY_ID, event)]]), vec![]);
    }
}
