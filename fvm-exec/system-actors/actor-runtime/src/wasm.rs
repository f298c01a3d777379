//! [`Runtime`] over the VM's system calls.

use anyhow::anyhow;
use cid::Cid;
use fvm_ipld_blockstore::{Block, Blockstore};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::clock::ChainEpoch;
use fvm_shared::crypto::hash::SupportedHashes;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::{ErrorNumber, ExitCode};
use fvm_shared::event::ActorEvent;
use fvm_shared::sys::{BlockId, SendFlags};
use fvm_shared::{ActorID, MethodNum};
use multihash_codetable::Code;
use subnet_types::{BlsPublicKey, BlsSignature, Digest};

use crate::error::ActorError;
use crate::runtime::{Runtime, SendReturn};

/// Runs one call of an actor. [`crate::entry!`] makes the module's entry of it.
pub fn run(
    params: BlockId,
    dispatch: fn(&SyscallRuntime, MethodNum, Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError>,
) -> BlockId {
    fvm_sdk::initialize();
    let params = fvm_sdk::message::params_raw(params).expect("the VM passes the id of a block that exists");
    match dispatch(&SyscallRuntime { store: SyscallStore }, fvm_sdk::message::method_number(), params) {
        Ok(None) => fvm_sdk::NO_DATA_BLOCK_ID,
        Ok(Some(block)) => {
            fvm_sdk::ipld::put_block(block.codec, &block.data).expect("a return without links is always storable")
        }
        Err(error) => fvm_sdk::vm::abort(error.exit_code.value(), Some(&error.message)),
    }
}

/// The VM's block store. What is put here survives only when the new state root reaches it.
pub struct SyscallStore;

impl Blockstore for SyscallStore {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        // The VM shows an actor only blocks that its state or a return reaches, so a miss is never "not there".
        fvm_sdk::ipld::get(cid).map(Some).map_err(|error| anyhow!("block {cid}: {error:?}"))
    }

    fn put_keyed(&self, cid: &Cid, block: &[u8]) -> anyhow::Result<()> {
        let hash = u32::from(cid.hash().size());
        let made = fvm_sdk::ipld::put(cid.hash().code(), hash, cid.codec(), block)
            .map_err(|error| anyhow!("putting block {cid}: {error:?}"))?;
        if made == *cid { Ok(()) } else { Err(anyhow!("block {cid} hashes to {made}")) }
    }

    // The VM hashes natively; the default would hash in wasm first.
    fn put<D: AsRef<[u8]>>(&self, hash: Code, block: &Block<D>) -> anyhow::Result<Cid> {
        /// Every hash this runtime uses for links is 32 bytes long.
        const HASH_BYTES: u32 = 32;
        fvm_sdk::ipld::put(hash.into(), HASH_BYTES, block.codec, block.as_ref())
            .map_err(|error| anyhow!("putting a block: {error:?}"))
    }
}

/// The VM behind [`run`].
pub struct SyscallRuntime {
    store: SyscallStore,
}

impl Runtime for SyscallRuntime {
    type Store = SyscallStore;

    fn store(&self) -> &SyscallStore {
        &self.store
    }

    fn receiver(&self) -> ActorID {
        fvm_sdk::message::receiver()
    }

    fn caller(&self) -> ActorID {
        fvm_sdk::message::caller()
    }

    fn origin(&self) -> ActorID {
        fvm_sdk::message::origin()
    }

    fn value_received(&self) -> TokenAmount {
        fvm_sdk::message::value_received()
    }

    fn is_read_only(&self) -> bool {
        fvm_sdk::vm::read_only()
    }

    fn epoch(&self) -> ChainEpoch {
        fvm_sdk::network::curr_epoch()
    }

    fn timestamp_seconds(&self) -> u64 {
        fvm_sdk::network::tipset_timestamp()
    }

    fn chain_id(&self) -> u64 {
        fvm_sdk::network::chain_id().into()
    }

    fn gas_available(&self) -> u64 {
        fvm_sdk::gas::available()
    }

    fn state_root(&self) -> Result<Cid, ActorError> {
        fvm_sdk::sself::root().map_err(|error| ActorError::illegal_state(error.to_string()))
    }

