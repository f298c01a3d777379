//! The version byte before each message, and the size each may have.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

/// Version that this code writes and reads.
pub const VERSION: u8 = 1;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing came.
    #[error("no bytes where a {message} should be")]
    Empty {
        /// What was expected.
        message: &'static str,
    },
    /// Another version wrote it.
    #[error("{message} of version {actual}, this node reads version {VERSION}")]
    Version {
        /// What was expected.
        message: &'static str,
        /// The version byte.
        actual: u8,
    },
    /// More bytes than such a message may have.
    #[error("{message} of {actual} bytes, at most {max} are allowed")]
    TooLarge {
        /// What was expected.
        message: &'static str,
        /// How many came.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes do not parse.
    #[error("malformed {message}: {reason}")]
    Malformed {
        /// What was expected.
        message: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// The message parses but a field does not convert.
    #[error(transparent)]
    Field(#[from] crate::convert::FieldError),
}

/// Bytes of `message`, behind the version byte.
pub fn encode(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(encoded_len(message));
    bytes.put_u8(VERSION);
    message.encode_raw(&mut bytes);
    bytes.freeze()
}

/// Length of what [`encode`] makes.
pub fn encoded_len(message: &impl Message) -> usize {
    1 + message.encoded_len()
}

/// Reads a message of at most `max` bytes. `name` is what an error calls it.
///
/// # Errors
/// Why the bytes are no such message.
pub fn decode<M: Message + Default>(name: &'static str, bytes: Bytes, max: usize) -> Result<M, DecodeError> {
    let message = name;
    if bytes.len() > max {
        return Err(DecodeError::TooLarge { message, actual: bytes.len(), max });
    }
    match bytes.first() {
        None => Err(DecodeError::Empty { message }),
        Some(&VERSION) => {
            M::decode(bytes.slice(1..)).map_err(|error| DecodeError::Malformed { message, reason: error.to_string() })
        }
        Some(&actual) => Err(DecodeError::Version { message, actual }),
    }
}

/// As [`decode`], for a message whose field number `repeated` may stand in it at most `count_max` times. The fields
/// are counted before anything is allocated for them: empty ones take two bytes on the wire and far more in memory.
///
/// # Errors
/// Why the bytes are no such message.
pub fn decode_counted<M: Message + Default>(
    name: &'static str,
    bytes: Bytes,
    max: usize,
    repeated: u32,
    count_max: usize,
) -> Result<M, DecodeError> {
    if bytes.len() <= max && bytes.first() == Some(&VERSION) {
        let count = count(bytes.slice(1..), repeated)
            .map_err(|error| DecodeError::Malformed { message: name, reason: error.to_string() })?;
        if count > count_max {
            let reason = format!("field {repeated} stands {count} times, at most {count_max} are allowed");
            return Err(DecodeError::Malformed { message: name, reason });
        }
    }
    decode(name, bytes, max)
}

fn count(mut bytes: Bytes, field: u32) -> Result<usize, prost::DecodeError> {
    let mut count = 0;
    while bytes.has_remaining() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        skip_field(wire_type, tag, &mut bytes, DecodeContext::default())?;
        count += usize::from(tag == field);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::ValidatorSignature;

    fn message() -> ValidatorSignature {
        ValidatorSignature { validator: Bytes::from_static(&[1; 32]), signature: Bytes::from_static(&[2; 64]) }
    }

    #[test]
    fn a_message_round_trips() {
        let bytes = encode(&message());
        assert_eq!(bytes.len(), encoded_len(&message()));
        assert_eq!(decode("signature", bytes, 1024), Ok(message()));
    }

    #[test]
    fn another_version_nothing_garbage_and_too_much_are_told_apart() {
        let decode = |bytes: Vec<u8>, max| decode::<ValidatorSignature>("signature", bytes.into(), max);
        assert_eq!(decode(vec![], 10), Err(DecodeError::Empty { message: "signature" }));
        assert_eq!(decode(vec![2, 0], 10), Err(DecodeError::Version { message: "signature", actual: 2 }));
        let large = DecodeError::TooLarge { message: "signature", actual: 11, max: 10 };
        assert_eq!(decode(vec![1; 11], 10), Err(large));
        assert!(matches!(decode(vec![1, 0xff], 10), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn more_repeated_fields_than_allowed_are_refused_before_they_are_read() {
        let response = |count| crate::sync::Response { first: 1, values: vec![Bytes::new(); count] };
        let decode = |count| decode_counted::<crate::sync::Response>("response", encode(&response(count)), 100, 2, 3);
        assert_eq!(decode(3), Ok(response(3)));
        assert!(matches!(decode(4), Err(DecodeError::Malformed { .. })));
        assert!(matches!(decode(100), Err(DecodeError::TooLarge { .. })));
    }
}
