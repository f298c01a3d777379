//! The messages to the parent that settle this chain.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{DeliverBatchParams, SubmitCheckpointParams, checkpoint};
use subnet_types::cross::CrossKind;
use subnet_types::hash::{encode, merkle_range_proof};
use subnet_types::limits::{MESSAGE_BYTES_MAX, SLICE_BYTES_MAX};
use subnet_types::{CrossMessage, Nonce, Sequence};

use super::plan::Duty;
use crate::app::{ChainError, ChainReader};
use crate::storage::CheckpointRecord;

/// Room in a message for everything but its parameters.
const ENVELOPE_BYTES: usize = 1024;

/// Gas for what a call does before its first delivery: accepting a checkpoint takes up to 60 million.
const ACCEPTANCE_GAS: u64 = 200_000_000;
/// Gas that a call has beyond what its deliveries use. The checkpoint actor stops, successfully, before messages that
/// would have less than their limit; an estimate finds just that cheap way out, so it cannot be trusted for deliveries.
/// The more there is, the longer are the last runs of transfers.
const DELIVERY_GAS_LEFT: u64 = 500_000_000;
/// Gas that the checkpoint actor wants to see beside the limit of a message, and some.
const DELIVERY_GAS_RESERVE: u64 = 60_000_000;
/// Gas that one transfer in a slice uses, with its part of reading and proving the slice: twice what one to an account
/// that exists takes, and more than one to a new account does.
const TRANSFER_GAS_USED: u64 = 16_000_000;
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

/// Gas for a call that delivers messages, counted up message by message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct DeliveryGas {
    used: u64,
    left: u64,
}

impl DeliveryGas {
    /// With one more message.
    fn with(self, message: &CrossMessage) -> Self {
        let used = match message.kind {
            CrossKind::Transfer => TRANSFER_GAS_USED,
            // Nobody knows what code will use; all of it may be.
            CrossKind::Call { .. } | CrossKind::Receipt { .. } => message.delivery_gas(),
        };
        let left = DELIVERY_GAS_LEFT.max(message.delivery_gas().saturating_add(DELIVERY_GAS_RESERVE));
        Self { used: self.used.saturating_add(used), left: self.left.max(left) }
    }

    /// Least gas for the call; zero when it delivers nothing, so that its estimate is right.
    fn limit(self) -> u64 {
        if self == Self::default() {
            return 0;
        }
        ACCEPTANCE_GAS.saturating_add(self.left).saturating_add(self.used)
    }

    fn of(messages: &[CrossMessage]) -> Self {
        messages.iter().fold(Self::default(), Self::with)
    }
}

/// What the parent has to say about a call before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentRoom {
    /// Gas of its blocks.
    pub block_gas_limit: u64,
    /// Accepted messages that wait there. While there are any, a submission delivers none of its own.
    pub undelivered: u64,
}

impl ParentRoom {
    fn gas_max(&self) -> u64 {
        SUBMISSION_GAS_MAX.min(self.block_gas_limit)
    }
}

/// What to call for `duty`; `None` while this node does not have what it takes, as when it is catching up.
///
/// # Errors
/// When the store fails.
pub fn call_for(chain: &ChainReader, duty: Duty, room: &ParentRoom) -> Result<Option<Call>, ChainError> {
    match duty {
        Duty::Submit(sequence) => {
            let Some(record) = chain.checkpoint(sequence)? else { return Ok(None) };
            let messages = if room.undelivered == 0 { chain.checkpoint_messages(&record)? } else { Vec::new() };
            Ok(submit(record, messages, room))
        }
        Duty::Deliver(nonce) => {
            let Some(record) = batch_with(chain, nonce)? else { return Ok(None) };
            let messages = chain.checkpoint_messages(&record)?;
            // Whoever was here before, the parent's cursor says where to go on.
            let first = usize::try_from(nonce.saturating_since(record.cut.messages.first_nonce)).unwrap_or(usize::MAX);
            Ok(deliver(record.checkpoint.sequence, &messages, first, room))
        }
    }
}

/// All messages of a checkpoint go along or none: when one call has not the room or the gas for all, they are delivered
/// apart, slice by slice.
fn submit(record: CheckpointRecord, messages: Vec<CrossMessage>, room: &ParentRoom) -> Option<Call> {
    let CheckpointRecord { checkpoint, certificate, .. } = record;
    let mut gas = DeliveryGas::of(&messages);
    let mut params = SubmitCheckpointParams { checkpoint, certificate: certificate?, messages };
    let mut bytes = encode(&params);
    if bytes.len() > MESSAGE_BYTES_MAX - ENVELOPE_BYTES || gas.limit() > room.gas_max() {
        gas = DeliveryGas::default();
        params.messages = Vec::new();
        bytes = encode(&params);
    }
    Some(Call { method: checkpoint::SUBMIT_CHECKPOINT, params: bytes, gas_limit_min: gas.limit() })
}

/// Delivers of a batch what one call can, from its message at index `first` on.
fn deliver(sequence: Sequence, batch: &[CrossMessage], first: usize, room: &ParentRoom) -> Option<Call> {
    let length = slice_length(batch.get(first..)?, room.gas_max());
    let end = first.checked_add(length)?;
    let messages = batch.get(first..end).filter(|messages| !messages.is_empty())?.to_vec();
    let leaves: Vec<_> = batch.iter().map(CrossMessage::leaf).collect();
    let gas_limit_min = DeliveryGas::of(&messages).limit();
    let proof = merkle_range_proof(&leaves, first, end);
    let params = encode(&DeliverBatchParams { sequence, messages, proof });
    Some(Call { method: checkpoint::DELIVER_BATCH, params, gas_limit_min })
}

