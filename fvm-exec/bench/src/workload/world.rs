//! The state that blocks start from: a chain's genesis, many accounts, and what a workload puts there besides.
//!
//! Accounts have f1 addresses and are numbered from 0. State and address map are written by `hamt`, all entries
//! at once, so that a hundred thousand accounts take seconds.

use std::num::NonZeroUsize;

use anyhow::{Context as _, ensure};
use cid::Cid;
use fvm::machine::{MachineContext, NetworkConfig};
use fvm_exec::{NETWORK_VERSION, genesis};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::{CborStore, to_vec};
use fvm_shared::address::Address;
use fvm_shared::chainid::ChainID;
use fvm_shared::econ::TokenAmount;
use fvm_shared::state::{ActorState, StateRoot};
use fvm_shared::{ActorID, EMPTY_ARR_CID};
use hamt::{Changes, Nodes};
use multihash_codetable::Code::Blake2b256;
use subnet_types::actors::INIT_ID;
use subnet_types::bytes::{BlsPublicKey, VoteKey};
use subnet_types::genesis::{ChainParameters, GENESIS_VERSION};
use subnet_types::message::SignaturePolicy;
use subnet_types::{ConfigurationNumber, Genesis, Power, SubnetId, TimestampMs, Validator, ValidatorSet};

use super::store::{Base, Layer};

/// Chain id of the VM.
const CHAIN_ID: u64 = 31_415_926;
/// The block that is measured has this height, whatever came before.
const EPOCH: i64 = 10;
const TIMESTAMP_SECONDS: u64 = 1_700_000_000;
/// Base fee per unit of gas, in attoFIL; above zero, so that gas burns.
const BASE_FEE_ATTO: u64 = 100;
/// What every account holds, in whole FIL.
const ACCOUNT_FIL: u64 = 1_000;

/// Bytes of nodes to remember while a tree is written, once.
const NODES_BYTES_MAX: usize = 64 << 20;

/// A state with many accounts, and the blocks that it consists of.
#[derive(Clone, Debug)]
pub struct World {
    /// The blocks.
    pub base: Base,
    /// The state's root.
    pub root: Cid,
    accounts: u64,
    first_account: ActorID,
    next_id: ActorID,
}

/// An actor to put into a world.
#[derive(Clone, Debug)]
pub struct NewActor {
    /// The address that leads to it, besides its id.
    pub address: Option<Address>,
    /// Code, state, balance and nonce.
    pub actor: ActorState,
}

/// The f1 address of account number `index`, whether a world has it or not.
pub fn address(index: u64) -> Address {
    let mut key = [4; 65];
    key[1..9].copy_from_slice(&index.to_be_bytes());
    Address::new_secp256k1(&key).expect("a key of 65 bytes has an address")
}

/// Gas prices, limits and syscalls of the chain.
pub fn network() -> NetworkConfig {
    let mut network = NetworkConfig::new(NETWORK_VERSION);
    network.chain_id(ChainID::from(CHAIN_ID));
    network
}

/// The rules, time and fees of every block, on a state.
pub fn context(root: Cid) -> MachineContext {
    let mut context = network().for_epoch(EPOCH, TIMESTAMP_SECONDS, root);
    context
        .set_base_fee(TokenAmount::from_atto(BASE_FEE_ATTO))
        .set_circulating_supply(TokenAmount::from_whole(2_000_000_000));
    context
}

/// Code of one of the bundle's actors.
pub fn code(name: &str) -> anyhow::Result<Cid> {
    actor_bundle::code(name).with_context(|| format!("the bundle has no actor {name}"))
}

impl World {
    /// A world of so many accounts.
    ///
    /// # Errors
    /// When the bundle or the genesis is wrong, which is a bug.
    pub fn new(accounts: u64) -> anyhow::Result<Self> {
        let bundle = actor_bundle::blocks().iter().map(|(cid, block)| (*cid, block.clone())).collect();
        let base = Base::default().with(bundle);
        let output = genesis::build(&Layer::new(base.clone()), &genesis_document())?;
        let layer = Layer::new(base.clone());
        layer.put_many_keyed(output.new_blocks)?;
        layer.put_keyed(&EMPTY_ARR_CID, &[0x80])?;
        let init = init_state(&layer, &output.state_root)?.1;
        let base = base.with(layer.take());
        let (root, next_id) = (output.state_root, init.next_id);
        let empty = Self { base, root, accounts, first_account: next_id, next_id };

        let code = code("account")?;
        let layer = Layer::new(Base::default());
        let accounts = (0..accounts).map(|index| {
            let address = address(index);
            let state = layer.put_cbor(&account::State { address }, Blake2b256)?;
            let actor = ActorState::new(code, state, TokenAmount::from_whole(ACCOUNT_FIL), 0, None);
            Ok(NewActor { address: Some(address), actor })
        });
        let accounts = accounts.collect::<anyhow::Result<Vec<_>>>()?;
        empty.with(&layer, accounts)
    }

    /// Number of accounts; [`address`] tells theirs.
    pub fn accounts(&self) -> u64 {
        self.accounts
    }

    /// The id that the next actor gets.
    pub fn next_id(&self) -> ActorID {
        self.next_id
    }

