//! The nouns that Malachite is generic over, for our chain.
//!
//! The value voted on is a block's id; the block itself travels in parts. Malachite's traits are foreign and so are
//! our domain types, hence the newtypes.

mod messages;
mod parts;
mod proposer;
mod validators;

use std::fmt;

use arc_malachitebft_app_channel::app::types::core::{self, Context, LinearTimeouts, NilOrVal, Round, VoteType};
use bytes::Bytes;
use cid::Cid;
use subnet_types::{Height, VoteKey};

pub(crate) use messages::{Proposal, Vote};
pub(crate) use parts::{HintsInit, ProposalInit, ProposalPart};
pub(crate) use validators::{Member, Members};

use crate::signing::Ed25519;

/// Our chain, to Malachite.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chain;

/// A validator's vote key, which is also its address in consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub VoteKey);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Address for Address {}

/// A height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At(pub u64);

impl At {
    pub(crate) fn height(self) -> Height {
        Height::new(self.0)
    }
}

impl From<Height> for At {
    fn from(height: Height) -> Self {
        Self(height.get())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for At {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        // Peers choose some operands; a range that ends at the highest number is refused later, a panic is not.
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A block's id: both the value proposed and the value's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockId(pub Cid);

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Value for BlockId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// The number of a round that is not nil.
///
/// Malachite starts rounds at 0 and uses nil only for "no round"; where it promises a round there is one.
pub(crate) fn number(round: Round) -> u32 {
    round.as_u32().unwrap_or_default()
}

impl Context for Chain {
    type Address = Address;
    type Height = At;
    type ProposalPart = ProposalPart;
    type Proposal = Proposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = LinearTimeouts;
    type Value = BlockId;
    type Vote = Vote;
    type Extension = Bytes;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, validators: &'a Members, height: At, round: Round) -> &'a Member {
        validators.proposer(height.height(), number(round))
    }

    fn new_proposal(&self, height: At, round: Round, value: BlockId, pol_round: Round, address: Address) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(&self, height: At, round: Round, value: NilOrVal<BlockId>, address: Address) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, address, extension: None }
    }

    fn new_precommit(&self, height: At, round: Round, value: NilOrVal<BlockId>, address: Address) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, address, extension: None }
    }
}
