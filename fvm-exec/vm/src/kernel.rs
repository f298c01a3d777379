//! What syscalls and native actors work on: the reference's kernel, over our call manager.
//!
//! Every operation is the reference's. The ones that read an actor say first which of its fields they are about to
//! read, so that the access log can be exact; one that says nothing is taken to read all of them. The log is complete
//! either way. The ones that are expensive and depend on their arguments alone are answered from what is known, if it
//! is (memo.rs).

use std::ops::{Deref, DerefMut};

use cid::Cid;
use fvm::DefaultKernel;
use fvm::Kernel;
use fvm::call_manager::CallManager as _;
use fvm::gas::{Gas, GasCharge, GasTimer, PriceList};
use fvm::kernel::filecoin::{DefaultFilecoinKernel, FilecoinKernel as _};
use fvm::kernel::prelude::{
    ActorOps, BlockId, BlockRegistry, CallResult, CryptoOps as _, IpldBlockOps as _, SelfOps, SendOps, SyscallHandler,
};
use fvm::kernel::{Block, Result};
use fvm::machine::Machine;
use fvm::syscalls::Linker;
use fvm_ipld_encoding::to_vec;
use fvm_shared::address::Address;
use fvm_shared::crypto::signature::{
    BLS_PUB_LEN, BLS_SIG_LEN, SECP_PUB_LEN, SECP_SIG_LEN, SECP_SIG_MESSAGE_HASH_SIZE, SignatureType,
};
use fvm_shared::econ::TokenAmount;
use fvm_shared::piece::PieceInfo;
use fvm_shared::sector::{
    AggregateSealVerifyProofAndInfos, RegisteredSealProof, ReplicaUpdateInfo, WindowPoStVerifyInfo,
};
use fvm_shared::sys::SendFlags;
use fvm_shared::{ActorID, MethodNum};
use serde::Serialize;

use crate::access::Fields;
use crate::call_manager::LaneCallManager;
use crate::machine::VmMachine;
use crate::memo::{Asking, Keep, Operation, TEXT_BYTES_MAX};

/// The kernel of one invocation.
pub struct LaneKernel<M: VmMachine>(DefaultFilecoinKernel<LaneCallManager<M>>);

impl<M: VmMachine> LaneKernel<M> {
    /// The operations that only Filecoin's own actors use.
    pub fn filecoin(&self) -> &DefaultFilecoinKernel<LaneCallManager<M>> {
        &self.0
    }

    fn reading<T>(&self, fields: Fields, operation: impl FnOnce(&DefaultKernel<LaneCallManager<M>>) -> T) -> T {
        let before = self.call_manager.expect_reads(fields);
        let result = operation(&self.0.0);
        self.call_manager.expect_reads(before);
        result
    }

    fn changing<T>(
        &mut self,
        fields: Fields,
        operation: impl FnOnce(&mut DefaultKernel<LaneCallManager<M>>) -> T,
    ) -> T {
        let before = self.call_manager.expect_reads(fields);
        let result = operation(&mut self.0.0);
        self.call_manager.expect_reads(before);
        result
    }

    /// Root of the actor's state.
    ///
    /// # Errors
    /// `IllegalOperation` when the actor has deleted itself.
    pub fn root(&mut self) -> Result<Cid> {
        self.changing(Fields::HEAD, SelfOps::root)
    }

    /// Replaces the root of the actor's state.
    ///
    /// # Errors
    /// `ReadOnly`, `NotFound` for a root that the actor cannot reach, `IllegalOperation` after deletion.
    pub fn set_root(&mut self, root: Cid) -> Result<()> {
        self.changing(Fields::HEAD, |kernel| kernel.set_root(root))
    }

    /// What the actor holds, in attoFIL inside.
    ///
    /// # Errors
    /// Out of gas.
    pub fn current_balance(&self) -> Result<TokenAmount> {
        self.reading(Fields::BALANCE, SelfOps::current_balance)
    }

    /// Deletes the actor, burning what it holds if asked to.
    ///
    /// # Errors
    /// `ReadOnly`, or `IllegalOperation` when it holds something that is not to be burnt.
    pub fn self_destruct(&mut self, burns_rest: bool) -> Result<()> {
        self.changing(Fields::BALANCE, |kernel| kernel.self_destruct(burns_rest))
    }

