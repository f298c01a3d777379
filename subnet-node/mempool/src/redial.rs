//! When to dial the configured peers. Pure: the time comes in as an argument.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;

use crate::limits::{REDIAL_PAUSE_MAX, REDIAL_PAUSE_MIN};

#[derive(Debug)]
struct Target {
    address: SocketAddr,
    state: State,
    /// Dials in a row that failed.
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Instant),
    Dialling(ConnectionId),
    Connected(ConnectionId),
    /// The address is this node's own; a topology may name all nodes to all.
    Own,
}

/// The configured peers and how it stands with each.
#[derive(Debug)]
pub(crate) struct Redial {
    targets: Vec<Target>,
}

impl Redial {
    pub(crate) fn new(mut addresses: Vec<SocketAddr>, now: Instant) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        let target = |address| Target { address, state: State::Waiting(now), failures: 0 };
        Self { targets: addresses.into_iter().map(target).collect() }
    }

    /// Calls `dial` for each peer whose time has come. `None`: it could not even be started.
    pub(crate) fn dial_due(&mut self, now: Instant, mut dial: impl FnMut(SocketAddr) -> Option<ConnectionId>) {
        for target in &mut self.targets {
            if !matches!(target.state, State::Waiting(due) if due <= now) {
                continue;
            }
            match dial(target.address) {
                Some(connection) => target.state = State::Dialling(connection),
                None => target.wait(now),
            }
        }
    }

    pub(crate) fn established(&mut self, connection: ConnectionId) {
        if let Some(target) = self.find(connection) {
            target.state = State::Connected(connection);
        }
    }

    /// A dial failed or a connection ended.
    pub(crate) fn ended(&mut self, connection: ConnectionId, now: Instant) {
        if let Some(target) = self.find(connection) {
            target.wait(now);
        }
    }

    /// The other side has proved to be what was looked for, so the next pause is short again.
    pub(crate) fn confirmed(&mut self, connection: ConnectionId) {
        if let Some(target) = self.find(connection) {
            target.failures = 0;
        }
    }

    /// The dial reached this node itself.
    pub(crate) fn is_own(&mut self, connection: ConnectionId) {
        if let Some(target) = self.find(connection) {
            target.state = State::Own;
        }
    }

    fn find(&mut self, connection: ConnectionId) -> Option<&mut Target> {
        self.targets.iter_mut().find(
            |target| matches!(target.state, State::Dialling(known) | State::Connected(known) if known == connection),
        )
    }
}

impl Target {
    fn wait(&mut self, now: Instant) {
        self.state = State::Waiting(now + pause(self.failures));
        self.failures = self.failures.saturating_add(1);
    }
}

fn pause(failures: u32) -> Duration {
    REDIAL_PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(REDIAL_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(redial: &mut Redial, now: Instant, connection: usize) -> usize {
        let mut count = 0;
        redial.dial_due(now, |_| {
            count += 1;
            Some(ConnectionId::new_unchecked(connection))
        });
        count
    }

    #[test]
    fn failures_double_the_pause_up_to_its_maximum_and_success_resets_it() {
        let mut now = Instant::now();
        let mut redial = Redial::new(vec!["127.0.0.1:1".parse().unwrap()], now);
        for failure in 0..12 {
            assert_eq!(due(&mut redial, now, failure), 1);
            assert_eq!(due(&mut redial, now, failure), 0, "it is being dialled");
            redial.ended(ConnectionId::new_unchecked(failure), now);
            let wait = pause(failure as u32);
            assert!(wait <= REDIAL_PAUSE_MAX);
            assert_eq!(due(&mut redial, now + wait - Duration::from_millis(1), 99), 0);
            now += wait;
        }
        assert_eq!(pause(11), REDIAL_PAUSE_MAX);
        let connection = ConnectionId::new_unchecked(50);
        assert_eq!(due(&mut redial, now, 50), 1);
        redial.established(connection);
        redial.confirmed(connection);
        assert_eq!(due(&mut redial, now + REDIAL_PAUSE_MAX, 51), 0, "it is connected");
        redial.ended(connection, now);
        assert_eq!(due(&mut redial, now + REDIAL_PAUSE_MIN, 52), 1);
    }

    #[test]
    fn an_address_is_dialled_once_even_if_named_twice_and_the_own_one_no_more() {
        let now = Instant::now();
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let mut redial = Redial::new(vec![address, address], now);
        assert_eq!(due(&mut redial, now, 1), 1);
        redial.is_own(ConnectionId::new_unchecked(1));
        redial.ended(ConnectionId::new_unchecked(1), now);
        assert_eq!(due(&mut redial, now + REDIAL_PAUSE_MAX, 2), 0);
    }
}
