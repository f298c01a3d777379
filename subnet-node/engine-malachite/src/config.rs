//! Malachite's settings, made of ours.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use arc_malachitebft_app_channel::app::config::{
    ChannelNames, ConsensusConfig, DiscoveryConfig, GossipSubConfig, NodeConfig, P2pConfig, ProtocolNames,
    PubSubMaxSizePerTopic, PubSubProtocol, ValuePayload, ValueSyncConfig,
};
use arc_malachitebft_app_channel::app::net::Multiaddr;
use arc_malachitebft_app_channel::app::types::core::LinearTimeouts;
use engine_api::{EngineConfig, EngineError};
use subnet_types::ChainIdentity;
use subnet_types::limits::SYNC_RESPONSE_BYTES_MAX;

use crate::codec::{CERTIFICATE_BYTES_MAX, CONSENSUS_BYTES_MAX, PART_BYTES_MAX};

/// Heights one sync request asks for. Bounds what a response can make us allocate.
pub(crate) const SYNC_BATCH: usize = 10;

/// Sync requests under way at once. With [`SYNC_BATCH`] this is how far a catching-up node reads ahead.
const SYNC_PARALLEL: usize = 4;

/// Sync requests of peers served at once. Each may hold one full response in memory.
const SYNC_SERVED: usize = 4;

/// How often a node tells its peers how far it is. A node that fell behind hears of new heights this often, and a
/// status has under 100 bytes, so this suits blocks of 200 ms as well as of seconds.
const SYNC_STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// How long a peer may take to answer before another is asked.
const SYNC_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an address must wait between connections. Not on loopback, where all nodes of a devnet share one.
const IP_THROTTLE: Duration = Duration::from_secs(30);

/// Shortest time to wait for a proposal that can work: below it a round ends before a block crosses a network.
const PROPOSE_TIMEOUT_MIN: Duration = Duration::from_millis(50);

/// No timeout grows beyond this, however many rounds a height takes.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// Heights ahead of ours of which messages are kept.
pub(crate) const HEIGHTS_AHEAD_MAX: u64 = 4;

/// What Malachite reads its settings from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    moniker: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for Settings {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

impl Settings {
    /// Malachite's settings for ours.
    ///
    /// # Errors
    /// Which setting cannot work.
    pub(crate) fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        check(config)?;
        let discovery = DiscoveryConfig {
            enabled: false,
            max_connections_per_ip: config.connections_per_ip_max,
            ip_throttle_duration: if config.listen.ip().is_loopback() { Duration::ZERO } else { IP_THROTTLE },
            ..DiscoveryConfig::default()
        };
        let p2p = P2pConfig {
            listen_addr: multiaddr(config.listen),
            persistent_peers: config.peers.iter().copied().map(multiaddr).collect(),
            persistent_peers_only: false,
            discovery,
            protocol: PubSubProtocol::GossipSub(gossip()),
            // Larger than any topic allows, by what signing adds to a message.
            pubsub_max_size: bytes(2 * PART_BYTES_MAX),
            pubsub_max_size_per_topic: PubSubMaxSizePerTopic {
                consensus: Some(bytes(CONSENSUS_BYTES_MAX)),
                proposal_parts: Some(bytes(PART_BYTES_MAX)),
                liveness: Some(bytes(CERTIFICATE_BYTES_MAX)),
            },
            // A response is framed once more on its way.
            rpc_max_size: bytes(SYNC_RESPONSE_BYTES_MAX + 64 * 1024),
            protocol_names: protocol_names(&config.identity),
            channel_names: channel_names(&config.identity),
        };
        let consensus = ConsensusConfig {
            enabled: true,
            p2p,
            // Without parts the engine would never ask the application whether a block is valid.
            value_payload: ValuePayload::ProposalAndParts,
            ..ConsensusConfig::default()
        };
        let sync = ValueSyncConfig {
            enabled: true,
            status_update_interval: SYNC_STATUS_INTERVAL,
            request_timeout: SYNC_REQUEST_TIMEOUT,
            max_response_size: bytes(SYNC_RESPONSE_BYTES_MAX),
            parallel_requests: SYNC_PARALLEL,
            batch_size: SYNC_BATCH,
            max_concurrent_inbound_requests: SYNC_SERVED,
            ..ValueSyncConfig::default()
        };
        Ok(Self { moniker: config.moniker.clone(), consensus, sync })
    }
}

fn check(config: &EngineConfig) -> Result<(), EngineError> {
    let refuse = |field, reason: String| Err(EngineError::Config { field, reason });
    if config.propose_timeout < PROPOSE_TIMEOUT_MIN || config.propose_timeout > TIMEOUT_MAX {
        let reason = format!("{:?} is not within {PROPOSE_TIMEOUT_MIN:?} and {TIMEOUT_MAX:?}", config.propose_timeout);
        return refuse("propose_timeout", reason);
    }
    if config.connections_per_ip_max == 0 {
        return refuse("connections_per_ip_max", "0 lets nobody in; give at least 1".to_owned());
    }
    if config.listen.port() == 0 {
        return refuse("listen", "peers cannot be told a port chosen at start; give one".to_owned());
    }
    if config.peers.contains(&config.listen) {
        return refuse("peers", format!("{} is where this node itself listens", config.listen));
    }
    Ok(())
}

