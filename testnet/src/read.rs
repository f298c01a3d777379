//! Reads the blocks, counters and balances of both chains for the supply equation.
//!
//! The two chains go on while they are read, so the heights must fit each other. The root's comes first, with the
//! counters exactly there; the child is then read up to the last block that follows the root no further. Every checkpoint
//! that the root has accepted by then reports an earlier block, because it was final before its submission.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{FIRST_USER_ID, GATEWAY_ID, SYSTEM_ID};
use subnet_types::{Height, Nonce, SubnetId};

use crate::ledger::{ParentLedger, given_to_system, released};
use crate::remote::Remote;
use crate::supply::{ChildSide, Counters, ParentSide};

/// How many ids without an actor, one after another, end the search for balances. Ids are given out without gaps, but a
/// message that fails may use some up.
const MISSING_IDS_MAX: u64 = 50;

/// How often the counters are asked for until no block came in between.
const ATTEMPTS_MAX: usize = 20;

/// The parent's view of one child after one of its blocks.
pub struct Parent {
    /// That block's height.
    pub height: Height,
    /// What its blocks say.
    pub ledger: ParentLedger,
    counters: Counters,
    balance: TokenAmount,
}

/// Reads the parent as of now.
///
/// # Errors
/// When the node cannot be read or what it says contradicts itself.
pub async fn read_parent(remote: &Remote, child: &SubnetId) -> anyhow::Result<Parent> {
    let actor = child.checkpoint_actor().context("a child has a checkpoint actor")?;
    let (height, counters) = counters(remote, child).await?;
    let id = remote.lookup_id(&actor, height).await?;
    let names = [actor, Address::new_id(id)];
    let mut ledger = ParentLedger::default();
    for at in (1..=height.get()).map(Height::new) {
        let is_relevant = |message: &Message| names.contains(&message.to) || message.to == Address::new_id(GATEWAY_ID);
        for executed in remote.executed(at, is_relevant).await? {
            ledger.take(at, &executed, child, &names)?;
        }
    }
    let balance = remote.balance_at(id, height).await?.context("the checkpoint actor has vanished")?;
    Ok(Parent { height, ledger, counters, balance })
}

/// What the checkpoint actor counts, and after which block.
async fn counters(remote: &Remote, child: &SubnetId) -> anyhow::Result<(Height, Counters)> {
    for _ in 0..ATTEMPTS_MAX {
        let before = remote.height().await?;
        let status = remote.child_status(child).await?;
        if remote.height().await? == before {
            let (custody, reserved, stake) = (status.custody.0, status.batch_reserved.0, status.stake.0);
            return Ok((before, Counters { custody, reserved, stake }));
        }
    }
    bail!("{} had a new block at each of {ATTEMPTS_MAX} looks at the child's counters", remote.name())
}

impl Parent {
    /// Reads the child as of now, and with it the parent's queue for it. Returns both sides and the child's height.
    ///
    /// # Errors
    /// When a node cannot be read, or the child applied what the parent never queued.
    pub async fn with_child(
        &mut self,
        parent: &Remote,
        child: &Remote,
        subnet: &SubnetId,
    ) -> anyhow::Result<(ParentSide, ChildSide, Height)> {
        let head = child.height().await?;
        let mut last = Height::GENESIS;
        let (mut released_total, mut gifts) = (TokenAmount::default(), TokenAmount::default());
        for height in (1..=head.get()).map(Height::new) {
            let update = child.block(height).await?.parent_update;
            if update.as_ref().is_some_and(|update| update.parent_height > self.height) {
                break;
            }
            if let Some(update) = update {
                self.take_queue(parent, subnet, update.parent_height, Some(update.messages)).await?;
            }
            let is_relevant =
                |message: &Message| [Address::new_id(GATEWAY_ID), Address::new_id(SYSTEM_ID)].contains(&message.to);
            for executed in child.executed(height, is_relevant).await? {
                released_total += released(&executed).cloned().unwrap_or_default();
                gifts += given_to_system(&executed).cloned().unwrap_or_default();
            }
            last = height;
        }
        let applied = self.ledger.queued.values().sum();
        self.take_queue(parent, subnet, self.height, None).await?;
        let side = ChildSide {
            balances: balances(child, last).await?,
            applied,
            // A receipt that no checkpoint has carried yet is not known here and counts as burned until then.
            released: released_total + self.ledger.receipts_up(),
            given_to_system: gifts,
        };
        Ok((self.ledger.side(self.counters.clone(), self.balance.clone())?, side, last))
    }

    /// Takes in the next messages of the queue as it was after the parent's block `at`: `count` of them, or all.
    async fn take_queue(
        &mut self,
        parent: &Remote,
        child: &SubnetId,
        at: Height,
        count: Option<u32>,
    ) -> anyhow::Result<()> {
        let mut left = count.map(u64::from);
        while left != Some(0) {
            let from = Nonce::new(self.ledger.queued.len() as u64);
            let mut messages = parent.messages_down(child, from, at).await?;
            if let Some(left) = &mut left {
                ensure!(!messages.is_empty(), "the child applied message {from}, which the parent never queued");
                messages.truncate(usize::try_from(*left)?);
                *left -= messages.len() as u64;
            } else if messages.is_empty() {
                break;
            }
            messages.iter().try_for_each(|message| self.ledger.take_queued(message))?;
        }
        Ok(())
    }
}

async fn balances(remote: &Remote, at: Height) -> anyhow::Result<BTreeMap<ActorID, TokenAmount>> {
    let mut found = BTreeMap::new();
    let mut missing = 0;
    for id in 0.. {
        match remote.balance_at(id, at).await? {
            Some(balance) => {
                found.insert(id, balance);
                missing = 0;
            }
            None => missing += 1,
        }
        // The singletons below the first user id are sparse.
        if id >= FIRST_USER_ID && missing > MISSING_IDS_MAX {
            break;
        }
    }
    Ok(found)
}
