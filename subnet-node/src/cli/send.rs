//! `send`: a message from an account.

use clap::Args;
use client::Draft;
use client::api::{JsonAddress, JsonAmount, JsonBytes, JsonCid};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde::Serialize;

use super::context::{Context, SenderArgs};
use super::error::CliError;
use super::genesis::fil;
use super::output::table;
use super::parse;

/// Options of `send`.
#[derive(Args, Debug)]
pub struct SendArgs {
    /// Recipient
    #[arg(value_parser = parse::address)]
    to: Address,
    /// How much
    #[arg(value_parser = parse::amount)]
    amount: TokenAmount,
    /// Method to call at the recipient; 0 is a plain transfer
    #[arg(long, default_value_t = 0)]
    method: u64,
    /// Parameters of the method: its encoding in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = parse::bytes, default_value = "", hide_default_value = true)]
    params: std::vec::Vec<u8>,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    message: JsonCid,
    from: JsonAddress,
    to: JsonAddress,
    amount: JsonAmount,
    nonce: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#return: Option<JsonBytes>,
}

impl SendArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let sender = context.sender(&self.sender).await?;
        let params = RawBytes::new(self.params);
        let draft = Draft { to: self.to, value: self.amount.clone(), method: self.method, params, gas_limit_min: 0 };
        let sent = sender.push(&draft).await?;
        let mut outcome = Outcome {
            message: sent.cid.into(),
            from: sender.address().into(),
            to: self.to.into(),
            amount: self.amount.into(),
            nonce: sent.message.sequence,
            height: None,
            gas_used: None,
            r#return: None,
        };
        if context.is_waiting {
            let progress = context.output.progress("sending");
            let done = sender.wait(&sent, context.wait_options(), |waiting| progress.tell(waiting)).await?;
            outcome.height = Some(done.height);
            outcome.gas_used = Some(done.gas_used);
            outcome.r#return = Some(JsonBytes(done.return_data));
        }
        context.output.result(&outcome, || outcome.text());
        Ok(())
    }
}

impl Outcome {
    fn text(&self) -> String {
        let mut rows = vec![
            ("message", self.message.to_string()),
            ("from", self.from.to_string()),
            ("to", self.to.to_string()),
            ("amount", fil(&self.amount.0)),
        ];
        match (self.height, self.gas_used) {
            (Some(height), Some(gas_used)) => {
                rows.push(("final at height", height.to_string()));
                rows.push(("gas used", gas_used.to_string()));
            }
            _ => rows.push(("follow it with", format!("subnet-node chain message {}", self.message))),
        }
        if let Some(bytes) = self.r#return.as_ref().filter(|bytes| !bytes.0.is_empty()) {
            rows.push(("return", hex::encode(&bytes.0)));
        }
        table(&rows)
    }
}
