//! The hierarchies and workloads that are checked.

use std::collections::BTreeMap;

use crate::message::{Address, Amount, ChainId, Checkpoint, Code, Id, Kind, Message, Place, Send};
use crate::mutation::Mutation;

/// A chain as the model begins with it.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    /// For people.
    pub name: &'static str,
    /// `None` for the root.
    pub parent: Option<ChainId>,
    /// Whether its validators sign anything, all together. Such a chain runs no protocol; it only forges.
    pub is_corrupt: bool,
    /// Who has what.
    pub balances: BTreeMap<Address, Amount>,
}

/// Where the next hop of a message leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// It is where it should be.
    Here,
    /// Into a child.
    Down(ChainId),
    /// To the parent.
    Up,
    /// There is no such chain.
    Nowhere,
}

/// What is checked: a hierarchy, what is sent on it, and what may go wrong.
#[derive(Clone, Debug)]
pub struct Config {
    /// What `--config` calls it.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// The hierarchy, parents before children.
    pub chains: Vec<ChainSpec>,
    /// Each is sent at most once, at any moment and in any order. No two are equal.
    pub sends: Vec<Send>,
    /// What the corrupt child signs.
    pub forgeries: Vec<Forgery>,
    /// Forged checkpoints of the corrupt child that its parent may accept, at most.
    pub forgeries_max: u8,
    /// Packets on the wire at the same time, at most.
    pub packets_max: usize,
    /// Price of one delivery, the same on every edge.
    pub cross_gas_price: Amount,
    /// Whether sources and submitters lie and minorities sign.
    pub has_liars: bool,
    /// The rule that is broken, if any.
    pub mutation: Option<Mutation>,
}

/// What a checkpoint that nobody cut says; sequence and nonces are chosen as its parent expects them.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// Its batch.
    pub messages: Vec<Message>,
    /// What it declares them to be worth.
    pub value: Amount,
    /// What it says has burned.
    pub burned: Amount,
}

const ROOT: ChainId = ChainId::ROOT;
const LEFT: ChainId = ChainId(1);
const RIGHT: ChainId = ChainId(2);
/// A chain that does not exist. Like every name, it lies below the root.
pub const UNKNOWN: ChainId = ChainId(99);

