//! Tells a caller whose parameters do not fit what the method takes.
//!
//! The methods are generated from traits, and the generated code answers a misfit with the decoder's words alone. Each
//! method is therefore wrapped: the answer then names the method, what it takes and what was wrong. Surplus parameters,
//! which the generated code would overlook, are refused as well: they are most often a caller's mistake about order.

use std::sync::Arc;

use client::api::{ApiError, code};
use futures::FutureExt;
use jsonrpsee::core::server::{MethodCallback, MethodResponse, Methods};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What each method takes, in order. `?` marks what may be `null` or left out at the end.
pub(super) const SIGNATURES: &[(&str, &[&str])] = &[
    ("Filecoin.Version", &[]),
    ("Filecoin.ChainHead", &[]),
    ("Filecoin.ChainGetTipSetByHeight", &["height", "tipsetKey?"]),
    ("Filecoin.ChainGetBlock", &["blockCid"]),
    ("Filecoin.ChainGetMessage", &["messageCid"]),
    ("Filecoin.ChainGetBlockMessages", &["blockCid"]),
    ("Filecoin.MpoolPush", &["signedMessage"]),
    ("Filecoin.MpoolPending", &["tipsetKey?"]),
    ("Filecoin.MpoolGetNonce", &["address"]),
    ("Filecoin.GasEstimateMessageGas", &["message", "sendSpec?", "tipsetKey?"]),
    ("Filecoin.StateNetworkName", &[]),
    ("Filecoin.StateGetActor", &["address", "tipsetKey?"]),
    ("Filecoin.StateLookupID", &["address", "tipsetKey?"]),
    ("Filecoin.StateAccountKey", &["address", "tipsetKey?"]),
    ("Filecoin.StateCall", &["message", "tipsetKey?"]),
    ("Filecoin.StateSearchMsg", &["tipsetKey?", "messageCid", "lookBackLimit?", "allowReplaced?"]),
    ("Filecoin.StateWaitMsg", &["messageCid", "confidence?", "lookBackLimit?", "allowReplaced?"]),
    ("Filecoin.StateReadState", &["address", "tipsetKey?"]),
    ("Filecoin.WalletBalance", &["address"]),
    ("Filecoin.FilecoinAddressToEthAddress", &["address", "block?"]),
    ("Filecoin.EthAddressToFilecoinAddress", &["ethAddress"]),
    ("Subnet.Info", &[]),
    ("Subnet.Validators", &["height?"]),
    ("Subnet.Header", &["height?"]),
    ("Subnet.Block", &["height?"]),
    ("Subnet.Proof", &["childSubnet", "fromNonce", "fromConfiguration", "trackedSet", "headerCid?"]),
    ("Subnet.BalanceProof", &["stateRoot", "address"]),
    ("Subnet.Activation", &["childSubnet"]),
    ("Subnet.GenesisFile", &[]),
    ("Subnet.Children", &[]),
    ("Subnet.ChildStatus", &["childSubnet"]),
    ("Subnet.Checkpoint", &["sequence"]),
    ("Subnet.Checkpoints", &["fromSequence", "max"]),
    ("Subnet.ParentProof", &["fromNonce", "fromConfiguration", "trackedSet", "headerCid?"]),
    ("Subnet.ParentView", &[]),
    ("Subnet.MessageStatus", &["messageCid"]),
    ("Subnet.CrossTrace", &["messageId"]),
    ("Subnet.CrossPending", &["height?"]),
    ("Subnet.CrossQueue", &["childSubnet?", "fromNonce", "height?"]),
    ("Subnet.CrossAwaited", &["fromId?", "max", "height?"]),
    ("Subnet.CrossOwed", &["fromKey?", "max", "height?"]),
    ("Subnet.CrossUnclaimed", &["fromAddress?", "max", "height?"]),
    ("Subnet.CrossPrice", &["destinationSubnet"]),
    ("Subnet.Actors", &[]),
    ("Subnet.Supply", &["height?"]),
];

/// Characters of a decoder's reason that an answer repeats.
const REASON_CHARS_MAX: usize = 400;

/// Wraps every method of `methods`.
pub(super) fn explained(methods: &Methods) -> Methods {
    let mut wrapped = Methods::new();
    for name in methods.method_names() {
        assert!(signature(name).is_some(), "{name} is missing from the list of signatures");
        let callback = methods.method(name).expect("the name came from the same list");
        let callback = match callback {
            MethodCallback::Async(inner) => {
                let inner = inner.clone();
                MethodCallback::Async(Arc::new(move |id, params, connection, size_max, extensions| {
                    if let Some(surplus) = surplus(name, &params) {
                        return std::future::ready(MethodResponse::error(id, ErrorObjectOwned::from(surplus))).boxed();
                    }
                    let answer = inner(id.clone(), params, connection, size_max, extensions);
                    async move {
                        let answer = answer.await;
                        match misfit(name, &answer) {
                            Some(error) => MethodResponse::error(id, ErrorObjectOwned::from(error)),
                            None => answer,
                        }
                    }
                    .boxed()
                }))
            }
            other => other.clone(),
        };
        wrapped.verify_and_insert(name, callback).expect("each name comes once");
    }
    wrapped
}

fn signature(name: &str) -> Option<&'static [&'static str]> {
    SIGNATURES.iter().find(|(known, _)| *known == name).map(|(_, parameters)| *parameters)
}

fn takes(name: &str) -> String {
    signature(name).map_or_else(String::new, |parameters| format!("{name} takes [{}]", parameters.join(", ")))
}

fn surplus(name: &str, params: &Params<'_>) -> Option<ApiError> {
    let allowed = signature(name)?.len();
    // What is no list is the decoder's to refuse.
    let actual = params.parse::<Vec<&RawValue>>().ok()?.len();
    (actual > allowed).then(|| ApiError::InvalidParams(format!("{}, got {actual} parameters", takes(name))))
}

/// The decoder's answer to parameters that do not fit, in more words; `None` for any other answer.
fn misfit(name: &str, answer: &MethodResponse) -> Option<ApiError> {
    #[derive(Deserialize)]
    struct Answer {
        error: Refusal,
    }
    #[derive(Deserialize)]
    struct Refusal {
        data: Option<String>,
    }
    if answer.as_error_code() != Some(code::INVALID_PARAMS) {
        return None;
    }
    // The methods' own refusals carry no data and say all there is to say already.
    let reason = serde_json::from_str::<Answer>(answer.as_json().get()).ok()?.error.data?;
    // The decoder repeats what it was given, however long that is.
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    Some(ApiError::InvalidParams(format!("{}; {reason}", takes(name))))
}
