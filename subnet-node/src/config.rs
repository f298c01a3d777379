//! Settings of one node, from `<home>/config.toml`.
//!
//! Nothing here is a rule of the chain: those stand in its genesis. Every field has a default but for the moniker, an
//! unknown field is an error, and [`Config::render`] writes the file with each field explained.

mod render;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::regular;

/// Peers that one list may name.
const PEERS_MAX: usize = 64;
/// Endpoints of the parent that may be named.
const ENDPOINTS_MAX: usize = 8;
/// Lanes of one block. More cores than this find nothing to do in a block.
pub const LANES_MAX: u32 = 64;
/// Bytes of a moniker, which other nodes print.
const MONIKER_BYTES_MAX: usize = 64;
/// Bytes of a configuration file.
const FILE_BYTES_MAX: usize = 1 << 20;

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of this node in logs, metrics and `Subnet.Info`.
    pub moniker: String,
    /// Voting.
    #[serde(default)]
    pub consensus: ConsensusConfig,
    /// Exchange of messages that wait for a block.
    #[serde(default)]
    pub gossip: GossipSettings,
    /// JSON-RPC.
    #[serde(default)]
    pub rpc: RpcConfig,
    /// Prometheus.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// The chain above. Without effect on a root.
    #[serde(default)]
    pub parent: ParentConfig,
    /// Submission of checkpoints. Without effect on a root.
    #[serde(default)]
    pub checkpoint: CheckpointConfig,
    /// Keys.
    #[serde(default)]
    pub keys: KeysConfig,
    /// How much of the machine to use.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// What is written to standard error.
    #[serde(default)]
    pub log: LogConfig,
}

/// Voting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Other validators to stay connected with.
    pub peers: Vec<SocketAddr>,
    /// How long to wait for a proposal in round 0, in milliseconds.
    pub propose_timeout_ms: u64,
    /// Connections accepted from one IP address.
    pub connections_per_ip_max: usize,
}

/// Exchange of messages that wait for a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GossipSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Nodes to stay connected with.
    pub peers: Vec<SocketAddr>,
    /// Connections accepted from one IP address.
    pub connections_per_ip_max: usize,
}

/// JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where to listen, for HTTP and WebSocket alike.
    pub listen: SocketAddr,
    /// Clients connected at the same time.
    pub connections_max: u32,
    /// Bytes of one request.
    pub request_bytes_max: u32,
    /// Bytes of one answer.
    pub response_bytes_max: u32,
}

/// Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Whether metrics are served.
    pub is_enabled: bool,
    /// Where.
    pub listen: SocketAddr,
}

/// The chain above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParentConfig {
    /// RPC endpoints of parent nodes. All are asked. Proofs are verified, so one honest source is enough to follow the
    /// parent. What is due there cannot be verified: endpoints that lie can cost this node's submitter fees in vain, up to
    /// 1 FIL in ten minutes as long as most of them do not.
    pub endpoints: Vec<String>,
    /// RPC endpoints of nodes of this chain, which hand on the proofs that they have verified. What they answer is
    /// verified as well.
    pub peers: Vec<String>,
    /// How long to wait for one answer, in milliseconds.
    pub timeout_ms: u64,
    /// How often to ask for news, in milliseconds.
    pub poll_ms: u64,
    /// Id of the parent block that this node's operator knows to be final, from elsewhere than the sources of proofs. It
    /// counts where proofs alone lead no further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_header: Option<String>,
}

impl ParentConfig {
    /// The trusted block's id.
    ///
    /// # Errors
    /// When what is set is no id.
    pub fn trusted_header(&self) -> Result<Option<Cid>, ConfigError> {
        let Some(text) = &self.trusted_header else { return Ok(None) };
        text.parse().map(Some).map_err(|error: cid::Error| ConfigError::Value {
            field: "parent.trusted_header",
            actual: format!("{text:?}"),
            expected: format!("the id of a parent block, bafy… ({error})"),
        })
    }
}

