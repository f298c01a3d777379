//! Whole mempools: push here, wait there, and what a node that was away gets.

use std::net::SocketAddr;
use std::sync::Arc;

use subnet_types::Height;
use subnet_types::message::SignaturePolicy;

use super::network::config;
use super::*;
use crate::gossip::Gossip;
use crate::limits::REBROADCAST_BLOCKS;
use crate::pool::{Choice, SelectLimits};
use crate::service::{Commit, Mempool, MempoolConfig, PushError};
use crate::signature::{SignatureError, Verifier};

struct Node {
    mempool: Mempool,
    verifier: Arc<Verifier>,
    accounts: Arc<Accounts>,
}

async fn start(seed: u8, peers: &[SocketAddr]) -> Node {
    let accounts = Arc::new(Accounts::with([(Key::secp256k1(5).address(), rich(0)), (Key::bls(5).address(), rich(0))]));
    let config = MempoolConfig { rules: rules(), limits: PoolLimits::default(), gossip: config(seed, IDENTITY, peers) };
    let verifier = Arc::new(Verifier::new(IDENTITY, SignaturePolicy::Bound));
    let mempool = Mempool::start(config, accounts.clone(), verifier.clone()).await.unwrap();
    Node { mempool, verifier, accounts }
}

impl Node {
    fn waiting(&self) -> usize {
        self.mempool.status().metrics.pool.messages
    }

    fn peers(&self) -> usize {
        self.mempool.status().gossip.peers.len()
    }

    fn commit(&self, height: u64, messages: &[SignedMessage]) {
        for signed in messages {
            let from = signed.message.from;
            let account = self.accounts.get(&from);
            self.accounts.set(from, AccountView { nonce: signed.message.sequence + 1, ..account });
        }
        self.mempool.on_commit(Commit { height: Height::new(height), messages }).unwrap();
    }
}

async fn shutdown(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.mempool.shutdown().await;
    }
}

#[tokio::test]
async fn a_pushed_message_waits_everywhere_until_a_commit() {
    let first = start(1, &[]).await;
    let second = start(2, &[first.mempool.listen()]).await;
    let third = start(3, &[first.mempool.listen()]).await;
    let nodes = [first, second, third];
    eventually("all are connected", || nodes[0].peers() == 2).await;
    let signed = [Key::secp256k1(5).sign(0), Key::bls(5).sign(0), Key::secp256k1(5).sign(1)];
    for signed in &signed {
        assert_eq!(nodes[1].mempool.push(signed.clone()), Ok(signed.cid()));
        assert_eq!(nodes[1].mempool.push(signed.clone()), Ok(signed.cid()), "once more does no harm");
    }
    eventually("all wait everywhere", || nodes.iter().all(|node| node.waiting() == 3)).await;
    let from = Key::secp256k1(5).address();
    for node in &nodes {
        assert_eq!(node.mempool.next_nonce(&from), Ok(2));
        let limits = SelectLimits { gas_max: 1_000_000, bytes_max: 1_000_000, items_max: 100 };
        assert_eq!(node.mempool.select(limits, &atto(10), &*node.accounts, &mut |_| Choice::Take).unwrap().len(), 3);
        node.commit(1, &signed);
        assert_eq!(node.waiting(), 0);
        assert!(node.mempool.pending().is_empty());
        assert_eq!(node.mempool.next_nonce(&from), Ok(2));
        let metrics = node.mempool.status().metrics;
        assert_eq!((metrics.admitted, metrics.used, metrics.faults), (3, 3, 0));
    }
    shutdown(nodes).await;
}

