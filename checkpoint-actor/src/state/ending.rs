//! The end of a subnet: notice, exit, and what opens claims.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::VoteKey;
use subnet_types::quantity::Height;

use super::State;
use super::ballots::THE_END;
use super::members::empty_map;
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::types::Exit;

impl State {
    /// The height of this chain from which anyone can end the subnet: some time after notice, or after a silence.
    /// A recovery alone changes nothing about it, so nobody can put the end off without an accepted checkpoint.
    pub fn exit_from(&self) -> Height {
        let parameters = &self.parameters;
        let silent_from = self.last_accepted_at.get().saturating_add(parameters.silence_blocks_max);
        let from = self.notice.map_or(silent_from, |notice| notice.get().min(silent_from));
        Height::new(from.saturating_add(parameters.exit_notice_blocks))
    }

    /// The height of this chain from which the subnet counts as silent.
    pub fn silent_from(&self) -> Height {
        Height::new(self.last_accepted_at.get().saturating_add(self.parameters.silence_blocks_max))
    }

    fn expect_no_notice(&self) -> Result<(), CheckpointError> {
        self.expect_active()?;
        match self.notice {
            Some(height) => Err(ExitError::NoticeGiven { height }.into()),
            None => Ok(()),
        }
    }

    /// Notice is given at `height` of this chain, by whoever may alone.
    ///
    /// # Errors
    /// When it was before, or the subnet is not active.
    pub fn give_notice(&mut self, height: Height) -> Result<(), CheckpointError> {
        self.expect_no_notice()?;
        self.notice = Some(height);
        Ok(())
    }

    /// The validator of `owner` votes for the end. Returns whose vote it is, and whether notice is given with it.
    ///
    /// # Errors
    /// As [`Self::give_notice`], when `owner` has no validator in charge, and when that has voted.
    pub fn vote_to_end(
        &mut self,
        store: &impl Blockstore,
        owner: &Address,
        height: Height,
    ) -> Result<(VoteKey, bool), CheckpointError> {
        self.expect_no_notice()?;
        let (voter, is_decided) = self.vote(store, owner, THE_END)?;
        if is_decided {
            self.notice = Some(height);
        }
        Ok((voter, is_decided))
    }

    /// Ends the subnet at `height` of this chain, for ever.
    ///
    /// # Errors
    /// When it has ended or never began, or its time has not come.
    pub fn end(&mut self, store: &impl Blockstore, height: Height) -> Result<(), CheckpointError> {
        self.expect_active()?;
        let from = self.exit_from();
        if height < from {
            return Err(ExitError::TooEarly { what: "the subnet can exit", from, height }.into());
        }
        let claims = empty_map::<TokenAmount, _>(store)?;
        let zero = TokenAmount::default;
        self.exit = Some(Exit { height, unrefunded: 0, unrefunded_amount: zero(), claims, claimed_total: zero() });
        Ok(())
    }

    /// Takes note of the messages that wait for a refund from now on, and of what they carry.
    ///
    /// # Errors
    /// Before the end.
    pub fn owe_refunds(&mut self, messages: u64, amount: TokenAmount) -> Result<(), ExitError> {
        let exit = self.expect_exit()?;
        (exit.unrefunded, exit.unrefunded_amount) = (messages, amount);
        Ok(())
    }

    /// Takes note that some of them were answered, and `left` were not.
    ///
    /// # Errors
    /// Before the end, and when none was: the gateway would then have given the same back again.
    pub fn pass_refunds(&mut self, left: u64) -> Result<(), ExitError> {
        let exit = self.expect_exit()?;
        let before = exit.unrefunded;
        if left >= before {
            return Err(ExitError::RefundsStand { before, left });
        }
        exit.unrefunded = left;
        Ok(())
    }

    /// What is known of the end.
    ///
    /// # Errors
    /// Before it.
    pub(crate) fn expect_exit(&mut self) -> Result<&mut Exit, ExitError> {
        let from = self.exit_from();
        self.exit.as_mut().ok_or(ExitError::NotExited { from })
    }
}
