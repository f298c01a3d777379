//! Who misbehaved, how much, and who is refused for it. Pure: the time comes in as an argument.
//!
//! A score starts at [`SCORE_MAX`], falls by [`FAULT_COST`] with each fault and recovers slowly. At [`SCORE_CUT`] the
//! peer is cut off and refused for [`REFUSAL_TIME`]. Ids are free to make, so an IP from which several peers had to
//! be cut off is refused as a whole; loopback is exempt, where a devnet's nodes all live.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use crate::limits::{
    CUTS_PER_IP_MAX, FAULT_COST, REFUSAL_TIME, REFUSED_PEERS_MAX, SCORE_CUT, SCORE_MAX,
    SCORE_RECOVERY_PER_SECOND_MILLI, SCORED_PEERS_MAX,
};

/// What a fault led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The peer stays, with this score.
    Lowered(i64),
    /// The peer is refused from now on.
    Cut,
}

/// Scores and refusals.
#[derive(Debug, Default)]
pub struct ScoreBoard {
    scores: BTreeMap<PeerId, Score>,
    refused: BTreeMap<PeerId, Instant>,
    cuts: BTreeMap<IpAddr, Cuts>,
}

#[derive(Clone, Copy, Debug)]
struct Score {
    milli: i64,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Cuts {
    count: u32,
    until: Instant,
}

impl Score {
    fn now(&self, now: Instant) -> i64 {
        let seconds = now.saturating_duration_since(self.at).as_millis() as i64 / 1000;
        let recovered = seconds.saturating_mul(SCORE_RECOVERY_PER_SECOND_MILLI);
        self.milli.saturating_add(recovered).min(SCORE_MAX * 1000)
    }
}

impl ScoreBoard {
    /// Counts a fault of `peer`, connected from `ip` where that is known.
    pub fn fault(&mut self, peer: PeerId, ip: Option<IpAddr>, now: Instant) -> Standing {
        let milli = self.scores.get(&peer).map_or(SCORE_MAX * 1000, |score| score.now(now)) - FAULT_COST * 1000;
        if milli > SCORE_CUT * 1000 {
            self.remember(peer, Score { milli, at: now }, now);
            return Standing::Lowered(milli / 1000);
        }
        self.scores.remove(&peer);
        self.refuse(peer, REFUSAL_TIME, now);
        if let Some(ip) = ip.filter(|ip| !ip.is_loopback()) {
            self.count_cut(ip, now);
        }
        Standing::Cut
    }

    fn remember(&mut self, peer: PeerId, score: Score, now: Instant) {
        self.scores.retain(|_, score| score.now(now) < SCORE_MAX * 1000);
        if self.scores.len() >= SCORED_PEERS_MAX && !self.scores.contains_key(&peer) {
            let best = self.scores.iter().max_by_key(|(_, score)| score.now(now)).map(|(peer, _)| *peer);
            best.map(|peer| self.scores.remove(&peer));
        }
        self.scores.insert(peer, score);
    }

    fn count_cut(&mut self, ip: IpAddr, now: Instant) {
        self.cuts.retain(|_, cuts| cuts.until > now);
        if self.cuts.len() >= REFUSED_PEERS_MAX && !self.cuts.contains_key(&ip) {
            let soonest = self.cuts.iter().min_by_key(|(_, cuts)| cuts.until).map(|(ip, _)| *ip);
            soonest.map(|ip| self.cuts.remove(&ip));
        }
        let cuts = self.cuts.entry(ip).or_insert(Cuts { count: 0, until: now });
        cuts.count = cuts.count.saturating_add(1);
        cuts.until = now + REFUSAL_TIME;
    }

    /// Refuses `peer` for `time`, or longer where it is refused for longer already.
    pub fn refuse(&mut self, peer: PeerId, time: Duration, now: Instant) {
        self.refused.retain(|_, until| *until > now);
        if self.refused.len() >= REFUSED_PEERS_MAX && !self.refused.contains_key(&peer) {
            let soonest = self.refused.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer);
            soonest.map(|peer| self.refused.remove(&peer));
        }
        let until = self.refused.entry(peer).or_insert(now);
        *until = (*until).max(now + time);
    }

