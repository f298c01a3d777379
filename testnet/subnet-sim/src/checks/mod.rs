//! What must always hold, looked at from outside: decoded state, blocks and events, and none of the code that keeps it.
//!
//! | Invariant | Where |
//! |---|---|
//! | custody = circulating + in flight + burned and not yet reported; a chain's supply is constant | [`supply`] |
//! | checkpoints: no gap, no fork, no repeat; more than 2/3 of the confirmed power signed | [`settlement`] |
//! | every nonce is applied once and in order | [`order`] |
//! | every message ends in delivery or with its value back, and every answer is true and counts once | [`journeys`] |
//! | one block, one state, on every node and in any number of lanes; a restart reaches the same chain | [`crate::chain`] |
//! | a subnet moves no more than its own custody | [`settlement`] |

pub mod facts;
pub mod journeys;
pub mod order;
pub mod settlement;
pub mod supply;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::{Checkpoint, ConfigurationNumber, CrossMessage, Digest, Sequence};

use crate::chain::Chain;
use journeys::{Journeys, Place};

/// Who looks at a block. What it found carries this as its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// What the block did can be read from its events and the state behind them.
    Facts,
    /// Nonces are given and used up in order.
    Order,
    /// Messages stay what they are, and end.
    Journeys,
    /// Cursors in the state are what the events say.
    Cursors,
    /// A cut says what is so.
    Cut,
    /// An accepted checkpoint is the subnet's next one, signed and covered.
    Acceptance,
    /// A checkpoint actor's counters are what went over its edge.
    Counters,
    /// Both sides of an edge hold the same value.
    Value,
    /// Accounts without a key have what was delivered to them.
    Sinks,
    /// A chain's supply stays what it was.
    Total,
}

impl std::fmt::Display for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "checker {self:?}")
    }
}

/// A message that was queued on an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its id.
    pub id: Digest,
    /// Its value and fee, in attoFIL.
    pub amount: TokenAmount,
}

impl Queued {
    /// What an edge remembers of `message`.
    pub fn of(message: &CrossMessage) -> Self {
        Self { id: message.id, amount: &message.value + &message.fee }
    }
}

/// One direction of an edge: what was queued, by nonce, and how far it got.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Everything that was ever queued.
    pub queued: Vec<Queued>,
    /// How many of it arrived: were applied by the subnet, or delivered by the parent.
    pub arrived: usize,
    /// How many of it are in accepted checkpoints; only upwards.
    pub accepted: usize,
    /// Sum of what was queued, in attoFIL.
    pub queued_total: TokenAmount,
    /// Sum of what arrived, in attoFIL.
    pub arrived_total: TokenAmount,
    /// Sum of what is in accepted checkpoints, in attoFIL.
    pub accepted_total: TokenAmount,
}

/// The way between a subnet and its parent, as the checks remember it.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The subnet's number.
    pub child: usize,
    /// The parent's number.
    pub parent: usize,
    /// Id of the checkpoint actor.
    pub actor: ActorID,
    /// From the parent to the subnet.
    pub down: Lane,
    /// From the subnet to the parent.
    pub up: Lane,
    /// The checkpoints that the subnet has cut, with their digests.
    pub cuts: BTreeMap<Sequence, (Checkpoint, Digest)>,
    /// The last accepted checkpoint.
    pub accepted: Sequence,
    /// Its digest; at first the subnet's identity.
    pub digest: Digest,
    /// The configuration it confirmed.
    pub confirmed: ConfigurationNumber,
    /// All that accepted checkpoints reported as burned, in attoFIL.
    pub burned_reported: TokenAmount,
}

impl Edge {
    /// An edge over which nothing went.
    pub fn new(child: usize, parent: usize, actor: ActorID, identity: Digest) -> Self {
        Self {
            child,
            parent,
            actor,
            down: Lane::default(),
            up: Lane::default(),
            cuts: BTreeMap::new(),
            accepted: Sequence::ZERO,
            digest: identity,
            confirmed: ConfigurationNumber::FIRST,
            burned_reported: TokenAmount::default(),
        }
    }

    /// What the parent must have locked for the subnet, in attoFIL: all that went down, less what checkpoints took.
    pub fn custody(&self) -> TokenAmount {
        &self.down.queued_total - &self.up.accepted_total - &self.burned_reported
    }

