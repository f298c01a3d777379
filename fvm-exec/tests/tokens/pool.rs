//! The pool with real tokens.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use pool_actor::{
    AddLiquidityParams, EVENT_SWAPPED, METHOD_ADD_LIQUIDITY, METHOD_RECEIVE, METHOD_RESERVES, METHOD_SWAP, Reserves,
    SwapParams, SwapReturn, refusal,
};
use token_actor::{IncreaseAllowanceParams, METHOD_INCREASE_ALLOWANCE, METHOD_TRANSFER, TransferParams};

use crate::market::{Market, START, alice, atto, bob, carol};

const POOLED_A: u64 = 40_000_000;
const POOLED_B: u64 = 90_000_000;

/// Bob has filled the pool; Alice and Bob let it take all they have.
fn filled() -> Market {
    let mut market = Market::new();
    for owner in [alice(), bob()] {
        for token in [market.token_a, market.token_b] {
            let params = IncreaseAllowanceParams { operator: Address::new_id(market.pool), increase: atto(START) };
            market.done::<TokenAmount>(owner, token, METHOD_INCREASE_ALLOWANCE, &params);
        }
    }
    let params = AddLiquidityParams { amount_a: atto(POOLED_A), amount_b: atto(POOLED_B) };
    let reserves: Reserves = market.done(bob(), market.pool, METHOD_ADD_LIQUIDITY, &params);
    assert_eq!(reserves, Reserves { a: atto(POOLED_A), b: atto(POOLED_B) });
    market
}

fn swap_of(token_in: ActorID, amount_in: u64, amount_out_min: u64) -> SwapParams {
    SwapParams { token_in: Address::new_id(token_in), amount_in: atto(amount_in), amount_out_min: atto(amount_out_min) }
}