/// Submission of checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Whether this node takes its turn in submitting checkpoints, paid by its account key.
    pub is_submitter: bool,
}

/// Keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// File whose first line is the password of the keys. Without it: environment variable `SUBNET_PASSWORD`.
    pub password_file: Option<PathBuf>,
}

/// How much of the machine to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Memory for what was read from the database, in MiB.
    pub block_cache_mib: usize,
    /// Memory for what is being written to it, in MiB.
    pub write_buffer_mib: usize,
    /// Messages that wait for a block.
    pub mempool_messages_max: usize,
    /// Their encoded bytes, in MiB.
    pub mempool_mib: usize,
    /// What the VM may run at the same time: the block, whatever its lanes, and queries.
    pub vm_concurrency: u32,
    /// Cores that execute one block; without it all there are. Results are the same with any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u32>,
}

impl LimitsConfig {
    /// Cores that execute one block: as many as are set, or as there are.
    pub fn lanes(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = self.lanes.map_or_else(cores, |lanes| lanes as usize);
        NonZeroUsize::new(lanes.min(LANES_MAX as usize)).unwrap_or(NonZeroUsize::MIN)
    }
}

/// What is written to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Text or JSON lines.
    pub format: LogFormat,
    /// Which: a level, or `target=level` pairs. The environment variable `RUST_LOG` wins.
    pub filter: String,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Config {
    /// Defaults under this name.
    pub fn new(moniker: impl Into<String>) -> Self {
        Self {
            moniker: moniker.into(),
            consensus: ConsensusConfig::default(),
            gossip: GossipSettings::default(),
            rpc: RpcConfig::default(),
            metrics: MetricsConfig::default(),
            parent: ParentConfig::default(),
            checkpoint: CheckpointConfig::default(),
            keys: KeysConfig::default(),
            limits: LimitsConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self { listen: loopback(26656), peers: Vec::new(), propose_timeout_ms: 3000, connections_per_ip_max: 64 }
    }
}

impl Default for GossipSettings {
    fn default() -> Self {
        Self { listen: loopback(26657), peers: Vec::new(), connections_per_ip_max: 64 }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        // An answer can hold a genesis file or a full block in base64.
        Self { listen: loopback(1234), connections_max: 256, request_bytes_max: 2 << 20, response_bytes_max: 100 << 20 }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { is_enabled: true, listen: loopback(9100) }
    }
}

impl Default for ParentConfig {
    fn default() -> Self {
        Self { endpoints: Vec::new(), peers: Vec::new(), timeout_ms: 5000, poll_ms: 200, trusted_header: None }
    }
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { is_submitter: true }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            block_cache_mib: 64,
            write_buffer_mib: 32,
            mempool_messages_max: mempool::limits::MESSAGES_MAX,
            mempool_mib: mempool::limits::BYTES_MAX >> 20,
            vm_concurrency: 2,
            lanes: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}; `subnet-node init` writes one")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Not TOML, a field of another type, or an unknown one.
    #[error("configuration: {0}")]
    Form(String),
    /// A value outside its range.
    #[error("configuration: {field} is {actual}, expected {expected}")]
    Value {
        /// Path of the field.
        field: &'static str,
        /// What it is.
        actual: String,
        /// What it may be.
        expected: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read or is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |reason: String| ConfigError::Read { path: path.to_owned(), reason };
        let bytes = regular::read(path, FILE_BYTES_MAX).map_err(|error| read(error.to_string()))?;
        Self::parse(&String::from_utf8(bytes).map_err(|error| read(error.to_string()))?)
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// When it is wrong, with the field and what it may be.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Form(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first that is outside.
    pub fn check(&self) -> Result<(), ConfigError> {
        let moniker_len = self.moniker.len();
        if moniker_len == 0 || moniker_len > MONIKER_BYTES_MAX || self.moniker.chars().any(char::is_control) {
            let expected = format!("1 to {MONIKER_BYTES_MAX} bytes without control characters");
            return Err(ConfigError::Value { field: "moniker", actual: format!("{:?}", self.moniker), expected });
        }
        list("consensus.peers", self.consensus.peers.len(), PEERS_MAX)?;
        list("gossip.peers", self.gossip.peers.len(), PEERS_MAX)?;
        list("parent.endpoints", self.parent.endpoints.len(), ENDPOINTS_MAX)?;
        list("parent.peers", self.parent.peers.len(), ENDPOINTS_MAX)?;
        range("consensus.propose_timeout_ms", self.consensus.propose_timeout_ms, 100, 60_000)?;
        range("consensus.connections_per_ip_max", self.consensus.connections_per_ip_max as u64, 1, 4096)?;
        range("gossip.connections_per_ip_max", self.gossip.connections_per_ip_max as u64, 1, 4096)?;
        range("rpc.connections_max", self.rpc.connections_max.into(), 1, 65_536)?;
        range("rpc.request_bytes_max", self.rpc.request_bytes_max.into(), 64 << 10, 1 << 30)?;
        range("rpc.response_bytes_max", self.rpc.response_bytes_max.into(), 16 << 20, 1 << 30)?;
        range("parent.timeout_ms", self.parent.timeout_ms, 100, 120_000)?;
        range("parent.poll_ms", self.parent.poll_ms, 20, 60_000)?;
        range("limits.block_cache_mib", self.limits.block_cache_mib as u64, 1, 1 << 20)?;
        range("limits.write_buffer_mib", self.limits.write_buffer_mib as u64, 4, 1 << 20)?;
        range("limits.mempool_messages_max", self.limits.mempool_messages_max as u64, 1, 1 << 24)?;
        range("limits.mempool_mib", self.limits.mempool_mib as u64, 1, 1 << 16)?;
        // One for the block and one for queries: with a single one a query would hold the chain up.
        range("limits.vm_concurrency", self.limits.vm_concurrency.into(), 2, 64)?;
        if let Some(lanes) = self.limits.lanes {
            range("limits.lanes", lanes.into(), 1, LANES_MAX.into())?;
        }
        let endpoints = self.parent.endpoints.iter().map(|endpoint| ("parent.endpoints", endpoint));
        for (field, endpoint) in endpoints.chain(self.parent.peers.iter().map(|peer| ("parent.peers", peer))) {
            if !["http://", "https://", "ws://", "wss://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
                let expected = "a URL that starts with http://, https://, ws:// or wss://".to_owned();
                return Err(ConfigError::Value { field, actual: format!("{endpoint:?}"), expected });
            }
        }
        self.parent.trusted_header()?;
        self.check_listeners()
    }

    fn check_listeners(&self) -> Result<(), ConfigError> {
        let mut listeners = vec![
            ("consensus.listen", self.consensus.listen),
            ("gossip.listen", self.gossip.listen),
            ("rpc.listen", self.rpc.listen),
        ];
        if self.metrics.is_enabled {
            listeners.push(("metrics.listen", self.metrics.listen));
        }
        for (index, (field, address)) in listeners.iter().enumerate() {
            // Port 0 asks the system for a free one and cannot collide.
            let same = listeners[..index].iter().find(|(_, other)| other == address && address.port() != 0);
            if let Some((other, _)) = same {
                let expected = format!("another address than {other}");
                return Err(ConfigError::Value { field, actual: address.to_string(), expected });
            }
        }
        Ok(())
    }
}

fn list(field: &'static str, actual: usize, max: usize) -> Result<(), ConfigError> {
    if actual <= max {
        return Ok(());
    }
    Err(ConfigError::Value { field, actual: format!("a list of {actual}"), expected: format!("at most {max}") })
}

fn range(field: &'static str, actual: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    if (min..=max).contains(&actual) {
        return Ok(());
    }
    Err(ConfigError::Value { field, actual: actual.to_string(), expected: format!("{min} to {max}") })
}
