//! What a subnet learns of its parent.

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::block::BlockHeader;
use crate::membership::{Validator, ValidatorSet};
use crate::quantity::ConfigurationNumber;
use crate::vote::FinalityCertificate;

/// One numbered change of a subnet's validators, as its parent logged it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct MembershipChange {
    /// The configuration that this change makes out of the one before; changes apply in this order without a gap.
    pub number: ConfigurationNumber,
    /// The validator as it is from then on, found by its vote key; power 0 removes it.
    pub validator: Validator,
}

/// Where the parent's validators hand over to others: the last block that one set voted on names the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Handover {
    /// A header whose `validators_hash` is the set's before and whose `next_validators_hash` another's.
    pub header: BlockHeader,
    /// That set's certificate over it.
    pub certificate: FinalityCertificate,
    /// The set that votes from the next height on.
    pub validators: ValidatorSet,
}

/// A piece of the parent's finalized chain that a proposer brings into the subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ParentUpdate {
    /// From the validators that the subnet tracks to those that voted on `header`, in order; empty when they are the
    /// same.
    pub handovers: Vec<Handover>,
    /// Header `h + 1` of the parent; it commits to the state after `h`, from which messages and changes are read.
    pub header: BlockHeader,
    /// The parent validators' certificate over that header.
    pub certificate: FinalityCertificate,
    /// The IPLD blocks on the way from `header.state_root` to the next messages and changes for the subnet: they hold
    /// both, and prove that these are all.
    pub witness: Vec<WitnessBlock>,
}

/// One IPLD block of a witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct WitnessBlock {
    /// The block's bytes; its CID follows from them.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub bytes: Vec<u8>,
}
