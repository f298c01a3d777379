//! Votes of the validators in charge, where more than 2/3 of their power decide something other than a checkpoint.
//!
//! A vote stands until it is taken back, and counts with the power that its validator has when others vote: changes of the
//! set, which anybody can cause by joining, void nothing. A vote for a recovery is about one silence, and ends with it.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use subnet_types::membership::{ValidatorSet, is_quorum};
use subnet_types::quantity::Power;
use subnet_types::{Digest, VoteKey};

use super::{State, StateError, load, save, state_error};
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::types::{Ballot, Vote};

/// The subject of a vote for the end of the subnet.
pub(crate) const THE_END: Digest = Digest::ZERO;

impl State {
    /// Takes the vote of the validator in charge whom `owner` owns. Returns whose it is, and whether it decides.
    ///
    /// # Errors
    /// When `owner` owns none, or it has voted for this before and that still decides nothing.
    pub(super) fn vote(
        &mut self,
        store: &impl Blockstore,
        owner: &Address,
        subject: Digest,
    ) -> Result<(VoteKey, bool), CheckpointError> {
        let set = self.in_charge(store)?;
        let voter = validator_of(&set, owner)?;
        let mut votes = self.votes(store)?;
        // No more are kept than there are validators.
        votes.retain(|before| set.find(&before.vote_key).is_some());
        let vote = Vote { vote_key: voter, subject };
        let is_repeated = votes.contains(&vote);
        // One recovery at a time: who votes for another one has changed its mind.
        let is_replaced =
            |before: &Vote| before.vote_key == voter && (before.subject == THE_END) == (subject == THE_END);
        votes.retain(|before| !is_replaced(before));
        votes.push(vote);
        let mut signed = Power::ZERO;
        for vote in votes.iter().filter(|vote| vote.subject == subject) {
            let power = set.find(&vote.vote_key).map_or(Power::ZERO, |(_, validator)| validator.power);
            signed = signed.checked_add(power.get()).ok_or_else(|| state_error("powers overflow"))?;
        }
        let is_decided = is_quorum(signed, set.total_power());
        if is_repeated && !is_decided {
            return Err(ExitError::AlreadyVoted { vote_key: voter }.into());
        }
        self.keep_votes(store, votes)?;
        Ok((voter, is_decided))
    }

    /// Takes back what the validator in charge whom `owner` owns has voted for. Returns whose votes these were.
    ///
    /// # Errors
    /// When `owner` owns none, or it has no vote, or the subnet is not active.
    pub fn retract_votes(&mut self, store: &impl Blockstore, owner: &Address) -> Result<VoteKey, CheckpointError> {
        self.expect_active()?;
        let voter = validator_of(&self.in_charge(store)?, owner)?;
        let mut votes = self.votes(store)?;
        let before = votes.len();
        votes.retain(|vote| vote.vote_key != voter);
        if votes.len() == before {
            return Err(ExitError::NoVote { vote_key: voter }.into());
        }
        self.keep_votes(store, votes)?;
        Ok(voter)
    }

    /// Drops all votes for a recovery: one is made.
    pub(super) fn forget_recoveries(&mut self, store: &impl Blockstore) -> Result<(), StateError> {
        let mut votes = self.votes(store)?;
        votes.retain(|vote| vote.subject == THE_END);
        self.keep_votes(store, votes)
    }

    /// The votes so far.
    ///
    /// # Errors
    /// When the store fails.
    pub fn ballot(&self, store: &impl Blockstore) -> Result<Option<Ballot>, StateError> {
        self.ballot.as_ref().map(|cid| load(store, cid)).transpose()
    }

    /// Those of them that still count: votes for a recovery end with the next accepted checkpoint.
    fn votes(&self, store: &impl Blockstore) -> Result<Vec<Vote>, StateError> {
        let Some(Ballot { sequence, mut votes }) = self.ballot(store)? else { return Ok(Vec::new()) };
        if sequence != self.last_sequence {
            votes.retain(|vote| vote.subject == THE_END);
        }
        Ok(votes)
    }

    fn keep_votes(&mut self, store: &impl Blockstore, votes: Vec<Vote>) -> Result<(), StateError> {
        let ballot = Ballot { sequence: self.last_sequence, votes };
        self.ballot = if ballot.votes.is_empty() { None } else { Some(save(store, &ballot)?) };
        Ok(())
    }

    fn in_charge(&self, store: &impl Blockstore) -> Result<ValidatorSet, StateError> {
        let set = self.validators(store, self.configuration_confirmed)?;
        set.ok_or_else(|| state_error("the set in charge is missing"))
    }
}

fn validator_of(set: &ValidatorSet, owner: &Address) -> Result<VoteKey, ExitError> {
    let validator = set.validators().iter().find(|validator| validator.owner == *owner);
    validator.map(|found| found.vote_key).ok_or_else(|| ExitError::NotValidator { owner: owner.to_string() })
}
