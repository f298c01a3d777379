//! Cross messages: value and calls between chains.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::abi::Words;
use crate::bytes::Digest;
use crate::hash::{encode, merkle_root};
use crate::identity::ChainIdentity;
use crate::limits::{
    CROSS_AFTER_CODE_GAS, CROSS_BYTE_GAS, CROSS_CALL_GAS_MAX, CROSS_CARRY_GAS, CROSS_HOP_GAS, CROSS_MESSAGE_BYTES_MAX,
    CROSS_RECEIPT_GAS, CROSS_RETURN_BYTES_MAX,
};
use crate::quantity::{Height, Nonce};
use crate::subnet_id::SubnetId;

/// An account or actor on a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CrossAddress {
    /// The chain.
    pub subnet: SubnetId,
    /// Robust address on that chain.
    pub address: Address,
}

/// What a cross message does at its destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrossKind {
    /// Credits the value.
    Transfer,
    /// Credits the value and hands method and parameters to the destination, in its
    /// [`RECEIVE_CROSS_CALL`](crate::actors::receiver::RECEIVE_CROSS_CALL).
    Call {
        /// What the destination is asked to do. Means something to the destination only.
        method: MethodNum,
        /// Opaque to the protocol.
        params: RawBytes,
    },
    /// The outcome of an earlier message; its value is what comes back, its fee what is left of that message's.
    Receipt {
        /// Id of the message this answers.
        of: Digest,
        /// That message's `origin_sequence`. With this receipt's destination it makes the id again, so the origin need
        /// not keep a record of each transfer to know its own.
        of_sequence: u64,
        /// Zero for success.
        exit_code: ExitCode,
        /// What the call returned.
        return_data: RawBytes,
    },
}

/// One message on its way from chain to chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CrossMessage {
    /// Constant over all hops; see [`message_id`].
    pub id: Digest,
    /// Who sent it, where.
    pub origin: CrossAddress,
    /// The origin chain's count of messages sent, which makes the id unique.
    pub origin_sequence: u64,
    /// Whom it is for, where.
    pub destination: CrossAddress,
    /// Value to credit, in attoFIL.
    pub value: TokenAmount,
    /// What to do there.
    pub kind: CrossKind,
    /// Position on the edge it is crossing; renewed at each hop.
    pub nonce: Nonce,
    /// Gas for the destination's code, when it is a call.
    pub gas_limit: u64,
    /// Prepaid for hops, delivery and the way back, in attoFIL; travels beside the value.
    pub fee: TokenAmount,
    /// Height of the delivering chain from which on it refuses the message.
    pub expires: Option<Height>,
    /// Whether a transfer that was delivered is answered. A call always is, and so is whatever was refused.
    pub wants_receipt: bool,
}

const ID_TAG: &str = "subnet-runtime/cross-message/v1";

/// Id of the `sequence`-th message that `origin` sent on the chain `identity`.
pub fn message_id(identity: &ChainIdentity, origin: &Address, sequence: u64) -> Digest {
    Words::tagged(ID_TAG).digest(identity).hashed(&origin.to_bytes()).number(sequence).keccak()
}

const CALL_KEY_TAG: &str = "subnet-runtime/call-key/v1";

/// What a call goes by on the chain that it comes to, when it is answered later.
///
/// An id alone is the word of whoever sends it: a chain can use one that another chain's actor is about to use. The chain
/// that a call comes from is no such word, because every chain on the way has checked that it lies on the side that the
/// call came from. So a key with both can be taken by the call's own chain and those that its messages pass, and by nobody
/// else.
pub fn call_key(origin: &SubnetId, id: &Digest) -> Digest {
    Words::tagged(CALL_KEY_TAG).hashed(origin.to_string().as_bytes()).digest(id).keccak()
}

/// Gas that must be left before the courier gets `gas_limit` to pass on: all that code, courier and gateway may still use.
/// Whoever hands a call over for delivery gives this much beside what comes before, and the gateway asks for this much
/// right before it calls the courier.
pub const fn gas_to_carry(gas_limit: u64) -> u64 {
    gas_limit.saturating_add(CROSS_CARRY_GAS + CROSS_AFTER_CODE_GAS)
}

const fn larger(one: u64, other: u64) -> u64 {
    if one > other { one } else { other }
}

/// The most that [`CrossMessage::delivery_gas`] says of any message that is not too large to cross.
pub const DELIVERY_GAS_MAX: u64 = CROSS_HOP_GAS
    + CROSS_MESSAGE_BYTES_MAX as u64 * CROSS_BYTE_GAS
    + gas_to_carry(larger(CROSS_CALL_GAS_MAX, CROSS_RECEIPT_GAS));

const LEAF_TAG: &str = "subnet-runtime/cross-message-leaf/v1";