    /// Id of account number `index`.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn account_id(&self, index: u64) -> ActorID {
        assert!(index < self.accounts, "account {index} of {}", self.accounts);
        self.first_account + index
    }

    /// The same world whose blocks each take so long to read.
    #[must_use]
    pub fn slow(&self, latency: std::time::Duration) -> Self {
        Self { base: self.base.slow(latency), ..self.clone() }
    }

    /// This world with more actors, whose ids follow each other from [`World::next_id`] on. `blocks` has their state
    /// and code and is emptied.
    ///
    /// # Errors
    /// When an address is taken twice, or the state cannot be read.
    pub fn with(&self, blocks: &Layer, actors: Vec<NewActor>) -> anyhow::Result<Self> {
        let store = Layer::new(self.base.with(blocks.take()));
        let (mut state, mut init) = init_state(&store, &self.root)?;
        let (mut ids, mut changes) = (Changes::new(), Changes::new());
        let mut next_id = self.next_id;
        for NewActor { address, actor } in actors {
            if let Some(address) = address {
                let taken = ids.insert(address.to_bytes(), Some(to_vec(&next_id)?));
                ensure!(taken.is_none(), "two actors have address {address}");
            }
            changes.insert(Address::new_id(next_id).to_bytes(), Some(to_vec(&actor)?));
            next_id += 1;
        }
        init.address_map = write(&store, &init.address_map, &ids)?;
        init.next_id = next_id;

        let tree = fvm::state_tree::StateTree::new_from_root(store.clone(), &self.root)?;
        let mut init_actor = tree.get_actor(INIT_ID)?.context("there is no init actor")?;
        init_actor.state = store.put_cbor(&init, Blake2b256)?;
        changes.insert(Address::new_id(INIT_ID).to_bytes(), Some(to_vec(&init_actor)?));
        state.actors = write(&store, &state.actors, &changes)?;
        let root = store.put_cbor(&state, Blake2b256)?;
        let base = store.into_base();
        Ok(Self { base, root, next_id, ..self.clone() })
    }
}

fn init_state(store: &Layer, root: &Cid) -> anyhow::Result<(StateRoot, init::State)> {
    let state: StateRoot = store.get_cbor(root)?.context("there is no state")?;
    let tree = fvm::state_tree::StateTree::new_from_root(store.clone(), root)?;
    let actor = tree.get_actor(INIT_ID)?.context("there is no init actor")?;
    Ok((state, store.get_cbor(&actor.state)?.context("the init actor has no state")?))
}

fn write(store: &Layer, root: &Cid, changes: &Changes) -> anyhow::Result<Cid> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let written = hamt::write(store, &Nodes::new(NODES_BYTES_MAX), root, changes, threads)?;
    store.put_many_keyed(written.blocks)?;
    Ok(written.root)
}

/// A root chain without accounts.
fn genesis_document() -> Genesis {
    let validator = |seed: u8| Validator {
        // Nobody's account: numbers of accounts are small.
        owner: address(u64::MAX - u64::from(seed)),
        vote_key: VoteKey([seed; 32]),
        checkpoint_key: BlsPublicKey([seed; 48]),
        power: Power::new(10),
    };
    let validators = ValidatorSet::new(ConfigurationNumber::FIRST, (1..=4).map(validator).collect());
    Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(CHAIN_ID),
        timestamp: TimestampMs::new(TIMESTAMP_SECONDS * 1_000),
        chain: parameters(),
        validators: validators.expect("four validators with keys of their own are a set"),
        balances: Vec::new(),
        parent: None,
    }
}

/// The chain's rules as its genesis has them, and as a subnet on it may have them.
pub(crate) fn parameters() -> ChainParameters {
    ChainParameters {
        block_interval_ms: 1_000,
        block_gas_limit: 10_000_000_000,
        base_fee_min: TokenAmount::from_atto(BASE_FEE_ATTO),
        signatures: SignaturePolicy::Bound,
        checkpoint_period_blocks: 10,
        trusting_period_ms: 1_000_000_000,
        cross_gas_price: TokenAmount::default(),
        bundle: actor_bundle::manifest_cid(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm::state_tree::StateTree;

    #[test]
    fn accounts_are_where_their_addresses_lead() {
        let world = World::new(300).unwrap();
        let store = Layer::new(world.base.clone());
        let tree = StateTree::new_from_root(store.clone(), &world.root).unwrap();
        for index in [0, 1, 255, 299] {
            let id = tree.lookup_id(&address(index)).unwrap();
            assert_eq!(id, Some(world.account_id(index)));
            let actor = tree.get_actor(world.account_id(index)).unwrap().unwrap();
            let state: account::State = store.get_cbor(&actor.state).unwrap().unwrap();
            assert_eq!((state.address, actor.sequence), (address(index), 0));
            assert_eq!(actor.balance, TokenAmount::from_whole(ACCOUNT_FIL));
        }
        assert_eq!(tree.lookup_id(&address(300)).unwrap(), None);
        assert_eq!(tree.get_actor(world.next_id()).unwrap(), None);
    }

    #[test]
    fn actors_put_later_stand_beside_the_accounts() {
        let world = World::new(10).unwrap();
        let actor = ActorState::new_empty(code("placeholder").unwrap(), None);
        let added = NewActor { address: Some(address(1_000)), actor: actor.clone() };
        let more = world.with(&Layer::new(Base::default()), vec![added.clone()]).unwrap();
        let tree = StateTree::new_from_root(Layer::new(more.base.clone()), &more.root).unwrap();
        assert_eq!(tree.lookup_id(&address(1_000)).unwrap(), Some(world.next_id()));
        assert_eq!(tree.get_actor(world.next_id()).unwrap(), Some(actor));
        assert_eq!(tree.lookup_id(&address(9)).unwrap(), Some(world.account_id(9)));
        // The next actor is created with the id after, by the init actor's own account.
        let init = init_state(&Layer::new(more.base.clone()), &more.root).unwrap().1;
        assert_eq!(init.next_id, more.next_id());
        assert!(world.with(&Layer::new(Base::default()), vec![added.clone(), added]).is_err());
    }
}
