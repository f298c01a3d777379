//! A typed client of one node.
//!
//! Nothing a server answers may panic, take unbounded memory or time: sizes and times are bounded here, and every
//! answer is decoded into a checked type or refused with the method and the address in the error.

mod error;
mod filecoin;
mod subnet;
#[cfg(test)]
pub(crate) mod tests;
mod wait;

pub use error::RpcError;
pub use wait::{WaitError, WaitOptions, Waiting};

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::core::client::Error as TransportError;
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};

/// Bytes of one answer. The largest is a genesis file: the actor bundle in base64 and some state.
pub const RESPONSE_BYTES_MAX: u32 = 64 << 20;

/// Bytes of one request: far above a signed message of the largest size in base64.
pub const REQUEST_BYTES_MAX: u32 = 2 << 20;

/// How long to wait for one answer unless told otherwise.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits of one client.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// How long to wait for one answer.
    pub timeout: Duration,
    /// Bytes of one answer.
    pub response_bytes_max: u32,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { timeout: CALL_TIMEOUT, response_bytes_max: RESPONSE_BYTES_MAX }
    }
}

/// A node's RPC over HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    url: Arc<str>,
    options: ClientOptions,
    http: HttpClient,
}

impl Client {
    /// A client of the node at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// When `url` is no usable address.
    pub fn connect(url: &str) -> Result<Self, RpcError> {
        Self::connect_with(url, ClientOptions::default())
    }

    /// As [`Self::connect`], with other limits.
    ///
    /// # Errors
    /// When `url` is no usable address.
    pub fn connect_with(url: &str, options: ClientOptions) -> Result<Self, RpcError> {
        let wrong = |reason: String| RpcError::Url { url: url.chars().take(200).collect(), reason };
        // A node serves HTTP and WebSocket on one port, so the address of one is that of the other.
        let target = match url.split_once("://") {
            Some(("http" | "ws", rest)) => format!("http://{rest}"),
            Some(("https" | "wss", rest)) => format!("https://{rest}"),
            _ => return Err(wrong("expected an address like http://127.0.0.1:1234".to_owned())),
        };
        let http = HttpClientBuilder::default()
            .request_timeout(options.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .max_request_size(REQUEST_BYTES_MAX)
            .max_response_size(options.response_bytes_max)
            .build(&target)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { url: target.into(), options, http })
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn call<T>(
        &self,
        method: &'static str,
        answer: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, RpcError> {
        answer.await.map_err(|error| RpcError::classify(&self.url, method, self.options, error))
    }
}
