//! The init actor's map of addresses to ids, as far as the VM itself reads and writes it.

use anyhow::Context as _;
use cid::Cid;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::tuple::{Deserialize_tuple, Serialize_tuple};
use fvm_ipld_encoding::{CborStore as _, from_slice, to_vec};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use hamt::{Changes, Nodes};
use multihash_codetable::Code;
use std::num::NonZeroUsize;

/// The init actor's state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize_tuple, Serialize_tuple)]
pub(super) struct InitMap {
    address_map: Cid,
    pub(super) next_id: ActorID,
    network_name: String,
}

impl InitMap {
    pub(super) fn load<S: Blockstore>(store: &S, head: &Cid) -> Result<Self> {
        store.get_cbor(head).or_fatal()?.context("the init actor has no state").or_fatal()
    }

    /// The id of an address.
    pub(super) fn get<S: Blockstore>(&self, store: &S, nodes: &Nodes, address: &Address) -> Result<Option<ActorID>> {
        let id = nodes
            .get(store, &self.address_map, &address.to_bytes())
            .context("reading the init actor's addresses")
            .or_fatal()?;
        id.map(|id| from_slice(&id))
            .transpose()
            .context("the init actor's addresses hold something else than ids")
            .or_fatal()
    }

    /// The map with `added` in it and `next_id` as the next one, stored. Returns its head.
    pub(super) fn extend<S: Blockstore + Sync>(
        self,
        store: &S,
        nodes: &Nodes,
        added: &[(Address, ActorID)],
        next_id: ActorID,
    ) -> Result<(Self, Cid)> {
        let entry = |(address, id): &(Address, ActorID)| Ok((address.to_bytes(), Some(to_vec(id).or_fatal()?)));
        let changes = added.iter().map(entry).collect::<Result<Changes>>()?;
        let written = hamt::write(store, nodes, &self.address_map, &changes, NonZeroUsize::MIN)
            .context("writing the init actor's addresses")
            .or_fatal()?;
        store.put_many_keyed(written.blocks).or_fatal()?;
        let map = Self { address_map: written.root, next_id, ..self };
        let head = store.put_cbor(&map, Code::Blake2b256).or_fatal()?;
        Ok((map, head))
    }
}
