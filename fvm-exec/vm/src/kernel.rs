//! What syscalls and native actors work on: the reference's kernel, over our call manager.
//!
//! Every operation is the reference's. The ones that read an actor say first which of its fields they are about to
//! read, so that the access log can be exact; one that says nothing is taken to read all of them. The log is complete
//! either way.

use std::ops::{Deref, DerefMut};

use cid::Cid;
use fvm::DefaultKernel;
use fvm::Kernel;
use fvm::call_manager::CallManager as _;
use fvm::gas::{Gas, GasTimer};
use fvm::kernel::filecoin::DefaultFilecoinKernel;
use fvm::kernel::prelude::{
    ActorOps, BlockId, BlockRegistry, CallResult, IpldBlockOps as _, SelfOps, SendOps, SyscallHandler,
};
use fvm::kernel::{Block, Result};
use fvm::machine::Machine;
use fvm::syscalls::Linker;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::sys::SendFlags;
use fvm_shared::{ActorID, MethodNum};

use crate::access::Fields;
use crate::call_manager::LaneCallManager;
use crate::machine::VmMachine;

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
