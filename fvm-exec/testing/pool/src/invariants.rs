//! What must hold of a pool's state between messages. Returns everything that does not.

use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;

use crate::state::{RESERVE_BITS_MAX, State};

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// Every violation in `state`, whose actor holds `balance_a` and `balance_b` of its tokens.
pub fn check(state: &State, balance_a: &TokenAmount, balance_b: &TokenAmount) -> Vec<Violation> {
    let mut found = Vec::new();
    if state.token_a == state.token_b {
        found.push(Violation(format!("both tokens are {}", state.token_a)));
    }
    if state.reserve_a.is_zero() != state.reserve_b.is_zero() {
        found.push(Violation("one reserve is empty and the other is not".to_owned()));
    }
    let sides = [(state.token_a, &state.reserve_a, balance_a), (state.token_b, &state.reserve_b, balance_b)];
    for (token, reserve, balance) in sides {
        check_side(token, reserve, balance, &mut found);
    }
    found
}

fn check_side(token: ActorID, reserve: &TokenAmount, balance: &TokenAmount, found: &mut Vec<Violation>) {
    if reserve.is_negative() || reserve.atto().bits() > RESERVE_BITS_MAX {
        found.push(Violation(format!("the reserve of {token} is {}", reserve.atto())));
    }
    if reserve > balance {
        found.push(Violation(format!("the reserve of {token} is {}, more than {}", reserve.atto(), balance.atto())));
    }
}
