//! The balance of one account, with the blocks that prove it: what is claimed on the parent after a subnet has ended.
//!
//! The checkpoint actor on the parent makes the same walk over these blocks (`checkpoint_actor::proof`), with a reader of
//! its own.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::INIT_ID;
use subnet_types::parent::WitnessBlock;

use super::error::{RecordError, WitnessError};
use super::store::{Touched, load};
use super::walk::Actors;

/// What a state holds for an address, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBalance {
    /// Id of the actor.
    pub id: ActorID,
    /// In attoFIL.
    pub balance: TokenAmount,
    /// Of a checkpoint actor: the state root of the chain below, as its last accepted checkpoint names it.
    pub below: Option<Cid>,
    /// Each block that was read, once, in ascending order of CID.
    pub blocks: Vec<WitnessBlock>,
}

/// Reads what the actor at `address` holds in the state `state_root`, and keeps what was read. Of a checkpoint actor,
/// which is named by its f2 address, it reads the state besides: the way to accounts on the chain below.
///
/// # Errors
/// When the store or the state is broken, or nobody is there.
pub fn record_balance<B: Blockstore>(
    store: &B,
    state_root: &Cid,
    address: &Address,
) -> Result<RecordedBalance, RecordError> {
    let touched = Touched::new(store);
    let walked = walk(&touched, state_root, address);
    let (blocks, failure) = touched.into_parts();
    if let Some(failure) = failure {
        return Err(failure.of_own_state());
    }
    let (id, balance, below) = walked.map_err(|error| RecordError::from(error).of_own_state())?;
    let blocks = blocks.into_values().map(|bytes| WitnessBlock { bytes }).collect();
    Ok(RecordedBalance { id, balance, below, blocks })
}

fn walk<B: Blockstore>(
    store: &B,
    state_root: &Cid,
    address: &Address,
) -> Result<(ActorID, TokenAmount, Option<Cid>), WitnessError> {
    let actors = Actors::open(store, state_root)?;
    let init: init::State = actors.state("the init actor", INIT_ID)?;
    let id = actors.look_up("the address map", &init.address_map, address)?;
    let id: ActorID = id.ok_or_else(|| WitnessError::NoActor { address: address.to_string() })?;
    let actor = actors.actor("the account", id)?;
    let below = match address.protocol() {
        Protocol::Actor => {
            let state: checkpoint_actor::State = load(store, "a checkpoint actor", &actor.state)?;
            state.last_state_root
        }
        _ => None,
    };
    Ok((id, actor.balance, below))
}
