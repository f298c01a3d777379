//! Sync: who has which heights, and decided blocks with their certificates.

use arc_malachitebft_app_channel::app::types::PeerId;
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use arc_malachitebft_app_channel::app::types::core::ExtendedCommitCertificate;
use arc_malachitebft_app_channel::app::types::sync::{RawDecidedValue, Request, Response, Status};
use arc_malachitebft_sync::{ValueRequest, ValueResponse};
use bytes::Bytes;
use proto::block::BLOCK_BYTES_MAX;
use proto::convert::{self, FieldError};
use proto::{envelope, sync as wire};
use subnet_types::limits::SYNC_RESPONSE_BYTES_MAX;

use super::certificates::{commit_from_proto, commit_to_proto};
use super::{COMMIT_CERTIFICATE_BYTES_MAX, DecodeError, GREETING_BYTES_MAX, WireCodec, codec};
use crate::config::SYNC_BATCH;
use crate::context::{At, Chain};

fn status_to_proto(status: &Status<Chain>) -> wire::Status {
    wire::Status {
        peer_id: status.peer_id.to_bytes().into(),
        tip_height: status.tip_height.0,
        history_min_height: status.history_min_height.0,
    }
}

fn status_from_proto(status: wire::Status) -> Result<Status<Chain>, FieldError> {
    Ok(Status {
        peer_id: PeerId::from_bytes(&status.peer_id).map_err(|error| FieldError::new("status.peer_id", error))?,
        tip_height: At::from(convert::height("status.tip_height", status.tip_height)?),
        history_min_height: At::from(convert::height("status.history_min_height", status.history_min_height)?),
    })
}

codec!(Status<Chain>, wire::Status, "sync status", GREETING_BYTES_MAX, status_to_proto, status_from_proto);

fn request_to_proto(request: &Request<Chain>) -> wire::Request {
    let Request::ValueRequest(request) = request;
    wire::Request { first: request.range.start().0, last: request.range.end().0 }
}

fn request_from_proto(request: wire::Request) -> Result<Request<Chain>, FieldError> {
    let first = At::from(convert::height("request.first", request.first)?);
    let last = At::from(convert::height("request.last", request.last)?);
    Ok(Request::ValueRequest(ValueRequest::new(first..=last)))
}

codec!(Request<Chain>, wire::Request, "sync request", GREETING_BYTES_MAX, request_to_proto, request_from_proto);

fn value_to_proto(value: &RawDecidedValue<Chain>) -> wire::DecidedValue {
    wire::DecidedValue {
        block: value.value_bytes.clone(),
        certificate: envelope::encode(&commit_to_proto(&value.certificate)),
    }
}

/// Length that a decided value takes in a response, framing included.
pub(crate) fn decided_len(value: &RawDecidedValue<Chain>) -> usize {
    // A field tag and a length of up to five bytes stand before the value in the response.
    envelope::encoded_len(&value_to_proto(value)) + 8
}

fn value_from_bytes(bytes: Bytes) -> Result<RawDecidedValue<Chain>, DecodeError> {
    let max = BLOCK_BYTES_MAX + COMMIT_CERTIFICATE_BYTES_MAX + GREETING_BYTES_MAX;
    let value: wire::DecidedValue = envelope::decode("decided value", bytes, max)?;
    let block = convert::at_most("value.block", value.block, BLOCK_BYTES_MAX)?;
    let certificate: wire::CommitCertificate =
        envelope::decode("commit certificate", value.certificate, COMMIT_CERTIFICATE_BYTES_MAX)?;
    let certificate: ExtendedCommitCertificate<Chain> = commit_from_proto(certificate)?;
    Ok(RawDecidedValue::new(block, certificate))
}

fn response_to_proto(response: &Response<Chain>) -> wire::Response {
    let Response::ValueResponse(response) = response;
    let values = response.values.iter().map(|value| envelope::encode(&value_to_proto(value))).collect();
    wire::Response { first: response.start_height.0, values }
}

impl Codec<Response<Chain>> for WireCodec {
    type Error = DecodeError;

    fn decode(&self, bytes: Bytes) -> Result<Response<Chain>, DecodeError> {
        let response: wire::Response =
            envelope::decode_counted("sync response", bytes, SYNC_RESPONSE_BYTES_MAX, 2, SYNC_BATCH)?;
        let first = At::from(convert::height("response.first", response.first)?);
        let values = response.values.into_iter().map(value_from_bytes).collect::<Result<_, _>>()?;
        Ok(Response::ValueResponse(ValueResponse::new(first, values)))
    }

    fn encode(&self, response: &Response<Chain>) -> Result<Bytes, DecodeError> {
        Ok(envelope::encode(&response_to_proto(response)))
    }
}

impl HasEncodedLen<Response<Chain>> for WireCodec {
    fn encoded_len(&self, response: &Response<Chain>) -> Result<usize, DecodeError> {
        Ok(envelope::encoded_len(&response_to_proto(response)))
    }
}