/// Timeouts in proportion to the one for proposals: a third of it for each vote, growing by a sixth with each round.
pub(crate) fn timeouts(propose: Duration) -> LinearTimeouts {
    let (vote, delta) = (propose / 3, propose / 6);
    LinearTimeouts {
        propose,
        propose_delta: delta,
        prevote: vote,
        prevote_delta: delta,
        precommit: vote,
        precommit_delta: delta,
        rebroadcast: propose + vote + vote,
        max_timeout: TIMEOUT_MAX,
    }
}

/// The library's mesh with scores: peers of the set and those of our configuration come first, one that floods us with
/// requests to join the mesh or breaks its promises loses its place and is ignored in the end. What a peer's messages
/// hold the library does not score; [`crate::faults`] counts that.
fn gossip() -> GossipSubConfig {
    let mesh = GossipSubConfig::default();
    let (is_scored, sends_own_to_all) = (true, true);
    GossipSubConfig::new(
        mesh.mesh_n(),
        mesh.mesh_n_high(),
        mesh.mesh_n_low(),
        mesh.mesh_outbound_min(),
        is_scored,
        mesh.enable_explicit_peering(),
        sends_own_to_all,
    )
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => format!("/ip4/{ip}"),
        IpAddr::V6(ip) => format!("/ip6/{ip}"),
    };
    format!("{ip}/tcp/{}", address.port()).parse().expect("an address and a port make a multiaddress")
}

fn protocol_names(identity: &ChainIdentity) -> ProtocolNames {
    let name = |protocol| format!("/subnet/{identity}/{protocol}/1");
    ProtocolNames {
        consensus: name("consensus"),
        discovery_kad: name("discovery-kad"),
        discovery_regres: name("discovery"),
        sync: name("sync"),
        validator_proof: name("validator-proof"),
    }
}

/// Half of the identity in each name: the library behind the status channel panics, in its own task and unseen, when
/// a name has more than 64 bytes. The protocol names, on which
/// peers must agree before they see a channel, hold all of it.
fn channel_names(identity: &ChainIdentity) -> ChannelNames {
    let half: String = identity.to_string().chars().take(32).collect();
    let name = |channel| format!("/subnet/{half}/{channel}");
    ChannelNames {
        consensus: name("votes"),
        proposal_parts: name("blocks"),
        sync: name("status"),
        liveness: name("liveness"),
    }
}

/// A number of bytes in the type that Malachite's settings use.
fn bytes<T: FromStr<Err: Debug>>(count: usize) -> T {
    format!("{count} B").parse().expect("a number of bytes parses")
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::Digest;

    fn config() -> EngineConfig {
        EngineConfig {
            moniker: "test".to_owned(),
            identity: Digest([1; 32]),
            listen: "127.0.0.1:1000".parse().unwrap(),
            peers: vec!["[::1]:1001".parse().unwrap()],
            wal_dir: "wal".into(),
            propose_timeout: Duration::from_secs(1),
            connections_per_ip_max: 64,
        }
    }

    fn refused(config: &EngineConfig) -> &'static str {
        match Settings::new(config) {
            Err(EngineError::Config { field, .. }) => field,
            other => panic!("expected a refused setting, got {other:?}"),
        }
    }

    #[test]
    fn two_chains_share_no_name() {
        let names = |seed| {
            let settings = Settings::new(&EngineConfig { identity: Digest([seed; 32]), ..config() }).unwrap();
            let (p, c) = (&settings.consensus.p2p.protocol_names, &settings.consensus.p2p.channel_names);
            [&p.consensus, &p.sync, &p.validator_proof, &c.consensus, &c.proposal_parts, &c.sync, &c.liveness]
                .map(Clone::clone)
        };
        let mut all: Vec<String> = names(1).into_iter().chain(names(2)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 14);
    }

    #[test]
    fn channel_names_are_short_enough() {
        let names = channel_names(&config().identity);
        for name in [names.consensus, names.proposal_parts, names.sync, names.liveness] {
            assert!(name.len() <= 64, "{name}");
        }
    }

    #[test]
    fn peers_are_scored() {
        let protocol = Settings::new(&config()).unwrap().consensus.p2p.protocol;
        assert!(matches!(protocol, PubSubProtocol::GossipSub(gossip) if gossip.enable_peer_scoring()));
    }

    #[test]
    fn addresses_become_multiaddresses() {
        let settings = Settings::new(&config()).unwrap();
        assert_eq!(settings.consensus.p2p.listen_addr.to_string(), "/ip4/127.0.0.1/tcp/1000");
        assert_eq!(settings.consensus.p2p.persistent_peers[0].to_string(), "/ip6/::1/tcp/1001");
    }

    #[test]
    fn only_loopback_is_free_of_the_throttle() {
        let throttle = |listen: &str| {
            let config = EngineConfig { listen: listen.parse().unwrap(), ..config() };
            Settings::new(&config).unwrap().consensus.p2p.discovery.ip_throttle_duration
        };
        assert_eq!(throttle("127.0.0.1:1"), Duration::ZERO);
        assert_eq!(throttle("0.0.0.0:1"), IP_THROTTLE);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        assert_eq!(refused(&EngineConfig { propose_timeout: Duration::ZERO, ..config() }), "propose_timeout");
        assert_eq!(refused(&EngineConfig { connections_per_ip_max: 0, ..config() }), "connections_per_ip_max");
        assert_eq!(refused(&EngineConfig { listen: "127.0.0.1:0".parse().unwrap(), ..config() }), "listen");
        assert_eq!(refused(&EngineConfig { peers: vec![config().listen], ..config() }), "peers");
    }
}
