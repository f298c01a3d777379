//! Mixes of the other sources.

use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;

use super::site::Site;
use super::swaps::{Market, Swaps, market, swap};
use super::tokens::{Disjoint, token, transfer};
use super::turn::{Source, Turn};
use super::world::address;

/// Tokens and markets of the hybrid.
const TOKENS: u64 = 3;
const MARKETS: u64 = 2;

/// Six tenths plain sends between any accounts, two tenths transfers of one of three tokens, two tenths swaps in one of
/// two markets.
pub(crate) struct Hybrid {
    accounts: u64,
    tokens: Vec<ActorID>,
    markets: Vec<Market>,
}

impl Hybrid {
    pub fn new(site: &mut Site<'_>, messages: u64) -> anyhow::Result<Self> {
        let tokens = (0..TOKENS).map(|_| token(site, 0..2 * messages)).collect::<anyhow::Result<_>>()?;
        let traders: Vec<_> = (0..messages).collect();
        let markets = (0..MARKETS).map(|_| market(site, &traders)).collect::<anyhow::Result<_>>()?;
        Ok(Self { accounts: site.world.accounts(), tokens, markets })
    }
}

impl Source for Hybrid {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        match turn.random.below(10) {
            0..6 => {
                let to = address(turn.random.below(self.accounts));
                turn.senders.send(address(turn.index), to, TokenAmount::from_nano(1))
            }
            6..8 => {
                let token = self.tokens[turn.random.below(TOKENS) as usize];
                transfer(turn.senders, token, 2 * turn.index, 2 * turn.index + 1)
            }
            _ => {
                let market = self.markets[turn.random.below(MARKETS) as usize];
                let token_in = turn.random.below(2) as usize;
                swap(turn.senders, &market, turn.index, token_in, 1)
            }
        }
    }
}

/// Half of the messages have nothing in common and are said to belong together; the others look apart, and are said
/// to be, but all write one token.
pub(crate) struct Misleading {
    apart: Disjoint,
    together: Swaps,
}

impl Misleading {
    pub fn new(site: &mut Site<'_>, markets: u64, messages: u64) -> anyhow::Result<Self> {
        let apart = Disjoint::new(site, messages)?;
        Ok(Self { apart, together: Swaps::of_one_token(site, markets, messages)? })
    }
}

impl Source for Misleading {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let source: &mut dyn Source = if turn.index.is_multiple_of(2) { &mut self.apart } else { &mut self.together };
        source.message(turn)
    }

    fn predictions(&self, messages: u64) -> Option<Vec<u32>> {
        let group = |index: u64| if index.is_multiple_of(2) { 0 } else { index as u32 };
        Some((0..messages).map(group).collect())
    }
}
