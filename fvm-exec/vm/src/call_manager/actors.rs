//! Reads and writes of actors: each paid for once in a message, and each noted in the access log.

use anyhow::anyhow;
use cid::Cid;
use fvm::call_manager::CallManager as _;
use fvm::kernel::{ClassifyResult as _, ExecutionError, Result};
use fvm::state_tree::ActorState;
use fvm::syscall_error;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::sys::BlockId;

use super::LaneCallManager;
use super::charged::Paid;
use crate::access::Fields;
use crate::machine::VmMachine;

/// The block id that means no block.
pub(super) const NO_BLOCK: BlockId = 0;

impl<M: VmMachine> LaneCallManager<M> {
    /// The id behind an address, if there is one.
    pub(super) fn resolve(&self, address: &Address) -> Result<Option<ActorID>> {
        if let Ok(id) = address.id() {
            return Ok(Some(id));
        }
        if !self.charged.is_resolved(address) {
            self.charge_gas(self.price_list().on_resolve_address())?;
        }
        let found = self.machine.state().resolve(address)?;
        self.machine.recorder().resolve(address, found);
        if found.is_some() {
            self.charged.resolve(address);
        }
        Ok(found)
    }

    /// An actor, of which the caller reads `fields`.
    pub(super) fn load(&self, id: ActorID, fields: Fields) -> Result<Option<ActorState>> {
        if self.charged.actor(id).is_none() {
            self.charge_gas(self.price_list().on_actor_lookup())?;
        }
        let actor = self.machine.state().actor(id)?;
        self.machine.recorder().touch(id, fields, actor.as_ref());
        self.charged.read(id);
        Ok(actor)
    }

    fn charge_write(&self, id: ActorID) -> Result<()> {
        let paid = self.charged.actor(id);
        if paid.is_none() {
            self.charge_gas(self.price_list().on_actor_lookup())?;
        }
        if paid < Some(Paid::Write) {
            self.charge_gas(self.price_list().on_actor_update())?;
        }
        Ok(())
    }

    /// Notes a write to an actor that depends on `fields` of what it was.
    fn note_write(&self, id: ActorID, fields: Fields) -> Result<()> {
        let recorder = self.machine.recorder();
        let actor = if recorder.wants(id) { self.machine.state().actor(id)? } else { None };
        recorder.touch(id, fields, actor.as_ref());
        Ok(())
    }

    /// Replaces an actor, which depends on `fields` of what it was.
    pub(super) fn store(&mut self, id: ActorID, state: ActorState, fields: Fields) -> Result<()> {
        self.charge_write(id)?;
        self.note_write(id, fields)?;
        self.machine.state_mut().set_actor(id, Some(state));
        self.charged.write(id);
        Ok(())
    }

    /// Deletes an actor, which depends on `fields` of what it was.
    pub(super) fn delete(&mut self, id: ActorID, fields: Fields) -> Result<()> {
        self.charge_write(id)?;
        self.note_write(id, fields)?;
        self.machine.state_mut().set_actor(id, None);
        self.charged.write(id);
        Ok(())
    }

    /// Moves `value` between two actors.
    ///
    /// # Errors
    /// `InsufficientFunds` also when there is no sender, `NotFound` when there is no receiver.
    pub(super) fn move_funds(&mut self, from: ActorID, to: ActorID, value: &TokenAmount) -> Result<()> {
        if value.is_negative() {
            return Err(syscall_error!(IllegalArgument; "cannot transfer {}, which is below zero", value).into());
        }
        let Some(mut sender) = self.load(from, Fields::PRESENT)? else {
            return Err(syscall_error!(InsufficientFunds; "{} does not exist and cannot pay {}", from, value).into());
        };
        self.machine.recorder().need(from, &sender.balance, value);
        if sender.balance < *value {
            return Err(
                syscall_error!(InsufficientFunds; "{} holds {} and cannot pay {}", from, sender.balance, value).into(),
            );
        }
        if from == to {
            return Ok(());
        }
        let Some(mut receiver) = self.load(to, Fields::PRESENT)? else {
            return Err(syscall_error!(NotFound; "{} does not exist and cannot be paid", to).into());
        };
        sender.deduct_funds(value).or_fatal()?;
        receiver.deposit_funds(value).or_fatal()?;
        self.store(from, sender, Fields::PRESENT)?;
        self.store(to, receiver, Fields::PRESENT)
    }

    /// Creates an actor under an id that the init actor has assigned, or puts it in the place of a placeholder.
    ///
    /// # Errors
    /// `Forbidden` when the id is taken or the code is a placeholder's.
    pub(super) fn create(&mut self, code: Cid, id: ActorID, delegated_address: Option<Address>) -> Result<()> {
        if self.machine.builtin_actors().is_placeholder_actor(&code) {
            return Err(syscall_error!(Forbidden, "placeholders are not constructed").into());
        }
        let actor = match self.load(id, Fields::CODE)? {
            None => {
                // The init actor has paid for the address.
                self.charge_gas(self.price_list().on_create_actor(false))?;
                ActorState::new_empty(code, delegated_address)
            }
            Some(actor) if self.machine.builtin_actors().is_placeholder_actor(&actor.code) => {
                if actor.delegated_address.is_none() {
                    return Err(ExecutionError::Fatal(anyhow!("the placeholder {id} has no delegated address")));
                }
                if actor.delegated_address != delegated_address {
                    return Err(syscall_error!(Forbidden, "the placeholder has another delegated address").into());
                }
                ActorState { code, ..actor }
            }
            Some(_) => return Err(syscall_error!(Forbidden, "there is an actor with this id").into()),
        };
        self.store(id, actor, Fields::CODE)?;
        self.actors_created += 1;
        Ok(())
    }
}
