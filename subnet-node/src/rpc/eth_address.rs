//! The two ways to write one address: Filecoin's and Ethereum's.
//!
//! An f410 address holds the twenty bytes of an Ethereum address. Any other actor has a *masked id*: `0xff`, eleven
//! zeros and its id in eight bytes.

use client::api::ApiError;
use fvm_shared::ActorID;
use fvm_shared::address::{Address, Payload};
use subnet_types::actors::EAM_ID;

const ETH_ADDRESS_BYTES: usize = 20;
const MASK_BYTES: usize = 12;

/// The Ethereum form of `address`. `lookup` finds the id of an address that has no such form by itself.
pub(super) fn to_eth(
    address: &Address,
    lookup: impl FnOnce(&Address) -> Result<ActorID, ApiError>,
) -> Result<String, ApiError> {
    let bytes = match address.payload() {
        Payload::Delegated(delegated) if delegated.namespace() == EAM_ID => {
            <[u8; ETH_ADDRESS_BYTES]>::try_from(delegated.subaddress()).map_err(|_| {
                let actual = delegated.subaddress().len();
                ApiError::InvalidParams(format!("{address} holds {actual} bytes, an Ethereum address has 20"))
            })?
        }
        Payload::ID(id) => masked(*id),
        _ => masked(lookup(address)?),
    };
    Ok(format!("0x{}", hex::encode(bytes)))
}

/// The Filecoin form of the Ethereum address `text`.
pub(super) fn from_eth(text: &str) -> Result<Address, ApiError> {
    let wrong = || {
        let text: String = text.chars().take(80).collect();
        ApiError::InvalidParams(format!("expected an Ethereum address, 0x and 40 hexadecimal digits, got {text:?}"))
    };
    let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
    let bytes: [u8; ETH_ADDRESS_BYTES] =
        hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
    let (mask, id) = bytes.split_at(MASK_BYTES);
    if mask[0] == 0xff && mask[1..].iter().all(|byte| *byte == 0) {
        let id = u64::from_be_bytes(id.try_into().expect("eight bytes are left"));
        return Ok(Address::new_id(id));
    }
    Ok(Address::new_delegated(EAM_ID, &bytes).expect("twenty bytes fit a delegated address"))
}

fn masked(id: ActorID) -> [u8; ETH_ADDRESS_BYTES] {
    let mut bytes = [0; ETH_ADDRESS_BYTES];
    bytes[0] = 0xff;
    bytes[MASK_BYTES..].copy_from_slice(&id.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(_: &Address) -> Result<ActorID, ApiError> {
        Err(ApiError::NotFound("nobody".to_owned()))
    }

    #[test]
    fn both_kinds_round_trip() {
        for text in ["0xff00000000000000000000000000000000000064", "0x52963ef50e27e06d72d59fcb4f3c2a687be3cfef"] {
            let address = from_eth(text).expect(text);
            assert_eq!(to_eth(&address, nobody).expect(text), text);
        }
        assert_eq!(from_eth("0xff00000000000000000000000000000000000064").expect("an id"), Address::new_id(100));
    }

    #[test]
    fn other_addresses_go_by_their_id_on_this_chain() {
        let address = Address::new_actor(b"actor");
        let text = to_eth(&address, |_| Ok(1000)).expect("has an id");
        assert_eq!(from_eth(&text).expect("an id"), Address::new_id(1000));
        assert!(matches!(to_eth(&address, nobody), Err(ApiError::NotFound(_))));
    }

    #[test]
    fn garbage_is_refused_with_what_was_expected() {
        for text in
            ["", "0x", "52963ef50e27e06d72d59fcb4f3c2a687be3cfef", "0x52", "0xzz963ef50e27e06d72d59fcb4f3c2a687be3cf"]
        {
            let error = from_eth(text).expect_err(text).to_string();
            assert!(error.contains("40 hexadecimal digits"), "{error}");
        }
        let short = Address::new_delegated(EAM_ID, &[1, 2, 3]).expect("a short one");
        assert!(to_eth(&short, nobody).expect_err("three bytes").to_string().contains("3 bytes"));
    }
}
