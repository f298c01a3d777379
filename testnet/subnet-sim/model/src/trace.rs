//! Traces: what the model found, in a form that others can replay. The README of this package describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::message::{Address, Amount, ChainId, Step};
use crate::mutation::Mutation;
use crate::system::System;
use crate::world::World;

/// Version of the form.
pub const FORMAT: u32 = 1;

/// Steps from the start of a configuration, with what was there before and is there after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the configuration.
    pub config: String,
    /// The rule that the model broke on purpose, if any.
    pub mutation: Option<Mutation>,
    /// The property that the steps violate, or the example that they reach.
    pub property: String,
    /// Price of one delivery, on every edge.
    pub cross_gas_price: Amount,
    /// The chains at the start; a chain's number is its position.
    pub chains: Vec<TraceChain>,
    /// What happens.
    pub steps: Vec<Step>,
    /// The chains after the last step.
    pub ends: Vec<TraceChain>,
}

/// A chain at one end of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceChain {
    /// For people.
    pub name: String,
    /// `None` for the root.
    pub parent: Option<ChainId>,
    /// Whether its validators sign anything.
    pub is_corrupt: bool,
    /// Who has what there; who is not named has nothing.
    pub balances: BTreeMap<Address, Amount>,
    /// What could not be credited there, and to whom.
    pub unclaimed: BTreeMap<Address, Amount>,
    /// What was burnt there.
    pub burnt: Amount,
    /// What its parent holds for it.
    pub custody: Amount,
}

/// Why a trace could not be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It is of another version, or its configuration is not ours.
    Unknown {
        /// What it says it is.
        config: String,
    },
    /// A step cannot be taken where it stands.
    Impossible {
        /// Position of the step.
        at: usize,
    },
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { config } => write!(f, "no configuration `{config}` in form {FORMAT}"),
            Self::Impossible { at } => write!(f, "step {at} cannot be taken"),
        }
    }
}

impl std::error::Error for ReplayError {}

impl Trace {
    /// The trace of `steps` from the start of the system's configuration to `end`.
    pub fn new(system: &System, property: &str, steps: Vec<Step>, end: &World) -> Self {
        let config = &system.config;
        Self {
            format: FORMAT,
            config: config.name.to_owned(),
            mutation: config.mutation,
            property: property.to_owned(),
            cross_gas_price: config.cross_gas_price,
            chains: chains(config, &World::start(config)),
            steps,
            ends: chains(config, end),
        }
    }

    /// Takes the steps in the model again, with the trace's rule broken.
    ///
    /// # Errors
    ///
    /// When the configuration is not known here, or a step cannot be taken.
    pub fn replay(&self) -> Result<(System, World), ReplayError> {
        let unknown = || ReplayError::Unknown { config: self.config.clone() };
        let mut config = Config::named(&self.config).filter(|_| self.format == FORMAT).ok_or_else(unknown)?;
        config.mutation = self.mutation;
        let system = System::new(config);
        let mut world = World::start(&system.config);
        for (at, step) in self.steps.iter().enumerate() {
            world = system.step(&world, step).ok_or(ReplayError::Impossible { at })?;
        }
        Ok((system, world))
    }
}

fn chains(config: &Config, world: &World) -> Vec<TraceChain> {
    let kept = |amounts: &BTreeMap<Address, Amount>| {
        amounts.iter().filter(|(_, amount)| **amount != 0).map(|(address, amount)| (*address, *amount)).collect()
    };
    let chain = |id: ChainId| {
        let (spec, chain) = (&config.chains[id.index()], world.chain(id));
        TraceChain {
            name: spec.name.to_owned(),
            parent: spec.parent,
            is_corrupt: spec.is_corrupt,
            balances: kept(&chain.balances),
            unclaimed: kept(&chain.unclaimed),
            burnt: chain.burnt,
            custody: world.edge(id).custody,
        }
    };
    config.ids().map(chain).collect()
}