#[tokio::test]
async fn a_signature_is_checked_once_on_each_node_whichever_way_the_message_comes() {
    let first = start(1, &[]).await;
    let signed: Vec<_> = (0..40).map(|nonce| Key::secp256k1(5).sign(nonce)).collect();
    for signed in &signed[..20] {
        first.mempool.push(signed.clone()).unwrap();
    }
    // Half of them comes by a pull, half by gossip, and some are pushed there as well.
    let second = start(2, &[first.mempool.listen()]).await;
    eventually("the second has the first half", || second.waiting() == 20).await;
    for signed in &signed[20..] {
        first.mempool.push(signed.clone()).unwrap();
    }
    for signed in &signed[20..30] {
        second.mempool.push(signed.clone()).unwrap();
    }
    eventually("the second has all", || second.waiting() == 40).await;
    for node in [&first, &second] {
        assert_eq!(node.verifier.work().0, 40);
        // A proposal that holds them is judged without a single check.
        assert_eq!(node.verifier.verify_all(&signed), Ok(()));
        assert_eq!(node.verifier.work().0, 40);
    }
    shutdown([first, second]).await;
}

#[tokio::test]
async fn a_message_that_cannot_be_admitted_costs_no_signature() {
    let node = start(1, &[]).await;
    let mut stranger = Key::secp256k1(6).sign(0);
    stranger.signature = Key::secp256k1(7).sign(0).signature;
    let stale = Key::secp256k1(5).sign(0);
    let from = stale.message.from;
    node.accounts.set(from, AccountView { nonce: 1, ..node.accounts.get(&from) });
    let (sender, _inbound) = Gossip::start(config(2, IDENTITY, &[node.mempool.listen()])).await.unwrap();
    eventually("they are connected", || sender.status().peers.len() == 1).await;
    eventually("both are refused", || {
        for signed in [&stranger, &stale] {
            sender.publish(signed.to_bytes()).unwrap();
        }
        node.mempool.status().metrics.rejected >= 2
    })
    .await;
    assert_eq!(node.verifier.work().0, 0);
    sender.shutdown().await;
    shutdown([node]).await;
}

#[tokio::test]
async fn a_node_that_was_away_gets_what_its_peers_have_pending() {
    let resident = start(1, &[]).await;
    let signed: Vec<_> = (0..3).map(|nonce| Key::secp256k1(5).sign(nonce)).collect();
    for signed in &signed {
        resident.mempool.push(signed.clone()).unwrap();
    }
    let newcomer = start(2, &[resident.mempool.listen()]).await;
    eventually("the newcomer has them", || newcomer.waiting() == 3).await;
    assert_eq!(newcomer.mempool.message(&signed[1].cid()).unwrap().signed(), &signed[1]);
    assert!(newcomer.mempool.status().gossip.counters.pulls >= 1);
    assert_eq!(newcomer.mempool.status().gossip.counters.received, 0);
    shutdown([resident, newcomer]).await;
}

#[tokio::test]
async fn a_peer_that_publishes_garbage_and_forgeries_is_cut_off() {
    let victim = start(1, &[]).await;
    let (attacker, _inbound) = Gossip::start(config(2, IDENTITY, &[victim.mempool.listen()])).await.unwrap();
    eventually("they are connected", || attacker.status().peers.len() == 1).await;
    let mut forged = Key::secp256k1(5).sign(0);
    forged.signature = Key::secp256k1(6).sign(0).signature;
    let mut bad_version = Key::bls(5).sign(0);
    bad_version.message.version = 9;
    // Ordinary refusals in between cost nothing.
    let mut poor = Key::secp256k1(6).sign(0);
    poor.message.sequence = 1;
    let attacks = [
        b"garbage".to_vec(),
        forged.to_bytes(),
        poor.to_bytes(),
        bad_version.to_bytes(),
        Key::secp256k1(5).sign(0).to_bytes()[..40].to_vec(),
    ];
    for (count, attack) in attacks.into_iter().enumerate() {
        let judged = count as u64 + 1;
        eventually("the attack is judged", || {
            attacker.publish(attack.clone()).unwrap();
            victim.mempool.status().metrics.rejected == judged
        })
        .await;
    }
    eventually("the attacker is cut off", || victim.mempool.status().gossip.counters.peers_cut == 1).await;
    eventually("and gone", || victim.peers() == 0).await;
    let metrics = victim.mempool.status().metrics;
    assert_eq!((metrics.pool.messages, metrics.faults, metrics.rejected), (0, 4, 5));
    attacker.shutdown().await;
    shutdown([victim]).await;
}

