//! What a parent chain knows of one child subnet: membership, stake, custody, checkpoints.
//!
//! One instance stands for one subnet. All value of the subnet sits here until it is delivered, so that nothing its
//! validators sign can move more than its own custody.
//!
//! ```text
//!  init.Exec ──> Constructor ──> Register ──> Join … Join ──> active ──> SubmitCheckpoint ──> DeliverBatch
//!                                             Leave ──> Withdraw  gateway.Send ──> Lock    DeliverUnclaimed
//!
//!  active ──Kill──> notice ──> Exit ──> Refund, ClaimBalance, Withdraw
//!     └────silence──────────────┘
//! ```
//!
//! State is saved before each send and read again after.
#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{ActorError, Runtime, decode_params, encode_return, require_caller, require_no_params};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use subnet_types::actors::{GATEWAY_ID, METHOD_CONSTRUCTOR, checkpoint};

pub mod error;
mod exit;
pub mod exit_error;
mod ext;
pub mod invariants;
pub mod keys;
mod membership;
pub mod proof;
pub mod rejection;
pub mod runs;
mod settlement;
pub mod state;
pub mod types;

pub use error::CheckpointError;
pub use exit_error::ExitError;
pub use invariants::Violation;
pub use rejection::Rejection;
pub use state::State;

actor_runtime::entry!(dispatch);

/// Runs one method.
///
/// # Errors
/// What aborts the message.
pub fn dispatch<R: Runtime>(
    rt: &R,
    method: MethodNum,
    params: Option<IpldBlock>,
) -> Result<Option<IpldBlock>, ActorError> {
    // Value that came with anything else would be in none of the counters, and nobody's.
    if !matches!(method, checkpoint::JOIN | checkpoint::LOCK) && !rt.value_received().is_zero() {
        return Err(ActorError::not_payable("only Join and Lock take value"));
    }
    match method {
        METHOD_CONSTRUCTOR => nothing(membership::construct(rt, decode_params(params)?)),
        checkpoint::REGISTER => encode_return(&membership::register(rt, decode_params(params)?)?),
        checkpoint::JOIN => nothing(membership::join(rt, decode_params(params)?)),
        checkpoint::SET_POWER => nothing(membership::set_power(rt, decode_params(params)?)),
        checkpoint::SUBMIT_CHECKPOINT => encode_return(&settlement::submit(rt, decode_params(params)?)?),
        checkpoint::DELIVER_BATCH => encode_return(&settlement::deliver_batch(rt, decode_params(params)?)?),
        checkpoint::DELIVER_UNCLAIMED => encode_return(&settlement::deliver_unclaimed(rt, decode_params(params)?)?),
        checkpoint::LOCK => {
            require_caller(rt, &[GATEWAY_ID])?;
            require_no_params(params)?;
            nothing(membership::lock(rt, rt.value_received()))
        }
        checkpoint::LEAVE => nothing(exit::leave(rt, decode_params(params)?)),
        checkpoint::WITHDRAW => nothing(exit::withdraw(rt, decode_params(params)?)),
        checkpoint::KILL => encode_return(&exit::kill(rt, decode_params(params)?)?),
        checkpoint::RETRACT_VOTES => nothing(exit::retract_votes(rt, decode_params(params)?)),
        checkpoint::RECOVER => encode_return(&exit::recover(rt, decode_params(params)?)?),
        checkpoint::EXIT => {
            require_no_params(params)?;
            nothing(exit::exit(rt))
        }
        checkpoint::REFUND => encode_return(&exit::refund(rt, decode_params(params)?)?),
        checkpoint::UNLOCK => encode_return(&exit::unlock(rt, decode_params(params)?)?),
        checkpoint::CLAIM_BALANCE => encode_return(&exit::claim(rt, decode_params(params)?)?),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn nothing(result: Result<(), ActorError>) -> Result<Option<IpldBlock>, ActorError> {
    result.map(|()| None)
}