    /// Whether no connection with `peer` is wanted.
    pub fn is_refused(&self, peer: &PeerId, now: Instant) -> bool {
        self.refused.get(peer).is_some_and(|until| *until > now)
    }

    /// Whether no connection from `ip` is wanted.
    pub fn is_ip_refused(&self, ip: &IpAddr, now: Instant) -> bool {
        self.cuts.get(ip).is_some_and(|cuts| cuts.count >= CUTS_PER_IP_MAX && cuts.until > now)
    }

    #[cfg(test)]
    fn score(&self, peer: &PeerId, now: Instant) -> i64 {
        self.scores.get(peer).map_or(SCORE_MAX, |score| score.now(now) / 1000)
    }

    /// Peers whose score is below the start, with it.
    pub fn lowered(&self, now: Instant) -> impl Iterator<Item = (PeerId, i64)> {
        self.scores.iter().map(move |(peer, score)| (*peer, score.now(now) / 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HONEST_PAUSE: Duration = Duration::from_secs(250);

    #[test]
    fn the_fourth_fault_cuts_and_the_refusal_ends() {
        let (mut board, peer, now) = (ScoreBoard::default(), PeerId::random(), Instant::now());
        assert_eq!(board.fault(peer, None, now), Standing::Lowered(-25));
        assert_eq!(board.fault(peer, None, now), Standing::Lowered(-50));
        assert_eq!(board.fault(peer, None, now), Standing::Lowered(-75));
        assert!(!board.is_refused(&peer, now));
        assert_eq!(board.fault(peer, None, now), Standing::Cut);
        assert!(board.is_refused(&peer, now));
        assert!(!board.is_refused(&PeerId::random(), now));
        assert!(!board.is_refused(&peer, now + REFUSAL_TIME));
    }

    #[test]
    fn rare_faults_are_forgiven() {
        let (mut board, peer, mut now) = (ScoreBoard::default(), PeerId::random(), Instant::now());
        for _ in 0..20 {
            assert_eq!(board.fault(peer, None, now), Standing::Lowered(-25));
            now += HONEST_PAUSE;
            assert_eq!(board.score(&peer, now), SCORE_MAX);
        }
    }

    #[test]
    fn an_ip_whose_peers_are_cut_again_and_again_is_refused_but_not_loopback() {
        let (mut board, now) = (ScoreBoard::default(), Instant::now());
        let (public, loopback): (IpAddr, IpAddr) = ("192.0.2.7".parse().unwrap(), "127.0.0.1".parse().unwrap());
        for round in 0..CUTS_PER_IP_MAX {
            assert!(!board.is_ip_refused(&public, now), "after {round} cuts");
            for ip in [public, loopback] {
                let peer = PeerId::random();
                while board.fault(peer, Some(ip), now) != Standing::Cut {}
            }
        }
        assert!(board.is_ip_refused(&public, now));
        assert!(!board.is_ip_refused(&loopback, now));
        assert!(!board.is_ip_refused(&public, now + REFUSAL_TIME));
    }

    #[test]
    fn the_maps_stay_bounded_and_keep_the_worst() {
        let (mut board, worst, now) = (ScoreBoard::default(), PeerId::random(), Instant::now());
        board.fault(worst, None, now);
        board.fault(worst, None, now);
        for _ in 0..SCORED_PEERS_MAX + 10 {
            board.fault(PeerId::random(), None, now);
        }
        assert_eq!(board.scores.len(), SCORED_PEERS_MAX);
        assert_eq!(board.score(&worst, now), -50);
        board.refuse(worst, REFUSAL_TIME, now);
        for _ in 0..REFUSED_PEERS_MAX + 10 {
            board.refuse(PeerId::random(), Duration::from_secs(1), now);
        }
        assert_eq!(board.refused.len(), REFUSED_PEERS_MAX);
        assert!(board.is_refused(&worst, now));
    }
}
