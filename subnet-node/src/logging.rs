//! Structured logs on standard error: standard output belongs to what commands answer.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat};

/// The filter in the configuration or in `RUST_LOG` does not parse.
#[derive(Debug, thiserror::Error)]
#[error("log filter {filter:?}: {reason}; expected a level like `info` or pairs like `subnet_node=debug,info`")]
pub struct LogError {
    filter: String,
    reason: String,
}

/// What the libraries below consensus may say unless the filter names them. They tell of every vote and timeout, several
/// lines a second. The one warning left out comes after each checkpoint: that votes carry an extension at one height and
/// none at the next is how checkpoints are signed.
const LIBRARIES: &str = "arc_malachitebft=warn,arc_malachitebft_core_consensus::state[{previous.policy}]=error,\
                         libp2p=warn,ractor=warn";

/// Starts logging for this process. A second call changes nothing, as when tests start several nodes.
///
/// # Errors
/// When the filter does not parse.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| config.filter.clone());
    let builder = tracing_subscriber::fmt().with_env_filter(parse(&filter)?).with_writer(std::io::stderr);
    // Whoever set a subscriber before keeps it.
    let _ = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    Ok(())
}

/// The filter, on top of that for the libraries: what it says of them in particular wins.
fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(format!("{LIBRARIES},{filter}"))
        .map_err(|error| LogError { filter: filter.to_owned(), reason: error.to_string() })
}

/// What was logged, for tests that read it.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Lines(std::sync::Arc<parking_lot::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

#[cfg(test)]
impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `events` write under a filter.
    fn written(filter: &str, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(parse(filter).unwrap()).with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), events);
        lines.text()
    }

    fn events() {
        tracing::info!(target: "subnet_node::app", "ours");
        tracing::info!(target: "arc_malachitebft_core_consensus::handle::vote", "each vote");
        tracing::warn!(target: "arc_malachitebft_core_consensus::handle::vote", "late vote");
        tracing::warn!(target: "arc_malachitebft_core_consensus::state", "other state");
        tracing::warn!(
            target: "arc_malachitebft_core_consensus::state",
            { previous.height = 1, new.height = 2, previous.policy = ?"Required", new.policy = ?"Disabled" },
            "policy moved"
        );
    }

    #[test]
    fn libraries_are_quiet_unless_named() {
        let usual = written("info", events);
        assert!(usual.contains("ours") && usual.contains("late vote") && usual.contains("other state"), "{usual}");
        assert!(!usual.contains("each vote") && !usual.contains("policy moved"), "{usual}");
        let named = written("info,arc_malachitebft=info", events);
        assert!(named.contains("each vote"), "{named}");
        assert!(written("off", events).contains("late vote"), "what is wrong is said");
    }

    #[test]
    fn malformed_filter_is_named() {
        let config = LogConfig { format: LogFormat::Text, filter: "subnet_node=loud".to_owned() };
        let error = init(&config).unwrap_err().to_string();
        assert!(error.contains("subnet_node=loud") && error.contains("expected"), "{error}");
    }
}