#[tokio::test]
async fn a_push_says_why_it_is_refused() {
    let node = start(1, &[]).await;
    let push = |signed| match node.mempool.push(signed) {
        Err(PushError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    };
    let mut forged = Key::secp256k1(5).sign(0);
    forged.message.value = atto(2);
    assert!(matches!(push(forged), Rejection::Signature(SignatureError::Mismatch { .. })));
    assert!(matches!(push(Key::secp256k1(6).sign(0)), Rejection::NoAccount { .. }));
    node.accounts.set(Key::secp256k1(6).address(), view(0, 5));
    assert!(matches!(push(Key::secp256k1(6).sign(0)), Rejection::Balance { .. }));
    node.accounts.set(Key::secp256k1(5).address(), rich(1));
    assert_eq!(push(Key::secp256k1(5).sign(0)), Rejection::NonceStale { actual: 0, expected: 1 });
    let metrics = node.mempool.status().metrics;
    assert_eq!((metrics.rejected, metrics.faults, metrics.pool.messages), (4, 1, 0));
    shutdown([node]).await;
}

#[tokio::test]
async fn what_the_builder_discards_leaves_and_is_counted() {
    let node = start(1, &[]).await;
    let signed = [Key::secp256k1(5).sign(0), Key::bls(5).sign(0)];
    for signed in &signed {
        node.mempool.push(signed.clone()).unwrap();
    }
    let limits = SelectLimits { gas_max: 1_000_000, bytes_max: 1_000_000, items_max: 100 };
    let mut choose = |message: &crate::pool::PendingMessage| {
        if message.cid() == signed[0].cid() { Choice::Discard } else { Choice::Take }
    };
    let selected = node.mempool.select(limits, &atto(10), &*node.accounts, &mut choose).unwrap();
    assert_eq!(selected.iter().map(|message| message.cid()).collect::<Vec<_>>(), [signed[1].cid()]);
    assert!(node.mempool.message(&signed[0].cid()).is_none());
    assert_eq!(node.mempool.status().metrics.discarded, 1);
    shutdown([node]).await;
}

#[tokio::test]
async fn a_local_message_is_published_again_while_it_waits() {
    let node = start(1, &[]).await;
    node.commit(1, &[]);
    let signed = [Key::secp256k1(5).sign(0), Key::secp256k1(5).sign(1)];
    for signed in &signed {
        node.mempool.push(signed.clone()).unwrap();
    }
    node.commit(REBROADCAST_BLOCKS, &signed[..1]);
    assert_eq!(node.mempool.status().metrics.rebroadcast, 0);
    node.commit(1 + REBROADCAST_BLOCKS, &[]);
    assert_eq!(node.mempool.status().metrics.rebroadcast, 1, "the committed one is forgotten");
    shutdown([node]).await;
}

#[tokio::test]
async fn an_unreadable_state_is_fatal_and_told_to_the_node() {
    let node = start(1, &[]).await;
    node.mempool.push(Key::secp256k1(5).sign(0)).unwrap();
    node.accounts.fail();
    let Err(PushError::Fatal(failure)) = node.mempool.push(Key::secp256k1(5).sign(1)) else { panic!("it is fatal") };
    assert_eq!(node.mempool.failed().await, failure);
    let committed = [Key::secp256k1(5).sign(0)];
    assert!(node.mempool.on_commit(Commit { height: Height::new(1), messages: &committed }).is_err());
    shutdown([node]).await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_everything() {
    let node = start(1, &[]).await;
    let address = node.mempool.listen();
    let clone = node.mempool.clone();
    drop(node);
    assert_eq!(clone.listen(), address);
    drop(clone);
    eventually("the port is free", || std::net::TcpListener::bind(address).is_ok()).await;
}
