//! Actors that come into being because someone sends to their address.

use cid::Cid;
use fvm::call_manager::{CallManager as _, Entrypoint};
use fvm::kernel::{Block, Result};
use fvm::state_tree::ActorState;
use fvm::syscall_error;
use fvm_ipld_encoding::{CBOR, to_vec};
use fvm_shared::ActorID;
use fvm_shared::address::{Address, Payload};
use fvm_shared::econ::TokenAmount;
use num_traits::Zero as _;

use super::LaneCallManager;
use super::call::ResolvedCall;
use crate::access::Fields;
use crate::machine::VmMachine;
use crate::state::INIT_ACTOR_ID;

const SYSTEM_ACTOR_ID: ActorID = 0;
const EAM_ACTOR_ID: ActorID = 10;

impl<M: VmMachine> LaneCallManager<M> {
    /// Creates the actor for an address that nobody has: an account for a key, a placeholder for an Ethereum address.
    ///
    /// # Errors
    /// `NotFound` for other addresses, `ReadOnly`, and what an account's constructor runs into.
    pub(super) fn create_receiver(&mut self, address: &Address, read_only: bool) -> Result<ActorID> {
        let is_key = match address.payload() {
            Payload::BLS(_) | Payload::Secp256k1(_) => true,
            Payload::Delegated(delegated) if delegated.namespace() == EAM_ACTOR_ID => false,
            _ => {
                return Err(syscall_error!(NotFound; "{} does not exist and cannot be created", address).into());
            }
        };
        if read_only {
            return Err(syscall_error!(ReadOnly; "cannot create {} in a read-only call", address).into());
        }
        if is_key { self.create_account(address) } else { self.create_placeholder(address) }
    }

    fn create_account(&mut self, address: &Address) -> Result<ActorID> {
        if address.is_bls_zero_address() {
            return Err(syscall_error!(IllegalArgument, "nobody has the key of the zero address").into());
        }
        let code = *self.machine.builtin_actors().get_account_code();
        let id = self.create_at(address, code, None)?;

        let params = to_vec(address)
            .map_err(|error| syscall_error!(IllegalArgument; "the address has no encoding: {}", error))?;
        // Its exit code is of no consequence, as in the reference; only errors of the call itself are.
        self.call_resolved(ResolvedCall {
            from: SYSTEM_ACTOR_ID,
            to: id,
            entrypoint: Entrypoint::ImplicitConstructor,
            params: Some(Block::new(CBOR, params, Vec::new())),
            value: &TokenAmount::zero(),
            read_only: false,
        })?;
        Ok(id)
    }

    fn create_placeholder(&mut self, address: &Address) -> Result<ActorID> {
        let code = *self.machine.builtin_actors().get_placeholder_code();
        self.create_at(address, code, Some(*address))
    }

    /// Lets the init actor's code see the addresses that were registered without it.
    pub(super) fn settle_addresses(&mut self) -> Result<()> {
        if self.machine.state_mut().settle_addresses()? {
            self.machine.recorder().settle();
        }
        Ok(())
    }

    /// Puts a new actor under the next id and registers its address.
    fn create_at(&mut self, address: &Address, code: Cid, delegated_address: Option<Address>) -> Result<ActorID> {
        self.charge_gas(self.price_list().on_create_actor(true))?;
        let id = self.machine.state_mut().register(address)?;
        self.machine.recorder().create(address, id);
        // Its code goes on when this call is over, and may read its map then.
        if self.call_stack.iter().any(|(id, _)| *id == INIT_ACTOR_ID) {
            self.settle_addresses()?;
        }
        self.charged.resolve(address);
        self.store(id, ActorState::new_empty(code, delegated_address), Fields::PRESENT)?;
        Ok(id)
    }
}
