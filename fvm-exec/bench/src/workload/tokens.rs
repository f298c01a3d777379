//! Transfers of FRC-46 tokens.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use test_actors::TOKEN;
use token_actor::{ConstructorParams, Holder, METHOD_TRANSFER, State, TransferParams};

use super::site::Site;
use super::turn::{Senders, Source, Turn};
use super::world::address;

/// What each holder starts with.
const START: u64 = 1 << 60;

/// The state of a token, each of whose holders has enough for any number of blocks.
pub(crate) fn token_state(site: &Site<'_>, holders: impl IntoIterator<Item = ActorID>) -> anyhow::Result<State> {
    let holders = holders.into_iter().map(|owner| Holder { owner, amount: TokenAmount::from_atto(START) });
    let params = ConstructorParams {
        name: "Token".to_owned(),
        symbol: "TOK".to_owned(),
        granularity: 1,
        creator: site.world.account_id(0),
        holders: holders.collect(),
    };
    Ok(State::new(&site.blocks, &params)?)
}

/// Places a token with these accounts as holders.
pub(crate) fn token(site: &mut Site<'_>, accounts: impl IntoIterator<Item = u64>) -> anyhow::Result<ActorID> {
    let holders: Vec<_> = accounts.into_iter().map(|index| site.world.account_id(index)).collect();
    let state = token_state(site, holders)?;
    let code = site.code(TOKEN.wasm)?;
    site.place(code, &state)
}

/// Account number `from` gives account number `to` a unit.
pub(crate) fn transfer(senders: &mut Senders, token: ActorID, from: u64, to: u64) -> Message {
    let params =
        TransferParams { to: address(to), amount: TokenAmount::from_atto(1), operator_data: RawBytes::default() };
    senders.call(address(from), token, METHOD_TRANSFER, &params)
}

/// Every message has a token, a sender and a receiver of its own, the same in each block.
pub(crate) struct Disjoint {
    tokens: Vec<ActorID>,
}

impl Disjoint {
    pub fn new(site: &mut Site<'_>, messages: u64) -> anyhow::Result<Self> {
        let tokens = (0..messages).map(|index| token(site, [2 * index, 2 * index + 1]));
        Ok(Self { tokens: tokens.collect::<anyhow::Result<_>>()? })
    }
}

impl Source for Disjoint {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let token = self.tokens[turn.index as usize];
        transfer(turn.senders, token, 2 * turn.index, 2 * turn.index + 1)
    }
}

/// A few tokens that everybody holds; every message has a sender and a receiver of its own.
pub(crate) struct Shared {
    tokens: Vec<ActorID>,
}

impl Shared {
    pub fn new(site: &mut Site<'_>, tokens: u64, messages: u64) -> anyhow::Result<Self> {
        let tokens = (0..tokens).map(|_| token(site, 0..2 * messages));
        Ok(Self { tokens: tokens.collect::<anyhow::Result<_>>()? })
    }
}

impl Source for Shared {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let token = self.tokens[turn.index as usize % self.tokens.len()];
        transfer(turn.senders, token, 2 * turn.index, 2 * turn.index + 1)
    }
}
