//! What the submitter does next. Pure: time, what parent nodes say and this node's own progress come in as values.

use std::collections::BTreeMap;
use std::time::Duration;

use subnet_types::{Digest, Nonce, Sequence};

use super::rotation::Turn;

/// How long a duty waits that no more than half of the parent nodes say is due. One that lags sees within that time what
/// the others have seen.
pub const DOUBT_PAUSE: Duration = Duration::from_secs(60);

/// How long one message waits that was set aside, so that what made the gateway fail may be over.
pub const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// How often one run of a node has a message delivered again that was set aside.
pub const RETRIES_MAX: u32 = 3;

/// What the parent says of this chain's settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The last accepted checkpoint; zero before the first.
    pub last_sequence: Sequence,
    /// Its digest.
    pub last_digest: Digest,
    /// Next message up to deliver.
    pub next_nonce: Nonce,
    /// Accepted messages that wait for delivery.
    pub undelivered: u64,
    /// The first messages that were set aside.
    pub unclaimed: Vec<Nonce>,
    /// Whether the parent has ended this subnet. It accepts no checkpoint any more.
    pub has_exited: bool,
}

/// A piece of work on the parent. Each is done once, by whoever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Submit this checkpoint.
    Submit(Sequence),
    /// Deliver messages of accepted checkpoints from this nonce on.
    Deliver(Nonce),
    /// Have this message delivered again, which was set aside.
    Retry(Nonce),
}

impl Duty {
    /// A number that goes up from duty to duty and turns the rotation.
    pub fn turn_key(self) -> Sequence {
        match self {
            Self::Submit(sequence) => sequence,
            Self::Deliver(nonce) | Self::Retry(nonce) => Sequence::new(nonce.get()),
        }
    }

    /// Whether both are of one kind.
    pub fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// What is due on the parent: the oldest checkpoint that it has not accepted, the messages that wait there, and those
/// that were set aside. None of them waits for another: a backlog of checkpoints must not hold up messages, nor a message
/// that cannot be delivered the checkpoints. `is_certified` says which checkpoints this node can submit.
pub fn due(settlement: &Settlement, is_certified: &impl Fn(Sequence) -> bool) -> Vec<Duty> {
    let mut duties = Vec::new();
    if settlement.undelivered > 0 {
        duties.push(Duty::Deliver(settlement.next_nonce));
    }
    let next = settlement.last_sequence.next();
    if !settlement.has_exited && is_certified(next) {
        duties.push(Duty::Submit(next));
    }
    duties.extend(settlement.unclaimed.iter().map(|nonce| Duty::Retry(*nonce)));
    duties
}

/// What one parent node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which one, among the endpoints.
    pub endpoint: usize,
    /// What it says.
    pub settlement: Settlement,
}

/// A duty, with those who say that it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which duty.
    pub duty: Duty,
    /// The endpoints that say so; at least one.
    pub endpoints: Vec<usize>,
    /// Whether no more than half of several endpoints say so. Some of them lag or lie, and nobody can tell which: a
    /// message for such a duty may cost its fee in vain.
    pub is_doubted: bool,
}

/// All duties that anybody names. A single parent node that lies can neither hide one nor make one up for the others.
pub fn claims(views: &[View], is_certified: &impl Fn(Sequence) -> bool) -> Vec<Claim> {
    let mut endpoints: BTreeMap<Duty, Vec<usize>> = BTreeMap::new();
    for view in views {
        for duty in due(&view.settlement, is_certified) {
            endpoints.entry(duty).or_default().push(view.endpoint);
        }
    }
    let claim = |(duty, endpoints): (Duty, Vec<usize>)| {
        let is_doubted = views.len() > 1 && 2 * endpoints.len() <= views.len();
        Claim { duty, endpoints, is_doubted }
    };
    endpoints.into_iter().map(claim).collect()
}

/// This node's attempts at one duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When this node first saw that it is due, on its own clock.
    pub since: Duration,
    /// Attempts made.
    pub attempts: u32,
}

impl Progress {
    /// A duty that is first seen at `now`.
    pub fn new(now: Duration) -> Self {
        Self { since: now, attempts: 0 }
    }

    /// Whether this node's turn has come, `step` being the time in which an attempt of another would show.
    pub fn is_due(&self, claim: &Claim, turn: Turn, step: Duration, now: Duration) -> bool {
        let doubt = if claim.is_doubted { DOUBT_PAUSE } else { Duration::ZERO };
        let retry = if matches!(claim.duty, Duty::Retry(_)) { RETRY_PAUSE } else { Duration::ZERO };
        now.saturating_sub(self.since) >= turn.delay(self.attempts, step).saturating_add(doubt.max(retry))
    }

