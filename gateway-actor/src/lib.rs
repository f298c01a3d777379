//! The door between a chain, its parent and its children.
//!
//! ```text
//!            parent's gateway                              this gateway
//!   Send ──> queue per child ──(parent update)──> ApplyParentUpdate ──> credit, call, or the next queue
//!  credit <── Deliver <──(checkpoint actor)──────── CutCheckpoint <── outbox <── Send
//! ```
//!
//! It sits at id 64 of every chain. Value never rests here, but for the unclaimed ledger and the fees of calls whose
//! answers are put off: what goes down is locked in the child's checkpoint actor, what goes up returns to the reserve.
//! State is saved before each send that can run code of others, and read again after.
#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{ActorError, Runtime, decode_params, encode_return, require_caller, require_no_params};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use subnet_types::actors::{SYSTEM_ID, gateway};

mod children;
mod delivery;
mod door;
mod ending;
mod events;
mod ext;
pub mod invariants;
pub mod state;
mod traffic;
pub mod types;

pub use invariants::Violation;
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
    match method {
        gateway::REGISTER_CHILD => encode_return(&children::register(rt, decode_params(params)?)?),
        gateway::ACTIVATE_CHILD => {
            require_no_params(params)?;
            encode_return(&children::activate(rt)?)
        }
        gateway::LOG_CHANGE => nothing(children::log_change(rt, decode_params(params)?)),
        gateway::COMMIT_CHECKPOINT => encode_return(&children::commit_checkpoint(rt, decode_params(params)?)?),
        gateway::DELIVER => encode_return(&traffic::deliver(rt, decode_params(params)?)?),
        gateway::CLOSE_CHILD => encode_return(&ending::close(rt, decode_params(params)?)?),
        gateway::REFUND_CHILD => encode_return(&ending::refund(rt, decode_params(params)?)?),
        gateway::SEND => encode_return(&door::send(rt, door::decode(params)?)?),
        gateway::ANSWER => encode_return(&door::answer(rt, decode_params(params)?)?),
        gateway::CLAIM => nothing(door::claim(rt, decode_params(params)?)),
        gateway::APPLY_PARENT_UPDATE => {
            require_caller(rt, &[SYSTEM_ID])?;
            encode_return(&traffic::apply_parent_update(rt, decode_params(params)?)?)
        }
        gateway::CUT_CHECKPOINT => {
            require_caller(rt, &[SYSTEM_ID])?;
            require_no_params(params)?;
            encode_return(&traffic::cut_checkpoint(rt)?)
        }
        _ => Err(ActorError::unhandled(method)),
    }
}

fn nothing(result: Result<(), ActorError>) -> Result<Option<IpldBlock>, ActorError> {
    result.map(|()| None)
}
