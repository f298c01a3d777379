//! Sends messages to all nodes of a chain and watches when they are final.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cid::Cid;
use client::api::JsonCid;
use client::keys::{AccountKey, AccountScheme};
use client::sign_message;
use futures::future::try_join_all;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::hash::encode;
use subnet_types::limits::BLOCK_GAS_MAX;
use subnet_types::{ChainIdentity, Height, SignedMessage};
use token_actor::{METHOD_TRANSFER, TransferParams};
use tokio::time::sleep;

use super::{Workload, heights};
use crate::remote::{PreparedPush, Remote};

/// Messages of one request.
const BATCH: usize = 50;

/// Messages that were sent and are not final yet, at most: far less than a pool holds.
const WINDOW_MAX: usize = 6_000;

/// The same in full blocks. Enough that no block has to wait for messages, and soon done when sending ends.
const WINDOW_BLOCKS: u64 = 4;

/// Messages of one burst. They are signed before it begins.
const BURST_MESSAGES_MAX: usize = 24_000;

/// How often the head is looked at: the resolution of what is measured.
const POLL: Duration = Duration::from_millis(10);

/// Time between two portions of an even load.
const PORTION: Duration = Duration::from_millis(50);

/// Heights looked up side by side.
const LOOKUPS: usize = 16;

/// An account that sends.
pub(super) struct Payer {
    key: AccountKey,
    /// Its id on the chain, once [`find_ids`] has found it.
    pub(super) id: ActorID,
    pub(super) nonce: u64,
}

/// The most that a unit of gas may cost: a thousand times the least, as full blocks raise the fee by an eighth each.
pub(super) fn fee_cap() -> TokenAmount {
    TokenAmount::from_atto(100_000u64)
}

impl Payer {
    pub(super) fn generate() -> Self {
        Self { key: AccountKey::generate(AccountScheme::Secp256k1), id: 0, nonce: 0 }
    }

    pub(super) fn address(&self) -> Address {
        self.key.address()
    }

    /// Its next message, to itself and without gas.
    pub(super) fn message(&self) -> Message {
        Message {
            version: 0,
            from: self.address(),
            to: self.address(),
            sequence: self.nonce,
            value: TokenAmount::default(),
            method_num: 0,
            params: RawBytes::default(),
            gas_limit: 0,
            gas_fee_cap: TokenAmount::default(),
            gas_premium: TokenAmount::default(),
        }
    }

    pub(super) fn sign(&self, message: &Message, identity: &ChainIdentity) -> SignedMessage {
        sign_message(message, &self.key, identity)
    }
}

/// Looks up the ids of all payers.
///
/// # Errors
/// When the chain has one of them not.
pub(super) async fn find_ids(remote: &Remote, payers: &mut [Payer]) -> anyhow::Result<()> {
    let height = remote.height().await?;
    for some in payers.chunks_mut(LOOKUPS) {
        let ids = try_join_all(some.iter().map(|payer| {
            let address = payer.address();
            async move { remote.lookup_id(&address, height).await }
        }));
        for (id, payer) in ids.await?.into_iter().zip(&mut *some) {
            payer.id = id;
        }
    }
    Ok(())
}

/// One workload on one chain.
pub(super) struct Load<'a> {
    workload: Workload,
    remotes: &'a [Remote],
    identity: ChainIdentity,
    /// Gas limit and premium of every message.
    filled: Message,
    /// Messages on their way at most.
    window: usize,
}

/// What became of a part of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// From submission to finality, one for each message.
    pub(super) latencies_ms: Vec<u64>,
    took: Duration,
    heights: Option<(Height, Height)>,
}

impl Outcome {
    /// Messages that became final in each second.
    pub(super) fn per_second(&self) -> f64 {
        super::figures::ratio(self.latencies_ms.len() as f64, self.took.as_secs_f64())
    }

    /// Blocks from the first to the last that held messages.
    pub(super) fn blocks(&self) -> u64 {
        self.heights.map_or(0, |(first, last)| last.saturating_since(first) + 1)
    }

