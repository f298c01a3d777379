//! Who may connect: not those the score board refuses, and not too many from one IP.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{ConnectionClosed, ListenFailure};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};

use crate::score::ScoreBoard;

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{peer} is refused for what it did before")]
    Peer { peer: PeerId },
    #[error("{ip} is refused: too many of its peers were cut off")]
    Ip { ip: IpAddr },
    #[error("{ip} has {actual} connections, at most {max} are allowed")]
    Crowded { ip: IpAddr, actual: usize, max: usize },
}

/// Part of the swarm's behaviour that opens no stream and only says yes or no to connections.
pub(crate) struct Gate {
    pub board: ScoreBoard,
    connections_per_ip_max: usize,
    /// Incoming connections, the ones still being established included.
    incoming: BTreeMap<ConnectionId, IpAddr>,
}

impl Gate {
    pub(crate) fn new(connections_per_ip_max: usize) -> Self {
        Self { board: ScoreBoard::default(), connections_per_ip_max, incoming: BTreeMap::new() }
    }

    fn admit_ip(&self, ip: IpAddr) -> Result<(), Refused> {
        if self.board.is_ip_refused(&ip, Instant::now()) {
            return Err(Refused::Ip { ip });
        }
        let actual = self.incoming.values().filter(|known| **known == ip).count();
        let max = self.connections_per_ip_max;
        if actual >= max { Err(Refused::Crowded { ip, actual, max }) } else { Ok(()) }
    }

    fn admit_peer(&self, peer: PeerId) -> Result<(), Refused> {
        if self.board.is_refused(&peer, Instant::now()) { Err(Refused::Peer { peer }) } else { Ok(()) }
    }
}

/// The IP an address starts with.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if let Some(ip) = ip_of(remote) {
            self.admit_ip(ip).map_err(ConnectionDenied::new)?;
            self.incoming.insert(connection, ip);
        }
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_peer(peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_peer(peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
        | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event
        {
            self.incoming.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Standing;

    fn incoming(gate: &mut Gate, id: usize, from: &str) -> bool {
        let (local, remote) = ("/ip4/127.0.0.1/tcp/1".parse().unwrap(), from.parse().unwrap());
        gate.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &local, &remote).is_ok()
    }

    #[test]
    fn one_ip_gets_so_many_connections_and_another_its_own() {
        let mut gate = Gate::new(2);
        assert!(incoming(&mut gate, 1, "/ip4/192.0.2.1/tcp/1"));
        assert!(incoming(&mut gate, 2, "/ip4/192.0.2.1/tcp/2"));
        assert!(!incoming(&mut gate, 3, "/ip4/192.0.2.1/tcp/3"));
        assert!(incoming(&mut gate, 4, "/ip4/192.0.2.2/tcp/3"));
        gate.incoming.remove(&ConnectionId::new_unchecked(1));
        assert!(incoming(&mut gate, 5, "/ip4/192.0.2.1/tcp/3"));
    }

    #[test]
    fn a_peer_is_admitted_until_it_is_cut() {
        let (mut gate, peer) = (Gate::new(2), PeerId::random());
        assert_eq!(gate.admit_peer(peer), Ok(()));
        while gate.board.fault(peer, None, Instant::now()) != Standing::Cut {}
        assert_eq!(gate.admit_peer(peer), Err(Refused::Peer { peer }));
    }
}
