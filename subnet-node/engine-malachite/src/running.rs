//! A running engine: watched until it ends, and stopped so that its files are free.
//!
//! Malachite ends in two ways. When one of its actors fails it stops altogether: a restart may help. When its
//! write-ahead log fails or contradicts it, it stops its actors but keeps their supervisor, on purpose, so that nobody
//! restarts it by reflex and signs something twice. We tell the two apart and end in both cases, with the reason.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_malachitebft_app_channel::app::engine::util::events::Event;
use arc_malachitebft_app_channel::app::events::RxEvent;
use arc_malachitebft_app_channel::app::types::core::ValueOrigin;
use arc_malachitebft_app_channel::{EngineHandle, NetworkRequest};
use async_trait::async_trait;
use engine_api::{EngineEvent, EngineStatus, ExitReason, RunningEngine};
use subnet_types::Height;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;

use crate::context::Chain;
use crate::failure::Failure;

/// How often the number of peers is asked for.
const PEERS_INTERVAL: Duration = Duration::from_secs(1);

/// How long after its last question Malachite may take to end altogether. If it does not, it hangs on purpose.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an actor may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the thread that owns the write-ahead log may take to let go of it, and how often we look.
const WAL_TIMEOUT: Duration = Duration::from_secs(10);
const WAL_INTERVAL: Duration = Duration::from_millis(20);

/// Where the engine stands, written by the handler and read by anybody.
#[derive(Debug, Default)]
pub(crate) struct StatusCell {
    height: AtomicU64,
    round: AtomicU32,
    peers: AtomicUsize,
}

impl StatusCell {
    pub(crate) fn enter(&self, height: Height, round: u32) {
        self.height.store(height.get(), Ordering::Relaxed);
        self.round.store(round, Ordering::Relaxed);
    }

    fn read(&self) -> EngineStatus {
        EngineStatus {
            height: self.height.load(Ordering::Relaxed),
            round: self.round.load(Ordering::Relaxed),
            peers: self.peers.load(Ordering::Relaxed),
        }
    }
}

/// What is watched.
pub(crate) struct Engine {
    pub handle: EngineHandle,
    pub handler: JoinHandle<Result<(), Failure>>,
    pub events: RxEvent<Chain>,
    pub network: mpsc::Sender<NetworkRequest>,
    pub wal: PathBuf,
}

/// A running engine, to the node.
pub(crate) struct Running {
    events: broadcast::Sender<EngineEvent>,
    status: Arc<StatusCell>,
    exit: watch::Receiver<Option<ExitReason>>,
    stop: Arc<Notify>,
}

impl Running {
    /// Watches the engine in a task of its own.
    pub(crate) fn watch(engine: Engine, events: broadcast::Sender<EngineEvent>, status: Arc<StatusCell>) -> Self {
        let (exit, stop) = (watch::Sender::new(None), Arc::new(Notify::new()));
        let running = Self { events, status: status.clone(), exit: exit.subscribe(), stop: stop.clone() };
        let watching = async move {
            let reason = engine.run(&stop, status).await;
            exit.send_replace(Some(reason));
        };
        tokio::spawn(watching.in_current_span());
        running
    }
}

#[async_trait]
impl RunningEngine for Running {
    fn events(&self) -> broadcast::Receiver<EngineEvent> {
        self.events.subscribe()
    }

    fn status(&self) -> EngineStatus {
        self.status.read()
    }

    async fn wait(&self) -> ExitReason {
        let mut exit = self.exit.clone();
        let reason = exit.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(|| ExitReason::Liveness("the task that watches the engine is gone".to_owned()))
    }

