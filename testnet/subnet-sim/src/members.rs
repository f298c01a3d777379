//! Validators that come and go while everything else goes on: spare nodes join, members leave, and those that have left
//! take their stake out and may come again. The chains below follow by handovers.

use anyhow::Context;
use client::keys::JoinDomain;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{JoinParams, OwnerParams, checkpoint};
use subnet_types::hash::encode;

use crate::keys::ValidatorKeys;
use crate::world::{Post, Sender, World, message};

/// Stake of each validator, in whole FIL.
pub(crate) const STAKE_FIL: u64 = 10;
/// Gas for a change of the members.
const MEMBERSHIP_GAS: u64 = 3_000_000_000;
/// Chance that somebody comes or goes at a chain's turn, in thousandths.
const CHANGE_PERMILLE: u64 = 40;

impl World {
    /// Now and then, has somebody of chain `number` join or leave, or take out a stake, where there are spare nodes.
    ///
    /// # Errors
    /// When a chain cannot be read.
    pub(crate) fn change_members(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(parent) = self.chains[number].parent else { return Ok(()) };
        if self.options.spares == 0 || !self.prng.permille(CHANGE_PERMILLE) || self.chains[parent].best().is_none() {
            return Ok(());
        }
        let node = self.prng.index(self.chains[number].nodes.len());
        let edge = self.checks.edges.iter().find(|edge| edge.child == number).context("a subnet has an edge")?;
        let reader = self.chains[parent].reader()?;
        let state = reader.latest_state()?.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
        let newest = state.validators(reader.store(), state.configuration_last)?.context("the newest is kept")?;
        let is_member = newest.find(&self.chains[number].nodes[node].keys.vote.public()).is_some();
        // One of four may leave without a stand-in; of one, none.
        let least = (self.options.nodes - self.options.nodes / 4).max(1);
        let actor = self.chains[number].name.checkpoint_actor().context("a subnet has a checkpoint actor")?;
        let owner = OwnerParams { owner: self.chains[number].nodes[node].keys.owner.address() };
        let of_owner = |method| message(actor, method, encode(&owner), TokenAmount::default(), MEMBERSHIP_GAS);
        let message = match is_member {
            true if newest.len() > least => of_owner(checkpoint::LEAVE),
            true => return Ok(()),
            false if self.prng.permille(500) => of_owner(checkpoint::WITHDRAW),
            false => self.join_message(parent, number, node, actor)?,
        };
        self.post(Post { to: parent, sender: Sender::Owner(number, node), message }, 0);
        Ok(())
    }

    /// The message to `parent` with which a node of chain `child` joins.
    ///
    /// # Errors
    /// When the parent cannot be read.
    pub(crate) fn join_message(
        &self,
        parent: usize,
        child: usize,
        node: usize,
        actor: Address,
    ) -> anyhow::Result<Message> {
        let keys = ValidatorKeys::of(child, node)?;
        let owner = keys.owner.address();
        let domain = JoinDomain { parent: self.chains[parent].identity, actor, owner };
        let proofs = domain.prove(&keys.vote, &keys.checkpoint);
        let join = JoinParams {
            owner,
            vote_key: keys.vote.public(),
            vote_proof: proofs.vote,
            checkpoint_key: keys.checkpoint.public(),
            checkpoint_proof: proofs.checkpoint,
            endpoint: String::new(),
        };
        let stake = TokenAmount::from_whole(STAKE_FIL);
        Ok(message(actor, checkpoint::JOIN, encode(&join), stake, MEMBERSHIP_GAS))
    }
}
