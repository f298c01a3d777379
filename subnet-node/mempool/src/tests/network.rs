//! Swarms on loopback: what travels, what does not, and who is cut off.

use std::net::SocketAddr;

use futures::StreamExt;
use libp2p::gossipsub::{self, MessageAuthenticity, MessageId, ValidationMode};
use libp2p::{SwarmBuilder, noise, tcp, yamux};
use subnet_types::limits::MESSAGE_BYTES_MAX;
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::gossip::{Gossip, GossipConfig, GossipError, GossipHandle, Inbound, PublishError, Verdict};
use crate::limits::{PERSISTENT_PEERS_MAX, TRANSMIT_BYTES_MAX};
use crate::swarm::{Names, multiaddr};

pub(crate) fn config(seed: u8, identity: ChainIdentity, peers: &[SocketAddr]) -> GossipConfig {
    GossipConfig {
        identity,
        p2p_seed: [seed; 32],
        listen: "127.0.0.1:0".parse().unwrap(),
        peers: peers.to_vec(),
        connections_per_ip_max: 8,
    }
}

async fn start(seed: u8, peers: &[SocketAddr]) -> (GossipHandle, Receiver<Inbound>) {
    Gossip::start(config(seed, IDENTITY, peers)).await.unwrap()
}

async fn peers(handle: &GossipHandle, count: usize) {
    eventually(&format!("{count} peers"), || handle.status().peers.len() == count).await;
}

async fn shutdown(handles: impl IntoIterator<Item = &GossipHandle>) {
    for handle in handles {
        handle.shutdown().await;
        assert_eq!(handle.publish(vec![1]), Err(PublishError::Ended));
    }
}

/// Publishes until a peer was there to hear it: subscriptions travel a moment after the connection.
async fn publish(handle: &GossipHandle, bytes: &[u8]) {
    eventually("published", || {
        if handle.status().counters.published == 0 {
            handle.publish(bytes.to_vec()).unwrap();
        }
        handle.status().counters.published > 0
    })
    .await;
}

