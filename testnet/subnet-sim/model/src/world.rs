//! The state of a whole hierarchy: chains, edges, the wire, and the ledger of what truly happened.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::message::{Address, Amount, ChainId, Checkpoint, Code, Id, Message, Packet, Place};

/// A message that its origin waits for an answer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pending {
    /// Where it went.
    pub destination: Place,
    /// Value and fee: no more can come back.
    pub amount: Amount,
}

/// What a chain holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    /// What everybody has. Nothing that a checkpoint actor holds is here.
    pub balances: BTreeMap<Address, Amount>,
    /// Value that could not be credited.
    pub unclaimed: BTreeMap<Address, Amount>,
    /// Balance of the burnt funds.
    pub burnt: Amount,
    /// What has left the mint reserve and not come back; burnt or circulating.
    pub minted: Amount,
    /// Of the next message that begins here.
    pub next_sequence: u8,
    /// A bit for each message that began here and is answered.
    pub settled: u32,
    /// Messages that began here and wait for an answer, by sequence.
    pub pending: BTreeMap<u8, Pending>,
    /// Messages on their way up that no cut has taken.
    pub outbox: Vec<Message>,
    /// What it has cut, all of it.
    pub cuts: Vec<Checkpoint>,
    /// What it reported as burned.
    pub burned_reported: Amount,
    /// Nonce of the next top-down message.
    pub cursor: u8,
}

/// An accepted batch with something left to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// Of which checkpoint.
    pub sequence: u8,
    /// Nonce of its first message.
    pub first: u8,
    /// Stands for the root.
    pub messages: Vec<Message>,
    /// What it declared, less what was delivered; no part of custody any more.
    pub left: Amount,
}

impl Batch {
    /// The nonce behind its last message.
    pub fn end(&self) -> u8 {
        self.first + self.messages.len() as u8
    }
}

/// What a parent's gateway and checkpoint actor keep for one child.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Messages to the child, by nonce. Those below `pruned` are kept for the checks alone.
    pub queue: Vec<Message>,
    /// Messages below are gone.
    pub pruned: u8,
    /// Locked for the child.
    pub custody: Amount,
    /// Sequence of the last accepted checkpoint.
    pub accepted: u8,
    /// First nonce of the next checkpoint.
    pub next_first: u8,
    /// Accepted and not delivered to the end, oldest first.
    pub batches: Vec<Batch>,
    /// Nonce of the next message to deliver.
    pub cursor: u8,
}

/// A receipt that was taken for the outcome of a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counted {
    /// The message.
    pub of: Id,
    /// The outcome.
    pub code: Code,
    /// What came back.
    pub amount: Amount,
}

/// What truly happened. No rule of the protocol reads this; the properties do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// Every message that a chain has issued, receipts too, as it was at first.
    pub issued: BTreeMap<Id, Message>,
    /// Every message that took effect at its destination, in order.
    pub executed: Vec<Message>,
    /// For each child, what its chain took from the edge, in order.
    pub applied_down: Vec<Vec<(u8, Id)>>,
    /// For each child, what its parent took from the edge, in order.
    pub applied_up: Vec<Vec<(u8, Id)>>,
    /// For each child, the accepted checkpoints: sequence, and whether the child has cut just that.
    pub accepted: Vec<Vec<(u8, bool)>>,
    /// For each child, all that was ever locked for it.
    pub locked: Vec<Amount>,
    /// For each child, all that ever left its custody for good: paid out, passed on or burned.
    pub released: Vec<Amount>,
    /// Every receipt that counted.
    pub counted: Vec<Counted>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// By [`ChainId`].
    pub chains: Vec<Chain>,
    /// By [`ChainId`] of the child. The root's is empty and unused.
    pub edges: Vec<Edge>,
    /// The wire, sorted; equal packets may be there more than once.
    pub network: Vec<Packet>,
    /// A bit for each of [`Config::sends`] that was sent.
    pub sent: u16,
    /// For the properties alone.
    pub ledger: Ledger,
}

impl World {
    /// Before anything has happened.
    pub fn start(config: &Config) -> Self {
        let chains = config.ids().map(|id| Chain {
            balances: config.chains[id.index()].balances.clone(),
            unclaimed: BTreeMap::new(),
            burnt: 0,
            minted: config.circulating_at_start(id),
            next_sequence: 0,
            settled: 0,
            pending: BTreeMap::new(),
            outbox: Vec::new(),
            cuts: Vec::new(),
            burned_reported: 0,
            cursor: 0,
        });
        let custody = |id: ChainId| if id == ChainId::ROOT { 0 } else { config.circulating_at_start(id) };
        let edges = config.ids().map(|id| Edge {
            queue: Vec::new(),
            pruned: 0,
            custody: custody(id),
            accepted: 0,
            next_first: 0,
            batches: Vec::new(),
            cursor: 0,
        });
        let count = config.chains.len();
        let ledger = Ledger {
            applied_down: vec![Vec::new(); count],
            applied_up: vec![Vec::new(); count],
            accepted: vec![Vec::new(); count],
            locked: config.ids().map(custody).collect(),
            released: vec![0; count],
            ..Ledger::default()
        };
        Self { chains: chains.collect(), edges: edges.collect(), network: Vec::new(), sent: 0, ledger }
    }

    /// The state of a chain.
    pub fn chain(&self, id: ChainId) -> &Chain {
        &self.chains[id.index()]
    }

    pub(crate) fn chain_mut(&mut self, id: ChainId) -> &mut Chain {
        &mut self.chains[id.index()]
    }

    /// The edge between `child` and its parent.
    pub fn edge(&self, child: ChainId) -> &Edge {
        &self.edges[child.index()]
    }

    pub(crate) fn edge_mut(&mut self, child: ChainId) -> &mut Edge {
        &mut self.edges[child.index()]
    }

    pub(crate) fn post(&mut self, packet: Packet) {
        let at = self.network.partition_point(|other| *other <= packet);
        self.network.insert(at, packet);
    }

    /// The same world without one such packet on the wire; `None` when there is none.
    pub(crate) fn without(&self, packet: &Packet) -> Option<Self> {
        let at = self.network.iter().position(|other| other == packet)?;
        let mut world = self.clone();
        world.network.remove(at);
        Some(world)
    }
}

impl Chain {
    /// What `address` has.
    pub fn balance(&self, address: Address) -> Amount {
        self.balances.get(&address).copied().unwrap_or(0)
    }

    pub(crate) fn credit(&mut self, address: Address, amount: Amount) {
        if amount != 0 {
            *self.balances.entry(address).or_insert(0) += amount;
        }
    }
}
