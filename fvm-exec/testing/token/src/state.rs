//! The token's state: the library's, and what does not change.

use actor_runtime::{ActorError, ResultExt, Runtime};
use frc46_token::token::Token;
use frc46_token::token::state::{TokenState, actor_id_key};
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::ext::{Calls, Library, LibraryResultExt};
use crate::types::{ConstructorParams, Holder};

/// State of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// Full name.
    pub name: String,
    /// Short name in capitals.
    pub symbol: String,
    /// Every balance is a multiple of it.
    pub granularity: u64,
    /// The only one who mints.
    pub creator: ActorID,
    /// Supply, balances and allowances in the library's layout.
    pub token: TokenState,
}

impl State {
    /// A token whose holders have what `params` gives them. Balances are written in one go, so that many holders cost
    /// little more than the map that holds them.
    ///
    /// # Errors
    /// Exit 16 when the granularity is zero, an amount is not above zero or off the granularity, or a holder is listed
    /// twice; exit 20 when the store refuses a block.
    pub fn new<S: Blockstore>(store: &S, params: &ConstructorParams) -> Result<Self, ActorError> {
        let ConstructorParams { name, symbol, granularity, creator, holders } = params;
        if *granularity == 0 {
            return Err(ActorError::illegal_argument("granularity is 0, expected at least 1"));
        }
        let mut token = TokenState::new(store).or_exit("empty token")?;
        let mut supply = token.supply.clone();
        let mut balances = token.get_balance_map(store).or_exit("balances")?;
        for Holder { owner, amount } in holders {
            let is_whole = amount.div_rem(*granularity).1.is_zero();
            if !amount.is_positive() || !is_whole {
                return Err(ActorError::illegal_argument(format!(
                    "holder {owner} gets {}, expected a multiple of {granularity} above zero",
                    amount.atto()
                )));
            }
            if balances.set(actor_id_key(*owner), amount.clone()).or_illegal_state("balances")?.is_some() {
                return Err(ActorError::illegal_argument(format!("holder {owner} is listed twice")));
            }
            supply += amount;
        }
        token.balances = balances.flush().or_illegal_state("balances")?;
        token.supply = supply;
        Ok(Self { name: name.clone(), symbol: symbol.clone(), granularity: *granularity, creator: *creator, token })
    }

    /// The library over this state. Changes are in the state, which the caller saves.
    pub(crate) fn wrap<'a, R: Runtime>(
        &'a mut self,
        library: &'a Library<'a, R>,
    ) -> Token<'a, Calls<'a, R>, &'a R::Store> {
        Token::wrap(library, self.granularity, &mut self.token)
    }
}
