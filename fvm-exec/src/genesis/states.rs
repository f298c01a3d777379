//! States of actors that the VM itself reads or writes, in the layout it expects.
//!
//! The VM looks up addresses and creates accounts without calling the actors, so these layouts are its, not ours.

use cid::Cid;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// State of the system actor.
#[derive(Serialize_tuple)]
pub(super) struct SystemState {
    /// The bundle's list of names and codes.
    pub(super) builtin_actors: Cid,
}

/// State of the init actor.
#[derive(Serialize_tuple)]
pub(super) struct InitState {
    /// HAMT of ids by address.
    pub(super) address_map: Cid,
    /// The next id to give out.
    pub(super) next_id: ActorID,
    /// Text of the subnet's name.
    pub(super) network_name: String,
}

/// State of an account.
#[derive(Serialize_tuple, Deserialize_tuple)]
pub(crate) struct AccountState {
    /// The key it belongs to.
    pub(crate) address: Address,
}
