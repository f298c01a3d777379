//! The messages to the parent that settle this chain.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{DeliverBatchParams, SubmitCheckpointParams, checkpoint};
use subnet_types::hash::encode;
use subnet_types::limits::MESSAGE_BYTES_MAX;
use subnet_types::{CrossMessage, Nonce};

use super::plan::Duty;
use crate::app::{ChainError, ChainReader};
use crate::storage::CheckpointRecord;

/// Room in a message for everything but its parameters.
const ENVELOPE_BYTES: usize = 1024;

/// Gas for accepting a checkpoint, before any delivery: several times what acceptance takes.
const ACCEPTANCE_GAS: u64 = 200_000_000;
/// Gas that must be left when a delivery starts. The checkpoint actor stops, successfully, before one that would have
/// less than 130 million; an estimate finds just that cheap way out, so it cannot be trusted for deliveries.
const DELIVERY_GAS_LEFT: u64 = 150_000_000;
/// Gas that one delivery uses: twice what a transfer to a new account takes.
const DELIVERY_GAS_USED: u64 = 30_000_000;
/// Most gas for one submission, half of a block. What it does not suffice for is delivered by the next call.
const SUBMISSION_GAS_MAX: u64 = 5_000_000_000;

/// A method of the checkpoint actor with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which method.
    pub method: u64,
    /// Its parameters, encoded.
    pub params: Vec<u8>,
    /// Least gas to give it.
    pub gas_limit_min: u64,
}

/// Least gas for a call that delivers this many messages.
fn gas_limit_min(deliveries: usize) -> u64 {
    if deliveries == 0 {
        return 0;
    }
    let used = DELIVERY_GAS_USED.saturating_mul(deliveries as u64);
    (ACCEPTANCE_GAS + DELIVERY_GAS_LEFT).saturating_add(used).min(SUBMISSION_GAS_MAX)
}

/// What to call for `duty`; `None` while this node does not have what it takes, as when it is catching up.
///
/// # Errors
/// When the store fails.
pub fn call_for(chain: &ChainReader, duty: Duty) -> Result<Option<Call>, ChainError> {
    match duty {
        Duty::Submit(sequence) => {
            let Some(record) = chain.checkpoint(sequence)? else { return Ok(None) };
            let messages = chain.checkpoint_messages(&record)?;
            Ok(submit(record, messages))
        }
        Duty::Deliver(nonce) => {
            let Some(record) = batch_with(chain, nonce)? else { return Ok(None) };
            let (sequence, messages) = (record.checkpoint.sequence, chain.checkpoint_messages(&record)?);
            let gas_limit_min = gas_limit_min(messages.len());
            let params = encode(&DeliverBatchParams { sequence, messages, proof: Vec::new() });
            Ok(Some(Call { method: checkpoint::DELIVER_BATCH, params, gas_limit_min }))
        }
    }
}

/// The messages go along when they fit; otherwise they are delivered apart.
fn submit(record: CheckpointRecord, messages: Vec<CrossMessage>) -> Option<Call> {
    let CheckpointRecord { checkpoint, certificate, .. } = record;
    let mut params = SubmitCheckpointParams { checkpoint, certificate: certificate?, messages };
    let mut bytes = encode(&params);
    if bytes.len() > MESSAGE_BYTES_MAX - ENVELOPE_BYTES {
        params.messages = Vec::new();
        bytes = encode(&params);
    }
    let gas_limit_min = gas_limit_min(params.messages.len());
    Some(Call { method: checkpoint::SUBMIT_CHECKPOINT, params: bytes, gas_limit_min })
}

/// The checkpoint whose batch holds the message with this nonce.
fn batch_with(chain: &ChainReader, nonce: Nonce) -> Result<Option<CheckpointRecord>, ChainError> {
    let mut last = chain.last_checkpoint()?;
    while let Some(record) = last {
        let batch = &record.cut.messages;
        if batch.first_nonce <= nonce && nonce.saturating_since(batch.first_nonce) < batch.count {
            return Ok(Some(record));
        }
        last = match record.checkpoint.sequence.previous() {
            Some(previous) if batch.first_nonce > nonce => chain.checkpoint(previous)?,
            _ => None,
        };
    }
    Ok(None)
}

/// An unsigned message with that call, its gas still to be estimated.
pub fn message(call: &Call, from: Address, actor: Address, nonce: u64) -> Message {
    Message {
        version: 0,
        from,
        to: actor,
        sequence: nonce,
        value: TokenAmount::default(),
        method_num: call.method,
        params: RawBytes::new(call.params.clone()),
        gas_limit: 0,
        gas_fee_cap: TokenAmount::default(),
        gas_premium: TokenAmount::default(),
    }
}

/// Gas for a call: what the estimate found and at least `least`, but never more than a block of the parent takes.
pub fn gas_limit(estimated: u64, least: u64, block_gas_limit: u64) -> u64 {
    estimated.max(least.min(block_gas_limit))
}

