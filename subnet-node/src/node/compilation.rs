//! Compiling the chain's actors while the node already answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use fvm_exec::{Engine, ExecError};
use tokio::sync::oneshot;

use super::NodeError;
use crate::app::genesis::{GenesisContent, compile_actors};

/// Name of the thread, and of the service in errors.
const NAME: &str = "compilation";

/// A compilation under way. Dropped, it ends after the actor at hand.
///
/// It has a thread of its own and holds nothing but code: the runtime would wait for a task on its blocking pool before
/// the process may end, and the database could not be opened again.
pub(super) struct Compilation {
    result: oneshot::Receiver<Result<(), ExecError>>,
    is_wanted: Arc<AtomicBool>,
}

impl Compilation {
    /// Begins.
    pub(super) fn start(content: GenesisContent, engine: Arc<Engine>) -> Result<Self, NodeError> {
        let (done, result) = oneshot::channel();
        let is_wanted = Arc::new(AtomicBool::new(true));
        let wanted = is_wanted.clone();
        let compile = move || {
            let compiled = compile_actors(&content, &engine, || wanted.load(Ordering::Relaxed));
            // Nobody waits any more when the node stops.
            let _ = done.send(compiled);
        };
        std::thread::Builder::new().name(NAME.to_owned()).spawn(compile).map_err(|error| failed(&error))?;
        Ok(Self { result, is_wanted })
    }

    /// Waits for the end.
    pub(super) async fn finish(mut self) -> Result<(), NodeError> {
        let started = Instant::now();
        (&mut self.result).await.map_err(|error| failed(&error))?.map_err(NodeError::Actors)?;
        tracing::info!(took_ms = started.elapsed().as_millis() as u64, "actors compiled");
        Ok(())
    }
}

impl Drop for Compilation {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }
}

fn failed(error: &dyn std::fmt::Display) -> NodeError {
    NodeError::Service { name: NAME, reason: error.to_string() }
}
