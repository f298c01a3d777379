//! The state of a root without its VM: accounts, and a gateway with children whose transitions are called directly.

use cid::Cid;
use fvm::state_tree::{ActorState, StateTree, StateTreeVersion};
use fvm_exec::witness::{RangeLimits, RangeQuery, Recorded, record};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::{CborStore, RawBytes};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use gateway_actor::State;
use gateway_actor::types::{Child as Entry, Draft, GatewayGenesis};
use ipld_core::ipld::Ipld;
use multihash_codetable::Code::Blake2b256;
use serde::Serialize;
use subnet_types::actors::{CommitCheckpointParams, FIRST_USER_ID, GATEWAY_ID, INIT_ID};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::hash::{cid_of, cid_of_bytes};
use subnet_types::parent::{MembershipChange, WitnessBlock};
use subnet_types::{
    BlsPublicKey, ConfigurationNumber, Height, Nonce, Power, SubnetId, TimestampMs, Validator, VoteKey,
};

use crate::common::accounts::secp;
use crate::common::genesis::{CHECKPOINT_PERIOD_BLOCKS, GENESIS_TIME_MS, PARENT_IDENTITY, ROOT_CHAIN_ID, validators};
use crate::common::store::MemoryStore;

/// A root with children.
pub struct Parent {
    pub store: MemoryStore,
    pub gateway: State,
    init: init::State,
}

/// An active child.
#[derive(Clone, Debug)]
pub struct Child {
    pub id: ActorID,
    pub name: SubnetId,
}

impl Parent {
    /// A root with so many accounts and no child.
    pub fn with_accounts(accounts: u64) -> Self {
        let store = MemoryStore::default();
        let subnet = SubnetId::root(ROOT_CHAIN_ID);
        let mut init = init::State::new(&store, subnet.to_string()).unwrap();
        for number in 0..accounts {
            init.assign_id(&store, &account(number), None).unwrap();
        }
        let genesis = GatewayGenesis {
            subnet,
            identity: PARENT_IDENTITY,
            validators: validators(),
            parent: None,
            checkpoint_period_blocks: CHECKPOINT_PERIOD_BLOCKS,
            checkpoint_code: cid_of(&"code of checkpoint actors"),
            cross_gas_price: TokenAmount::default(),
        };
        let gateway = State::genesis(&store, genesis).unwrap();
        Self { store, gateway, init }
    }

    /// Another active child.
    pub fn child(&mut self, name: &str) -> Child {
        let actor = Address::new_actor(name.as_bytes());
        let id = self.init.assign_id(&self.store, &actor, None).unwrap();
        let name = self.gateway.register_child(&self.store, id, actor, TokenAmount::default()).unwrap();
        let time = TimestampMs::new(GENESIS_TIME_MS);
        self.gateway.activate_child(&self.store, id, Height::new(1), time).unwrap();
        Child { id, name }
    }

    /// Queues a transfer, or a call that brings so many bytes.
    pub fn queue(&mut self, child: &Child, payload: usize) -> CrossMessage {
        let kind = match payload {
            0 => CrossKind::Transfer,
            length => CrossKind::Call { method: 2, params: RawBytes::new(vec![7; length]) },
        };
        self.queue_kind(child, kind, 0)
    }

    /// Queues a call with this much gas for its code.
    pub fn queue_call(&mut self, child: &Child, gas_limit: u64) -> CrossMessage {
        self.queue_kind(child, CrossKind::Call { method: 2, params: RawBytes::default() }, gas_limit)
    }

    fn queue_kind(&mut self, child: &Child, kind: CrossKind, gas_limit: u64) -> CrossMessage {
        let destination = CrossAddress { subnet: child.name.clone(), address: secp(1) };
        let value = TokenAmount::from_nano(self.gateway.next_origin_sequence + 1);
        let draft = Draft { gas_limit, ..Draft::new(secp(111), destination, value, kind) };
        self.gateway.queue_down(&self.store, child.id, Height::new(2), draft).unwrap()
    }

    /// Queues so many transfers.
    pub fn queue_all(&mut self, child: &Child, count: u64) -> Vec<CrossMessage> {
        (0..count).map(|_| self.queue(child, 0)).collect()
    }

