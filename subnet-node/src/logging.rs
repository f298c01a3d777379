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

/// Starts logging for this process. A second call changes nothing, as when tests start several nodes.
///
/// # Errors
/// When the filter does not parse.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| config.filter.clone());
    let parsed =
        EnvFilter::try_new(&filter).map_err(|error| LogError { filter: filter.clone(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    // Whoever set a subscriber before keeps it.
    let _ = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_filter_is_named() {
        let config = LogConfig { format: LogFormat::Text, filter: "subnet_node=loud".to_owned() };
        let error = init(&config).unwrap_err().to_string();
        assert!(error.contains("subnet_node=loud") && error.contains("expected"), "{error}");
    }
}
