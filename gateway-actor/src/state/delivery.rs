//! What is refused, and what a message's fee has to pay.

use fvm_shared::address::Protocol;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::SubnetId;
use subnet_types::actors::refusal;
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::limits::CROSS_CALL_GAS_MAX;
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
    /// Why `message`, which came over `edge`, is refused wherever it goes; `None` when it is not.
    pub fn refusal(&self, message: &CrossMessage, edge: Edge<'_>) -> Option<ExitCode> {
        let (origin, destination) = (&message.origin.subnet, &message.destination.subnet);
        let (is_forged, is_astray) = match edge {
            Edge::Parent => (origin.is_within(&self.subnet), !destination.is_within(&self.subnet)),
            Edge::Child(child) => (!origin.is_within(child), destination.is_within(child)),
        };
        let is_call = matches!(message.kind, CrossKind::Call { .. });
        let rules = [
            (is_forged, refusal::FORGED_ORIGIN),
            (is_astray, refusal::WRONG_DIRECTION),
            (is_call && message.gas_limit > CROSS_CALL_GAS_MAX, refusal::GAS_LIMIT),
        ];
        rules.into_iter().find_map(|(is_broken, code)| is_broken.then_some(code))
    }
}

/// Why `message`, which is no receipt, is refused by the chain that it is for, at `height`; `None` when it is not.
pub fn refusal_here(message: &CrossMessage, height: Height) -> Option<ExitCode> {
    // Ids of this chain come back in receipts alone: actors without another address sent with them.
    let is_id = message.destination.address.protocol() == Protocol::ID;
    let rules =
        [(message.expires.is_some_and(|expires| height >= expires), refusal::EXPIRED), (is_id, refusal::RECIPIENT)];
    rules.into_iter().find_map(|(is_broken, code)| is_broken.then_some(code))
}

/// What arriving over an edge with this price takes of a message's fee.
pub fn arrival_fee(price: &TokenAmount, message: &CrossMessage) -> TokenAmount {
    price * message.delivery_gas()
}

/// What a message's fee must be at least to set out over an edge with this price: enough for the way there and back.
pub fn departure_fee(price: &TokenAmount, message: &CrossMessage) -> TokenAmount {
    price * message.departure_gas()
}

/// The answer to `message`, which is no receipt itself.
pub fn receipt_of(message: &CrossMessage, exit_code: ExitCode) -> Draft {
    let kind = CrossKind::Receipt {
        of: message.id,
        of_sequence: message.origin_sequence,
        exit_code,
        return_data: Default::default(),
    };
    // Under the address that was meant, on the chain that answers.
    Draft::new(message.destination.address, message.origin.clone(), TokenAmount::default(), kind)
}
