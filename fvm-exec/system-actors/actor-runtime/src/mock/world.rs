//! What a call can change, and what an abort therefore restores.

use std::collections::BTreeMap;

use cid::Cid;
use fvm_ipld_encoding::CBOR;
use fvm_shared::address::{Address, Payload};
use fvm_shared::econ::TokenAmount;
use fvm_shared::event::ActorEvent;
use fvm_shared::{ActorID, IPLD_RAW};
use subnet_types::actors;

use super::{SentMessage, code};
use crate::error::ActorError;

/// The VM's limits on one event.
const EVENT_ENTRIES_MAX: usize = 255;
const EVENT_KEY_BYTES_MAX: usize = 31;
const EVENT_VALUES_BYTES_MAX: usize = 8 * 1024;

/// First id for accounts that sends create; far from the ids tests choose.
const AUTO_ACCOUNT_ID_FIRST: ActorID = 1_000_000;

#[derive(Clone)]
pub(super) struct World {
    pub state_root: Option<Cid>,
    pub balances: BTreeMap<ActorID, TokenAmount>,
    pub codes: BTreeMap<ActorID, Cid>,
    pub addresses: BTreeMap<Address, ActorID>,
    pub delegated: BTreeMap<ActorID, Address>,
    pub sends: Vec<SentMessage>,
    pub events: Vec<ActorEvent>,
    addresses_given: u64,
    next_auto_id: ActorID,
}

impl World {
    pub fn with_singletons(receiver: ActorID) -> Self {
        let codes = [
            (actors::SYSTEM_ID, "system"),
            (actors::INIT_ID, "init"),
            (actors::REWARD_ID, "reward"),
            (actors::EAM_ID, "eam"),
            (actors::GATEWAY_ID, actors::manifest_names::GATEWAY),
            (actors::COURIER_ID, actors::manifest_names::COURIER),
            (actors::BURNT_FUNDS_ID, "account"),
        ];
        let mut codes: BTreeMap<_, _> = codes.into_iter().map(|(id, name)| (id, code(name))).collect();
        codes.entry(receiver).or_insert_with(|| code(actors::manifest_names::CHECKPOINT));
        Self {
            state_root: None,
            balances: BTreeMap::new(),
            codes,
            addresses: BTreeMap::new(),
            delegated: BTreeMap::new(),
            sends: Vec::new(),
            events: Vec::new(),
            addresses_given: 0,
            next_auto_id: AUTO_ACCOUNT_ID_FIRST,
        }
    }

    pub fn credit(&mut self, actor: ActorID, value: &TokenAmount) {
        *self.balances.entry(actor).or_default() += value;
    }

    /// Takes `value` from `actor`, or all it has when that is less: tests of one actor rarely care where value that
    /// comes in was before.
    pub fn debit_down_to_zero(&mut self, actor: ActorID, value: &TokenAmount) {
        let balance = self.balances.entry(actor).or_default();
        *balance -= value.min(&balance.clone());
    }

    pub fn resolve(&self, address: &Address) -> Option<ActorID> {
        match address.payload() {
            Payload::ID(id) => Some(*id),
            _ => self.addresses.get(address).copied(),
        }
    }

    /// The receiver of a send, created as the VM creates accounts and placeholders. `None`: nobody can receive there.
    pub fn resolve_or_create(&mut self, address: &Address) -> Option<ActorID> {
        let name = match address.payload() {
            Payload::ID(id) => return self.codes.contains_key(id).then_some(*id),
            Payload::Secp256k1(_) | Payload::BLS(_) => "account",
            Payload::Delegated(delegated) if delegated.namespace() == actors::EAM_ID => "placeholder",
            _ => return self.addresses.get(address).copied(),
        };
        if let Some(id) = self.addresses.get(address) {
            return Some(*id);
        }
        let id = self.next_auto_id;
        self.next_auto_id += 1;
        self.addresses.insert(*address, id);
        self.codes.insert(id, code(name));
        if name == "placeholder" {
            self.delegated.insert(id, *address);
        }
        Some(id)
    }

    pub fn next_actor_address(&mut self) -> Address {
        self.addresses_given += 1;
        Address::new_actor(&self.addresses_given.to_be_bytes())
    }

    pub fn create_actor(&mut self, id: ActorID, code: &Cid, delegated: Option<Address>) -> Result<(), ActorError> {
        // The VM lets code take the place of a placeholder with the same delegated address, and of nothing else.
        if let Some(existing) = self.codes.get(&id) {
            let is_placeholder = *existing == super::code("placeholder");
            if !is_placeholder || self.delegated.get(&id) != delegated.as_ref() {
                return Err(ActorError::illegal_argument(format!("actor {id} exists")));
            }
        }
        self.codes.insert(id, *code);
        if let Some(delegated) = delegated {
            self.delegated.insert(id, delegated);
        }
        Ok(())
    }

    pub fn emit_event(&mut self, event: &ActorEvent) -> Result<(), ActorError> {
        let refuse = |problem: String| Err(ActorError::illegal_argument(format!("emitting an event: {problem}")));
        let values: usize = event.entries.iter().map(|entry| entry.value.len()).sum();
        if event.entries.len() > EVENT_ENTRIES_MAX || values > EVENT_VALUES_BYTES_MAX {
            return refuse(format!("{} entries with {values} bytes of values", event.entries.len()));
        }
        for entry in &event.entries {
            if entry.key.len() > EVENT_KEY_BYTES_MAX {
                return refuse(format!("key {:?} is longer than {EVENT_KEY_BYTES_MAX} bytes", entry.key));
            }
            if entry.codec != IPLD_RAW && entry.codec != CBOR {
                return refuse(format!("codec {:#x} of {:?} is neither raw nor CBOR", entry.codec, entry.key));
            }
        }
        self.events.push(event.clone());
        Ok(())
    }
}
