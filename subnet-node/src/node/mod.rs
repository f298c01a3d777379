//! A node: everything above, started in order and stopped in the opposite one.
//!
//! ```text
//!   start  config ─ keys ─ genesis ─ store ─ metrics ─ mempool ─ rpc ─ actors ─ follower ─ engine ─ submitter
//!   stop   engine ─ submitter, follower ─ rpc ─ mempool ─ metrics ─ store
//! ```
//!
//! RPC comes before consensus, so that a node that catches up can be asked how far it is; and before the actors are
//! compiled, which takes seconds. The first service that cannot go on ends the node, with its reason: a restart finds
//! the chain as it was committed.

mod compilation;
mod error;
mod keys;
mod services;
mod status;

use std::sync::Arc;

use cid::Cid;
use engine_api::{ConsensusEngine as _, EngineConfig, EngineEvent, EngineKeys, ExitReason, RunningEngine};
use engine_malachite::MalachiteEngine;
use fvm_exec::genesis_file::GENESIS_FILE_BYTES_MAX;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use compilation::Compilation;
pub use error::NodeError;
pub use keys::NodeKeys;
use services::Services;

use crate::app::genesis::GenesisContent;
use crate::app::{App, AppParts, ChainReader, MessageSource, system_clock};
use crate::checkpoint::sign::CheckpointSigner;
use crate::config::Config;
use crate::home::Home;
use crate::logging;
use crate::metrics::gauge;
use crate::parent::ParentSource;
use crate::regular;

/// How often gauges of peers and mempool are renewed.
const GAUGES_INTERVAL: std::time::Duration = std::time::Duration::from_secs(2);

/// What the command line sets in place of the settings of a home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Cores that execute one block.
    pub lanes: Option<u32>,
    /// The parent block that the operator knows to be final.
    pub trusted_header: Option<Cid>,
}

/// Runs the node of `home` until SIGINT or SIGTERM.
///
/// # Errors
/// Why it did not start or could not go on.
pub async fn run(home: &Home, overrides: Overrides) -> Result<(), NodeError> {
    let stop = CancellationToken::new();
    let signals = stop.clone();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| NodeError::Signals(error.to_string()))?;
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => tracing::info!("interrupted"),
            _ = terminate.recv() => tracing::info!("asked to terminate"),
        }
        signals.cancel();
    });
    run_until(home, overrides, stop).await
}

/// Runs the node of `home` until `stop` is cancelled.
///
/// # Errors
/// Why it did not start or could not go on.
pub async fn run_until(home: &Home, overrides: Overrides, stop: CancellationToken) -> Result<(), NodeError> {
    let mut config = Config::load(&home.config())?;
    config.limits.lanes = overrides.lanes.or(config.limits.lanes);
    config.parent.trusted_header =
        overrides.trusted_header.map(|block| block.to_string()).or(config.parent.trusted_header);
    config.check()?;
    logging::init(&config.log)?;
    tracing::info!(home = %home.root().display(), version = env!("CARGO_PKG_VERSION"), "node starts");
    let content = read_genesis(home)?;
    let keys = NodeKeys::load(home, &config, &content.genesis)?;
    let services = Services::start(home, &config, &content, &keys).await?;
    // Whatever happens from here on, what was started is stopped.
    let outcome = vote(home, &config, content, keys, &services, &stop).await;
    services.stop().await;
    match &outcome {
        Ok(()) => tracing::info!("node stopped"),
        Err(error) => tracing::error!(reason = %error, "node ends"),
    }
    outcome
}

fn read_genesis(home: &Home) -> Result<GenesisContent, NodeError> {
    let path = home.genesis();
    let bytes = regular::read(&path, GENESIS_FILE_BYTES_MAX)
        .map_err(|error| NodeError::Genesis { path: path.clone(), reason: error.to_string() })?;
    GenesisContent::parse(&bytes).map_err(|error| NodeError::Genesis { path, reason: error.to_string() })
}

/// Takes part in consensus once all actors are compiled, so that no block ever waits for one.
async fn vote(
    home: &Home,
    config: &Config,
    content: GenesisContent,
    keys: NodeKeys,
    services: &Services,
    stop: &CancellationToken,
) -> Result<(), NodeError> {
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        unreadable = services.mempool.failed() => return Err(NodeError::Mempool(unreadable)),
        compiled = Compilation::start(content, services.engine.clone())?.finish() => compiled?,
    }
    consensus(home, config, keys, services, stop).await
}

