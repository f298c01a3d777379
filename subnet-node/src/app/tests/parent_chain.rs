//! A parent without its VM: states with what its gateway holds for the subnet, and blocks over them. What it proves is
//! proved as by any parent.

use cid::Cid;
use fvm::state_tree::{ActorState, StateTree, StateTreeVersion};
use fvm_exec::witness::{RangeLimits, RangeQuery, record};
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::MemoryBlockstore;
use fvm_ipld_encoding::CborStore;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use gateway_actor::types::{Child, GatewayGenesis, LoggedChange, QueuedMessage};
use multihash_codetable::Code::Blake2b256;
use serde::Serialize;
use subnet_types::actors::{GATEWAY_ID, INIT_ID};
use subnet_types::block::BLOCK_VERSION;
use subnet_types::hash::{cid_of, cid_of_bytes};
use subnet_types::parent::{Handover, MembershipChange};
use subnet_types::{
    BlockHeader, ConfigurationNumber, CrossMessage, FinalityCertificate, Height, Nonce, ParentUpdate, SubnetId,
    TimestampMs, ValidatorSet,
};

use super::world::{PARENT_IDENTITY, START_MS, VALIDATORS, certificate, validators, vote_key};

/// Robust address of the subnet's checkpoint actor.
fn actor() -> Address {
    Address::new_actor(b"checkpoint actor")
}

/// The parent's validators with seeds from `first` on: 101 for the first set, 105 for the second, 109 for the third. From
/// 116 on the secrets of checkpoint keys would be out of range.
pub fn parent_set(first: u8) -> ValidatorSet {
    let number = ConfigurationNumber::new(u64::from((first - 101) / VALIDATORS) + 1);
    ValidatorSet::new(number, validators(first, VALIDATORS).validators().to_vec()).unwrap()
}

/// The parent when the block of one height was voted on.
#[derive(Clone, Debug)]
pub struct ParentState {
    /// That block's height. It proves the state.
    pub height: u64,
    /// The messages that the gateway keeps for the subnet.
    pub queue: Vec<CrossMessage>,
    /// All changes of the subnet's validators, from configuration 2 on.
    pub changes: Vec<MembershipChange>,
    /// First seed of those who vote.
    pub voters: u8,
    /// First seed of those who vote next.
    pub next_voters: u8,
}

impl ParentState {
    /// The block of that height over a state with that queue, by the first validators.
    pub fn new(height: u64, queue: Vec<CrossMessage>) -> Self {
        Self { height, queue, changes: Vec::new(), voters: 101, next_voters: 101 }
    }

    /// What the subnet has to learn from a message and a configuration on.
    pub fn update(&self, nonce: u64, configuration: u64) -> ParentUpdate {
        let (store, state_root) = self.state();
        let query = RangeQuery {
            child: SubnetId::root(31_415_926).child(actor()).unwrap(),
            from_nonce: Nonce::new(nonce),
            from_configuration: ConfigurationNumber::new(configuration),
            limits: RangeLimits::UPDATE,
        };
        let witness = record(&store, &state_root, &query).unwrap().blocks;
        let header = self.header_over(state_root);
        ParentUpdate { handovers: Vec::new(), certificate: self.certify(&header), header, witness }
    }

    /// The block's header.
    pub fn header(&self) -> BlockHeader {
        self.header_over(self.state().1)
    }

    /// The block as the last one of its voters.
    pub fn handover(&self) -> Handover {
        let header = self.header();
        Handover { certificate: self.certify(&header), header, validators: parent_set(self.next_voters) }
    }

    fn certify(&self, header: &BlockHeader) -> FinalityCertificate {
        certificate(&PARENT_IDENTITY, header.height, &header.id(), self.voters)
    }

