//! Swaps in pools: one message calls the pool, the pool two tokens, and these call back.

use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use pool_actor::{METHOD_SWAP, State, SwapParams};
use test_actors::{POOL, TOKEN};

use super::site::Site;
use super::tokens::token_state;
use super::turn::{Senders, Source, Turn};
use super::world::address;

/// What a pool starts with of either token: so much that no number of blocks moves the price far.
const RESERVE: u64 = 1 << 50;
/// What each trader allows its pool to take.
const ALLOWANCE: u64 = 1 << 59;
/// What one swap puts in.
const AMOUNT_IN: u64 = 1_000_000;

/// A pool and its tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Market {
    pub pool: ActorID,
    pub tokens: [ActorID; 2],
}

/// Places a market whose traders are these accounts.
pub(crate) fn market(site: &mut Site<'_>, traders: &[u64]) -> anyhow::Result<Market> {
    let [a, b, pool] = [0, 1, 2].map(|index| site.next_id() + index);
    for id in [a, b] {
        let placed = place_token(site, &[(pool, traders)])?;
        debug_assert_eq!(placed, id);
    }
    place_pool(site, [a, b])
}

/// Places markets that all have one token in common; each has these accounts as its traders.
pub(crate) fn markets_of_one_token(site: &mut Site<'_>, traders: &[Vec<u64>]) -> anyhow::Result<Vec<Market>> {
    let common = site.next_id();
    let pool = |index: usize| common + 2 * (index as u64 + 1);
    let pools: Vec<_> = traders.iter().enumerate().map(|(index, traders)| (pool(index), &traders[..])).collect();
    place_token(site, &pools)?;
    let markets = pools.iter().map(|entry| {
        let other = place_token(site, &[*entry])?;
        let market = place_pool(site, [common, other])?;
        debug_assert_eq!(market.pool, entry.0);
        Ok(market)
    });
    markets.collect()
}

/// Places a token that these pools hold, and their traders, who let their pool take it.
fn place_token(site: &mut Site<'_>, pools: &[(ActorID, &[u64])]) -> anyhow::Result<ActorID> {
    let traders: Vec<(ActorID, ActorID)> = pools
        .iter()
        .flat_map(|(pool, traders)| traders.iter().map(|index| (*pool, site.world.account_id(*index))))
        .collect();
    let holders = pools.iter().map(|(pool, _)| *pool).chain(traders.iter().map(|(_, trader)| *trader));
    let mut state = token_state(site, holders)?;
    for (pool, trader) in traders {
        state.token.set_allowance(&site.blocks, trader, pool, &TokenAmount::from_atto(ALLOWANCE))?;
    }
    let code = site.code(TOKEN.wasm)?;
    site.place(code, &state)
}

fn place_pool(site: &mut Site<'_>, tokens: [ActorID; 2]) -> anyhow::Result<Market> {
    let mut state = State::new(tokens[0], tokens[1])?;
    let reserve = TokenAmount::from_atto(RESERVE);
    state.add(&reserve, &reserve)?;
    let code = site.code(POOL.wasm)?;
    Ok(Market { pool: site.place(code, &state)?, tokens })
}

/// A trader, by number, swaps one of the tokens for at least so much of the other.
pub(crate) fn swap(
    senders: &mut Senders,
    market: &Market,
    trader: u64,
    token_in: usize,
    amount_out_min: u64,
) -> Message {
    let params = SwapParams {
        token_in: Address::new_id(market.tokens[token_in]),
        amount_in: TokenAmount::from_atto(AMOUNT_IN),
        amount_out_min: TokenAmount::from_atto(amount_out_min),
    };
    senders.call(address(trader), market.pool, METHOD_SWAP, &params)
}

/// Message number i swaps in market number i, and on from the first after the last. Every message has a trader of its
/// own, who swaps there and back from block to block.
pub(crate) struct Swaps {
    markets: Vec<Market>,
}

impl Swaps {
    pub fn new(site: &mut Site<'_>, markets: u64, messages: u64) -> anyhow::Result<Self> {
        let markets = traders(markets, messages).into_iter().map(|traders| market(site, &traders));
        Ok(Self { markets: markets.collect::<anyhow::Result<_>>()? })
    }

    /// All markets have one token in common, which no message names.
    pub fn of_one_token(site: &mut Site<'_>, markets: u64, messages: u64) -> anyhow::Result<Self> {
        Ok(Self { markets: markets_of_one_token(site, &traders(markets, messages))? })
    }
}

/// The traders of each market.
fn traders(markets: u64, messages: u64) -> Vec<Vec<u64>> {
    (0..markets).map(|market| (0..messages).filter(|index| index % markets == market).collect()).collect()
}

impl Source for Swaps {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let market = self.markets[turn.index as usize % self.markets.len()];
        let token_in = turn.random.below(2) as usize;
        swap(turn.senders, &market, turn.index, token_in, 1)
    }
}
