//! How many messages go to the gateway in one call, and the gas that has to be there before.
//!
//! A call of the gateway costs much beside what each message does. Plain transfers run no code of anybody's, so several
//! in a row may share one call; a message that runs code goes alone, for one that failed would take the others with it.

use subnet_types::cross::{CrossKind, CrossMessage, DELIVERY_GAS_MAX};
use subnet_types::limits::BLOCK_GAS_MIN;

/// Most transfers of one call. More would save little, and cost more when the call fails as a whole.
pub const RUN_MESSAGES_MAX: usize = 32;

/// Gas that must be left beside what the messages may use: to save the state and encode the call before it, so that the
/// gateway really gets theirs, and to take note of the outcome.
pub const DELIVERY_GAS_RESERVE: u64 = 40_000_000;

/// Gas beyond delivery that a call uses which brings one message alone: reading its slice, which takes two million for
/// each message, or accepting a checkpoint, which takes 60; several times that.
const CALL_GAS: u64 = 300_000_000;

// No message waits for ever because no block has the gas for it.
const _: () = assert!(CALL_GAS + DELIVERY_GAS_MAX + DELIVERY_GAS_RESERVE <= BLOCK_GAS_MIN);

/// Gas that must be left before `message` is handed over by itself, so that whoever calls with too little cannot make it
/// fail.
pub fn gas_alone(message: &CrossMessage) -> u64 {
    message.delivery_gas() + DELIVERY_GAS_RESERVE
}

/// How many of the messages that wait go to the gateway in the next call, when `gas` is left. Zero: none, the gas is
/// not enough.
///
/// A run of several leaves, even if it fails and takes all of its gas with it, the gas to deliver its first message
/// alone. So every call with enough gas for one message delivers one, whatever the gateway does.
pub fn length(waiting: &[CrossMessage], messages_max: usize, gas: u64) -> usize {
    let Some(first) = waiting.first() else { return 0 };
    let alone = gas_alone(first);
    let transfers = waiting.iter().take_while(|message| matches!(message.kind, CrossKind::Transfer));
    let mut needed = DELIVERY_GAS_RESERVE + alone;
    let fitting = transfers.take(messages_max).take_while(|message| {
        needed = needed.saturating_add(message.delivery_gas());
        needed <= gas
    });
    fitting.count().max(usize::from(gas >= alone))
}

#[cfg(test)]
mod tests {
    use fvm_ipld_encoding::RawBytes;
    use fvm_shared::address::Address;
    use fvm_shared::econ::TokenAmount;
    use subnet_types::cross::{CrossAddress, gas_to_carry};
    use subnet_types::limits::{CROSS_HOP_GAS, CROSS_MESSAGE_BYTES_MAX};
    use subnet_types::{Digest, Nonce, SubnetId};

    use super::*;

    const ALONE: u64 = CROSS_HOP_GAS + DELIVERY_GAS_RESERVE;

    fn of(kind: CrossKind, gas_limit: u64) -> CrossMessage {
        let at = || CrossAddress { subnet: SubnetId::root(1), address: Address::new_actor(b"at") };
        CrossMessage {
            id: Digest::ZERO,
            origin: at(),
            origin_sequence: 0,
            destination: at(),
            value: TokenAmount::default(),
            kind,
            nonce: Nonce::ZERO,
            gas_limit,
            fee: TokenAmount::default(),
            expires: None,
            wants_receipt: false,
        }
    }

    fn transfers(count: usize) -> Vec<CrossMessage> {
        vec![of(CrossKind::Transfer, 0); count]
    }

    fn call(gas_limit: u64) -> CrossMessage {
        of(CrossKind::Call { method: 2, params: RawBytes::default() }, gas_limit)
    }

    #[test]
    fn run_is_as_long_as_there_are_transfers_and_gas() {
        let of_gas = |gas| length(&transfers(40), RUN_MESSAGES_MAX, gas);
        assert_eq!(of_gas(u64::MAX), RUN_MESSAGES_MAX);
        assert_eq!((of_gas(0), of_gas(ALONE - 1), of_gas(ALONE)), (0, 0, 1));
        let two = 2 * CROSS_HOP_GAS + DELIVERY_GAS_RESERVE + ALONE;
        assert_eq!((of_gas(two - 1), of_gas(two), of_gas(two + CROSS_HOP_GAS)), (1, 2, 3));
        assert_eq!(length(&transfers(3), RUN_MESSAGES_MAX, u64::MAX), 3);
        assert_eq!(length(&transfers(3), 1, u64::MAX), 1);
        assert_eq!(length(&[], RUN_MESSAGES_MAX, u64::MAX), 0);
    }

    #[test]
    fn message_that_runs_code_goes_alone_and_needs_its_own_gas() {
        let waiting = [transfers(2), vec![call(500)], transfers(1)].concat();
        assert_eq!(length(&waiting, RUN_MESSAGES_MAX, u64::MAX), 2);
        assert_eq!(length(&waiting[2..], RUN_MESSAGES_MAX, u64::MAX), 1);
        let needed = ALONE + gas_to_carry(500);
        assert_eq!(length(&waiting[2..], RUN_MESSAGES_MAX, needed - 1), 0);
        assert_eq!(length(&waiting[2..], RUN_MESSAGES_MAX, needed), 1);
    }

    #[test]
    fn no_message_needs_more_gas_than_the_smallest_block_has() {
        let mut dearest = call(u64::MAX);
        dearest.kind = CrossKind::Call { method: 2, params: RawBytes::new(vec![0; CROSS_MESSAGE_BYTES_MAX]) };
        assert_eq!(dearest.delivery_gas(), DELIVERY_GAS_MAX);
        assert!(gas_alone(&dearest) + CALL_GAS <= BLOCK_GAS_MIN);
    }
}
