//! Loopback ports that nobody uses, and that nobody will take while a node is down.
//!
//! The system gives outgoing connections local ports of its *ephemeral* range. A listening port from that range could
//! be taken by some other node's connection while its own node is restarting, so ports are looked for below that range
//! only. Between the check here and the node's own bind another program could still take one; the node then fails to
//! start with an error that names the port.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use rand::Rng;

/// Where Linux says which ports it gives to outgoing connections.
const EPHEMERAL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// First ephemeral port where that file cannot be read; Linux's default.
const EPHEMERAL_FIRST: u16 = 32_768;

/// Lowest port to hand out; well-known services live below.
const PORT_MIN: u16 = 10_000;

/// Fewest ports to choose among. Where the system leaves less below its ephemeral range, all unprivileged ports are
/// used instead.
const CHOICE_MIN: u16 = 2_000;

/// Hands out ports and never the same one twice in a launcher's life.
#[derive(Debug, Default)]
pub struct Ports {
    given: BTreeSet<u16>,
}

impl Ports {
    /// The first of `count` consecutive free ports on the loopback interface that were not given before.
    ///
    /// # Errors
    /// When there are no such ports.
    pub fn take(&mut self, count: u16) -> io::Result<u16> {
        let range = listening_range(std::fs::read_to_string(EPHEMERAL_RANGE).ok().as_deref());
        // A random start keeps two launchers on one machine out of each other's way.
        let start = rand::thread_rng().gen_range(range.clone());
        for first in (start..range.end).chain(range.start..start) {
            let Some(end) = first.checked_add(count).filter(|end| *end <= range.end) else { continue };
            if (first..end).all(|port| self.is_free(port)) {
                self.given.extend(first..end);
                return Ok(first);
            }
        }
        let (from, to) = (range.start, range.end - 1);
        let problem = format!("no {count} consecutive free ports on the loopback interface from {from} to {to}");
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, problem))
    }

    fn is_free(&self, port: u16) -> bool {
        !self.given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    }
}

/// The ports to choose among, given what the system says of its ephemeral range.
fn listening_range(ephemeral: Option<&str>) -> Range<u16> {
    let first = ephemeral.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(EPHEMERAL_FIRST);
    if first < PORT_MIN + CHOICE_MIN { PORT_MIN..u16::MAX } else { PORT_MIN..first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_never_given_twice() {
        let mut ports = Ports::default();
        let mut seen = BTreeSet::new();
        for _ in 0..20 {
            let first = ports.take(4).expect("ports");
            for port in first..first + 4 {
                assert!(seen.insert(port), "port {port} was given twice");
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port can be bound");
            }
        }
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let port = held.local_addr().expect("bound").port();
        assert!(!Ports::default().is_free(port));
        drop(held);
        assert!(Ports::default().is_free(port));
        let given = Ports { given: [port].into() };
        assert!(!given.is_free(port));
    }

    #[test]
    fn more_ports_than_there_are_is_an_error() {
        assert!(Ports::default().take(u16::MAX).expect_err("too many").to_string().contains("65535 consecutive"));
    }

    #[test]
    fn ports_stay_below_the_ephemeral_range_unless_that_leaves_none() {
        assert_eq!(listening_range(Some("32768\t60999\n")), PORT_MIN..32_768);
        assert_eq!(listening_range(Some("20000 60999")), PORT_MIN..20_000);
        assert_eq!(listening_range(Some("1024 65535")), PORT_MIN..u16::MAX);
        assert_eq!(listening_range(Some("garbage")), PORT_MIN..EPHEMERAL_FIRST);
        assert_eq!(listening_range(None), PORT_MIN..EPHEMERAL_FIRST);
    }
}
