//! The pool itself: pure, without clock, socket or lock.
//!
//! A message is admitted on the view of its sender's account that the caller read, and leaves when a newer view makes
//! it invalid, when a better offer takes its nonce, when it is too old, when the builder of a block finds that no block
//! may hold it, or when the pool is full and better offers need its room. What
//! makes room is always the last message of some sender, so no gap opens; messages behind a gap go first, then the
//! cheapest, then the newest.
//!
//! Invariants (`Pool::violations` in tests): counters equal what is held; each message is found by its name and
//! by its sender and nonce; the limits hold; every sender's balance covers all it has pending.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cid::Cid;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::SignedMessage;

use crate::accounts::{AccountSource, AccountView, AccountsUnreadable};
use crate::limits::PoolLimits;
use crate::queue::{Entry, SenderQueue};
use crate::rejection::Rejection;
use crate::rules::MessageRules;

pub use crate::admission::{Admission, Checked};
pub use crate::queue::PendingMessage;
pub use crate::select::{Choice, SelectLimits, Selection};

/// What left the pool with a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Departures {
    /// Messages whose nonce is used now.
    pub used: Vec<Cid>,
    /// Messages that their sender's balance does not cover any more.
    pub uncovered: Vec<Cid>,
    /// Messages that waited for too many blocks.
    pub expired: Vec<Cid>,
}

impl Departures {
    fn add(&mut self, other: Self) {
        self.used.extend(other.used);
        self.uncovered.extend(other.uncovered);
        self.expired.extend(other.expired);
    }
}

/// What the pool holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Messages.
    pub messages: usize,
    /// Their encoded bytes.
    pub bytes: usize,
    /// Their senders.
    pub senders: usize,
}

/// Messages that wait for a block.
#[derive(Debug)]
pub struct Pool {
    pub(crate) rules: MessageRules,
    pub(crate) limits: PoolLimits,
    pub(crate) senders: BTreeMap<Address, SenderQueue>,
    pub(crate) names: HashMap<Cid, (Address, u64)>,
    tails: BTreeSet<Tail>,
    bytes: usize,
    arrivals: u64,
    /// Blocks taken in. Ages count from here and not from heights, which a node that starts does not know yet.
    blocks: u64,
}

/// Last message of a sender, ordered by how readily it makes room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tail {
    rank: Rank,
    newest_first: Reverse<u64>,
    sender: Address,
}

/// What decides who stays: messages behind a gap first make room, then low offers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_reachable: bool,
    offer: TokenAmount,
}

impl Tail {
    fn of(sender: Address, queue: &SenderQueue) -> Option<Self> {
        let tail = queue.tail()?;
        let rank = Rank { is_reachable: queue.is_reachable(tail.nonce()), offer: tail.offer.clone() };
        Some(Self { rank, newest_first: Reverse(tail.arrival), sender })
    }
}

impl Pool {
    /// An empty pool.
    pub fn new(rules: MessageRules, limits: PoolLimits) -> Self {
        Self {
            rules,
            limits,
            senders: BTreeMap::new(),
            names: HashMap::new(),
            tails: BTreeSet::new(),
            bytes: 0,
            arrivals: 0,
            blocks: 0,
        }
    }

    /// Admits a message whose signature the caller verified. `account` is the sender's, as of now.
    ///
    /// # Errors
    /// The first rule it breaks, or that there is no room for its offer. The pool is then as before, but for
    /// messages of the same sender that `account` itself made invalid.
    pub fn add(&mut self, signed: SignedMessage, account: &AccountView) -> Result<Admission, Rejection> {
        let from = signed.message.from;
        self.refresh(&from, account);
        let bytes = signed.to_bytes();
        if let Checked::Duplicate { cid } = self.check(&signed, bytes.len(), account)? {
            return Ok(Admission::Duplicate { cid });
        }
        self.arrivals += 1;
        let entry =
            Entry::new(PendingMessage::new(signed, bytes), &self.rules.base_fee_min, self.arrivals, self.blocks);
        self.senders.entry(from).or_insert_with(|| SenderQueue::new(account.clone()));
        let admission = self.place(from, entry);
        if self.senders.get(&from).is_some_and(SenderQueue::is_empty) {
            self.senders.remove(&from);
        }
        admission
    }

