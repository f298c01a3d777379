//! Who may call. Every method that changes state starts with one of these.

use fvm_shared::{ActorID, MethodNum};

use crate::builtin;
use crate::error::ActorError;
use crate::runtime::Runtime;

/// First method number that FRC-42 hashes can give; numbers below are private to built-in actors.
pub const EXPORTED_METHOD_FIRST: MethodNum = 1 << 24;

/// Whether a method number belongs to a public (FRC-42) method.
pub fn is_exported(method: MethodNum) -> bool {
    method >= EXPORTED_METHOD_FIRST
}

/// Lets only these actors pass.
///
/// # Errors
/// Exit 18 naming the caller and who is expected.
pub fn require_caller(rt: &impl Runtime, allowed: &[ActorID]) -> Result<(), ActorError> {
    let caller = rt.caller();
    if allowed.contains(&caller) {
        return Ok(());
    }
    Err(ActorError::forbidden(format!("caller {caller} may not call this, expected one of {allowed:?}")))
}

/// Lets only actors of this built-in type pass.
///
/// # Errors
/// Exit 18 naming the caller and the type that is expected.
pub fn require_caller_type(rt: &impl Runtime, expected: u32) -> Result<(), ActorError> {
    let caller = rt.caller();
    let actual = rt.code_of(caller).and_then(|code| rt.builtin_type(&code));
    if actual == Some(expected) {
        return Ok(());
    }
    let name = |number| builtin::name(number).unwrap_or("unknown");
    Err(ActorError::forbidden(format!(
        "caller {caller} is a {} actor, expected {}",
        actual.map_or("foreign", name),
        name(expected)
    )))
}