/// Starts consensus and what depends on its blocks, and waits for the first end.
async fn consensus(
    home: &Home,
    config: &Config,
    keys: NodeKeys,
    services: &Services,
    stop: &CancellationToken,
) -> Result<(), NodeError> {
    let NodeKeys { vote, checkpoint, p2p, account } = keys;
    let follower = services.follower.clone();
    let app = App::new(AppParts {
        chain: services.chain.clone(),
        messages: Arc::new(services.mempool.clone()) as Arc<dyn MessageSource>,
        verifier: services.verifier.clone(),
        parent: follower.clone().map(|follower| Arc::new(follower) as Arc<dyn ParentSource>),
        signer: checkpoint.map(CheckpointSigner::new),
        clock: system_clock(),
        metrics: services.metrics.chain.clone(),
    });
    let engine_keys = EngineKeys { vote_seed: *vote.secret(), p2p_seed: *p2p.secret() };
    let engine =
        MalachiteEngine.start(Arc::new(app.clone()), engine_keys, engine_config(home, config, &services.chain)).await?;
    let engine: Arc<dyn RunningEngine> = Arc::from(engine);
    services.status.set_engine(engine.clone());

    let tasks = CancellationToken::new();
    let mut following = spawn_follower(follower, tasks.clone());
    let mut submitting = spawn_submitter(services.submitter(account, vote.public()), tasks.clone());
    let events = tokio::spawn(watch_engine(engine.clone(), services.clone(), tasks.clone()));
    tracing::info!(height = %services.chain.tip().height, "consensus runs");

    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        reason = engine.wait() => match reason {
            ExitReason::Shutdown => Ok(()),
            reason => Err(NodeError::Engine(reason)),
        },
        unreadable = services.mempool.failed() => Err(NodeError::Mempool(unreadable)),
        ended = &mut following => ended.map_err(|error| NodeError::service("parent", &error)).and_then(|ended| Ok(ended?)),
        ended = &mut submitting => {
            ended.map_err(|error| NodeError::service("submitter", &error)).and_then(|ended| Ok(ended?))
        }
    };
    // The engine first: no vote leaves once the rest is being taken down.
    engine.shutdown().await;
    app.close().await;
    tasks.cancel();
    for task in [following, submitting] {
        if !task.is_finished() {
            let _ = task.await;
        }
    }
    let _ = events.await;
    services.status.clear_engine();
    outcome
}

fn engine_config(home: &Home, config: &Config, chain: &ChainReader) -> EngineConfig {
    EngineConfig {
        moniker: config.moniker.clone(),
        identity: *chain.identity(),
        listen: config.consensus.listen,
        peers: config.consensus.peers.clone(),
        wal_dir: home.wal(),
        propose_timeout: std::time::Duration::from_millis(config.consensus.propose_timeout_ms),
        connections_per_ip_max: config.consensus.connections_per_ip_max,
    }
}

type ServiceTask = tokio::task::JoinHandle<Result<(), crate::app::ChainError>>;

fn spawn_follower(follower: Option<crate::parent::Follower>, stop: CancellationToken) -> ServiceTask {
    tokio::spawn(async move {
        match follower {
            Some(follower) => follower.run(stop).await,
            None => {
                stop.cancelled().await;
                Ok(())
            }
        }
    })
}

fn spawn_submitter(submitter: Option<crate::checkpoint::submitter::Submitter>, stop: CancellationToken) -> ServiceTask {
    tokio::spawn(async move {
        match submitter {
            Some(submitter) => submitter.run(stop).await,
            None => {
                stop.cancelled().await;
                Ok(())
            }
        }
    })
}

/// Turns what the engine tells into gauges and log lines.
async fn watch_engine(engine: Arc<dyn RunningEngine>, services: Services, stop: CancellationToken) {
    let mut events = engine.events();
    let mut interval = tokio::time::interval(GAUGES_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => services.renew_gauges(),
            event = events.recv() => match event {
                Ok(EngineEvent::RoundStarted { height, round, .. }) => {
                    services.metrics.gauges.consensus_round.set(gauge(round.into()));
                    if round > 0 {
                        tracing::warn!(%height, round, "a further round is needed");
                    }
                }
                Ok(EngineEvent::Committed { .. }) => {}
                Ok(EngineEvent::Equivocation { validator, height }) => {
                    tracing::error!(%validator, %height, "a validator signed two different votes or proposals");
                }
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "engine events missed"),
                Err(RecvError::Closed) => return,
            },
        }
    }
}
