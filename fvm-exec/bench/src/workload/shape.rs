//! The kinds of workloads, with their parameters.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value, json};

use super::random::Zipf;
use super::site::Site;
use super::turn::Source;
use super::world::World;
use super::{adversarial, creation, mixed, sends, storage, swaps, tokens};

/// Messages for each market of `swap_pairs` and `wrong_hints`.
const MESSAGES_PER_MARKET: u64 = 16;

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Name of a workload.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name {
            $($(#[$doc])* $variant,)*
        }

        impl Name {
            /// All of them, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it is written everywhere.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

names! {
    /// Plain sends, each between two accounts of its own.
    DisjointSends = "disjoint_sends",
    /// Plain sends to one account.
    HotReceiver = "hot_receiver",
    /// Plain sends from one account.
    HotSender = "hot_sender",
    /// Plain sends among accounts drawn equally often.
    UniformSends = "uniform_sends",
    /// Plain sends among accounts of which few are drawn often.
    ZipfSends = "zipf_sends",
    /// Token transfers, each in a token of its own.
    TokenDisjoint = "token_disjoint",
    /// Token transfers in a few tokens, between holders of their own.
    TokenShared = "token_shared",
    /// Swaps in one pool.
    SwapShared = "swap_shared",
    /// Swaps in many pools of tokens of their own.
    SwapPairs = "swap_pairs",
    /// Plain sends to new addresses.
    CreationStorm = "creation_storm",
    /// New actors through the init actor.
    DeployStorm = "deploy_storm",
    /// The shape of storage providers' messages.
    StorageMix = "storage_mix",
    /// Sends, token transfers and swaps.
    Hybrid = "hybrid",
    /// Failures, and dependencies that do not show.
    Adversarial = "adversarial",
    /// Messages whose dependencies are not those that a planner is told.
    WrongHints = "wrong_hints",
    /// A state that takes long to read.
    SlowStore = "slow_store",
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// There is no workload of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no workload {0}; expected one of {all}", all = Name::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownName(String);

impl FromStr for Name {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.iter().find(|name| name.as_str() == text);
        found.copied().ok_or_else(|| UnknownName(text.to_owned()))
    }
}

/// A workload's name and parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// [`Name::DisjointSends`].
    DisjointSends,
    /// [`Name::HotReceiver`].
    HotReceiver,
    /// [`Name::HotSender`].
    HotSender,
    /// [`Name::UniformSends`] among so many accounts, or all where there are fewer.
    UniformSends {
        /// How many.
        accounts: u64,
    },
    /// [`Name::ZipfSends`] among all accounts.
    ZipfSends {
        /// Account number i is drawn in proportion to (i + 1) to the power of minus this.
        exponent: f64,
    },
    /// [`Name::TokenDisjoint`].
    TokenDisjoint,
    /// [`Name::TokenShared`] in so many tokens.
    TokenShared {
        /// How many.
        tokens: u64,
    },
    /// [`Name::SwapShared`].
    SwapShared,
    /// [`Name::SwapPairs`].
    SwapPairs,
    /// [`Name::CreationStorm`].
    CreationStorm,
    /// [`Name::DeployStorm`].
    DeployStorm,
    /// [`Name::StorageMix`].
    StorageMix,
    /// [`Name::Hybrid`].
    Hybrid,
    /// [`Name::Adversarial`].
    Adversarial,
    /// [`Name::WrongHints`].
    WrongHints,
    /// [`Name::SlowStore`]: the messages of another shape.
    SlowStore {
        /// The other.
        messages: Box<Shape>,
        /// How long each block of the base state takes to read, in microseconds.
        latency_us: u64,
    },
}

impl Shape {
    /// The shapes that are measured under this name.
    pub fn of(name: Name) -> Vec<Self> {
        match name {
            Name::DisjointSends => vec![Self::DisjointSends],
            Name::HotReceiver => vec![Self::HotReceiver],
            Name::HotSender => vec![Self::HotSender],
            Name::UniformSends => [100, 10_000].map(|accounts| Self::UniformSends { accounts }).into(),
            Name::ZipfSends => vec![Self::ZipfSends { exponent: 0.9 }],
            Name::TokenDisjoint => vec![Self::TokenDisjoint],
            Name::TokenShared => [1, 8].map(|tokens| Self::TokenShared { tokens }).into(),
            Name::SwapShared => vec![Self::SwapShared],
            Name::SwapPairs => vec![Self::SwapPairs],
            Name::CreationStorm => vec![Self::CreationStorm],
            Name::DeployStorm => vec![Self::DeployStorm],
            Name::StorageMix => vec![Self::StorageMix],
            Name::Hybrid => vec![Self::Hybrid],
            Name::Adversarial => vec![Self::Adversarial],
            Name::WrongHints => vec![Self::WrongHints],
            Name::SlowStore => {
                let shape = |messages: Self, latency_us| Self::SlowStore { messages: Box::new(messages), latency_us };
                [20, 100]
                    .into_iter()
                    .flat_map(|latency| [shape(Self::DisjointSends, latency), shape(Self::TokenDisjoint, latency)])
                    .collect()
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        match self {
            Self::DisjointSends => Name::DisjointSends,
            Self::HotReceiver => Name::HotReceiver,
            Self::HotSender => Name::HotSender,
            Self::UniformSends { .. } => Name::UniformSends,
            Self::ZipfSends { .. } => Name::ZipfSends,
            Self::TokenDisjoint => Name::TokenDisjoint,
            Self::TokenShared { .. } => Name::TokenShared,
            Self::SwapShared => Name::SwapShared,
            Self::SwapPairs => Name::SwapPairs,
            Self::CreationStorm => Name::CreationStorm,
            Self::DeployStorm => Name::DeployStorm,
            Self::StorageMix => Name::StorageMix,
            Self::Hybrid => Name::Hybrid,
            Self::Adversarial => Name::Adversarial,
            Self::WrongHints => Name::WrongHints,
            Self::SlowStore { .. } => Name::SlowStore,
        }
    }

    /// Its parameters for a block of so many messages, and what they stand for where the name does not say it.
    pub fn params(&self, messages: u64) -> BTreeMap<String, Value> {
        let params = match self {
            Self::UniformSends { accounts } => json!({ "accounts": accounts }),
            Self::ZipfSends { exponent } => json!({ "exponent": exponent }),
            Self::TokenShared { tokens } => json!({ "tokens": tokens }),
            Self::SwapPairs => json!({ "pools": markets(messages) }),
            Self::CreationStorm => json!({ "addresses": "f1 and f410 in turn" }),
            Self::DeployStorm => json!({ "code": "checkpoint actor, by Exec" }),
            Self::StorageMix => json!({
                "stands_for": "50 % proofs: BLS checks by own accounts; 30 % pre-commits: own tokens; \
                               20 % prove-commits: one shared token"
            }),
            Self::Hybrid => json!({ "mix": "60 % sends, 20 % over 3 tokens, 20 % over 2 pools" }),
            Self::WrongHints => json!({
                "pools": markets(messages),
                "lie": "50 % disjoint tokens predicted as one group; 50 % swaps over one common token predicted apart"
            }),
            Self::SlowStore { messages, latency_us } => {
                json!({ "messages_of": messages.name().as_str(), "latency_us": latency_us })
            }
            _ => json!({}),
        };
        params.as_object().cloned().unwrap_or_default().into_iter().collect()
    }

    /// Whether every message is meant to succeed.
    pub fn succeeds(&self) -> bool {
        !matches!(self, Self::Adversarial)
    }

    /// The world with the actors that it needs, and where its messages come from.
    pub(crate) fn build(&self, world: &World, messages: u64) -> anyhow::Result<(World, Box<dyn Source + Send>)> {
        let mut site = Site::new(world);
        let source: Box<dyn Source + Send> = match self {
            Self::DisjointSends => Box::new(sends::Disjoint),
            Self::HotReceiver => Box::new(sends::HotReceiver),
            Self::HotSender => Box::new(sends::HotSender),
            Self::UniformSends { accounts } => {
                Box::new(sends::Drawn { accounts: Zipf::new((*accounts).min(world.accounts()), 0.0) })
            }
            Self::ZipfSends { exponent } => Box::new(sends::Drawn { accounts: Zipf::new(world.accounts(), *exponent) }),
            Self::TokenDisjoint => Box::new(tokens::Disjoint::new(&mut site, messages)?),
            Self::TokenShared { tokens } => Box::new(tokens::Shared::new(&mut site, *tokens, messages)?),
            Self::SwapShared => Box::new(swaps::Swaps::new(&mut site, 1, messages)?),
            Self::SwapPairs => Box::new(swaps::Swaps::new(&mut site, markets(messages), messages)?),
            Self::CreationStorm => Box::new(creation::Accounts::default()),
            Self::DeployStorm => Box::new(creation::Deployments::new()?),
            Self::StorageMix => Box::new(storage::Storage::new(&mut site, messages)?),
            Self::Hybrid => Box::new(mixed::Hybrid::new(&mut site, messages)?),
            Self::Adversarial => Box::new(adversarial::Adversarial::new(&mut site, messages)?),
            Self::WrongHints => Box::new(mixed::Misleading::new(&mut site, markets(messages), messages)?),
            Self::SlowStore { messages: shape, latency_us } => {
                let (world, source) = shape.build(world, messages)?;
                return Ok((world.slow(Duration::from_micros(*latency_us)), source));
            }
        };
        Ok((site.finish()?, source))
    }
}

fn markets(messages: u64) -> u64 {
    (messages / MESSAGES_PER_MARKET).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_every_shape_has_its_own() {
        for name in Name::ALL {
            assert_eq!(name.as_str().parse(), Ok(*name));
            assert!(Shape::of(*name).iter().all(|shape| shape.name() == *name));
        }
        assert!("disjoint".parse::<Name>().unwrap_err().to_string().contains("disjoint_sends, hot_receiver"));
    }
}
