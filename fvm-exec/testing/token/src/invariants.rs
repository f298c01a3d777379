//! What must hold of a token's state between messages. Returns everything that does not.

use fvm_ipld_blockstore::Blockstore;

use crate::state::State;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// Every violation in `state`: supply and balances below zero or off the granularity, a supply that is not the sum of
/// the balances, allowances that should not be stored.
pub fn check(state: &State, store: &impl Blockstore) -> Vec<Violation> {
    let (_, errors) = state.token.check_invariants(store, state.granularity);
    errors.into_iter().map(|error| Violation(error.to_string())).collect()
}
