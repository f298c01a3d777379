//! Who joined, and which keys are taken.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{BytesKey, Config, Hamt};
use fvm_shared::address::Address;

use super::{State, StateError, state_error};
use crate::types::Member;

/// Narrow nodes: a join touches one path.
fn config() -> Config {
    Config { bit_width: 5, ..Config::default() }
}

pub(crate) fn empty<B: Blockstore>(store: &B) -> Result<Cid, StateError> {
    Hamt::<&B, Member>::new_with_config(store, config()).flush().map_err(state_error)
}

impl State {
    /// The member that joined as `owner`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn member(&self, store: &impl Blockstore, owner: &Address) -> Result<Option<Member>, StateError> {
        let members = Hamt::<_, Member>::load_with_config(&self.members, store, config()).map_err(state_error)?;
        Ok(members.get(&BytesKey(owner.to_bytes())).map_err(state_error)?.cloned())
    }

    /// Everyone who joined, candidates included, in ascending order of vote key.
    ///
    /// # Errors
    /// When the store fails.
    pub fn members(&self, store: &impl Blockstore) -> Result<Vec<Member>, StateError> {
        let hamt = Hamt::<_, Member>::load_with_config(&self.members, store, config()).map_err(state_error)?;
        let mut members = Vec::new();
        hamt.for_each(|_, member| {
            members.push(member.clone());
            Ok(())
        })
        .map_err(state_error)?;
        members.sort_by_key(|member| member.vote_key);
        Ok(members)
    }
}
