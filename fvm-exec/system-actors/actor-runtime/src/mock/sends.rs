//! Sends: who receives, who answers, and what money moves.

use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{METHOD_SEND, MethodNum};

use super::MockRuntime;
use crate::error::ActorError;
use crate::runtime::{Runtime, SendReturn};

/// A send that the actor made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// As the actor gave it, not resolved.
    pub to: Address,
    /// Method.
    pub method: MethodNum,
    /// Parameters.
    pub params: Option<IpldBlock>,
    /// Value.
    pub value: TokenAmount,
    /// Limit that the actor set; `None` for all that was left.
    pub gas_limit: Option<u64>,
}

impl MockRuntime {
    pub(super) fn perform_send(&self, message: SentMessage) -> Result<SendReturn, ActorError> {
        if self.is_read_only() && !message.value.is_zero() {
            return Err(ActorError::read_only(format!("a read-only call cannot send value to {}", message.to)));
        }
        self.gas.set(self.gas.get().saturating_sub(self.gas_per_send.get()));
        self.world.borrow_mut().sends.push(message.clone());

        if message.value.is_negative() || message.to.is_bls_zero_address() {
            return Ok(SendReturn::failed(ExitCode::USR_ILLEGAL_ARGUMENT));
        }
        // A failed send leaves no account behind, so the world before it is what a failure restores; the record of
        // sends is the test's and stays.
        let before = self.world.borrow().clone();
        let Some(to) = self.world.borrow_mut().resolve_or_create(&message.to) else {
            return Ok(SendReturn::failed(ExitCode::SYS_INVALID_RECEIVER));
        };
        if self.balance() < message.value {
            self.world.replace(before);
            return Ok(SendReturn::failed(ExitCode::SYS_INSUFFICIENT_FUNDS));
        }
        {
            let mut world = self.world.borrow_mut();
            world.debit_down_to_zero(self.receiver(), &message.value);
            world.credit(to, &message.value);
        }
        let answer = self.answer_to(to, &message);
        if !answer.is_success() {
            let sends = self.take_sends();
            self.world.replace(before);
            self.world.borrow_mut().sends = sends;
        }
        Ok(answer)
    }

    fn answer_to(&self, to: u64, message: &SentMessage) -> SendReturn {
        // Taken out for the call, so that it may look at this runtime, and put back unless it set another.
        let handler = self.handler.take();
        let handled = handler.as_ref().and_then(|handler| handler(self, message));
        if self.handler.borrow().is_none() {
            self.handler.replace(handler);
        }
        handled
            .or_else(|| self.answers.borrow_mut().get_mut(&(to, message.method))?.pop_front())
            .or_else(|| (message.method == METHOD_SEND).then(SendReturn::ok))
            .unwrap_or_else(|| panic!("the test scripts no answer for method {} of actor {to}", message.method))
    }
}
