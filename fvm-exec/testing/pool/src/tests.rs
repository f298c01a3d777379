//! The pool over the mock, with tokens that answer as they are told.

use super::*;
use actor_runtime::mock::{MockRuntime, code, foreign_code};
use actor_runtime::{SendReturn, encode_params};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::econ::TokenAmount;
use serde::Serialize;

const POOL: ActorID = 1000;
const TOKEN_A: ActorID = 1001;
const TOKEN_B: ActorID = 1002;
const FOREIGN: ActorID = 1003;
const TRADER: ActorID = 100;
const TRANSFER: MethodNum = method_hash!("Transfer");
const TRANSFER_FROM: MethodNum = method_hash!("TransferFrom");

fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

fn construct(token_a: Address, token_b: Address) -> Result<MockRuntime, ActorError> {
    let rt = MockRuntime::new(POOL);
    rt.add_actor(TRADER, code("account"), None);
    for token in [TOKEN_A, TOKEN_B, FOREIGN] {
        rt.add_actor(token, foreign_code(b"token"), None);
    }
    let params = encode_params(&ConstructorParams { token_a, token_b }).unwrap();
    rt.call(dispatch, INIT_ID, &atto(0), METHOD_CONSTRUCTOR, params)?;
    Ok(rt)
}

fn call(rt: &MockRuntime, caller: ActorID, method: MethodNum, params: &impl Serialize) -> Result<(), ExitCode> {
    let params = encode_params(params).unwrap();
    rt.call(dispatch, caller, &atto(0), method, params).map(|_| ()).map_err(|error| error.exit_code)
}

/// A pool of one million each.
fn pool() -> MockRuntime {
    let rt = construct(Address::new_id(TOKEN_A), Address::new_id(TOKEN_B)).unwrap();
    rt.answer(TOKEN_A, TRANSFER_FROM, SendReturn::ok());
    rt.answer(TOKEN_B, TRANSFER_FROM, SendReturn::ok());
    let million = AddLiquidityParams { amount_a: atto(1_000_000), amount_b: atto(1_000_000) };
    call(&rt, TRADER, METHOD_ADD_LIQUIDITY, &million).unwrap();
    rt
}

fn swap_of(token: ActorID, amount_in: u64, amount_out_min: u64) -> SwapParams {
    SwapParams { token_in: Address::new_id(token), amount_in: atto(amount_in), amount_out_min: atto(amount_out_min) }
}

#[test]
fn swap_gives_what_the_rule_says_and_keeps_the_fee() {
    let rt = pool();
    rt.answer(TOKEN_A, TRANSFER_FROM, SendReturn::ok());
    rt.answer(TOKEN_B, TRANSFER, SendReturn::ok());
    // 1000 in, 997 of it count: 997 · 1000000 / (1000000 + 997) = 996.006…
    call(&rt, TRADER, METHOD_SWAP, &swap_of(TOKEN_A, 1000, 996)).unwrap();
    let state: State = rt.load_state().unwrap();
    assert_eq!((state.reserve_a, state.reserve_b), (atto(1_001_000), atto(999_004)));
    assert_eq!((rt.unused_answers(), rt.take_events().len()), (0, 1));
}

#[test]
fn whoever_is_called_during_a_swap_finds_it_done() {
    let rt = pool();
    let after = Reserves { a: atto(1_001_000), b: atto(999_004) };
    let seen = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = seen.clone();
    rt.answer_with(move |rt, sent| {
        assert_eq!(rt.load_state::<State>().unwrap().reserves(), after, "in {}", sent.to);
        counter.set(counter.get() + 1);
        Some(SendReturn::ok())
    });
    call(&rt, TRADER, METHOD_SWAP, &swap_of(TOKEN_A, 1000, 996)).unwrap();
    assert_eq!(seen.get(), 2);
}