    /// Logs the next change.
    pub fn log(&mut self, child: &Child) -> MembershipChange {
        let number = self.entry(child).configuration_logged.next();
        let seed = number.get().to_le_bytes()[0];
        let validator = Validator {
            owner: secp(seed),
            vote_key: VoteKey([seed; 32]),
            checkpoint_key: BlsPublicKey([seed; 48]),
            power: Power::new(number.get()),
        };
        let change = MembershipChange { number, validator };
        self.gateway.log_change(&self.store, child.id, Height::new(2), change.clone()).unwrap();
        change
    }

    /// Accepts a checkpoint that reports messages below `nonce` as applied.
    pub fn accept(&mut self, child: &Child, nonce: u64) {
        let report = CommitCheckpointParams {
            top_down_applied: TopDownApplied { nonce: Nonce::new(nonce), parent_height: Height::new(2) },
            configuration: ConfigurationNumber::FIRST,
        };
        self.gateway.commit_checkpoint(&self.store, child.id, &report).unwrap();
    }

    /// What the gateway keeps for the child.
    pub fn entry(&self, child: &Child) -> Entry {
        self.gateway.child(&self.store, child.id).unwrap().unwrap()
    }

    /// Writes the state and returns its root.
    pub fn root(&self) -> Cid {
        let mut tree = StateTree::new(self.store.clone(), StateTreeVersion::V5).unwrap();
        tree.set_actor(INIT_ID, actor("init", self.put(&self.init)));
        tree.set_actor(GATEWAY_ID, actor("gateway", self.put(&self.gateway)));
        for id in FIRST_USER_ID..self.init.next_id {
            tree.set_actor(id, actor("account", cid_of(&("state of", id))));
        }
        tree.flush().unwrap()
    }

    pub fn put(&self, value: &impl Serialize) -> Cid {
        self.store.put_cbor(value, Blake2b256).unwrap()
    }

    /// All blocks below `root`, in the order of a witness. More than any witness of that state has.
    pub fn all_blocks(&self, root: &Cid) -> Vec<WitnessBlock> {
        let (mut open, mut found) = (vec![*root], std::collections::BTreeMap::new());
        while let Some(cid) = open.pop() {
            // Code and states of accounts are only names here.
            let Some(bytes) = self.store.get(&cid).unwrap() else { continue };
            let ipld: Ipld = fvm_ipld_encoding::from_slice(&bytes).unwrap();
            ipld.references(&mut open);
            found.insert(cid, bytes);
        }
        found.into_values().map(|bytes| WitnessBlock { bytes }).collect()
    }
}

/// Address of the account with this number.
pub fn account(number: u64) -> Address {
    Address::new_actor(&number.to_be_bytes())
}

fn actor(code: &str, state: Cid) -> ActorState {
    ActorState::new(cid_of(&("code of", code)), state, TokenAmount::default(), 0, None)
}

/// A query with an update's limits but for the number of messages, and as much gas as they need.
pub fn ask(child: &SubnetId, nonce: u64, configuration: u64, messages_max: usize) -> RangeQuery {
    RangeQuery {
        child: child.clone(),
        from_nonce: Nonce::new(nonce),
        from_configuration: ConfigurationNumber::new(configuration),
        limits: RangeLimits { messages_max, ..RangeLimits::UPDATE },
    }
}

/// A state like that of a busy root, a query, and its witness: 300 accounts, 20 children, 100 messages, 5 changes.
pub fn example() -> (Parent, Child, Cid, RangeQuery, Recorded) {
    let mut parent = Parent::with_accounts(300);
    let children: Vec<Child> = (0..20).map(|number| parent.child(&format!("child {number}"))).collect();
    let child = children[7].clone();
    parent.queue_all(&child, 60);
    parent.queue_all(&children[8], 30);
    parent.queue_all(&child, 40);
    for _ in 0..5 {
        parent.log(&child);
    }
    parent.log(&children[8]);
    let root = parent.root();
    let query = ask(&child.name, 10, 3, 128);
    let recorded = record(&parent.store, &root, &query).unwrap();
    (parent, child, root, query, recorded)
}

/// The CID that the block's bytes have.
pub fn cid(block: &WitnessBlock) -> Cid {
    cid_of_bytes(&block.bytes)
}

/// Brings blocks into the order of a witness.
pub fn sorted(mut blocks: Vec<WitnessBlock>) -> Vec<WitnessBlock> {
    blocks.sort_by_key(cid);
    blocks
}

/// Bytes of the blocks together.
pub fn size(blocks: &[WitnessBlock]) -> usize {
    blocks.iter().map(|block| block.bytes.len()).sum()
}