    /// The id behind an address.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn resolve_address(&self, address: &Address) -> Result<ActorID> {
        ActorOps::resolve_address(&self.0.0, address)
    }

    /// The f4 address of an actor.
    ///
    /// # Errors
    /// `NotFound` when there is no such actor.
    pub fn lookup_delegated_address(&self, id: ActorID) -> Result<Option<Address>> {
        self.reading(Fields::CODE, |kernel| kernel.lookup_delegated_address(id))
    }

    /// The code of an actor.
    ///
    /// # Errors
    /// `NotFound` when there is no such actor.
    pub fn get_actor_code_cid(&self, id: ActorID) -> Result<Cid> {
        self.reading(Fields::CODE, |kernel| kernel.get_actor_code_cid(id))
    }

    /// Creates an actor; for the init actor only.
    ///
    /// # Errors
    /// `Forbidden` for other actors and for ids that are taken, `ReadOnly`.
    pub fn create_actor(&mut self, code: Cid, id: ActorID, delegated: Option<Address>) -> Result<()> {
        self.changing(Fields::CODE, |kernel| ActorOps::create_actor(kernel, code, id, delegated))
    }

    /// What an actor holds.
    ///
    /// # Errors
    /// `NotFound` when there is no such actor.
    pub fn balance_of(&self, id: ActorID) -> Result<TokenAmount> {
        self.reading(Fields::BALANCE, |kernel| kernel.balance_of(id))
    }

    /// Calls an actor in a transaction of its own.
    ///
    /// # Errors
    /// When the call cannot be made; an actor that fails is no error but has an exit code.
    pub fn send(
        &mut self,
        to: &Address,
        method: MethodNum,
        params: BlockId,
        value: &TokenAmount,
        gas_limit: Option<Gas>,
        flags: SendFlags,
    ) -> Result<CallResult> {
        SendOps::<Self>::send(&mut self.0.0, to, method, params, value, gas_limit, flags)
    }

    /// What is known of `question`, or what `find` finds; charged alike.
    fn answer<T: Keep>(
        &self,
        question: Asking,
        charge: impl FnOnce(&PriceList) -> GasCharge,
        find: impl FnOnce(&DefaultFilecoinKernel<LaneCallManager<M>>) -> Result<T>,
    ) -> Result<T> {
        let memo = self.machine().code().engine().memo();
        let prices = self.call_manager.price_list();
        memo.answer(&self.call_manager, question.question(), || charge(prices), || find(&self.0))
    }

    /// Whether `signature` is that of `signer` under `text`.
    ///
    /// # Errors
    /// `IllegalArgument` when the signer is no key's address.
    pub fn verify_signature(
        &self,
        kind: SignatureType,
        signature: &[u8],
        signer: &Address,
        text: &[u8],
    ) -> Result<bool> {
        if text.len() > TEXT_BYTES_MAX || signature.len() > TEXT_BYTES_MAX {
            return self.0.verify_signature(kind, signature, signer, text);
        }
        let asking = Asking::about(Operation::Signature).with(&[kind as u8]).with(signature);
        self.answer(
            asking.with(&signer.to_bytes()).with(text),
            |prices| prices.on_verify_signature(kind, text.len()),
            |kernel| kernel.verify_signature(kind, signature, signer, text),
        )
    }

    /// Whether `signature` is the aggregate of the signatures of `keys`, each under its own text. The texts lie in
    /// `texts` one after the other.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many texts as keys or `lengths` are not those of the texts.
    pub fn verify_bls_aggregate(
        &self,
        signature: &[u8; BLS_SIG_LEN],
        keys: &[[u8; BLS_PUB_LEN]],
        texts: &[u8],
        lengths: &[u32],
    ) -> Result<bool> {
        let find = |kernel: &DefaultFilecoinKernel<_>| kernel.verify_bls_aggregate(signature, keys, texts, lengths);
        // The reference refuses the former before it charges.
        if keys.len() != lengths.len() || texts.len() > TEXT_BYTES_MAX {
            return find(&self.0);
        }
        let lengths: Vec<u8> = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
        let asking = Asking::about(Operation::BlsAggregate).with(signature).with(keys.as_flattened());
        self.answer(
            asking.with(&lengths).with(texts),
            |prices| prices.on_verify_aggregate_signature(keys.len(), texts.len()),
            find,
        )
    }

    /// The public key whose `signature` of `hash` this is.
    ///
    /// # Errors
    /// `IllegalArgument` when it is nobody's.
    pub fn recover_secp_public_key(
        &self,
        hash: &[u8; SECP_SIG_MESSAGE_HASH_SIZE],
        signature: &[u8; SECP_SIG_LEN],
    ) -> Result<[u8; SECP_PUB_LEN]> {
        self.answer(
            Asking::about(Operation::SecpPublicKey).with(hash).with(signature),
            PriceList::on_recover_secp_public_key,
            |kernel| kernel.recover_secp_public_key(hash, signature),
        )
    }

    /// The commitment to the unsealed data of a sector with these pieces.
    ///
    /// # Errors
    /// `IllegalArgument` for pieces that make no sector.
    pub fn compute_unsealed_sector_cid(&self, proof: RegisteredSealProof, pieces: &[PieceInfo]) -> Result<Cid> {
        self.answer_encoded(
            Operation::UnsealedSector,
            &(proof, pieces),
            |prices| prices.on_compute_unsealed_sector_cid(proof, pieces),
            |kernel| kernel.compute_unsealed_sector_cid(proof, pieces),
        )
    }

    /// Whether a window proof of spacetime is valid.
    ///
    /// # Errors
    /// `IllegalArgument` when it is not well formed.
    pub fn verify_post(&self, info: &WindowPoStVerifyInfo) -> Result<bool> {
        self.answer_encoded(
            Operation::Post,
            info,
            |prices| prices.on_verify_post(info),
            |kernel| kernel.verify_post(info),
        )
    }

    /// Whether an aggregate of seals is valid.
    ///
    /// # Errors
    /// `IllegalArgument` when it is not well formed.
    pub fn verify_aggregate_seals(&self, info: &AggregateSealVerifyProofAndInfos) -> Result<bool> {
        self.answer_encoded(
            Operation::AggregateSeals,
            info,
            |prices| prices.on_verify_aggregate_seals(info),
            |kernel| kernel.verify_aggregate_seals(info),
        )
    }

    /// Whether a replica update is valid.
    ///
    /// # Errors
    /// `IllegalArgument` when it is not well formed.
    pub fn verify_replica_update(&self, info: &ReplicaUpdateInfo) -> Result<bool> {
        self.answer_encoded(
            Operation::ReplicaUpdate,
            info,
            |prices| prices.on_verify_replica_update(info),
            |kernel| kernel.verify_replica_update(info),
        )
    }

    /// The same for arguments that have an encoding, each its own.
    fn answer_encoded<T: Keep>(
        &self,
        operation: Operation,
        arguments: &impl Serialize,
        charge: impl FnOnce(&PriceList) -> GasCharge,
        find: impl FnOnce(&DefaultFilecoinKernel<LaneCallManager<M>>) -> Result<T>,
    ) -> Result<T> {
        match to_vec(arguments) {
            Ok(arguments) => self.answer(Asking::about(operation).with(&arguments), charge, find),
            Err(_) => find(&self.0),
        }
    }

    /// A block of this invocation, such as the parameters it was called with.
    ///
    /// # Errors
    /// `InvalidHandle` when there is none.
    pub fn block(&self, id: BlockId) -> Result<&Block> {
        self.blocks.get(id)
    }

    /// Adds a block, for a return value or parameters.
    ///
    /// # Errors
    /// When it is too large, in a codec that is not allowed or links to what the actor cannot reach.
    pub fn create_block(&mut self, codec: u64, data: &[u8]) -> Result<BlockId> {
        self.block_create(codec, data)
    }
}

