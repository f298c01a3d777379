//! What one sender has pending, by nonce.
//!
//! Invariants: no two messages with one nonce; `cost` is the sum of the messages' costs; `next_free` is the first
//! nonce from the account's on that no message holds. A message below `next_free` is *reachable*: blocks can include
//! it. One above waits for the gap to close.

use std::collections::BTreeMap;
use std::sync::Arc;

use cid::Cid;
use fvm_shared::econ::TokenAmount;
use subnet_types::SignedMessage;

use crate::accounts::AccountView;
use crate::rules;

/// A message that waits.
#[derive(Debug, PartialEq, Eq)]
pub struct PendingMessage {
    signed: SignedMessage,
    bytes: Vec<u8>,
    cid: Cid,
}

impl PendingMessage {
    pub(crate) fn new(signed: SignedMessage, bytes: Vec<u8>) -> Self {
        let cid = signed.cid();
        Self { signed, bytes, cid }
    }

    /// The message.
    pub const fn signed(&self) -> &SignedMessage {
        &self.signed
    }

    /// Its encoded form, as it stands in payloads and gossip.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its name.
    pub const fn cid(&self) -> Cid {
        self.cid
    }

    /// Its place among its sender's messages.
    pub const fn nonce(&self) -> u64 {
        self.signed.message.sequence
    }
}

/// A pending message with what the pool ranks it by.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub message: Arc<PendingMessage>,
    /// Most that it can take from its sender.
    pub cost: TokenAmount,
    /// Tip for each unit of gas at the least base fee; does not change as the base fee does, so ranks stay sorted.
    pub offer: TokenAmount,
    /// Counts admissions; of equal offers the older comes first.
    pub arrival: u64,
    /// Blocks that the pool had seen when it came.
    pub since: u64,
}

impl Entry {
    pub(crate) fn new(message: PendingMessage, base_fee_min: &TokenAmount, arrival: u64, since: u64) -> Self {
        let cost = rules::cost(&message.signed.message);
        let offer = rules::tip(&message.signed.message, base_fee_min).unwrap_or_default();
        Self { message: Arc::new(message), cost, offer, arrival, since }
    }

    pub(crate) fn nonce(&self) -> u64 {
        self.message.nonce()
    }
}

/// One sender's messages.
#[derive(Debug)]
pub(crate) struct SenderQueue {
    account: AccountView,
    entries: BTreeMap<u64, Entry>,
    cost: TokenAmount,
    next_free: u64,
}

impl SenderQueue {
    pub(crate) fn new(account: AccountView) -> Self {
        let next_free = account.nonce;
        Self { account, entries: BTreeMap::new(), cost: TokenAmount::default(), next_free }
    }

    pub(crate) const fn account(&self) -> &AccountView {
        &self.account
    }

    pub(crate) const fn cost(&self) -> &TokenAmount {
        &self.cost
    }

    pub(crate) const fn next_free(&self) -> u64 {
        self.next_free
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Entry> {
        self.entries.get(&nonce)
    }

    /// The message with the lowest nonce.
    pub(crate) fn head(&self) -> Option<&Entry> {
        self.entries.values().next()
    }

    /// The message with the highest nonce: the only one that can leave without opening a gap.
    pub(crate) fn tail(&self) -> Option<&Entry> {
        self.entries.values().next_back()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Whether a message with this nonce can be included, or could be if it were here.
    pub(crate) const fn is_reachable(&self, nonce: u64) -> bool {
        nonce <= self.next_free
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        self.cost += &entry.cost;
        let nonce = entry.nonce();
        let previous = self.entries.insert(nonce, entry);
        assert!(previous.is_none(), "a message is taken out before another takes its nonce");
        if nonce == self.next_free {
            self.seek_free(nonce);
        }
    }

    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Entry> {
        let entry = self.entries.remove(&nonce)?;
        self.cost -= &entry.cost;
        if (self.account.nonce..self.next_free).contains(&nonce) {
            self.next_free = nonce;
        }
        Some(entry)
    }

    /// Takes a newer view of the account in and gives back what it makes invalid: first used nonces, then from the
    /// tail on what the balance does not cover any more.
    pub(crate) fn refresh(&mut self, account: &AccountView) -> Refreshed {
        let mut refreshed = Refreshed::default();
        // Nonces only grow: an older view comes from a reader that a commit overtook.
        if account.nonce < self.account.nonce {
            return refreshed;
        }
        self.account = account.clone();
        let kept = self.entries.split_off(&account.nonce);
        for entry in std::mem::replace(&mut self.entries, kept).into_values() {
            self.cost -= &entry.cost;
            refreshed.used.push(entry);
        }
        self.seek_free(account.nonce.max(self.next_free));
        while self.cost > self.account.balance {
            let nonce = self.tail().expect("a cost above zero is that of a message").nonce();
            refreshed.uncovered.extend(self.remove(nonce));
        }
        refreshed
    }

    fn seek_free(&mut self, from: u64) {
        let run = self.entries.range(from..).map(|(nonce, _)| *nonce);
        self.next_free = from + run.zip(from..).take_while(|(nonce, expected)| nonce == expected).count() as u64;
    }

    /// Every invariant that does not hold.
    #[cfg(test)]
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let cost: TokenAmount = self.entries.values().map(|entry| &entry.cost).sum();
        if cost != self.cost {
            violations.push(format!("cost is {}, the messages sum to {cost}", self.cost));
        }
        if self.cost > self.account.balance {
            violations.push(format!("cost {} is above the balance {}", self.cost, self.account.balance));
        }
        let free = (self.account.nonce..).find(|nonce| !self.entries.contains_key(nonce));
        if free != Some(self.next_free) {
            violations.push(format!("next free nonce is {}, counted {free:?}", self.next_free));
        }
        if self.entries.iter().any(|(nonce, entry)| *nonce != entry.nonce() || *nonce < self.account.nonce) {
            violations.push("a message stands at a nonce that is not its own or is used".to_owned());
        }
        violations
    }
}

/// What a newer view of an account made invalid.
#[derive(Debug, Default)]
pub(crate) struct Refreshed {
    /// Nonces that are used: committed, here or elsewhere.
    pub used: Vec<Entry>,
    /// What the balance does not cover any more.
    pub uncovered: Vec<Entry>,
}
