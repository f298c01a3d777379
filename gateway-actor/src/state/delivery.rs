//! What is delivered, what is refused, and where the value of a refused message goes.

use fvm_shared::address::Protocol;
use fvm_shared::error::ExitCode;
use subnet_types::SubnetId;
use subnet_types::actors::refusal;
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::quantity::Height;

use super::State;
use crate::types::Draft;

/// From where a message reaches this chain.
#[derive(Clone, Copy, Debug)]
pub enum Edge<'a> {
    /// Down from the parent.
    Parent,
    /// Up from this child.
    Child(&'a SubnetId),
}

impl State {
    /// Why `message`, which came over `edge` at `height`, is refused by its own content; `None` when it is not.
    pub fn refusal(&self, message: &CrossMessage, edge: Edge<'_>, height: Height) -> Option<ExitCode> {
        let (origin, destination) = (&message.origin.subnet, &message.destination.subnet);
        let (is_forged, is_astray) = match edge {
            Edge::Parent => (origin.is_within(&self.subnet), !destination.is_within(&self.subnet)),
            Edge::Child(child) => (!origin.is_within(child), destination.is_within(child)),
        };
        let is_receipt = matches!(message.kind, CrossKind::Receipt { .. });
        // Ids of this chain come back in receipts: actors without another address sent with them.
        let is_id = message.destination.address.protocol() == Protocol::ID && !is_receipt;
        let rules = [
            (is_forged, refusal::FORGED_ORIGIN),
            (is_astray, refusal::WRONG_DIRECTION),
            (*destination != self.subnet, refusal::NO_ROUTE),
            (message.expires.is_some_and(|expires| height >= expires), refusal::EXPIRED),
            (!message.fee.is_zero(), refusal::FEE),
            (matches!(message.kind, CrossKind::Call { .. }), refusal::CALL),
            (is_id, refusal::RECIPIENT),
        ];
        rules.into_iter().find_map(|(is_broken, code)| is_broken.then_some(code))
    }

    /// The receipt that carries the whole amount of a refused message back to where it came from. A receipt itself
    /// never produces one: `None`.
    pub fn receipt_for(&self, message: &CrossMessage, exit_code: ExitCode) -> Option<Draft> {
        if matches!(message.kind, CrossKind::Receipt { .. }) {
            return None;
        }
        Some(Draft {
            // Under the address that was meant, on the chain that refused.
            origin: message.destination.address,
            destination: message.origin.clone(),
            value: message.amount(),
            kind: CrossKind::Receipt {
                of: message.id,
                of_sequence: message.origin_sequence,
                exit_code,
                return_data: Default::default(),
            },
        })
    }
}
