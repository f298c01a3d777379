//! What anyone may ask of the gateway: to send a message, to answer a call, to have value credited that was kept.

use actor_runtime::{ActorError, Runtime, decode_params};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{AnswerParams, ClaimParams, EnqueueReturn, SendParams, refusal};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::limits::{CROSS_CALL_GAS_MAX, CROSS_RETURN_BYTES_MAX, SUBNET_DEPTH_MAX};

use crate::children::height;
use crate::state::{State, Way, departure_fee};
use crate::types::{Draft, GatewayError};
use crate::{events, ext};

/// The parameters of [`send`]. A destination below the deepest chain that may be has no name here; who asks for one learns
/// just that, and not that the parameters are none.
pub(crate) fn decode(params: Option<IpldBlock>) -> Result<SendParams, ActorError> {
    let levels = params.as_ref().and_then(|block| SendParams::levels_named(&block.data));
    match levels.filter(|levels| *levels > SUBNET_DEPTH_MAX) {
        Some(actual) => Err(GatewayError::TooDeep { actual }.into()),
        None => decode_params(params),
    }
}

/// Anyone sends a message to another chain of the hierarchy. Allowed while a delivery runs: an actor that is called may
/// call others.
pub(crate) fn send(rt: &impl Runtime, params: SendParams) -> Result<EnqueueReturn, ActorError> {
    let SendParams { to, call, fee, expires, wants_receipt } = params;
    let received = rt.value_received();
    if fee.is_negative() || fee > received {
        let (fee, value) = (fee.atto().to_string(), received.atto().to_string());
        return Err(GatewayError::FeeAboveValue { fee, value }.into());
    }
    let value = received - &fee;
    if call.is_none() && !value.is_positive() {
        return Err(GatewayError::NoValue { actual: value.atto().to_string() }.into());
    }
    if to.address.protocol() == Protocol::ID {
        return Err(GatewayError::Recipient { address: to.address.to_string() }.into());
    }
    let (kind, gas_limit) = match call {
        None => (CrossKind::Transfer, 0),
        Some(call) => (CrossKind::Call { method: call.method, params: call.params }, call.gas_limit),
    };
    if gas_limit > CROSS_CALL_GAS_MAX {
        return Err(GatewayError::GasLimit { actual: gas_limit, max: CROSS_CALL_GAS_MAX }.into());
    }
    let origin = ext::robust_address(rt, rt.caller())?;
    let mut state: State = rt.load_state()?;
    let way = way_to(rt, &state, &to, &kind)?;
    let draft = Draft { origin, destination: to, value, kind, gas_limit, fee, expires, wants_receipt };
    let message = match &way {
        Way::Here => return Err(GatewayError::OwnChain { subnet: state.subnet }.into()),
        Way::Up { .. } => state.send_up(rt.store(), height(rt), draft)?,
        Way::Down { id, .. } => state.queue_down(rt.store(), *id, height(rt), draft)?,
    };
    if let Way::Up { price } | Way::Down { price, .. } = &way {
        let needed = departure_fee(price, &message);
        if message.fee < needed {
            let (fee, needed) = (message.fee.atto().to_string(), needed.atto().to_string());
            return Err(GatewayError::FeeTooLow { fee, needed }.into());
        }
    }
    if message.is_answered() {
        state.expect_answer(rt.store(), height(rt), &message)?;
    }
    set_out(rt, &state, &way, message)
}

/// The actor that was called gives the answer that it put off. A failure must bring back all that came, as one that is
/// told at once does. Allowed while a delivery runs.
pub(crate) fn answer(rt: &impl Runtime, params: AnswerParams) -> Result<EnqueueReturn, ActorError> {
    let AnswerParams { of, exit_code, return_data } = params;
    let mut state: State = rt.load_state()?;
    let owed = state.take_owed(rt.store(), &of)?;
    if rt.caller() != owed.actor {
        return Err(GatewayError::NotCalled { actor: rt.caller(), called: owed.actor }.into());
    }
    let value = rt.value_received();
    if value > owed.value {
        let (actual, max) = (value.atto().to_string(), owed.value.atto().to_string());
        return Err(GatewayError::AnswerAboveValue { actual, max }.into());
    }
    if !exit_code.is_success() && value != owed.value {
        let (actual, expected) = (value.atto().to_string(), owed.value.atto().to_string());
        return Err(GatewayError::FailureKeepsValue { actual, expected }.into());
    }
    let actual = return_data.len();
    if actual > CROSS_RETURN_BYTES_MAX {
        return Err(GatewayError::TooLarge { actual, max: CROSS_RETURN_BYTES_MAX }.into());
    }
    let kind = CrossKind::Receipt { of: owed.id, of_sequence: owed.origin_sequence, exit_code, return_data };
    let way = way_to(rt, &state, &owed.origin, &kind)?;
    let receipt = Draft { fee: owed.fee, ..Draft::new(owed.called, owed.origin, value, kind) };
    let message = match &way {
        Way::Here => return Err(GatewayError::OwnChain { subnet: state.subnet }.into()),
        Way::Up { .. } => state.queue_up(rt.store(), receipt)?,
        Way::Down { id, .. } => state.queue_down(rt.store(), *id, height(rt), receipt)?,
    };
    set_out(rt, &state, &way, message)
}

/// Anyone has value credited that could not be credited when it came.
pub(crate) fn claim(rt: &impl Runtime, params: ClaimParams) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    refuse_nesting(&state)?;
    let amount = state.take_unclaimed(rt.store(), &params.address)?;
    let address = params.address.to_string();
    if ext::is_forbidden(rt, &state, &params.address) {
        return Err(GatewayError::ClaimFailed { address, exit_code: refusal::FORBIDDEN }.into());
    }
    rt.save_state(&state)?;
    let exit_code = ext::credit(rt, &params.address, &amount)?;
    if !exit_code.is_success() {
        return Err(GatewayError::ClaimFailed { address, exit_code }.into());
    }
    events::claimed(rt, &params.address)
}

/// Lets calls pass that must not come from within a delivery.
pub(crate) fn refuse_nesting(state: &State) -> Result<(), GatewayError> {
    if state.is_delivering { Err(GatewayError::Delivering) } else { Ok(()) }
}

fn way_to(rt: &impl Runtime, state: &State, to: &CrossAddress, kind: &CrossKind) -> Result<Way, ActorError> {
    let resolve = |address: &Address| rt.resolve_address(address);
    let no_way = |code| match code {
        refusal::KILLED_SUBNET => GatewayError::KilledSubnet { subnet: to.subnet.clone() },
        refusal::UNKNOWN_SUBNET => GatewayError::UnknownSubnet { from: state.subnet.clone(), to: to.subnet.clone() },
        _ => GatewayError::NoRoute { from: state.subnet.clone(), to: to.subnet.clone() },
    };
    Ok(state.way_to(rt.store(), &to.subnet, kind, resolve)?.map_err(no_way)?)
}

/// Saves the state with a message queued, and moves what it carries to where its edge keeps it.
fn set_out(rt: &impl Runtime, state: &State, way: &Way, message: CrossMessage) -> Result<EnqueueReturn, ActorError> {
    rt.save_state(state)?;
    let amount: TokenAmount = message.amount();
    match way {
        Way::Here => {}
        Way::Up { .. } => {
            events::queued_up(rt, &message, None)?;
            ext::unmint(rt, &amount)?;
        }
        Way::Down { id, .. } => {
            events::queued_down(rt, *id, &message, None)?;
            ext::lock(rt, *id, &amount)?;
        }
    }
    Ok(EnqueueReturn { id: message.id, nonce: message.nonce })
}
