//! The state that tests start from.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cid::Cid;
use fvm::state_tree::{ActorState, StateTree};
use fvm_exec::genesis;
use fvm_ipld_blockstore::{Block, Blockstore};
use fvm_ipld_encoding::{IPLD_RAW, RawBytes};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::{ActorID, EMPTY_ARR_CID};
use multihash_codetable::Code::Blake2b256;
use subnet_types::actors::{CheckpointConstructorParams, INIT_ID, manifest_names};
use subnet_types::genesis::{MembershipMode, SubnetParameters};
use subnet_types::hash::{cid_of, encode};

use super::actors::{odd_actors, script_actor};
use super::script::Script;
use crate::common::accounts::{bls, ethereum, secp};
use crate::common::chain::bundle_blocks;
use crate::common::genesis::{parameters, root_genesis};
use crate::common::store::MemoryStore;

/// The script actors.
pub const SCRIPTS: [ActorID; 4] = [5_000, 5_001, 5_002, 5_003];
/// Id of the first odd actor.
pub const ODD: ActorID = 6_000;
/// An actor whose code the store does not have.
pub const CODELESS: ActorID = 5_900;
/// An id that nobody has.
pub const NOBODY: ActorID = 7_777;

/// Accounts with money: two keys of either kind, and an Ethereum address whose placeholder has been made.
pub fn alice() -> Address {
    secp(1)
}
pub fn bob() -> Address {
    bls(2)
}
pub fn carol() -> Address {
    ethereum(3)
}

/// Whole FIL.
pub fn fil(whole: u64) -> TokenAmount {
    TokenAmount::from_whole(whole)
}

/// A state and where it lies.
pub struct World {
    pub store: MemoryStore,
    pub root: Cid,
    pub odd: BTreeMap<&'static str, ActorID>,
}

static WORLD: LazyLock<World> = LazyLock::new(World::build);

impl World {
    /// The one world; nobody changes it.
    pub fn get() -> &'static Self {
        &WORLD
    }

    fn build() -> Self {
        let store = MemoryStore::of(bundle_blocks());
        let genesis = root_genesis(actor_bundle::manifest_cid(), &[(alice(), fil(1_000)), (bob(), fil(1_000))]);
        let output = genesis::build(&store, &genesis).unwrap();
        store.commit(output.new_blocks);
        store.put_keyed(&EMPTY_ARR_CID, &[0x80]).unwrap();

        let mut tree = StateTree::new_from_root(store.clone(), &output.state_root).unwrap();
        let code = |wasm: &[u8]| store.put(Blake2b256, &Block::new(IPLD_RAW, wasm)).unwrap();
        let actor = |code, balance| ActorState::new(code, EMPTY_ARR_CID, balance, 0, None);
        let script = code(&script_actor());
        for id in SCRIPTS {
            tree.set_actor(id, actor(script, fil(100)));
        }
        tree.set_actor(CODELESS, actor(cid_of(&"nobody has this code"), fil(1)));
        let mut odd = BTreeMap::new();
        for ((name, wasm), id) in odd_actors().into_iter().zip(ODD..) {
            tree.set_actor(id, actor(code(&wasm), fil(1)));
            odd.insert(name, id);
        }
        let placeholder = actor_bundle::code("placeholder").unwrap();
        let carols = tree.register_new_address(&carol()).unwrap();
        tree.set_actor(carols, ActorState::new(placeholder, EMPTY_ARR_CID, fil(1_000), 0, Some(carol())));
        let root = tree.flush().unwrap();
        Self { store, root, odd }
    }
}

/// A message with ample gas.
pub fn message(from: Address, sequence: u64, to: Address, value: TokenAmount) -> Message {
    Message {
        version: 0,
        from,
        to,
        sequence,
        value,
        method_num: 0,
        params: RawBytes::default(),
        gas_limit: 5_000_000_000,
        gas_fee_cap: TokenAmount::from_atto(1_000),
        gas_premium: TokenAmount::from_atto(10),
    }
}

/// Alice's message number `sequence` to the first script actor.
pub fn script_message(sequence: u64, script: &Script) -> Message {
    let to = Address::new_id(SCRIPTS[0]);
    Message { method_num: 2, params: script.encode(), ..message(alice(), sequence, to, TokenAmount::default()) }
}

/// Alice's message number `sequence` that creates a checkpoint actor.
pub fn exec(sequence: u64) -> Message {
    let parameters = SubnetParameters {
        chain: parameters(actor_bundle::manifest_cid()),
        mode: MembershipMode::Collateral,
        validators_min: 1,
        stake_min: TokenAmount::from_nano(1),
        parent_lag_blocks_max: 1_000,
        unbonding_blocks: 20,
        silence_blocks_max: 30,
        exit_notice_blocks: 10,
    };
    let constructor = CheckpointConstructorParams { owner: alice(), parameters };
    let exec = init::ExecParams {
        code_cid: actor_bundle::code(manifest_names::CHECKPOINT).unwrap(),
        constructor_params: RawBytes::new(encode(&constructor)),
    };
    let params = RawBytes::new(encode(&exec));
    let to = Address::new_id(INIT_ID);
    Message { method_num: init::METHOD_EXEC, params, ..message(alice(), sequence, to, TokenAmount::default()) }
}