#[test]
fn each_refusal_has_its_code_and_changes_nothing() {
    let rt = pool();
    let before: State = rt.load_state().unwrap();
    let refused = |params: &SwapParams| call(&rt, TRADER, METHOD_SWAP, params).unwrap_err();
    assert_eq!(refused(&swap_of(FOREIGN, 1000, 0)), refusal::FOREIGN_TOKEN);
    assert_eq!(refused(&swap_of(TOKEN_A, 0, 0)), refusal::AMOUNT);
    assert_eq!(refused(&swap_of(TOKEN_A, 1000, 997)), refusal::SLIPPAGE);
    assert_eq!(refused(&swap_of(TOKEN_A, 1, 0)), refusal::SLIPPAGE, "rounded down to nothing");
    let huge = TokenAmount::from_atto(u128::MAX);
    assert_eq!(refused(&SwapParams { amount_in: huge, ..swap_of(TOKEN_A, 0, 0) }), refusal::OVERFLOW);
    let nobody = SwapParams { token_in: Address::new_actor(b"nobody"), ..swap_of(TOKEN_A, 1000, 0) };
    assert_eq!(refused(&nobody), refusal::FOREIGN_TOKEN);

    rt.answer(TOKEN_A, TRANSFER_FROM, SendReturn::failed(ExitCode::USR_INSUFFICIENT_FUNDS));
    assert_eq!(refused(&swap_of(TOKEN_A, 1000, 0)), refusal::TOKEN_IN);
    rt.answer(TOKEN_A, TRANSFER_FROM, SendReturn::ok());
    rt.answer(TOKEN_B, TRANSFER, SendReturn::failed(ExitCode::new(77)));
    assert_eq!(refused(&swap_of(TOKEN_A, 1000, 0)), refusal::TOKEN_OUT);
    assert_eq!(rt.load_state::<State>().unwrap(), before);
}

#[test]
fn pools_of_one_token_of_unknown_tokens_or_without_liquidity_are_refused() {
    let exit = |a, b| construct(a, b).err().unwrap().exit_code;
    let (a, b) = (Address::new_id(TOKEN_A), Address::new_id(TOKEN_B));
    assert_eq!(exit(a, a), refusal::SAME_TOKEN);
    assert_eq!(exit(a, Address::new_actor(b"nobody")), refusal::UNKNOWN_TOKEN);
    let rt = construct(a, b).unwrap();
    assert_eq!(call(&rt, TRADER, METHOD_SWAP, &swap_of(TOKEN_A, 1, 0)), Err(refusal::EMPTY));
    let one_sided = AddLiquidityParams { amount_a: atto(5), amount_b: atto(0) };
    assert_eq!(call(&rt, TRADER, METHOD_ADD_LIQUIDITY, &one_sided), Err(refusal::AMOUNT));
}

#[test]
fn hook_takes_the_two_tokens_and_nothing_else() {
    let rt = pool();
    let arrived = |type_| UniversalReceiverParams { type_, payload: RawBytes::default() };
    assert_eq!(call(&rt, TOKEN_A, METHOD_RECEIVE, &arrived(FRC46_TOKEN_TYPE)), Ok(()));
    assert_eq!(call(&rt, TOKEN_B, METHOD_RECEIVE, &arrived(FRC46_TOKEN_TYPE)), Ok(()));
    assert_eq!(call(&rt, FOREIGN, METHOD_RECEIVE, &arrived(FRC46_TOKEN_TYPE)), Err(refusal::FOREIGN_SENDER));
    assert_eq!(call(&rt, TRADER, METHOD_RECEIVE, &arrived(FRC46_TOKEN_TYPE)), Err(refusal::FOREIGN_SENDER));
    assert_eq!(call(&rt, TOKEN_A, METHOD_RECEIVE, &arrived(7)), Err(refusal::ASSET_TYPE));
}

#[test]
fn product_never_falls_and_no_reserve_runs_dry() {
    let mut state = State::new(TOKEN_A, TOKEN_B).unwrap();
    state.add(&atto(1009), &atto(7)).unwrap();
    let mut swaps = 0;
    // A plain generator of amounts, small ones often: rounding hurts there most.
    let mut seed = 1u64;
    for _ in 0..2000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let token = if seed >> 63 == 0 { TOKEN_A } else { TOKEN_B };
        let amount = 1 + ((seed >> 20) % 1000) * ((seed >> 40) % 3);
        let before = state.reserve_a.atto() * state.reserve_b.atto();
        let done = state.swap(token, &atto(amount));
        swaps += u32::from(done.is_ok());
        assert!(state.reserve_a.atto() * state.reserve_b.atto() >= before, "{amount} of {token}");
        assert_eq!(check(&state, &state.reserve_a, &state.reserve_b), []);
    }
    assert!(swaps > 500, "only {swaps} swaps gave anything");
}
