//! The links in a block, found without decoding it.
//!
//! It takes everything for a block that the VM lets an actor write, which is more than DAG-CBOR allows: maps with any
//! keys, numbers in any form. A stricter reader would let one actor stop the chain.

use cid::Cid;
use fvm_ipld_encoding::DAG_CBOR;
use multihash_codetable::Multihash;
use subnet_types::hash::BLAKE2B_256;

/// CBOR's tag for a link.
const LINK_TAG: u64 = 42;

/// The byte in front of a CID in a link: the multibase prefix of raw binary.
const LINK_PREFIX: u8 = 0;

/// Identity: the digest is the block itself.
const IDENTITY: u64 = 0;

/// Calls `found` with each link of the block that `cid` names. Only DAG-CBOR has links.
///
/// # Errors
/// What is wrong with the block, which no actor can have written then.
pub(crate) fn for_each(cid: &Cid, block: &[u8], mut found: impl FnMut(Cid)) -> Result<(), &'static str> {
    if cid.codec() == DAG_CBOR { scan(block, &mut found) } else { Ok(()) }
}

/// The block that a CID holds itself.
pub(crate) fn inline(cid: &Cid) -> Option<&[u8]> {
    (cid.hash().code() == IDENTITY).then(|| cid.hash().digest())
}

fn scan(mut rest: &[u8], found: &mut impl FnMut(Cid)) -> Result<(), &'static str> {
    // Counted, not nested: an actor may nest as deep as its block is long.
    let mut values = 1_u64;
    while values > 0 {
        values -= 1;
        let more = match head(&mut rest)? {
            // Numbers, and what is neither: true, null, floats.
            (0 | 1 | 7, _) => 0,
            (2 | 3, length) => {
                take(&mut rest, length)?;
                0
            }
            (4, length) => length,
            (5, length) => length.checked_mul(2).ok_or("a map without end")?,
            (_, LINK_TAG) => {
                found(link(&mut rest)?);
                0
            }
            (..) => 1,
        };
        values = values.checked_add(more).ok_or("values without end")?;
    }
    Ok(())
}

fn link(rest: &mut &[u8]) -> Result<Cid, &'static str> {
    let (2, length) = head(rest)? else { return Err("a link that is no byte string") };
    match take(rest, length)? {
        // Nearly every one: version 1, raw or DAG-CBOR, BLAKE2b-256. After a block of small messages they are a hundred
        // thousand, and the general reader takes several times as long.
        [LINK_PREFIX, 1, codec @ (0x55 | 0x71), 0xa0, 0xe4, 0x02, 0x20, digest @ ..] if digest.len() == 32 => {
            let hash = Multihash::wrap(BLAKE2B_256, digest).map_err(|_| "a link that is no CID")?;
            Ok(Cid::new_v1(u64::from(*codec), hash))
        }
        [LINK_PREFIX, cid @ ..] => Cid::try_from(cid).map_err(|_| "a link that is no CID"),
        _ => Err("a link without its prefix"),
    }
}

