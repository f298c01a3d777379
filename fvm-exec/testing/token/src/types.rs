//! Parameters and returns of the actor's methods. Those of FRC-46 are the library's.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

pub use frc46_token::token::types::{
    BurnParams, BurnReturn, GetAllowanceParams, IncreaseAllowanceParams, MintReturn, TransferFromParams,
    TransferFromReturn, TransferParams, TransferReturn,
};

/// Parameters of the constructor, and what [`crate::State::new`] makes a state of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ConstructorParams {
    /// Full name.
    pub name: String,
    /// Short name in capitals.
    pub symbol: String,
    /// Every amount is a multiple of it; at least 1.
    pub granularity: u64,
    /// The only one who mints.
    pub creator: ActorID,
    /// Who starts with how much. Nobody's receiver hook is called for it.
    pub holders: Vec<Holder>,
}

/// Somebody who has tokens from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Holder {
    /// Who. By id, so that ten thousand of them need no look-up.
    pub owner: ActorID,
    /// How much, above zero, in the token's smallest unit (10⁻¹⁸).
    pub amount: TokenAmount,
}

/// Parameters of [`crate::METHOD_MINT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct MintParams {
    /// Who gets the new tokens.
    pub to: Address,
    /// How much, in the token's smallest unit.
    pub amount: TokenAmount,
    /// Passed on to the receiver's hook.
    pub operator_data: RawBytes,
}
