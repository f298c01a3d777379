//! Which chain a signature is for.

use cid::Cid;

use crate::bytes::Digest;
use crate::hash;
use crate::subnet_id::SubnetId;

/// Identity of one chain: the hash of its name and of its genesis.
///
/// It stands in every signed preimage, every peer-to-peer protocol name and every certificate, so nothing signed for
/// one chain is valid on another, not even on a chain of the same name started anew.
pub type ChainIdentity = Digest;

const TAG: &str = "subnet-runtime/chain-identity/v1";

/// Identity of the chain `subnet` that starts from the genesis document `genesis`.
pub fn chain_identity(subnet: &SubnetId, genesis: &Cid) -> ChainIdentity {
    hash::blake2b_256(&hash::encode(&(TAG, subnet, genesis)))
}