/// The most that may go out so that the product does not fall, when three thousandths of `amount_in` do not count:
/// found by halving, not by the pool's formula.
fn most_out(reserve_in: u128, reserve_out: u128, amount_in: u128) -> u128 {
    let grown = 1000 * reserve_in + 997 * amount_in;
    let fits = |out: u128| grown * (reserve_out - out) >= 1000 * reserve_in * reserve_out;
    let (mut low, mut high) = (0, reserve_out);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

#[test]
fn swaps_move_both_reserves_as_the_rule_says_and_the_product_never_falls() {
    let mut market = filled();
    let (token_a, token_b) = (market.token_a, market.token_b);
    let pool = Address::new_id(market.pool);
    let swaps = [(token_a, 1_000_000), (token_b, 2), (token_b, 77_777_777), (token_a, 3), (token_a, 123_456_789)];
    for (token_in, amount_in) in swaps {
        let (a, b) = market.reserves();
        let amount = u128::from(amount_in);
        let is_a = token_in == token_a;
        let out = if is_a { most_out(a, b, amount) } else { most_out(b, a, amount) };
        let expected = if is_a { (a + amount, b - out) } else { (a - out, b + amount) };
        let alice_before = [token_a, token_b].map(|token| market.balance(token, &alice()));

        // Asking for exactly what comes out is enough.
        let least = u64::try_from(out).unwrap();
        if least == 0 {
            let code = market.refused(alice(), market.pool, METHOD_SWAP, &swap_of(token_in, amount_in, 0));
            assert_eq!(code, refusal::SLIPPAGE, "{amount_in} gives nothing");
            continue;
        }
        let returned: SwapReturn = market.done(alice(), market.pool, METHOD_SWAP, &swap_of(token_in, amount_in, least));
        assert_eq!(returned.amount_out, atto(least));
        assert_eq!(market.reserves(), expected);
        assert!(expected.0 * expected.1 >= a * b);
        // The tokens went where the pool says.
        let (paid, got) = if is_a { (0, 1) } else { (1, 0) };
        let alice_after = [token_a, token_b].map(|token| market.balance(token, &alice()));
        assert_eq!(alice_after[paid], &alice_before[paid] - atto(amount_in));
        assert_eq!(alice_after[got], &alice_before[got] + atto(least));
        assert_eq!(u128::try_from(market.balance(token_a, &pool).atto()).unwrap(), expected.0);
        assert_eq!(u128::try_from(market.balance(token_b, &pool).atto()).unwrap(), expected.1);
    }
    for token in [token_a, token_b] {
        assert_eq!(market.token(token).token.supply, atto(2 * START), "swaps make no tokens");
    }
}

#[test]
fn view_shows_the_reserves() {
    let market = filled();
    let reserves: Reserves = market.query(market.pool, METHOD_RESERVES);
    assert_eq!(reserves, Reserves { a: atto(POOLED_A), b: atto(POOLED_B) });
}

#[test]
fn swap_that_gives_less_than_asked_for_is_refused() {
    let mut market = filled();
    let pool = market.pool;
    let out = u64::try_from(most_out(POOLED_A.into(), POOLED_B.into(), 1_000_000)).unwrap();
    let asked = swap_of(market.token_a, 1_000_000, out);
    let greedy = swap_of(market.token_a, 1_000_000, out + 1);
    assert_eq!(market.refused(alice(), pool, METHOD_SWAP, &greedy), refusal::SLIPPAGE);
    // The price that was good enough is gone after somebody else's swap in the same direction.
    market.done::<SwapReturn>(bob(), pool, METHOD_SWAP, &swap_of(market.token_a, 1000, 1));
    assert_eq!(market.refused(alice(), pool, METHOD_SWAP, &asked), refusal::SLIPPAGE);
}

#[test]
fn foreign_token_is_refused() {
    let mut market = filled();
    let (pool, foreign) = (market.pool, market.token_c);
    assert_eq!(market.refused(alice(), pool, METHOD_SWAP, &swap_of(foreign, 1000, 1)), refusal::FOREIGN_TOKEN);
    let nobody = SwapParams { token_in: Address::new_actor(b"nobody"), ..swap_of(foreign, 1000, 1) };
    assert_eq!(market.refused(alice(), pool, METHOD_SWAP, &nobody), refusal::FOREIGN_TOKEN);
    // Nor does an account that calls the hook make the pool believe in tokens.
    let code = market.refused(alice(), pool, METHOD_RECEIVE, &(0u32, RawBytes::default()));
    assert_eq!(code, refusal::FOREIGN_SENDER);
}

#[test]
fn swap_without_allowance_or_tokens_is_refused() {
    let mut market = filled();
    let (pool, token) = (market.pool, market.token_a);
    // Carol has neither.
    assert_eq!(market.refused(carol(), pool, METHOD_SWAP, &swap_of(token, 1000, 1)), refusal::TOKEN_IN);
    let params = IncreaseAllowanceParams { operator: Address::new_id(pool), increase: atto(1000) };
    market.done::<TokenAmount>(carol(), token, METHOD_INCREASE_ALLOWANCE, &params);
    assert_eq!(market.refused(carol(), pool, METHOD_SWAP, &swap_of(token, 1000, 1)), refusal::TOKEN_IN);
    let gift = TransferParams { to: carol(), amount: atto(1000), operator_data: RawBytes::default() };
    assert_eq!(market.send(alice(), token, METHOD_TRANSFER, &gift).exit_code, ExitCode::OK);
    market.done::<SwapReturn>(carol(), pool, METHOD_SWAP, &swap_of(token, 1000, 1));
    assert_eq!(market.balance(token, &carol()), atto(0));
    assert!(market.balance(market.token_b, &carol()).is_positive());
}

#[test]
fn empty_pool_swaps_nothing() {
    let mut market = Market::new();
    let params = swap_of(market.token_a, 1000, 0);
    assert_eq!(market.refused(alice(), market.pool, METHOD_SWAP, &params), refusal::EMPTY);
}

#[test]
fn what_is_sent_to_the_pool_by_itself_is_no_reserve() {
    let mut market = filled();
    let (pool, token) = (Address::new_id(market.pool), market.token_a);
    let gift = TransferParams { to: pool, amount: atto(5), operator_data: RawBytes::default() };
    assert_eq!(market.send(alice(), token, METHOD_TRANSFER, &gift).exit_code, ExitCode::OK);
    assert_eq!(market.balance(token, &pool), atto(POOLED_A + 5));
    assert_eq!(market.reserves(), (POOLED_A.into(), POOLED_B.into()));
}

#[test]
fn swap_emits_two_transfers_and_the_swap() {
    let mut market = filled();
    let (pool, token_a, token_b) = (market.pool, market.token_a, market.token_b);
    let events = market.events(alice(), pool, METHOD_SWAP, &swap_of(token_a, 1000, 1));
    let emitters: Vec<ActorID> = events.iter().map(|event| event.emitter).collect();
    assert_eq!(emitters, [token_a, token_b, pool]);
    let kind = RawBytes::new(events[2].event.entries[0].value.clone());
    assert_eq!(kind.deserialize::<String>().unwrap(), EVENT_SWAPPED);
}

#[test]
fn gas_of_each_step() {
    let mut market = filled();
    let (pool, token) = (market.pool, market.token_a);
    let params = AddLiquidityParams { amount_a: atto(1000), amount_b: atto(1000) };
    let added = market.send(alice(), pool, METHOD_ADD_LIQUIDITY, &params);
    let swapped = market.send(alice(), pool, METHOD_SWAP, &swap_of(token, 1000, 1));
    let params = IncreaseAllowanceParams { operator: Address::new_id(pool), increase: atto(1) };
    let allowed = market.send(alice(), token, METHOD_INCREASE_ALLOWANCE, &params);
    for (what, receipt) in [("adding liquidity", added), ("a swap", swapped), ("an allowance", allowed)] {
        assert_eq!(receipt.exit_code, ExitCode::OK);
        println!("gas of {what}: {}", receipt.gas_used);
    }
}
