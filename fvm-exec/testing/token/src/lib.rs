//! A fungible token by FRC-46, for tests and benchmarks.
//!
//! The rules are those of the `frc46_token` library; this actor gives it a state, method numbers and one way to mint.
//! A transfer writes the new balances first and then calls the receiver's hook, so that the receiver may already spend
//! what it got; when the hook aborts, the transfer aborts with the hook's exit code.
//!
//! ```text
//! dispatch ── State ── Token (library) ── Calls ── Runtime: system calls or mock
//! ```
//!
//! Of FRC-46 it leaves out what lowers an allowance (`DecreaseAllowance`, `RevokeAllowance`) or burns by one (`BurnFrom`).
//! No chain starts with it: tests put its code and state into a genesis ([`State::new`]).

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ext;
mod invariants;
mod state;
mod types;

use actor_runtime::{ActorError, Runtime, decode_params, encode_return, require_caller, require_no_params};
use frc42_dispatch::method_hash;
use fvm_actor_utils::receiver::{ReceiverHook, RecipientData};
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{INIT_ID, METHOD_CONSTRUCTOR};
use subnet_types::events::EventBuilder;

use ext::{Library, LibraryResultExt, library};
pub use invariants::{Violation, check};
pub use state::State;
pub use types::*;

/// No parameters → the token's name.
pub const METHOD_NAME: MethodNum = method_hash!("Name");
/// No parameters → its ticker symbol.
pub const METHOD_SYMBOL: MethodNum = method_hash!("Symbol");
/// No parameters → the number of which every amount is a multiple.
pub const METHOD_GRANULARITY: MethodNum = method_hash!("Granularity");
/// No parameters → the sum of all balances.
pub const METHOD_TOTAL_SUPPLY: MethodNum = method_hash!("TotalSupply");
/// An [`Address`] → its balance; zero for one that nobody has used. FRC-46 calls it so.
pub const METHOD_BALANCE: MethodNum = method_hash!("Balance");
/// The same by the name that other tokens and the library's own examples have for it.
pub const METHOD_BALANCE_OF: MethodNum = method_hash!("BalanceOf");
/// [`GetAllowanceParams`] → what the operator may still move of the owner's balance.
pub const METHOD_ALLOWANCE: MethodNum = method_hash!("Allowance");
/// Moves the caller's tokens: [`TransferParams`] → [`TransferReturn`].
pub const METHOD_TRANSFER: MethodNum = method_hash!("Transfer");
/// Moves tokens of an owner who allowed it to the caller: [`TransferFromParams`] → [`TransferFromReturn`].
pub const METHOD_TRANSFER_FROM: MethodNum = method_hash!("TransferFrom");
/// Lets an operator move more of the caller's tokens: [`IncreaseAllowanceParams`] → the allowance after.
pub const METHOD_INCREASE_ALLOWANCE: MethodNum = method_hash!("IncreaseAllowance");
/// Destroys the caller's tokens: [`BurnParams`] → [`BurnReturn`].
pub const METHOD_BURN: MethodNum = method_hash!("Burn");
/// Makes tokens; only for the token's creator: [`MintParams`] → [`MintReturn`].
pub const METHOD_MINT: MethodNum = method_hash!("Mint");

/// Type of the event of a transfer: `from` (id), `to` (id), `amount`. Mints and burns emit none.
pub const EVENT_TRANSFER: &str = "token-transferred";

/// The actor's methods.
///
/// # Errors
/// The abort of the method. What the library refuses has these exit codes: 16 for amounts below zero or off the
/// granularity and for an operator who is the owner, 17 for an address that no actor can have, 18 for more than an
/// allowance, 19 for more than a balance; and the receiver's own code for what the receiver refuses.
pub fn dispatch<R: Runtime>(
    rt: &R,
    method: MethodNum,
    params: Option<IpldBlock>,
) -> Result<Option<IpldBlock>, ActorError> {
    if !rt.value_received().is_zero() {
        return Err(ActorError::not_payable("a token takes no value: it could never leave"));
    }
    match method {
        METHOD_CONSTRUCTOR => constructor(rt, params),
        METHOD_NAME => view(rt, params, |state| state.name.clone()),
        METHOD_SYMBOL => view(rt, params, |state| state.symbol.clone()),
        METHOD_GRANULARITY => view(rt, params, |state| state.granularity),
        METHOD_TOTAL_SUPPLY => view(rt, params, |state| state.token.supply.clone()),
        METHOD_BALANCE | METHOD_BALANCE_OF => balance_of(rt, params),
        METHOD_ALLOWANCE => allowance(rt, params),
        METHOD_TRANSFER => transfer(rt, params),
        METHOD_TRANSFER_FROM => transfer_from(rt, params),
        METHOD_INCREASE_ALLOWANCE => increase_allowance(rt, params),
        METHOD_BURN => burn(rt, params),
        METHOD_MINT => mint(rt, params),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[INIT_ID])?;
    let params: ConstructorParams = decode_params(params)?;
    rt.save_state(&State::new(rt.store(), &params)?)?;
    Ok(None)
}

