//! The senders of one block: each message continues its sender's nonces, and each sender can pay for all of its
//! messages together.
//!
//! Both are judged on the state before the block, so a proposer cannot fill a block with messages that fail for free,
//! and nobody has to execute a block to see that it is valid.

use std::collections::BTreeMap;

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use mempool::{AccountSource, AccountView, AccountsUnreadable};

/// Why a message cannot stand where it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SenderRejection {
    /// Nobody is there to pay.
    #[error("sender {from} has no account")]
    NoAccount {
        /// Who.
        from: String,
    },
    /// A gap or a repetition.
    #[error("nonce of {from} is {actual}, expected {expected}")]
    Nonce {
        /// Whose.
        from: String,
        /// The next in order.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// Value and fees of the sender's messages exceed what it has.
    #[error("sender {from} has {} attoFIL, its messages up to nonce {nonce} may cost {}", .balance.atto(), .cost.atto())]
    Balance {
        /// Who.
        from: String,
        /// Before the block.
        balance: TokenAmount,
        /// Of its messages so far in the block.
        cost: TokenAmount,
        /// Of the message that is too much.
        nonce: u64,
    },
}

/// What a check of one message can answer.
#[derive(Debug)]
pub enum SenderCheck {
    /// It can stand here; the sender's account is charged.
    Fits,
    /// It cannot; nothing is charged.
    Rejected(SenderRejection),
}

/// The senders seen so far.
pub struct Senders<'a> {
    accounts: &'a dyn AccountSource,
    seen: BTreeMap<Address, Sender>,
}

struct Sender {
    account: AccountView,
    cost: TokenAmount,
}

impl<'a> Senders<'a> {
    /// No sender yet, on the state behind `accounts`.
    pub fn new(accounts: &'a dyn AccountSource) -> Self {
        Self { accounts, seen: BTreeMap::new() }
    }

    /// Judges the next message of the block.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn check(&mut self, message: &Message) -> Result<SenderCheck, AccountsUnreadable> {
        let from = message.from;
        if !self.seen.contains_key(&from) {
            let Some(account) = self.accounts.account(&from)? else {
                return Ok(SenderCheck::Rejected(SenderRejection::NoAccount { from: from.to_string() }));
            };
            self.seen.insert(from, Sender { account, cost: TokenAmount::default() });
        }
        let sender = self.seen.get_mut(&from).expect("it was there or inserted just now");
        let (expected, actual) = (sender.account.nonce, message.sequence);
        if actual != expected {
            let from = from.to_string();
            return Ok(SenderCheck::Rejected(SenderRejection::Nonce { from, expected, actual }));
        }
        let cost = &sender.cost + mempool::rules::cost(message);
        if cost > sender.account.balance {
            let balance = sender.account.balance.clone();
            let rejection = SenderRejection::Balance { from: from.to_string(), balance, cost, nonce: actual };
            return Ok(SenderCheck::Rejected(rejection));
        }
        sender.cost = cost;
        // A message with the last nonce is refused before it comes here.
        sender.account.nonce = expected.saturating_add(1);
        Ok(SenderCheck::Fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_encoding::RawBytes;

    /// Every address but the last has nonce 5 and 1000 attoFIL.
    struct Accounts;

    fn address(seed: u8) -> Address {
        Address::new_secp256k1(&[seed; 65]).unwrap()
    }

    impl AccountSource for Accounts {
        fn account(&self, asked: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
            let view = AccountView { nonce: 5, balance: TokenAmount::from_atto(1000) };
            Ok((*asked != address(9)).then_some(view))
        }
    }

    // Costs `value` + 10 × 30.
    fn message(seed: u8, nonce: u64, value: u64) -> Message {
        Message {
            version: 0,
            from: address(seed),
            to: address(2),
            sequence: nonce,
            value: TokenAmount::from_atto(value),
            method_num: 0,
            params: RawBytes::default(),
            gas_limit: 10,
            gas_fee_cap: TokenAmount::from_atto(30),
            gas_premium: TokenAmount::from_atto(0),
        }
    }

    fn check(senders: &mut Senders<'_>, message: &Message) -> Result<(), SenderRejection> {
        match senders.check(message).unwrap() {
            SenderCheck::Fits => Ok(()),
            SenderCheck::Rejected(rejection) => Err(rejection),
        }
    }

    #[test]
    fn nonces_continue_per_sender_and_gaps_and_repeats_are_refused() {
        let mut senders = Senders::new(&Accounts);
        assert_eq!(check(&mut senders, &message(1, 5, 0)), Ok(()));
        assert_eq!(check(&mut senders, &message(3, 5, 0)), Ok(()), "another sender has its own count");
        let repeat = check(&mut senders, &message(1, 5, 0));
        assert!(matches!(repeat, Err(SenderRejection::Nonce { expected: 6, actual: 5, .. })));
        let gap = check(&mut senders, &message(1, 7, 0));
        assert!(matches!(gap, Err(SenderRejection::Nonce { expected: 6, actual: 7, .. })));
        assert_eq!(check(&mut senders, &message(1, 6, 0)), Ok(()));
    }

    #[test]
    fn sender_pays_for_all_its_messages_together() {
        let mut senders = Senders::new(&Accounts);
        assert_eq!(check(&mut senders, &message(1, 5, 100)), Ok(()));
        assert_eq!(check(&mut senders, &message(1, 6, 300)), Ok(()), "exactly everything");
        assert!(matches!(check(&mut senders, &message(1, 7, 0)), Err(SenderRejection::Balance { .. })));
        let mut senders = Senders::new(&Accounts);
        assert!(matches!(check(&mut senders, &message(1, 5, 701)), Err(SenderRejection::Balance { .. })));
        assert_eq!(check(&mut senders, &message(1, 5, 700)), Ok(()), "what was refused is not charged");
    }

    #[test]
    fn sender_without_an_account_is_refused() {
        let mut senders = Senders::new(&Accounts);
        assert!(matches!(check(&mut senders, &message(9, 0, 0)), Err(SenderRejection::NoAccount { .. })));
    }
}
