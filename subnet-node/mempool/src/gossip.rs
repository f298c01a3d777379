//! Gossip between the nodes of one chain: bytes out, bytes in, and a verdict on each that decides whether it travels
//! on.
//!
//! Topic and protocol names carry the chain's identity, and a peer that names another chain when it introduces itself
//! is sent away, so nodes of different subnets never exchange a message. What comes in is handed over unforwarded;
//! only [`Verdict::Accept`] forwards it. Every queue is bounded: a full inbound queue ignores newcomers, a full
//! command queue refuses publications, and both are counted.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use subnet_types::ChainIdentity;
use subnet_types::limits::MESSAGE_BYTES_MAX;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::limits::{COMMAND_QUEUE_MAX, INBOUND_QUEUE_MAX, PERSISTENT_PEERS_MAX, PULLS_QUEUE_MAX};
use crate::network::{Command, Network};
use crate::pull::PullAnswer;

pub use libp2p::PeerId;
pub use libp2p::gossipsub::MessageId;

/// Where and with whom to gossip.
#[derive(Clone)]
pub struct GossipConfig {
    /// Identity of the chain; nodes of another one are refused.
    pub identity: ChainIdentity,
    /// Seed of this node's Ed25519 network key.
    pub p2p_seed: [u8; 32],
    /// Where to listen. Port 0: any free one.
    pub listen: SocketAddr,
    /// Nodes to stay connected with. This node's own address among them does no harm.
    pub peers: Vec<SocketAddr>,
    /// Connections from one IP; raise it where many nodes share one machine.
    pub connections_per_ip_max: usize,
}

impl std::fmt::Debug for GossipConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the seed: configurations end up in logs.
        f.debug_struct("GossipConfig")
            .field("identity", &self.identity)
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .field("connections_per_ip_max", &self.connections_per_ip_max)
            .finish_non_exhaustive()
    }
}

/// Why gossip cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    /// The listen address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// The network stack refused its configuration.
    #[error("cannot set up the network: {reason}")]
    Setup {
        /// What it said.
        reason: String,
    },
    /// Too many peers configured.
    #[error("{actual} peers are configured, at most {max} are allowed")]
    TooManyPeers {
        /// How many.
        actual: usize,
        /// The limit.
        max: usize,
    },
}

/// Why bytes were not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No peer would take them.
    #[error("{actual} bytes, at most {max} are published")]
    TooLarge {
        /// Their number.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// Too much is being published already.
    #[error("{waiting} publications wait already")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// Gossip has ended.
    #[error("gossip has ended")]
    Ended,
}

