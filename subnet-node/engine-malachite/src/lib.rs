//! Tendermint consensus (Malachite) behind the engine interface.
//!
//! Malachite runs in this process as a set of actors. This package gives it the nouns of our chain ([`context`]), keys
//! ([`signing`]), bytes ([`codec`]), settings ([`config`]) and answers ([`handler`]); [`running`] watches it and stops it.
//!
//! ```text
//!  peers ── libp2p ── Malachite's actors ── AppMsg ── handler ── SubnetApp (the node)
//!                          │                             │
//!                     write-ahead log               streams, proposals
//! ```
//!
//! Two logs make a crash harmless: Malachite's own holds what this node signed, and the application keeps the blocks that
//! were proposed. After a restart the node signs the same things again, about the same blocks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod certificate;
mod certified;
mod codec;
mod config;
mod context;
mod failure;
mod faults;
mod handler;
mod pace;
mod proposals;
mod running;
pub mod signing;
mod streaming;

#[cfg(test)]
mod test_support;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_malachitebft_app_channel::app::types::Keypair;
use arc_malachitebft_app_channel::app::types::codec::Codec as _;
use arc_malachitebft_app_channel::{
    ConsensusContext, NetworkContext, NetworkIdentity, RequestContext, Signer as _, SyncContext, WalContext,
    start_engine,
};
use async_trait::async_trait;
use engine_api::{ConsensusEngine, EngineConfig, EngineError, EngineKeys, RunningEngine, SubnetApp};
use tokio::sync::broadcast;
use tracing::Instrument as _;

use crate::certified::Certified;
use crate::codec::WireCodec;
use crate::config::Settings;
use crate::context::{Address, Chain};
use crate::handler::Handler;
use crate::running::{Engine, Running, StatusCell};
use crate::signing::{ChainSigner, ChainVerifier};

/// Name of the write-ahead log in its folder.
const WAL_FILE: &str = "consensus.wal";

/// Events kept for a slow listener: rounds and blocks of a few minutes.
const EVENTS_MAX: usize = 256;

/// Requests for the network's state that may wait. We make one at a time.
const REQUESTS_MAX: usize = 8;

/// Tendermint consensus in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct MalachiteEngine;

#[async_trait]
impl ConsensusEngine for MalachiteEngine {
    async fn start(
        &self,
        app: Arc<dyn SubnetApp>,
        keys: EngineKeys,
        config: EngineConfig,
    ) -> Result<Box<dyn RunningEngine>, EngineError> {
        let span = tracing::info_span!("consensus", moniker = %config.moniker);
        let running = start(app, keys, config).instrument(span).await?;
        Ok(Box::new(running))
    }
}

async fn start(app: Arc<dyn SubnetApp>, keys: EngineKeys, config: EngineConfig) -> Result<Running, EngineError> {
    let settings = Settings::new(&config)?;
    check_port(config.listen)?;
    let identity = config.identity;
    let signer = ChainSigner::new(identity, &keys.vote_seed);
    let network = network_identity(&config, &keys, &signer).await?;
    let wal = config.wal_dir.join(WAL_FILE);
    let certified = Certified::default();

    // Every node gets a signer, validator or not: the engine cannot take one later, when the set comes to hold it.
    let consensus = ConsensusContext::new_validator(
        Address(signer.vote_key()),
        Box::new(ChainVerifier { identity, certified: certified.clone() }),
        Box::new(signer.clone()),
    );
    let (channels, handle) = start_engine(
        Chain,
        settings,
        WalContext::new(wal.clone(), WireCodec),
        NetworkContext::new(network, WireCodec),
        consensus,
        SyncContext::new(WireCodec),
        RequestContext::new(REQUESTS_MAX),
    )
    .await
    .map_err(|error| EngineError::Start(format!("{error:#}")))?;

    let (events, status) = (broadcast::Sender::new(EVENTS_MAX), Arc::new(StatusCell::default()));
    let handler = Handler {
        app,
        identity,
        signer,
        propose_timeout: config.propose_timeout,
        certified,
        network: channels.network,
        events: events.clone(),
        status: status.clone(),
        stream_prefix: rand::random(),
    };
    let engine = Engine {
        handle,
        handler: tokio::spawn(handler.run(channels.consensus).in_current_span()),
        events: channels.events.subscribe(),
        network: channels.net_requests,
        wal,
    };
    Ok(Running::watch(engine, events, status))
}

/// The transport lets several processes share a port, each with a part of the connections. Two nodes with one port are
/// a mistake in a configuration; a plain socket finds it.
fn check_port(listen: SocketAddr) -> Result<(), EngineError> {
    match TcpListener::bind(listen) {
        Ok(_) => Ok(()),
        Err(error) => Err(EngineError::Config { field: "listen", reason: format!("{listen} is not free: {error}") }),
    }
}

/// This node on the network: its own key there, and the vote key's word that both belong together.
async fn network_identity(
    config: &EngineConfig,
    keys: &EngineKeys,
    signer: &ChainSigner,
) -> Result<NetworkIdentity, EngineError> {
    let start = |error: &dyn std::fmt::Display| EngineError::Start(format!("network identity: {error}"));
    let keypair = Keypair::ed25519_from_bytes(keys.p2p_seed).map_err(|error| start(&error))?;
    let vote_key = signer.vote_key();
    let peer = keypair.public().to_peer_id().to_bytes();
    let proof = signer.sign_validator_proof(vote_key.as_bytes().to_vec(), peer).await.map_err(|error| start(&error))?;
    let proof = WireCodec.encode(&proof).map_err(|error| start(&error))?;
    Ok(NetworkIdentity::new_validator(config.moniker.clone(), keypair, vote_key.to_string(), proof))
}
