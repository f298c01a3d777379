//! Metrics over HTTP. One path, one method; not worth a web framework.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Metrics;

/// Bytes of a request's head.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// A scraper that takes longer is cut off.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// Scrapers served at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 8;

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics cannot listen on {address}: {reason}; choose another metrics.listen or set metrics.is_enabled = false"
)]
pub struct MetricsError {
    address: SocketAddr,
    reason: String,
}

/// A running endpoint.
pub struct MetricsServer {
    /// Where it listens.
    pub listen: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl MetricsServer {
    /// Resolves once the endpoint has ended, after its token was cancelled.
    pub async fn stopped(self) {
        // A panic in it has been printed; there is nothing to save.
        let _ = self.task.await;
    }
}

/// Serves `metrics` until `stop` is cancelled.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    metrics: Metrics,
    address: SocketAddr,
    stop: CancellationToken,
) -> Result<MetricsServer, MetricsError> {
    let failed = |error: std::io::Error| MetricsError { address, reason: error.to_string() };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let listen = listener.local_addr().map_err(failed)?;
    let task = tokio::spawn(accept(listener, metrics, stop));
    Ok(MetricsServer { listen, task })
}

async fn accept(listener: TcpListener, metrics: Metrics, stop: CancellationToken) {
    let slots = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file handles, say: a pause instead of a busy loop.
                    tracing::warn!(reason = %error, "metrics connection not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let _slot = slot;
            // Whatever goes wrong with one scraper is its own matter.
            let _ = tokio::time::timeout(REQUEST_TIME_MAX, answer(stream, &metrics)).await;
        });
    }
}

async fn answer(mut stream: TcpStream, metrics: &Metrics) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut chunk = [0u8; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await?;
        if read == 0 || head.len() + read > REQUEST_BYTES_MAX {
            return Ok(());
        }
        head.extend_from_slice(&chunk[..read]);
    }
    let (status, body) = if head.starts_with(b"GET /metrics ") || head.starts_with(b"GET /metrics?") {
        ("200 OK", metrics.render())
    } else {
        ("404 Not Found", "metrics are at /metrics\n".to_owned())
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn request(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_are_served_at_their_path_only_and_end_with_the_token() {
        let stop = CancellationToken::new();
        let server = serve(Metrics::new(), "127.0.0.1:0".parse().unwrap(), stop.clone()).await.unwrap();
        let found = request(server.listen, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(found.starts_with("HTTP/1.1 200") && found.contains("subnet_chain_height 0"), "{found}");
        let missing = request(server.listen, "GET / HTTP/1.1\r\n\r\n").await;
        assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
        let taken = serve(Metrics::new(), server.listen, stop.clone()).await.err().unwrap();
        assert!(taken.to_string().contains("metrics.listen"), "{taken}");
        stop.cancel();
        server.stopped().await;
    }
}
