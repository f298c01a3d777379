//! The map from addresses to ids, in the VM's layout.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{BytesKey, Error as HamtError, Hamt};
use fvm_shared::address::{Address, Payload};
use fvm_shared::{ActorID, HAMT_BIT_WIDTH};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::actors::FIRST_USER_ID;

/// State of the init actor. Field order and the map's form are the VM's: it assigns ids to new accounts in here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// HAMT: address bytes → id.
    pub address_map: Cid,
    /// The id that the next new address gets.
    pub next_id: ActorID,
    /// Name of the network.
    pub network_name: String,
}

/// Why an address got no id.
#[derive(Debug, thiserror::Error)]
pub enum AddressMapError {
    /// The address already means another actor.
    #[error("address {address} already belongs to actor {id}")]
    Taken {
        /// The address.
        address: Address,
        /// Whose it is.
        id: ActorID,
    },
    /// The map cannot be read or written.
    #[error("address map: {0}")]
    Map(#[from] HamtError),
}

type AddressMap<'s, S> = Hamt<&'s S, ActorID>;

impl State {
    /// No addresses yet; ids of users start at 100.
    ///
    /// # Errors
    /// When the store refuses the empty map.
    pub fn new<S: Blockstore>(store: &S, network_name: String) -> Result<Self, AddressMapError> {
        let address_map = AddressMap::new_with_bit_width(store, HAMT_BIT_WIDTH).flush()?;
        Ok(Self { address_map, next_id: FIRST_USER_ID, network_name })
    }

    /// Id of an address; an id address is its own.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn resolve<S: Blockstore>(&self, store: &S, address: &Address) -> Result<Option<ActorID>, AddressMapError> {
        if let Payload::ID(id) = address.payload() {
            return Ok(Some(*id));
        }
        Ok(self.load(store)?.get(&key(address))?.copied())
    }

    /// Gives `robust` an id: the one that `delegated` has already (a placeholder's), or a new one for both.
    ///
    /// # Errors
    /// When `robust` is taken or the map cannot be read or written.
    pub fn assign_id<S: Blockstore>(
        &mut self,
        store: &S,
        robust: &Address,
        delegated: Option<&Address>,
    ) -> Result<ActorID, AddressMapError> {
        let mut map = self.load(store)?;
        if let Some(id) = map.get(&key(robust))? {
            return Err(AddressMapError::Taken { address: *robust, id: *id });
        }
        let existing = match delegated {
            Some(delegated) => map.get(&key(delegated))?.copied(),
            None => None,
        };
        let id = existing.unwrap_or(self.next_id);
        if existing.is_none() {
            self.next_id += 1;
            if let Some(delegated) = delegated {
                map.set(key(delegated), id)?;
            }
        }
        map.set(key(robust), id)?;
        self.address_map = map.flush()?;
        Ok(id)
    }

    fn load<'s, S: Blockstore>(&self, store: &'s S) -> Result<AddressMap<'s, S>, AddressMapError> {
        Ok(Hamt::load_with_bit_width(&self.address_map, store, HAMT_BIT_WIDTH)?)
    }
}

fn key(address: &Address) -> BytesKey {
    address.to_bytes().into()
}
