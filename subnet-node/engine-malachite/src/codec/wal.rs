//! What only the write-ahead log holds: the application's judgements and polka certificates.

use arc_malachitebft_app_channel::app::types::ProposedValue;
use arc_malachitebft_app_channel::app::types::core::{PolkaCertificate, Round, Validity};
use proto::consensus as wire;
use proto::convert::{self, FieldError};

use super::certificates::{polka_from_proto, polka_to_proto};
use super::consensus::optional_round;
use super::{CERTIFICATE_BYTES_MAX, CONSENSUS_BYTES_MAX, codec, key_bytes};
use crate::context::{Address, At, BlockId, Chain, number};

fn value_to_proto(value: &ProposedValue<Chain>) -> wire::ProposedValue {
    wire::ProposedValue {
        height: value.height.0,
        round: number(value.round),
        valid_round: value.valid_round.as_u32(),
        proposer: key_bytes(&value.proposer.0),
        block: convert::block_id_bytes(&value.value.0),
        valid: value.validity.is_valid(),
    }
}

fn value_from_proto(value: wire::ProposedValue) -> Result<ProposedValue<Chain>, FieldError> {
    Ok(ProposedValue {
        height: At::from(convert::height("value.height", value.height)?),
        round: Round::new(convert::round("value.round", value.round)?),
        valid_round: optional_round("value.valid_round", value.valid_round)?,
        proposer: Address(convert::vote_key("value.proposer", &value.proposer)?),
        value: BlockId(convert::block_id("value.block", &value.block)?),
        validity: Validity::from_bool(value.valid),
    })
}

codec!(
    ProposedValue<Chain>,
    wire::ProposedValue,
    "proposed value",
    CONSENSUS_BYTES_MAX,
    value_to_proto,
    value_from_proto
);

codec!(
    PolkaCertificate<Chain>,
    wire::PolkaCertificate,
    "polka certificate",
    CERTIFICATE_BYTES_MAX,
    polka_to_proto,
    polka_from_proto
);
