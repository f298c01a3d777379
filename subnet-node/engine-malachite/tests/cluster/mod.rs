//! Several engines in one process, connected over loopback.
#![allow(dead_code, missing_docs)]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use engine_api::{ConsensusEngine as _, EngineConfig, EngineError, EngineKeys, RunningEngine};
use engine_malachite::MalachiteEngine;

use crate::support::{Behaviour, Disk, IDENTITY, Rules, TestApp, vote_seed};

/// What a test waits for something at most. Not a measurement: a healthy run takes a small part of it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The nodes of a test chain; node `i` has the keys of validator `i`.
pub struct Cluster {
    pub name: &'static str,
    pub rules: Rules,
    addresses: Vec<SocketAddr>,
    disks: Vec<Arc<Disk>>,
    engines: Vec<Option<Box<dyn RunningEngine>>>,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// `nodes` nodes, none of them running.
    pub fn new(name: &'static str, nodes: usize, rules: Rules) -> Self {
        let log = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(log).with_test_writer().try_init().ok();
        // All at once, so that no port is given twice.
        let ports: Vec<TcpListener> = (0..nodes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        Self {
            name,
            rules,
            addresses: ports.iter().map(|port| port.local_addr().unwrap()).collect(),
            disks: (0..nodes).map(|_| Arc::default()).collect(),
            engines: (0..nodes).map(|_| None).collect(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts these nodes.
    pub async fn start(&mut self, nodes: impl IntoIterator<Item = usize>) {
        for node in nodes {
            self.start_with(node, Behaviour::default()).await;
        }
    }

    /// Starts a node that behaves in its own way.
    pub async fn start_with(&mut self, node: usize, behaviour: Behaviour) {
        self.start_as(node, node, behaviour).await;
    }

    /// Starts a node with the vote key of validator `validator`.
    pub async fn start_as(&mut self, node: usize, validator: usize, behaviour: Behaviour) {
        let engine = self.try_start_as(node, validator, behaviour).await.unwrap();
        assert!(self.engines[node].replace(engine).is_none(), "node {node} runs already");
    }

    /// Lets a node listen where another one does.
    pub fn share_port(&mut self, node: usize, other: usize) {
        self.addresses[node] = self.addresses[other];
    }

    /// Starts an engine that is not kept.
    pub async fn try_start_as(
        &self,
        node: usize,
        validator: usize,
        behaviour: Behaviour,
    ) -> Result<Box<dyn RunningEngine>, EngineError> {
        let app = TestApp { behaviour, ..TestApp::new(validator, &self.disks[node], &self.rules) };
        let mut p2p_seed = vote_seed(node);
        p2p_seed[0] ^= 0x80;
        let keys = EngineKeys { vote_seed: vote_seed(validator), p2p_seed };
        let own = self.addresses[node];
        let config = EngineConfig {
            moniker: format!("{}-{node}", self.name),
            identity: IDENTITY,
            listen: own,
            peers: self.addresses.iter().copied().filter(|address| *address != own).collect(),
            wal_dir: self.folder.path().join(node.to_string()),
            propose_timeout: Duration::from_secs(1),
            connections_per_ip_max: 64,
        };
        MalachiteEngine.start(Arc::new(app), keys, config).await
    }

    pub fn disk(&self, node: usize) -> &Arc<Disk> {
        &self.disks[node]
    }

    pub fn engine(&self, node: usize) -> &dyn RunningEngine {
        self.engines[node].as_deref().expect("the node runs")
    }

    /// Waits until these nodes have committed `height`.
    pub async fn reach(&self, nodes: impl IntoIterator<Item = usize>, height: u64) {
        for node in nodes {
            let reached = tokio::time::timeout(PATIENCE, self.disks[node].reach(height)).await;
            assert!(reached.is_ok(), "node {node} is at {} and never reached {height}", self.disks[node].tip());
        }
    }

    /// Stops a node.
    pub async fn stop(&mut self, node: usize) {
        let engine = self.engines[node].take().expect("the node runs");
        tokio::time::timeout(PATIENCE, engine.shutdown()).await.expect("an engine stops");
    }

    /// Stops all nodes that run.
    pub async fn stop_all(&mut self) {
        for node in 0..self.engines.len() {
            if self.engines[node].is_some() {
                self.stop(node).await;
            }
        }
    }

    /// Asserts that these nodes committed the same blocks up to `height`.
    pub fn assert_agreement(&self, nodes: impl IntoIterator<Item = usize>, height: u64) {
        let nodes: Vec<usize> = nodes.into_iter().collect();
        for height in 1..=height {
            let ids: Vec<_> = nodes
                .iter()
                .map(|node| self.disks[*node].committed(height).map(|decided| decided.block.id()))
                .collect();
            assert!(ids[0].is_some() && ids.windows(2).all(|pair| pair[0] == pair[1]), "height {height}: {ids:?}");
        }
    }
}