/// The next message, pulls aside.
async fn next(inbound: &mut Receiver<Inbound>) -> (libp2p::PeerId, MessageId, Vec<u8>) {
    let next = async {
        loop {
            match inbound.recv().await {
                Some(Inbound::Message { peer, id, bytes }) => return (peer, id, bytes),
                Some(_) => {}
                None => panic!("gossip ended"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, next).await.expect("a message comes")
}

#[tokio::test]
async fn a_message_travels_on_only_once_it_is_accepted() {
    // A chain of three: what the last one hears came through the one in the middle.
    let (middle, mut middle_inbound) = start(1, &[]).await;
    let (first, _first_inbound) = start(2, &[middle.listen()]).await;
    let (last, mut last_inbound) = start(3, &[middle.listen()]).await;
    peers(&middle, 2).await;
    publish(&first, b"ignored").await;
    let (peer, id, bytes) = next(&mut middle_inbound).await;
    assert_eq!(bytes, b"ignored");
    middle.report(peer, id, Verdict::Ignore);
    first.publish(b"accepted".to_vec()).unwrap();
    let (peer, id, bytes) = next(&mut middle_inbound).await;
    assert_eq!(bytes, b"accepted");
    middle.report(peer, id, Verdict::Accept);
    let (_, _, bytes) = next(&mut last_inbound).await;
    assert_eq!(bytes, b"accepted");
    let counters = middle.status().counters;
    assert_eq!((counters.received, counters.accepted, counters.ignored), (2, 1, 1));
    shutdown([&first, &middle, &last]).await;
}

#[tokio::test]
async fn nodes_of_different_chains_part_and_hear_nothing_of_each_other() {
    let (ours, mut ours_inbound) = start(1, &[]).await;
    let (friend, _friend_inbound) = start(2, &[ours.listen()]).await;
    let foreign = Gossip::start(config(3, OTHER_IDENTITY, &[ours.listen()])).await.unwrap();
    let (foreign, mut foreign_inbound) = foreign;
    peers(&ours, 1).await;
    // Each side notices by itself; which one is first is left open.
    eventually("the stranger is sent away", || {
        ours.status().counters.wrong_chain + foreign.status().counters.wrong_chain >= 1
    })
    .await;
    foreign.publish(b"foreign".to_vec()).unwrap();
    publish(&friend, b"friendly").await;
    let (peer, id, bytes) = next(&mut ours_inbound).await;
    assert_eq!(bytes, b"friendly");
    ours.report(peer, id, Verdict::Accept);
    eventually("the verdict is carried out", || ours.status().counters.accepted == 1).await;
    eventually("the foreign publication found nobody", || foreign.status().counters.unheard == 1).await;
    assert!(foreign_inbound.try_recv().is_err());
    assert_eq!(foreign.status().peers.len() + foreign.status().counters.received as usize, 0);
    assert_eq!(ours.status().counters.received, 1);
    shutdown([&ours, &friend, &foreign]).await;
}

#[tokio::test]
async fn a_peer_with_too_many_faults_is_cut_off_and_stays_out() {
    let (victim, mut inbound) = start(1, &[]).await;
    let (attacker, _attacker_inbound) = start(2, &[victim.listen()]).await;
    let (honest, _honest_inbound) = start(3, &[victim.listen()]).await;
    peers(&victim, 2).await;
    publish(&attacker, b"garbage 0").await;
    for round in 1..=4 {
        let (peer, id, _) = next(&mut inbound).await;
        assert_eq!(victim.status().counters.peers_cut, 0);
        victim.report(peer, id, Verdict::Fault);
        attacker.publish(format!("garbage {round}").into_bytes()).unwrap();
    }
    eventually("the attacker is cut off", || victim.status().counters.peers_cut == 1).await;
    peers(&victim, 1).await;
    let honest_id = honest.status().peer_id;
    assert_eq!(victim.status().peers, [honest_id]);
    // It keeps dialling, as configured.
    eventually("it is refused", || victim.status().counters.connections_refused >= 1).await;
    publish(&honest, b"honest").await;
    loop {
        let (_, _, bytes) = next(&mut inbound).await;
        if bytes == b"honest" {
            break;
        }
    }
    assert_eq!(victim.status().counters.faults, 4);
    shutdown([&victim, &attacker, &honest]).await;
}

#[tokio::test]
async fn the_largest_message_travels_and_a_larger_one_is_refused() {
    let (receiver, mut inbound) = start(1, &[]).await;
    let (publisher, _publisher_inbound) = start(2, &[receiver.listen()]).await;
    peers(&receiver, 1).await;
    let refusal = publisher.publish(vec![1; MESSAGE_BYTES_MAX + 1]);
    assert_eq!(refusal, Err(PublishError::TooLarge { actual: MESSAGE_BYTES_MAX + 1, max: MESSAGE_BYTES_MAX }));
    publish(&publisher, &[2; MESSAGE_BYTES_MAX]).await;
    assert_eq!(next(&mut inbound).await.2, [2; MESSAGE_BYTES_MAX]);
    shutdown([&publisher, &receiver]).await;
}

#[tokio::test]
async fn a_frame_above_the_limit_reaches_nobody_and_hurts_nobody() {
    let (victim, mut inbound) = start(1, &[]).await;
    let (honest, _honest_inbound) = start(2, &[victim.listen()]).await;
    peers(&victim, 1).await;
    // A node that keeps other limits than ours.
    let names = Names::new(&IDENTITY);
    let mut attacker = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| {
            let config = gossipsub::ConfigBuilder::default()
                .protocol_id_prefix(format!("{}/gossip", names.chain))
                .max_transmit_size(8 * TRANSMIT_BYTES_MAX)
                .validation_mode(ValidationMode::Anonymous)
                .build()?;
            let mut gossipsub: gossipsub::Behaviour =
                gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)?;
            gossipsub.subscribe(&names.topic)?;
            Ok(gossipsub)
        })
        .unwrap()
        .build();
    attacker.dial(multiaddr(victim.listen())).unwrap();
    let mut is_sent = false;
    let attack = async {
        while !is_sent {
            attacker.select_next_some().await;
            let data = vec![3; 2 * TRANSMIT_BYTES_MAX];
            is_sent = attacker.behaviour_mut().publish(names.topic.hash(), data).is_ok();
        }
    };
    tokio::time::timeout(DEADLINE, attack).await.expect("the attacker finds the topic");
    let driver = tokio::spawn(async move {
        loop {
            attacker.select_next_some().await;
        }
    });
    publish(&honest, b"honest").await;
    assert_eq!(next(&mut inbound).await.2, b"honest");
    assert_eq!(victim.status().counters.received, 1);
    driver.abort();
    assert!(driver.await.unwrap_err().is_cancelled());
    shutdown([&victim, &honest]).await;
}

#[tokio::test]
async fn a_configured_peer_that_comes_back_is_found_again() {
    let (server, inbound) = start(1, &[]).await;
    let address = server.listen();
    let (client, _client_inbound) = start(2, &[address]).await;
    peers(&client, 1).await;
    server.shutdown().await;
    drop(inbound);
    peers(&client, 0).await;
    let config = GossipConfig { listen: address, ..config(1, IDENTITY, &[address]) };
    let (server, _inbound) = Gossip::start(config).await.unwrap();
    peers(&client, 1).await;
    peers(&server, 1).await;
    shutdown([&server, &client]).await;
}

#[tokio::test]
async fn one_ip_gets_no_more_connections_than_configured() {
    let config_of_one = GossipConfig { connections_per_ip_max: 1, ..config(1, IDENTITY, &[]) };
    let (server, _inbound) = Gossip::start(config_of_one).await.unwrap();
    let (first, _first_inbound) = start(2, &[server.listen()]).await;
    peers(&server, 1).await;
    let (second, _second_inbound) = start(3, &[server.listen()]).await;
    eventually("the second is refused", || server.status().counters.connections_refused >= 1).await;
    assert_eq!(server.status().peers, [first.status().peer_id]);
    first.shutdown().await;
    peers(&second, 1).await;
    shutdown([&server, &second]).await;
}

#[tokio::test]
async fn an_address_in_use_and_too_many_peers_are_told() {
    let (server, _inbound) = start(1, &[]).await;
    let taken = GossipConfig { listen: server.listen(), ..config(2, IDENTITY, &[]) };
    assert!(
        matches!(Gossip::start(taken).await, Err(GossipError::Listen { address, .. }) if address == server.listen())
    );
    let many = config(3, IDENTITY, &[server.listen(); PERSISTENT_PEERS_MAX + 1]);
    assert!(matches!(Gossip::start(many).await, Err(GossipError::TooManyPeers { .. })));
    shutdown([&server]).await;
}
