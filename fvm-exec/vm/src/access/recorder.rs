//! Notes accesses while a message runs.
//!
//! Rules, besides those of [`Access`]:
//!
//! - What an actor was before the message is noted at the first touch, which comes before any change.
//! - Nothing is forgotten when a call is reverted: what was read there has decided that it was.
//! - A balance that was enough is noted as a lower bound on the balance *before the message*, so that earlier transfers
//!   of the same message are accounted for; one that was not enough is noted exactly.
//! - An address is noted as it stood before the message. Once the message has put addresses into the init actor's map
//!   itself, what it finds there is its own doing; and once the init actor's code has changed the map, the init
//!   actor's state, which is then noted, says it all.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;

use fvm_shared::ActorID;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use fvm_shared::state::ActorState;

use super::{Access, ActorAccess, Fields};
use crate::state::INIT_ACTOR_ID;

/// The log of a machine. Off until [`Recorder::start`] is called.
#[derive(Default)]
pub struct Recorder(RefCell<Option<Log>>);

#[derive(Default)]
struct Log {
    touched: BTreeMap<ActorID, Touch>,
    resolved: BTreeMap<Address, Option<ActorID>>,
    created: Vec<(Address, ActorID)>,
    next_id: Option<ActorID>,
    runs_init: bool,
    mixes_registries: bool,
    /// For each open transaction, how many actors had been created before it.
    layers: Vec<usize>,
}

/// What is known of one actor.
struct Touch {
    read: Fields,
    balance_min: Option<TokenAmount>,
    before: Option<ActorState>,
}

impl Recorder {
    /// Starts the log of a message. What was noted before is gone.
    pub fn start(&self) {
        *self.0.borrow_mut() = Some(Log::default());
    }

    /// Stops and drops the log.
    pub fn stop(&self) {
        *self.0.borrow_mut() = None;
    }

    /// Whether accesses are noted.
    pub fn is_on(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Ends the log of a message. `actor` says what an actor is now. `None` when recording is off.
    ///
    /// # Errors
    /// What `actor` says.
    pub fn finish<E>(&self, actor: impl Fn(ActorID) -> Result<Option<ActorState>, E>) -> Result<Option<Access>, E> {
        let Some(log) = self.0.take() else { return Ok(None) };
        let mut actors = BTreeMap::new();
        for (id, touch) in log.touched {
            let after = actor(id)?;
            let Touch { read, balance_min, before } = touch;
            actors.insert(id, ActorAccess { read, balance_min, before, after });
        }
        Ok(Some(Access {
            actors,
            resolved: log.resolved,
            created: log.created,
            next_id: log.next_id,
            runs_init: log.runs_init,
            mixes_registries: log.mixes_registries,
        }))
    }

    fn log(&self) -> Option<Ref<'_, Log>> {
        Ref::filter_map(self.0.borrow(), Option::as_ref).ok()
    }

    fn note(&self, note: impl FnOnce(&mut Log)) {
        if let Some(log) = &mut *self.0.borrow_mut() {
            note(log);
        }
    }

    /// Whether this actor's state from before the message still has to be noted.
    pub(crate) fn wants(&self, id: ActorID) -> bool {
        self.log().is_some_and(|log| !log.touched.contains_key(&id))
    }

    /// The message reads `fields` of an actor that is now `state`.
    pub(crate) fn touch(&self, id: ActorID, fields: Fields, state: Option<&ActorState>) {
        self.note(|log| {
            let fields = fields | Fields::PRESENT;
            log.touched.entry(id).and_modify(|touch| touch.read |= fields).or_insert_with(|| Touch {
                read: fields,
                balance_min: None,
                before: state.cloned(),
            });
        });
    }

    /// The message needs an actor, touched before and now holding `balance`, to hold at least `needed`.
    pub(crate) fn need(&self, id: ActorID, balance: &TokenAmount, needed: &TokenAmount) {
        self.note(|log| {
            let Some(touch) = log.touched.get_mut(&id) else { return };
            if balance < needed {
                touch.read |= Fields::BALANCE;
                return;
            }
            // An actor that this message has created holds what the message gave it.
            let Some(before) = &touch.before else { return };
            let bound = needed - (balance - &before.balance);
            if bound.is_positive() && touch.balance_min.as_ref().is_none_or(|known| *known < bound) {
                touch.balance_min = Some(bound);
            }
        });
    }

    /// The message has looked up an address.
    pub(crate) fn resolve(&self, address: &Address, found: Option<ActorID>) {
        if address.protocol() == Protocol::ID {
            return;
        }
        self.note(|log| {
            if !log.runs_init {
                log.resolved.entry(*address).or_insert(found);
            }
        });
    }

    /// The message has registered a new address with the init actor.
    pub(crate) fn create(&self, address: &Address, id: ActorID) {
        self.note(|log| {
            // The id may be one that the init actor's code has given out already, and the address is not in the map that
            // this code has left.
            log.mixes_registries |= log.runs_init;
            if !log.runs_init {
                log.next_id.get_or_insert(id);
            }
            log.created.push((*address, id));
        });
    }

    /// An actor's code has set the root of its state.
    pub(crate) fn set_head(&self, id: ActorID) {
        if id == INIT_ACTOR_ID {
            self.note(|log| log.runs_init = true);
        }
    }

    /// The init actor's code is about to see addresses that were registered without it.
    pub(crate) fn settle(&self) {
        self.note(|log| log.mixes_registries = true);
    }

    /// A transaction begins.
    pub(crate) fn begin(&self) {
        self.note(|log| log.layers.push(log.created.len()));
    }

    /// The transaction that began last ends.
    pub(crate) fn end(&self, reverts: bool) {
        self.note(|log| {
            let created = log.layers.pop();
            if let (Some(created), true) = (created, reverts) {
                log.created.truncate(created);
            }
        });
    }
}