fn view<R: Runtime, T: serde::Serialize>(
    rt: &R,
    params: Option<IpldBlock>,
    field: impl Fn(&State) -> T,
) -> Result<Option<IpldBlock>, ActorError> {
    require_no_params(params)?;
    encode_return(&field(&rt.load_state()?))
}

fn balance_of<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let owner: Address = decode_params(params)?;
    let library = library(rt);
    let mut state: State = rt.load_state()?;
    encode_return(&state.wrap(&library).balance_of(&owner).or_exit("balance")?)
}

fn allowance<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let GetAllowanceParams { owner, operator } = decode_params(params)?;
    let library = library(rt);
    let mut state: State = rt.load_state()?;
    encode_return(&state.wrap(&library).allowance(&owner, &operator).or_exit("allowance")?)
}

fn transfer<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let TransferParams { to, amount, operator_data } = decode_params(params)?;
    let from = Address::new_id(rt.caller());
    let library = library(rt);
    let mut state: State = rt.load_state()?;
    let hook =
        state.wrap(&library).transfer(&from, &to, &amount, operator_data, RawBytes::default()).or_exit("transfer")?;
    let (mut state, delivered) = deliver(rt, &library, state, hook)?;
    emit_transfer(rt, &from, &to, &amount)?;
    encode_return(&state.wrap(&library).transfer_return(delivered).or_exit("transfer")?)
}

fn transfer_from<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let TransferFromParams { from, to, amount, operator_data } = decode_params(params)?;
    let operator = Address::new_id(rt.caller());
    let library = library(rt);
    let mut state: State = rt.load_state()?;
    let hook = state
        .wrap(&library)
        .transfer_from(&operator, &from, &to, &amount, operator_data, RawBytes::default())
        .or_exit("transfer")?;
    let (mut state, delivered) = deliver(rt, &library, state, hook)?;
    emit_transfer(rt, &from, &to, &amount)?;
    encode_return(&state.wrap(&library).transfer_from_return(delivered).or_exit("transfer")?)
}

fn increase_allowance<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let IncreaseAllowanceParams { operator, increase } = decode_params(params)?;
    let owner = Address::new_id(rt.caller());
    let library = library(rt);
    let mut state: State = rt.load_state()?;
    let after = state.wrap(&library).increase_allowance(&owner, &operator, &increase).or_exit("allowance")?;
    rt.save_state(&state)?;
    encode_return(&after)
}

fn burn<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let BurnParams { amount } = decode_params(params)?;
    let owner = Address::new_id(rt.caller());
    let library = library(rt);
    let mut state: State = rt.load_state()?;
    let burned = state.wrap(&library).burn(&owner, &amount).or_exit("burn")?;
    rt.save_state(&state)?;
    encode_return(&burned)
}

fn mint<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let mut state: State = rt.load_state()?;
    require_caller(rt, &[state.creator])?;
    let MintParams { to, amount, operator_data } = decode_params(params)?;
    let operator = Address::new_id(rt.caller());
    let library = library(rt);
    let hook =
        state.wrap(&library).mint(&operator, &to, &amount, operator_data, RawBytes::default()).or_exit("mint")?;
    let (mut state, delivered) = deliver(rt, &library, state, hook)?;
    encode_return(&state.wrap(&library).mint_return(delivered).or_exit("mint")?)
}

/// Saves the state, then calls the receiver's hook. Returns the state as it is after that, because the hook may have
/// led back here, and what the library needs for the method's return.
fn deliver<R: Runtime, T: RecipientData>(
    rt: &R,
    library: &Library<'_, R>,
    state: State,
    mut hook: ReceiverHook<T>,
) -> Result<(State, T), ActorError> {
    if let Err(error) = rt.save_state(&state) {
        // A hook that is dropped without its call panics; the abort here undoes the transfer anyway.
        std::mem::forget(hook);
        return Err(error);
    }
    let saved = rt.state_root()?;
    let delivered = hook.call(library).or_exit("receiver hook")?;
    let state = if rt.state_root()? == saved { state } else { rt.load_state()? };
    Ok((state, delivered))
}

/// The addresses resolve here, because the transfer before has found or made their actors.
fn emit_transfer<R: Runtime>(rt: &R, from: &Address, to: &Address, amount: &TokenAmount) -> Result<(), ActorError> {
    let id = |address: &Address| {
        rt.resolve_address(address).ok_or_else(|| ActorError::illegal_state(format!("{address} is nobody's")))
    };
    let event = EventBuilder::new(EVENT_TRANSFER).indexed("from", &id(from)?).indexed("to", &id(to)?);
    rt.emit_event(&event.field("amount", amount).build())
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests;