impl Config {
    /// The configuration of this name, unbroken.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|config| config.name == name)
    }

    /// All of them.
    pub fn all() -> Vec<Self> {
        vec![
            Self {
                name: "one-child",
                about: "a call that succeeds and one that fails cross one edge in opposite directions",
                sends: vec![
                    send((ROOT, Address::User), (LEFT, Address::Contract), Kind::Call, 1),
                    send((LEFT, Address::User), (ROOT, Address::Reverting), Kind::Call, 1),
                ],
                packets_max: 3,
                ..Self::base(vec![root(), child("left")])
            },
            Self {
                name: "batch",
                about: "three transfers in one direction, one of them to nobody: slices, ranges, order",
                sends: vec![
                    send((LEFT, Address::User), (ROOT, Address::User), Kind::Transfer, 1),
                    send((LEFT, Address::User), (ROOT, Address::Missing), Kind::Transfer, 1),
                    send((LEFT, Address::Contract), (ROOT, Address::Contract), Kind::Transfer, 1),
                ],
                ..Self::base(vec![root(), child("left")])
            },
            Self {
                name: "two-children",
                about: "a call between siblings that fails, a transfer with receipt down and one without up",
                sends: vec![
                    send((LEFT, Address::User), (RIGHT, Address::Reverting), Kind::Call, 1),
                    send((ROOT, Address::User), (RIGHT, Address::User), Kind::TransferWithReceipt, 1),
                    send((LEFT, Address::Contract), (ROOT, Address::User), Kind::Transfer, 1),
                ],
                ..Self::base(vec![root(), child("left"), child("right")])
            },
            Self {
                name: "three-levels",
                about: "from the leaf to the root and back: a call that succeeds, and a transfer to a chain that is not there",
                sends: vec![
                    send((RIGHT, Address::User), (ROOT, Address::Contract), Kind::Call, 1),
                    send((RIGHT, Address::User), (UNKNOWN, Address::User), Kind::Transfer, 1),
                ],
                ..Self::base(vec![root(), child("middle"), ChainSpec { parent: Some(LEFT), ..child("leaf") }])
            },
            Self {
                name: "fees",
                about: "as `one-child`, with a price on the edge: one message prepays more than it needs, one just enough",
                sends: vec![
                    Send { fee: 3, ..send((ROOT, Address::User), (LEFT, Address::Contract), Kind::Call, 0) },
                    Send { fee: 2, ..send((LEFT, Address::User), (ROOT, Address::Missing), Kind::Transfer, 1) },
                ],
                cross_gas_price: 1,
                ..Self::base(vec![root(), child("left")])
            },
            Self::corrupt_child(),
        ]
    }

    fn corrupt_child() -> Self {
        // What the root sends to `left` before anything else it sends has sequence 0; to `right` the same.
        let sent = |sequence| Id { chain: ROOT, address: Address::User, sequence };
        let own = |sequence| Id { chain: LEFT, address: Address::Thief, sequence };
        let thief = Place::new(LEFT, Address::Thief);
        let message =
            |id: Id, origin, destination, value, kind| Message { id, origin, destination, value, fee: 0, kind };
        let forged = |message: Message, value| Forgery { messages: vec![message], value, burned: 0 };
        let steal = |value| message(own(0), thief, Place::new(ROOT, Address::Thief), value, Kind::Transfer);
        let receipt = |sequence, code, value| {
            let origin = Place::new(LEFT, Address::Contract);
            let kind = Kind::Receipt { of: sent(sequence), code };
            forged(message(own(1), origin, Place::new(ROOT, Address::User), value, kind), value)
        };
        let impostor = Place::new(RIGHT, Address::User);
        let imposed = Id { chain: RIGHT, address: Address::User, sequence: 0 };
        Self {
            name: "corrupt-child",
            about: "one of two children is corrupt as a whole and signs anything; root and sibling trade on",
            sends: vec![
                send((ROOT, Address::User), (LEFT, Address::Contract), Kind::Call, 1),
                send((ROOT, Address::User), (RIGHT, Address::Contract), Kind::Call, 1),
            ],
            forgeries: vec![
                // As much as there is, more than that, more than declared, and nothing but a burn.
                forged(steal(3), 3),
                forged(steal(6), 6),
                forged(steal(6), 1),
                Forgery { messages: Vec::new(), value: 0, burned: 2 },
                // In the sibling's name; to the sibling.
                forged(message(imposed, impostor, Place::new(ROOT, Address::Thief), 1, Kind::Transfer), 1),
                forged(message(own(2), thief, Place::new(RIGHT, Address::Contract), 1, Kind::Call), 1),
                // Receipts: success, and refusals with what was sent and with more.
                receipt(0, Code::Ok, 0),
                receipt(0, Code::Refused, 1),
                receipt(0, Code::Refused, 2),
                receipt(1, Code::Refused, 1),
            ],
            forgeries_max: 2,
            ..Self::base(vec![root(), ChainSpec { is_corrupt: true, ..child("left") }, child("right")])
        }
    }

    fn base(chains: Vec<ChainSpec>) -> Self {
        Self {
            name: "",
            about: "",
            chains,
            sends: Vec::new(),
            forgeries: Vec::new(),
            forgeries_max: 0,
            packets_max: 2,
            cross_gas_price: 0,
            has_liars: true,
            mutation: None,
        }
    }

    /// The same with a rule broken.
    pub fn broken(self, mutation: Mutation) -> Self {
        Self { mutation: Some(mutation), ..self }
    }

    /// Whether this rule is broken.
    pub fn breaks(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Every chain, the root first.
    pub fn ids(&self) -> impl Iterator<Item = ChainId> + use<> {
        (0..self.chains.len() as u8).map(ChainId)
    }

    /// Every chain but the root; each stands for the edge to its parent.
    pub fn children(&self) -> impl Iterator<Item = ChainId> + use<> {
        self.ids().skip(1)
    }

    /// The chain above; `None` for the root. What does not exist would be a child of the root.
    pub fn parent(&self, chain: ChainId) -> Option<ChainId> {
        self.chains.get(chain.index()).map_or(Some(ROOT), |spec| spec.parent)
    }

    /// Whether `chain` is corrupt.
    pub fn is_corrupt(&self, chain: ChainId) -> bool {
        self.chains.get(chain.index()).is_some_and(|spec| spec.is_corrupt)
    }

    /// Whether `chain` is `top` or below it.
    pub fn is_within(&self, chain: ChainId, top: ChainId) -> bool {
        self.line(chain).contains(&top)
    }

    /// From `chain` to the root, both included.
    fn line(&self, chain: ChainId) -> Vec<ChainId> {
        std::iter::successors(Some(chain), |chain| self.parent(*chain)).collect()
    }

    /// The next hop from `here` to `destination`.
    pub fn hop(&self, here: ChainId, destination: ChainId) -> Hop {
        if destination == here {
            return Hop::Here;
        }
        let line = self.line(destination);
        match line.iter().position(|chain| *chain == here) {
            None => Hop::Up,
            Some(at) => match line[at - 1] {
                child if child.index() < self.chains.len() => Hop::Down(child),
                _ => Hop::Nowhere,
            },
        }
    }

    /// Whether `chain` lies on the way between two others, ends included.
    pub fn is_between(&self, chain: ChainId, from: ChainId, to: ChainId) -> bool {
        let (up, down) = (self.line(from), self.line(to));
        match up.iter().find(|top| down.contains(top)) {
            // The way goes up to the lowest common chain and down from there.
            Some(top) => (up.contains(&chain) || down.contains(&chain)) && self.is_within(chain, *top),
            None => false,
        }
    }

    /// Whether no corrupt chain lies on the way.
    pub fn is_honest_way(&self, from: ChainId, to: ChainId) -> bool {
        !self.ids().any(|chain| self.is_corrupt(chain) && self.is_between(chain, from, to))
    }

    /// What circulates on `chain` at the start, with what it holds for its children.
    pub fn circulating_at_start(&self, chain: ChainId) -> Amount {
        let own: Amount = self.chains[chain.index()].balances.values().sum();
        let below = self.children().filter(|child| self.parent(*child) == Some(chain));
        own + below.map(|child| self.circulating_at_start(child)).sum::<Amount>()
    }

    /// The checkpoint that a forgery makes where its parent expects `sequence` and `first`.
    pub fn forge(&self, forgery: &Forgery, sequence: u8, first: u8) -> Checkpoint {
        let Forgery { messages, value, burned } = forgery.clone();
        Checkpoint { sequence, first, messages, value, burned, applied: 0 }
    }
}

fn root() -> ChainSpec {
    let balances = BTreeMap::from([(Address::User, 4), (Address::Contract, 1)]);
    ChainSpec { name: "root", parent: None, is_corrupt: false, balances }
}

fn child(name: &'static str) -> ChainSpec {
    let balances = BTreeMap::from([(Address::User, 3), (Address::Contract, 1)]);
    ChainSpec { name, parent: Some(ROOT), is_corrupt: false, balances }
}

fn send(from: (ChainId, Address), to: (ChainId, Address), kind: Kind, value: Amount) -> Send {
    Send { from: Place::new(from.0, from.1), to: Place::new(to.0, to.1), kind, value, fee: 0 }
}