/// What came from a peer.
#[derive(Debug)]
pub enum Inbound {
    /// A message, which travels on only with [`Verdict::Accept`]. Answer with [`GossipHandle::report`].
    Message {
        /// Who sent it.
        peer: PeerId,
        /// Names it in the report.
        id: MessageId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// What a peer has pending, because this node asked.
    Pulled {
        /// Who.
        peer: PeerId,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// A peer asks what this node has pending. Answer with [`GossipHandle::answer`].
    PullAsked {
        /// Where the answer goes.
        answer: PullAnswer,
    },
}

/// Judgement of a message from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Admitted: forward it.
    Accept,
    /// Not wanted, but nobody's fault: do not forward it.
    Ignore,
    /// No honest node would have sent it: do not forward it, and lower the peer's score.
    Fault,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GossipCounters {
    /// Messages that came in.
    pub received: u64,
    /// Messages that came in while too many waited.
    pub dropped: u64,
    /// Messages forwarded.
    pub accepted: u64,
    /// Messages that stayed here.
    pub ignored: u64,
    /// Messages that cost their peer score.
    pub faults: u64,
    /// Messages published.
    pub published: u64,
    /// Publications that no peer was there for, or that peers had no room for.
    pub unheard: u64,
    /// Peers cut off for their score.
    pub peers_cut: u64,
    /// Connections of nodes of another chain.
    pub wrong_chain: u64,
    /// Incoming connections refused.
    pub connections_refused: u64,
    /// Pulls that brought an answer.
    pub pulls: u64,
    /// Pulls of peers that were answered.
    pub pulls_answered: u64,
}

/// What gossip is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GossipStatus {
    /// This node's id in the network.
    pub peer_id: String,
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// Ids of the connected peers of this chain, in order.
    pub peers: Vec<String>,
    /// Counters since the start.
    pub counters: GossipCounters,
}

/// Starts gossip.
pub struct Gossip;

impl Gossip {
    /// Listens, dials the configured peers and keeps dialling those that are not there. What comes in goes to the
    /// receiver, whose end the caller must keep reading.
    ///
    /// # Errors
    /// When the listen address cannot be used or the configuration is out of bounds.
    pub async fn start(config: GossipConfig) -> Result<(GossipHandle, mpsc::Receiver<Inbound>), GossipError> {
        if config.peers.len() > PERSISTENT_PEERS_MAX {
            return Err(GossipError::TooManyPeers { actual: config.peers.len(), max: PERSISTENT_PEERS_MAX });
        }
        let (commands, command_queue) = mpsc::channel(COMMAND_QUEUE_MAX);
        let (inbound, inbound_queue) = mpsc::channel(INBOUND_QUEUE_MAX + PULLS_QUEUE_MAX);
        let status = Arc::new(Mutex::new(GossipStatus::default()));
        let (network, listen) = Network::listen(config, command_queue, inbound, status.clone()).await?;
        let stop = Arc::new(Notify::new());
        let task = Arc::new(tokio::sync::Mutex::new(Some(tokio::spawn(network.run(stop.clone())))));
        Ok((GossipHandle { commands, status, listen, stop, task }, inbound_queue))
    }
}

/// A running swarm. Cheap to clone; it ends with [`GossipHandle::shutdown`] or with the last clone.
#[derive(Clone)]
pub struct GossipHandle {
    commands: mpsc::Sender<Command>,
    status: Arc<Mutex<GossipStatus>>,
    listen: SocketAddr,
    stop: Arc<Notify>,
    task: Arc<tokio::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl GossipHandle {
    /// Sends a message to the peers.
    ///
    /// # Errors
    /// When it is too large, or too many wait to be sent.
    pub fn publish(&self, bytes: Vec<u8>) -> Result<(), PublishError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge { actual: bytes.len(), max: MESSAGE_BYTES_MAX });
        }
        // Half of the queue is left to verdicts and answers. No more than that are ever being judged, so one always
        // finds room.
        let room = self.commands.capacity();
        if room <= COMMAND_QUEUE_MAX / 2 {
            return Err(PublishError::Busy { waiting: COMMAND_QUEUE_MAX - room });
        }
        self.order(Command::Publish(bytes)).map_err(|_| PublishError::Ended)
    }

    /// Says what became of a message.
    pub fn report(&self, peer: PeerId, id: MessageId, verdict: Verdict) {
        // Without room or receiver gossip is ending, and nothing depends on the verdict any more.
        let _ = self.order(Command::Report { peer, id, verdict });
    }

    /// Says that what a peer answered to a pull was no honest node's answer.
    pub fn fault(&self, peer: PeerId) {
        let _ = self.order(Command::Fault { peer });
    }

    /// Answers a peer's pull with encoded messages.
    pub fn answer(&self, answer: PullAnswer, messages: Vec<Vec<u8>>) {
        let _ = self.order(Command::Answer { answer, messages });
    }

    fn order(&self, command: Command) -> Result<(), ()> {
        self.commands.try_send(command).map_err(|_| ())
    }

    /// Where it listens, with the port that was chosen.
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Peers and counters.
    pub fn status(&self) -> GossipStatus {
        self.status.lock().clone()
    }

    /// Ends gossip without waiting for it.
    pub(crate) fn end(&self) {
        self.stop.notify_one();
    }

    /// Ends gossip and waits until every connection is closed.
    pub async fn shutdown(&self) {
        let Some(task) = self.task.lock().await.take() else { return };
        self.end();
        if let Err(error) = task.await {
            tracing::error!(%error, "gossip ended by a panic");
        }
    }
}
