//! The ledger of what came back and could not be credited.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{Config, Hamt};
use fvm_shared::econ::TokenAmount;

use super::state_error;
use crate::types::GatewayError;

type Ledger<'a, B> = Hamt<&'a B, TokenAmount>;

/// Narrow nodes: the ledger is small, and a write should touch few bytes.
fn config() -> Config {
    Config { bit_width: 5, ..Config::default() }
}

pub(crate) fn empty<B: Blockstore>(store: &B) -> Result<Cid, GatewayError> {
    Ledger::new_with_config(store, config()).flush().map_err(state_error)
}
