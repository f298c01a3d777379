//! How the swarm is put together.

use std::net::SocketAddr;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{
    self, IdentTopic, IdentityTransform, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds,
    ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, ProtocolSupport, cbor};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, identify, identity, noise, ping, tcp, yamux};
use subnet_types::ChainIdentity;
use subnet_types::hash::blake2b_256;

use crate::gate::Gate;
use crate::gossip::{GossipConfig, GossipError};
use crate::limits::{
    CONNECTIONS_INCOMING_MAX, CONNECTIONS_MAX, CONNECTIONS_PENDING_MAX, CONNECTIONS_PER_PEER_MAX, DUPLICATE_MEMORY,
    IDLE_TIMEOUT, IDS_PER_FRAME_MAX, PULL_RESPONSE_BYTES_MAX, PULL_TIMEOUT, TRANSMIT_BYTES_MAX, VERDICT_HEARTBEATS_MAX,
};
use crate::pull::{PullRequest, PullResponse};

pub(crate) type Gossipsub = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// All protocols of one node. The gate comes first, so that a refused peer reaches no other.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub gate: Gate,
    pub limits: connection_limits::Behaviour,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub gossipsub: Gossipsub,
    pub pull: cbor::Behaviour<PullRequest, PullResponse>,
}

/// Names that carry the identity of the chain.
pub(crate) struct Names {
    /// What a node calls its chain when it introduces itself.
    pub chain: String,
    pub topic: IdentTopic,
    gossip: String,
    pull: String,
}

impl Names {
    pub(crate) fn new(identity: &ChainIdentity) -> Self {
        let chain = format!("/subnet-runtime/{identity}");
        Self {
            topic: IdentTopic::new(format!("{chain}/messages/1")),
            gossip: format!("{chain}/gossip"),
            pull: format!("{chain}/pending/1"),
            chain,
        }
    }
}

pub(crate) fn build(config: &GossipConfig, names: &Names) -> Result<Swarm<Behaviour>, GossipError> {
    let key = identity::Keypair::ed25519_from_bytes(config.p2p_seed).map_err(setup)?;
    let behaviour = behaviour(&key, config, names)?;
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(setup)?
        .with_behaviour(|_| behaviour)
        .map_err(setup)?
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE_TIMEOUT))
        .build();
    Ok(swarm)
}

fn setup(error: impl std::fmt::Display) -> GossipError {
    GossipError::Setup { reason: error.to_string() }
}

fn behaviour(key: &identity::Keypair, config: &GossipConfig, names: &Names) -> Result<Behaviour, GossipError> {
    let limits = ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_INCOMING_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX));
    let identify = identify::Config::new(names.chain.clone(), key.public())
        .with_agent_version(concat!("subnet-node/", env!("CARGO_PKG_VERSION")).to_owned());
    let pull = StreamProtocol::try_from_owned(names.pull.clone()).map_err(setup)?;
    let codec = cbor::codec::Codec::default()
        .set_request_size_maximum(PULL_REQUEST_BYTES_MAX)
        .set_response_size_maximum(PULL_RESPONSE_BYTES_MAX as u64);
    Ok(Behaviour {
        gate: Gate::new(config.connections_per_ip_max),
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new()),
        gossipsub: gossipsub(names)?,
        pull: request_response::Behaviour::with_codec(
            codec,
            [(pull, ProtocolSupport::Full)],
            request_response::Config::default().with_request_timeout(PULL_TIMEOUT),
        ),
    })
}

/// An empty map and some air.
const PULL_REQUEST_BYTES_MAX: u64 = 16;

fn gossipsub(names: &Names) -> Result<Gossipsub, GossipError> {
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix(names.gossip.clone())
        .max_transmit_size(TRANSMIT_BYTES_MAX)
        .max_ihave_length(IDS_PER_FRAME_MAX)
        // A message proves its own sender; who published it is nobody's business.
        .validation_mode(ValidationMode::Anonymous)
        // Nothing is forwarded before this node admitted it.
        .validate_messages()
        .history_length(VERDICT_HEARTBEATS_MAX)
        .duplicate_cache_time(DUPLICATE_MEMORY)
        // By content: the same message from two publishers travels once.
        .message_id_fn(|message| MessageId::new(blake2b_256(&message.data).as_bytes()))
        .build()
        .map_err(setup)?;
    let filter = WhitelistSubscriptionFilter([names.topic.hash()].into());
    let mut gossipsub =
        Gossipsub::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter).map_err(setup)?;
    gossipsub.with_peer_score(score_params(), PeerScoreThresholds::default()).map_err(setup)?;
    gossipsub.subscribe(&names.topic).map_err(setup)?;
    Ok(gossipsub)
}

/// Only this project's own score counts: a peer with a fault leaves the mesh, and further faults silence it before it
/// is cut off. The library's own penalties measure timing (slow peers, late answers) or count peers of one IP, and
/// would turn a loaded machine or a devnet against its honest nodes.
fn score_params() -> PeerScoreParams {
    PeerScoreParams {
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: 0.0,
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

pub(crate) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

pub(crate) fn port_of(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None })
}