/// How many of the messages that wait fit one call by bytes and by gas; one at least, when any wait.
fn slice_length(waiting: &[CrossMessage], gas_max: u64) -> usize {
    let (mut bytes, mut gas) = (0, DeliveryGas::default());
    let fitting = waiting.iter().take_while(|message| {
        bytes += encode(message).len();
        gas = gas.with(message);
        bytes <= SLICE_BYTES_MAX && gas.limit() <= gas_max
    });
    fitting.count().max(usize::from(!waiting.is_empty()))
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
    use subnet_types::cross::{CrossAddress, MessageBatch};
    use subnet_types::hash::merkle_range_root;
    use subnet_types::limits::{BLOCK_GAS_MAX, CROSS_HOP_GAS};
    use subnet_types::{Digest, SubnetId};

    use super::*;

    const ROOM: ParentRoom = ParentRoom { block_gas_limit: BLOCK_GAS_MAX, undelivered: 0 };

    fn crossing(nonce: u64, kind: CrossKind) -> CrossMessage {
        let at = || CrossAddress { subnet: SubnetId::root(1), address: Address::new_actor(b"at") };
        CrossMessage {
            id: Digest([1; 32]),
            origin: at(),
            origin_sequence: nonce,
            destination: at(),
            value: TokenAmount::from_atto(1),
            kind,
            nonce: Nonce::new(nonce),
            gas_limit: 0,
            fee: TokenAmount::default(),
            expires: None,
            wants_receipt: false,
        }
    }

    fn calling(nonce: u64, bytes: usize, gas_limit: u64) -> CrossMessage {
        let kind = CrossKind::Call { method: 2, params: RawBytes::new(vec![0; bytes]) };
        CrossMessage { gas_limit, ..crossing(nonce, kind) }
    }

    #[test]
    fn deliveries_get_the_gas_that_the_actor_wants_to_see_left() {
        let transfers: Vec<_> = (0..20).map(|nonce| crossing(nonce, CrossKind::Transfer)).collect();
        let limit = |messages: &[CrossMessage]| DeliveryGas::of(messages).limit();
        assert_eq!(limit(&[]), 0);
        assert!(limit(&transfers[..1]) >= ACCEPTANCE_GAS + CROSS_HOP_GAS + DELIVERY_GAS_RESERVE);
        assert_eq!(limit(&transfers), limit(&transfers[..1]) + 19 * TRANSFER_GAS_USED);
        let dear = calling(0, 0, 1_000_000_000);
        let least = ACCEPTANCE_GAS + 2 * dear.delivery_gas() + DELIVERY_GAS_RESERVE;
        assert_eq!(limit(std::slice::from_ref(&dear)), least);
        assert_eq!(limit(&[transfers, vec![dear]].concat()), least + 20 * TRANSFER_GAS_USED);
    }

    #[test]
    fn batch_of_any_kind_is_delivered_by_slices_that_fit_and_prove_what_they_bring() {
        let transfers: Vec<_> = (7..1031).map(|nonce| crossing(nonce, CrossKind::Transfer)).collect();
        let large: Vec<_> = (7..70).map(|nonce| calling(nonce, 15 * 1024, 0)).collect();
        let dear: Vec<_> = (7..30).map(|nonce| calling(nonce, 10, 1_000_000_000)).collect();
        for (batch, slices_min, slices_max) in [(transfers, 4, 10), (large, 16, 22), (dear, 6, 12)] {
            let of = MessageBatch::of(Nonce::new(7), &batch);
            let (mut next, mut slices) = (0, 0);
            while next < batch.len() {
                let call = deliver(Sequence::new(3), &batch, next, &ROOM).expect("something waits");
                assert!(call.params.len() <= MESSAGE_BYTES_MAX - ENVELOPE_BYTES, "{} bytes", call.params.len());
                assert!(call.gas_limit_min <= SUBMISSION_GAS_MAX);
                let params: DeliverBatchParams = fvm_ipld_encoding::from_slice(&call.params).expect("decodes");
                assert_eq!(params.messages[0], batch[next]);
                let leaves = params.messages.iter().map(CrossMessage::leaf);
                assert_eq!(merkle_range_root(of.count, next as u64, leaves, &params.proof), Some(of.root));
                next += params.messages.len();
                slices += 1;
            }
            assert_eq!(deliver(Sequence::new(3), &batch, next, &ROOM), None, "nothing is left");
            assert!((slices_min..=slices_max).contains(&slices), "{slices} slices of {} messages", batch.len());
        }
    }

    #[test]
    fn message_that_no_slice_has_the_gas_for_is_tried_by_itself() {
        let waiting = [calling(0, 0, 1_000_000_000), crossing(1, CrossKind::Transfer)];
        assert_eq!(slice_length(&waiting, 1_000_000), 1);
        assert_eq!(slice_length(&waiting, SUBMISSION_GAS_MAX), 2);
        assert_eq!(slice_length(&[], SUBMISSION_GAS_MAX), 0);
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
