//! Waypoints of a block as bytes, to travel beside it.
//!
//! A list in canonical DAG-CBOR, one entry for each waypoint: the place of the message that comes next, the actors that
//! have changed by ascending id (null where one is gone), and IPLD blocks with their CIDs. Nobody has to believe any of
//! it; what is checked here is that reading it costs no more than its bytes, and that it is what only one form has.

use cid::Cid;
use fvm_ipld_encoding::strict_bytes;
use fvm_shared::ActorID;
use fvm_shared::state::ActorState;
use lanes::{WAYPOINTS_MAX, Waypoint, Waypoints};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::block::decode_canonical;
use subnet_types::hash;
use subnet_types::limits::HINT_BYTES_MAX;

#[derive(Serialize_tuple, Deserialize_tuple)]
struct Encoded {
    at: u32,
    actors: Vec<(ActorID, Option<ActorState>)>,
    blocks: Vec<EncodedBlock>,
}

#[derive(Serialize_tuple, Deserialize_tuple)]
struct EncodedBlock {
    cid: Cid,
    #[serde(with = "strict_bytes")]
    block: Vec<u8>,
}

/// The bytes of these waypoints. Empty when there are none, or more than [`HINT_BYTES_MAX`] would be needed.
pub(crate) fn encode(waypoints: Waypoints) -> Vec<u8> {
    // Blocks are nearly all of it: what is far too much is not even put together.
    let blocks = waypoints.iter().flat_map(|waypoint| &waypoint.blocks);
    if waypoints.is_empty() || blocks.map(|(_, block)| block.len()).sum::<usize>() > HINT_BYTES_MAX {
        return Vec::new();
    }
    let encoded: Vec<_> = waypoints
        .into_iter()
        .map(|Waypoint { at, actors, blocks }| Encoded {
            at,
            actors: actors.into_iter().collect(),
            blocks: blocks.into_iter().map(|(cid, block)| EncodedBlock { cid, block }).collect(),
        })
        .collect();
    let bytes = hash::encode(&encoded);
    if bytes.len() > HINT_BYTES_MAX {
        tracing::debug!(bytes = bytes.len(), "more hints than may be sent");
        return Vec::new();
    }
    bytes
}

/// The waypoints in these bytes.
///
/// # Errors
/// Why they are none.
pub(crate) fn decode(bytes: &[u8]) -> Result<Waypoints, String> {
    if bytes.is_empty() {
        return Ok(Waypoints::new());
    }
    if bytes.len() > HINT_BYTES_MAX {
        return Err(format!("{} bytes, at most {HINT_BYTES_MAX} are allowed", bytes.len()));
    }
    let encoded: Vec<Encoded> = decode_canonical(bytes)?;
    if encoded.len() > WAYPOINTS_MAX {
        return Err(format!("{} waypoints, at most {WAYPOINTS_MAX} are allowed", encoded.len()));
    }
    encoded.into_iter().map(waypoint).collect()
}

fn waypoint(Encoded { at, actors, blocks }: Encoded) -> Result<Waypoint, String> {
    if !actors.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err("actors are not in ascending order".to_owned());
    }
    if actors.iter().filter_map(|(_, actor)| actor.as_ref()).any(|actor| actor.balance.is_negative()) {
        return Err("a balance is below zero".to_owned());
    }
    let blocks = blocks.into_iter().map(|EncodedBlock { cid, block }| (cid, block)).collect();
    Ok(Waypoint { at, actors: actors.into_iter().collect(), blocks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use fvm_shared::econ::TokenAmount;
    use proptest::prelude::*;
    use subnet_types::hash::cid_of;

    fn actor(balance: i64) -> ActorState {
        let delegated_address = Some(Address::new_delegated(10, &[1; 20]).unwrap());
        let balance = TokenAmount::from_atto(balance);
        ActorState { code: cid_of(&"code"), state: cid_of(&"state"), sequence: 7, balance, delegated_address }
    }

    fn waypoints(balance: i64) -> Waypoints {
        let blocks = vec![(cid_of(&"one"), vec![1; 70]), (cid_of(&"two"), vec![])];
        let first = Waypoint { at: 3, actors: [(5, Some(actor(balance))), (9, None)].into(), blocks };
        vec![first, Waypoint { at: 8, ..Waypoint::default() }]
    }

    #[test]
    fn waypoints_round_trip_and_none_are_no_bytes() {
        assert_eq!(decode(&encode(waypoints(5))), Ok(waypoints(5)));
        assert_eq!(encode(Waypoints::new()), Vec::<u8>::new());
        assert_eq!(decode(&[]), Ok(Waypoints::new()));
    }

    #[test]
    fn too_much_is_not_encoded() {
        let with = |bytes| vec![Waypoint { blocks: vec![(cid_of(&1), vec![0; bytes])], ..Waypoint::default() }];
        assert!(encode(with(HINT_BYTES_MAX)).is_empty(), "with what stands around it");
        assert!(encode(with(HINT_BYTES_MAX + 1)).is_empty());
        assert!(!encode(with(HINT_BYTES_MAX - 100)).is_empty());
    }

    #[test]
    fn too_many_out_of_order_below_zero_and_in_another_form_are_refused() {
        let refused = |bytes: &[u8], expected: &str| {
            let reason = decode(bytes).unwrap_err();
            assert!(reason.contains(expected), "{expected:?} is not in {reason:?}");
        };
        refused(&vec![0; HINT_BYTES_MAX + 1], "bytes");
        refused(&encode(vec![Waypoint::default(); WAYPOINTS_MAX + 1]), "waypoints");
        assert_eq!(decode(&encode(vec![Waypoint::default(); WAYPOINTS_MAX])).map(|all| all.len()), Ok(WAYPOINTS_MAX));
        refused(&encode(waypoints(-5)), "below zero");
        for ids in [[9, 5], [5, 5]] {
            let actors = ids.map(|id| (id, None)).into();
            refused(&hash::encode(&[Encoded { at: 1, actors, blocks: Vec::new() }]), "order");
        }
        // A number in a longer form than it needs.
        refused(&[0x81, 0x83, 0x18, 0x03, 0x80, 0x80], "");
        // Lists that say they are endless.
        refused(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "");
        refused(&[0x81, 0x83, 0x03, 0x9b, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "");
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic_and_are_never_two_forms_of_one(at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
            let mut bytes = encode(waypoints(5));
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(1 + cut % bytes.len());
            if let Ok(waypoints) = decode(&bytes) {
                prop_assert_eq!(encode(waypoints), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
