//! Starts and stops the server.

use std::net::SocketAddr;
use std::sync::Arc;

use client::api::{FilecoinApiServer, SubnetApiServer};
use jsonrpsee::core::server::Methods;
use jsonrpsee::server::{BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle};

use super::context::RpcContext;
use super::explain::explained;
use super::filecoin::FilecoinMethods;
use super::gate::Gate;
use super::limits::{BATCH_CALLS_MAX, SUBSCRIPTIONS_PER_CONNECTION_MAX, WEBSOCKET_ANSWERS_WAITING_MAX};
use super::subnet::SubnetMethods;
use crate::config::RpcConfig;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address cannot be listened on.
    #[error("RPC cannot listen on {listen}: {reason}; choose another address as rpc.listen in config.toml")]
    Listen {
        /// Which address.
        listen: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// The server at work. Dropping it stops the server.
#[derive(Debug)]
pub struct RpcHandle {
    listen: SocketAddr,
    server: ServerHandle,
}

impl RpcHandle {
    /// Where it listens; the port is the real one also when 0 was asked for.
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Stops taking calls and waits until the connections are closed.
    pub async fn shutdown(self) {
        // An error means that it has stopped already.
        let _ = self.server.stop();
        self.server.stopped().await;
    }
}

/// All methods over `context`.
fn methods(context: RpcContext) -> Methods {
    let gate = Arc::new(Gate::new());
    let mut methods = Methods::new();
    let filecoin = FilecoinMethods::new(context.clone(), gate.clone()).into_rpc();
    methods.merge(filecoin).expect("the first names cannot collide");
    let subnet = SubnetMethods::new(context, gate).into_rpc();
    methods.merge(subnet).expect("the namespaces differ");
    explained(&methods)
}

/// Starts the server; HTTP and WebSocket share the port.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(settings: &RpcConfig, context: RpcContext) -> Result<RpcHandle, RpcError> {
    let listen = settings.listen;
    let refused = |error: std::io::Error| RpcError::Listen { listen, reason: error.to_string() };
    let config = ServerConfig::builder()
        .max_request_body_size(settings.request_bytes_max)
        .max_response_body_size(settings.response_bytes_max)
        .max_connections(settings.connections_max)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_PER_CONNECTION_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_CALLS_MAX))
        .set_message_buffer_capacity(WEBSOCKET_ANSWERS_WAITING_MAX)
        // Peers that vanished without closing give their connection back.
        .enable_ws_ping(PingConfig::new())
        .build();
    let server = Server::builder().set_config(config).build(listen).await.map_err(refused)?;
    let listen = server.local_addr().map_err(refused)?;
    Ok(RpcHandle { listen, server: server.start(methods(context)) })
}
