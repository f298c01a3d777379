//! The services that run beside consensus, and those that consensus is built on.

use std::sync::Arc;
use std::time::Duration;

use client::keys::AccountKey;
use fvm_exec::Engine;
use mempool::{GossipConfig, Mempool, MempoolConfig, PoolLimits, Verifier};
use parking_lot::Mutex;
use parking_lot::RwLock;
use subnet_types::{Genesis, VoteKey};
use tokio_util::sync::CancellationToken;

use super::status::Status;
use super::{NodeError, NodeKeys};
use crate::app::accounts::LatestAccounts;
use crate::app::genesis::{GenesisContent, OpenError, OpenOptions, open_chain};
use crate::app::{ChainReader, pool_rules, system_clock};
use crate::checkpoint::submitter::{Submitter, SubmitterParts};
use crate::config::Config;
use crate::home::Home;
use crate::metrics::{self, Metrics, MetricsServer, gauge};
use crate::parent::{Endpoints, Follower, FollowerParts, ParentError};
use crate::rpc::{self, RpcContext, RpcHandle};
use crate::storage::MemoryLimits;

/// Services at work. Clones share them.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) chain: ChainReader,
    pub(super) engine: Arc<Engine>,
    pub(super) mempool: Mempool,
    pub(super) verifier: Arc<Verifier>,
    pub(super) metrics: Metrics,
    pub(super) status: Arc<Status>,
    /// `None` on a root.
    endpoints: Option<Arc<Endpoints>>,
    /// Of a subnet's parent; `None` on a root.
    pub(super) follower: Option<Follower>,
    servers: Arc<Mutex<Servers>>,
}

/// What listens.
#[derive(Default)]
struct Servers {
    stop: CancellationToken,
    rpc: Option<RpcHandle>,
    metrics: Option<MetricsServer>,
}

impl Services {
    /// Starts everything but consensus.
    pub(super) async fn start(
        home: &Home,
        config: &Config,
        content: &GenesisContent,
        keys: &NodeKeys,
    ) -> Result<Self, NodeError> {
        let metrics = Metrics::new();
        // Before anything is started: a wrong address should be known at once.
        let endpoints = endpoints(config, &content.genesis, &metrics)?;
        let (chain, engine) = open(home, config, content).await?;
        let mut servers = Servers::default();
        if config.metrics.is_enabled {
            servers.metrics = Some(metrics::serve(metrics.clone(), config.metrics.listen, servers.stop.clone()).await?);
        }
        let mempool_config = mempool_config(config, &content.genesis, keys);
        let verifier = Verifier::new(*chain.identity(), content.genesis.chain.signatures);
        let verifier = Arc::new(verifier.with_memory(mempool_config.limits.messages_max));
        let accounts = Arc::new(LatestAccounts::new(chain.clone()));
        let mempool = Mempool::start(mempool_config, accounts, verifier.clone()).await?;
        let status = Arc::new(Status {
            moniker: config.moniker.clone(),
            vote_key: keys.vote.public(),
            peer_id: keys.p2p.peer_id().to_string(),
            consensus_listen: config.consensus.listen,
            chain: chain.clone(),
            mempool: mempool.clone(),
            clock: system_clock(),
            engine: RwLock::new(None),
            arrivals: Mutex::default(),
        });
        let follower = follower(home, config, &chain, endpoints.as_ref(), &metrics)?;
        let context = RpcContext {
            chain: chain.clone(),
            genesis_file: home.genesis(),
            mempool: mempool.clone(),
            node: status.clone(),
            follower: follower.clone(),
            proofs: Arc::default(),
        };
        let rpc = match rpc::serve(&config.rpc, context).await {
            Ok(rpc) => rpc,
            Err(error) => {
                mempool.shutdown().await;
                return Err(error.into());
            }
        };
        tracing::info!(
            subnet = %content.genesis.subnet,
            identity = %chain.identity(),
            height = %chain.tip().height,
            rpc = %rpc.listen(),
            lanes = config.limits.lanes(),
            gossip = %mempool.listen(),
            "rpc listens"
        );
        servers.rpc = Some(rpc);
        let servers = Arc::new(Mutex::new(servers));
        Ok(Self { chain, engine, mempool, verifier, metrics, status, endpoints, follower, servers })
    }