/// Major type and argument (RFC 8949 §3). For floats the argument is their bits.
fn head(rest: &mut &[u8]) -> Result<(u8, u64), &'static str> {
    let [first] = *take(rest, 1)? else { return Err("the end of the block") };
    let argument = match first & 0x1f {
        low @ 0..=23 => u64::from(low),
        low @ 24..=27 => take(rest, 1 << (low - 24))?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        _ => return Err("a length that is not given"),
    };
    Ok((first >> 5, argument))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], &'static str> {
    let length = usize::try_from(length).map_err(|_| "more bytes than there are")?;
    let (taken, after) = rest.split_at_checked(length).ok_or("more bytes than there are")?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_encoding::{IPLD_RAW, to_vec};
    use ipld_core::ipld;
    use ipld_core::ipld::Ipld;
    use proptest::prelude::*;
    use subnet_types::hash::{cid_of, cid_of_bytes};

    fn links(block: &[u8]) -> Result<Vec<Cid>, &'static str> {
        let mut all = Vec::new();
        for_each(&cid_of_bytes(b"some DAG-CBOR"), block, |cid| all.push(cid)).map(|()| all)
    }

    fn ipld() -> impl Strategy<Value = Ipld> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(|number| Ipld::Integer(number.into())),
            any::<bool>().prop_map(Ipld::Bool),
            Just(Ipld::Null),
            (-1e300..1e300).prop_map(Ipld::Float),
            ".{0,30}".prop_map(Ipld::String),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Ipld::Bytes),
            any::<u64>().prop_map(|number| Ipld::Link(cid_of(&number))),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..30).prop_map(Ipld::List),
                prop::collection::btree_map(".{0,5}", inner, 0..8).prop_map(Ipld::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_links_are_those_of_the_decoded_block(ipld in ipld()) {
            let mut expected = Vec::new();
            ipld.references(&mut expected);
            let mut actual = links(&to_vec(&ipld).unwrap()).unwrap();
            // A map is encoded in another order than it is walked in.
            expected.sort_unstable();
            actual.sort_unstable();
            prop_assert_eq!(actual, expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _: Result<_, _> = links(&bytes);
        }
    }

    #[test]
    fn what_actors_may_write_is_read() {
        let cid = cid_of(&1_u8);
        let link = to_vec(&Ipld::Link(cid)).unwrap();
        let deep = [vec![0x81; 100_000], link.clone()].concat();
        assert_eq!(links(&deep), Ok(vec![cid]), "nesting");
        assert_eq!(links(&[&[0xa1, 0x07][..], &link].concat()), Ok(vec![cid]), "a number as key");
        assert_eq!(links(&[&[0xc1][..], &link].concat()), Ok(vec![cid]), "another tag");
        assert_eq!(links(&[0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), Ok(vec![]), "not a number");
    }

    #[test]
    fn links_of_all_codecs_and_hashes_are_read_as_the_cids_they_are() {
        let usual = cid_of(&1_u8);
        let inline = Cid::new_v1(DAG_CBOR, Multihash::wrap(IDENTITY, &[0x01; 32]).unwrap());
        let sha = Cid::new_v1(DAG_CBOR, Multihash::wrap(0x12, &[7; 32]).unwrap());
        let short = Cid::new_v1(DAG_CBOR, Multihash::wrap(BLAKE2B_256, &[7; 31]).unwrap());
        let other_codec = Cid::new_v1(0x70, *usual.hash());
        let raw = Cid::new_v1(IPLD_RAW, *usual.hash());
        for cid in [usual, raw, inline, sha, short, other_codec] {
            assert_eq!(links(&to_vec(&Ipld::Link(cid)).unwrap()), Ok(vec![cid]), "{cid}");
        }
        let mut cut = to_vec(&Ipld::Link(usual)).unwrap();
        cut.pop();
        cut[3] -= 1;
        assert!(links(&cut).is_err(), "a digest of 31 bytes that says it has 32");
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let block = to_vec(&ipld!([{ "a": [1, "text"] }, Ipld::Link(cid_of(&1_u8))])).unwrap();
        assert_eq!(links(&block).unwrap().len(), 1);
        for length in 0..block.len() {
            assert!(links(&block[..length]).is_err(), "{length} bytes");
        }
        assert!(links(&[0x9f, 0xff]).is_err(), "a list of unknown length");
        assert!(links(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err(), "a map of 2^64 - 1");
    }

    #[test]
    fn raw_blocks_have_no_links_and_inline_ones_are_in_the_cid() {
        let link = to_vec(&Ipld::Link(cid_of(&1_u8))).unwrap();
        let raw = Cid::new_v1(IPLD_RAW, *cid_of(&1_u8).hash());
        for_each(&raw, &link, |cid| panic!("found {cid}")).unwrap();
        assert_eq!(inline(&raw), None);
    }
}