    /// Latency that so many of a hundred messages do not exceed; 0 without messages.
    pub(super) fn latency_ms(&self, percent: usize) -> u64 {
        let mut sorted = self.latencies_ms.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// A message ready to be sent.
pub(super) struct Prepared {
    cid: Cid,
    payer: usize,
    push: PreparedPush,
}

/// What is on its way.
#[derive(Default)]
struct Flight {
    sent: HashMap<Cid, Instant>,
    outcome: Outcome,
    first_sent: Option<Instant>,
}

impl Flight {
    fn send(&mut self, cids: impl IntoIterator<Item = Cid>, now: Instant) {
        self.first_sent.get_or_insert(now);
        self.sent.extend(cids.into_iter().map(|cid| (cid, now)));
    }

    fn is_final(&mut self, height: Height, cids: impl IntoIterator<Item = Cid>, seen: Instant) {
        for cid in cids {
            let Some(sent) = self.sent.remove(&cid) else { continue };
            self.outcome.latencies_ms.push(u64::try_from((seen - sent).as_millis()).unwrap_or(u64::MAX));
            self.outcome.took = self.first_sent.map_or(Duration::ZERO, |first| seen - first);
            let first = self.outcome.heights.map_or(height, |(first, _)| first);
            self.outcome.heights = Some((first, height));
        }
    }
}

type Shared = Arc<Mutex<Flight>>;

fn lock(flight: &Shared) -> MutexGuard<'_, Flight> {
    flight.lock().expect("nothing panics while it counts")
}

impl<'a> Load<'a> {
    /// # Errors
    /// When a node cannot be asked, or would fail a message of this kind.
    pub(super) async fn new(workload: Workload, remotes: &'a [Remote], payers: &[Payer]) -> anyhow::Result<Self> {
        let [first, second, ..] = payers else { bail!("a load needs two accounts") };
        let remote = remotes.first().context("a load needs a node")?;
        let identity = remote.info().await?.identity;
        let filled = remote.estimate(&act(workload, first.message(), second)).await?;
        let per_block = BLOCK_GAS_MAX / filled.gas_limit.max(1);
        let window = usize::try_from(per_block * WINDOW_BLOCKS)?.min(WINDOW_MAX);
        Ok(Self { workload, remotes, identity, filled, window })
    }

    /// The next `count` messages of all payers in turn. Their nonces are taken only when they are sent.
    fn prepare(&self, payers: &[Payer], count: usize) -> anyhow::Result<Vec<Prepared>> {
        (0..count)
            .map(|index| {
                let (payer, round) = (index % payers.len(), index / payers.len());
                let to = (payer + 1 + round % (payers.len() - 1)) % payers.len();
                let from = &payers[payer];
                let message = Message {
                    sequence: from.nonce + round as u64,
                    gas_limit: self.filled.gas_limit,
                    gas_fee_cap: fee_cap(),
                    gas_premium: self.filled.gas_premium.clone(),
                    ..act(self.workload, from.message(), &payers[to])
                };
                let signed = from.sign(&message, &self.identity);
                Ok(Prepared { cid: signed.cid(), payer, push: PreparedPush::new(&signed)? })
            })
            .collect()
    }

    /// Signs what a burst may send. The chain goes on meanwhile, so this is no part of it.
    ///
    /// # Errors
    /// When a message cannot be encoded.
    pub(super) fn prepare_burst(&self, payers: &[Payer]) -> anyhow::Result<Vec<Prepared>> {
        self.prepare(payers, BURST_MESSAGES_MAX)
    }

    /// Sends as many of these as the chain takes, for `time`, and waits until they are final.
    ///
    /// # Errors
    /// When a node refuses a message, or they are not final within `patience`.
    pub(super) async fn burst(
        &self,
        payers: &mut [Payer],
        prepared: Vec<Prepared>,
        time: Duration,
        patience: Duration,
    ) -> anyhow::Result<Outcome> {
        let deadline = Instant::now() + time;
        self.watched(patience, async |flight| {
            let queues = self.by_node(prepared);
            let senders = self.remotes.iter().zip(queues).map(async |(remote, queue)| {
                let mut sent = Vec::new();
                let mut queue = queue.into_iter().peekable();
                while queue.peek().is_some() && Instant::now() < deadline {
                    if lock(flight).sent.len() + BATCH * self.remotes.len() > self.window {
                        sleep(POLL).await;
                        continue;
                    }
                    let batch: Vec<Prepared> = queue.by_ref().take(BATCH).collect();
                    sent.extend(batch.iter().map(|prepared| prepared.payer));
                    send(remote, flight, batch).await?;
                }
                anyhow::Ok(sent)
            });
            for payer in try_join_all(senders).await?.into_iter().flatten() {
                payers[payer].nonce += 1;
            }
            Ok(())
        })
        .await
    }

    /// Sends `rate` messages a second for `time`, and waits until they are final.
    ///
    /// # Errors
    /// As [`Self::burst`].
    pub(super) async fn paced(
        &self,
        payers: &mut [Payer],
        rate: f64,
        time: Duration,
        patience: Duration,
    ) -> anyhow::Result<Outcome> {
        let count = (rate * time.as_secs_f64()) as usize;
        let prepared = self.prepare(payers, count)?;
        self.watched(patience, async |flight| {
            for prepared in &prepared {
                payers[prepared.payer].nonce += 1;
            }
            let started = tokio::time::Instant::now();
            let mut queue = prepared.into_iter();
            let mut portions = tokio::task::JoinSet::new();
            let mut sent = 0;
            for portion in 1.. {
                let due = ((PORTION * portion).as_secs_f64() * rate) as usize;
                let batch: Vec<Prepared> = queue.by_ref().take(due.saturating_sub(sent)).collect();
                sent = due;
                for (remote, batch) in self.remotes.iter().zip(self.by_node(batch)) {
                    let (remote, flight) = (remote.clone(), flight.clone());
                    portions.spawn(async move { send(&remote, &flight, batch).await });
                }
                if sent >= count {
                    break;
                }
                tokio::time::sleep_until(started + PORTION * portion).await;
            }
            while let Some(ended) = portions.join_next().await {
                ended??;
            }
            Ok(())
        })
        .await
    }

