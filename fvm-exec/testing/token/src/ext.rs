//! What the library asks of the VM, over [`Runtime`]; and its errors as aborts.

use actor_runtime::{ActorError, Runtime};
use cid::Cid;
use frc46_token::token::TokenError;
use frc46_token::token::state::StateError;
use fvm_actor_utils::receiver::ReceiverHookError;
use fvm_actor_utils::syscalls::{NoStateError, Syscalls};
use fvm_actor_utils::util::ActorRuntime;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::{ErrorNumber, ExitCode};
use fvm_shared::{ActorID, MethodNum, Response};

/// The library's view of the VM.
pub(crate) type Library<'a, R> = ActorRuntime<Calls<'a, R>, &'a <R as Runtime>::Store>;

/// The library's view of the VM behind `rt`.
pub(crate) fn library<R: Runtime>(rt: &R) -> Library<'_, R> {
    ActorRuntime::new(Calls(rt), rt.store())
}

/// The library's system calls, answered by a [`Runtime`].
pub(crate) struct Calls<'a, R>(&'a R);

impl<R: Runtime> Syscalls for Calls<'_, R> {
    fn root(&self) -> Result<Cid, NoStateError> {
        self.0.state_root().map_err(|_| NoStateError)
    }

    fn set_root(&self, root: &Cid) -> Result<(), NoStateError> {
        self.0.set_state_root(root).map_err(|_| NoStateError)
    }

    fn receiver(&self) -> ActorID {
        self.0.receiver()
    }

    fn caller(&self) -> ActorID {
        self.0.caller()
    }

    fn send(
        &self,
        to: &Address,
        method: MethodNum,
        params: Option<IpldBlock>,
        value: TokenAmount,
    ) -> Result<Response, ErrorNumber> {
        // What Runtime makes an error of aborts this actor too: any number does, this one tells the reason best.
        let number = |error: ActorError| match error.exit_code {
            ExitCode::USR_READ_ONLY => ErrorNumber::ReadOnly,
            ExitCode::USR_FORBIDDEN => ErrorNumber::LimitExceeded,
            _ => ErrorNumber::AssertionFailed,
        };
        let sent = self.0.send(to, method, params, &value, None).map_err(number)?;
        Ok(Response { exit_code: sent.exit_code, return_data: sent.return_data })
    }

    fn resolve_address(&self, address: &Address) -> Option<ActorID> {
        self.0.resolve_address(address)
    }
}

/// Turns what the library refuses into an abort.
pub(crate) trait LibraryResultExt<T> {
    fn or_exit(self, doing: &str) -> Result<T, ActorError>;
}

impl<T> LibraryResultExt<T> for Result<T, TokenError> {
    fn or_exit(self, doing: &str) -> Result<T, ActorError> {
        self.map_err(|error| {
            // FRC-46 asks for this code; the library gives the one for a balance that is too small.
            let is_allowance = matches!(error, TokenError::TokenState(StateError::InsufficientAllowance { .. }));
            let exit_code = if is_allowance { ExitCode::USR_FORBIDDEN } else { ExitCode::from(&error) };
            ActorError::new(exit_code, format!("{doing}: {error}"))
        })
    }
}

impl<T> LibraryResultExt<T> for Result<T, StateError> {
    fn or_exit(self, doing: &str) -> Result<T, ActorError> {
        self.map_err(TokenError::from).or_exit(doing)
    }
}

impl<T> LibraryResultExt<T> for Result<T, ReceiverHookError> {
    fn or_exit(self, doing: &str) -> Result<T, ActorError> {
        self.map_err(TokenError::from).or_exit(doing)
    }
}
