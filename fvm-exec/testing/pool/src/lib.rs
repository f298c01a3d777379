//! A pool that swaps two FRC-46 tokens by the constant-product rule, for tests and benchmarks.
//!
//! ```text
//! trader ── Swap ──> pool ── TransferFrom(trader → pool) ──> token in ── Receive ──> pool
//!                     └───── Transfer(pool → trader) ──────> token out ─ Receive ──> trader
//! ```
//!
//! The new reserves are written before any token moves. Whoever is called meanwhile and calls back sees the pool as it
//! is after the swap, and a transfer that fails aborts all of it. What somebody transfers to the pool by itself is
//! taken, belongs to nobody and never counts as reserve. Liquidity has no owner either and does not leave but by swaps:
//! a benchmark needs neither.
//!
//! No chain starts with it: tests put its code and state into a genesis ([`State::new`]).

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ext;
mod invariants;
mod state;
mod types;

use actor_runtime::{ActorError, Runtime, decode_params, encode_return, require_caller, require_no_params};
use frc42_dispatch::method_hash;
use frc46_token::receiver::FRC46_TOKEN_TYPE;
use fvm_actor_utils::receiver::UniversalReceiverParams;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};
use subnet_types::actors::{INIT_ID, METHOD_CONSTRUCTOR};
use subnet_types::events::EventBuilder;

pub use invariants::{Violation, check};
pub use state::{FEE_PER_MILLE, RESERVE_BITS_MAX, State};
pub use types::{AddLiquidityParams, ConstructorParams, Reserves, SwapParams, SwapReturn};

/// Takes both tokens from the caller, who has allowed it: [`AddLiquidityParams`] → the [`Reserves`] after.
pub const METHOD_ADD_LIQUIDITY: MethodNum = method_hash!("AddLiquidity");
/// Takes one token from the caller, who has allowed it, and gives the other: [`SwapParams`] → [`SwapReturn`].
pub const METHOD_SWAP: MethodNum = method_hash!("Swap");
/// No parameters → [`Reserves`].
pub const METHOD_RESERVES: MethodNum = method_hash!("Reserves");
/// The hook that tokens call when they transfer something to the pool.
pub const METHOD_RECEIVE: MethodNum = method_hash!("Receive");

/// Type of the event of a swap: `trader` (id), `token-in` (id), `amount-in`, `amount-out`.
pub const EVENT_SWAPPED: &str = "pool-swapped";

/// Exit codes of the pool's refusals.
pub mod refusal {
    use super::ExitCode;

    /// Both tokens of a new pool are the same one.
    pub const SAME_TOKEN: ExitCode = ExitCode::new(40);
    /// A new pool's token is an address that no actor has.
    pub const UNKNOWN_TOKEN: ExitCode = ExitCode::new(41);
    /// The token to swap is not one of the pool's.
    pub const FOREIGN_TOKEN: ExitCode = ExitCode::new(42);
    /// An amount that goes in is not above zero.
    pub const AMOUNT: ExitCode = ExitCode::new(43);
    /// Nobody has added liquidity.
    pub const EMPTY: ExitCode = ExitCode::new(44);
    /// The swap gives less than its trader asked for, or nothing.
    pub const SLIPPAGE: ExitCode = ExitCode::new(45);
    /// A reserve would need more than [`super::RESERVE_BITS_MAX`] bits.
    pub const OVERFLOW: ExitCode = ExitCode::new(46);
    /// A token that goes in was not handed over: balance or allowance is too small.
    pub const TOKEN_IN: ExitCode = ExitCode::new(47);
    /// The token that goes out was not taken.
    pub const TOKEN_OUT: ExitCode = ExitCode::new(48);
    /// Something other than the pool's tokens called the hook.
    pub const FOREIGN_SENDER: ExitCode = ExitCode::new(49);
    /// What arrived is no FRC-46 token.
    pub const ASSET_TYPE: ExitCode = ExitCode::new(50);
}

/// The actor's methods.
///
/// # Errors
/// The abort of the method; exit codes of the pool's own are in [`refusal`].
pub fn dispatch<R: Runtime>(
    rt: &R,
    method: MethodNum,
    params: Option<IpldBlock>,
) -> Result<Option<IpldBlock>, ActorError> {
    if !rt.value_received().is_zero() {
        return Err(ActorError::not_payable("a pool takes no value: it could never leave"));
    }
    match method {
        METHOD_CONSTRUCTOR => constructor(rt, params),
        METHOD_ADD_LIQUIDITY => add_liquidity(rt, params),
        METHOD_SWAP => swap(rt, params),
        METHOD_RESERVES => reserves(rt, params),
        METHOD_RECEIVE => receive(rt, params),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[INIT_ID])?;
    let ConstructorParams { token_a, token_b } = decode_params(params)?;
    let id = |token: &Address| {
        let unknown = || ActorError::new(refusal::UNKNOWN_TOKEN, format!("{token} is no actor"));
        rt.resolve_address(token).ok_or_else(unknown)
    };
    rt.save_state(&State::new(id(&token_a)?, id(&token_b)?)?)?;
    Ok(None)
}

fn add_liquidity<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let AddLiquidityParams { amount_a, amount_b } = decode_params(params)?;
    let mut state: State = rt.load_state()?;
    state.add(&amount_a, &amount_b)?;
    rt.save_state(&state)?;
    ext::take(rt, state.token_a, &amount_a)?;
    ext::take(rt, state.token_b, &amount_b)?;
    encode_return(&state.reserves())
}

fn swap<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let SwapParams { token_in, amount_in, amount_out_min } = decode_params(params)?;
    let mut state: State = rt.load_state()?;
    let Some(token_in) = rt.resolve_address(&token_in) else {
        return Err(ActorError::new(refusal::FOREIGN_TOKEN, format!("{token_in} is no actor")));
    };
    let token_out = state.other(token_in)?;
    let amount_out = state.swap(token_in, &amount_in)?;
    if amount_out < amount_out_min {
        return Err(ActorError::new(
            refusal::SLIPPAGE,
            format!("{} would go out, expected at least {}", amount_out.atto(), amount_out_min.atto()),
        ));
    }
    rt.save_state(&state)?;
    ext::take(rt, token_in, &amount_in)?;
    ext::give(rt, token_out, &amount_out)?;
    let event = EventBuilder::new(EVENT_SWAPPED).indexed("trader", &rt.caller()).indexed("token-in", &token_in);
    rt.emit_event(&event.field("amount-in", &amount_in).field("amount-out", &amount_out).build())?;
    encode_return(&SwapReturn { amount_out })
}

fn reserves<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_no_params(params)?;
    encode_return(&rt.load_state::<State>()?.reserves())
}

fn receive<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let state: State = rt.load_state()?;
    let sender: ActorID = rt.caller();
    if sender != state.token_a && sender != state.token_b {
        return Err(ActorError::new(
            refusal::FOREIGN_SENDER,
            format!("actor {sender} sent something, this pool takes {} and {}", state.token_a, state.token_b),
        ));
    }
    let UniversalReceiverParams { type_, .. } = decode_params(params)?;
    if type_ != FRC46_TOKEN_TYPE {
        return Err(ActorError::new(
            refusal::ASSET_TYPE,
            format!("an asset of type {type_} arrived, expected FRC-46 ({FRC46_TOKEN_TYPE})"),
        ));
    }
    Ok(None)
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests;