    /// One node for each payer keeps a payer's messages in order without waiting for gossip.
    fn by_node(&self, prepared: Vec<Prepared>) -> Vec<Vec<Prepared>> {
        let mut queues: Vec<_> = self.remotes.iter().map(|_| Vec::new()).collect();
        for prepared in prepared {
            queues[prepared.payer % self.remotes.len()].push(prepared);
        }
        queues
    }

    /// Notes which messages are final, for as long as it is polled.
    async fn watch(&self, flight: &Shared, mut last: Height) -> anyhow::Result<()> {
        let remote = &self.remotes[0];
        loop {
            let (head, seen) = (remote.height().await?, Instant::now());
            for height in heights(last, head) {
                let block = remote.block(height).await?;
                lock(flight).is_final(height, block.messages.into_iter().map(|JsonCid(cid)| cid), seen);
            }
            last = head;
            sleep(POLL).await;
        }
    }

    /// Watches the chain while `sending` goes on and until all that was sent is final.
    async fn watched(
        &self,
        patience: Duration,
        sending: impl AsyncFnOnce(&Shared) -> anyhow::Result<()>,
    ) -> anyhow::Result<Outcome> {
        let flight = Shared::default();
        let last = self.remotes[0].height().await?;
        let work = async {
            sending(&flight).await?;
            let deadline = Instant::now() + patience;
            loop {
                let left = lock(&flight).sent.len();
                if left == 0 {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    bail!("{left} messages are in no block {} s after the last was sent", patience.as_secs());
                }
                sleep(POLL).await;
            }
        };
        tokio::select! {
            ended = self.watch(&flight, last) => ended?,
            ended = work => ended?,
        }
        let outcome = std::mem::take(&mut lock(&flight).outcome);
        Ok(outcome)
    }
}

async fn send(remote: &Remote, flight: &Shared, batch: Vec<Prepared>) -> anyhow::Result<()> {
    for batch in chunks(batch, BATCH) {
        // Noted before it is sent: it may be final before the answer is here.
        lock(flight).send(batch.iter().map(|prepared| prepared.cid), Instant::now());
        remote.push_all(batch.into_iter().map(|prepared| prepared.push).collect()).await?;
    }
    Ok(())
}

fn chunks<T>(items: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || Some(items.by_ref().take(size).collect::<Vec<_>>()).filter(|chunk| !chunk.is_empty()))
}

/// What the workload does, with this message's sender, to the other.
fn act(workload: Workload, message: Message, to: &Payer) -> Message {
    match workload {
        Workload::Send => Message { to: to.address(), value: TokenAmount::from_atto(1), ..message },
        Workload::Token(token) => {
            let params = TransferParams {
                to: Address::new_id(to.id),
                amount: TokenAmount::from_atto(1),
                operator_data: RawBytes::default(),
            };
            Message { to: token, method_num: METHOD_TRANSFER, params: RawBytes::new(encode(&params)), ..message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::hash::cid_of;

    #[test]
    fn latency_counts_from_submission_to_the_look_that_found_the_block() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let cid = |number: u32| cid_of(&number);
        let mut flight = Flight::default();
        flight.send([cid(1), cid(2)], at(100));
        flight.send([cid(3)], at(200));
        flight.is_final(Height::new(5), [cid(9), cid(1), cid(3)], at(600));
        assert_eq!((flight.sent.len(), flight.outcome.blocks()), (1, 1), "others' messages do not count");
        flight.is_final(Height::new(7), [cid(2), cid(1)], at(1100));
        let outcome = flight.outcome;
        assert_eq!(outcome.latencies_ms, [500, 400, 1000]);
        assert_eq!((outcome.blocks(), outcome.took), (3, Duration::from_secs(1)));
        assert_eq!(outcome.per_second(), 3.0);
        assert_eq!((outcome.latency_ms(50), outcome.latency_ms(99), outcome.latency_ms(1)), (500, 1000, 400));
        assert_eq!((Outcome::default().latency_ms(50), Outcome::default().per_second()), (0, 0.0));
    }

    #[test]
    fn payers_take_turns_with_nonces_in_order() {
        let payers: Vec<Payer> = (0..3).map(|_| Payer { nonce: 7, ..Payer::generate() }).collect();
        let load = Load {
            workload: Workload::Send,
            remotes: &[],
            identity: subnet_types::Digest([0; 32]),
            filled: payers[0].message(),
            window: WINDOW_MAX,
        };
        let prepared = load.prepare(&payers, 7).unwrap();
        assert_eq!(prepared.iter().map(|prepared| prepared.payer).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0]);
        let again = load.prepare(&payers, 7).unwrap();
        assert!(prepared.iter().zip(&again).all(|(one, other)| one.cid == other.cid), "nothing was sent yet");
    }

    #[test]
    fn chunks_hold_everything_once() {
        assert_eq!(chunks(vec![1, 2, 3, 4, 5], 2).collect::<Vec<_>>(), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(chunks(Vec::<u8>::new(), 2).count(), 0);
    }
}