impl CrossMessage {
    /// Value and fee: what is locked or burned for it on every edge.
    pub fn amount(&self) -> TokenAmount {
        &self.value + &self.fee
    }

    /// Whether its encoding is within the protocol's limit.
    pub fn is_within_size(&self) -> bool {
        encode(self).len() <= CROSS_MESSAGE_BYTES_MAX
    }

    /// Whether its delivery is answered.
    pub fn is_answered(&self) -> bool {
        match self.kind {
            CrossKind::Transfer => self.wants_receipt,
            CrossKind::Call { .. } => true,
            CrossKind::Receipt { .. } => false,
        }
    }

    /// The most gas that its delivery, or its next hop, may use on the chain that it comes to: what has to be there
    /// before either begins. The same on every hop.
    pub fn delivery_gas(&self) -> u64 {
        delivery_gas(&self.kind, self.gas_limit)
    }

    /// The gas that its fee must pay for to set out over an edge: there and back.
    pub fn departure_gas(&self) -> u64 {
        departure_gas(&self.kind, self.gas_limit, self.is_answered())
    }

    /// The leaf of this message in a batch: keccak-256 over static words that hold every field.
    ///
    /// An amount below zero or above 256 bits has no word. Such a message is never queued; its leaf here is
    /// [`Digest::ZERO`], which no hash gives, so a batch that holds one matches no root that was signed.
    pub fn leaf(&self) -> Digest {
        self.leaf_words().map_or(Digest::ZERO, Words::keccak)
    }

    fn leaf_words(&self) -> Option<Words> {
        // One word for the method of a call and for the code of a receipt, one for the id that a receipt answers.
        let (kind, of, of_sequence, number, data) = match &self.kind {
            CrossKind::Transfer => (0, Digest::ZERO, 0, 0, &[][..]),
            CrossKind::Call { method, params } => (1, Digest::ZERO, 0, *method, params.bytes()),
            CrossKind::Receipt { of, of_sequence, exit_code, return_data } => {
                (2, *of, *of_sequence, u64::from(exit_code.value()), return_data.bytes())
            }
        };
        // "Never" and "from height 0 on" are different, so expiry takes two words.
        let expires = self.expires.unwrap_or(Height::GENESIS);
        let words = Words::tagged(LEAF_TAG)
            .digest(&self.id)
            .hashed(self.origin.subnet.to_string().as_bytes())
            .hashed(&self.origin.address.to_bytes())
            .number(self.origin_sequence)
            .hashed(self.destination.subnet.to_string().as_bytes())
            .hashed(&self.destination.address.to_bytes())
            .amount(&self.value)?
            .number(kind)
            .digest(&of)
            .number(of_sequence)
            .number(number)
            .hashed(data)
            .number(self.nonce.get())
            .number(self.gas_limit)
            .amount(&self.fee)?
            .number(u64::from(self.expires.is_some()))
            .number(expires.get())
            .number(u64::from(self.wants_receipt));
        Some(words)
    }
}

/// Gas of a hop with so many bytes of parameters or return data.
fn hop_gas(bytes: usize) -> u64 {
    CROSS_HOP_GAS.saturating_add(CROSS_BYTE_GAS.saturating_mul(bytes as u64))
}

/// As [`CrossMessage::delivery_gas`], of a message of this kind.
pub fn delivery_gas(kind: &CrossKind, gas_limit: u64) -> u64 {
    let (bytes, code_gas) = match kind {
        CrossKind::Transfer => return CROSS_HOP_GAS,
        CrossKind::Call { params, .. } => (params.len(), gas_limit.min(CROSS_CALL_GAS_MAX)),
        CrossKind::Receipt { return_data, .. } => (return_data.len(), CROSS_RECEIPT_GAS),
    };
    hop_gas(bytes).saturating_add(gas_to_carry(code_gas))
}

/// The delivery gas of the dearest receipt that answers a message of this kind when it is delivered: a call may return as
/// much as any, a transfer returns nothing.
pub fn answer_gas(kind: &CrossKind) -> u64 {
    let bytes = if matches!(kind, CrossKind::Call { .. }) { CROSS_RETURN_BYTES_MAX } else { 0 };
    hop_gas(bytes).saturating_add(gas_to_carry(CROSS_RECEIPT_GAS))
}

/// As [`CrossMessage::departure_gas`], of a message of this kind. One that is answered pays for its answer; a plain
/// transfer, which is answered when it is refused and only then, for as much as its own delivery takes.
pub fn departure_gas(kind: &CrossKind, gas_limit: u64, is_answered: bool) -> u64 {
    let there = delivery_gas(kind, gas_limit);
    there.saturating_add(if is_answered { answer_gas(kind) } else { there })
}

/// What a checkpoint says of its bottom-up messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct MessageBatch {
    /// Merkle root over the messages' leaves in nonce order; zero when there are none.
    pub root: Digest,
    /// Nonce of the first one, or of the next to come when there are none.
    pub first_nonce: Nonce,
    /// How many.
    pub count: u64,
    /// Sum of value and fee, in attoFIL.
    pub value: TokenAmount,
}

