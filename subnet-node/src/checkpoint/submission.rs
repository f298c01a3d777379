//! The messages to the parent that settle this chain.

use std::ops::Range;

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
    /// The last accepted checkpoint. Messages of later ones are not there yet.
    pub last_sequence: Sequence,
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
            let CheckpointRecord { checkpoint, certificate, .. } = record;
            let Some(certificate) = certificate else { return Ok(None) };
            Ok(Some(submit(SubmitCheckpointParams { checkpoint, certificate, messages }, room)))
        }
        Duty::Deliver(nonce) => {
            let Some(record) = batch_with(chain, nonce, room.last_sequence)? else { return Ok(None) };
            let messages = chain.checkpoint_messages(&record)?;
            // Whoever was here before, the parent's cursor says where to go on.
            let first = usize::try_from(nonce.saturating_since(record.cut.messages.first_nonce)).unwrap_or(usize::MAX);
            Ok(deliver(record.checkpoint.sequence, &messages, first, room))
        }
        Duty::Retry(nonce) => {
            let Some(record) = batch_with(chain, nonce, room.last_sequence)? else { return Ok(None) };
            Ok(chain.checkpoint_messages(&record)?.iter().find(|message| message.nonce == nonce).map(retry))
        }
    }
}

/// All messages of a checkpoint go along or none: when one call has not the room or the gas for all, they are delivered
/// apart, slice by slice.
pub fn submit(mut params: SubmitCheckpointParams, room: &ParentRoom) -> Call {
    let mut gas = DeliveryGas::of(&params.messages);
    let mut bytes = encode(&params);
    if bytes.len() > MESSAGE_BYTES_MAX - ENVELOPE_BYTES || gas.limit() > room.gas_max() {
        gas = DeliveryGas::default();
        params.messages = Vec::new();
        bytes = encode(&params);
    }
    Call { method: checkpoint::SUBMIT_CHECKPOINT, params: bytes, gas_limit_min: gas.limit() }
}

/// Delivers of a batch what one call can, from its message at index `first` on; `None` where there is none.
pub fn deliver(sequence: Sequence, batch: &[CrossMessage], first: usize, room: &ParentRoom) -> Option<Call> {
    let length = slice_length(batch.get(first..)?, room.gas_max());
    let end = first.checked_add(length)?;
    let messages = batch.get(first..end).filter(|messages| !messages.is_empty())?.to_vec();
    let leaves: Vec<_> = batch.iter().map(CrossMessage::leaf).collect();
    let gas_limit_min = DeliveryGas::of(&messages).limit();
    let proof = merkle_range_proof(&leaves, first, end);
    let params = encode(&DeliverBatchParams { sequence, messages, proof });
    Some(Call { method: checkpoint::DELIVER_BATCH, params, gas_limit_min })
}