    fn set_state_root(&self, root: &Cid) -> Result<(), ActorError> {
        use fvm_sdk::error::StateUpdateError;
        fvm_sdk::sself::set_root(root).map_err(|error| match error {
            StateUpdateError::ReadOnly => ActorError::read_only("a read-only call cannot change the state"),
            StateUpdateError::ActorDeleted => ActorError::illegal_state("the actor is deleted"),
        })
    }

    fn send(
        &self,
        to: &Address,
        method: MethodNum,
        params: Option<IpldBlock>,
        value: &TokenAmount,
        gas_limit: Option<u64>,
    ) -> Result<SendReturn, ActorError> {
        let sent = fvm_sdk::send::send(to, method, params, value.clone(), gas_limit, SendFlags::empty());
        match sent {
            Ok(response) => Ok(SendReturn { exit_code: response.exit_code, return_data: response.return_data }),
            Err(ErrorNumber::NotFound) => Ok(SendReturn::failed(ExitCode::SYS_INVALID_RECEIVER)),
            Err(ErrorNumber::InsufficientFunds) => Ok(SendReturn::failed(ExitCode::SYS_INSUFFICIENT_FUNDS)),
            Err(ErrorNumber::IllegalArgument) => Ok(SendReturn::failed(ExitCode::USR_ILLEGAL_ARGUMENT)),
            Err(ErrorNumber::ReadOnly) => Err(ActorError::read_only(format!("a read-only call cannot send to {to}"))),
            Err(ErrorNumber::LimitExceeded) => {
                Err(ActorError::forbidden(format!("the call stack is too deep to call {to}")))
            }
            Err(error) => Err(ActorError::assertion_failed(format!("sending to {to}: {error:?}"))),
        }
    }

    fn resolve_address(&self, address: &Address) -> Option<ActorID> {
        fvm_sdk::actor::resolve_address(address)
    }

    fn delegated_address(&self, actor: ActorID) -> Option<Address> {
        fvm_sdk::actor::lookup_delegated_address(actor)
    }

    fn code_of(&self, actor: ActorID) -> Option<Cid> {
        fvm_sdk::actor::get_actor_code_cid(&Address::new_id(actor))
    }

    fn builtin_type(&self, code: &Cid) -> Option<u32> {
        fvm_sdk::actor::get_builtin_actor_type(code).and_then(|number| u32::try_from(number).ok())
    }

    fn balance(&self) -> TokenAmount {
        fvm_sdk::sself::current_balance()
    }

    fn balance_of(&self, actor: ActorID) -> TokenAmount {
        fvm_sdk::actor::balance_of(actor).unwrap_or_default()
    }

    fn verify_bls_aggregate(&self, signature: &BlsSignature, keys: &[BlsPublicKey], messages: &[&[u8]]) -> bool {
        let keys: Vec<[u8; BlsPublicKey::LEN]> = keys.iter().map(|key| key.0).collect();
        !keys.is_empty() && fvm_sdk::crypto::verify_bls_aggregate(&signature.0, &keys, messages).unwrap_or(false)
    }

    fn verify_signature(&self, signature: &Signature, signer: &Address, message: &[u8]) -> bool {
        fvm_sdk::crypto::verify_signature(signature, signer, message).unwrap_or(false)
    }

    fn hash_blake2b(&self, bytes: &[u8]) -> Digest {
        Digest(fvm_sdk::crypto::hash_blake2b(bytes))
    }

    fn hash_keccak(&self, bytes: &[u8]) -> Digest {
        let mut digest = Digest::ZERO;
        fvm_sdk::crypto::hash_into(SupportedHashes::Keccak256, bytes, &mut digest.0);
        digest
    }

    fn next_actor_address(&self) -> Address {
        fvm_sdk::actor::next_actor_address()
    }

    fn create_actor(&self, id: ActorID, code: &Cid, delegated: Option<Address>) -> Result<(), ActorError> {
        fvm_sdk::actor::create_actor(id, code, delegated)
            .map_err(|error| ActorError::illegal_argument(format!("creating actor {id} with code {code}: {error:?}")))
    }

    fn emit_event(&self, event: &ActorEvent) -> Result<(), ActorError> {
        fvm_sdk::event::emit_event(event).map_err(|error| match error {
            ErrorNumber::ReadOnly => ActorError::read_only("a read-only call cannot emit events"),
            error => ActorError::illegal_argument(format!("emitting an event: {error:?}")),
        })
    }
}