    /// What the parent must have in reserve for messages that it has accepted and not delivered, in attoFIL.
    pub fn reserved(&self) -> TokenAmount {
        &self.up.accepted_total - &self.up.arrived_total
    }
}

/// What the checks know of the world.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// All edges, in the order in which their subnets came.
    pub edges: Vec<Edge>,
    /// All messages between chains.
    pub journeys: Journeys,
    /// Accounts that nobody has the key of: what they hold, others sent them through gateways.
    pub sinks: Vec<Address>,
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
        self.edges.push(Edge::new(child, parent, actor, *chains[child].reader()?.identity()));
        Ok(())
    }

    /// Looks at the block that `chain` has just committed. With `is_thorough`, all value next to it is added up.
    ///
    /// # Errors
    /// What does not hold.
    pub fn committed(&mut self, chains: &[Chain], number: usize, is_thorough: bool) -> anyhow::Result<()> {
        let chain = &chains[number];
        let height = chain.reader()?.tip().height;
        let found = self.findings(chains, number, is_thorough)?;
        let Some(first) = found.first() else { return Ok(()) };
        let others: String = found[1..].iter().map(|error| format!("; {error:#}")).collect();
        bail!("{} (chain {number}) after block {height}: {first:#}{others}", chain.name)
    }

    /// What each checker has against the block that `chain` has just committed. Those that come later than the events
    /// look all the same when one before them found something.
    fn findings(&mut self, chains: &[Chain], number: usize, is_thorough: bool) -> anyhow::Result<Vec<anyhow::Error>> {
        let chain = &chains[number];
        let reader = chain.reader()?;
        let here =
            Place { number, subnet: chain.name.clone(), identity: *reader.identity(), height: reader.tip().height };
        if let Err(found) = self.follow(chain, &here) {
            return Ok(vec![found]);
        }
        let accepted = settlement::check(&mut self.edges, chains, number);
        let settled = accepted.as_ref().map(Vec::clone).unwrap_or_default();
        let mut found = vec![
            order::check_cursors(&self.edges, chain).context(Checker::Cursors),
            settlement::check_cut(&mut self.edges, chains, number).context(Checker::Cut),
            accepted.map(drop).context(Checker::Acceptance),
            settlement::check_counters(&self.edges, chain).context(Checker::Counters),
        ];
        for edge in self.edges.iter().filter(|edge| edge.child == number || edge.parent == number) {
            if is_thorough || settled.contains(&edge.child) {
                let compared = supply::check_edge(edge, chains).context(Checker::Value);
                self.sums += u64::from(*compared.as_ref().unwrap_or(&false));
                found.push(compared.map(drop));
            }
        }
        if is_thorough {
            found.push(self.check_sinks(chain).context(Checker::Sinks));
            found.push(self.check_total(chain).context(Checker::Total));
        }
        Ok(found.into_iter().filter_map(Result::err).collect())
    }

    /// Takes in what the last block did to cross messages.
    fn follow(&mut self, chain: &Chain, here: &Place) -> anyhow::Result<()> {
        for fact in facts::of(&self.edges, chain).context(Checker::Facts)? {
            let arrival = order::take(&mut self.edges, chain.number, &fact).context(Checker::Order)?;
            self.journeys.take(&self.edges, here, &fact, arrival).context(Checker::Journeys)?;
        }
        Ok(())
    }

    /// Nothing is issued after genesis, and nothing vanishes.
    fn check_total(&mut self, chain: &Chain) -> anyhow::Result<()> {
        let total = supply::total(chain.reader()?)?;
        let is_root = chain.parent.is_none();
        let issued = if is_root { self.issued.get_or_insert(total.clone()).clone() } else { supply::reserve() };
        ensure!(issued == total, "the chain holds {total}, genesis issued {issued}");
        Ok(())
    }

    fn check_sinks(&self, chain: &Chain) -> anyhow::Result<()> {
        let state = chain.reader()?.latest_state()?;
        for sink in &self.sinks {
            let held = state.actor_at(sink)?.map(|(_, actor)| actor.balance).unwrap_or_default();
            let delivered = self.journeys.credited(chain.number, sink);
            ensure!(held == delivered, "{sink} holds {held}, {delivered} was delivered to it");
        }
        Ok(())
    }
}
