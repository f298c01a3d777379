//! A chain that executes blocks and commits what comes out.

use std::sync::{Arc, LazyLock};

use cid::Cid;
use fvm_exec::{
    BlockContext, BlockInput, BlockOutput, CallOutcome, ChainRules, Engine, ExecError, Executor, StateView, base_fee,
    genesis,
};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::ApplyParentUpdateParams;
use subnet_types::{Genesis, Height, TimestampMs};

use super::accounts::signed;
use super::genesis::{child_genesis, owner, root_genesis};
use super::store::MemoryStore;

/// The process's engine, kept: one that nobody holds is made anew, and compiles every actor again.
fn engine() -> Arc<Engine> {
    static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| Engine::new(4).unwrap());
    ENGINE.clone()
}

/// A chain in memory with the project's own actors.
pub struct Chain {
    /// From what it started.
    pub genesis: Genesis,
    /// All its blocks.
    pub store: MemoryStore,
    /// Runs its blocks.
    pub executor: Executor<MemoryStore>,
    /// State after the last block.
    pub state_root: Cid,
    /// Height of the next block.
    pub height: Height,
    /// Base fee of the next block.
    pub base_fee: TokenAmount,
}

impl Chain {
    /// A root whose accounts hold so much.
    pub fn root(balances: &[(Address, TokenAmount)]) -> Self {
        Self::start(root_genesis(actor_bundle::manifest_cid(), balances))
    }

    /// A child that nobody has funded yet.
    pub fn child() -> Self {
        Self::start(child_genesis(actor_bundle::manifest_cid()))
    }

    /// The chain that starts from `genesis` with the project's own bundle.
    pub fn start(genesis: Genesis) -> Self {
        let engine = engine();
        let store = MemoryStore::of(bundle_blocks());
        let output = genesis::build(&store, &genesis).unwrap();
        store.commit(output.new_blocks);
        let executor = Executor::new(engine, store.clone(), ChainRules::of(&genesis));
        Self {
            store,
            executor,
            state_root: output.state_root,
            height: Height::new(1),
            base_fee: genesis.chain.base_fee_min.clone(),
            genesis,
        }
    }

    /// Height, time and base fee of the next block.
    pub fn context(&self) -> BlockContext {
        let timestamp = self.genesis.timestamp.get() + self.height.get() * self.genesis.chain.block_interval_ms;
        BlockContext { height: self.height, timestamp: TimestampMs::new(timestamp), base_fee: self.base_fee.clone() }
    }

    /// The next block with these messages, proposed by validator 1. It cuts when its height says so.
    pub fn input(&self, messages: Vec<Message>) -> BlockInput {
        let is_end = self.height.get().is_multiple_of(self.genesis.chain.checkpoint_period_blocks);
        BlockInput {
            context: self.context(),
            parent_update: None,
            messages: messages.into_iter().map(signed).collect(),
            proposer_owner: owner(1),
            cuts: is_end && !self.genesis.subnet.is_root(),
        }
    }

    /// What the next block would do. Changes nothing.
    pub fn try_execute(&self, input: &BlockInput) -> Result<BlockOutput, ExecError> {
        self.executor.execute(&self.state_root, input)
    }

    /// Executes and commits the next block.
    pub fn execute_input(&mut self, input: &BlockInput) -> BlockOutput {
        let output = self.try_execute(input).unwrap();
        self.store.commit(output.new_blocks.clone());
        self.state_root = output.state_root;
        self.height = self.height.next();
        self.base_fee = base_fee::next(&self.base_fee, output.gas_used, &self.genesis.chain);
        output
    }

    /// Executes and commits the next block with these messages.
    pub fn execute(&mut self, messages: Vec<Message>) -> BlockOutput {
        self.execute_input(&self.input(messages))
    }

    /// Executes and commits the next block with a parent update and these messages.
    pub fn execute_update(&mut self, update: ApplyParentUpdateParams, messages: Vec<Message>) -> BlockOutput {
        let input = BlockInput { parent_update: Some(update), ..self.input(messages) };
        self.execute_input(&input)
    }

    /// What `message` would do in the next block.
    pub fn call(&self, message: &Message) -> CallOutcome {
        self.executor.call(&self.state_root, &self.context(), message).unwrap()
    }

    /// The state after the last block.
    pub fn view(&self) -> StateView<'_, MemoryStore> {
        StateView::new(&self.store, &self.state_root).unwrap()
    }

    /// What the actor at `address` holds; zero where there is none.
    pub fn balance(&self, address: &Address) -> TokenAmount {
        self.view().actor_at(address).unwrap().map(|(_, actor)| actor.balance).unwrap_or_default()
    }

    /// What the actor with this id holds.
    pub fn balance_of(&self, id: ActorID) -> TokenAmount {
        self.view().balance(id).unwrap()
    }

    /// The next nonce of the account at `address`.
    pub fn nonce(&self, address: &Address) -> u64 {
        self.view().actor_at(address).unwrap().map(|(_, actor)| actor.sequence).unwrap_or_default()
    }

    /// The chain's wasm engine, for building another chain beside it.
    pub fn engine() -> Arc<Engine> {
        engine()
    }
}

/// The blocks of the project's own bundle.
pub fn bundle_blocks() -> Vec<(Cid, Vec<u8>)> {
    actor_bundle::blocks().iter().map(|(cid, block)| (*cid, block.clone())).collect()
}
