//! Which messages the pool takes: every rule that one message and its sender's account decide.
//!
//! Room in the whole pool is not judged here but where it is made, in [`crate::pool`].

use cid::Cid;
use fvm_shared::econ::TokenAmount;
use subnet_types::SignedMessage;

use crate::accounts::AccountView;
use crate::limits::REPLACEMENT_PERCENT_MIN;
use crate::pool::Pool;
use crate::queue::{Entry, SenderQueue};
use crate::rejection::{Price, Rejection};
use crate::rules;

/// What became of a message that breaks no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits now.
    Added {
        /// Its name.
        cid: Cid,
        /// The message with the same nonce that it replaced.
        replaced: Option<Cid>,
        /// Messages that made room for it.
        evicted: Vec<Cid>,
    },
    /// It waited already.
    Duplicate {
        /// Its name.
        cid: Cid,
    },
}

impl Admission {
    /// Name of the message.
    pub const fn cid(&self) -> Cid {
        match self {
            Self::Added { cid, .. } | Self::Duplicate { cid } => *cid,
        }
    }
}

/// Answer of [`Pool::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing speaks against it but perhaps its signature, or that there is no room for its offer.
    Admissible,
    /// It waits already.
    Duplicate {
        /// Its name.
        cid: Cid,
    },
}

impl Pool {
    /// Says whether [`Pool::add`] could admit the message, at the price of some lookups, so that a signature is
    /// verified only where that is still in question. `account` is the sender's, as of now.
    ///
    /// # Errors
    /// The first rule it breaks. Room is judged in full only when it is added.
    pub fn check(&self, signed: &SignedMessage, bytes: usize, account: &AccountView) -> Result<Checked, Rejection> {
        self.rules.check(signed, bytes)?;
        let cid = signed.cid();
        // A BLS message's name leaves its signature out: with another one it is not what was verified.
        if self.get(&cid).is_some_and(|known| known.signed().signature == signed.signature) {
            return Ok(Checked::Duplicate { cid });
        }
        let queue = self.senders.get(&signed.message.from);
        // Nonces only grow: a view behind the queue's comes from a reader that a commit overtook.
        let account = queue.map(SenderQueue::account).filter(|known| known.nonce > account.nonce).unwrap_or(account);
        self.check_nonce(signed, account, queue)?;
        let replaced = queue.and_then(|queue| queue.get(signed.message.sequence));
        if let Some(replaced) = replaced {
            check_replacement(signed, replaced)?;
        }
        check_balance(signed, account, queue, replaced)?;
        if replaced.is_none() {
            self.check_sender_room(signed, queue)?;
        }
        Ok(Checked::Admissible)
    }

    fn check_nonce(
        &self,
        signed: &SignedMessage,
        account: &AccountView,
        queue: Option<&SenderQueue>,
    ) -> Result<(), Rejection> {
        let actual = signed.message.sequence;
        let expected = account.nonce;
        if actual < expected {
            return Err(Rejection::NonceStale { actual, expected });
        }
        let next = queue.map_or(expected, SenderQueue::next_free).max(expected);
        let gap_max = self.limits.nonce_gap_max;
        // The last nonce there is could never be followed, so it is refused with the gaps.
        if actual > next.saturating_add(gap_max) || actual == u64::MAX {
            return Err(Rejection::NonceGap { actual, next, gap_max });
        }
        Ok(())
    }

    /// A sender at its limit may still bring a message that its own last one makes room for.
    fn check_sender_room(&self, signed: &SignedMessage, queue: Option<&SenderQueue>) -> Result<(), Rejection> {
        let (actual, max) = (queue.map_or(0, SenderQueue::len), self.limits.sender_messages_max);
        let tail = queue.and_then(SenderQueue::tail);
        let is_before_tail = tail.is_some_and(|tail| signed.message.sequence < tail.nonce());
        if actual >= max && !is_before_tail { Err(Rejection::SenderFull { actual, max }) } else { Ok(()) }
    }
}

fn check_replacement(signed: &SignedMessage, replaced: &Entry) -> Result<(), Rejection> {
    let (new, old) = (&signed.message, &replaced.message.signed().message);
    let needed = Price { premium: raised(&old.gas_premium), fee_cap: raised(&old.gas_fee_cap) };
    if new.gas_premium >= needed.premium && new.gas_fee_cap >= needed.fee_cap {
        return Ok(());
    }
    let offered = Price { premium: new.gas_premium.clone(), fee_cap: new.gas_fee_cap.clone() };
    Err(Rejection::ReplacementUnderpriced { nonce: new.sequence, offered: Box::new(offered), needed: Box::new(needed) })
}

/// The least that replaces `price`: at least one attoFIL more, so that zero is replaced by something.
fn raised(price: &TokenAmount) -> TokenAmount {
    let scaled = price.atto() * REPLACEMENT_PERCENT_MIN;
    let ceiling: TokenAmount = TokenAmount::from_atto((scaled + 99u64) / 100u64);
    ceiling.max(price + TokenAmount::from_atto(1))
}

fn check_balance(
    signed: &SignedMessage,
    account: &AccountView,
    queue: Option<&SenderQueue>,
    replaced: Option<&Entry>,
) -> Result<(), Rejection> {
    let cost = rules::cost(&signed.message);
    let mut pending = queue.map(|queue| queue.cost().clone()).unwrap_or_default();
    if let Some(replaced) = replaced {
        pending -= &replaced.cost;
    }
    if &pending + &cost <= account.balance {
        return Ok(());
    }
    Err(Rejection::Balance { balance: account.balance.clone(), cost, pending })
}
