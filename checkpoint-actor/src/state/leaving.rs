//! Members that leave, and their stake.
//!
//! A stake stays for some time after the last configuration with its owner was in charge: until then it stands for what
//! that configuration signed.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::genesis::MembershipMode;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{Height, Power};

use super::members::{all, get, set};
use super::{State, StateError, Status};
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::types::{Member, Unbonding};

/// What came of leaving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Who left, with the power that was left to it: none.
    pub member: Member,
    /// The change for the gateway's log, when it had power in an active subnet.
    pub change: Option<MembershipChange>,
    /// What goes back at once, in attoFIL.
    pub returned: TokenAmount,
}

impl State {
    /// The stake of somebody who has left, as long as it is here.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unbonding(&self, store: &impl Blockstore, owner: &Address) -> Result<Option<Unbonding>, StateError> {
        get(store, &self.unbonding, &owner.to_bytes())
    }

    /// All such stakes.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all_unbonding(&self, store: &impl Blockstore) -> Result<Vec<Unbonding>, StateError> {
        Ok(all(store, &self.unbonding)?.into_iter().map(|(_, unbonding)| unbonding).collect())
    }

    /// The member `owner` stops to be one.
    ///
    /// # Errors
    /// When it is none, the set never changes, nobody would be left to validate, or the subnet has ended.
    pub fn leave(&mut self, store: &impl Blockstore, owner: &Address) -> Result<Left, CheckpointError> {
        self.expect_alive()?;
        let mut member = self.member(store, owner)?.ok_or_else(|| ExitError::NotMember { owner: owner.to_string() })?;
        let is_active = self.status() == Status::Active;
        if is_active && self.parameters.mode == MembershipMode::Static {
            return Err(CheckpointError::StaticMembership);
        }
        let has_power = member.power > Power::ZERO;
        if is_active && has_power && self.voting_members == 1 {
            return Err(CheckpointError::LastValidator { vote_key: member.vote_key });
        }
        self.remove_member(store, &member)?;
        member.power = Power::ZERO;
        if !is_active {
            self.return_stake(&member.stake);
            let returned = member.stake.clone();
            return Ok(Left { member, change: None, returned });
        }
        let change = if has_power { Some(self.change_configuration(store, member.clone())?) } else { None };
        let unbonding = Unbonding { stake: member.stake.clone(), configuration: self.configuration_last };
        self.unbond(&member.stake);
        set(store, &mut self.unbonding, &owner.to_bytes(), Some(unbonding))?;
        Ok(Left { member, change, returned: TokenAmount::default() })
    }

    /// Takes out the stake of `owner`, who has left, or was a member when the subnet ended, at `height` of this chain.
    ///
    /// # Errors
    /// When there is none, or its time has not come.
    pub fn withdraw(
        &mut self,
        store: &impl Blockstore,
        owner: &Address,
        height: Height,
    ) -> Result<TokenAmount, CheckpointError> {
        let waits_from = |from: Height| Height::new(from.get().saturating_add(self.parameters.unbonding_blocks));
        let after_exit = self.exit.as_ref().map(|exit| waits_from(exit.height));
        let due = |from: Height| match from {
            from if height < from => Err(ExitError::TooEarly { what: "this stake can be withdrawn", from, height }),
            _ => Ok(()),
        };
        if let Some(unbonding) = self.unbonding(store, owner)? {
            let configuration = unbonding.configuration;
            let after_removal = self.confirmed_at(store, configuration)?.map(waits_from);
            // What no checkpoint confirms any more waits from the end on.
            let from = after_removal.into_iter().chain(after_exit).min();
            let confirmed = self.configuration_confirmed;
            due(from.ok_or(ExitError::Unconfirmed { configuration, confirmed })?)?;
            self.return_unbonded(&unbonding.stake);
            set::<Unbonding>(store, &mut self.unbonding, &owner.to_bytes(), None)?;
            return Ok(unbonding.stake);
        }
        let member = self.member(store, owner)?.filter(|_| after_exit.is_some());
        let (Some(member), Some(from)) = (member, after_exit) else {
            return Err(ExitError::NothingUnbonding { owner: owner.to_string() }.into());
        };
        due(from)?;
        self.remove_member(store, &member)?;
        self.return_stake(&member.stake);
        Ok(member.stake)
    }
}
