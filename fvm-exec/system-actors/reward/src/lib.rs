//! The reward actor, id 2: collects the tips of a block's messages and pays them to the block's proposer.
//!
//! The VM credits each message's tip to this actor. At the end of the block the node, as system, tells it whom to pay
//! how much. A payment that fails must not stop the chain, because a validator's owner address is the validator's
//! choice: the tips then stay here, counted in [`State::withheld`], and the return says why. What can only be the
//! node's own mistake (more than there is, less than nothing) aborts.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{ActorError, Runtime, decode_params, encode_return, require_caller, require_no_params};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{METHOD_SEND, MethodNum};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::actors::reward::AWARD_TIPS;
use subnet_types::actors::{AwardTipsParams, METHOD_CONSTRUCTOR, SYSTEM_ID};

/// State of the reward actor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// Sum of the tips that could not be paid, in attoFIL. Part of the balance; never more than it.
    pub withheld: TokenAmount,
}

/// Return of [`AWARD_TIPS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct AwardTipsReturn {
    /// Zero when the beneficiary was paid; otherwise why the tips stayed here.
    pub exit_code: ExitCode,
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
        AWARD_TIPS => award_tips(rt, params),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    require_no_params(params)?;
    rt.save_state(&State::default())?;
    Ok(None)
}

fn award_tips<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    let AwardTipsParams { beneficiary, amount } = decode_params(params)?;
    if amount.is_negative() {
        return Err(ActorError::illegal_argument(format!("tips of {} attoFIL are below zero", amount.atto())));
    }
    let mut state: State = rt.load_state()?;
    let payable = rt.balance() - &state.withheld;
    if amount > payable {
        return Err(ActorError::insufficient_funds(format!(
            "tips of {} attoFIL, but only {} came in",
            amount.atto(),
            payable.atto()
        )));
    }
    // A plain send runs no code of the beneficiary, so it cannot use up the block's gas or call back.
    let exit_code = rt.send(&beneficiary, METHOD_SEND, None, &amount, None)?.exit_code;
    if !exit_code.is_success() {
        state.withheld += amount;
        rt.save_state(&state)?;
    }
    encode_return(&AwardTipsReturn { exit_code })
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::encode_params;
    use actor_runtime::mock::MockRuntime;
    use fvm_shared::address::Address;
    use subnet_types::actors::REWARD_ID;

    fn rt(balance: i64) -> MockRuntime {
        let rt = MockRuntime::new(REWARD_ID);
        rt.call(dispatch, SYSTEM_ID, &TokenAmount::default(), METHOD_CONSTRUCTOR, None).unwrap();
        rt.set_balance(REWARD_ID, &TokenAmount::from_atto(balance));
        rt
    }

    fn award(rt: &MockRuntime, caller: u64, beneficiary: Address, amount: i64) -> Result<ExitCode, ActorError> {
        let params = AwardTipsParams { beneficiary, amount: TokenAmount::from_atto(amount) };
        let params = encode_params(&params).unwrap();
        let returned = rt.call(dispatch, caller, &TokenAmount::default(), AWARD_TIPS, params)?;
        Ok(decode_params::<AwardTipsReturn>(returned).unwrap().exit_code)
    }

    #[test]
    fn tips_reach_the_beneficiary_even_when_its_account_is_new() {
        let rt = rt(10);
        let owner = Address::new_secp256k1(&[4; 65]).unwrap();
        assert_eq!(award(&rt, SYSTEM_ID, owner, 7), Ok(ExitCode::OK));
        let owner = rt.resolve_address(&owner).unwrap();
        assert_eq!(rt.balance_of(owner), TokenAmount::from_atto(7));
        assert_eq!(rt.balance(), TokenAmount::from_atto(3));
    }

    #[test]
    fn only_system_awards() {
        let rt = rt(10);
        let error = award(&rt, 100, Address::new_id(99), 7).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
        assert_eq!(rt.balance(), TokenAmount::from_atto(10));
    }

    #[test]
    fn tips_that_cannot_be_paid_stay_and_are_not_paid_to_the_next() {
        let rt = rt(10);
        let nobody = Address::new_actor(b"never created");
        assert_eq!(award(&rt, SYSTEM_ID, nobody, 7), Ok(ExitCode::SYS_INVALID_RECEIVER));
        assert_eq!(rt.load_state::<State>().unwrap().withheld, TokenAmount::from_atto(7));
        // The three that are left can be paid, the seven that are withheld cannot.
        let error = award(&rt, SYSTEM_ID, Address::new_id(99), 4).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_INSUFFICIENT_FUNDS);
        assert_eq!(award(&rt, SYSTEM_ID, Address::new_id(99), 3), Ok(ExitCode::OK));
        assert_eq!(rt.balance(), TokenAmount::from_atto(7));
    }

    #[test]
    fn tips_below_zero_and_garbage_are_refused() {
        let rt = rt(10);
        let error = award(&rt, SYSTEM_ID, Address::new_id(99), -1).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT);
        let garbage = encode_params(&"tips").unwrap();
        let error = rt.call(dispatch, SYSTEM_ID, &TokenAmount::default(), AWARD_TIPS, garbage).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_SERIALIZATION);
    }
}
