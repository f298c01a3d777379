//! Many accounts with money, contracts that do what they are told, and the block on both executors.

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use cid::Cid;
use fvm::executor::{ApplyKind, ApplyRet, Executor as _};
use fvm::state_tree::{ActorState, StateTree};
use fvm_exec::Overlay;
use fvm_ipld_encoding::CborStore as _;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use lanes::{BlockExecutor, BlockMessage, Options};
use multihash_codetable::Code::Blake2b256;

use crate::common::store::MemoryStore;
use crate::support::compare::{ENGINE, RAW_LENGTH, Store, TestExterns, assert_same, context, stock};
use crate::support::deep;
use crate::support::script::Script;
use crate::support::world::{SCRIPTS, World, fil, message};

/// Accounts of the town.
pub const CITIZENS: u64 = 2_000;

pub type Ours = BlockExecutor<Store, TestExterns>;

/// The address of a citizen: every other one has an Ethereum address and is a placeholder until its first message.
pub fn citizen(index: u64) -> Address {
    assert!(index < CITIZENS, "no such citizen");
    numbered(index)
}

/// An address for any number; nobody has those above the citizens'.
pub fn numbered(index: u64) -> Address {
    let mut bytes = [7; 65];
    bytes[..8].copy_from_slice(&index.to_be_bytes());
    if index.is_multiple_of(2) {
        Address::new_secp256k1(&bytes).unwrap()
    } else {
        Address::new_delegated(10, &bytes[..20]).unwrap()
    }
}

/// The state of the town: the test world's, and its citizens with 100 FIL each.
pub static ROOT: LazyLock<Cid> = LazyLock::new(|| {
    let world = World::get();
    let mut tree = StateTree::new_from_root(world.store.clone(), &world.root).unwrap();
    let code = |name| actor_bundle::code(name).unwrap();
    let none = fvm_shared::EMPTY_ARR_CID;
    for index in 0..CITIZENS {
        let address = citizen(index);
        let id = tree.register_new_address(&address).unwrap();
        let actor = if index.is_multiple_of(2) {
            let head = world.store.put_cbor(&(address,), Blake2b256).unwrap();
            ActorState::new(code("account"), head, fil(100), 0, None)
        } else {
            ActorState::new(code("placeholder"), none, fil(100), 0, Some(address))
        };
        tree.set_actor(id, actor);
    }
    tree.flush().unwrap()
});

/// A transfer.
pub fn send(from: u64, sequence: u64, to: Address, value: TokenAmount) -> Message {
    Message { gas_limit: 50_000_000, ..message(citizen(from), sequence, to, value) }
}

/// A call of a script actor.
pub fn run(from: u64, sequence: u64, actor: usize, script: &Script) -> Message {
    let to = Address::new_id(SCRIPTS[actor]);
    let call = message(citizen(from), sequence, to, TokenAmount::default());
    Message { method_num: 2, params: script.encode(), ..call }
}

/// A script that changes its actor's state.
pub fn writes(value: u64) -> Script {
    Script::new()
        .block(0x71, &[0x81, (value % 24) as u8])
        .call("ipld::block_link", &[2, 0xb220, 32, 0x700, 60])
        .step("self::set_root", &[0x700])
}

/// What the stock executor makes of messages, without those that it cannot execute, and the root after them.
pub struct Expected {
    pub messages: Vec<Message>,
    pub rets: Vec<ApplyRet>,
    pub root: Cid,
}

impl Expected {
    /// `next` says which message comes next, from the result of the last one.
    pub fn of(root: Cid, mut next: impl FnMut(Option<&ApplyRet>) -> Option<Message>) -> Self {
        let mut executor = stock(root, false);
        let (mut messages, mut rets): (Vec<Message>, Vec<ApplyRet>) = (Vec::new(), Vec::new());
        let mut last = None;
        while let Some(message) = next(last.as_ref()) {
            last = executor.execute_message(message.clone(), ApplyKind::Explicit, RAW_LENGTH).ok();
            if let Some(ret) = &last {
                messages.push(message);
                rets.push(ret.clone());
            }
        }
        Self { messages, rets, root: executor.flush().unwrap() }
    }

    /// Of messages that are known.
    pub fn of_all(root: Cid, messages: &[Message]) -> Self {
        let mut messages = messages.iter().cloned();
        deep(move || Self::of(root, |_| messages.next()))
    }

    /// The block.
    pub fn block(&self) -> Vec<BlockMessage> {
        self.messages.iter().map(|message| BlockMessage { message: message.clone(), length: RAW_LENGTH }).collect()
    }

    /// Ours must have come to the same.
    pub fn check(&self, rets: &[ApplyRet], executor: &mut Ours) {
        assert_eq!(rets.len(), self.rets.len());
        for ((message, expected), ret) in self.messages.iter().zip(&self.rets).zip(rets) {
            assert_same(message, expected, ret);
        }
        assert_eq!(executor.flush().unwrap(), self.root, "state roots differ");
    }
}

/// Our executor on a state. It does not keep its lanes on cores: tests run beside each other.
pub fn ours(root: Cid, lanes: usize) -> Ours {
    ours_on(Overlay::new(World::get().store.clone()), root, lanes)
}

/// The same, on a store that the test can look into.
pub fn ours_on(store: Overlay<MemoryStore>, root: Cid, lanes: usize) -> Ours {
    let lanes = NonZeroUsize::new(lanes).unwrap();
    let options = Options { lanes, cores: lanes, pins: false };
    BlockExecutor::new(options, &context(root, false), store, TestExterns, ENGINE.code().unwrap()).unwrap()
}
