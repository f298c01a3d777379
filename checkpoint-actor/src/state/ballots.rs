//! Votes of the validators in charge, where more than 2/3 of their power decide something other than a checkpoint.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use subnet_types::membership::is_quorum;
use subnet_types::quantity::Power;
use subnet_types::{Digest, VoteKey};

use super::{State, StateError, load, save, state_error};
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::types::{Ballot, Vote};

/// The subject of a vote for the end of the subnet.
pub(super) const THE_END: Digest = Digest::ZERO;

impl State {
    /// Takes the vote of the validator in charge whom `owner` owns. Returns whose it is, and whether it decides.
    ///
    /// # Errors
    /// When `owner` owns none, or it has voted for this before.
    pub(super) fn vote(
        &mut self,
        store: &impl Blockstore,
        owner: &Address,
        subject: Digest,
    ) -> Result<(VoteKey, bool), CheckpointError> {
        let configuration = self.configuration_confirmed;
        let set = self.validators(store, configuration)?.ok_or_else(|| state_error("the set in charge is missing"))?;
        let voter = set.validators().iter().find(|validator| validator.owner == *owner);
        let voter = voter.ok_or_else(|| ExitError::NotValidator { owner: owner.to_string() })?.vote_key;
        let mut ballot = match self.ballot(store)? {
            Some(ballot) if ballot.configuration == configuration => ballot,
            _ => Ballot { configuration, votes: Vec::new() },
        };
        let vote = Vote { vote_key: voter, subject };
        if ballot.votes.contains(&vote) {
            return Err(ExitError::AlreadyVoted { vote_key: voter }.into());
        }
        // One recovery at a time: who votes for another one has changed its mind.
        let is_replaced =
            |before: &Vote| before.vote_key == voter && (before.subject == THE_END) == (subject == THE_END);
        ballot.votes.retain(|before| !is_replaced(before));
        ballot.votes.push(vote);
        let mut signed = Power::ZERO;
        for vote in ballot.votes.iter().filter(|vote| vote.subject == subject) {
            let power = set.find(&vote.vote_key).map_or(Power::ZERO, |(_, validator)| validator.power);
            signed = signed.checked_add(power.get()).ok_or_else(|| state_error("powers overflow"))?;
        }
        self.ballot = Some(save(store, &ballot)?);
        Ok((voter, is_quorum(signed, set.total_power())))
    }

    /// The votes so far.
    ///
    /// # Errors
    /// When the store fails.
    pub fn ballot(&self, store: &impl Blockstore) -> Result<Option<Ballot>, StateError> {
        self.ballot.as_ref().map(|cid| load(store, cid)).transpose()
    }
}
