//! What must always hold, looked at from outside: decoded state, blocks and events, and none of the code that keeps it.
//!
//! | Invariant | Where |
//! |---|---|
//! | on every edge custody = circulating + in flight + burned and not yet reported; a root's supply is constant | [`supply`] |
//! | checkpoints: no gap, no fork, no repeat; more than 2/3 of the confirmed power signed | [`settlement`] |
//! | every nonce is applied once and in order | [`order`] |
//! | the same block makes the same state on every node; a restart reaches the same chain | [`crate::chain`] |
//! | a subnet moves no more than its own custody | [`settlement`] |

pub mod order;
pub mod settlement;
pub mod supply;

use anyhow::Context;
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_types::{ConfigurationNumber, Digest, Sequence};

use crate::chain::Chain;

/// The way between a subnet and its parent, as the checks remember it.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The subnet's number.
    pub child: usize,
    /// The parent's number.
    pub parent: usize,
    /// Id of the checkpoint actor.
    pub actor: ActorID,
    /// Ids of what was queued down, by nonce.
    pub down: Vec<Digest>,
    /// How many of them the subnet applied.
    pub applied: usize,
    /// Ids of what was queued up, by nonce.
    pub up: Vec<Digest>,
    /// How many of them the parent delivered.
    pub delivered: usize,
    /// The last accepted checkpoint.
    pub accepted: Sequence,
    /// Its digest; at first the subnet's identity.
    pub digest: Digest,
    /// The configuration it confirmed.
    pub confirmed: ConfigurationNumber,
    /// All that accepted checkpoints reported as burned, in attoFIL.
    pub burned_reported: TokenAmount,
    /// All that accepted checkpoints took out of custody, in attoFIL.
    pub moved: TokenAmount,
}

/// What the checks know of the world.
#[derive(Debug, Default)]
pub struct Checks {
    /// All edges, in the order in which their subnets came.
    pub edges: Vec<Edge>,
    /// How often an edge's value was added up.
    pub sums: u64,
    /// What the root had at its genesis, in attoFIL; `None` before the first look.
    issued: Option<TokenAmount>,
}

impl Checks {
    /// A subnet was started.
    ///
    /// # Errors
    /// When the chains cannot be read.
    pub fn started(&mut self, child: usize, parent: usize, actor: ActorID, chains: &[Chain]) -> anyhow::Result<()> {
        self.edges.push(Edge {
            child,
            parent,
            actor,
            down: Vec::new(),
            applied: 0,
            up: Vec::new(),
            delivered: 0,
            accepted: Sequence::ZERO,
            digest: *chains[child].reader()?.identity(),
            confirmed: ConfigurationNumber::FIRST,
            burned_reported: TokenAmount::default(),
            moved: TokenAmount::default(),
        });
        Ok(())
    }

    /// Looks at the block that `chain` has just committed. With `is_thorough`, all value next to it is added up.
    ///
    /// # Errors
    /// What does not hold.
    pub fn committed(&mut self, chains: &[Chain], number: usize, is_thorough: bool) -> anyhow::Result<()> {
        let chain = &chains[number];
        let place =
            || format!("{} after block {}", chain.name, chain.best().and_then(|n| n.height()).unwrap_or_default());
        order::check(&mut self.edges, chain).with_context(place)?;
        let accepted = settlement::check(&mut self.edges, chains, number).with_context(place)?;
        for edge in self.edges.iter().filter(|edge| edge.child == number || edge.parent == number) {
            if is_thorough || accepted.contains(&edge.child) {
                supply::check_edge(edge, chains).with_context(place)?;
                self.sums += 1;
            }
        }
        if is_thorough && chain.parent.is_none() {
            let total = supply::total(chain.reader()?)?;
            let issued = self.issued.get_or_insert_with(|| total.clone());
            anyhow::ensure!(*issued == total, "{}: the root holds {total}, genesis issued {issued}", place());
        }
        Ok(())
    }
}
