//! The stock executor and ours on the same messages.

use std::sync::{Arc, LazyLock};

use cid::Cid;
use fvm::call_manager::{DefaultCallManager, backtrace::Cause};
use fvm::engine::{EngineConfig, EnginePool};
use fvm::executor::{ApplyFailure, ApplyKind, ApplyRet, DefaultExecutor, Executor};
use fvm::externs::{Chain, Consensus, Externs, Rand};
use fvm::kernel::filecoin::DefaultFilecoinKernel;
use fvm::machine::{DefaultMachine, MachineContext, NetworkConfig};
use fvm::trace::ExecutionEvent;
use fvm_exec::{NETWORK_VERSION, Overlay};
use fvm_shared::address::Address;
use fvm_shared::chainid::ChainID;
use fvm_shared::clock::ChainEpoch;
use fvm_shared::consensus::{ConsensusFault, ConsensusFaultType};
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use vm::access::Access;
use vm::native::Natives;
use vm::{Code, LaneExecutor, LaneMachine, WasmEngine};

use super::world::World;
use crate::common::store::MemoryStore;

pub type Store = Overlay<MemoryStore>;
pub type OurMachine = LaneMachine<Store, TestExterns>;
pub type Ours = LaneExecutor<OurMachine>;
pub type Stock = DefaultExecutor<DefaultFilecoinKernel<DefaultCallManager<DefaultMachine<Store, TestExterns>>>>;

/// Bytes that every message is taken to have on chain.
pub const RAW_LENGTH: usize = 200;

/// A chain that answers something definite to everything.
#[derive(Clone)]
pub struct TestExterns;

impl Externs for TestExterns {}

impl Rand for TestExterns {
    fn get_chain_randomness(&self, round: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        Ok([round as u8; 32])
    }
    fn get_beacon_randomness(&self, round: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        Ok([!round as u8; 32])
    }
}

impl Consensus for TestExterns {
    fn verify_consensus_fault(&self, h1: &[u8], _: &[u8], _: &[u8]) -> anyhow::Result<(Option<ConsensusFault>, i64)> {
        let fault = (h1 == b"faulty").then(|| ConsensusFault {
            target: Address::new_id(1_234),
            epoch: 7,
            fault_type: ConsensusFaultType::TimeOffsetMining,
        });
        Ok((fault, 0))
    }
}

impl Chain for TestExterns {
    fn get_tipset_cid(&self, epoch: ChainEpoch) -> anyhow::Result<Cid> {
        anyhow::ensure!(epoch > 2, "no block at {epoch}");
        Ok(World::get().root)
    }
}

pub fn network() -> NetworkConfig {
    let mut network = NetworkConfig::new(NETWORK_VERSION);
    network.chain_id(ChainID::from(31_415_926));
    network
}

/// The context of every test block.
pub fn context(root: Cid, traces: bool) -> MachineContext {
    let mut context = network().for_epoch(10, 1_700_000_000, root);
    context.set_base_fee(TokenAmount::from_atto(100)).set_circulating_supply(TokenAmount::from_whole(2_000));
    context.tracing = traces;
    context
}

/// The process's stock pool and our engine. Each reserves terabytes of address space.
static POOL: LazyLock<EnginePool> = LazyLock::new(|| {
    let mut config = EngineConfig::from(&network());
    config.concurrency = 4;
    EnginePool::new(config).unwrap()
});
pub static ENGINE: LazyLock<Arc<WasmEngine>> = LazyLock::new(|| WasmEngine::new(&network(), 4).unwrap());
static CODE: LazyLock<Arc<Code<OurMachine>>> = LazyLock::new(|| ENGINE.code().unwrap());

/// The stock executor on a state.
pub fn stock(root: Cid, traces: bool) -> Stock {
    let store = Overlay::new(World::get().store.clone());
    let machine = DefaultMachine::new(&context(root, traces), store, TestExterns).unwrap();
    DefaultExecutor::new(POOL.clone(), machine).unwrap()
}

/// Our executor on a state.
pub fn ours(root: Cid, traces: bool) -> Ours {
    ours_with(root, traces, Natives::default())
}

/// Our executor on a state, with native actors.
pub fn ours_with(root: Cid, traces: bool, natives: Natives<OurMachine>) -> Ours {
    let store = Overlay::new(World::get().store.clone());
    let machine = LaneMachine::new(&context(root, traces), store, TestExterns, CODE.clone()).unwrap();
    LaneExecutor::new(machine.with_natives(natives)).unwrap()
}

/// Our executor on a state, on an engine of its own.
pub fn ours_on(engine: &Arc<WasmEngine>, context: &MachineContext) -> Ours {
    let store = Overlay::new(World::get().store.clone());
    LaneExecutor::new(LaneMachine::new(context, store, TestExterns, engine.code().unwrap()).unwrap()).unwrap()
}

