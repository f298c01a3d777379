//! Reads a parent's blocks and a chain's balances, from which supply and checkpoints are reckoned without asking any
//! actor.

use std::collections::BTreeMap;

use anyhow::Context;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::FIRST_USER_ID;
use subnet_types::{Height, SubnetId};

use crate::ledger::ParentLedger;
use crate::remote::Remote;

/// How many ids without an actor, one after another, end the search for balances. Ids are given out without gaps, but a
/// message that fails may use some up.
const MISSING_IDS_MAX: u64 = 50;

/// What the parent's blocks up to `height` say of `child`.
///
/// # Errors
/// When the node cannot be read or what it says contradicts itself.
pub async fn ledger(parent: &Remote, child: &SubnetId, height: Height) -> anyhow::Result<ParentLedger> {
    let actor = child.checkpoint_actor().context("a child has a checkpoint actor")?;
    let names = [actor, Address::new_id(parent.lookup_id(&actor, height).await?)];
    let mut ledger = ParentLedger::default();
    for at in (1..=height.get()).map(Height::new) {
        for executed in parent.executed(at, |message| names.contains(&message.to)).await? {
            ledger.take(at, &executed, &names)?;
        }
    }
    Ok(ledger)
}

/// What every single actor of a chain holds after the block at a height.
///
/// # Errors
/// When the node cannot be read.
pub async fn balances(remote: &Remote, at: Height) -> anyhow::Result<BTreeMap<ActorID, TokenAmount>> {
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
