//! Which messages a block takes: always the highest tip among the senders' next messages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use cid::Cid;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;

use crate::accounts::{AccountSource, AccountView, AccountsUnreadable};
use crate::pool::{PendingMessage, Pool};
use crate::queue::Entry;
use crate::rules;

/// What a block has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectLimits {
    /// Sum of gas limits.
    pub gas_max: u64,
    /// Sum of encoded bytes.
    pub bytes_max: usize,
    /// Messages.
    pub items_max: usize,
}

/// What the builder of a block says of a message whose turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It stands in the block.
    Take,
    /// Not in this block, and so nothing of its sender.
    PassOver,
    /// In no block at all.
    Discard,
    /// The block is done.
    Stop,
}

/// What a block takes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// In the order in which they go into the block.
    pub messages: Vec<Arc<PendingMessage>>,
    /// What no block may hold, for [`Pool::discard`].
    pub discarded: Vec<Cid>,
}

/// A sender's next message, ordered by what it brings.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    tip: TokenAmount,
    oldest_first: Reverse<u64>,
    sender: Address,
    nonce: u64,
}

impl Candidate {
    fn new(sender: Address, entry: &Entry, base_fee: &TokenAmount) -> Option<Self> {
        let tip = rules::tip(&entry.message.signed().message, base_fee)?;
        Some(Self { tip, oldest_first: Reverse(entry.arrival), sender, nonce: entry.nonce() })
    }
}

impl Pool {
    /// Messages for a block at `base_fee` on top of the state that `accounts` shows, in the order in which they go
    /// into it: highest tip first, each sender's in nonce order without gaps, every one covered by its sender's
    /// balance together with those before it, and all of them within `limits`.
    ///
    /// A sender whose next message does not fit is passed over, since what follows depends on it; smaller messages
    /// of others still fill the block.
    ///
    /// `choose` has the last word on each message. Only what it takes uses up room: a message that fills a block and
    /// may not stand in it would otherwise keep all others out.
    ///
    /// # Errors
    /// When an account cannot be read.
    pub fn select(
        &self,
        limits: SelectLimits,
        base_fee: &TokenAmount,
        accounts: &dyn AccountSource,
        choose: &mut dyn FnMut(&PendingMessage) -> Choice,
    ) -> Result<Selection, AccountsUnreadable> {
        let mut left = limits;
        let mut selection = Selection::default();
        // What each sender in play can still spend, read once.
        let mut views: BTreeMap<Address, AccountView> = BTreeMap::new();
        let mut candidates: BinaryHeap<Candidate> = self
            .senders
            .iter()
            .filter_map(|(sender, queue)| Candidate::new(*sender, queue.head()?, base_fee))
            .collect();
        while let Some(Candidate { sender, nonce, .. }) = candidates.pop() {
            if left.items_max == 0 || left.gas_max < self.rules.intrinsic.base {
                break;
            }
            let view = match views.entry(sender) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(accounts.account(&sender)?.unwrap_or_default())
                }
            };
            let queue = &self.senders[&sender];
            let entry_at = |nonce| queue.get(nonce).and_then(|entry| Candidate::new(sender, entry, base_fee));
            if nonce != view.nonce {
                // The state is ahead of what this pool heard; go on from where the account is. A view behind the
                // queue has a gap here and nothing to offer.
                candidates.extend(Some(view.nonce).filter(|next| *next > nonce).and_then(entry_at));
                continue;
            }
            let entry = queue.get(nonce).expect("candidates come from this queue");
            let message = &entry.message;
            let (gas, bytes) = (message.signed().message.gas_limit, message.bytes().len());
            if gas > left.gas_max || bytes > left.bytes_max || entry.cost > view.balance {
                continue;
            }
            match choose(message) {
                Choice::Take => {}
                Choice::PassOver => continue,
                Choice::Discard => {
                    selection.discarded.push(message.cid());
                    continue;
                }
                Choice::Stop => break,
            }
            left = SelectLimits {
                gas_max: left.gas_max - gas,
                bytes_max: left.bytes_max - bytes,
                items_max: left.items_max - 1,
            };
            view.balance -= &entry.cost;
            view.nonce += 1;
            selection.messages.push(message.clone());
            candidates.extend(entry_at(nonce + 1));
        }
        Ok(selection)
    }
}
