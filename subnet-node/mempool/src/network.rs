//! The task that owns the swarm: takes one event or order at a time and acts on it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{PeerId, Swarm, identify, ping, request_response};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;

use crate::gate::ip_of;
use crate::gossip::{GossipConfig, GossipError, GossipStatus, Inbound, Verdict};
use crate::limits::{INTRODUCTION_TIME, PULL_MESSAGES_MAX, REDIAL_PAUSE_MIN, WRONG_CHAIN_REFUSAL_TIME};
use crate::pull::{PullAnswer, PullRequest, PullResponse, Pulls};
use crate::redial::Redial;
use crate::score::Standing;
use crate::swarm::{self, Behaviour, BehaviourEvent, Names};
use crate::unjudged::Unjudged;

/// An order to the swarm.
pub(crate) enum Command {
    Publish(Vec<u8>),
    Report { peer: PeerId, id: MessageId, verdict: Verdict },
    Fault { peer: PeerId },
    Answer { answer: PullAnswer, messages: Vec<Vec<u8>> },
}

struct Connection {
    peer: PeerId,
    ip: Option<IpAddr>,
    since: Instant,
    /// The peer named this chain as its own.
    is_introduced: bool,
}

pub(crate) struct Network {
    swarm: Swarm<Behaviour>,
    names: Names,
    commands: mpsc::Receiver<Command>,
    inbound: mpsc::Sender<Inbound>,
    connections: BTreeMap<ConnectionId, Connection>,
    redial: Redial,
    pulls: Pulls,
    unjudged: Unjudged,
    status: Arc<Mutex<GossipStatus>>,
}

