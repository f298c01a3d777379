//! Parameters and returns: DAG-CBOR on the wire, types inside.

use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_ipld_encoding::{CBOR, DAG_CBOR};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ActorError, ResultExt};

/// Reads a method's parameters.
///
/// # Errors
/// Exit 16 when there are none, exit 21 when they are in another codec or do not encode a `T`.
pub fn decode_params<T: DeserializeOwned>(params: Option<IpldBlock>) -> Result<T, ActorError> {
    let block = params.ok_or_else(|| ActorError::illegal_argument("this method takes parameters, got none"))?;
    if block.codec != CBOR && block.codec != DAG_CBOR {
        return Err(ActorError::serialization(format!("parameters have codec {:#x}, expected CBOR", block.codec)));
    }
    fvm_ipld_encoding::from_slice(&block.data).or_serialization("parameters")
}

/// For a method without parameters: refuses any, so that a caller who mistook the method learns it.
///
/// # Errors
/// Exit 16 when there are some.
pub fn require_no_params(params: Option<IpldBlock>) -> Result<(), ActorError> {
    match params {
        Some(block) if !block.data.is_empty() => Err(ActorError::illegal_argument(format!(
            "this method takes no parameters, got {} bytes",
            block.data.len()
        ))),
        _ => Ok(()),
    }
}

/// Encodes parameters for a send.
///
/// Links inside are plain bytes to the VM (codec CBOR): the receiver cannot read the sender's blocks through them.
///
/// # Errors
/// Exit 21 when `params` has no CBOR form.
pub fn encode_params<T: Serialize + ?Sized>(params: &T) -> Result<Option<IpldBlock>, ActorError> {
    IpldBlock::serialize_cbor(params).or_serialization("encoding parameters")
}

/// Encodes a method's return, as [`encode_params`] does.
///
/// # Errors
/// Exit 21 when `value` has no CBOR form.
pub fn encode_return<T: Serialize + ?Sized>(value: &T) -> Result<Option<IpldBlock>, ActorError> {
    IpldBlock::serialize_cbor(value).or_serialization("encoding the return")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::error::ExitCode;

    #[test]
    fn parameters_round_trip() {
        let block = encode_params(&(7u64, "seven")).unwrap();
        assert_eq!(decode_params::<(u64, String)>(block).unwrap(), (7, "seven".to_owned()));
    }

    #[test]
    fn missing_foreign_and_overlong_parameters_are_refused_with_their_reason() {
        let missing = decode_params::<u64>(None).unwrap_err();
        assert_eq!(missing.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT);

        let raw = IpldBlock { codec: 0x55, data: vec![7] };
        let error = decode_params::<u64>(Some(raw)).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_SERIALIZATION);
        assert!(error.message.contains("0x55"), "{error}");

        let mut overlong = encode_params(&7u64).unwrap().unwrap();
        overlong.data.push(0);
        assert_eq!(decode_params::<u64>(Some(overlong)).unwrap_err().exit_code, ExitCode::USR_SERIALIZATION);
    }

    #[test]
    fn unexpected_parameters_are_refused() {
        assert_eq!(require_no_params(None), Ok(()));
        assert_eq!(require_no_params(Some(IpldBlock { codec: CBOR, data: vec![] })), Ok(()));
        let error = require_no_params(encode_params(&1u64).unwrap()).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT);
    }
}
