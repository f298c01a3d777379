//! The Ethereum account actor: an f4 address in the namespace of the Ethereum address manager whose key signs Ethereum
//! transactions.
//!
//! The VM turns a placeholder into one when its owner's first message arrives, without calling the constructor; the
//! constructor only guards against being created in any other way. It has no state.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{ActorError, Runtime, is_exported, require_caller, require_no_params};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use fvm_shared::address::Payload;
use subnet_types::actors::{EAM_ID, METHOD_CONSTRUCTOR, SYSTEM_ID};

/// Length of an Ethereum address.
const ETH_ADDRESS_BYTES: usize = 20;

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
        // A call to an account succeeds and does nothing, as on Ethereum; notifications to it must not fail.
        _ if is_exported(method) => Ok(None),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    require_no_params(params)?;
    let Some(address) = rt.delegated_address(rt.receiver()) else {
        return Err(ActorError::illegal_argument("an Ethereum account needs an f4 address, this actor has none"));
    };
    match address.payload() {
        Payload::Delegated(delegated)
            if delegated.namespace() == EAM_ID && delegated.subaddress().len() == ETH_ADDRESS_BYTES =>
        {
            Ok(None)
        }
        _ => Err(ActorError::illegal_argument(format!("{address} is not an Ethereum address (f410…, 20 bytes)"))),
    }
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::mock::{MockRuntime, code};
    use fvm_shared::address::Address;
    use fvm_shared::econ::TokenAmount;
    use fvm_shared::error::ExitCode;

    const SELF: u64 = 200;

    fn construct(address: Option<Address>, caller: u64) -> Result<Option<IpldBlock>, ActorError> {
        let rt = MockRuntime::new(SELF);
        rt.add_actor(SELF, code("ethaccount"), address);
        rt.call(dispatch, caller, &TokenAmount::default(), METHOD_CONSTRUCTOR, None)
    }

    fn delegated(namespace: u64, bytes: usize) -> Option<Address> {
        Some(Address::new_delegated(namespace, &vec![7; bytes]).unwrap())
    }

    #[test]
    fn constructor_wants_system_and_an_ethereum_address() {
        assert_eq!(construct(delegated(EAM_ID, 20), SYSTEM_ID), Ok(None));
        let exit = |result: Result<_, ActorError>| result.unwrap_err().exit_code;
        assert_eq!(exit(construct(delegated(EAM_ID, 20), 100)), ExitCode::USR_FORBIDDEN);
        assert_eq!(exit(construct(None, SYSTEM_ID)), ExitCode::USR_ILLEGAL_ARGUMENT);
        assert_eq!(exit(construct(delegated(EAM_ID, 19), SYSTEM_ID)), ExitCode::USR_ILLEGAL_ARGUMENT);
        assert_eq!(exit(construct(delegated(11, 20), SYSTEM_ID)), ExitCode::USR_ILLEGAL_ARGUMENT);
    }

    #[test]
    fn calls_are_accepted_from_the_first_exported_number_on() {
        let rt = MockRuntime::new(SELF);
        let call = |method| rt.call(dispatch, 100, &TokenAmount::default(), method, None);
        assert_eq!(call(1 << 24), Ok(None));
        assert_eq!(call((1 << 24) - 1).unwrap_err().exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
        assert_eq!(call(2).unwrap_err().exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
    }
}
