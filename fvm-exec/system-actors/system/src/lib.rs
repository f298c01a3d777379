//! The system actor, id 0.
//!
//! It runs nothing: the node sends the protocol's implicit messages in its name, so every actor that trusts "system"
//! trusts the block's execution. On a subnet its balance is the reserve from which top-down value is credited. Its
//! state is where the VM finds the list of built-in actors.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{ActorError, Runtime, require_caller, require_no_params};
use cid::Cid;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::{EMPTY_ARR_CID, MethodNum};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::actors::{METHOD_CONSTRUCTOR, SYSTEM_ID};

/// State of the system actor, in the form that the VM reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// The manifest's list: `[(name, code)…]` in the order of the type numbers.
    pub builtin_actors: Cid,
}

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
        _ => Err(ActorError::unhandled(method)),
    }
}

/// Starts with an empty list; genesis sets the real one, because only it knows the bundle.
fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    require_no_params(params)?;
    rt.save_state(&State { builtin_actors: EMPTY_ARR_CID })?;
    Ok(None)
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::mock::MockRuntime;
    use fvm_shared::econ::TokenAmount;
    use fvm_shared::error::ExitCode;

    #[test]
    fn only_system_constructs_system() {
        let rt = MockRuntime::new(SYSTEM_ID);
        let zero = TokenAmount::default();
        let error = rt.call(dispatch, 100, &zero, METHOD_CONSTRUCTOR, None).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
        rt.call(dispatch, SYSTEM_ID, &zero, METHOD_CONSTRUCTOR, None).unwrap();
        assert_eq!(rt.load_state::<State>().unwrap().builtin_actors, EMPTY_ARR_CID);
    }

    #[test]
    fn every_other_method_is_unhandled() {
        let rt = MockRuntime::new(SYSTEM_ID);
        for method in [2, 1 << 24, u64::MAX] {
            let error = rt.call(dispatch, SYSTEM_ID, &TokenAmount::default(), method, None).unwrap_err();
            assert_eq!(error.exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
        }
    }
}