/// The first of an account's waiting messages that settles this chain: whatever it was sent for, what follows it has
/// to wait for it. Messages to others are the operator's own and are left alone.
pub fn first_settling<'a>(waiting: &'a [Message], actor: &Address) -> Option<&'a Message> {
    let is_settling = |method| matches!(method, checkpoint::SUBMIT_CHECKPOINT | checkpoint::DELIVER_BATCH);
    let settling = waiting.iter().filter(|message| message.to == *actor && is_settling(message.method_num));
    settling.min_by_key(|message| message.sequence)
}

/// Puts `message` in the place of one that waits, at a price that the parent's mempool prefers.
pub fn replace(waiting: &Message, message: Message) -> Message {
    let raised = raise_price(waiting);
    let gas_premium = message.gas_premium.max(raised.gas_premium);
    let gas_fee_cap = message.gas_fee_cap.max(raised.gas_fee_cap).max(gas_premium.clone());
    Message { sequence: waiting.sequence, gas_premium, gas_fee_cap, ..message }
}

/// Replaces a message that waits: the same but with a price that the parent's mempool prefers.
pub fn raise_price(waiting: &Message) -> Message {
    // A quarter more, and at least one attoFIL, which a price of zero would never reach by itself.
    let raised = |price: &TokenAmount| {
        let more = (price * 5u64).div_ceil(4u64);
        more.max(price + TokenAmount::from_atto(1))
    };
    let gas_premium = raised(&waiting.gas_premium);
    let gas_fee_cap = raised(&waiting.gas_fee_cap).max(gas_premium.clone());
    Message { gas_premium, gas_fee_cap, ..waiting.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_get_the_gas_that_the_actor_wants_to_see_left() {
        assert_eq!(gas_limit_min(0), 0);
        assert!(gas_limit_min(1) >= ACCEPTANCE_GAS + 130_000_000 + DELIVERY_GAS_USED);
        assert!(gas_limit_min(20) > gas_limit_min(1));
        assert_eq!(gas_limit_min(usize::MAX), SUBMISSION_GAS_MAX);
    }

    #[test]
    fn gas_of_a_call_fits_a_block_of_any_parent() {
        assert_eq!(gas_limit(1_000, 400, 10_000), 1_000);
        assert_eq!(gas_limit(1_000, 4_000, 10_000), 4_000);
        assert_eq!(gas_limit(1_000, 40_000, 10_000), 10_000);
    }

    #[test]
    fn first_settling_message_is_replaced_and_the_operators_own_never() {
        let actor = Address::new_actor(b"actor");
        let call = |method| Call { method, params: vec![], gas_limit_min: 0 };
        let from = Address::new_secp256k1(&[1; 65]).unwrap();
        let priced = |mut message: Message, price: u64| {
            message.gas_premium = TokenAmount::from_atto(price);
            message.gas_fee_cap = TokenAmount::from_atto(2 * price);
            message
        };
        let own = message(&call(checkpoint::SUBMIT_CHECKPOINT), from, Address::new_id(7), 3);
        let joining = message(&call(checkpoint::JOIN), from, actor, 4);
        let late = priced(message(&call(checkpoint::SUBMIT_CHECKPOINT), from, actor, 6), 100);
        let early = priced(message(&call(checkpoint::DELIVER_BATCH), from, actor, 5), 100);
        assert_eq!(first_settling(&[own.clone(), joining.clone()], &actor), None);
        assert_eq!(first_settling(&[late.clone(), own, early.clone(), joining], &actor), Some(&early));
        // The new estimate may be below or above what the old one has to be outbid by.
        for (price, expected) in [(1, (125, 250)), (1000, (1000, 2000))] {
            let replacement = replace(&early, priced(late.clone(), price));
            assert_eq!((replacement.sequence, replacement.method_num), (5, late.method_num));
            let prices = (replacement.gas_premium, replacement.gas_fee_cap);
            assert_eq!(prices, (TokenAmount::from_atto(expected.0), TokenAmount::from_atto(expected.1)));
        }
    }

    #[test]
    fn raised_price_is_accepted_as_a_replacement() {
        let mut message = message(
            &Call { method: 2, params: vec![], gas_limit_min: 0 },
            Address::new_secp256k1(&[1; 65]).unwrap(),
            Address::new_actor(b"actor"),
            4,
        );
        for (premium, cap) in [(0u64, 0u64), (1, 5), (1000, 5000)] {
            message.gas_premium = TokenAmount::from_atto(premium);
            message.gas_fee_cap = TokenAmount::from_atto(cap);
            let raised = raise_price(&message);
            assert!(raised.gas_premium.atto() * 100 >= message.gas_premium.atto() * 110);
            assert!(raised.gas_fee_cap.atto() * 100 >= message.gas_fee_cap.atto() * 110);
            assert!(raised.gas_premium > message.gas_premium && raised.gas_premium <= raised.gas_fee_cap);
            assert_eq!((raised.sequence, raised.to), (message.sequence, message.to));
        }
    }
}