    async fn shutdown(&self) {
        self.stop.notify_one();
        self.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl Engine {
    /// Watches until the engine ends or is asked to, then stops what is left of it.
    async fn run(mut self, stop: &Notify, status: Arc<StatusCell>) -> ExitReason {
        let network = self.network.clone();
        let mut reason = tokio::select! {
            reason = self.watch(stop) => reason,
            () = lose_network(network, status) => {
                ExitReason::Liveness("the network of the engine ended; its log line says why".to_owned())
            }
        };
        match &reason {
            ExitReason::Shutdown => tracing::info!("consensus stops"),
            ExitReason::Liveness(why) => tracing::error!(%why, "consensus cannot go on; a restart may help"),
            ExitReason::Safety(why) => tracing::error!(%why, "consensus must not go on; an operator must look"),
        }
        if let Some(failure) = self.stop().await
            && reason == ExitReason::Shutdown
        {
            reason = failure;
        }
        reason
    }

    async fn watch(&mut self, stop: &Notify) -> ExitReason {
        let mut events_open = true;
        loop {
            tokio::select! {
                () = stop.notified() => return ExitReason::Shutdown,
                _ = &mut self.handle.handle => return ended(),
                ended = &mut self.handler => return match ended {
                    Ok(Ok(())) => self.diagnose().await,
                    Ok(Err(failure)) => failure.into_reason(),
                    Err(error) => ExitReason::Liveness(format!("the handler: {error}")),
                },
                event = self.events.recv(), if events_open => match event {
                    Ok(event) => if let Some(reason) = unsafe_event(&event) { return reason },
                    // What was missed shows in other ways as well: the engine stops asking.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => events_open = false,
                },
            }
        }
    }

    /// Malachite asks nothing any more. Either it is ending altogether, or it hangs on purpose.
    async fn diagnose(&mut self) -> ExitReason {
        match timeout(END_TIMEOUT, &mut self.handle.handle).await {
            Ok(_) => ended(),
            Err(_) => ExitReason::Safety(
                "the engine stopped deciding but did not end: its write-ahead log failed or contradicts it".to_owned(),
            ),
        }
    }

    /// Stops all actors, lets the handler finish what it began and waits until the write-ahead log is free. A
    /// failure that shows meanwhile is returned.
    async fn stop(mut self) -> Option<ExitReason> {
        let node = self.handle.actor.get_cell();
        let mut stopping = JoinSet::new();
        for actor in node.get_children() {
            // Unlinked, or the first one to stop would make the supervisor kill the others before they let go of
            // their sockets and files.
            actor.unlink(node.clone());
            stopping.spawn(async move {
                if actor.stop_and_wait(None, Some(STOP_TIMEOUT)).await.is_err() {
                    actor.kill();
                }
            });
        }
        stopping.join_all().await;
        node.stop(None);
        let failure = match self.handler.is_finished() {
            // `watch` has seen the result.
            true => None,
            false => (&mut self.handler).await.ok().and_then(Result::err).map(Failure::into_reason),
        };
        unlocked(&self.wal).await;
        failure
    }
}

fn ended() -> ExitReason {
    ExitReason::Liveness("an actor of the engine failed; its log line says why".to_owned())
}

/// Why an event means that the engine must not go on.
fn unsafe_event(event: &Event<Chain>) -> Option<ExitReason> {
    match event {
        Event::WalCorrupted(error) => Some(ExitReason::Safety(format!("the write-ahead log is damaged: {error}"))),
        Event::WalReplayError(error) => {
            Some(ExitReason::Safety(format!("the write-ahead log cannot be replayed: {error}")))
        }
        // Malachite has compared the block's id with its certificate's before it says so.
        Event::ReceivedProposedValue(value, ValueOrigin::Sync) if value.validity.is_invalid() => {
            let (height, block) = (value.height, value.value);
            Some(ExitReason::Safety(format!(
                "block {block} of height {height} is final for more than 2/3 of the power and invalid on this node"
            )))
        }
        _ => None,
    }
}

/// Resolves some time after the network is gone: when that is part of a greater end, whoever watches the whole has
/// had time to name it.
async fn lose_network(network: mpsc::Sender<NetworkRequest>, status: Arc<StatusCell>) {
    count_peers(network, status).await;
    sleep(2 * END_TIMEOUT).await;
}

/// Keeps the number of peers up to date until the network is gone. Its task can end, by a panic in a library, without
/// anything else of the engine noticing.
async fn count_peers(network: mpsc::Sender<NetworkRequest>, status: Arc<StatusCell>) {
    loop {
        let (reply, answer) = oneshot::channel();
        if network.send(NetworkRequest::DumpState(reply)).await.is_err() {
            return;
        }
        let Ok(Some(state)) = answer.await else { return };
        status.peers.store(state.peers.len(), Ordering::Relaxed);
        sleep(PEERS_INTERVAL).await;
    }
}

/// Waits until nobody holds the write-ahead log: its thread lets go of it some time after its actor has ended, and a
/// restart in the same process would find it locked.
async fn unlocked(wal: &Path) {
    let deadline = Instant::now() + WAL_TIMEOUT;
    while is_locked(wal) {
        if Instant::now() > deadline {
            tracing::warn!(wal = %wal.display(), "the write-ahead log is still locked after {WAL_TIMEOUT:?}");
            return;
        }
        sleep(WAL_INTERVAL).await;
    }
}

fn is_locked(wal: &Path) -> bool {
    // No file, no lock. Dropping the file gives the lock back.
    File::open(wal).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