impl MessageBatch {
    /// The batch that `messages`, in nonce order from `first_nonce`, make.
    pub fn of(first_nonce: Nonce, messages: &[CrossMessage]) -> Self {
        Self {
            root: merkle_root(messages.iter().map(CrossMessage::leaf)),
            first_nonce,
            count: messages.len() as u64,
            value: messages.iter().map(CrossMessage::amount).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(nonce: u64, value: u64) -> CrossMessage {
        let at = |name: &[u8]| CrossAddress { subnet: SubnetId::root(1), address: Address::new_actor(name) };
        CrossMessage {
            id: message_id(&Digest([1; 32]), &Address::new_actor(b"from"), nonce),
            origin: at(b"from"),
            origin_sequence: nonce,
            destination: at(b"to"),
            value: TokenAmount::from_atto(value),
            kind: CrossKind::Transfer,
            nonce: Nonce::new(nonce),
            gas_limit: 0,
            fee: TokenAmount::from_atto(1),
            expires: None,
            wants_receipt: false,
        }
    }

    #[test]
    fn batch_counts_value_and_fee() {
        let batch = MessageBatch::of(Nonce::new(4), &[message(4, 10), message(5, 20)]);
        assert_eq!((batch.count, batch.value), (2, TokenAmount::from_atto(32)));
        assert_eq!(MessageBatch::of(Nonce::ZERO, &[]).root, Digest::ZERO);
    }

    #[test]
    fn any_altered_field_alters_the_root() {
        let changes: Vec<fn(&mut CrossMessage)> = vec![
            |m| m.id = Digest([9; 32]),
            |m| m.origin.subnet = SubnetId::root(2),
            |m| m.origin.address = Address::new_actor(b"other"),
            |m| m.origin_sequence = 1,
            |m| m.destination.subnet = SubnetId::root(2),
            |m| m.destination.address = Address::new_actor(b"other"),
            |m| m.value = TokenAmount::from_atto(11),
            |m| m.kind = CrossKind::Call { method: 0, params: RawBytes::default() },
            |m| m.kind = CrossKind::Call { method: 2, params: RawBytes::default() },
            |m| m.kind = CrossKind::Call { method: 0, params: RawBytes::new(vec![1]) },
            |m| m.kind = receipt(9, ExitCode::OK, &[]),
            |m| {
                let (of, return_data) = (Digest([9; 32]), RawBytes::default());
                m.kind = CrossKind::Receipt { of, of_sequence: 1, exit_code: ExitCode::OK, return_data };
            },
            |m| m.kind = receipt(8, ExitCode::OK, &[]),
            |m| m.kind = receipt(9, ExitCode::USR_NOT_FOUND, &[]),
            |m| m.kind = receipt(9, ExitCode::OK, &[1]),
            |m| m.nonce = Nonce::new(1),
            |m| m.gas_limit = 1,
            |m| m.fee = TokenAmount::from_atto(2),
            |m| (m.value, m.fee) = (m.fee.clone(), m.value.clone()),
            |m| (m.origin, m.destination) = (m.destination.clone(), m.origin.clone()),
            |m| m.expires = Some(Height::GENESIS),
            |m| m.expires = Some(Height::new(5)),
            |m| m.wants_receipt = true,
        ];
        let root = |message: CrossMessage| MessageBatch::of(Nonce::ZERO, &[message]).root;
        let mut seen = std::collections::BTreeSet::from([root(message(0, 10))]);
        for change in changes {
            let mut changed = message(0, 10);
            change(&mut changed);
            assert!(seen.insert(root(changed.clone())), "{changed:?}");
        }
    }

    fn receipt(of: u8, exit_code: ExitCode, return_data: &[u8]) -> CrossKind {
        CrossKind::Receipt {
            of: Digest([of; 32]),
            of_sequence: 0,
            exit_code,
            return_data: RawBytes::new(return_data.to_vec()),
        }
    }

    #[test]
    fn call_keys_tell_chains_and_ids_apart() {
        let (one, other) = (SubnetId::root(1), SubnetId::root(2));
        let key = call_key(&one, &Digest([7; 32]));
        assert_eq!(key, call_key(&one, &Digest([7; 32])));
        for different in [call_key(&other, &Digest([7; 32])), call_key(&one, &Digest([8; 32])), Digest([7; 32])] {
            assert_ne!(key, different);
        }
    }

    #[test]
    fn message_round_trips() {
        let mut call = message(3, 9);
        call.kind = receipt(9, ExitCode::OK, &[1]);
        assert_eq!(fvm_ipld_encoding::from_slice::<CrossMessage>(&encode(&call)).expect("decodes"), call);
    }
}