    /// Whether this node has tried often enough.
    pub fn is_exhausted(&self, duty: Duty) -> bool {
        matches!(duty, Duty::Retry(_)) && self.attempts >= RETRIES_MAX
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
            unclaimed: Vec::new(),
            has_exited: false,
        }
    }

    fn claim(duty: Duty) -> Claim {
        Claim { duty, endpoints: vec![0], is_doubted: false }
    }

    #[test]
    fn oldest_unaccepted_checkpoint_and_waiting_messages_are_due_beside_each_other() {
        let certified = &|sequence: Sequence| sequence.get() <= 5;
        let (submit, deliver) = (Duty::Submit(Sequence::new(4)), Duty::Deliver(Nonce::new(7)));
        assert_eq!(due(&settlement(3, 2), certified), [deliver, submit]);
        assert_eq!(due(&settlement(3, 0), certified), [submit]);
        assert_eq!(due(&settlement(5, 2), certified), [deliver]);
        assert!(due(&settlement(5, 0), certified).is_empty());
        assert!(due(&settlement(6, 0), certified).is_empty(), "the parent may be ahead of a node that catches up");
        assert!(due(&settlement(0, 0), &|_| false).is_empty());
        let aside = Settlement { unclaimed: vec![Nonce::new(2)], ..settlement(5, 0) };
        assert_eq!(due(&aside, certified), [Duty::Retry(Nonce::new(2))]);
    }

    #[test]
    fn duty_that_half_of_the_endpoints_do_not_see_is_doubted_and_hidden_by_nobody() {
        let view = |endpoint, last| View { endpoint, settlement: settlement(last, 0) };
        let claimed = |lasts: &[u64]| {
            let views: Vec<_> = lasts.iter().enumerate().map(|(index, last)| view(index, *last)).collect();
            claims(&views, &|sequence| sequence.get() <= 5)
        };
        let submit = |sequence, endpoints: &[usize], is_doubted| Claim {
            duty: Duty::Submit(Sequence::new(sequence)),
            endpoints: endpoints.to_vec(),
            is_doubted,
        };
        assert_eq!(claimed(&[3]), [submit(4, &[0], false)]);
        assert_eq!(claimed(&[3, 3, 5]), [submit(4, &[0, 1], false)]);
        assert_eq!(claimed(&[5, 3]), [submit(4, &[1], true)]);
        assert_eq!(claimed(&[2, 3, 3]), [submit(3, &[0], true), submit(4, &[1, 2], false)]);
        assert!(claimed(&[5, 5]).is_empty());
        let (turn, step) = (Turn { position: 0, count: 4 }, Duration::from_secs(3));
        let progress = Progress::new(Duration::ZERO);
        let is_due = |claim: &Claim, seconds| progress.is_due(claim, turn, step, Duration::from_secs(seconds));
        assert!(is_due(&submit(4, &[0], false), 0));
        assert!(!is_due(&submit(4, &[0], true), 59) && is_due(&submit(4, &[0], true), 60));
    }

    #[test]
    fn subnet_that_has_ended_only_delivers() {
        let ended = |undelivered| Settlement { has_exited: true, ..settlement(3, undelivered) };
        let certified = &|sequence: Sequence| sequence.get() <= 5;
        assert_eq!(due(&ended(2), certified), [Duty::Deliver(Nonce::new(7))]);
        assert!(due(&ended(0), certified).is_empty());
    }

    #[test]
    fn nodes_try_one_after_the_other_until_the_duty_is_done() {
        let step = Duration::from_secs(2);
        let claim = claim(Duty::Submit(Sequence::new(4)));
        let start = Duration::from_secs(100);
        // Three nodes; nobody succeeds. Each row: second, whose attempt falls into it.
        let mut nodes: Vec<Progress> = (0..3).map(|_| Progress::new(start)).collect();
        let mut transcript = Vec::new();
        for second in 0..20 {
            for (position, progress) in nodes.iter_mut().enumerate() {
                let turn = Turn { position: position as u64, count: 3 };
                if progress.is_due(&claim, turn, step, start + Duration::from_secs(second)) {
                    *progress = progress.attempted();
                    transcript.push((second, position));
                }
            }
        }
        assert_eq!(transcript, [(0, 0), (2, 1), (4, 2), (6, 0), (10, 1), (14, 2), (18, 0)]);
    }

    #[test]
    fn message_that_was_set_aside_is_tried_late_and_a_few_times_only() {
        let (turn, step) = (Turn { position: 0, count: 1 }, Duration::from_secs(2));
        let retry = claim(Duty::Retry(Nonce::new(4)));
        let mut progress = Progress::new(Duration::ZERO);
        assert!(!progress.is_due(&retry, turn, step, Duration::from_secs(59)));
        assert!(progress.is_due(&retry, turn, step, Duration::from_secs(60)));
        for _ in 0..RETRIES_MAX {
            assert!(!progress.is_exhausted(retry.duty));
            progress = progress.attempted();
        }
        assert!(progress.is_exhausted(retry.duty));
        assert!(!progress.is_exhausted(Duty::Submit(Sequence::new(1))), "a checkpoint is tried for ever");
    }
}