impl Network {
    pub(crate) async fn listen(
        config: GossipConfig,
        commands: mpsc::Receiver<Command>,
        inbound: mpsc::Sender<Inbound>,
        status: Arc<Mutex<GossipStatus>>,
    ) -> Result<(Self, SocketAddr), GossipError> {
        let names = Names::new(&config.identity);
        let mut swarm = swarm::build(&config, &names)?;
        let address = config.listen;
        let failed = |reason: String| GossipError::Listen { address, reason };
        // The transport lets several processes share a port, each with a part of the connections. Two nodes with one
        // port are a mistake in a configuration; a plain socket finds it.
        drop(std::net::TcpListener::bind(address).map_err(|error| failed(error.to_string()))?);
        swarm.listen_on(swarm::multiaddr(address)).map_err(|error| failed(error.to_string()))?;
        let port = loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => {
                    break swarm::port_of(&address).ok_or_else(|| failed(format!("no port in {address}")))?;
                }
                SwarmEvent::ListenerError { error, .. } => return Err(failed(error.to_string())),
                SwarmEvent::ListenerClosed { reason, .. } => return Err(failed(format!("{reason:?}"))),
                _ => {}
            }
        };
        let listen = SocketAddr::new(address.ip(), port);
        {
            let mut status = status.lock();
            status.peer_id = swarm.local_peer_id().to_string();
            status.listen = Some(listen);
        }
        let redial = Redial::new(config.peers, Instant::now());
        let (connections, pulls, unjudged) = (BTreeMap::new(), Pulls::default(), Unjudged::default());
        Ok((Self { swarm, names, commands, inbound, connections, redial, pulls, unjudged, status }, listen))
    }

    /// Until it is told to end, or nobody is left who could tell.
    pub(crate) async fn run(mut self, stop: Arc<Notify>) {
        let mut tick = tokio::time::interval(REDIAL_PAUSE_MIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.notified() => return,
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.handle(event),
                _ = tick.tick() => self.tick(Instant::now()),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish(bytes) => self.publish(bytes),
            Command::Report { peer, id, verdict } => self.judge(peer, &id, verdict),
            Command::Fault { peer } => self.fault(peer),
            Command::Answer { answer, messages } => {
                let response = PullResponse::bounded(messages);
                // An error says that the peer is gone.
                let is_sent = self.swarm.behaviour_mut().pull.send_response(answer.0, response).is_ok();
                self.status.lock().counters.pulls_answered += u64::from(is_sent);
            }
        }
    }

    fn publish(&mut self, bytes: Vec<u8>) {
        let result = self.swarm.behaviour_mut().gossipsub.publish(self.names.topic.hash(), bytes);
        let mut status = self.status.lock();
        match result {
            Ok(_) => status.counters.published += 1,
            // Heard a moment ago; it is on its way.
            Err(gossipsub::PublishError::Duplicate) => {}
            Err(error) => {
                status.counters.unheard += 1;
                tracing::debug!(%error, "message not published; it is tried again while it waits");
            }
        }
    }

    fn judge(&mut self, peer: PeerId, id: &MessageId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Fault => MessageAcceptance::Reject,
        };
        self.unjudged.judged(id);
        self.swarm.behaviour_mut().gossipsub.report_message_validation_result(id, &peer, acceptance);
        match verdict {
            Verdict::Accept => self.status.lock().counters.accepted += 1,
            Verdict::Ignore => self.status.lock().counters.ignored += 1,
            Verdict::Fault => self.fault(peer),
        }
    }

    fn fault(&mut self, peer: PeerId) {
        let ip = self.connections.values().find(|known| known.peer == peer).and_then(|known| known.ip);
        let behaviour = self.swarm.behaviour_mut();
        self.status.lock().counters.faults += 1;
        match behaviour.gate.board.fault(peer, ip, Instant::now()) {
            Standing::Lowered(score) => {
                tracing::debug!(%peer, score, "peer sent what no honest node sends");
                behaviour.gossipsub.set_application_score(&peer, score as f64);
            }
            Standing::Cut => {
                tracing::warn!(%peer, ?ip, "peer cut off and refused for a while");
                self.status.lock().counters.peers_cut += 1;
                // An error says that it is gone already.
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    fn handle(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::ConnectionEstablished { peer_id: peer, connection_id, endpoint, .. } => {
                let ip = ip_of(endpoint.get_remote_address());
                self.connections.insert(connection_id, Connection { peer, ip, since: now, is_introduced: false });
                self.redial.established(connection_id);
            }
            SwarmEvent::ConnectionClosed { connection_id, num_established, peer_id, .. } => {
                self.connections.remove(&connection_id);
                self.redial.ended(connection_id, now);
                if num_established == 0 {
                    self.pulls.gone(&peer_id);
                }
                self.update_peers();
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if matches!(error, DialError::LocalPeerId { .. }) {
                    self.redial.is_own(connection_id);
                } else {
                    tracing::debug!(%error, "peer not reached");
                    self.redial.ended(connection_id, now);
                }
            }
            SwarmEvent::IncomingConnectionError { error: ListenError::Denied { cause }, send_back_addr, .. } => {
                self.status.lock().counters.connections_refused += 1;
                tracing::debug!(from = %send_back_addr, %cause, "connection refused");
            }
            SwarmEvent::Behaviour(event) => self.handle_behaviour(event, now),
            _ => {}
        }
    }

    fn handle_behaviour(&mut self, event: BehaviourEvent, now: Instant) {
        match event {
            BehaviourEvent::Gossipsub(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.receive(propagation_source, message_id, message.data);
            }
            BehaviourEvent::Gossipsub(gossipsub::Event::Subscribed { peer_id, .. }) => {
                if let Some(channel) = self.pulls.subscribed(&peer_id) {
                    self.pass_question(channel);
                }
            }
            BehaviourEvent::Identify(identify::Event::Received { connection_id, peer_id, info }) => {
                self.introduce(connection_id, peer_id, &info.protocol_version, now);
            }
            BehaviourEvent::Ping(ping::Event { connection, result: Err(failure), .. })
                if !matches!(failure, ping::Failure::Unsupported) =>
            {
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Pull(request_response::Event::Message { peer, message, .. }) => match message {
                request_response::Message::Request { channel, .. } => self.receive_question(peer, channel, now),
                request_response::Message::Response { response, .. } => self.receive_answer(peer, response),
            },
            _ => {}
        }
    }

    fn receive(&mut self, peer: PeerId, id: MessageId, bytes: Vec<u8>) {
        self.status.lock().counters.received += 1;
        if self.unjudged.is_waiting(&id) {
            // It came again after gossip forgot it: the verdict to come is for both.
            return;
        }
        let has_room = self.unjudged.admit(peer, &id, bytes.len());
        if !has_room || self.inbound.try_send(Inbound::Message { peer, id: id.clone(), bytes }).is_err() {
            self.status.lock().counters.dropped += 1;
            self.judge(peer, &id, Verdict::Ignore);
        }
    }

    fn introduce(&mut self, connection: ConnectionId, peer: PeerId, chain: &str, now: Instant) {
        if chain != self.names.chain {
            let theirs: String = chain.chars().take(120).collect();
            tracing::warn!(%peer, theirs, ours = self.names.chain, "peer is a node of another chain; sent away");
            self.status.lock().counters.wrong_chain += 1;
            self.swarm.behaviour_mut().gate.board.refuse(peer, WRONG_CHAIN_REFUSAL_TIME, now);
            // An error says that it is gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        }
        let is_new = !self.connections.values().any(|known| known.peer == peer && known.is_introduced);
        if let Some(known) = self.connections.get_mut(&connection) {
            known.is_introduced = true;
        }
        self.redial.confirmed(connection);
        if is_new {
            self.pulls.connected(peer, now);
            self.ask(now);
            self.update_peers();
        }
    }

    fn receive_question(
        &mut self,
        peer: PeerId,
        channel: request_response::ResponseChannel<PullResponse>,
        now: Instant,
    ) {
        if !self.pulls.admit_question(peer, now) {
            return;
        }
        // Whatever is admitted after the answer must reach the peer by gossip, so it has to be in the topic first.
        let is_subscribed =
            self.swarm.behaviour().gossipsub.all_peers().any(|(known, topics)| *known == peer && !topics.is_empty());
        if is_subscribed {
            self.pass_question(channel);
        } else {
            self.pulls.hold(peer, channel);
        }
    }

    fn pass_question(&self, channel: request_response::ResponseChannel<PullResponse>) {
        // Full: the peer asks again.
        let _ = self.inbound.try_send(Inbound::PullAsked { answer: PullAnswer(channel) });
    }

    fn receive_answer(&mut self, peer: PeerId, response: PullResponse) {
        self.pulls.done(&peer);
        if response.messages.len() > PULL_MESSAGES_MAX {
            return self.fault(peer);
        }
        self.status.lock().counters.pulls += 1;
        let messages = response.messages.into_iter().map(|message| message.into_vec()).collect();
        if self.inbound.try_send(Inbound::Pulled { peer, messages }).is_err() {
            self.status.lock().counters.dropped += 1;
        }
    }

    fn ask(&mut self, now: Instant) {
        for peer in self.pulls.take_due(now) {
            self.swarm.behaviour_mut().pull.send_request(&peer, PullRequest {});
        }
    }

    fn tick(&mut self, now: Instant) {
        let swarm = &mut self.swarm;
        self.redial.dial_due(now, |address| {
            let options = DialOpts::unknown_peer_id().address(swarm::multiaddr(address)).build();
            let connection = options.connection_id();
            swarm.dial(options).ok().map(|()| connection)
        });
        for (id, connection) in &self.connections {
            if !connection.is_introduced && now.saturating_duration_since(connection.since) > INTRODUCTION_TIME {
                swarm.close_connection(*id);
            }
        }
        let behaviour = swarm.behaviour_mut();
        for (peer, score) in behaviour.gate.board.lowered(now) {
            behaviour.gossipsub.set_application_score(&peer, score as f64);
        }
        self.ask(now);
    }

    fn update_peers(&self) {
        let mut peers: Vec<String> =
            self.connections.values().filter(|known| known.is_introduced).map(|known| known.peer.to_string()).collect();
        peers.sort_unstable();
        peers.dedup();
        self.status.lock().peers = peers;
    }
}