/// Both, message by message.
pub struct Pair {
    pub stock: Stock,
    pub ours: Ours,
}

impl Pair {
    /// On the test world.
    pub fn new(traces: bool) -> Self {
        let root = World::get().root;
        Self { stock: stock(root, traces), ours: ours(root, traces) }
    }

    /// Executes one message on both; they must agree on everything but words.
    pub fn apply(&mut self, message: &Message, kind: ApplyKind) -> Result<ApplyRet, String> {
        let expected = self.stock.execute_message(message.clone(), kind, RAW_LENGTH);
        let actual = self.ours.execute_message(message.clone(), kind, RAW_LENGTH);
        agree(message, expected, actual)
    }

    /// Executes one message on both and returns what ours has touched.
    pub fn apply_recorded(&mut self, message: &Message, kind: ApplyKind) -> Option<(ApplyRet, Access)> {
        let expected = self.stock.execute_message(message.clone(), kind, RAW_LENGTH);
        let recorded = self.ours.execute_recorded(message, kind, RAW_LENGTH);
        let (actual, access) = match recorded {
            Ok((ret, access)) => (Ok(ret), Some(access)),
            Err(error) => (Err(error), None),
        };
        let ret = agree(message, expected, actual).ok()?;
        Some((ret, access.unwrap()))
    }

    /// The state root, on which both must agree.
    pub fn flush(&mut self) -> Cid {
        let expected = self.stock.flush().unwrap();
        assert_eq!(self.ours.flush().unwrap(), expected, "state roots differ");
        expected
    }
}

fn agree(
    message: &Message,
    expected: anyhow::Result<ApplyRet>,
    actual: anyhow::Result<ApplyRet>,
) -> Result<ApplyRet, String> {
    match (expected, actual) {
        (Ok(expected), Ok(actual)) => {
            assert_same(message, &expected, &actual);
            Ok(actual)
        }
        (Err(expected), Err(_)) => Err(format!("{expected:#}")),
        (expected, actual) => panic!("{message:?}\nstock: {expected:?}\nours: {actual:?}"),
    }
}

/// Everything that nodes must agree on, and what the traces of both show.
pub fn assert_same(message: &Message, expected: &ApplyRet, actual: &ApplyRet) {
    let consensus = |ret: &ApplyRet| {
        (
            ret.msg_receipt.clone(),
            ret.events.clone(),
            ret.return_codec,
            (ret.gas_refund, ret.gas_burned),
            [&ret.penalty, &ret.miner_tip, &ret.base_fee_burn, &ret.over_estimation_burn, &ret.refund]
                .map(Clone::clone),
        )
    };
    if consensus(expected) != consensus(actual) {
        for (index, (expected, actual)) in trace(expected).iter().zip(trace(actual)).enumerate() {
            assert_eq!(*expected, actual, "trace differs at {index}");
        }
        panic!("{message:?}\nstock: {expected:#?}\nours: {actual:#?}");
    }
    assert_eq!(failure(expected), failure(actual));
    let (expected, actual) = (trace(expected), trace(actual));
    for (index, pair) in expected.iter().zip(&actual).enumerate() {
        assert_eq!(pair.0, pair.1, "trace differs at {index}\nstock: {expected:#?}\nours: {actual:#?}");
    }
    assert_eq!(expected.len(), actual.len(), "one trace is longer");
}

/// Who failed with what, without the words.
fn failure(ret: &ApplyRet) -> String {
    match &ret.failure_info {
        None => "none".to_owned(),
        Some(ApplyFailure::PreValidation(_)) => "refused".to_owned(),
        Some(ApplyFailure::MessageBacktrace(backtrace)) => {
            let frames: Vec<_> = backtrace.frames.iter().map(|f| (f.source, f.method, f.code)).collect();
            let cause = match &backtrace.cause {
                None => "none".to_owned(),
                Some(Cause::Fatal { .. }) => "fatal".to_owned(),
                Some(Cause::Syscall { module, function, error, .. }) => format!("{module}::{function} {error:?}"),
            };
            format!("{frames:?} {cause}")
        }
    }
}

/// The trace without times and words.
fn trace(ret: &ApplyRet) -> Vec<String> {
    ret.exec_trace
        .iter()
        .map(|event| match event {
            ExecutionEvent::GasCharge(charge) => {
                format!("{} {} {}", charge.name, charge.compute_gas, charge.other_gas)
            }
            ExecutionEvent::CallError(error) => format!("error {:?}", error.1),
            event => format!("{event:?}"),
        })
        .collect()
}
