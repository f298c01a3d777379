//! Parameters and returns of the actor's methods.

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// Parameters of the constructor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ConstructorParams {
    /// One token.
    pub token_a: Address,
    /// The other.
    pub token_b: Address,
}

/// Parameters of [`crate::METHOD_ADD_LIQUIDITY`].
///
/// Their ratio to each other need not be the reserves': the price then moves, and the caller pays for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct AddLiquidityParams {
    /// What comes in of token a, above zero, in its smallest unit.
    pub amount_a: TokenAmount,
    /// What comes in of token b, above zero, in its smallest unit.
    pub amount_b: TokenAmount,
}

/// Parameters of [`crate::METHOD_SWAP`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SwapParams {
    /// The token that comes in; the other one goes out.
    pub token_in: Address,
    /// How much comes in, above zero, in that token's smallest unit. The fee is part of it.
    pub amount_in: TokenAmount,
    /// The least that may go out, in the other token's smallest unit.
    pub amount_out_min: TokenAmount,
}

/// Return of [`crate::METHOD_SWAP`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SwapReturn {
    /// What went out, in its token's smallest unit.
    pub amount_out: TokenAmount,
}

/// What the pool swaps with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Reserves {
    /// Of token a, in its smallest unit.
    pub a: TokenAmount,
    /// Of token b, in its smallest unit.
    pub b: TokenAmount,
}
