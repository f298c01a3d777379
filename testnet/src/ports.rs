//! Loopback ports that nobody uses, and that nobody will take while a node is down.
//!
//! The system gives outgoing connections local ports of its *ephemeral* range. A listening port from that range could
//! be taken by some other node's connection while its own node is restarting, so ports are looked for below that range
//! only. Between the check here and the node's own bind another program could still take one; the node then fails to
//! start with an error that names the port.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
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
    /// `N` free loopback addresses that were not given before.
    ///
    /// # Errors
    /// When no free port is found.
    pub fn take<const N: usize>(&mut self) -> io::Result<[SocketAddr; N]> {
        let mut found = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
        for address in &mut found {
            address.set_port(self.take_one()?);
        }
        Ok(found)
    }

    fn take_one(&mut self) -> io::Result<u16> {
        let range = listening_range(std::fs::read_to_string(EPHEMERAL_RANGE).ok().as_deref());
        // A random start keeps two launchers on one machine out of each other's way.
        let start = rand::thread_rng().gen_range(range.clone());
        for port in (start..range.end).chain(range.start..start) {
            if !self.given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                self.given.insert(port);
                return Ok(port);
            }
        }
        let problem = format!("no free port on the loopback interface from {} to {}", range.start, range.end - 1);
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, problem))
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
            for address in ports.take::<4>().expect("ports") {
                assert!(address.ip().is_loopback());
                assert!(seen.insert(address.port()), "port {} was given twice", address.port());
            }
        }
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let mut ports = Ports::default();
        let [first] = ports.take::<1>().expect("a port");
        let held = TcpListener::bind(first).expect("a free port can be bound");
        // A fresh launcher that would have to take this one finds it in use.
        assert!(TcpListener::bind(held.local_addr().expect("bound")).is_err());
        let mut other = Ports::default();
        assert!((0..50).all(|_| other.take::<1>().expect("a port") != [first]));
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
