//! What crosses the actor's border, in Filecoin's forms.

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// Parameters of the constructor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ConstructorParams {
    /// Name of the network.
    pub network_name: String,
}

/// Parameters of [`crate::METHOD_EXEC`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ExecParams {
    /// Code of the new actor.
    pub code_cid: Cid,
    /// CBOR of its constructor's parameters.
    pub constructor_params: RawBytes,
}

/// Parameters of [`crate::METHOD_EXEC4`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Exec4Params {
    /// Code of the new actor.
    pub code_cid: Cid,
    /// CBOR of its constructor's parameters.
    pub constructor_params: RawBytes,
    /// The part of the f4 address after the caller's namespace.
    pub subaddress: RawBytes,
}

/// Return of [`crate::METHOD_EXEC`] and [`crate::METHOD_EXEC4`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ExecReturn {
    /// Short address, good on this chain alone.
    pub id_address: Address,
    /// Address that survives a reorganization of ids.
    pub robust_address: Address,
}