    fn place(&mut self, from: Address, entry: Entry) -> Result<Admission, Rejection> {
        let (cid, nonce) = (entry.message.cid(), entry.nonce());
        let replaced = self.take(&from, nonce);
        let mut evicted = Vec::new();
        let queue = &self.senders[&from];
        if queue.len() >= self.limits.sender_messages_max {
            let tail = queue.tail().expect("a full queue without a last message was refused before").nonce();
            evicted.extend(self.take(&from, tail).map(|entry| (from, entry)));
        }
        if let Err(rejection) = self.make_room(from, &entry, &mut evicted) {
            for (sender, entry) in evicted.into_iter().rev() {
                self.put(sender, entry);
            }
            if let Some(entry) = replaced {
                self.put(from, entry);
            }
            return Err(rejection);
        }
        self.put(from, entry);
        let evicted = evicted
            .into_iter()
            .map(|(sender, entry)| {
                if self.senders.get(&sender).is_some_and(SenderQueue::is_empty) {
                    self.senders.remove(&sender);
                }
                entry.message.cid()
            })
            .collect();
        Ok(Admission::Added { cid, replaced: replaced.map(|entry| entry.message.cid()), evicted })
    }

    /// Takes out the messages that make room for `entry`, each ranked below it. Queues that become empty stay, so
    /// that everything can be put back.
    fn make_room(
        &mut self,
        from: Address,
        entry: &Entry,
        evicted: &mut Vec<(Address, Entry)>,
    ) -> Result<(), Rejection> {
        let nonce = entry.nonce();
        let rank = Rank { is_reachable: self.senders[&from].is_reachable(nonce), offer: entry.offer.clone() };
        let size = entry.message.bytes().len();
        while self.names.len() + 1 > self.limits.messages_max || self.bytes + size > self.limits.bytes_max {
            // The sender's own message before this one must stay, or this one would be behind a gap.
            let is_own_predecessor = |tail: &Tail| {
                tail.sender == from && self.senders[&from].tail().is_some_and(|last| last.nonce() < nonce)
            };
            let victim = self.tails.iter().find(|tail| !is_own_predecessor(tail));
            let Some(victim) = victim.filter(|tail| tail.rank < rank).map(|tail| tail.sender) else {
                return Err(Rejection::PoolFull { tip: rank.offer });
            };
            let last = self.senders[&victim].tail().expect("a sender with a tail has a last message").nonce();
            evicted.extend(self.take(&victim, last).map(|entry| (victim, entry)));
        }
        Ok(())
    }

    fn put(&mut self, sender: Address, entry: Entry) {
        self.bytes += entry.message.bytes().len();
        let previous = self.names.insert(entry.message.cid(), (sender, entry.nonce()));
        assert!(previous.is_none(), "a message is in the pool once");
        self.change(sender, |queue| queue.insert(entry));
    }

    fn take(&mut self, sender: &Address, nonce: u64) -> Option<Entry> {
        let entry = self.change(*sender, |queue| queue.remove(nonce))?;
        self.forget(&entry);
        Some(entry)
    }

    fn forget(&mut self, entry: &Entry) {
        self.bytes -= entry.message.bytes().len();
        self.names.remove(&entry.message.cid());
    }

    /// Changes a queue that exists and keeps the order of tails with it.
    fn change<T>(&mut self, sender: Address, change: impl FnOnce(&mut SenderQueue) -> T) -> T {
        let queue = self.senders.get_mut(&sender).expect("the caller made the queue");
        let before = Tail::of(sender, queue);
        let result = change(queue);
        let after = Tail::of(sender, queue);
        if before != after {
            before.map(|tail| self.tails.remove(&tail));
            self.tails.extend(after);
        }
        result
    }

