//! The Ethereum address manager, id 10.
//!
//! Its id is the namespace of Ethereum addresses (f410…): the VM makes placeholders and accounts in it. Creating
//! contracts is its other task; this chain has no EVM yet, so those methods answer [`EVM_UNAVAILABLE`], which tells a
//! wallet "not here" apart from "you did it wrong".

#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{ActorError, Runtime, require_caller, require_no_params};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{EAM_ID, METHOD_CONSTRUCTOR, SYSTEM_ID};

/// A contract by its creator's nonce.
pub const METHOD_CREATE: MethodNum = 2;
/// A contract by salt and code.
pub const METHOD_CREATE2: MethodNum = 3;
/// A contract by an account.
pub const METHOD_CREATE_EXTERNAL: MethodNum = 4;

/// Exit code of the creating methods: this chain has no EVM. Outside the numbers that Filecoin's EVM actor uses.
pub const EVM_UNAVAILABLE: ExitCode = ExitCode::new(64);

/// The actor's methods.
///
/// # Errors
/// The abort of the method.
pub fn dispatch<R: Runtime>(
    rt: &R,
    method: MethodNum,
    params: Option<IpldBlock>,
) -> Result<Option<IpldBlock>, ActorError> {
    match method {
        METHOD_CONSTRUCTOR => constructor(rt, params),
        METHOD_CREATE | METHOD_CREATE2 | METHOD_CREATE_EXTERNAL => {
            Err(ActorError::new(EVM_UNAVAILABLE, "this chain has no EVM: contracts cannot be created"))
        }
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    require_no_params(params)?;
    let receiver = rt.receiver();
    if receiver != EAM_ID {
        return Err(ActorError::forbidden(format!("the Ethereum address manager has id {EAM_ID}, not {receiver}")));
    }
    Ok(None)
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::mock::MockRuntime;
    use fvm_shared::econ::TokenAmount;

    fn call(receiver: u64, caller: u64, method: MethodNum) -> Result<Option<IpldBlock>, ActorError> {
        MockRuntime::new(receiver).call(dispatch, caller, &TokenAmount::default(), method, None)
    }

    #[test]
    fn constructor_wants_system_and_its_own_id() {
        assert_eq!(call(EAM_ID, SYSTEM_ID, METHOD_CONSTRUCTOR), Ok(None));
        assert_eq!(call(EAM_ID, 100, METHOD_CONSTRUCTOR).unwrap_err().exit_code, ExitCode::USR_FORBIDDEN);
        assert_eq!(call(11, SYSTEM_ID, METHOD_CONSTRUCTOR).unwrap_err().exit_code, ExitCode::USR_FORBIDDEN);
    }

    #[test]
    fn creating_contracts_says_that_there_is_no_evm() {
        for method in [METHOD_CREATE, METHOD_CREATE2, METHOD_CREATE_EXTERNAL] {
            assert_eq!(call(EAM_ID, 100, method).unwrap_err().exit_code, EVM_UNAVAILABLE);
        }
        assert_eq!(call(EAM_ID, 100, 5).unwrap_err().exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
    }
}
