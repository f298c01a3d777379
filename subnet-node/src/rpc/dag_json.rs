//! A DAG-CBOR block as DAG-JSON, so that any actor's state can be read without knowing its type.
//!
//! Bytes become `{"/": {"bytes": "base64"}}` and links `{"/": "bafy…"}`, as the DAG-JSON format has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};

use super::limits::STATE_DEPTH_MAX;

/// The JSON of a DAG-CBOR block.
///
/// # Errors
/// What the decoder said, or that it nests too deep.
pub(super) fn from_dag_cbor(block: &[u8]) -> Result<Value, String> {
    let value: Ipld = fvm_ipld_encoding::from_slice(block).map_err(|error| error.to_string())?;
    to_json(value, STATE_DEPTH_MAX)
}

fn to_json(value: Ipld, depth_left: usize) -> Result<Value, String> {
    let Some(depth_left) = depth_left.checked_sub(1) else {
        return Err(format!("it nests deeper than {STATE_DEPTH_MAX} levels"));
    };
    Ok(match value {
        Ipld::Null => Value::Null,
        Ipld::Bool(value) => Value::Bool(value),
        // JSON's numbers are exact up to 64 bits here; DAG-CBOR has no larger ones.
        Ipld::Integer(value) => match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => json!(value),
            (_, Ok(value)) => json!(value),
            _ => Value::String(value.to_string()),
        },
        Ipld::Float(value) => json!(value),
        Ipld::String(value) => Value::String(value),
        Ipld::Bytes(value) => json!({ "/": { "bytes": STANDARD_NO_PAD.encode(value) } }),
        Ipld::List(values) => {
            Value::Array(values.into_iter().map(|value| to_json(value, depth_left)).collect::<Result<_, _>>()?)
        }
        Ipld::Map(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(name, value)| Ok((name, to_json(value, depth_left)?)))
                .collect::<Result<_, String>>()?,
        ),
        Ipld::Link(cid) => json!({ "/": cid.to_string() }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::hash::{cid_of_bytes, encode};

    #[test]
    fn every_kind_of_value_has_a_form() {
        let link = cid_of_bytes(b"link");
        let block = encode(&(1u64, -2i64, "text", fvm_ipld_encoding::BytesSer(&[1, 2, 3]), link, (true, None::<u64>)));
        let expected = json!([
            1, -2, "text", { "/": { "bytes": "AQID" } }, { "/": link.to_string() }, [true, null]
        ]);
        assert_eq!(from_dag_cbor(&block).expect("decodes"), expected);
        assert_eq!(from_dag_cbor(&encode(&u64::MAX)).expect("decodes"), json!(u64::MAX));
    }

    #[test]
    fn garbage_and_deep_nesting_are_refused() {
        assert!(from_dag_cbor(&[0xff]).is_err());
        let nested = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
        assert!(from_dag_cbor(&nested(STATE_DEPTH_MAX - 1)).is_ok());
        assert!(from_dag_cbor(&nested(STATE_DEPTH_MAX)).is_err());
        assert!(from_dag_cbor(&nested(100_000)).is_err());
    }
}
