//! Others put in charge of a subnet that fell silent, so that they can go on from its last accepted checkpoint.

use std::collections::BTreeMap;

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use subnet_types::actors::RecoveringMember;
use subnet_types::genesis::MembershipMode;
use subnet_types::hash::{blake2b_256, encode};
use subnet_types::limits::VALIDATORS_MAX;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{Height, Power};
use subnet_types::{Digest, VoteKey};

use super::configurations::weighed;
use super::{POWER_MAX, State, StateError, power_of_stake};
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::types::Member;

impl State {
    /// Checks that the subnet is silent at `height` of this chain, and that `validators` can be in charge. Returns the
    /// members whose power changes, with their new one, in an order in which the subnet can make one change after the other.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_recovery(
        &self,
        store: &impl Blockstore,
        validators: &[RecoveringMember],
        height: Height,
    ) -> Result<Vec<Member>, CheckpointError> {
        self.expect_active()?;
        let from = self.silent_from();
        if height < from {
            return Err(ExitError::TooEarly { what: "others can be put in charge", from, height }.into());
        }
        let bad = |problem: String| ExitError::Recovery { problem };
        let is_ascending = validators.is_sorted_by(|one, next| one.vote_key < next.vote_key);
        if !(1..=VALIDATORS_MAX).contains(&validators.len()) || !is_ascending {
            let expected = format!("expected 1 to {VALIDATORS_MAX} validators, in ascending order of their vote keys");
            return Err(bad(expected).into());
        }
        let mut wanted: BTreeMap<VoteKey, Power> =
            validators.iter().map(|validator| (validator.vote_key, validator.power)).collect();
        let (mut gaining, mut losing) = (Vec::new(), Vec::new());
        for member in self.members(store)? {
            let power = match wanted.remove(&member.vote_key) {
                None => Power::ZERO,
                Some(power) => self.check_power(&member, power)?,
            };
            if power > member.power {
                gaining.push(Member { power, ..member });
            } else if power < member.power {
                losing.push(Member { power, ..member });
            }
        }
        if let Some(vote_key) = wanted.into_keys().next() {
            return Err(CheckpointError::UnknownMember { vote_key });
        }
        Ok(self.in_valid_steps(store, gaining, losing)?)
    }

    /// Members that gain power and then those that lose some, so that the set is never empty; but where one more would be
    /// too many, one that goes comes first. The subnet judges each change by the set that it makes.
    fn in_valid_steps(
        &self,
        store: &impl Blockstore,
        gaining: Vec<Member>,
        losing: Vec<Member>,
    ) -> Result<Vec<Member>, StateError> {
        let (leaving, falling): (Vec<_>, Vec<_>) = losing.into_iter().partition(|member| member.power == Power::ZERO);
        let (mut leaving, mut count) = (leaving.into_iter(), self.voting_members);
        let mut steps = Vec::with_capacity(gaining.len());
        for member in gaining {
            if self.power_before(store, &member)? == Power::ZERO {
                if count >= VALIDATORS_MAX as u64 {
                    steps.extend(leaving.next());
                    count -= 1;
                }
                count += 1;
            }
            steps.push(member);
        }
        steps.extend(leaving);
        steps.extend(falling);
        Ok(steps)
    }

    fn power_before(&self, store: &impl Blockstore, changed: &Member) -> Result<Power, StateError> {
        Ok(self.member(store, &changed.owner)?.map_or(Power::ZERO, |before| before.power))
    }

    fn check_power(&self, member: &Member, actual: Power) -> Result<Power, CheckpointError> {
        let is_right = match self.parameters.mode {
            MembershipMode::Federated => (1..=POWER_MAX).contains(&actual.get()),
            MembershipMode::Collateral | MembershipMode::Static => actual == power_of_stake(&member.stake),
        };
        let (vote_key, before) = (member.vote_key, member.power);
        if is_right { Ok(actual) } else { Err(CheckpointError::BadPower { vote_key, before, actual }) }
    }

    /// The validator of `owner` votes for these validators. Returns whose vote it is, and whether that decides.
    ///
    /// # Errors
    /// When `owner` has no validator in charge, or that has voted for the same.
    pub fn vote_to_recover(
        &mut self,
        store: &impl Blockstore,
        owner: &Address,
        validators: &[RecoveringMember],
    ) -> Result<(VoteKey, bool), CheckpointError> {
        let subject: Digest = blake2b_256(&encode(&validators));
        self.vote(store, owner, subject)
    }

    /// Gives these members their new power and puts the configuration that this makes in charge, at `height` of this
    /// chain. Returns the changes for the gateway's log. Each has its number, but only the last configuration is kept:
    /// nobody can report one before it, and a set of hundreds costs hundreds of keys each time.
    ///
    /// # Errors
    /// When they make no valid set.
    pub fn recover(
        &mut self,
        store: &impl Blockstore,
        changed: Vec<Member>,
        height: Height,
    ) -> Result<Vec<MembershipChange>, CheckpointError> {
        let mut number = self.configuration_last;
        let mut changes = Vec::with_capacity(changed.len());
        for member in &changed {
            let before = self.power_before(store, member)?;
            self.voting_members += u64::from(before == Power::ZERO);
            self.voting_members -= u64::from(member.power == Power::ZERO);
            self.put_member(store, member)?;
            number = number.next();
            changes.push(MembershipChange { number, validator: weighed(member.clone()).0 });
        }
        if !changed.is_empty() {
            self.make_configuration(store, number, changed)?;
        }
        self.confirm(store, number, height)?;
        self.forget_recoveries(store)?;
        Ok(changes)
    }
}