/// Has a message delivered again that was set aside.
pub fn retry(message: &CrossMessage) -> Call {
    let gas_limit_min = DeliveryGas::default().with(message).limit();
    Call { method: checkpoint::DELIVER_UNCLAIMED, params: encode(message), gas_limit_min }
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

/// The checkpoint whose batch holds the message with this nonce, of those up to `last`.
fn batch_with(chain: &ChainReader, nonce: Nonce, last: Sequence) -> Result<Option<CheckpointRecord>, ChainError> {
    // First nonces never descend, so a long history costs a few reads and not one for each checkpoint.
    let cut = chain.cut_before(chain.tip().height).unwrap_or(Sequence::ZERO);
    let (mut low, mut high) = (0, cut.min(last).get());
    while low < high {
        let middle = high - (high - low) / 2;
        let record = chain.checkpoint(Sequence::new(middle))?;
        if record.is_some_and(|record| record.cut.messages.first_nonce <= nonce) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let record = chain.checkpoint(Sequence::new(low))?;
    let is_of = |record: &CheckpointRecord| {
        let batch = &record.cut.messages;
        batch.first_nonce <= nonce && nonce.saturating_since(batch.first_nonce) < batch.count
    };
    Ok(record.filter(is_of))
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

/// `open` with gas as a node of the parent estimates it. Nothing else of its answer counts: it is about to be signed.
pub fn with_gas(open: Message, estimated: &Message, gas_limit: u64) -> Message {
    let gas_premium = estimated.gas_premium.clone();
    Message { gas_limit, gas_fee_cap: estimated.gas_fee_cap.clone(), gas_premium, ..open }
}

/// A message that waits on the parent: its place, and what it offers. Whoever says that it waits may say anything, so
/// nothing else of it is ever used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its nonce.
    pub nonce: u64,
    /// For the proposer, for each unit of gas.
    pub gas_premium: TokenAmount,
    /// At most, for each unit of gas.
    pub gas_fee_cap: TokenAmount,
}

/// The first of an account's messages that are said to wait and settles this chain: whatever it was sent for, what
/// follows it has to wait for it. Messages to others are the operator's own and are left alone; so are those that bring
/// value, which this node never sends, and those with a nonce outside of `open`, the ones that can wait.
pub fn first_settling(waiting: &[Message], actor: &Address, open: Range<u64>) -> Option<Waiting> {
    let is_settling = |message: &&Message| {
        message.to == *actor
            && message.value.is_zero()
            && open.contains(&message.sequence)
            && matches!(
                message.method_num,
                checkpoint::SUBMIT_CHECKPOINT | checkpoint::DELIVER_BATCH | checkpoint::DELIVER_UNCLAIMED
            )
    };
    let first = waiting.iter().filter(is_settling).min_by_key(|message| message.sequence)?;
    Some(Waiting {
        nonce: first.sequence,
        gas_premium: first.gas_premium.clone(),
        gas_fee_cap: first.gas_fee_cap.clone(),
    })
}

/// Puts `message` in the place of one that waits, at a price that the parent's mempool prefers.
pub fn replace(waiting: &Waiting, message: Message) -> Message {
    // A quarter more, and at least one attoFIL, which a price of zero would never reach by itself.
    let raised = |price: &TokenAmount| {
        let more = (price * 5u64).div_ceil(4u64);
        more.max(price + TokenAmount::from_atto(1))
    };
    let gas_premium = message.gas_premium.max(raised(&waiting.gas_premium));
    let gas_fee_cap = message.gas_fee_cap.max(raised(&waiting.gas_fee_cap)).max(gas_premium.clone());
    Message { sequence: waiting.nonce, gas_premium, gas_fee_cap, ..message }
}

#[cfg(test)]
mod tests {
    use subnet_types::cross::{CrossAddress, MessageBatch};
    use subnet_types::hash::merkle_range_root;
    use subnet_types::limits::{BLOCK_GAS_MAX, CROSS_HOP_GAS};
    use subnet_types::{Digest, SubnetId};

    use super::*;

    const ROOM: ParentRoom =
        ParentRoom { block_gas_limit: BLOCK_GAS_MAX, undelivered: 0, last_sequence: Sequence::new(3) };

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

    fn priced(mut message: Message, price: u64) -> Message {
        message.gas_premium = TokenAmount::from_atto(price);
        message.gas_fee_cap = TokenAmount::from_atto(2 * price);
        message
    }

    fn sent(method: u64, to: Address, nonce: u64) -> Message {
        let from = Address::new_secp256k1(&[1; 65]).unwrap();
        priced(message(&Call { method, params: vec![7], gas_limit_min: 0 }, from, to, nonce), 100)
    }

    #[test]
    fn first_settling_message_is_replaced_and_the_operators_own_never() {
        let actor = Address::new_actor(b"actor");
        let own = sent(checkpoint::SUBMIT_CHECKPOINT, Address::new_id(7), 3);
        let joining = sent(checkpoint::JOIN, actor, 4);
        let late = sent(checkpoint::SUBMIT_CHECKPOINT, actor, 6);
        let early = sent(checkpoint::DELIVER_BATCH, actor, 5);
        assert_eq!(first_settling(&[own.clone(), joining.clone()], &actor, 3..7), None);
        let waiting = first_settling(&[late.clone(), own, early.clone(), joining], &actor, 3..7).unwrap();
        assert_eq!((waiting.nonce, &waiting.gas_premium), (5, &early.gas_premium));
        // The new estimate may be below or above what the old one has to be outbid by.
        for (price, expected) in [(1, (125, 250)), (1000, (1000, 2000))] {
            let replacement = replace(&waiting, priced(late.clone(), price));
            assert_eq!((replacement.sequence, replacement.method_num), (5, late.method_num));
            let prices = (replacement.gas_premium, replacement.gas_fee_cap);
            assert_eq!(prices, (TokenAmount::from_atto(expected.0), TokenAmount::from_atto(expected.1)));
        }
    }

    #[test]
    fn message_that_brings_value_or_cannot_wait_is_none_of_ours() {
        let actor = Address::new_actor(b"actor");
        let good = sent(checkpoint::SUBMIT_CHECKPOINT, actor, 5);
        let first = |message: &Message, open| first_settling(std::slice::from_ref(message), &actor, open);
        assert!(first(&good, 5..6).is_some());
        assert_eq!(first(&good, 6..9), None, "its nonce is used");
        assert_eq!(first(&good, 2..5), None, "nonces before it are free");
        let paying = Message { value: TokenAmount::from_atto(1), ..good };
        assert_eq!(first(&paying, 5..6), None);
    }

    #[test]
    fn estimate_decides_about_gas_and_nothing_else() {
        let open = sent(checkpoint::SUBMIT_CHECKPOINT, Address::new_actor(b"actor"), 5);
        let mut estimated = priced(open.clone(), 9);
        estimated.to = Address::new_id(999);
        estimated.value = TokenAmount::from_whole(1000);
        (estimated.sequence, estimated.method_num, estimated.params) = (77, 0, RawBytes::default());
        let priced = with_gas(open.clone(), &estimated, 1_000);
        assert_eq!((priced.gas_limit, &priced.gas_premium), (1_000, &TokenAmount::from_atto(9)));
        let (gas_fee_cap, gas_premium) = (open.gas_fee_cap.clone(), open.gas_premium.clone());
        assert_eq!(Message { gas_limit: open.gas_limit, gas_fee_cap, gas_premium, ..priced }, open);
    }

    #[test]
    fn raised_price_is_accepted_as_a_replacement() {
        for (premium, cap) in [(0u64, 0u64), (1, 5), (1000, 5000)] {
            let (gas_premium, gas_fee_cap) = (TokenAmount::from_atto(premium), TokenAmount::from_atto(cap));
            let waiting = Waiting { nonce: 4, gas_premium, gas_fee_cap };
            let raised = replace(&waiting, priced(sent(2, Address::new_actor(b"actor"), 4), 0));
            assert!(raised.gas_premium.atto() * 100 >= waiting.gas_premium.atto() * 110);
            assert!(raised.gas_fee_cap.atto() * 100 >= waiting.gas_fee_cap.atto() * 110);
            assert!(raised.gas_premium > waiting.gas_premium && raised.gas_premium <= raised.gas_fee_cap);
            assert_eq!(raised.sequence, 4);
        }
    }

    #[test]
    fn message_that_was_set_aside_is_brought_alone_with_gas_for_a_whole_delivery() {
        let message = calling(9, 10, 1_000_000_000);
        let call = retry(&message);
        assert_eq!((call.method, call.params), (checkpoint::DELIVER_UNCLAIMED, encode(&message)));
        assert!(call.gas_limit_min >= 2 * message.delivery_gas() + DELIVERY_GAS_RESERVE);
    }
}