    /// Takes a newer view of one account in.
    pub fn refresh(&mut self, address: &Address, account: &AccountView) -> Departures {
        let Some(queue) = self.senders.get(address) else { return Departures::default() };
        if queue.account() == account {
            return Departures::default();
        }
        let refreshed = self.change(*address, |queue| queue.refresh(account));
        refreshed.used.iter().chain(&refreshed.uncovered).for_each(|entry| self.forget(entry));
        if self.senders[address].is_empty() {
            self.senders.remove(address);
        }
        let cids = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.message.cid()).collect();
        Departures { used: cids(refreshed.used), uncovered: cids(refreshed.uncovered), expired: Vec::new() }
    }

    /// Takes a committed block in: used nonces leave, balances are checked again, and what has waited for too long
    /// leaves. Blocks are final, so nothing ever comes back.
    ///
    /// # Errors
    /// When an account cannot be read.
    pub fn on_commit<'a>(
        &mut self,
        committed: impl IntoIterator<Item = &'a SignedMessage>,
        accounts: &dyn AccountSource,
    ) -> Result<Departures, AccountsUnreadable> {
        let senders: BTreeSet<Address> = committed.into_iter().map(|signed| signed.message.from).collect();
        let mut departures = Departures::default();
        for sender in senders.iter().filter(|sender| self.senders.contains_key(sender)).copied().collect::<Vec<_>>() {
            let account = accounts.account(&sender)?.unwrap_or_default();
            departures.add(self.refresh(&sender, &account));
        }
        self.blocks += 1;
        departures.expired = self.expire();
        Ok(departures)
    }

    /// Takes out what waits for longer than a message may. A look at each message costs less than an index of their
    /// ages would.
    fn expire(&mut self) -> Vec<Cid> {
        let (now, age_max) = (self.blocks, self.limits.age_blocks_max);
        let is_old = |entry: &&Entry| now.saturating_sub(entry.since) > age_max;
        let old = self.senders.values().flat_map(SenderQueue::iter).filter(is_old);
        let old: Vec<Cid> = old.map(|entry| entry.message.cid()).collect();
        self.discard(&old);
        old
    }

    /// Takes out messages that no block may hold. What their senders have behind them waits for the gap to close.
    pub fn discard(&mut self, cids: &[Cid]) {
        for cid in cids {
            let Some((sender, nonce)) = self.names.get(cid).copied() else { continue };
            self.take(&sender, nonce);
            if self.senders.get(&sender).is_some_and(SenderQueue::is_empty) {
                self.senders.remove(&sender);
            }
        }
    }

    /// A message that waits.
    pub fn get(&self, cid: &Cid) -> Option<Arc<PendingMessage>> {
        let (sender, nonce) = self.names.get(cid)?;
        let entry = self.senders.get(sender)?.get(*nonce)?;
        Some(entry.message.clone())
    }

    /// All messages that wait, by sender and nonce.
    pub fn pending(&self) -> impl Iterator<Item = &Arc<PendingMessage>> {
        self.senders.values().flat_map(|queue| queue.iter().map(|entry| &entry.message))
    }

    /// Some of what waits, for a peer that was away: every sender's first message, then every second one, and so on
    /// within the limits, so that what comes over can be included.
    pub fn sample(&self, messages_max: usize, bytes_max: usize) -> Vec<Arc<PendingMessage>> {
        let mut queues: Vec<_> = self.senders.values().map(SenderQueue::iter).collect();
        let (mut sample, mut bytes) = (Vec::new(), 0);
        while !queues.is_empty() {
            queues.retain_mut(|queue| {
                let Some(entry) = queue.next() else { return false };
                bytes += entry.message.bytes().len();
                if bytes <= bytes_max && sample.len() < messages_max {
                    sample.push(entry.message.clone());
                }
                true
            });
            if bytes > bytes_max || sample.len() >= messages_max {
                break;
            }
        }
        sample
    }

    /// First nonce from `account_nonce` on that the sender has free.
    pub fn next_nonce(&self, address: &Address, account_nonce: u64) -> u64 {
        self.senders.get(address).map_or(account_nonce, SenderQueue::next_free).max(account_nonce)
    }

    /// What the pool holds.
    pub fn stats(&self) -> PoolStats {
        PoolStats { messages: self.names.len(), bytes: self.bytes, senders: self.senders.len() }
    }
}

#[cfg(test)]
impl Pool {
    /// Every invariant that does not hold.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut violations: Vec<String> = self.senders.values().flat_map(SenderQueue::violations).collect();
        let mut claim = |holds: bool, what: &str| {
            if !holds {
                violations.push(what.to_owned())
            }
        };
        claim(self.pending().count() == self.names.len(), "names count what queues hold");
        claim(self.pending().map(|m| m.bytes().len()).sum::<usize>() == self.bytes, "bytes sum to the counter");
        claim(
            self.pending()
                .all(|m| self.names.get(&m.cid()) == Some(&(m.signed().message.from, m.signed().message.sequence))),
            "each message is found by its name",
        );
        let tails: BTreeSet<Tail> =
            self.senders.iter().filter_map(|(sender, queue)| Tail::of(*sender, queue)).collect();
        claim(tails == self.tails, "tails are those of the queues");
        claim(self.names.len() <= self.limits.messages_max, "the message limit holds");
        claim(self.bytes <= self.limits.bytes_max, "the byte limit holds");
        claim(
            self.senders.values().all(|q| !q.is_empty() && q.len() <= self.limits.sender_messages_max),
            "no queue is empty or too long",
        );
        violations
    }
}
