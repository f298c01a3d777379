//! The pool's state and its arithmetic, in whole numbers.

use actor_runtime::ActorError;
use fvm_shared::ActorID;
use fvm_shared::bigint::{BigInt, Zero};
use fvm_shared::econ::TokenAmount;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::refusal;
use crate::types::Reserves;

/// Thousandths of what comes in that stay with the pool before the rule applies.
pub const FEE_PER_MILLE: u64 = 3;
/// A reserve has at most so many bits; the products of a swap then have at most twice as many and ten more.
pub const RESERVE_BITS_MAX: u64 = 128;

/// State of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// One token.
    pub token_a: ActorID,
    /// The other.
    pub token_b: ActorID,
    /// What the pool swaps with, of token a. Never more than its balance.
    pub reserve_a: TokenAmount,
    /// What the pool swaps with, of token b. Never more than its balance.
    pub reserve_b: TokenAmount,
}

impl State {
    /// A pool without liquidity.
    ///
    /// # Errors
    /// [`refusal::SAME_TOKEN`].
    pub fn new(token_a: ActorID, token_b: ActorID) -> Result<Self, ActorError> {
        if token_a == token_b {
            return Err(ActorError::new(refusal::SAME_TOKEN, format!("a pool of {token_a} and itself")));
        }
        Ok(Self { token_a, token_b, reserve_a: TokenAmount::zero(), reserve_b: TokenAmount::zero() })
    }

    /// What the pool swaps with.
    pub fn reserves(&self) -> Reserves {
        Reserves { a: self.reserve_a.clone(), b: self.reserve_b.clone() }
    }

    /// The token that is swapped for `token`.
    ///
    /// # Errors
    /// [`refusal::FOREIGN_TOKEN`].
    pub fn other(&self, token: ActorID) -> Result<ActorID, ActorError> {
        match token {
            token if token == self.token_a => Ok(self.token_b),
            token if token == self.token_b => Ok(self.token_a),
            _ => Err(ActorError::new(
                refusal::FOREIGN_TOKEN,
                format!("token {token} is not of this pool, expected {} or {}", self.token_a, self.token_b),
            )),
        }
    }

    /// Adds liquidity. Changes nothing when it fails.
    ///
    /// # Errors
    /// [`refusal::AMOUNT`] and [`refusal::OVERFLOW`].
    pub fn add(&mut self, amount_a: &TokenAmount, amount_b: &TokenAmount) -> Result<(), ActorError> {
        let (a, b) = (grown(&self.reserve_a, amount_a)?, grown(&self.reserve_b, amount_b)?);
        (self.reserve_a, self.reserve_b) = (a, b);
        Ok(())
    }

    /// Swaps `amount_in` of `token_in` and returns what goes out of the other token. Changes nothing when it fails.
    ///
    /// What goes out is rounded down, so that the product of the reserves never falls.
    ///
    /// # Errors
    /// [`refusal::FOREIGN_TOKEN`], [`refusal::EMPTY`], [`refusal::AMOUNT`], [`refusal::OVERFLOW`], and
    /// [`refusal::SLIPPAGE`] when nothing would go out.
    pub fn swap(&mut self, token_in: ActorID, amount_in: &TokenAmount) -> Result<TokenAmount, ActorError> {
        self.other(token_in)?;
        let (reserve_in, reserve_out) = if token_in == self.token_a {
            (&mut self.reserve_a, &mut self.reserve_b)
        } else {
            (&mut self.reserve_b, &mut self.reserve_a)
        };
        if reserve_in.is_zero() || reserve_out.is_zero() {
            return Err(ActorError::new(refusal::EMPTY, "the pool has no liquidity"));
        }
        let grown = grown(reserve_in, amount_in)?;
        let amount_out = amount_out(reserve_in, reserve_out, amount_in);
        if amount_out.is_zero() {
            return Err(ActorError::new(
                refusal::SLIPPAGE,
                format!("nothing would go out for {} in", amount_in.atto()),
            ));
        }
        *reserve_in = grown;
        *reserve_out -= &amount_out;
        Ok(amount_out)
    }
}

/// What goes out so that (in + fee-free part of `amount_in`) · (out − result) ≥ in · out, rounded down. Less than
/// `reserve_out`, because both reserves are above zero.
fn amount_out(reserve_in: &TokenAmount, reserve_out: &TokenAmount, amount_in: &TokenAmount) -> TokenAmount {
    let without_fee: BigInt = amount_in.atto() * (1000 - FEE_PER_MILLE);
    let divisor: BigInt = reserve_in.atto() * 1000u64 + &without_fee;
    TokenAmount::from_atto(without_fee * reserve_out.atto() / divisor)
}

fn grown(reserve: &TokenAmount, amount: &TokenAmount) -> Result<TokenAmount, ActorError> {
    if !amount.is_positive() {
        return Err(ActorError::new(refusal::AMOUNT, format!("{} would come in, expected more than 0", amount.atto())));
    }
    let sum = reserve + amount;
    let bits = sum.atto().bits();
    if bits > RESERVE_BITS_MAX {
        return Err(ActorError::new(
            refusal::OVERFLOW,
            format!("a reserve would need {bits} bits, {RESERVE_BITS_MAX} are allowed"),
        ));
    }
    Ok(sum)
}