/// The reference's kernel, with all its operations.
impl<M: VmMachine> Deref for LaneKernel<M> {
    type Target = DefaultKernel<LaneCallManager<M>>;

    fn deref(&self) -> &Self::Target {
        &self.0.0
    }
}

impl<M: VmMachine> DerefMut for LaneKernel<M> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0.0
    }
}

impl<M: VmMachine> Kernel for LaneKernel<M> {
    type CallManager = LaneCallManager<M>;
    type Limiter = <M as Machine>::Limiter;

    fn into_inner(self) -> (Self::CallManager, BlockRegistry) {
        self.0.into_inner()
    }

    fn new(
        call_manager: Self::CallManager,
        blocks: BlockRegistry,
        caller: ActorID,
        actor_id: ActorID,
        method: MethodNum,
        value_received: TokenAmount,
        read_only: bool,
    ) -> Self {
        Self(Kernel::new(call_manager, blocks, caller, actor_id, method, value_received, read_only))
    }

    fn machine(&self) -> &M {
        self.0.machine()
    }

    fn limiter_mut(&mut self) -> &mut Self::Limiter {
        self.call_manager.limiter_mut()
    }

    fn gas_available(&self) -> Gas {
        self.0.gas_available()
    }

    fn charge_gas(&self, name: &str, compute: Gas) -> Result<GasTimer> {
        self.0.charge_gas(name, compute)
    }
}

impl<M: VmMachine> SyscallHandler<Self> for LaneKernel<M> {
    /// The trait's linker is that of the stock engine, which never runs this kernel's actors.
    fn link_syscalls(_: &mut Linker<Self>) -> anyhow::Result<()> {
        anyhow::bail!("the stock engine does not run actors of a lane")
    }
}
