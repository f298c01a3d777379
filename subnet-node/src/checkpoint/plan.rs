//! What the submitter does next. Pure: time, the parent's status and this node's own progress come in as values.

use std::time::Duration;

use subnet_types::{Digest, Nonce, Sequence};

use super::rotation::Turn;

/// What the parent says of this chain's settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The last accepted checkpoint; zero before the first.
    pub last_sequence: Sequence,
    /// Its digest.
    pub last_digest: Digest,
    /// Next message up to deliver.
    pub next_nonce: Nonce,
    /// Accepted messages that wait for delivery.
    pub undelivered: u64,
    /// Whether the parent has ended this subnet. It accepts no checkpoint any more.
    pub has_exited: bool,
}

/// A piece of work on the parent. Each is done once, by whoever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Submit this checkpoint.
    Submit(Sequence),
    /// Deliver messages of accepted checkpoints from this nonce on.
    Deliver(Nonce),
}

impl Duty {
    /// A number that goes up from duty to duty and turns the rotation.
    pub fn turn_key(self) -> Sequence {
        match self {
            Self::Submit(sequence) => sequence,
            Self::Deliver(nonce) => Sequence::new(nonce.get()),
        }
    }
}

/// What is due on the parent: the oldest checkpoint it has not accepted comes before deliveries, because it brings
/// its own.
pub fn due(settlement: &Settlement, last_certified: Option<Sequence>) -> Option<Duty> {
    let next = settlement.last_sequence.next();
    if !settlement.has_exited && last_certified.is_some_and(|certified| certified >= next) {
        return Some(Duty::Submit(next));
    }
    (settlement.undelivered > 0).then_some(Duty::Deliver(settlement.next_nonce))
}

/// This node's attempts at one duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which duty.
    pub duty: Duty,
    /// When this node first saw that it is due, on its own clock.
    pub since: Duration,
    /// Attempts made.
    pub attempts: u32,
}

impl Progress {
    /// Progress with `duty` at `now`: what there was, or a new start when another duty was due before.
    pub fn with(before: Option<Self>, duty: Duty, now: Duration) -> Self {
        match before {
            Some(before) if before.duty == duty => before,
            _ => Self { duty, since: now, attempts: 0 },
        }
    }

    /// Whether this node's turn has come, `step` being the time in which an attempt of another would show.
    pub fn is_due(&self, turn: Turn, step: Duration, now: Duration) -> bool {
        now.saturating_sub(self.since) >= turn.delay(self.attempts, step)
    }

    /// After one more attempt.
    #[must_use]
    pub fn attempted(self) -> Self {
        Self { attempts: self.attempts.saturating_add(1), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settlement(last: u64, undelivered: u64) -> Settlement {
        Settlement {
            last_sequence: Sequence::new(last),
            last_digest: Digest::ZERO,
            next_nonce: Nonce::new(7),
            undelivered,
            has_exited: false,
        }
    }

    #[test]
    fn oldest_unaccepted_checkpoint_is_due_before_deliveries() {
        let certified = Some(Sequence::new(5));
        assert_eq!(due(&settlement(3, 2), certified), Some(Duty::Submit(Sequence::new(4))));
        assert_eq!(due(&settlement(5, 2), certified), Some(Duty::Deliver(Nonce::new(7))));
        assert_eq!(due(&settlement(5, 0), certified), None);
        assert_eq!(due(&settlement(6, 0), certified), None, "the parent may be ahead of a node that catches up");
        assert_eq!(due(&settlement(0, 0), None), None);
    }

    #[test]
    fn subnet_that_has_ended_only_delivers() {
        let ended = |undelivered| Settlement { has_exited: true, ..settlement(3, undelivered) };
        let certified = Some(Sequence::new(5));
        assert_eq!(due(&ended(2), certified), Some(Duty::Deliver(Nonce::new(7))));
        assert_eq!(due(&ended(0), certified), None);
    }

    #[test]
    fn nodes_try_one_after_the_other_until_the_duty_is_done() {
        let step = Duration::from_secs(2);
        let duty = Duty::Submit(Sequence::new(4));
        let start = Duration::from_secs(100);
        // Three nodes; nobody succeeds. Each row: second, whose attempt falls into it.
        let mut nodes: Vec<Progress> = (0..3).map(|_| Progress::with(None, duty, start)).collect();
        let mut transcript = Vec::new();
        for second in 0..20 {
            for (position, progress) in nodes.iter_mut().enumerate() {
                let turn = Turn { position: position as u64, count: 3 };
                if progress.is_due(turn, step, start + Duration::from_secs(second)) {
                    *progress = progress.attempted();
                    transcript.push((second, position));
                }
            }
        }
        assert_eq!(transcript, [(0, 0), (2, 1), (4, 2), (6, 0), (10, 1), (14, 2), (18, 0)]);
    }

    #[test]
    fn next_duty_starts_from_the_beginning() {
        let (now, later) = (Duration::from_secs(1), Duration::from_secs(9));
        let tried = Progress::with(None, Duty::Submit(Sequence::new(4)), now).attempted();
        assert_eq!(Progress::with(Some(tried), Duty::Submit(Sequence::new(4)), later), tried);
        let next = Progress::with(Some(tried), Duty::Submit(Sequence::new(5)), later);
        assert_eq!((next.attempts, next.since), (0, later));
    }
}
