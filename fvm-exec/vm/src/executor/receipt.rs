//! From what a call has come to, to a receipt.

use cid::Cid;
use fvm::call_manager::{Backtrace, FinishRet, InvocationResult, backtrace::Cause};
use fvm::executor::{ApplyFailure, ApplyRet};
use fvm::kernel::{ExecutionError, Result};
use fvm::trace::ExecutionTrace;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::clock::ChainEpoch;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::{ErrorNumber, ExitCode};
use fvm_shared::event::StampedEvent;
use fvm_shared::message::Message;
use fvm_shared::receipt::Receipt;
use num_traits::Zero as _;

/// What a message has come to, before anyone has paid for it.
pub(super) struct Outcome {
    pub(super) receipt: Receipt,
    pub(super) return_codec: Option<u64>,
    pub(super) failure: Option<ApplyFailure>,
    pub(super) trace: ExecutionTrace,
    pub(super) events: Vec<StampedEvent>,
}

impl Outcome {
    /// The result of a message that nobody pays for.
    pub(super) fn free_of_charge(self) -> ApplyRet {
        ApplyRet {
            msg_receipt: self.receipt,
            penalty: TokenAmount::zero(),
            miner_tip: TokenAmount::zero(),
            base_fee_burn: TokenAmount::zero(),
            over_estimation_burn: TokenAmount::zero(),
            refund: TokenAmount::zero(),
            gas_refund: 0,
            gas_burned: 0,
            failure_info: self.failure,
            exec_trace: self.trace,
            events: self.events,
            return_codec: self.return_codec,
        }
    }
}

/// The outcome of `message`, run in `epoch`.
pub(super) fn outcome(
    message: &Message,
    epoch: ChainEpoch,
    result: Result<InvocationResult>,
    finished: FinishRet,
) -> Outcome {
    let FinishRet { gas_used, mut backtrace, exec_trace, events, events_root } = finished;
    let (receipt, return_codec) = match result {
        Ok(done) => returned(done, gas_used, events_root, &mut backtrace),
        Err(ExecutionError::OutOfGas) => (failed(ExitCode::SYS_OUT_OF_GAS, gas_used, events_root), None),
        // The message could not be delivered; the exit code says why.
        Err(ExecutionError::Syscall(error)) => {
            let exit_code = match error.1 {
                ErrorNumber::InsufficientFunds => ExitCode::SYS_INSUFFICIENT_FUNDS,
                ErrorNumber::NotFound => ExitCode::SYS_INVALID_RECEIVER,
                _ => ExitCode::SYS_ASSERTION_FAILED,
            };
            backtrace.begin(Cause::from_syscall("send", "send", error));
            (failed(exit_code, gas_used, events_root), None)
        }
        // All the gas is used, so that nodes agree even on a fault that they all have.
        Err(ExecutionError::Fatal(error)) => {
            let Message { from, to, sequence, method_num, .. } = message;
            let place = format!("[from={from}, to={to}, seq={sequence}, m={method_num}, h={epoch}]");
            backtrace.set_cause(Cause::from_fatal(error.context(place)));
            (failed(ExitCode::SYS_ASSERTION_FAILED, message.gas_limit, events_root), None)
        }
    };
    let has_failed = !backtrace.is_empty() && !receipt.exit_code.is_success();
    let failure = has_failed.then_some(ApplyFailure::MessageBacktrace(backtrace));
    Outcome { receipt, return_codec, failure, trace: exec_trace, events }
}

fn returned(
    done: InvocationResult,
    gas_used: u64,
    events_root: Option<Cid>,
    backtrace: &mut Backtrace,
) -> (Receipt, Option<u64>) {
    let InvocationResult { exit_code, value } = done;
    if exit_code.is_success() {
        backtrace.clear();
    }
    let return_codec = value.as_ref().map(|block| block.codec());
    let return_data = value.map(|block| RawBytes::from(block.data().to_vec())).unwrap_or_default();
    (Receipt { exit_code, return_data, gas_used, events_root }, return_codec)
}

fn failed(exit_code: ExitCode, gas_used: u64, events_root: Option<Cid>) -> Receipt {
    Receipt { exit_code, return_data: RawBytes::default(), gas_used, events_root }
}