    fn header_over(&self, state_root: Cid) -> BlockHeader {
        BlockHeader {
            version: BLOCK_VERSION,
            chain: PARENT_IDENTITY,
            height: Height::new(self.height),
            parent: cid_of_bytes(b"parent block"),
            timestamp: TimestampMs::new(START_MS + self.height),
            proposer: vote_key(self.voters).public(),
            payload_root: cid_of_bytes(b"payload"),
            state_root,
            receipts_root: cid_of_bytes(b"receipts"),
            gas_used: 0,
            base_fee: TokenAmount::from_atto(100),
            validators_hash: parent_set(self.voters).hash(),
            next_validators_hash: parent_set(self.next_voters).hash(),
        }
    }

    /// The state's blocks and root.
    fn state(&self) -> (MemoryBlockstore, Cid) {
        let store = MemoryBlockstore::default();
        let root = self.write(&store);
        (store, root)
    }

    fn write(&self, store: &MemoryBlockstore) -> Cid {
        let subnet = SubnetId::root(31_415_926);
        let mut init = init::State::new(store, subnet.to_string()).unwrap();
        let id = init.assign_id(store, &actor(), None).unwrap();
        let genesis = GatewayGenesis {
            subnet,
            identity: PARENT_IDENTITY,
            validators: parent_set(self.voters),
            parent: None,
            checkpoint_period_blocks: 1,
            cross_gas_price: TokenAmount::default(),
            checkpoint_code: cid_of(&"code of checkpoint actors"),
        };
        let mut gateway = gateway_actor::State::genesis(store, genesis).unwrap();
        gateway.register_child(store, id, actor(), TokenAmount::default()).unwrap();
        gateway.activate_child(store, id, Height::new(50), TimestampMs::new(START_MS)).unwrap();
        let mut child = gateway.child(store, id).unwrap().unwrap();
        let mut queue: Amt<QueuedMessage, _> = Amt::load(&child.messages, store).unwrap();
        for message in &self.queue {
            let (before, link) = (child.queued_total.clone(), store.put_cbor(message, Blake2b256).unwrap());
            let queued = QueuedMessage { queued_at: Height::new(50), before, message: link };
            queue.set(message.nonce.get(), queued).unwrap();
            child.queued_total += message.amount();
        }
        child.messages = queue.flush().unwrap();
        if let (Some(first), Some(last)) = (self.queue.first(), self.queue.last()) {
            (child.pruned_below, child.next_nonce) = (first.nonce, last.nonce.next());
        }
        let mut changes: Amt<LoggedChange, _> = Amt::load(&child.changes, store).unwrap();
        for change in &self.changes {
            changes
                .set(change.number.get(), LoggedChange { logged_at: Height::new(50), change: change.clone() })
                .unwrap();
            child.configuration_logged = change.number;
        }
        child.changes = changes.flush().unwrap();
        let mut children: Amt<Child, _> = Amt::load(&gateway.children, store).unwrap();
        children.set(id, child).unwrap();
        gateway.children = children.flush().unwrap();

        let mut tree = StateTree::new(store, StateTreeVersion::V5).unwrap();
        tree.set_actor(INIT_ID, actor_state(store, "init", &init));
        tree.set_actor(GATEWAY_ID, actor_state(store, "gateway", &gateway));
        tree.flush().unwrap()
    }
}

fn actor_state(store: &MemoryBlockstore, code: &str, state: &impl Serialize) -> ActorState {
    let state = store.put_cbor(state, Blake2b256).unwrap();
    ActorState::new(cid_of(&("code of", code)), state, TokenAmount::default(), 0, None)
}

/// The block `height` over a state with nothing but `messages`, and what a subnet learns of it that has to apply the
/// first of them.
pub fn parent_update(height: u64, messages: Vec<CrossMessage>) -> ParentUpdate {
    let nonce = messages.first().map_or(0, |message| message.nonce.get());
    ParentState::new(height, messages).update(nonce, 2)
}

/// The update with a certificate of the first validators for its header as it is now.
pub fn certified(update: ParentUpdate) -> ParentUpdate {
    let header = &update.header;
    let certificate = certificate(&header.chain, header.height, &header.id(), 101);
    ParentUpdate { certificate, ..update }
}