    /// The submitter of a subnet's checkpoints; `None` on a root, and where it is switched off.
    pub(super) fn submitter(&self, account: Option<AccountKey>, vote_key: VoteKey) -> Option<Submitter> {
        let genesis = self.chain.genesis();
        Some(Submitter::new(SubmitterParts {
            chain: self.chain.clone(),
            endpoints: self.endpoints.clone()?,
            // Keys are read only where the node submits.
            account: account?,
            vote_key,
            actor: genesis.subnet.checkpoint_actor()?,
            parent: genesis.parent.as_ref()?.identity,
            metrics: self.metrics.checkpoint.clone(),
        }))
    }

    /// Looks at what does not report by itself.
    pub(super) fn renew_gauges(&self) {
        self.status.look();
        let status = self.mempool.status();
        let gauges = &self.metrics.gauges;
        gauges.consensus_peers.set(gauge(self.status.consensus_peers() as u64));
        gauges.gossip_peers.set(gauge(status.gossip.peers.len() as u64));
        gauges.mempool_messages.set(gauge(status.metrics.pool.messages as u64));
        gauges.mempool_bytes.set(gauge(status.metrics.pool.bytes as u64));
    }

    /// Stops everything.
    pub(super) async fn stop(&self) {
        let Servers { stop, rpc, metrics } = std::mem::take(&mut *self.servers.lock());
        if let Some(rpc) = rpc {
            rpc.shutdown().await;
        }
        self.mempool.shutdown().await;
        stop.cancel();
        if let Some(metrics) = metrics {
            metrics.stopped().await;
        }
    }
}

fn endpoints(config: &Config, genesis: &Genesis, metrics: &Metrics) -> Result<Option<Arc<Endpoints>>, ParentError> {
    let Some(anchor) = &genesis.parent else { return Ok(None) };
    let endpoints = Endpoints::connect(&config.parent, anchor.identity, metrics.parent.clone())?;
    // Others may prove the parent's news, but nobody else submits with this node's account.
    if endpoints.is_empty() && config.checkpoint.is_submitter {
        return Err(ParentError::None);
    }
    Ok(Some(Arc::new(endpoints)))
}

fn follower(
    home: &Home,
    config: &Config,
    chain: &ChainReader,
    endpoints: Option<&Arc<Endpoints>>,
    metrics: &Metrics,
) -> Result<Option<Follower>, NodeError> {
    let Some(endpoints) = endpoints.cloned() else { return Ok(None) };
    let peers = Endpoints::peers(&config.parent, *chain.identity(), metrics.parent.clone())?;
    Ok(Some(Follower::new(FollowerParts {
        chain: chain.clone(),
        endpoints,
        peers: Arc::new(peers),
        proofs: Some(home.parent_proofs()),
        trusted_header: config.parent.trusted_header()?,
        clock: system_clock(),
        metrics: metrics.parent.clone(),
        poll: Duration::from_millis(config.parent.poll_ms),
    })))
}

/// Opening reads the disk and builds genesis at the first start: work for a blocking thread.
async fn open(home: &Home, config: &Config, content: &GenesisContent) -> Result<(ChainReader, Arc<Engine>), NodeError> {
    let memory = MemoryLimits {
        block_cache_bytes: config.limits.block_cache_mib << 20,
        write_buffer_bytes: config.limits.write_buffer_mib << 20,
    };
    let (database, content) = (home.database(), content.clone());
    let (concurrency, lanes) = (config.limits.vm_concurrency, config.limits.lanes());
    let compiled_actors = home.compiled_actors();
    let opened = tokio::task::spawn_blocking(move || {
        // Queries run beside the lanes of a block.
        let running = concurrency.saturating_add(u32::try_from(lanes.get()).unwrap_or(u32::MAX));
        let engine = Engine::with_cache(running, &compiled_actors)?;
        let chain = open_chain(&content, &OpenOptions { database, memory, engine: engine.clone(), lanes })?;
        Ok((chain, engine))
    });
    let opened: Result<_, OpenError> = opened.await.map_err(|error| NodeError::service("storage", &error))?;
    Ok(opened?)
}

fn mempool_config(config: &Config, genesis: &Genesis, keys: &NodeKeys) -> MempoolConfig {
    MempoolConfig {
        rules: pool_rules(genesis),
        limits: PoolLimits {
            messages_max: config.limits.mempool_messages_max,
            bytes_max: config.limits.mempool_mib << 20,
            ..PoolLimits::default()
        },
        gossip: GossipConfig {
            identity: genesis.identity(),
            p2p_seed: *keys.p2p.secret(),
            listen: config.gossip.listen,
            peers: config.gossip.peers.clone(),
            connections_per_ip_max: config.gossip.connections_per_ip_max,
        },
    }
}
