//! The view of the VM that an actor has during one call.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::clock::ChainEpoch;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::event::ActorEvent;
use fvm_shared::{ActorID, MethodNum};
use multihash_codetable::Code;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subnet_types::{BlsPublicKey, BlsSignature, Digest};

use crate::error::{ActorError, ResultExt};

/// How a send ended. The receiver's changes, and the value, remain only when `exit_code` is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendReturn {
    /// The receiver's exit code; or, when nothing could run, `SYS_INVALID_RECEIVER` (no such actor, and none can be
    /// created), `SYS_INSUFFICIENT_FUNDS`, or `USR_ILLEGAL_ARGUMENT` (an address that no actor can have).
    pub exit_code: ExitCode,
    /// What the receiver returned.
    pub return_data: Option<IpldBlock>,
}

impl SendReturn {
    /// Success without a return.
    pub fn ok() -> Self {
        Self { exit_code: ExitCode::OK, return_data: None }
    }

    /// Failure with this code.
    pub fn failed(exit_code: ExitCode) -> Self {
        Self { exit_code, return_data: None }
    }

    /// Whether the receiver succeeded.
    pub fn is_success(&self) -> bool {
        self.exit_code.is_success()
    }
}

/// The VM, as one actor sees it during one call.
pub trait Runtime {
    /// Where the actor's blocks are.
    type Store: Blockstore;

    /// The actor's blocks.
    fn store(&self) -> &Self::Store;

    /// The actor that runs.
    fn receiver(&self) -> ActorID;
    /// The actor that called it.
    fn caller(&self) -> ActorID;
    /// The account that signed the message from which this call comes.
    fn origin(&self) -> ActorID;
    /// Value that came with this call; it is already part of [`Self::balance`].
    fn value_received(&self) -> TokenAmount;
    /// Whether nothing may be changed in this call.
    fn is_read_only(&self) -> bool;

    /// Height of the block that is being executed.
    fn epoch(&self) -> ChainEpoch;
    /// Time of that block, in seconds.
    fn timestamp_seconds(&self) -> u64;
    /// The chain's EIP-155 id.
    fn chain_id(&self) -> u64;
    /// Gas that this call may still use.
    fn gas_available(&self) -> u64;

    /// Root of the actor's state.
    ///
    /// # Errors
    /// Exit 20 when the actor has no state.
    fn state_root(&self) -> Result<Cid, ActorError>;
    /// Replaces the root of the actor's state.
    ///
    /// # Errors
    /// Exit 25 in a read-only call, exit 20 when the VM refuses the root.
    fn set_state_root(&self, root: &Cid) -> Result<(), ActorError>;

    /// Reads the actor's state.
    ///
    /// # Errors
    /// Exit 20 when there is none or it is not a `T`.
    fn load_state<T: DeserializeOwned>(&self) -> Result<T, ActorError> {
        let root = self.state_root()?;
        let state = self.store().get_cbor(&root).or_illegal_state("reading the state")?;
        state.ok_or_else(|| ActorError::illegal_state(format!("state {root} is not in the store")))
    }

    /// Writes the actor's state.
    ///
    /// # Errors
    /// Exit 25 in a read-only call, exit 20 when it cannot be written.
    fn save_state<T: Serialize>(&self, state: &T) -> Result<(), ActorError> {
        let root = self.store().put_cbor(state, Code::Blake2b256).or_illegal_state("writing the state")?;
        self.set_state_root(&root)
    }

    /// Calls another actor with value. `None` for `gas_limit`: all that is left.
    ///
    /// A receiver that fails, is missing or cannot be paid is an `Ok` with its exit code, because the caller decides
    /// what that means.
    ///
    /// # Errors
    /// What must abort the caller too: a write in a read-only call (exit 25), or too deep a stack (exit 18), which the
    /// sender of the message would otherwise use to make an inner call fail.
    fn send(
        &self,
        to: &Address,
        method: MethodNum,
        params: Option<IpldBlock>,
        value: &TokenAmount,
        gas_limit: Option<u64>,
    ) -> Result<SendReturn, ActorError>;

    /// Id of an address; an id address is its own, whether or not the actor exists.
    fn resolve_address(&self, address: &Address) -> Option<ActorID>;
    /// The f4 address of an actor that has one.
    fn delegated_address(&self, actor: ActorID) -> Option<Address>;
    /// Code of an actor; `None` when it does not exist.
    fn code_of(&self, actor: ActorID) -> Option<Cid>;
    /// Type number of a built-in code, as in [`crate::builtin`].
    fn builtin_type(&self, code: &Cid) -> Option<u32>;

    /// This actor's balance.
    fn balance(&self) -> TokenAmount;
    /// An actor's balance; zero when it does not exist.
    fn balance_of(&self, actor: ActorID) -> TokenAmount;

    /// Checks an aggregate of BLS signatures, one key for each message. Malformed keys or signatures are `false`, and
    /// so is an empty list: nothing signed proves nothing.
    fn verify_bls_aggregate(&self, signature: &BlsSignature, keys: &[BlsPublicKey], messages: &[&[u8]]) -> bool;
    /// Checks the signature of an f1 or f3 address over `message`. Malformed input is `false`.
    fn verify_signature(&self, signature: &Signature, signer: &Address, message: &[u8]) -> bool;
    /// Blake2b-256.
    fn hash_blake2b(&self, bytes: &[u8]) -> Digest;
    /// Keccak-256.
    fn hash_keccak(&self, bytes: &[u8]) -> Digest;

    /// A robust address for an actor to be created in this call; another one each time.
    fn next_actor_address(&self) -> Address;
    /// Creates an actor without state. Only init may.
    ///
    /// # Errors
    /// Exit 16 when the VM refuses the id or the code.
    fn create_actor(&self, id: ActorID, code: &Cid, delegated: Option<Address>) -> Result<(), ActorError>;

    /// Adds an event to the message's receipt.
    ///
    /// # Errors
    /// Exit 25 in a read-only call, exit 16 when the event breaks the VM's limits.
    fn emit_event(&self, event: &ActorEvent) -> Result<(), ActorError>;
}
